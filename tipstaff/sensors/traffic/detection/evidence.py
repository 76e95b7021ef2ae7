"""The flows behind a finding: who was on the other side, which ports, and a few records to show. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import kernel
from tipstaff.sensors.traffic.detection.findings import MOST_FLOWS, MOST_TOP
from tipstaff.sensors.traffic.detection.sightings import Aim, Flows
from tipstaff.sensors.traffic.records import address_text, flow_of

MOST = 4_000  # flows of a subject that are looked at
RECENT = 65_536
A_SECOND = 16_384
STRIP = 256  # flows that are compared together
Block = tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.int32], int]


class Recent:
    """The latest flows, up to A_SECOND of each second, for subjects whose flows come seldom."""

    def __init__(self, room: int = RECENT) -> None:
        self.narrow: NDArray[np.uint32] = np.zeros((L.NARROW, room), np.uint32)
        self.wide: NDArray[np.uint64] = np.zeros((L.WIDE, room), np.uint64)
        self.customers: NDArray[np.int32] = np.zeros((2, room), np.int32)
        self.room, self.at, self.filled, self.left, self.second = room, 0, 0, A_SECOND, 0

    def keep(
        self, narrow: NDArray[np.uint32], wide: NDArray[np.uint64], customers: NDArray[np.int32], first: int, last: int, second: int
    ) -> None:
        """Copy columns, as many as the second has room for; rows of IPv6 only where there is any, so that elsewhere nobody's memory
        of them is touched."""
        if second != self.second:
            self.second, self.left = second, A_SECOND
        count = min(last - first, self.left, self.room - self.at)
        if count <= 0:
            self.at = 0 if self.room == self.at else self.at
            return
        facts = L.SAMPLER if (narrow[L.FAMILY, first : first + count] == 6).any() else L.SRC_HI
        for mine, theirs in ((self.narrow, narrow), (self.wide[:facts], wide[:facts]), (self.customers, customers)):
            mine[:, self.at : self.at + count] = theirs[:, first : first + count]
        self.at += count
        self.filled = max(self.filled, self.at)
        self.left -= count
        if self.at == self.room:
            self.at = 0

    def block(self) -> Block:
        return self.narrow, self.wide, self.customers, self.filled


def flows_of(blocks: Sequence[Block], aim: Aim) -> Flows:
    """The flows of a subject in those blocks, at most MOST."""
    found: list[Flows] = []
    count = 0
    for narrow, wide, customers, rows in blocks:
        places = _at_end(narrow, wide, customers, rows, aim, MOST - count)
        if len(places):
            part = Flows(narrow[:, places], wide[:, places])
            if aim.keep is not None:
                kept = np.flatnonzero(aim.keep(part))
                part = Flows(part.narrow[:, kept], part.wide[:, kept])
            found.append(part)
            count += len(part)
    if not found:
        return Flows(np.zeros((L.NARROW, 0), np.uint32), np.zeros((L.WIDE, 0), np.uint64))
    return Flows(np.concatenate([one.narrow for one in found], 1), np.concatenate([one.wide for one in found], 1))


def _at_end(
    narrow: NDArray[np.uint32], wide: NDArray[np.uint64], customers: NDArray[np.int32], rows: int, aim: Aim, most: int
) -> NDArray[np.int64]:
    """The first columns that have the subject at that end, at most so many."""
    bits, found = 32 if aim.version == 4 else 128, np.empty(most, np.int64)
    mask = (1 << bits) - (1 << bits - aim.length)
    whole = [np.uint64(part) for one in (aim.address, mask) for part in (one >> 64, one & (1 << 64) - 1)]
    version = aim.version if aim.length else 0
    return found[: find_columns(narrow, wide, customers, rows, aim.end, version, aim.customer, *whole, found)]


@kernel
def find_columns(narrow, wide, customers, rows, end, version, customer, hi, lo, mask_hi, mask_lo, found):
    """List columns of a customer (``version`` 0), or of addresses that are (hi, lo) under a mask; how many were found.

    Nearly all are somebody else's: a strip is passed over where no customer, or no lower or only word of an address, fits, which
    the processor compares several of at a time.
    """
    four, whose, count = narrow[L.DST if end else L.SRC], customers[end], 0
    his, los = wide[L.DST_HI if end else L.SRC_HI], wide[L.DST_LO if end else L.SRC_LO]
    short, short_mask, who = np.uint32(lo), np.uint32(mask_lo), np.int32(customer)
    for begin in range(0, rows, STRIP):
        behind, fitting = min(begin + STRIP, rows), 0
        if version == 0:
            for i in range(begin, behind):
                fitting += whose[i] == who
        elif version == 4:
            for i in range(begin, behind):
                fitting += four[i] & short_mask == short
        else:
            for i in range(begin, behind):
                fitting += los[i] & mask_lo == lo
        if fitting == 0:
            continue
        for i in range(begin, behind):
            if version == 0:
                fits = whose[i] == customer
            elif version == 4:
                fits = (np.uint64(four[i]) & mask_lo == lo) & (narrow[L.FAMILY, i] == 4)
            else:
                fits = (narrow[L.FAMILY, i] == 6) & (his[i] & mask_hi == hi) & (los[i] & mask_lo == lo)
            if fits:
                if count == len(found):
                    return count
                found[count] = i
                count += 1
    return count


def scaled(flows: Flows) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Bytes and packets by the sampling rate."""
    rate = np.maximum(flows.narrow[L.RATE], 1).astype(np.uint64)
    return flows.wide[L.BYTES] * rate, flows.wide[L.PACKETS] * rate


