"""A provider's own system is told to act: a signed webhook to an endpoint of yours, or the API of a known product.

Requests go to public addresses only, unless the settings say that the system stands inside; redirects are not followed;
an answer is read up to a limit. Signing: Standard Webhooks (HMAC-SHA256 over id, time and body, ``whsec_…``).
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx

from tipstaff.enforcement import rails
from tipstaff.enforcement.connectors.contract import (
    Field,
    InPlace,
    Misunderstood,
    NotOurs,
    OrderView,
    Plan,
    Receipt,
    Rejected,
    State,
    Unanswered,
    Unreachable,
    Verification,
    number_of,
)
from tipstaff.enforcement.connectors.webhook_clouds import Openstack, Proxmox
from tipstaff.enforcement.connectors.webhook_presets import SUSPENDS, Answer, Cpanel, Preset, Request, Standard, Whmcs
from tipstaff.intake.sources import guarded
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem, Refused

PRESETS: dict[str, type[Preset]] = {one.name: one for one in (Standard, Whmcs, Proxmox, Openstack, Cpanel)}
LARGEST = 4_000_000  # bytes of an answer
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
PREFIX = "whsec_"


def signature(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``; ``secret`` is base64 with or without its prefix ``whsec_``."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error) as error:
        raise InputError(Problem("secret", "is not base64", "make one with: openssl rand -base64 32")) from error
    signed = hmac.new(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


class Webhook:
    """The connector; what is said to whom is the preset's."""

    name: ClassVar[str] = "webhook"
    label: ClassVar[str] = "Provider's own system (webhook)"
    does = SUSPENDS
    form: ClassVar[tuple[Field, ...]] = (
        Field("preset", "System", f"one of {', '.join(PRESETS)}", default="standard"),
        Field("url", "Address", "https://HOST of the system, or the full URL of your own endpoint"),
        Field("secret", "Secret", "signing secret, API secret, token or credential secret", secret=True),
        Field("user", "Name", "identifier, token ID, credential ID or user that goes with the secret", required=False),
        Field("identity", "Keystone", "address of the identity service (openstack)", required=False),
        Field("private", "Inside", "yes: the system may have a private address", required=False),
        Field("authority", "Certificate authority", "PEM file that signs the system's certificate", required=False),
        Field("timeout", "Patience", "seconds for one request", default="15"),
    )

    def __init__(self, settings: Mapping[str, str], bounds: rails.Bounds, secret: Callable[[str], str]) -> None:
        self.settings = {field.name: settings.get(field.name) or field.default for field in self.form}
        kind = PRESETS.get(self.settings["preset"])
        if kind is None:
            raise InputError(Problem("preset", f"{self.settings['preset']!r} is not known", f"one of {', '.join(PRESETS)}"))
        for name in ("url", "identity"):
            parts = urlsplit(self.settings[name])
            if self.settings[name] and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
                raise InputError(Problem(name, "is no web address", "write https://HOST"))
        if self.settings["authority"] and self.settings["private"].lower() != "yes":
            raise InputError(Problem("authority", "is for systems inside", "set private=yes as well"))
        self.bounds, self.timeout = bounds, float(self.settings["timeout"])
        self._secret = lambda: secret(self.settings["secret"])
        self.preset = kind(self.settings, self._secret, self._call)

    def plan(self, order: OrderView) -> Plan:
        do, undo = self.preset.requests(order)
        host = urlsplit(self.settings["url"]).hostname
        summary = f"suspend {order.target.text} at {self.preset.label} ({host})"
        return Plan(summary, tuple(one.shown() for one in do), tuple(one.shown() for one in undo))

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        return self.preset.snapshot(order)

    def apply(self, order: OrderView) -> Receipt:
        rails.admit(self.does, order, self.bounds)
        found = self.preset.look(order)
        if found.state is State.FOREIGN:
            raise NotOurs(found.detail)
        if found.state is not State.IN_PLACE:
            self.preset.suspend(order)
        return Receipt(order, {}, f"{self.preset.label}: asked to suspend {order.target.text}")

    def verify(self, receipt: Receipt) -> Verification:
        return self.preset.look(receipt.order)

    def lift(self, receipt: Receipt) -> None:
        order = replace(receipt.order, leaving=True)
        if (found := self.preset.look(order)).state is State.FOREIGN:
            raise NotOurs(found.detail)
        if found.state is not State.ABSENT:
            self.preset.restore(order)

    def actual(self) -> frozenset[InPlace]:
        return frozenset(self.preset.tagged(f"tipstaff:{self.bounds.instance}:"))

    def remove(self, thing: InPlace) -> None:
        if number_of(thing.tag, self.bounds.instance) is None:
            raise NotOurs(f"{thing.tag} is not a tag of this installation")
        self.preset.restore_stray(thing)

    def _call(self, request: Request) -> Answer:
        body = json.dumps(request.body).encode() if request.body is not None else None
        headers = dict(request.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        if "webhook-id" in headers:
            moment = int(now().timestamp())
            headers["webhook-timestamp"] = str(moment)
            headers["webhook-signature"] = signature(self._secret(), headers["webhook-id"], moment, body or b"")
        place = (request.place or self.settings["url"]).rstrip("/") if request.path else self.settings["url"]
        named = {"params": dict(request.query) or None, "data": request.form, "content": body, "headers": headers}
        return self._send(request.method, place + request.path, {key: value for key, value in named.items() if value})

    def _send(self, method: str, url: str, named: dict[str, Any]) -> Answer:
        host = urlsplit(url).hostname
        try:
            with self._client() as client, client.stream(method, url, **named) as response:
                content = b""
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > LARGEST:
                        raise Misunderstood(f"{host} answered more than {LARGEST} bytes")
                said = Answer(response.status_code, content, dict(response.headers))
                line = f"{response.status_code} {response.reason_phrase}".strip()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"{host} cannot be reached: {error}") from error
        except Refused as error:
            raise Rejected(str(error).replace("allow_private in the source's settings", "private=yes")) from error
        except httpx.HTTPError as error:
            raise Unanswered(f"{host} did not answer: {type(error).__name__} {error}") from error
        return _read(f"{host} answered {line}", said, AGAIN | self.preset.again)

    def _client(self) -> httpx.Client:
        if not self.settings["authority"]:
            return guarded.client(allow_private=self.settings["private"].lower() == "yes", timeout=self.timeout)
        return httpx.Client(verify=self.settings["authority"], trust_env=False, follow_redirects=False, timeout=self.timeout)


def _read(told: str, said: Answer, again: frozenset[int]) -> Answer:
    """The answer with its JSON read. Proxmox says why in the status line, so the line is in every complaint."""
    if said.status in again:
        raise Unanswered(f"{told}: {said.body[:200]!r}")
    if not 200 <= said.status < 300 and said.status != 404:
        raise Rejected(f"{told}: {said.body[:200]!r}")
    if not said.body.strip():
        return replace(said, body=None)
    try:
        return replace(said, body=json.loads(said.body))
    except (ValueError, RecursionError) as error:
        raise Misunderstood(f"{told} and no JSON: {said.body[:200]!r}") from error
