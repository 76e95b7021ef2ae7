"""Routes that black-hole or filter: what is announced for an order, and whether what a router holds is that. Pure.

A remotely triggered black hole is a host route with the BLACKHOLE community (RFC 7999); a flow rule is FlowSpec (RFC
8955, RFC 8956 for IPv6). Every route of ours carries a large community (RFC 8092) ``asn:mark:number``: ``mark`` is made
from the desk's name, ``number`` is the order's, so an engineer at the router sees whose route it is and what to look up.

Routes are compared by ``net``, the text that BIRD prints: ``203.0.113.9/32`` or ``flow4 { dst 203.0.113.9/32; proto 6; }``.
"""

import re
import struct
from dataclasses import dataclass, replace
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_network

from tipstaff.enforcement.connectors.contract import NotOurs
from tipstaff.enforcement.rails import Flow, flow_breaches, shown_rate

Network = IPv4Network | IPv6Network
LargeCommunity = tuple[int, int, int]

BLACKHOLE = (65535 << 16) | 666  # RFC 7999 5
PROTOCOLS = {"tcp": 6, "udp": 17}
_NAMES = {number: name for name, number in PROTOCOLS.items()}
TRAFFIC_RATE, REDIRECT_AS2, REDIRECT_AS4 = 0x8006, 0x8008, 0x8208  # RFC 8955 7.3 and 7.4, RFC 7153
FAMILIES = ("ipv4", "ipv6", "flow4", "flow6")


def flow_text(flow: Flow) -> str:
    """As BIRD prints a flow rule: components in the order of RFC 8955 4.2.2."""
    version = _version(flow)
    ports = {"dport": flow.destination_ports, "sport": flow.source_ports}
    parts = [
        ("dst", flow.destination),
        ("src", flow.source),
        ("proto" if version == 4 else "next header", PROTOCOLS[flow.protocol] if flow.protocol else None),
        *((name, ",".join(map(str, sorted(set(found))))) for name, found in ports.items() if found),
    ]
    return f"flow{version} {{ " + "".join(f"{name} {value}; " for name, value in parts if value is not None) + "}"


def _version(flow: Flow) -> int:
    named = flow.destination or flow.source
    assert named is not None
    return named.version


@dataclass(frozen=True)
class Action:
    """What a router does with the packets of a flow rule: a limit in bytes/s (0 drops them), or another routing table."""

    rate: float = 0.0
    redirect: tuple[int, int] | None = None

    def extended_community(self) -> int:
        """The eight bytes on the wire as one number."""
        if self.redirect is None:
            return (TRAFFIC_RATE << 48) | int.from_bytes(struct.pack(">f", self.rate), "big")
        asn, value = self.redirect
        if asn < 1 << 16:
            return (REDIRECT_AS2 << 48) | (asn << 32) | value
        return (REDIRECT_AS4 << 48) | (asn << 16) | value

    def text(self) -> str:
        if self.redirect is not None:
            return f"redirect to the routing table with target {self.redirect[0]}:{self.redirect[1]}"
        return f"limit to {shown_rate(self.rate)}" if self.rate else "drop"


@dataclass(frozen=True)
class Route:
    """One announcement of ours. Unicast: ``prefix``, ``next_hop`` and ``communities``; flow rule: ``flow`` and ``action``."""

    mark: LargeCommunity
    prefix: Network | None = None
    next_hop: str = ""
    communities: frozenset[int] = frozenset()
    flow: Flow | None = None
    action: Action | None = None
    others: frozenset[LargeCommunity] = frozenset()  # marks of our other orders that want the same

    def __post_init__(self) -> None:
        broken = flow_breaches(replace(self.flow, bytes_per_second=self.action.rate if self.action else 0)) if self.flow else []
        if broken:
            raise NotOurs("; ".join(map(str, broken)))

    @property
    def family(self) -> str:
        if self.flow is not None:
            return f"flow{_version(self.flow)}"
        assert self.prefix is not None
        return f"ipv{self.prefix.version}"

    @property
    def net(self) -> str:
        return flow_text(self.flow) if self.flow is not None else str(self.prefix)

    @property
    def extended(self) -> frozenset[int]:
        return frozenset({self.action.extended_community()} if self.action else ())


