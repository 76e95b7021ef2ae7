"""Black holes and flow rules by BGP: announced by GoBGP, believed only when the router's own table shows them.

A machine is black-holed (RFC 5635, RFC 7999): its traffic goes to a next hop that the routers discard. A port is filtered,
and a limit set, by a flow rule (RFC 8955, RFC 8956). Two orders may want the same route: it then carries both marks, and
the last one to go takes it away.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import Any, ClassVar

from tipstaff.enforcement.connectors import bgp_routes
from tipstaff.enforcement.connectors.bgp_routes import BLACKHOLE, FAMILIES, Action, Owner, Route, Seen, checked, mark_text
from tipstaff.enforcement.connectors.bgp_views import ADJ_OUT, RouterView, views
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
from tipstaff.enforcement.connectors.gobgp.speaker import speaker
from tipstaff.enforcement.rails import Bounds, Flow
from tipstaff.kernel.errors import InputError, Problem, Refused

AND = " and "  # between the nets of an order that needs more than one route
TIMEOUT = 30.0  # seconds for a whole table of a speaker or router; a single route is answered far sooner
BLACK_HOLE, FLOW_RULE = "black hole", "flow rule"
FILTERS = ("block", "port_block", "limit")


class Bgp:
    """The connector. Where routers take no black holes, ``machine`` = ``flow rule`` blocks machines by a flow rule too."""

    name: ClassVar[str] = "bgp"
    label: ClassVar[str] = "Routers by BGP (GoBGP)"
    does: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {("block", "machine"), ("suspend", "machine"), ("limit", "machine")} | {(kind, "port") for kind in FILTERS}
    )
    form: ClassVar[tuple[Field, ...]] = (
        Field("speaker", "GoBGP's gRPC address", "HOST:PORT of the gobgpd that announces for us", default="127.0.0.1:50051"),
        Field("authority", "Certificate authority", "PEM file to check gobgpd's certificate with; empty: no TLS", required=False),
        Field("asn", "Our AS number", "first part of the large community that marks our routes"),
        Field("routers", "Read back from", "bird:/PATH, gobgp:HOST:PORT or adj-out, separated by commas", default=ADJ_OUT),
        Field("machine", "Machines are blocked by", f"{BLACK_HOLE} or {FLOW_RULE}", default=BLACK_HOLE),
        Field("communities", "Communities", "what your routers take as a black hole", default="65535:666,65535:65281"),
        Field("next_hop4", "IPv4 next hop", "an address that your routers discard", default="192.0.2.1"),
        Field("next_hop6", "IPv6 next hop", "an address that your routers discard (RFC 6666)", default="100::1"),
        Field("limit", "Limit", "of a measure that limits: rate N bytes/s, or redirect ASN:VALUE", default="rate 125000 bytes/s"),
    )
    timeout = TIMEOUT

    def __init__(self, settings: Mapping[str, str], bounds: Bounds, secret: Callable[[str], str] | None = None) -> None:
        self.bounds = bounds
        self.settings = {field.name: (settings.get(field.name) or field.default).strip() for field in self.form}
        self.owner = Owner(self._setting("asn", _asn, "the AS number as digits"), bounds.instance)
        self.speaker = speaker(self.settings["speaker"], self.timeout, self.settings["authority"])
        self.views: tuple[RouterView, ...] = views(self.settings["routers"], self.speaker, self.timeout)
        self.by_rule = self._setting("machine", (BLACK_HOLE, FLOW_RULE).index, f"{BLACK_HOLE} or {FLOW_RULE}") == 1
        self.communities = self._setting("communities", _communities, "HIGH:LOW, separated by commas")
        self.limit: Action = self._setting("limit", bgp_routes.action, "rate N bytes/s, redirect ASN:VALUE, or drop")
        self.next_hops = {
            4: self._setting("next_hop4", partial(_next_hop, 4), "an IPv4 address"),
            6: self._setting("next_hop6", partial(_next_hop, 6), "an IPv6 address"),
        }

    def _setting(self, name: str, reading: Callable[[str], Any], advice: str) -> Any:
        """One setting as ``reading`` takes it; what it cannot take is a problem of that field."""
        try:
            return reading(self.settings[name])
        except ValueError:
            raise InputError(Problem(name, f"cannot read {self.settings[name]!r}", advice)) from None

    def routes(self, order: OrderView) -> tuple[Route, ...]:
        """What is announced for the order. Raises NotOurs, Refused."""
        if (order.kind, order.target.scope) not in self.does:
            raise Refused(f"{self.name} cannot do {order.kind} of a {order.target.scope}")
        prefix = checked(order.target.prefix, order.target.text)
        mark = self.owner.mark(order.number)
        if order.target.scope == "machine" and order.kind != "limit" and not self.by_rule:
            return (Route(mark, prefix, self.next_hops[prefix.version], self.communities),)
        action = self.limit if order.kind == "limit" else Action()
        return tuple(Route(mark, flow=flow, action=action) for flow in _flows(order))

    def plan(self, order: OrderView) -> Plan:
        routes = self.routes(order)
        read = " and ".join(view.name for view in self.views)
        return Plan(
            f"{', '.join(_said(route) for route in routes)}; read back from {read}",
            tuple(f"announce {route.net}: {_said(route)}, large community {mark_text(route.mark)}" for route in routes),
            tuple(f"withdraw {route.net}" for route in routes),
        )

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        """A route is taken away by withdrawing it; what stood for the same net before is kept to be shown."""
        return {
            "before": {route.net: [seen.words for view in self.views for seen in view.find(route)] for route in self.routes(order)}
        }

    def apply(self, order: OrderView) -> Receipt:
        self.bounds.check(order)
        routes = self.routes(order)
        shared = [replace(route, others=self._others(route)) for route in routes]
        self.speaker.announce(shared)
        told = [line for route in shared for line in self._read_back(route)]
        return Receipt(order, {"nets": [route.net for route in routes]}, "; ".join(told))

    def verify(self, receipt: Receipt) -> Verification:
        order = receipt.order
        found = [finding for route in self.routes(order) for finding in self._look(route)]
        state = _overall({finding.state for finding in found}, leaving=order.leaving)
        return Verification(state, "; ".join(finding.text for finding in found), "\n".join(f.words for f in found if f.words))

    def lift(self, receipt: Receipt) -> None:
        for route in self.routes(receipt.order):
            self._take_away(route)

    def lift_together(self, receipts: Sequence[Receipt]) -> frozenset[str]:
        """Withdraw what stands exactly as these orders announced it and nobody shares; the tags that are gone.

        The speaker is read once. Whatever is not so (changed, shared, forgotten by the speaker) is left to ``lift``.
        """
        held = _by_net(seen for family in FAMILIES for seen in self.speaker.held(family))
        gone = set()
        for receipt in receipts:
            routes = self.routes(receipt.order)
            if all(self._alone(route, held.get((route.family, route.net), [])) for route in routes):
                for route in routes:
                    self.speaker.withdraw(route)
                gone.add(receipt.order.tag)
        return frozenset(gone)

    def gone_together(self, receipts: Sequence[Receipt]) -> frozenset[str]:
        """The tags of those that neither the speaker nor a router holds any more, each of them read once."""
        told = [("GoBGP", _by_net(seen for family in FAMILIES for seen in self.speaker.held(family)), True)]
        told += [(view.name, _by_net(view.held()), False) for view in self.views]
        gone = set()
        for receipt in receipts:
            states = {
                self._judge(route, held.get((route.family, route.net), []), name, others_matter=ours).state
                for route in self.routes(receipt.order)
                for name, held, ours in told
            }
            if states == {State.ABSENT}:
                gone.add(receipt.order.tag)
        return frozenset(gone)

    def _alone(self, route: Route, held: list[Seen]) -> bool:
        return bool(held) and all(seen.is_of(route) and set(self.owner.marks(seen)) == {route.mark} for seen in held)

    def actual(self) -> frozenset[InPlace]:
        """Ours at the speaker; while its sessions are up, also what routers still have of ours that it knows nothing of.

        A speaker that was restarted has forgotten everything and its routers have not, yet: then the speaker counts alone,
        so that what should stand is announced again before they forget it too.
        """
        found = [seen for family in FAMILIES for seen in self.speaker.held(family)]
        if all(session.established for session in self.speaker.sessions()):
            known = {(seen.family, seen.net) for seen in found}
            left = [seen for view in self.views for seen in view.held() if (seen.family, seen.net) not in known]
            found += {(seen.family, seen.net): seen for seen in left}.values()
        nets: dict[int, set[str]] = {}
        for seen in found:
            for number in self.owner.numbers(seen):
                nets.setdefault(number, set()).add(seen.net)
        return frozenset(self._thing(number, sorted(names)) for number, names in nets.items())

    def remove(self, thing: InPlace) -> None:
        number = number_of(thing.tag, self.bounds.instance)
        if number is None:
            raise NotOurs(f"{thing.target} carries the tag {thing.tag!r}, which is not this installation's")
        mark = self.owner.mark(number)
        for net in thing.handle.get("nets", thing.target.split(AND)):
            self._take_away(bgp_routes.route_of(net, mark), whatever=True)

    def _thing(self, number: int, nets: list[str]) -> InPlace:
        return InPlace(tag(self.bounds.instance, number), AND.join(nets), {"nets": nets})

    def _others(self, route: Route) -> frozenset[tuple[int, int, int]]:
        """Marks of our other orders on the same route, to be kept on it. Raises NotOurs when somebody else's stands there."""
        marks: set[tuple[int, int, int]] = set()
        for seen in self.speaker.held(route.family, route.net):
            own = self.owner.marks(seen)
            if not own:
                raise NotOurs(f"GoBGP holds a route for {route.net} that is not ours; it is left alone")
            if own - {route.mark} and not seen.same_effect(route):
                raise NotOurs(f"{route.net} is already announced with another action for {_orders(own)}")
            marks |= own
        return frozenset(marks - {route.mark})

    def _read_back(self, route: Route) -> Iterable[str]:
        """What the speaker made of the announcement: exactly that in its table, and told to each neighbour that is up."""
        if not any(seen.is_of(route) for seen in self.speaker.held(route.family, route.net)):
            self.speaker.withdraw(route)
            raise Misunderstood(f"GoBGP took the announcement of {route.net} and holds something else; withdrawn again")
        up = [one for one in self.speaker.sessions() if one.established and route.family in one.families]
        for session in up:
            if not any(seen.is_of(route) for seen in self.speaker.told(session.neighbour, route.family, route.net)):
                raise Rejected(f"GoBGP does not tell {session.neighbour} of {route.net}: look at its export policy")
            yield f"{route.net} told to {session.neighbour}"
        if not up:
            yield f"{route.net} announced; no session of GoBGP's that takes {route.family} is established"

    def _look(self, route: Route) -> "Iterable[_Finding]":
        held = self.speaker.held(route.family, route.net)
        yield self._judge(route, held, "GoBGP", others_matter=True)
        for view in self.views:
            finding = self._judge(route, view.find(route), view.name, others_matter=False)
            if finding.state is State.ABSENT and view.refused(route):
                yield _Finding(State.ABSENT, f"{view.name} got {route.net} and its import filter refuses it")
            else:
                yield finding

    def _judge(self, route: Route, found: list[Seen], where: str, *, others_matter: bool) -> "_Finding":
        """A router may well hold another route to the address; the speaker is asked for nothing but our announcements."""
        words = "\n".join(seen.words for seen in found)
        if any(seen.is_of(route) for seen in found):
            return _Finding(State.IN_PLACE, f"{where} holds {route.net}", words)
        if any(route.mark in seen.large for seen in found):
            return _Finding(State.FOREIGN, f"{where} holds {route.net} of ours, changed by somebody", words)
        foreign = [seen for seen in found if not self.owner.marks(seen) and (others_matter or BLACKHOLE in seen.communities)]
        if foreign:
            return _Finding(State.FOREIGN, f"{where} holds {route.net} of somebody else", words)
        return _Finding(State.ABSENT, f"{where} does not hold {route.net} for this order", words)

    def _take_away(self, route: Route, *, whatever: bool = False) -> None:
        held = self.speaker.held(route.family, route.net)
        mine = [seen for seen in held if route.mark in seen.large]
        if held and not mine and not any(self.owner.marks(seen) for seen in held):
            raise NotOurs(f"what GoBGP holds for {route.net} is not ours; it is left alone")
        if any(not seen.is_of(route) for seen in mine) and not whatever:
            raise NotOurs(f"{route.net} was changed since we announced it; it is left alone")
        others = frozenset(mark for seen in mine for mark in self.owner.marks(seen)) - {route.mark}
        if others:
            self.speaker.announce([replace(route, mark=min(others), others=others - {min(others)})])
        elif mine:
            self.speaker.withdraw(route)
        elif not held and any(route.mark in seen.large for view in self.views for seen in view.find(route)):
            # The speaker forgot it and the router did not. A withdrawal of what was never announced is not sent.
            self.speaker.announce([route])
            self.speaker.withdraw(route)


