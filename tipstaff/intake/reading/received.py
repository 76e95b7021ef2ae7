"""Trace headers: who handed the mail to whom, newest first, and which hop is the origin on the accused side."""

import ipaddress
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import find_addresses, normal_domain, normal_ip
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import Moment, read_time

MAX_HOPS = 60
UNPROVED = "no server of the recipient's wrote that trace line: whoever sent the mail may have made it up"

_FROM = pattern(r"(?is)^\s*\(?from\s+(.*)$")
_CLAUSE = pattern(r"(?i)(?:^|[\s)])(by|with|via|id|for)\s")
_LITERAL = pattern(r"(?i)\[(?:IPv6:)?([0-9a-f:.]{2,45})(?:%[^\]]{0,20})?\]")
_LOOKED_UP = pattern(r"(?i)^\s*\(?from\s+\S+\s+\((?:HELO\s+\S+\)\s+\()?([\w.-]+)\.?\s+\[")


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received field (RFC 5321 section 4.4). ``from_ip`` is what the receiving server saw, in normal text."""

    from_ip: str | None
    from_name: str | None
    by: str | None
    at: datetime | None  # aware UTC
    time_as_written: str | None
    index: int  # 1 is the newest
    raw: str

    @property
    def where(self) -> str:
        return f"Received {self.index}"


def hops(message: Message) -> list[Hop]:
    """The Received fields of ``message`` itself, newest first; unreadable ones too, with what could be read."""
    return [_hop(value, index) for index, value in enumerate(message.all_headers("received")[:MAX_HOPS], 1)]


def _hop(value: str, index: int) -> Hop:
    moment, written = hop_time(value)
    body = value[: value.rfind(";")] if ";" in value else value
    match = _FROM.match(body)
    given, by = "", None
    if match:
        given = match.group(1)
        cut = _clause_cut(given, "by")
        given, by = (given[: cut[0]], given[cut[1] :]) if cut else (given, None)
    elif (cut := _clause_cut(" " + body, "by")) is not None:
        by = (" " + body)[cut[1] :]
    name = normal_domain(given.split()[0].strip("[]()")) if given.split() else None
    return Hop(_peer(given), name, _first_name(by), moment.at if moment else None, written, index, value)


def _clause_cut(text: str, word: str) -> tuple[int, int] | None:
    """Where the clause ``word`` begins outside parentheses."""
    depth = last = 0
    for match in _CLAUSE.finditer(text[:4_000]):
        depth += text.count("(", last, match.start(1)) - text.count(")", last, match.start(1))
        last = match.start(1)
        if depth <= 0 and match.group(1).lower() == word:
            return match.start(1), match.end(1)
    return None


def _first_name(by: str | None) -> str | None:
    words = (by or "").split()
    return words[0].strip("[]();").lower() if words else None


def hop_time(value: str) -> tuple[Moment | None, str | None]:
    """The time after the last semicolon of a trace field."""
    written = value.rpartition(";")[2].strip() if ";" in value else ""
    return (read_time(written), written) if written else (None, None)


def _peer(given: str) -> str | None:
    """The peer address of a from clause: a literal in brackets inside parentheses first (the server wrote it), then any address."""
    inside, _, _ = given.rpartition(")")
    commented = inside[inside.find("(") + 1 :] if "(" in inside else ""
    for text in (commented, given):
        for match in _LITERAL.finditer(text):
            if (ip := normal_ip(match.group(1))) is not None:
                return ip
    for text in (commented, given):
        found = find_addresses(text.replace("@", " "))
        if found:
            return found[-1].value if text is commented else found[0].value
    return None


@lru_cache(maxsize=4_096)
def is_global(ip: str | None) -> bool:
    """Whether an address is one that a foreign server can have seen: not private, loopback, link-local or unspecified.

    Documentation networks count as public: anonymised mail and test networks use them.
    """
    if ip is None:
        return False
    address = ipaddress.ip_address(ip)
    if any(address in network for network in _DOCUMENTATION if network.version == address.version):
        return True
    return not (
        address.is_private or address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    )


_DOCUMENTATION = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))


def within(ip: str | None, networks: tuple[str, ...]) -> bool:
    """Whether ``ip`` lies in one of ``networks`` (prefixes as text; unreadable ones count for nothing)."""
    if ip is None or not networks:
        return False
    address = ipaddress.ip_address(ip)
    starts, ends = _ranges(networks)[address.version]
    at = bisect_right(starts, int(address)) - 1
    return at >= 0 and int(address) <= ends[at]


@lru_cache(maxsize=8)
def _ranges(networks: tuple[str, ...]) -> dict[int, tuple[list[int], list[int]]]:
    """First and last addresses of the networks as numbers, by IP version, in order and joined where they overlap."""
    found: dict[int, tuple[list[int], list[int]]] = {4: ([], []), 6: ([], [])}
    bounds = []
    for text in networks:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        bounds.append((network.version, int(network.network_address), int(network.broadcast_address)))
    for version, start, end in sorted(bounds):
        starts, ends = found[version]
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return found


def source_hop(message: Message, own_networks: tuple[str, ...] = ()) -> Hop | None:
    """The hop whose peer is the accused: inside ``own_networks`` the newest such hop; else the peer that handed the mail to the
    recipient's side, which is the newest hop from a public address by another organisation's server.

    Older Received fields are under the sender's control, so they are never preferred; None where no hop has a public peer.
    """
    trace = hops(message)
    ours = next((hop for hop in trace if within(hop.from_ip, own_networks)), None)
    if ours is not None or not trace:
        return ours
    public = [hop for hop in trace if is_global(hop.from_ip)]
    return _border(public, trace)


def is_unproved(hop: Hop, message: Message) -> bool:
    """Whether the recipient's side did not write this hop: a stranger's server did, or the sender made it up."""
    trace = hops(message)
    border = _border([one for one in trace if is_global(one.from_ip)], trace)
    return border is not None and hop.index > border.index and hop.from_ip != border.from_ip


def _border(public: list[Hop], trace: list[Hop]) -> Hop | None:
    """The newest public hop that is not a handover inside one organisation (same registered domain on both sides)."""
    for hop in public:
        giver, taker = _organisation(_giver(hop)), _organisation(hop.by)
        if giver is None or taker is None or giver != taker:
            return hop
    return public[-1] if public else None


def _giver(hop: Hop) -> str | None:
    """The peer's name: what the server looked up, where it wrote that (``(name [address])``); else what the peer called itself,
    which a sender can choose."""
    looked_up = _LOOKED_UP.search(hop.raw[:2_000])
    return looked_up.group(1) if looked_up else hop.from_name


def _organisation(name: str | None) -> str | None:
    from tipstaff.intake.reading.indicators import registered_domain

    if not name or not normal_domain(name):
        return None
    return registered_domain(name) or ".".join(name.split(".")[-2:])
