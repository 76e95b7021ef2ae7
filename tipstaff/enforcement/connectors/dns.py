"""Zones and names parked in PowerDNS, and put back as they were.

The rrsets that go are kept twice: in the order's undo, and as metadata of the zone, so that a stray of ours can be put
back by whoever finds it. Reverting happens only when what stands there is still exactly what we put there.
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, ClassVar

import orjson

from tipstaff.enforcement.connectors import dns_parking
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
    Verification,
    number_of,
    tag,
)
from tipstaff.enforcement.connectors.dns_api import power_dns
from tipstaff.enforcement.connectors.dns_deletion import TOMBSTONES, Deletion
from tipstaff.enforcement.connectors.dns_parking import Parking, RRset
from tipstaff.enforcement.connectors.dns_servers import Question, seen_at
from tipstaff.enforcement.rails import Bounds
from tipstaff.kernel.errors import InputError, Problem, Refused

TIMEOUT = 10.0
DELETE = "delete_zone"


class Dns:
    """Park (what browsers ask for) or suspend (all but SOA and NS) a host, or a whole zone when it is the zone's name."""

    name: ClassVar[str] = "dns"
    label: ClassVar[str] = "Name server (PowerDNS)"
    does: ClassVar[frozenset[tuple[str, str]]] = frozenset({("park", "site"), ("suspend", "site"), (DELETE, "site")})
    form: ClassVar[tuple[Field, ...]] = (
        Field("url", "API address", "of PowerDNS's web server, such as http://127.0.0.1:8081"),
        Field("api_key", "API key", "environment variable that holds `api-key` of pdns.conf", secret=True),
        Field("server", "Server", "its name in the API", default="localhost"),
        Field("escrow", "Escrow key", "environment variable with the Fernet key that seals zone keys", secret=True, required=False),
        Field("park4", "Parking page, IPv4", "addresses of the page that says why, separated by commas"),
        Field("park6", "Parking page, IPv6", "leave empty when it has none", required=False),
        Field("ttl", "TTL", "seconds that resolvers may remember the parking", default="60"),
        Field("servers", "Public name servers", "IP or IP:PORT, separated by commas: all must answer so", required=False),
    )
    timeout = TIMEOUT

    def __init__(self, settings: Mapping[str, str], bounds: Bounds, secret: Callable[[str], str]) -> None:
        values = {field.name: (settings.get(field.name) or field.default).strip() for field in self.form}
        self.bounds = bounds
        self.api = power_dns(values["url"], secret(values["api_key"]), self.timeout, values["server"])
        self.deletion = Deletion(self.api, _escrow(secret(values["escrow"]) if values["escrow"] else ""))
        self.parking = Parking(_addresses(values, "park4", 4), _addresses(values, "park6", 6), _ttl(values["ttl"]))
        self.servers = tuple(_server(one.strip()) for one in values["servers"].split(",") if one.strip())
        if not self.parking.addresses4 and not self.parking.addresses6:
            raise InputError(Problem("park4", "no parking page", "give an address of the page that says why"))

    def plan(self, order: OrderView) -> Plan:
        host = self._host(order)
        if order.kind == DELETE:
            steps = (f"GET {host} with its metadata and keys", f"PUT the tombstone {order.tag}", f"DELETE {host}")
            return Plan(f"delete the zone {host} at PowerDNS {self.api.url}", steps, (f"POST {host} with its records and keys",))
        where = " and ".join((*self.parking.addresses4, *self.parking.addresses6))
        rest = "mail and other records stay" if order.kind == "park" else "everything but SOA and NS goes"
        return Plan(
            f"{order.kind} {host} at PowerDNS {self.api.url}: web names lead to {where}, {rest}",
            (
                f"GET the zone that holds {host}",
                f"PATCH its rrsets of {host} to {where}, TTL {self.parking.ttl}, comment {order.tag}",
            ),
            (f"PATCH the rrsets of {host} back to the snapshot, if they are still what was put there",),
        )

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        zone = self._zone(order)
        if order.kind == DELETE:
            return self.deletion.snapshot(zone)
        present = self._scope(zone, order)
        if dns_parking.ours(present, order.tag):
            if order.undo.get("records"):
                return dict(order.undo)
            return self._noted(zone["name"], order.tag)
        return {"zone": zone["name"], "signed": bool(zone.get("dnssec")), "records": [dict(one) for one in present]}

    def apply(self, order: OrderView) -> Receipt:
        self.bounds.check(order)
        if order.kind == DELETE:
            return self._delete(order)
        zone, host = self._zone(order), self._host(order)
        present = self._scope(zone, order)
        if others := {one for rrset in present for one in dns_parking.tags(rrset)} - {order.tag}:
            raise NotOurs(f"{host} is already parked by {', '.join(sorted(others))}")
        if dns_parking.serves_others(zone["rrsets"], host):
            raise NotOurs(f"{host} is a name server of {zone['name']}: parking it would take down the whole zone")
        if dns_parking.ours(present, order.tag):
            if self._stands(zone, order):
                return Receipt(order, {"zone": zone["name"]}, "was already in place")
            raise NotOurs(f"{host} was changed since it was parked; it is left alone")
        if "records" not in order.undo or order.undo.get("zone") != zone["name"]:
            raise Refused(f"without the snapshot of {zone['name']} there is no way back; nothing was changed")
        if not dns_parking.same(present, order.undo["records"]):
            raise Rejected(f"{host} was changed after the snapshot was taken; take it again")
        self.api.keep_note(zone["name"], _note(order.tag), orjson.dumps({**order.undo, "host": host, "kind": order.kind}).decode())
        wanted = dns_parking.parked(zone["rrsets"], zone["name"], host, order.kind, self.parking, order.tag)
        self.api.change(zone, dns_parking.changes(present, wanted))
        told = self.api.notify(zone)
        return Receipt(order, {"zone": zone["name"]}, f"parked {len(wanted)} rrsets of {zone['name']}; {told}")

    def verify(self, receipt: Receipt) -> Verification:
        order = receipt.order
        if order.kind == DELETE:
            return self.deletion.state(self.api.zone(self._host(order)), order.undo, order.tag, leaving=order.leaving)
        zone = self._zone(order)
        ours = dns_parking.ours(self._scope(zone, order), order.tag)
        if not ours:
            return self._publicly(Verification(State.ABSENT, f"{self._host(order)} is not parked by this order"), order)
        words = "\n".join(f"{one['name']} {one['type']} {one['records']}" for one in ours)
        if not self._stands(zone, order):
            return Verification(State.FOREIGN, f"{self._host(order)} was changed since it was parked", words)
        return self._publicly(Verification(State.IN_PLACE, f"{self._host(order)} is parked in {zone['name']}", words), order)

    def lift(self, receipt: Receipt) -> None:
        order = receipt.order
        if order.kind == DELETE:
            self._restore(order)
            return
        zone = self._zone(order)
        if not dns_parking.ours(self._scope(zone, order), order.tag):
            self.api.drop_note(zone["name"], _note(order.tag))
            return
        if not self._stands(zone, order):
            raise NotOurs(f"{self._host(order)} was changed since it was parked; it is left alone")
        undo = order.undo if order.undo.get("zone") == zone["name"] else self._noted(zone["name"], order.tag)
        self._put_back(zone, self._scope(zone, order), undo, order.tag)

    def actual(self) -> frozenset[InPlace]:
        found: dict[tuple[str, str], set[str]] = {}
        for zone, name, text in self.api.comments(f"tipstaff:{self.bounds.instance}:*"):
            if number_of(text, self.bounds.instance) is not None:
                found.setdefault((text, zone), set()).add(name.rstrip("."))
        return frozenset(InPlace(text, " ".join(sorted(names)), {"zone": zone}) for (text, zone), names in found.items())

    def remove(self, thing: InPlace) -> None:
        number = number_of(thing.tag, self.bounds.instance)
        if number is None:
            raise NotOurs(f"{thing.target} carries the tag {thing.tag!r}, which is not this installation's")
        mine = tag(self.bounds.instance, number)
        zone = self.api.zone(str(thing.handle.get("zone", "")))
        if zone is None or not dns_parking.ours(zone["rrsets"], mine):
            return
        undo = self._noted(zone["name"], mine)
        if zone["name"] == TOMBSTONES:
            self.deletion.restore(self.api.zone(undo["zone"]), undo, mine, _note(mine))
            return
        wanted = dns_parking.parked(undo["records"], zone["name"], undo["host"], undo["kind"], self.parking, mine)
        present = dns_parking.scope(zone["rrsets"], zone["name"], undo["host"], undo["kind"])
        if {dns_parking.key(one) for one in present} - {dns_parking.key(one) for one in wanted}:
            raise NotOurs(f"{thing.target} was changed since it was parked; it is left alone")
        self._put_back(zone, present, undo, mine)

    def _delete(self, order: OrderView) -> Receipt:
        zone = self.api.zone(self._host(order))
        if zone is None and self.deletion.buried(order.tag):
            return Receipt(order, {}, "was already deleted")
        if zone is None:
            raise Rejected(f"PowerDNS at {self.api.url} has no zone {order.target.host}; nothing was deleted")
        self.deletion.delete(zone, order.undo, order.tag, _note(order.tag))
        return Receipt(order, {"zone": zone["name"]}, f"deleted {zone['name']}")

    def _restore(self, order: OrderView) -> None:
        if self.deletion.buried(order.tag):
            undo = order.undo if order.undo.get("records") else self._noted(TOMBSTONES, order.tag)
            self.deletion.restore(self.api.zone(self._host(order)), undo, order.tag, _note(order.tag))

    def _put_back(self, zone: dict[str, Any], present: list[RRset], undo: Mapping[str, Any], mine: str) -> None:
        self.api.change(zone, dns_parking.changes(present, undo["records"]))
        self.api.notify(zone)
        self.api.drop_note(zone["name"], _note(mine))

    def _stands(self, zone: dict[str, Any], order: OrderView) -> bool:
        """Whether what the order put there is there, whole and alone."""
        present = self._scope(zone, order)
        host = self._host(order)
        before = order.undo.get("records") or present
        wanted = dns_parking.parked([*zone["rrsets"], *before], zone["name"], host, order.kind, self.parking, order.tag)
        return dns_parking.same(present, wanted)

    def _scope(self, zone: dict[str, Any], order: OrderView) -> list[RRset]:
        return dns_parking.scope(zone["rrsets"], zone["name"], self._host(order), order.kind)

    def _host(self, order: OrderView) -> str:
        if (order.kind, order.target.scope) not in self.does or not order.target.host:
            raise Refused(f"{self.name} cannot do {order.kind} of a {order.target.scope}")
        return order.target.host + "."

    def _zone(self, order: OrderView) -> dict[str, Any]:
        host = self._host(order)
        zone = self.api.zone(host) if order.kind == DELETE else self.api.enclosing(host)
        if zone is None:
            raise Rejected(f"PowerDNS at {self.api.url} has no zone that holds {host}")
        return zone

    def _noted(self, zone: str, mine: str) -> dict[str, Any]:
        """The snapshot that lies with the zone itself. Raises NotOurs when there is none: then nobody knows what stood there."""
        text = self.api.note(zone, _note(mine))
        if not text:
            raise NotOurs(f"{zone} is parked by {mine} and holds no snapshot of what stood there; a person must look")
        try:
            undo = orjson.loads(text)
            needed = ("keys", "settings", "metadata") if zone == TOMBSTONES else ("host", "kind")
            return {name: undo[name] for name in ("zone", "signed", "records", *needed)}
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise Misunderstood(f"the snapshot of {mine} in {zone} cannot be read") from error

    def _publicly(self, found: Verification, order: OrderView) -> Verification:
        """What the public name servers answer, where any are named: all must agree before it is in place, or gone."""
        if not self.servers:
            return found
        question = Question(order.target.host, self.parking.addresses4, self.parking.addresses6)
        parked = found.state is State.IN_PLACE
        late = [server for server in self.servers if seen_at(server, question, self.timeout) is not parked]
        if not late or parked is order.leaving:
            return found
        names = ", ".join(f"{host}:{port}" for host, port in late)
        state = State.IN_PLACE if order.leaving else State.ABSENT
        return Verification(state, f"{found.detail}; not yet so at {names}", found.output)


