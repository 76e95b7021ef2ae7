"""Whose address is it, for millions of flows a second: the table of assignments in a form that one load answers. Pure.

IPv4 is two levels of 65,536 places (the upper and the lower half of the address), IPv6 a binary search over runs. A
leaf holds the customer of now and since when, and the one before: flows are exported up to half an hour late.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel

NOT_OURS, UNASSIGNED, SEVERAL = 0, -1, -2  # what stands in a customer's place; customers are numbered from 1
MOST_PAGES = 2048  # /16s of IPv4 that hold addresses of ours, 256 kB each; beyond that IPv4 is searched like IPv6
SETTLED_MS = 12 * 3_600_000  # a holder of so long needs no second look: no flow is exported that late
LEAF = -3  # in a page: from here down, leaf number LEAF - value; above, the customer itself
MAPPED = 0xFFFF00000000
CHUNK = 256  # flows that are looked up together

SRC, DST, FAMILY, END, SRC_HI, DST_HI, SESSION = L.SRC, L.DST, L.FAMILY, L.END, L.SRC_HI, L.DST_HI, L.SESSION


@dataclass
class Leaves:
    """What is known of each run: customer now, since when (ms), customer before."""

    customer: NDArray[np.int32]
    since: NDArray[np.int64]
    before: NDArray[np.int32]


@dataclass
class PrefixTable:
    """Compiled; ``version`` is the inventory's."""

    top: NDArray[np.int32]  # per upper half: a page; below 0 nothing of ours, and -1 - a place in the pages where that stands
    pages: NDArray[np.int32]  # per page and lower half: a customer, or a leaf that has to be asked (see LEAF)
    hi: NDArray[np.uint64]  # runs of IPv6 (and of IPv4, mapped, where there are too many pages): where each begins
    lo: NDArray[np.uint64]
    leaf: NDArray[np.int32]  # per run as in a page
    customer: NDArray[np.int32]
    since: NDArray[np.int64]
    before: NDArray[np.int32]
    version: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Let what is not ours point to such a place, so that a look-up needs no branch."""
        flat = self.pages.reshape(-1)
        place = int(np.argmin(flat != NOT_OURS)) if len(flat) else 0
        if len(flat) and flat[place] != NOT_OURS:
            place = len(flat)
            self.pages = np.concatenate([self.pages, np.full((1, 65536), NOT_OURS, np.int32)])
        self.top = np.where(self.top < 0, -1 - place, self.top).astype(np.int32)

    def save(self, path: Path) -> None:
        """Write beside, then rename: a reader sees the old table or the new one."""
        fresh = path.with_name(path.name + ".new")
        with fresh.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **{one.name: getattr(self, one.name) for one in fields(self)})
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> "PrefixTable":
        with np.load(path) as kept:
            return cls(**{one.name: kept[one.name] for one in fields(cls)})


def nothing() -> PrefixTable:
    """The table of an operator who has told us nothing yet."""
    return compile_table(
        np.zeros(0, np.uint64), np.zeros(0, np.int32), np.zeros((0, 2), np.uint64), np.zeros(0, np.int32), _no_leaves()
    )


def _no_leaves() -> Leaves:
    return Leaves(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32))


def compile_table(
    four: NDArray[np.uint64], four_leaf: NDArray[np.int32], six: NDArray[np.uint64], six_leaf: NDArray[np.int32],
    leaves: Leaves, version: int = 0, at: int = 0,
) -> PrefixTable:  # fmt: skip
    """The table as of ``at`` (ms), from disjoint runs in order.

    ``four``: where IPv4 runs begin, ``six``: (n, 2) halves where IPv6 runs begin; each has a leaf, or -1.
    """
    four_leaf, six_leaf = _direct(four_leaf, leaves, at), _direct(six_leaf, leaves, at)
    top, pages = np.full(65536, -1, np.int32), np.zeros((0, 65536), np.int32)
    blocks = _blocks(four, four_leaf)
    if len(blocks) <= MOST_PAGES:
        top[blocks] = np.arange(len(blocks), dtype=np.int32)
        pages = _pages(four, four_leaf, blocks)
    else:
        mapped = np.stack([np.zeros(len(four), np.uint64), four | np.uint64(MAPPED)], axis=1)
        end = np.array([[0, 0x1000000000000]], np.uint64)
        six = np.concatenate([mapped, end, six])
        six_leaf = np.concatenate([four_leaf, np.array([NOT_OURS], np.int32), six_leaf])
    return PrefixTable(
        top, pages, np.ascontiguousarray(six[:, 0]), np.ascontiguousarray(six[:, 1]), six_leaf.astype(np.int32),
        leaves.customer, leaves.since, leaves.before, np.array([version], np.int64),
    )  # fmt: skip


def _direct(leaf: NDArray[np.int32], leaves: Leaves, at: int) -> NDArray[np.int32]:
    """The customers themselves where the past does not matter any more, else references to leaves."""
    if not len(leaves.customer):
        return np.zeros(len(leaf), np.int32)
    number = np.maximum(leaf, 0)
    settled = leaves.since[number] <= max(at - SETTLED_MS, 0)
    return np.where(leaf < 0, NOT_OURS, np.where(settled, leaves.customer[number], LEAF - number)).astype(np.int32)


def _blocks(starts: NDArray[np.uint64], leaf: NDArray[np.int32]) -> NDArray[np.int64]:
    """The upper halves under which any run of ours lies; ``leaf`` as in a page."""
    ends = np.append(starts[1:], np.uint64(1 << 32)) if len(starts) else starts
    ours = np.flatnonzero(leaf != NOT_OURS)
    marks = np.zeros(65537, np.int64)
    np.add.at(marks, (starts[ours] >> np.uint64(16)).astype(np.int64), 1)
    np.add.at(marks, ((ends[ours] - np.uint64(1)) >> np.uint64(16)).astype(np.int64) + 1, -1)
    return np.flatnonzero(np.cumsum(marks)[:65536])


def _pages(starts: NDArray[np.uint64], leaf: NDArray[np.int32], blocks: NDArray[np.int64]) -> NDArray[np.int32]:
    pages = np.zeros((len(blocks), 65536), np.int32)
    if len(blocks):
        fill_pages(starts.astype(np.int64), leaf, blocks.astype(np.int64), pages)
    return pages


@kernel
def fill_pages(starts, leaf, blocks, pages):
    run, runs = 0, len(starts)
    for b in range(len(blocks)):
        base = blocks[b] << 16
        while run + 1 < runs and starts[run + 1] <= base:
            run += 1
        at = run
        for place in range(65536):
            while at + 1 < runs and starts[at + 1] <= base + place:
                at += 1
            pages[b, place] = leaf[at] if starts[at] <= base + place else NOT_OURS


@kernel
def find_six(hi, lo, his, los, leaf):
    """What stands at the last run that begins at or before the address."""
    low, high = -1, len(his)
    while high - low > 1:
        middle = (low + high) >> 1
        if his[middle] < hi or (his[middle] == hi and los[middle] <= lo):
            low = middle
        else:
            high = middle
    return np.int64(leaf[low]) if low >= 0 else np.int64(NOT_OURS)


@kernel
def attribute(narrow, wide, customers, first, last, top, pages, his, los, leaf, customer, since, before):
    """Set both ends' customers of columns ``first`` to ``last``: as of the flow's end."""
    paged = len(pages) > 0
    for begin in range(first, last, CHUNK):
        behind = min(begin + CHUNK, last)
        if not paged or look_up(narrow, customers, begin, behind, top, pages):
            for i in range(begin, behind):
                settle(narrow, wide, customers, i, paged, his, los, leaf, customer, since, before)


@inlined
def look_up(narrow, customers, begin, behind, top, pages):
    """Set customers as if all were IPv4, without a branch, as which end is ours cannot be foreseen; whether one needs more."""
    flat, more = pages.reshape(pages.size), False
    for end in range(2):
        mine, into = narrow[DST if end else SRC], customers[end]
        for i in range(uint64(begin), uint64(behind)):
            address = uint64(mine[i])
            page = int64(top[address >> uint64(16)])
            ours = ~(page >> 63)
            into[i] = (page << 16 | int64(address & uint64(0xFFFF))) & ours | ~page & ~ours
        for i in range(uint64(begin), uint64(behind)):  # apart, so that many places are waited for at once
            into[i] = flat[uint64(into[i])]
        for i in range(uint64(begin), uint64(behind)):
            more |= (into[i] <= LEAF) | (narrow[FAMILY, i] != 4)
    return more


@kernel
def settle(narrow, wide, customers, i, known, his, los, leaf, customer, since, before):
    """Both ends of one flow, of which IPv4 ends were looked up where ``known``: by the runs, and as of the flow's end."""
    family = narrow[FAMILY, i]
    for end in range(2):
        found, row = int64(NOT_OURS), DST_HI if end else SRC_HI
        if family == 6:
            found = find_six(wide[row, i], wide[row + 1, i], his, los, leaf)
        elif family == 4 and known:
            found = int64(customers[end, i])
        elif family == 4:
            found = find_six(uint64(0), uint64(MAPPED) | uint64(narrow[DST if end else SRC, i]), his, los, leaf)
        if found <= LEAF:
            asked = LEAF - found
            found = int64(customer[asked] if int64(wide[END, i]) >= since[asked] else before[asked])
        customers[end, i] = found


@kernel
def name_exporters(narrow, numbers, first, last):
    """Replace the session of each flow by its exporter's number."""
    for i in range(first, last):
        narrow[SESSION, i] = numbers[narrow[SESSION, i]]
