"""Presets for machines in clouds: Proxmox VE and OpenStack. No sockets here; see ``webhook_presets``.

Sources, read November 2026: Proxmox VE API viewer (pve.proxmox.com/pve-docs/api-viewer), ``/cluster/resources`` and GET and PUT of
``/nodes/{node}/qemu|lxc/{vmid}/config``, and the manuals qm(1) and pct(1) for ``link_down``; OpenStack Compute API reference
(docs.openstack.org/api-ref/compute), server actions ``suspend``, ``resume``, ``lock``, ``unlock`` and server metadata, and Identity
API v3, application credentials.
"""

import re
from collections.abc import Iterator
from typing import Any

from tipstaff.enforcement.connectors.contract import (
    Field,
    InPlace,
    Misunderstood,
    OrderView,
    Rejected,
    State,
    Unanswered,
    Verification,
)
from tipstaff.enforcement.connectors.webhook_presets import Preset, Request, _list, judged, reference

_NET = re.compile(r"net\d{1,2}")
_DOWN = "link_down=1"


class Proxmox(Preset):
    """Proxmox VE: every network card's link goes down, so the console stays; the tag is a tag of the machine.

    A configuration is read with what is pending applied, unless ``current`` is asked for: what is to be changed is read the
    first way, and whether it stands the second. Without hot-plugging of network cards a change waits for a restart.
    """

    name, label = "proxmox", "Proxmox VE"
    extra = (Field("user", "Token ID", "USER@REALM!TOKEN (proxmox)", required=False),)
    again = frozenset({595, 596, 597, 598, 599})  # the node that has the machine cannot be reached by the one that was asked

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None, **query: str) -> Any:
        headers = {"Authorization": f"PVEAPIToken={self.settings.get('user', '')}={self.secret()}"}
        answer = self.call(Request(method, f"/api2/json{path}", query=query, form=form, headers=headers))
        if not isinstance(answer.body, dict) or "data" not in answer.body:
            raise Misunderstood(f"Proxmox answered {path} without data")
        if answer.body["data"] is None and answer.body.get("message"):  # a change is refused with 200 as well
            raise Rejected(f"Proxmox refused {method} {path}: {str(answer.body['message']).strip()[:200]}")
        return answer.body["data"]

    def _machines(self) -> list[dict[str, Any]]:
        return _list({"data": self._ask("GET", "/cluster/resources", type="vm")}, "data")

    def _config(self, number: str, *, current: str = "") -> tuple[str, dict[str, Any]]:
        """Path and configuration of the machine with this number, wherever in the cluster it runs now."""
        for one in self._machines():
            if str(one.get("vmid")) == number:
                path = f"/nodes/{one['node']}/{one['type']}/{number}/config"
                found = self._ask("GET", path, None, **({"current": current} if current else {}))
                if not isinstance(found, dict):
                    raise Misunderstood(f"Proxmox answered {path} without a configuration")
                return path, found
        raise Rejected(f"Proxmox knows no machine {number}")

    def requests(self, order: OrderView) -> tuple[list[Request], list[Request]]:
        path = f"/api2/json/nodes/…/…/{reference(order)}/config"
        down = {"net0": f"…,{_DOWN}", "tags": f"…;{label(order.tag)}"}
        return [Request("PUT", path, form=down)], [Request("PUT", path, form={"net0": "…", "tags": "…"})]

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        _, config = self._config(reference(order))
        return {"down": sorted(name for name, value in _nets(config).items() if _DOWN in value.split(","))}

    def look(self, order: OrderView) -> Verification:
        _, config = self._config(reference(order), current="1")
        nets = _nets(config)
        down = bool(nets) and all(_DOWN in value.split(",") for value in nets.values())
        tagged = label(order.tag) in _tags(config)
        if tagged and not down and not order.leaving:
            return Verification(State.ABSENT, "the links are still up: the change waits for a restart, or somebody put them up")
        if down and not tagged and sorted(nets) == order.undo.get("down"):
            return Verification(State.ABSENT, "its links were down before")
        return judged(down, tagged, order, f"{len(nets)} links, {'down' if down else 'up'}")

    def suspend(self, order: OrderView) -> None:
        path, config = self._config(reference(order))
        form = {name: value if _DOWN in value.split(",") else f"{value},{_DOWN}" for name, value in _nets(config).items()}
        self._put(path, config, form, {*_tags(config), label(order.tag)})

    def restore(self, order: OrderView) -> None:
        self._restore(reference(order), label(order.tag), order.undo.get("down", ()))

    def _restore(self, number: str, tag: str, down: Any = ()) -> None:
        path, config = self._config(number)
        if tag not in _tags(config):
            return
        form = {
            name: ",".join(part for part in value.split(",") if part != _DOWN)
            for name, value in _nets(config).items()
            if name not in down
        }
        self._put(path, config, form, set(_tags(config)) - {tag})

    def _put(self, path: str, config: dict[str, Any], form: dict[str, str], tags: set[str]) -> None:
        """One change of all; the digest has Proxmox refuse it where somebody else changed the machine meanwhile.

        The last tag is deleted: empty ones are kept as a blank (seen in configurations).
        """
        guard = {"digest": str(config["digest"])} if "digest" in config else {}
        left = {"tags": ";".join(sorted(tags))} if tags else {"delete": "tags"}
        self._ask("PUT", path, {**form, **left, **guard})

    def tagged(self, own: str) -> Iterator[InPlace]:
        for one in self._machines():
            for tag in _tags(one):
                if tag.startswith(label(own)):
                    yield InPlace(tag.replace("-", ":"), str(one.get("vmid")))

    def restore_stray(self, thing: InPlace) -> None:
        self._restore(thing.target, label(thing.tag))


