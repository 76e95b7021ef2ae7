"""What stands out flow by flow: peers on the operator's list, blocked addresses of ours, sources behind a customer's interface
that are not that customer's; and how much of an uplink each busy customer takes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel
from tipstaff.sensors.traffic.prefixes import MAPPED, SEVERAL

LISTED, BLOCKED, FOREIGN = 1, 2, 4
MASK_BITS = 24
SLOTS = 4096  # interfaces that are known, and customers whose share of uplinks is measured
MOST_UPLINKS = 64


class Ranges(NamedTuple):
    """Disjoint ranges of addresses, IPv4 mapped: first and last as halves; a bitmap that says where to look at all."""

    first: NDArray[np.uint64]
    last: NDArray[np.uint64]
    mask: NDArray[np.uint8]


class Interfaces(NamedTuple):
    """Open hash of (exporter, interface) → who is behind it: 0 nothing known, else ``lists`` row of customers, or -1 - uplink."""

    keys: NDArray[np.uint64]
    behind: NDArray[np.int64]
    customers: NDArray[np.int64]


class Uplinks(NamedTuple):
    """Bytes of this window by uplink and direction, and by uplink, direction and busy customer; who has which place."""

    keys: NDArray[np.uint64]
    behind: NDArray[np.int64]
    total: NDArray[np.float64]
    share: NDArray[np.float32]
    place: NDArray[np.int16]
    owner: NDArray[np.int64]


def ranges_of(networks: Iterable[IPv4Network | IPv6Network]) -> Ranges:
    """Sorted and merged, ready to be searched."""
    spans = sorted(_span(one) for one in networks)
    merged: list[tuple[int, int]] = []
    for low, high in spans:
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    mask = np.zeros((1 << MASK_BITS) // 8 if merged else 8, np.uint8)
    for low, high in merged:
        _mark(mask, low, high)
    return Ranges(_halves([low for low, _ in merged]), _halves([high for _, high in merged]), mask)


def _span(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    base = MAPPED if network.version == 4 else 0
    return base + int(network.network_address), base + int(network.broadcast_address)


def _halves(values: list[int]) -> NDArray[np.uint64]:
    return np.array([(value >> 64, value & (1 << 64) - 1) for value in values], np.uint64).reshape(-1, 2)


def _mark(mask: NDArray[np.uint8], low: int, high: int) -> None:
    """Set the bits of the /24s, or of the digests of the /48s, that a range touches; too many of them: all."""
    four = low >> 32 == MAPPED >> 32
    first, last = (low >> 8 & 0xFFFFFF, high >> 8 & 0xFFFFFF) if four else (low >> 80, high >> 80)
    if last - first > 1 << 16:
        if four:
            mask[first >> 3 : (last >> 3) + 1] = 255
        else:
            mask[:] = 255
        return
    for prefix in range(first, last + 1):
        place = prefix if four else int(digest(np.uint64(prefix)))
        mask[place >> 3] |= 1 << (place & 7)


@kernel
def digest(prefix):
    """A place in the bitmap for the upper 48 bits of an IPv6 address."""
    return int64(uint64(prefix) * uint64(C.GOLDEN) >> uint64(64 - MASK_BITS))


@dataclass
class Watchlists:
    """What the operator, and the desk above, want noticed; replaced as a whole when it changes."""

    listed: Ranges = field(default_factory=lambda: ranges_of([]))
    blocked: Ranges = field(default_factory=lambda: ranges_of([]))
    interfaces: Interfaces = field(default_factory=lambda: interfaces_of({}))
    uplinks: Uplinks = field(default_factory=lambda: uplinks_of({}))
    #: Any of the following; listed peers; blocked addresses; foreign sources; uplinks.
    plan: NDArray[np.int64] = field(default_factory=lambda: np.zeros(5, np.int64))
    suspects: NDArray[np.int64] = field(default_factory=lambda: np.zeros((8192, 2), np.int64))
    suspects_count: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))

    def arrange(self) -> "Watchlists":
        """Work out what has to be looked at."""
        wanted = (len(self.listed.first), len(self.blocked.first), self.interfaces.keys.any(), self.uplinks.keys.any())
        self.plan[1:] = [bool(one) for one in wanted]
        self.plan[0] = self.plan[1:].any()
        return self


def interfaces_of(known: Mapping[tuple[int, int], Iterable[int]]) -> Interfaces:
    """(exporter's number, interface) → customers who are behind it, by number."""
    keys, behind = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.int64)
    rows = [sorted(set(customers))[:16] for customers in known.values()]
    customers = np.zeros((len(rows) + 1, 16), np.int64)
    for number, ((exporter, interface), row) in enumerate(zip(known, rows, strict=True), 1):
        customers[number, : len(row)] = row
        _put(keys, behind, exporter, interface, number)
    return Interfaces(keys, behind, customers)


def uplinks_of(known: Mapping[tuple[int, int], int]) -> Uplinks:
    """(exporter's number, interface) → number of the uplink, from 0 on; several interfaces may be one uplink."""
    keys, behind = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.int64)
    for (exporter, interface), number in known.items():
        _put(keys, behind, exporter, interface, number + 1)
    count = max(known.values(), default=-1) + 1
    share = np.zeros((max(count, 1), 2, 1024), np.float32)
    return Uplinks(
        keys, behind, np.zeros((max(count, 1), 2)), share, np.full(1 << 16 if count else 1, -1, np.int16), np.zeros(1024, np.int64)
    )


def _put(keys: NDArray[np.uint64], behind: NDArray[np.int64], exporter: int, interface: int, value: int) -> None:
    key = exporter << 32 | interface
    at = key * C.GOLDEN % (1 << 64) >> 52
    while keys[at]:
        at = (at + 1) % SLOTS
    keys[at], behind[at] = key, value


