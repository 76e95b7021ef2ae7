"""From the inventory's table of assignments to the receiver's table of prefixes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.attribution.matching import AssignmentTable, Questions, State
from tipstaff.attribution.segments import Nesting
from tipstaff.attribution.timelines import BEGINNING, END
from tipstaff.sensors.traffic.prefixes import SEVERAL, UNASSIGNED, Leaves, PrefixTable, compile_table

Halves = NDArray[np.uint64]


def from_assignments(table: AssignmentTable, at: int, version: int) -> PrefixTable:
    """Who holds what at ``at`` (µs since 1970), and who held it just before."""
    starts = {family: _starts(table, family) for family in (4, 6)}
    family = np.repeat(np.array([4, 6], np.uint8), [len(starts[4]), len(starts[6])])
    places = np.concatenate([starts[4], starts[6]])
    customer = _holders(table, family, places, np.full(len(places), at, np.int64))
    since = _since(table, family, places, at)
    before = _holders(table, family, places, np.maximum(since - 1, 0))
    leaf = np.where(customer != 0, np.arange(len(places)), -1).astype(np.int32)
    leaf = np.where((customer == 0) & (before != 0), np.arange(len(places)), leaf).astype(np.int32)
    cut = len(starts[4])
    leaves = Leaves(customer, since // 1000, before)
    return compile_table(starts[4][:, 1].copy(), leaf[:cut], starts[6], leaf[cut:], leaves, version, at // 1000)


def from_prefixes(nesting: Nesting, customers: NDArray[np.int32], version: int = 0) -> PrefixTable:
    """A table of prefixes that never changed hands; ``customers`` by the nesting's prefix numbers."""
    runs: dict[int, tuple[Halves, NDArray[np.int32]]] = {}
    for family in (4, 6):
        one = nesting.runs.get(family)
        halves = np.zeros((0, 2), np.uint64)
        if one is not None:
            hi = np.repeat(one.halves, np.diff(one.bounds))
            halves = np.stack([hi, one.lo], axis=1)
        runs[family] = (halves, one.holder if one is not None else np.zeros(0, np.int32))
    leaves = Leaves(customers, np.zeros(len(customers), np.int64), customers)
    return compile_table(runs[4][0][:, 1].copy(), runs[4][1], runs[6][0], runs[6][1], leaves, version)


def _starts(table: AssignmentTable, family: int) -> Halves:
    """Where the answer may change within the address space: halves of addresses in order."""
    found = [np.zeros((0, 2), np.uint64)]
    for nesting in (table.timelines.nesting, table.own):
        runs = nesting.runs.get(family)
        if runs is not None:
            found.append(np.stack([np.repeat(runs.halves, np.diff(runs.bounds)), runs.lo], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _holders(table: AssignmentTable, family: NDArray[np.uint8], places: Halves, at: NDArray[np.int64]) -> NDArray[np.int32]:
    """Customers in the receiver's words at those places and moments (µs)."""
    unknown = np.full(len(family), -1, np.int32)
    hi, lo = np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1])
    answers = table.match(Questions(family, hi, lo, at, at, unknown))
    named: Any = answers.customer
    named = np.where(answers.state == State.AMBIGUOUS, SEVERAL, named)
    named = np.where(answers.state == State.NOT_ASSIGNED, UNASSIGNED, named)
    return np.where(answers.state == State.NOT_OURS, 0, named).astype(np.int32)


def _since(table: AssignmentTable, family: NDArray[np.uint8], places: Halves, at: int) -> NDArray[np.int64]:
    """The last moment up to ``at`` (µs) at which any tenancy over each place began or ended; 0 for none."""
    rows = table.timelines.rows
    changed = np.maximum(
        np.where((rows.start <= at) & (rows.start > BEGINNING), rows.start, 0),
        np.where((rows.end <= at) & (rows.end < END), rows.end, 0),
    )
    latest = np.zeros(len(table.timelines.nesting.prefixes.family), np.int64)
    np.maximum.at(latest, table.timelines.row_prefix, changed)
    over = table.timelines.nesting.find(family, np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1]))
    since = np.zeros(len(places), np.int64)
    while (over >= 0).any():
        at_all = np.maximum(over, 0)
        since = np.where(over >= 0, np.maximum(since, latest[at_all]), since)
        over = np.where(over >= 0, table.timelines.nesting.parent[at_all], -1)
    return since


def next_change(table: AssignmentTable, at: int) -> int | None:
    """The next moment (µs) after ``at`` at which a tenancy begins or ends by itself."""
    rows = table.timelines.rows
    edges = np.concatenate([rows.start[rows.start > at], rows.end[(rows.end > at) & (rows.end < END)]])
    return int(edges.min()) if len(edges) else None
