"""How the systems of providers are told to suspend a service, and how they say that it is suspended. No sockets here.

Each preset is given ``call``, which sends a request and gives the answer, and nothing else. All of them leave the
order's tag where the system shows it to its own staff, so that what others suspended is told apart and never lifted.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tipstaff.enforcement.connectors.contract import (
    Field,
    InPlace,
    Misunderstood,
    NotOurs,
    OrderView,
    Rejected,
    State,
    Verification,
)
from tipstaff.kernel.text import whole

SUSPENDS = frozenset({("suspend", "service"), ("block", "service")})


@dataclass(frozen=True)
class Request:
    """One HTTP request: a path below the address in the settings, and at most one of query, form and body."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    place: str = ""  # another address than that of the settings, where the preset has two

    def shown(self) -> str:
        """As a person reads it; never with credentials, which are headers or added by the preset when it is sent."""
        told = {**self.query, **(self.form or {})} or self.body or ""
        return f"{self.method} {self.path} {told}".strip()


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Call = Callable[[Request], Answer]


class Preset(ABC):
    """What a preset does. ``settings`` are the connector's; ``secret`` gives the value of its secret field."""

    name: ClassVar[str]
    label: ClassVar[str]
    extra: ClassVar[tuple[Field, ...]] = ()
    again: ClassVar[frozenset[int]] = frozenset()  # status codes of this system's own after which the same may help later

    def __init__(self, settings: Mapping[str, str], secret: Callable[[], str], call: Call) -> None:
        self.settings, self.secret, self.call = settings, secret, call

    @abstractmethod
    def requests(self, order: OrderView) -> tuple[list[Request], list[Request]]:
        """What would be sent to suspend and to restore, for the plan."""

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        return {}

    @abstractmethod
    def look(self, order: OrderView) -> Verification: ...

    @abstractmethod
    def suspend(self, order: OrderView) -> None: ...

    @abstractmethod
    def restore(self, order: OrderView) -> None: ...

    @abstractmethod
    def tagged(self, own: str) -> Iterator[InPlace]:
        """Everything with a tag of ours; ``own`` is the tag's beginning."""

    @abstractmethod
    def restore_stray(self, thing: InPlace) -> None: ...


def reference(order: OrderView) -> str:
    return order.target.reference or order.target.text


def judged(suspended: bool, tagged: bool, order: OrderView, words: str) -> Verification:
    """The one rule of all presets: both is ours, one without the other is somebody else's hand or half a step."""
    if suspended and not tagged:
        return Verification(State.FOREIGN, f"suspended, but not by this order: {words}")
    if suspended or (tagged and order.leaving):
        return Verification(State.IN_PLACE, words)
    return Verification(State.ABSENT, words)


