"""The safety rails: what may never be ordered, and what needs a second person. Pure; each has a test that attacks it.

The numbers are those of docs/enforcement.md. Rail 1 lies in ``targets`` (strict reading), 10 in ``transitions``, 11 in
``connectors.contract`` (the tag), 6 in ``reconciling``; 12 and 14 are rows that the worker asks before each step, 13 is
configuration of the router, in the document. The rest is here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tipstaff.enforcement import targets
from tipstaff.enforcement.connectors.contract import OrderView, State
from tipstaff.enforcement.targets import Network
from tipstaff.kernel.errors import Refused

DELETIONS = frozenset({"delete_zone", "terminate"})
EMERGENCY_AT_MOST = timedelta(hours=24)


@dataclass(frozen=True)
class Breach:
    """One rail that an order would break. ``two_may``: two people together may allow it."""

    rail: int
    what: str
    advice: str
    two_may: bool = False

    def __str__(self) -> str:
        return f"rail {self.rail}: {self.what} ({self.advice})"


@dataclass(frozen=True)
class Protection:
    """A prefix or name on the never-touch list, and why it is there."""

    what: Network | str
    why: str


@dataclass(frozen=True)
class Bounds:
    """Where this installation may act at all. Connectors get it and ask ``check`` before each ``apply``.

    ``own``: prefixes whose addresses customers hold. ``names``: domains that customers hold (all below them too).
    ``services``: identifiers of their services.
    ``ceiling4`` and ``ceiling6``: the shortest prefix that even two people may order.
    """

    instance: str
    own: tuple[Network, ...] = ()
    protected: tuple[Protection, ...] = ()
    names: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    ceiling4: int = 24
    ceiling6: int = 48

    def breaches(self, order: OrderView) -> list[Breach]:
        """Every rail that the order's target, width, kind, tag and expiry would break."""
        target = order.target
        found = [breach for prefix in _prefixes(order) for breach in self._prefix(prefix, order)]
        if target.host and not _is_address(target.host):
            # A URL at our own front is stopped where a customer's address served it; a zone is the holder's by name only.
            found += self._name(target.host, vouched=bool(target.host_prefixes) and order.kind == "url_block")
        if target.scope == "service":
            found += self._service({target.text, target.reference} - {""})
        if not isinstance(order.expires_at, datetime) or order.expires_at.tzinfo is None:
            found.append(Breach(7, "the order has no expiry", "give the moment at which it ends, with its zone"))
        if not order.tag.startswith(f"tipstaff:{self.instance}:"):
            found.append(Breach(11, f"the tag {order.tag!r} is not this installation's", "orders are made by services only"))
        if order.kind in DELETIONS and len(order.people) < 2:
            found.append(Breach(8, f"{order.kind} needs two people", "let a second person approve it", two_may=True))
        return found

    def check(self, order: OrderView) -> None:
        """Raises Refused naming every rail that would break; wide prefixes and deletions pass with two people."""
        broken = [breach for breach in self.breaches(order) if not (breach.two_may and len(order.people) >= 2)]
        if broken:
            raise Refused("; ".join(map(str, broken)))

    def _prefix(self, prefix: Network, order: OrderView) -> Iterable[Breach]:
        if not any(_inside(prefix, own) for own in self.own):
            yield Breach(2, f"{prefix} is outside the prefixes that customers hold", "import the inventory, or act by hand")
        for one in self.protected:
            if not isinstance(one.what, str) and _overlap(prefix, one.what):
                yield Breach(2, f"{prefix} overlaps {one.what}, which is never touched: {one.why}", "choose a smaller scope")
        if order.target.prefix is None or prefix.prefixlen == prefix.max_prefixlen:
            return
        ceiling = self.ceiling4 if prefix.version == 4 else self.ceiling6
        if prefix.prefixlen < ceiling:
            yield Breach(3, f"{prefix} is wider than the ceiling /{ceiling}", "order smaller prefixes")
        else:
            yield Breach(3, f"{prefix} is more than one address", "let a second person approve it", two_may=True)

    def _service(self, known_as: set[str]) -> Iterable[Breach]:
        if not known_as & self.services:
            yield Breach(2, f"{min(known_as)} is no service of the customer", "import the inventory, or act by hand")
        for one in self.protected:
            if one.what in known_as:
                yield Breach(2, f"{one.what} is never touched: {one.why}", "choose another way")

    def _name(self, host: str, *, vouched: bool) -> Iterable[Breach]:
        if not vouched and not self.names.intersection(_and_parents(host)):
            yield Breach(2, f"{host} is no name that a customer holds", "import the inventory, or act by hand")
        for one in self.protected:
            if isinstance(one.what, str) and (one.what in _and_parents(host) or host in _and_parents(one.what)):
                yield Breach(15, f"{host} touches {one.what}, which is never touched: {one.why}", "choose a smaller scope")


def _prefixes(order: OrderView) -> tuple[Network, ...]:
    target = order.target
    return (*((target.prefix,) if target.prefix is not None else ()), *target.host_prefixes)


def _is_address(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdecimal()


def _inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)  # type: ignore[arg-type]


