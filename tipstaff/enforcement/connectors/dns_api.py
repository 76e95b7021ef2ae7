"""PowerDNS Authoritative's HTTP API, as far as we use it (tested with 4.7). Every call ends within ``timeout`` seconds.

Answers are checked before anything believes them: a server that says something else than PowerDNS would is Misunderstood.
"""

import contextlib
import socket
from collections.abc import Iterable
from functools import lru_cache
from threading import Timer
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from tipstaff.enforcement.connectors.contract import ConnectorError, Misunderstood, Rejected, Unanswered, Unreachable

LARGEST_ANSWER = 64_000_000  # bytes; a zone of 100,000 records takes about 20 MB
MOST_FOUND = 1_000_000
NOTIFYING = 2.0  # seconds: PowerDNS first looks up the addresses of all name servers of the zone


class PowerDns:
    """One PowerDNS at ``url``. Zone names end with a dot."""

    def __init__(self, url: str, key: str, timeout: float, server: str = "localhost") -> None:
        self.url, self.timeout = url.rstrip("/"), timeout
        self._base = f"{self.url}/api/v1/servers/{quote(server, safe='')}"
        # A proxy of the environment must not see the key, and a redirect must not carry it elsewhere. Every question has a
        # connection of its own: what a peer says once too often would else be taken for the answer to the next one.
        self._client = httpx.Client(
            headers={"X-API-Key": key},
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def zone(self, name: str) -> dict[str, Any] | None:
        """The zone with all its rrsets, or None when this server does not have it."""
        status, answer = self._call("GET", f"/zones/{_safe(name)}", absent_is_fine=True)
        return None if status == 404 else _zone(answer, self.url)

    def enclosing(self, host: str) -> dict[str, Any] | None:
        """The zone that holds ``host`` (with its dot), or None. The most specific one, as a resolver would find it."""
        labels = host.rstrip(".").split(".")
        for start in range(len(labels) - 1):
            if (found := self.zone(".".join(labels[start:]) + ".")) is not None:
                return found
        return None

    def change(self, zone: dict[str, Any], changes: Iterable[dict[str, Any]]) -> None:
        """All changes or none, in one request."""
        if rrsets := list(changes):
            self._call("PATCH", f"/zones/{_safe(zone['name'])}", {"rrsets": rrsets})

    def notify(self, zone: dict[str, Any]) -> str:
        """Tell the secondaries now. They hear of it anyway, so what goes wrong here is only said."""
        try:
            self._call("PUT", f"/zones/{_safe(zone['name'])}/notify", within=NOTIFYING)
        except ConnectorError as error:
            return f"the secondaries will hear of it later: {error}"
        return "the secondaries are being told"

    def note(self, zone: str, kind: str) -> str:
        """What lies in the zone's metadata under that kind, empty if nothing."""
        status, answer = self._call("GET", f"/zones/{_safe(zone)}/metadata/{kind}", absent_is_fine=True)
        if status == 404:
            return ""
        values = answer.get("metadata") if isinstance(answer, dict) else None
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise Misunderstood(f"PowerDNS at {self.url} answered with metadata of no form that it has")
        return values[0] if values else ""

    def keep_note(self, zone: str, kind: str, text: str) -> None:
        self.keep_notes(zone, kind, [text])

    def drop_note(self, zone: str, kind: str) -> None:
        self._call("DELETE", f"/zones/{_safe(zone)}/metadata/{kind}", absent_is_fine=True)

    def notes(self, zone: str) -> dict[str, list[str]]:
        """All metadata of the zone by kind."""
        _, answer = self._call("GET", f"/zones/{_safe(zone)}/metadata")
        if not isinstance(answer, list) or not all(isinstance(one, dict) and isinstance(one.get("kind"), str) for one in answer):
            raise Misunderstood(f"PowerDNS at {self.url} answered with metadata of no form that it has")
        return {one["kind"]: [str(value) for value in one.get("metadata", [])] for one in answer}

    def keep_notes(self, zone: str, kind: str, values: list[str]) -> None:
        self._call("PUT", f"/zones/{_safe(zone)}/metadata/{kind}", {"kind": kind, "metadata": values})

    def create(self, zone: dict[str, Any]) -> None:
        self._call("POST", "/zones", zone)

    def set(self, zone: str, settings: dict[str, Any]) -> None:
        self._call("PUT", f"/zones/{_safe(zone)}", settings)

    def delete(self, zone: str) -> None:
        self._call("DELETE", f"/zones/{_safe(zone)}", absent_is_fine=True)

    def keys(self, zone: str) -> list[dict[str, Any]]:
        """The zone's keys with their private parts; empty for one that is not signed."""
        _, listed = self._call("GET", f"/zones/{_safe(zone)}/cryptokeys")
        if not isinstance(listed, list) or not all(isinstance(one, dict) and isinstance(one.get("id"), int) for one in listed):
            raise Misunderstood(f"PowerDNS at {self.url} answered with keys of no form that it has")
        found = [self._call("GET", f"/zones/{_safe(zone)}/cryptokeys/{one['id']}")[1] for one in listed]
        if not all(isinstance(one, dict) and {"privatekey", "keytype", "active"} <= one.keys() for one in found):
            raise Misunderstood(f"PowerDNS at {self.url} does not give the private keys of {zone}")
        return found

    def add_key(self, zone: str, key: dict[str, Any]) -> None:
        self._call("POST", f"/zones/{_safe(zone)}/cryptokeys", key)

    def comments(self, pattern: str) -> list[tuple[str, str, str]]:
        """(zone, name, text) of every comment whose text matches the pattern (``*`` and ``?``)."""
        query = f"/search-data?q={quote(pattern, safe='')}&max={MOST_FOUND}&object_type=comment"
        _, answer = self._call("GET", query)
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise Misunderstood(f"PowerDNS at {self.url} answered a search with something else than findings")
        found = [one for one in answer if one.get("object_type") == "comment"]
        return [(str(one.get("zone", "")), str(one.get("name", "")), str(one.get("content", ""))) for one in found]

    def _call(
        self, method: str, path: str, body: Any = None, *, absent_is_fine: bool = False, within: float | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of the answer (None when it has no body). The transport's errors become the contract's."""
        where = f"PowerDNS at {self.url}, {method} {path.partition('?')[0]}"
        content, most = orjson.dumps(body) if body is not None else None, within or self.timeout
        try:
            with (
                _Cut(most) as cut,
                self._client.stream(
                    method, self._base + path, content=content, timeout=most, extensions={"trace": cut.trace}
                ) as response,
            ):
                status, raw = response.status_code, _whole(response, where)
            if cut.fired:
                raise Unanswered(f"{where}: no whole answer within {most:g} s")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(f"{where}: {error or 'no connection'}") from error
        except httpx.TransportError as error:
            raise Unanswered(f"{where}: {type(error).__name__} {error}") from error
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise Misunderstood(f"{where}: {error}") from error
        if status == 404 and absent_is_fine:
            return status, None
        if not 200 <= status < 300:
            raise _refusal(status, raw, where)
        return status, _read(raw, where)


@lru_cache(maxsize=64)
def power_dns(url: str, key: str, timeout: float, server: str) -> PowerDns:
    """The one client of this program for that server; making one takes longer than a call, and threads may share it."""
    return PowerDns(url, key, timeout, server)


class _Cut:
    """Ends the connection when the time is over: a peer that drips its answer keeps every single read within its limit."""

    def __init__(self, seconds: float) -> None:
        self.fired, self._socket = False, None
        self._timer = Timer(seconds, self._fire)
        self._timer.daemon = True

    def __enter__(self) -> "_Cut":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, details: dict[str, Any]) -> None:
        """What httpx tells of its work; the connection is the one thing we want to know."""
        if event == "connection.connect_tcp.complete":
            self._socket = details["return_value"].get_extra_info("socket")

    def _fire(self) -> None:
        self.fired = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _whole(response: httpx.Response, where: str) -> bytes:
    """The body, within the size allowed."""
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise Misunderstood(f"{where}: the answer is longer than {LARGEST_ANSWER} bytes")
    return b"".join(parts)


def _refusal(status: int, raw: bytes, where: str) -> ConnectorError:
    words = raw[:300].decode("utf-8", "replace").strip()
    if status >= 500 or status == 429:
        return Unanswered(f"{where}: {status} {words}")
    return Rejected(f"{where}: {status} {words}")


def _read(raw: bytes, where: str) -> Any:
    if not raw.strip():
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Misunderstood(f"{where}: the answer is no JSON ({error})") from error


def _zone(answer: Any, url: str) -> dict[str, Any]:
    """The answer when it is a zone: a name, and rrsets of the form that PowerDNS gives."""
    rrsets = answer.get("rrsets") if isinstance(answer, dict) and isinstance(answer.get("name"), str) else None
    if not isinstance(rrsets, list) or not all(map(_is_rrset, rrsets)):
        raise Misunderstood(f"PowerDNS at {url} answered with something that is no zone")
    return {**answer, "name": answer["name"].lower()}


def _is_rrset(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("ttl"), int):
        return False
    named = isinstance(one.get("name"), str) and isinstance(one.get("type"), str)
    return named and _are_entries(one.get("records")) and _are_entries(one.get("comments", []))


def _are_entries(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(one, dict) and isinstance(one.get("content"), str) for one in found)


def _safe(name: str) -> str:
    """A zone's name as PowerDNS takes it in a path: what is no letter, digit, dot or hyphen as ``=XX``."""
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "".join(f"={b:02X}" for b in c.encode()) for c in name)