class Whmcs(Preset):
    """WHMCS: ModuleSuspend and ModuleUnsuspend; the tag is a line of the service's admin notes (UpdateClientProduct).

    By the vendor's reference (developers.whmcs.com/api-reference and /api/authentication): ``identifier`` and ``secret`` since
    version 7.2, ``serviceid`` since 7.7 (``accountid`` before), ``result`` 'success' or 'error' with ``message``. Numbers come as
    text or as numbers, and services as a list or, where an add-on took some out, under their numbers: both were seen.
    """

    name, label = "whmcs", "WHMCS"
    extra = (Field("user", "Identifier", "of the API credential (whmcs)", required=False),)
    PAGE = 250

    def _request(self, action: str, **form: str) -> Request:
        return Request("POST", "/includes/api.php", form={"action": action, "responsetype": "json", **form})

    def _ask(self, action: str, **form: str) -> dict[str, Any]:
        request = self._request(action, **form)
        known = {"identifier": self.settings.get("user", ""), "secret": self.secret()}
        answer = self.call(Request("POST", request.path, form={**known, **(request.form or {})}))
        if not isinstance(answer.body, dict) or "result" not in answer.body:
            raise Misunderstood(f"WHMCS answered {action} without a result")
        if answer.body["result"] != "success":
            raise Rejected(f"WHMCS refused {action}: {answer.body.get('message', '')}")
        return answer.body

    def requests(self, order: OrderView) -> tuple[list[Request], list[Request]]:
        service = reference(order)
        note = self._request("UpdateClientProduct", serviceid=service, notes=f"… {order.tag}")
        suspend = self._request("ModuleSuspend", serviceid=service, suspendreason=_reason(order))
        restore = self._request("ModuleUnsuspend", serviceid=service)
        return [note, suspend], [restore, self._request("UpdateClientProduct", serviceid=service, notes="…")]

    @staticmethod
    def _products(body: dict[str, Any]) -> list[dict[str, Any]]:
        """The services of an answer; PHP writes a list with gaps as an object whose keys are numbers."""
        found = body.get("products")
        rows = found.get("product") if isinstance(found, dict) else None
        if isinstance(rows, dict) and rows and all(key.isdecimal() for key in rows):
            body = {"products": {"product": list(rows.values())}}
        return _list(body, "products", "product")

    def _product(self, service: str) -> dict[str, Any]:
        body = self._ask("GetClientsProducts", serviceid=service)
        found = self._products(body)
        if len(found) != 1 or str(found[0].get("id")) != service:
            raise Rejected(f"WHMCS knows no service {service}")
        return found[0]

    def look(self, order: OrderView) -> Verification:
        product = self._product(reference(order))
        status = str(product.get("status", ""))
        return judged(status == "Suspended", order.tag in _lines(product), order, f"status {status}")

    def suspend(self, order: OrderView) -> None:
        service = reference(order)
        lines = _lines(self._product(service))
        if order.tag not in lines:
            self._ask("UpdateClientProduct", serviceid=service, notes="\n".join([*lines, order.tag]))
        self._ask("ModuleSuspend", serviceid=service, suspendreason=_reason(order))

    def restore(self, order: OrderView) -> None:
        self._restore(reference(order), order.tag)

    def _restore(self, service: str, tag: str) -> None:
        product = self._product(service)
        lines = _lines(product)
        if tag not in lines:
            return
        if product.get("status") == "Suspended":
            self._ask("ModuleUnsuspend", serviceid=service)
        self._ask("UpdateClientProduct", serviceid=service, notes="\n".join(line for line in lines if line != tag))

    def tagged(self, own: str) -> Iterator[InPlace]:
        start = 0
        while True:
            body = self._ask("GetClientsProducts", limitstart=str(start), limitnum=str(self.PAGE))
            page = self._products(body)
            for product in page:
                yield from (InPlace(line, str(product["id"])) for line in _lines(product) if line.startswith(own))
            start += self.PAGE
            if not page or start >= _number(body.get("totalresults", 0)):
                return

    def restore_stray(self, thing: InPlace) -> None:
        self._restore(thing.target, thing.tag)


def _number(told: Any) -> int:
    found = told if isinstance(told, int) else whole(str(told))
    if found is not None:
        return found
    raise Misunderstood(f"the answer counts {str(told)[:80]!r} services")


def _lines(product: Mapping[str, Any]) -> list[str]:
    return [line for line in str(product.get("notes") or "").splitlines() if line.strip()]


def _reason(order: OrderView) -> str:
    return f"Policy clause {order.clause}, case {order.case}"


def _list(body: Any, *path: str) -> list[dict[str, Any]]:
    """A list of objects inside an answer; an answer without it is not understood, but null and '' are empty lists."""
    for name in path:
        if not isinstance(body, dict) or name not in body:
            raise Misunderstood(f"the answer has no {'.'.join(path)}")
        body = body[name]
        if body in (None, "", []):
            return []
    if not isinstance(body, list) or not all(isinstance(one, dict) for one in body):
        raise Misunderstood(f"{'.'.join(path)} of the answer is no list")
    return body