@inlined
def behind_of(keys, behind, exporter, interface):
    key = uint64(exporter) << uint64(32) | uint64(interface)
    at = int64(key * uint64(C.GOLDEN) >> uint64(52))
    while keys[at] != 0 and keys[at] != key:
        at = (at + 1) % SLOTS
    return behind[at] if keys[at] == key else int64(0)


@kernel
def inside(ranges, hi, lo):
    """Whether any range holds the address."""
    place = (
        int64(lo >> uint64(8) & uint64(0xFFFFFF)) if hi == 0 and lo >> uint64(32) == uint64(0xFFFF) else digest(hi >> uint64(16))
    )
    if ranges.mask[place >> 3] >> (place & 7) & 1 == 0:
        return False
    low, high = int64(-1), int64(len(ranges.first))
    while high - low > 1:
        middle = (low + high) >> 1
        if ranges.first[middle, 0] < hi or (ranges.first[middle, 0] == hi and ranges.first[middle, 1] <= lo):
            low = middle
        else:
            high = middle
    if low < 0:
        return False
    return hi < ranges.last[low, 0] or (hi == ranges.last[low, 0] and lo <= ranges.last[low, 1])


@kernel
def listed_in(narrow, wide, customers, i, ranges, peers):
    """LISTED where a peer (``peers`` 1) is in the ranges, BLOCKED where an address of ours is."""
    for end in range(2):
        if (customers[end, i] == 0) == (peers == 1):
            if narrow[L.FAMILY, i] == 4:
                hi, lo = uint64(0), uint64(MAPPED) | uint64(narrow[L.DST if end else L.SRC, i])
            else:
                row = L.DST_HI if end else L.SRC_HI
                hi, lo = wide[row, i], wide[row + 1, i]
            if inside(ranges, hi, lo):
                return int64(LISTED) if peers else int64(BLOCKED)
    return int64(0)


@kernel
def foreign(narrow, wide, customers, i, interfaces):
    """Whether a flow came in from a customer's interface with a source that is none of theirs and means something beyond a link.

    Private, link-local and unspecified sources are leaks of a misconfigured host, not addresses of somebody else.
    """
    row = behind_of(interfaces.keys, interfaces.behind, narrow[L.SESSION, i], narrow[L.INPUT, i])
    who = int64(customers[0, i])
    if row <= 0 or who == SEVERAL or narrow[L.PRESENT, i] & L.HAS_INPUT == 0:
        return False
    for column in range(16):
        if interfaces.customers[row, column] == who and who > 0:
            return False
    if narrow[L.FAMILY, i] == 4:
        a = narrow[L.SRC, i]
        local = a >> 24 == 0 or a >> 24 == 10 or a >> 24 == 127 or a >> 16 == 0xA9FE or a >> 16 == 0xC0A8 or a >> 28 >= 14
        return not (local or a >> 20 == 0xAC1 or (a >> 22 == 0x191))  # 172.16/12 and 100.64/10
    first = wide[L.SRC_HI, i] >> uint64(48)
    return not (first == 0 or first >= uint64(0xFC00))


@kernel
def note_uplinks(narrow, wide, customers, i, uplinks):
    """Add a flow to the uplinks that it came in or went out by."""
    for way in range(2):
        interface = narrow[L.INPUT if way else L.OUTPUT, i]
        number = behind_of(uplinks.keys, uplinks.behind, narrow[L.SESSION, i], interface) - 1
        if number >= 0:
            octets = float(wide[L.BYTES, i] * uint64(max(narrow[L.RATE, i], 1)))
            uplinks.total[number, way] += octets
            who = int64(customers[1 if way else 0, i])
            place = int64(uplinks.place[who & 0xFFFF]) if who > 0 else int64(-1)
            if place >= 0 and uplinks.owner[place] == who:
                uplinks.share[number, way, place] += octets


@kernel
def suspect(narrow, wide, customers, first, last, plan, listed, blocked, interfaces, uplinks, suspects, suspects_count):
    """What stands out by itself, where the operator, or the desk above, wants anything noticed."""
    for i in range(first, last):
        ours = customers[0, i] != 0 or customers[1, i] != 0
        why = int64(0)
        if plan[1] and customers[0, i] != 0:  # what listed peers send, or somebody in their name, is nothing of ours
            why |= listed_in(narrow, wide, customers, i, listed, 1)
        if plan[2] and ours:
            why |= listed_in(narrow, wide, customers, i, blocked, 0)
        if plan[3] and foreign(narrow, wide, customers, i, interfaces):
            why |= 4
        if plan[4]:
            note_uplinks(narrow, wide, customers, i, uplinks)
        if why:  # what comes to the blocked, of which there is much, and forged sources leave room for listed peers
            room = len(suspects) if why & LISTED else len(suspects) * 3 >> 2 if why & FOREIGN else len(suspects) >> 1
            if suspects_count[0] < room:
                suspects[suspects_count[0], 0], suspects[suspects_count[0], 1] = i, why
                suspects_count[0] += 1
            else:
                suspects_count[1] += 1


def behind_all(interfaces: Interfaces, exporter: int, interface: int) -> tuple[int, ...]:
    """The customers behind an interface; nobody where nothing is known."""
    key = exporter << 32 | interface
    at = key * C.GOLDEN % (1 << 64) >> 52
    while interfaces.keys[at] and int(interfaces.keys[at]) != key:
        at = (at + 1) % SLOTS
    if not interfaces.keys[at]:
        return ()
    return tuple(one for one in interfaces.customers[interfaces.behind[at]].tolist() if one)


def behind(interfaces: Interfaces, exporter: int, interface: int) -> int:
    """The first customer behind an interface; 0 for none."""
    return next(iter(behind_all(interfaces, exporter, interface)), 0)