def label(tag: str) -> str:
    """Our tag in the letters that Proxmox takes."""
    return tag.replace(":", "-")


def _tags(config: dict[str, Any]) -> list[str]:
    return [tag for tag in re.split(r"[;, ]", str(config.get("tags") or "")) if tag]


def _nets(config: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in config.items() if _NET.fullmatch(name)}


class Openstack(Preset):
    """OpenStack: Nova's suspend and resume with an application credential; the tag is the server's metadata ``tipstaff``.

    By default a server's owner may resume it, start it and change its metadata, so it is locked too: only administrators
    act on a locked server. What is not running cannot be suspended; there the lock alone keeps it down. The credential needs
    the role of an administrator, which listing every project's servers takes as well.
    """

    name, label = "openstack", "OpenStack"
    extra = (
        Field("user", "Application credential ID", "(openstack)", required=False),
        Field(
            "identity",
            "Keystone",
            "address of the identity service, such as https://keystone.example.net (openstack)",
            required=False,
        ),
    )
    KEY = "tipstaff"
    MICROVERSION = "2.73"  # `locked` is told since 2.9, a lock takes a reason since 2.73 (Train, 2019)
    DOWN = frozenset({"SUSPENDED", "SHUTOFF", "PAUSED"})
    again = frozenset({409})  # the server's state changed since it was read, or Nova became busy: read and decide anew
    token = ""

    def _sign_in(self) -> str:
        credential = {"id": self.settings.get("user", ""), "secret": self.secret()}
        body = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}}
        place = self.settings.get("identity", "")
        answer = self.call(Request("POST", "/v3/auth/tokens", body=body, place=place))
        token = answer.headers.get("x-subject-token", "")
        if not token:
            raise Misunderstood("Keystone answered without a token")
        return token

    def _ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        self.token = self.token or self._sign_in()
        headers = {"X-Auth-Token": self.token, "X-OpenStack-Nova-API-Version": self.MICROVERSION}
        return self.call(Request(method, path, query=query, body=body, headers=headers)).body

    def _server(self, number: str) -> dict[str, Any]:
        body = self._ask("GET", f"/servers/{number}")
        found = body.get("server") if isinstance(body, dict) else None
        if not isinstance(found, dict):
            raise Rejected(f"Nova knows no server {number}")
        return found

    def _idle(self, number: str) -> dict[str, Any]:
        """The server, when Nova is not busy with it: meanwhile every action is answered 409 (conflictingRequest)."""
        server = self._server(number)
        if task := server.get("OS-EXT-STS:task_state"):
            raise Unanswered(f"Nova is busy with server {number}: {task}")
        return server

    def requests(self, order: OrderView) -> tuple[list[Request], list[Request]]:
        path = f"/servers/{reference(order)}"
        tag = Request("POST", f"{path}/metadata", body={"metadata": {self.KEY: order.tag}})
        untag = Request("DELETE", f"{path}/metadata/{self.KEY}")
        lock = Request("POST", f"{path}/action", body=self._lock(order.tag))
        suspend, resume, unlock = (Request("POST", f"{path}/action", body={act: None}) for act in ("suspend", "resume", "unlock"))
        return [tag, lock, suspend], [resume, unlock, untag]

    @staticmethod
    def _lock(tag: str) -> dict[str, Any]:
        return {"lock": {"locked_reason": tag}}

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        return {"locked": self._server(reference(order)).get("locked") is True}

    def look(self, order: OrderView) -> Verification:
        server = self._server(reference(order))
        status, task = str(server.get("status", "")), server.get("OS-EXT-STS:task_state")
        if task in {"suspending", "resuming"}:
            return Verification(State.PENDING, f"{status}, {task}")
        tagged, locked = _metadata(server).get(self.KEY) == order.tag, server.get("locked") is True
        stands = status in self.DOWN and locked if tagged else status == "SUSPENDED"
        return judged(stands, tagged, order, f"status {status}, {'locked' if locked else 'not locked'}")

    def suspend(self, order: OrderView) -> None:
        path, server = f"/servers/{reference(order)}", self._idle(reference(order))
        if _metadata(server).get(self.KEY) != order.tag:
            self._ask("POST", f"{path}/metadata", {"metadata": {self.KEY: order.tag}})
        if server.get("locked") is not True:
            self._ask("POST", f"{path}/action", self._lock(order.tag))
        if server.get("status") not in self.DOWN:
            self._ask("POST", f"{path}/action", {"suspend": None})

    def restore(self, order: OrderView) -> None:
        self._restore(reference(order), order.tag, keep_locked=order.undo.get("locked") is True)

    def _restore(self, number: str, tag: str, *, keep_locked: bool = False) -> None:
        server = self._idle(number)
        if _metadata(server).get(self.KEY) != tag:
            return
        if server.get("status") == "SUSPENDED":
            self._ask("POST", f"/servers/{number}/action", {"resume": None})
        if server.get("locked") is True and not keep_locked:
            self._ask("POST", f"/servers/{number}/action", {"unlock": None})
        self._ask("DELETE", f"/servers/{number}/metadata/{self.KEY}")

    def tagged(self, own: str) -> Iterator[InPlace]:
        marker: dict[str, str] = {}
        while True:
            page = _list(self._ask("GET", "/servers/detail", all_tenants="True", limit="500", **marker), "servers")
            for server in page:
                tag = str(_metadata(server).get(self.KEY, ""))
                if tag.startswith(own):
                    yield InPlace(tag, str(server["id"]))
            if len(page) < 500:
                return
            marker = {"marker": str(page[-1]["id"])}

    def restore_stray(self, thing: InPlace) -> None:
        self._restore(thing.target, thing.tag)


def _metadata(server: dict[str, Any]) -> dict[str, Any]:
    found = server.get("metadata")
    return found if isinstance(found, dict) else {}