class Cpanel(Preset):
    """cPanel: WHM API 1, suspendacct and unsuspendacct; the tag begins the reason, which listsuspended gives back.

    By the vendor's reference (api.docs.cpanel.net, WHM API 1): ``metadata.result`` is 1 or 0 with ``metadata.reason``; servers of
    the releases 11.40 and 11.44 were recorded saying it as text. As root the suspension is locked, so that no reseller ends it
    who owns the account; others may not lock (``disallowun``).
    """

    name, label = "cpanel", "cPanel (WHM)"
    extra = (Field("user", "User", "whose API token it is (cpanel)", required=False, default="root"),)

    def _request(self, function: str, **query: str) -> Request:
        return Request("GET", f"/json-api/{function}", query={"api.version": "1", **query})

    def _ask(self, function: str, **query: str) -> dict[str, Any]:
        plain = self._request(function, **query)
        headers = {"Authorization": f"whm {self.settings.get('user') or 'root'}:{self.secret()}"}
        body = self.call(Request("GET", plain.path, query=plain.query, headers=headers)).body
        told = body.get("metadata") if isinstance(body, dict) else None
        if not isinstance(told, dict) or "result" not in told:
            raise Misunderstood(f"WHM answered {function} without metadata")
        if str(told["result"]) != "1":
            raise Rejected(f"WHM refused {function}: {told.get('reason', '')}")
        return body  # type: ignore[no-any-return]

    def requests(self, order: OrderView) -> tuple[list[Request], list[Request]]:
        there, back = self._suspension(order), {"user": reference(order)}
        return [self._request("suspendacct", **there)], [self._request("unsuspendacct", **back)]

    def _suspension(self, order: OrderView) -> dict[str, str]:
        locked = {"disallowun": "1"} if self.settings.get("user", "root") in {"", "root"} else {}
        return {"user": reference(order), "reason": f"{order.tag} {_reason(order)}", **locked}

    def _suspended(self) -> dict[str, str]:
        """User → the reason that it was suspended for."""
        accounts = _list(self._ask("listsuspended"), "data", "account")
        return {str(one.get("user")): str(one.get("reason") or "") for one in accounts}

    def look(self, order: OrderView) -> Verification:
        reason = self._suspended().get(reference(order))
        if reason is None:
            return Verification(State.ABSENT, "not suspended")
        return judged(True, reason.split(" ")[0] == order.tag, order, reason)

    def suspend(self, order: OrderView) -> None:
        if reference(order) not in self._suspended():
            self._ask("suspendacct", **self._suspension(order))

    def restore(self, order: OrderView) -> None:
        self._restore(reference(order), order.tag)

    def _restore(self, user: str, tag: str) -> None:
        reason = self._suspended().get(user)
        if reason is not None and reason.split(" ")[0] == tag:
            self._ask("unsuspendacct", user=user)

    def tagged(self, own: str) -> Iterator[InPlace]:
        for user, reason in self._suspended().items():
            if reason.startswith(own):
                yield InPlace(reason.split(" ")[0], user)

    def restore_stray(self, thing: InPlace) -> None:
        self._restore(thing.target, thing.tag)


STANDARD_STATES = {state.value: state for state in State}


class Standard(Preset):
    """Your own endpoint, by Standard Webhooks: it is told, and asked, in signed messages of five types (docs/enforcement.md)."""

    name, label = "standard", "Your own endpoint (Standard Webhooks)"

    def _ask(self, kind: str, identity: str, told: Mapping[str, Any]) -> dict[str, Any]:
        body = {"type": f"tipstaff.order.{kind}", "data": told}
        answer = self.call(Request("POST", "", body=body, headers={"webhook-id": identity}))
        if answer.status == 404 or not isinstance(answer.body, dict):
            raise Misunderstood("the endpoint answered no JSON object")
        return answer.body

    def _told(self, order: OrderView) -> dict[str, Any]:
        return {
            "tag": order.tag,
            "kind": order.kind,
            "scope": order.target.scope,
            "target": order.target.text,
            "reference": order.target.reference,
            "customer": order.customer,
            "case": order.case,
            "clause": order.clause,
            "reason": order.reason,
            "expires_at": order.expires_at.isoformat(),
        }

    def requests(self, order: OrderView) -> tuple[list[Request], list[Request]]:
        told = self._told(order)
        both = ({"type": f"tipstaff.order.{kind}", "data": told} for kind in ("apply", "lift"))
        apply, lift = (Request("POST", "", body=body) for body in both)
        return [apply], [lift]

    def look(self, order: OrderView) -> Verification:
        body = self._ask("verify", f"{order.tag}:verify", self._told(order))
        if body.get("state") not in STANDARD_STATES:
            raise Misunderstood(f"the endpoint answered the state {str(body.get('state'))[:80]!r}")
        return Verification(STANDARD_STATES[body["state"]], str(body.get("detail", ""))[:2000])

    def suspend(self, order: OrderView) -> None:
        self._ask("apply", f"{order.tag}:apply", self._told(order))

    def restore(self, order: OrderView) -> None:
        self._ask("lift", f"{order.tag}:lift", self._told(order))

    def tagged(self, own: str) -> Iterator[InPlace]:
        body = self._ask("list", f"{own}list", {"tags": own})
        for one in _list(body, "things"):
            if str(one.get("tag", "")).startswith(own):
                yield InPlace(str(one["tag"]), str(one.get("target", "")))

    def restore_stray(self, thing: InPlace) -> None:
        answer = self._ask("lift", f"{thing.tag}:lift", {"tag": thing.tag, "target": thing.target})
        if answer.get("state") == State.FOREIGN.value:
            raise NotOurs(f"{thing.target} is not ours, says the endpoint")
