"""Who held a prefix when: for each prefix a timeline of cells, one timeline for each range of ports.

Kept linear in the number of assignments: what a longer prefix leaves open is asked of the one around it at look-up,
and where several hold one address together (a crowd) its members stay a list that names decide on. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.attribution.segments import Nesting, Prefixes, last_at_most, nest, take

BEGINNING = int(np.iinfo(np.int64).min)  # a period without a beginning, in microseconds
END = int(np.iinfo(np.int64).max)  # a period without an end
ALL_PORTS = 65536
NOBODY = -1  # a cell that nobody holds; below it, crowd number k is -2 - k


class AssignmentRows(NamedTuple):
    """Assignments in columns. Periods are [start, end) in microseconds since 1970 UTC, ports [port_from, port_to)."""

    number: NDArray[np.int64]  # the assignment's id
    prefixes: Prefixes
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    port_from: NDArray[np.int32]
    port_to: NDArray[np.int32]
    service: NDArray[np.int64]
    customer: NDArray[np.int64]
    source: NDArray[np.int64]  # -1 none
    shared: NDArray[np.bool_]
    recorded: NDArray[np.int64]


class Lane(NamedTuple):
    """A range of ports of one prefix, with the rows that touch it in order of start."""

    port: int
    rows: list[int]


@dataclass
class Timelines:
    """``lane_first[p]`` is prefix p's first lane, ``cell_first[l]`` lane l's first cell; cells ascend in time."""

    rows: AssignmentRows
    nesting: Nesting
    lane_first: NDArray[np.int64]
    lane_port: NDArray[np.int64]  # the first port of each lane
    cell_first: NDArray[np.int64]
    cell_start: NDArray[np.int64]
    cell_end: NDArray[np.int64]
    cell_slot: NDArray[np.int64]  # a row, NOBODY, or a crowd
    row_prefix: NDArray[np.int32]
    crowds: list[list[int]] = field(default_factory=list)
    _services: dict[int, dict[int, list[int]]] = field(default_factory=dict)

    def services_of(self, crowd: int) -> dict[int, list[int]]:
        """The rows of each service in a crowd, in order of assignment id; found once and kept."""
        known = self._services.get(crowd)
        if known is None:
            known = self._services[crowd] = {}
            for row in sorted(self.crowds[crowd], key=self.rows.number.__getitem__):
                known.setdefault(int(self.rows.service[row]), []).append(row)
        return known

    @cached_property
    def views(self) -> tuple["memoryview[int]", ...]:
        """Lanes and cells for reading one by one: as plain integers, twice as fast as from the arrays."""
        columns = self.lane_first, self.lane_port, self.cell_first, self.cell_start, self.cell_end, self.cell_slot
        return tuple(_view(column) for column in columns)

    @cached_property
    def periods(self) -> tuple["memoryview[int]", "memoryview[int]"]:
        return _view(self.rows.start), _view(self.rows.end)

    def rows_of(self, prefix: int) -> range:
        """Every row of one prefix."""
        first, end = np.searchsorted(self.row_prefix, [prefix, prefix + 1])
        return range(int(first), int(end))

    def lanes(self, prefix: NDArray[np.int32], port: NDArray[np.int64]) -> NDArray[np.int64]:
        """The lane of each port in each prefix."""
        first, end = self.lane_first[prefix], self.lane_first[prefix + 1]
        return last_at_most(self.lane_port, first, end, port)

    def cells(self, lane: NDArray[np.int64], moment: NDArray[np.int64]) -> NDArray[np.int64]:
        """The cell of each moment in each lane."""
        return last_at_most(self.cell_start, self.cell_first[lane], self.cell_first[lane + 1], moment)


def _view(column: Any) -> "memoryview[int]":
    return memoryview(column)


def compile_rows(rows: AssignmentRows) -> Timelines:
    """The timelines of all rows; empty periods and empty port ranges hold nothing."""
    holds = (rows.start < rows.end) & (rows.port_from < rows.port_to)
    rows = _take(rows, np.flatnonzero(holds))
    nesting, prefix = nest(rows.prefixes)
    order = np.lexsort((rows.number, rows.start, prefix))
    rows, prefix = _take(rows, order), prefix[order]
    count = len(nesting.prefixes.family)
    odd = _odd_prefixes(rows, prefix, count)
    builder = _Builder(rows)
    builder.plain(np.flatnonzero(~odd[prefix]), prefix)
    at = np.flatnonzero(odd[prefix])
    for members in np.split(at, np.flatnonzero(np.diff(prefix[at])) + 1) if len(at) else []:
        builder.odd(int(prefix[members[0]]), members.tolist())
    return builder.finish(nesting, prefix, count)


def _take(rows: AssignmentRows, at: NDArray[np.int64]) -> AssignmentRows:
    columns: list[Any] = [take(column, at) if isinstance(column, Prefixes) else column[at] for column in rows]
    return AssignmentRows(*columns)


def _odd_prefixes(rows: AssignmentRows, prefix: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """Which prefixes need more than one holder after another: port shares, crowds, overlaps."""
    odd = np.zeros(count, bool)
    odd[prefix[(rows.port_from > 0) | (rows.port_to < ALL_PORTS) | rows.shared]] = True
    overlap = (prefix[1:] == prefix[:-1]) & (rows.start[1:] < rows.end[:-1])
    odd[prefix[1:][overlap]] = True
    return odd


class _Builder:
    """Collects cells as (prefix, port, start, slot) columns, in any order."""

    def __init__(self, rows: AssignmentRows) -> None:
        self.rows = rows
        self.crowds: list[list[int]] = []
        self.columns: list[tuple[NDArray[np.int64], ...]] = []
        self.loose: list[tuple[int, int, int, int]] = []

    def plain(self, at: NDArray[np.int64], prefix: NDArray[np.int32]) -> None:
        """Rows of prefixes that one service holds after another."""
        held, start, end = prefix[at].astype(np.int64), self.rows.start[at], self.rows.end[at]
        self._cells(held, start, at)
        follows = np.zeros(len(at), bool)
        follows[:-1] = (held[1:] == held[:-1]) & (start[1:] == end[:-1])
        last = np.flatnonzero(~follows & (end < END))
        self._cells(held[last], end[last], np.full(len(last), NOBODY, np.int64))
        first = np.ones(len(at), bool)
        first[1:] = held[1:] != held[:-1]
        opening = np.flatnonzero(first & (start > BEGINNING))
        beginnings = np.full(len(opening), BEGINNING, np.int64)
        self._cells(held[opening], beginnings, np.full(len(opening), NOBODY, np.int64))

    def _cells(self, prefix: NDArray[np.int64], start: NDArray[np.int64], slot: NDArray[np.int64]) -> None:
        self.columns.append((prefix, np.zeros(len(prefix), np.int64), start, slot))

    def odd(self, prefix: int, members: list[int]) -> None:
        """One prefix with port shares or several holders at once."""
        for lane in _lanes(self.rows, members):
            for start, slot in self._sweep(lane.rows):
                self.loose.append((prefix, lane.port, start, slot))

    def _sweep(self, members: list[int]) -> Iterable[tuple[int, int]]:
        """Cells of one lane: (start, slot), beginning at BEGINNING."""
        changes: dict[int, tuple[list[int], list[int]]] = {BEGINNING: ([], [])}
        for row in members:
            changes.setdefault(int(self.rows.start[row]), ([], []))[0].append(row)
            if (end := int(self.rows.end[row])) < END:
                changes.setdefault(end, ([], []))[1].append(row)
        active: dict[int, None] = {}
        slot = NOBODY - 1 - len(self.crowds) - 1  # no slot yet
        for moment in sorted(changes):
            begun, ended = changes[moment]
            for row in ended:
                del active[row]
            active |= dict.fromkeys(begun)
            before = slot
            slot = self._slot(active, begun, before)
            if slot != before:
                yield moment, slot

    def _slot(self, active: dict[int, None], begun: list[int], before: int) -> int:
        if not active:
            return NOBODY
        if len(active) == 1:
            return next(iter(active))
        if before < NOBODY and NOBODY - 1 - before == len(self.crowds) - 1:  # the crowd goes on
            self.crowds[-1] += begun
            return before
        self.crowds.append(list(active))
        return NOBODY - len(self.crowds)

    def finish(self, nesting: Nesting, prefix: NDArray[np.int32], count: int) -> Timelines:
        loose = np.array(self.loose, np.int64).reshape(-1, 4)
        held, port, start, slot = (
            np.concatenate([*(column[number] for column in self.columns), loose[:, number]]) for number in range(4)
        )
        order = np.lexsort((start, port, held))
        held, port, start, slot = held[order], port[order], start[order], slot[order]
        opens = np.ones(len(held), bool)
        opens[1:] = (held[1:] != held[:-1]) | (port[1:] != port[:-1])
        first = np.flatnonzero(opens)
        end = np.append(start[1:], END)[: len(start)]
        end[np.append(first[1:], len(start))[: len(first)] - 1] = END
        return Timelines(
            self.rows, nesting, np.searchsorted(held[first], np.arange(count + 1)), port[first],
            np.append(first, len(held)), start, end, slot, prefix, self.crowds,
        )  # fmt: skip


def _lanes(rows: AssignmentRows, members: Sequence[int]) -> list[Lane]:
    """The prefix's ports cut wherever a share begins or ends, with the rows over each cut."""
    edges = {0}
    for row in members:
        edges |= {int(rows.port_from[row]), int(rows.port_to[row])}
    cuts = sorted(edges - {ALL_PORTS})
    lanes = [Lane(port, []) for port in cuts]
    places = {port: place for place, port in enumerate(cuts)} | {ALL_PORTS: len(cuts)}
    for row in members:
        for lane in lanes[places[int(rows.port_from[row])] : places[int(rows.port_to[row])]]:
            lane.rows.append(row)
    return lanes