def _note(mine: str) -> str:
    """The kind of metadata under which the snapshot lies; PowerDNS leaves kinds that start with X- to others."""
    return "X-" + mine.upper().replace(":", "-")


def _escrow(key: str) -> str:
    try:
        Deletion(None, key)  # type: ignore[arg-type]
    except ValueError:
        raise InputError(Problem("escrow", "the key is no Fernet key", "make one: 32 random bytes in URL-safe base64")) from None
    return key


def _addresses(values: Mapping[str, str], name: str, version: int) -> tuple[str, ...]:
    try:
        found = [ip_address(one.strip()) for one in values[name].split(",") if one.strip()]
    except ValueError as error:
        raise InputError(Problem(name, str(error), "give addresses, separated by commas")) from None
    if any(one.version != version for one in found):
        raise InputError(Problem(name, f"{values[name]!r} holds another family", f"give IPv{version} addresses"))
    return tuple(map(str, found))


def _ttl(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 86400:
        raise InputError(Problem("ttl", f"{text!r} is no TTL", "give seconds, 1 to 86400"))
    return int(text)


def _server(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "53")
    try:
        address = str(ip_address(host.strip("[]")))
    except ValueError:
        raise InputError(Problem("servers", f"cannot read {text!r}", "write IP, IP:PORT or [IP]:PORT")) from None
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise InputError(Problem("servers", f"cannot read {text!r}", "write IP, IP:PORT or [IP]:PORT"))
    return address, int(port)