@dataclass(frozen=True)
class Seen:
    """A route as a speaker or a router holds it. ``extended`` has the traffic actions only."""

    net: str
    family: str
    communities: frozenset[int] = frozenset()
    large: frozenset[LargeCommunity] = frozenset()
    extended: frozenset[int] = frozenset()
    words: str = ""  # the peer's own

    def is_of(self, route: Route) -> bool:
        """Whether this is ``route`` in force; a router may add communities of its own, but change no action."""
        return self.net == route.net and route.mark in self.large and self.same_effect(route)

    def same_effect(self, route: Route) -> bool:
        return route.communities <= self.communities and self.extended == route.extended


@dataclass(frozen=True)
class Owner:
    """Whose routes these are: the desk's name and the number of the network that speaks for it."""

    asn: int
    instance: str

    @property
    def desk(self) -> int:
        """The middle word of the large community, from the desk's name."""
        return int.from_bytes(blake2b(f"tipstaff:{self.instance}".encode(), digest_size=4).digest(), "big")

    def mark(self, number: int) -> LargeCommunity:
        if not 0 <= number < 1 << 32:
            raise NotOurs(f"order {number} has no place in a large community, which counts to {(1 << 32) - 1}")
        return (self.asn, self.desk, number)

    def marks(self, seen: Seen) -> frozenset[LargeCommunity]:
        """Those of our orders; empty when the route is not ours."""
        return frozenset(mark for mark in seen.large if mark[:2] == (self.asn, self.desk))

    def numbers(self, seen: Seen) -> list[int]:
        """Which orders the route is of."""
        return sorted(number for _, _, number in self.marks(seen))


def checked(prefix: Network | None, what: str) -> Network:
    """``prefix`` when a route for it can be meant; NotOurs for what no customer holds: none at all, ``0.0.0.0``, martians."""
    if prefix is None:
        raise NotOurs(f"{what} has no address")
    first = prefix.network_address
    odd = first.is_unspecified or first.is_loopback or first.is_multicast or first.is_link_local
    reserved = isinstance(prefix, IPv4Network) and first.is_reserved
    if odd or reserved or prefix.prefixlen == 0:
        raise NotOurs(f"{prefix} is no address of a customer")
    return prefix


def mark_text(mark: LargeCommunity) -> str:
    return ":".join(map(str, mark))


def community(text: str) -> int:
    """``65535:666`` as a number (RFC 1997). Raises ValueError."""
    high, _, low = text.strip().partition(":")
    return (_number(high, 16) << 16) | _number(low, 16)


def community_text(value: int) -> str:
    return f"{value >> 16}:{value & 0xFFFF}"


def action(text: str) -> Action:
    """``drop``, ``rate 125000 bytes/s`` or ``redirect 65000:100``. Raises ValueError."""
    words = text.split()
    if words == ["drop"]:
        return Action()
    if len(words) == 3 and words[0] == "rate" and words[2] == "bytes/s":
        return Action(rate=_single(_number(words[1], 40)))
    if len(words) == 2 and words[0] == "redirect":
        asn, _, value = words[1].partition(":")
        wide = _number(asn, 32) >= 1 << 16
        return Action(redirect=(_number(asn, 32), _number(value, 16 if wide else 32)))
    raise ValueError(text)


def _single(rate: int) -> float:
    """What is left of a rate on the wire, a 32-bit float."""
    if rate <= 0:
        raise ValueError(rate)
    return float(struct.unpack(">f", struct.pack(">f", rate))[0])


def _number(text: str, bits: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >= 1 << bits:
        raise ValueError(text)
    return int(text)


_RULE = re.compile(
    r"flow[46] \{ (?:dst (?P<destination>[0-9a-f.:/]+); )?(?:src (?P<source>[0-9a-f.:/]+); )?"
    r"(?:(?:proto|next header) (?P<protocol>\d+); )?(?:dport (?P<dport>[\d,]+); )?(?:sport (?P<sport>[\d,]+); )?\}"
)


def route_of(net: str, mark: LargeCommunity) -> Route:
    """The route that a ``net`` of ours names, without next hop or action, to withdraw it. NotOurs when it is none of ours."""
    try:
        if not net.startswith("flow"):
            return Route(mark, ip_network(net))
        if (rule := _RULE.fullmatch(net)) is None:
            raise ValueError(net)
        ports = {name: tuple(int(one) for one in (rule[name] or "").split(",") if one) for name in ("dport", "sport")}
        ends = {name: ip_network(rule[name]) if rule[name] else None for name in ("destination", "source")}
        protocol = _NAMES[int(rule["protocol"])] if rule["protocol"] else ""
        return Route(mark, flow=Flow(ends["destination"], ends["source"], protocol, ports["dport"], ports["sport"]))
    except (ValueError, KeyError):
        raise NotOurs(f"{net[:200]!r} is no route that we announce") from None