def _by_net(routes: Iterable[Seen]) -> dict[tuple[str, str], list[Seen]]:
    found: dict[tuple[str, str], list[Seen]] = {}
    for seen in routes:
        found.setdefault((seen.family, seen.net), []).append(seen)
    return found


@dataclass(frozen=True)
class _Finding:
    state: State
    text: str
    words: str = ""


def _overall(states: set[State], *, leaving: bool) -> State:
    """In place where all agree, and where any still has it that should be gone; foreign where anything is."""
    if State.FOREIGN in states:
        return State.FOREIGN
    here = State.IN_PLACE in states if leaving else states == {State.IN_PLACE}
    return State.IN_PLACE if here else State.ABSENT


def _orders(marks: Iterable[tuple[int, int, int]]) -> str:
    return ", ".join(f"order {number}" for _, _, number in sorted(marks))


def _asn(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 1 << 32:
        raise ValueError(text)
    return int(text)


def _said(route: Route) -> str:
    """The announcement as a person reads it."""
    if route.action is not None:
        return route.action.text()
    communities = " ".join(map(bgp_routes.community_text, sorted(route.communities)))
    return f"black hole by next hop {route.next_hop} with communities {communities}"


def _flows(order: OrderView) -> tuple[Flow, ...]:
    """Towards the target, from it, or one rule for each way; a port is always the port that is connected to."""
    target = order.target
    ports = (target.port,) if target.port is not None else ()
    towards = Flow(destination=target.prefix, protocol=target.protocol, destination_ports=ports)
    away = Flow(source=target.prefix, protocol=target.protocol, destination_ports=ports)
    return {"in": (towards,), "out": (away,)}.get(order.direction, (towards, away))


def _communities(text: str) -> frozenset[int]:
    return frozenset(bgp_routes.community(one) for one in text.replace(",", " ").split())


def _next_hop(version: int, text: str) -> str:
    address = ip_address(text)
    if address.version != version or address.is_unspecified or address.is_multicast:
        raise ValueError(text)
    return str(address)