def _and_parents(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


@dataclass(frozen=True)
class Flow:
    """A FlowSpec rule (RFC 8955, 8956): which packets, and at most how many bytes of them in a second (0 drops all)."""

    destination: Network | None = None
    source: Network | None = None
    protocol: str = ""
    destination_ports: tuple[int, ...] = ()
    source_ports: tuple[int, ...] = ()
    bytes_per_second: float = 0


def flow_breaches(rule: Flow) -> list[Breach]:
    """Rail 4: the rule names a destination or a source, both of one family, and its rate is a sane number."""
    found = []
    if rule.destination is None and rule.source is None:
        found.append(Breach(4, "the rule names neither destination nor source", "it would stop everybody's traffic"))
    if rule.destination is not None and rule.source is not None and rule.destination.version != rule.source.version:
        found.append(Breach(4, "destination and source are of two families", "write one rule for each"))
    if not 0 <= rule.bytes_per_second < 1.25e12:
        found.append(Breach(4, f"{rule.bytes_per_second!r} bytes/s is no rate", "give bytes per second, 0 to drop all"))
    if (rule.destination_ports or rule.source_ports) and rule.protocol not in {"tcp", "udp"}:
        found.append(Breach(4, "ports without tcp or udp", "name the protocol"))
    return found


def shown_rate(bytes_per_second: float) -> str:
    """A rate with its unit, in bytes and as network people say it: ``1,250,000 bytes/s (10 Mbit/s)``."""
    if not bytes_per_second:
        return "0 bytes/s (drop all)"
    bits = bytes_per_second * 8
    scale, unit = next(((s, u) for s, u in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")) if bits >= s), (1, "bit/s"))
    return f"{bytes_per_second:,.0f} bytes/s ({bits / scale:.4g} {unit})"


@dataclass(frozen=True)
class Caps:
    """Rail 5: at most so many orders at work in all, for one customer, and new in one hour."""

    total: int = 10_000
    customer: int = 50
    hour: int = 500


@dataclass(frozen=True)
class Counts:
    total: int
    customer: int
    hour: int


def cap_breaches(counts: Counts, caps: Caps) -> list[Breach]:
    """Which caps one more order would break. At a cap the new order is refused; nothing in place is ever evicted."""
    rows = (("in all", counts.total, caps.total), ("for this customer", counts.customer, caps.customer),
            ("in the last hour", counts.hour, caps.hour))  # fmt: skip
    advice = "look at why there are so many; an admin may raise the cap"
    return [Breach(5, f"{have} orders {where}, the cap is {cap}", advice) for where, have, cap in rows if have >= cap]


def expiry_breaches(expires_at: datetime | None, now: datetime, *, emergency: bool, longest: timedelta) -> list[Breach]:
    """Rail 7: there is an end, it lies ahead, and not beyond ``longest`` (24 h for an emergency)."""
    if expires_at is None or expires_at.tzinfo is None:
        return [Breach(7, "the order has no expiry", "give the moment at which it ends, with its zone")]
    if expires_at <= now:
        return [Breach(7, f"it would have ended at {expires_at:%Y-%m-%d %H:%M %Z}", "give a moment ahead")]
    most = min(longest, EMERGENCY_AT_MOST) if emergency else longest
    if expires_at - now > most:
        return [Breach(7, f"it would last longer than {_hours(most)}", "order it for less, and again where that is not enough")]
    return []


def _hours(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours:g} hours" if hours <= 72 else f"{hours / 24:g} days"


def needs_two(order: OrderView, *, overrides: Iterable[str] = ()) -> str:
    """Rail 8: why two people must stand behind the order, empty where one is enough."""
    prefix = order.target.prefix
    if order.kind == "terminate":
        return "termination"
    if order.kind in DELETIONS:
        return "deletion of a zone"
    if prefix is not None and prefix.prefixlen != prefix.max_prefixlen:
        return f"{prefix} is more than one address"
    if reasons := "; ".join(overrides):
        return f"overrides {reasons}"
    return ""


def may_revert(state: State) -> bool:
    """Rail 9: we take away only what is still exactly ours, and nothing to take away is fine."""
    return state in {State.IN_PLACE, State.ABSENT}


def deletion_breaches(undo: Mapping[str, Any]) -> list[Breach]:
    """Rail 15: a zone goes only after its records, and where it is signed its private keys, lie in the undo snapshot."""
    if not undo.get("records"):
        return [Breach(15, "the zone's records were not kept", "take the snapshot again; without it there is no way back")]
    if undo.get("signed") and not undo.get("keys"):
        return [Breach(15, "the zone is signed and its keys are not in escrow", "export the private keys first")]
    return []


def protection(text: str, why: str) -> Protection:
    """A line of the never-touch list from text: a prefix, an address, a host or zone, or a service's identifier."""
    try:
        return Protection(targets.loose_network(text), why)
    except ValueError:
        return Protection(targets.name_or_service(text), why)


def admit(does: frozenset[tuple[str, str]], order: OrderView, bounds: Bounds) -> None:
    """What a connector asks before each ``apply``: that it can do this, and that the bounds allow it. Raises Refused."""
    if (order.kind, order.target.scope) not in does:
        raise Refused(f"{order.kind} of a {order.target.scope} is nothing this connector can do")
    bounds.check(order)
