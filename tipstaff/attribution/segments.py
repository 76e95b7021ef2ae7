"""Nested prefixes as disjoint runs of addresses, so that the longest prefix is one search away.

Addresses are pairs of 64-bit halves with a family of 4 or 6, as in :mod:`tipstaff.kernel.addresses`. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HALF = 1 << 64
BITS = {4: 32, 6: 128}


class Prefixes(NamedTuple):
    """Parallel arrays of networks: family 4 or 6, the first address in two halves, the length of the mask."""

    family: NDArray[np.uint8]
    hi: NDArray[np.uint64]
    lo: NDArray[np.uint64]
    length: NDArray[np.uint8]


def take(prefixes: Prefixes, at: NDArray[np.int64]) -> Prefixes:
    columns: list[Any] = [column[at] for column in prefixes]
    return Prefixes(*columns)


@dataclass
class Runs:
    """One family's runs: where each begins, and the number of the longest prefix over it (-1 none)."""

    lo: NDArray[np.uint64]
    holder: NDArray[np.int32]
    halves: NDArray[np.uint64]  # the distinct upper halves, in order
    bounds: NDArray[np.int64]  # halves[i] owns the runs bounds[i]:bounds[i + 1]

    def find(self, hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> NDArray[np.int32]:
        """For each address the number of the longest prefix over it, or -1."""
        if len(self.halves) == 1 and self.halves[0] == 0:
            run = np.searchsorted(self.lo, lo, side="right") - 1
            run[hi > 0] = len(self.lo) - 1
        else:
            run = self._by_halves(hi, lo)
        return np.where(run >= 0, self.holder[np.maximum(run, 0)], np.int32(-1))

    def _by_halves(self, hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> NDArray[np.int64]:
        half = np.searchsorted(self.halves, hi, side="right") - 1
        known = np.maximum(half, 0)
        first, end = self.bounds[known], self.bounds[known + 1]
        exact = (half >= 0) & (self.halves[known] == hi)
        run = np.where(half >= 0, end - 1, -1)  # past a half's own runs, the last of them still reigns
        at = np.flatnonzero(exact)
        run[at] = last_at_most(self.lo, first[at] - 1, end[at], lo[at])
        return run


def last_at_most(
    keys: NDArray[np.generic], low: NDArray[np.int64], high: NDArray[np.int64], wanted: NDArray[np.generic]
) -> NDArray[np.int64]:
    """The last place in ``(low, high)`` whose key is not above ``wanted``, else ``low``; keys ascend inside each span."""
    low = low.copy()
    at = np.flatnonzero(high - low > 1)
    begin, end, sought = low[at], high[at], wanted[at]
    while len(at):
        middle = (begin + end) >> 1
        above = keys[middle] > sought
        begin, end = np.where(above, begin, middle), np.where(above, middle, end)
        low[at] = begin
        unsettled = end - begin > 1
        at, begin, end, sought = at[unsettled], begin[unsettled], end[unsettled], sought[unsettled]
    return low


@dataclass
class Nesting:
    """Distinct prefixes, numbered in order of address and length, each with the next shorter one around it."""

    prefixes: Prefixes
    parent: NDArray[np.int32]  # -1: none around it
    runs: dict[int, Runs]

    def find(self, family: NDArray[np.uint8], hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> NDArray[np.int32]:
        """For each address the number of the longest prefix over it, or -1."""
        found = np.full(len(family), -1, np.int32)
        for number, runs in self.runs.items():
            at = np.flatnonzero(family == number)
            if len(at):
                found[at] = runs.find(hi[at], lo[at])
        return found

    def chain(self, number: int) -> Iterator[int]:
        """The prefix and all around it, longest first."""
        while number >= 0:
            yield number
            number = int(self.parent[number])


def nest(rows: Prefixes) -> tuple[Nesting, NDArray[np.int32]]:
    """The nesting of all distinct prefixes among ``rows``, and for each row the number of its prefix."""
    order = np.lexsort((rows.length, rows.lo, rows.hi, rows.family))
    ordered = take(rows, order)
    fresh = np.ones(len(order), bool)
    if len(order):
        fresh[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in ordered])
    number = np.empty(len(order), np.int32)
    number[order] = np.cumsum(fresh) - 1
    distinct = take(ordered, np.flatnonzero(fresh))
    parent = np.full(len(distinct.family), -1, np.int32)
    runs = {}
    for family in BITS:
        at = np.flatnonzero(distinct.family == family)
        if len(at):
            runs[family] = _flatten(distinct, int(at[0]), int(at[-1]) + 1, parent, BITS[family])
    return Nesting(distinct, parent, runs), number


def _flatten(prefixes: Prefixes, begin: int, end: int, parent: NDArray[np.int32], bits: int) -> Runs:
    """One family's runs; fills ``parent``. Prefixes nest or are apart, so one walk with a stack sees all."""
    starts = [(hi << 64) | lo for hi, lo in zip(prefixes.hi[begin:end].tolist(), prefixes.lo[begin:end].tolist(), strict=True)]
    lasts = [start + (1 << (bits - length)) - 1 for start, length in zip(starts, prefixes.length[begin:end].tolist(), strict=True)]
    places: list[int] = []
    holders: list[int] = []

    def begin_run(place: int, holder: int) -> None:
        if places and places[-1] == place:
            holders[-1] = holder
        else:
            places.append(place)
            holders.append(holder)

    stack: list[int] = []
    for index, start in enumerate(starts):
        while stack and lasts[stack[-1]] < start:
            closed = stack.pop()
            begin_run(lasts[closed] + 1, stack[-1] + begin if stack else -1)
        parent[begin + index] = stack[-1] + begin if stack else -1
        begin_run(start, index + begin)
        stack.append(index)
    while stack:
        closed = stack.pop()
        begin_run(lasts[closed] + 1, stack[-1] + begin if stack else -1)
    return _runs(places, holders, bits)


def _runs(places: list[int], holders: list[int], bits: int) -> Runs:
    if places[-1] >> bits:  # the run after the family's last address
        places, holders = places[:-1], holders[:-1]
    hi = np.array([place >> 64 for place in places], np.uint64)
    lo = np.array([place & (HALF - 1) for place in places], np.uint64)
    halves, first = np.unique(hi, return_index=True)
    return Runs(lo, np.array(holders, np.int32), halves, np.append(first, len(places)).astype(np.int64))