def rate_of(flows: Flows) -> int:
    """The sampling rate of most packets; 0 where none of them states one."""
    rates, inverse = np.unique(flows.narrow[L.RATE], return_inverse=True)
    return int(rates[np.argmax(np.bincount(inverse, flows.wide[L.PACKETS]))]) if len(rates) else 0


def addresses(flows: Flows, end: int) -> NDArray[np.uint64]:
    """(n, 2) halves of one end, IPv4 mapped."""
    four = flows.narrow[L.FAMILY] == 4
    row = L.DST_HI if end else L.SRC_HI
    hi = np.where(four, np.uint64(0), flows.wide[row])
    lo = np.where(four, np.uint64(0xFFFF00000000) | flows.narrow[L.DST if end else L.SRC].astype(np.uint64), flows.wide[row + 1])
    return np.stack([hi, lo], 1)


def top_peers(flows: Flows, end: int) -> tuple[Mapping[str, Any], ...]:
    """The other side's addresses by bytes; ``end`` is ours."""
    if not len(flows):
        return ()
    whole = addresses(flows, 1 - end)
    first, inverse = _distinct(whole)
    sums, order = _sums(flows, inverse)
    return tuple(
        {"address": address_text(b"".join(part.to_bytes(8, "big") for part in whole[first[n]].tolist())), **_figures(sums, n)}
        for n in order
    )


def _distinct(halves: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of (n, 2) addresses in their order, where each is first, and which one each row is; of one upper half, that of IPv4, sorted
    as plain numbers, which takes a tenth of the time."""
    one_half = bool((halves[:, 0] == halves[0, 0]).all())
    _, first, inverse = np.unique(halves[:, 1] if one_half else halves, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def top_ports(flows: Flows, end: int) -> tuple[Mapping[str, Any], ...]:
    """Ports of one end by bytes."""
    if not len(flows):
        return ()
    port, protocol = flows.narrow[L.DST_PORT if end else L.SRC_PORT], flows.narrow[L.PROTOCOL]
    names, inverse = np.unique(port.astype(np.uint64) << np.uint64(32) | protocol, return_inverse=True)
    sums, order = _sums(flows, inverse)
    return tuple({"port": int(names[n]) >> 32, "protocol": int(names[n]) & 0xFFFFFFFF, **_figures(sums, n)} for n in order)


def _sums(flows: Flows, inverse: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    octets, packets = scaled(flows)
    sums = np.stack([np.bincount(inverse, octets), np.bincount(inverse, packets), np.bincount(inverse).astype(float)])
    return sums, np.lexsort((-sums[2], -sums[1], -sums[0]))[:MOST_TOP].astype(np.int64)


def _figures(sums: NDArray[np.float64], n: int) -> dict[str, int]:
    return {"bytes": int(sums[0, n]), "packets": int(sums[1, n]), "flows": int(sums[2, n])}


def samples(flows: Flows, exporters: Mapping[int, str]) -> tuple[Mapping[str, Any], ...]:
    """A few records, spread over those at hand, as ``tipstaff flows decode`` names their facts."""
    if not len(flows):
        return ()
    places = np.unique(np.linspace(0, len(flows) - 1, min(MOST_FLOWS, len(flows))).astype(int)).tolist()
    return tuple(
        {
            "exporter": exporters.get(int(flows.narrow[L.SESSION, n])),
            **flow_of(flows.narrow[:, n].tolist(), flows.wide[:, n].tolist()),
        }
        for n in places
    )
