"""Whose address was it, at that moment: a column of questions against a table of assignments. Pure.

The rules, in order:

- Of the prefixes over the address the longest one that is assigned at that time, for that port, decides; one whose
  tenancy does not cover the moment, or whose port shares leave the port open, gives way to the one around it.
- Periods are [from, to).
- Where several services share the address, a host name, then the longest domain over it, then a mailbox, then the
  mailbox's domain decides, each as held at that time by one of them; where none does, the answer is ambiguous.
- Without an exact time (``earliest < latest``) or without a port where shares differ, one service must have held all
  of it; else the answer is ambiguous.
- Nobody: "not assigned then" inside the provider's own prefixes, else "not ours".
- Without an address, a name that exactly one service held decides; an unknown name is no answer at all.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.attribution.names import NameIndex, NameRow
from tipstaff.attribution.segments import Nesting, Prefixes, nest
from tipstaff.attribution.timelines import ALL_PORTS, END, NOBODY, AssignmentRows, Timelines, compile_rows

AMBIGUOUS_ROW = -2  # a judgement's row: several could be meant (NOBODY is -1)
NAMED_ROW = -3  # a judgement's row: a name decided without an address


class State(IntEnum):
    NOTHING = 0  # neither an address nor a name that anybody holds
    HELD = 1
    NOT_ASSIGNED = 2
    NOT_OURS = 3
    AMBIGUOUS = 4


class Fact(IntEnum):
    """What decided."""

    NONE = 0
    PREFIX = 1
    PORT = 2
    HOST = 3
    DOMAIN = 4
    MAILBOX = 5
    THROUGHOUT = 6  # the only holder through the whole interval
    ALL_PORTS = 7  # the port is not known, but one service held all of them


NAME_FACTS = {"host": Fact.HOST, "domain": Fact.DOMAIN, "mailbox": Fact.MAILBOX}


@dataclass
class Questions:
    """Parallel columns. Times in µs since 1970 UTC, both inclusive, equal where the time is exact."""

    family: NDArray[np.uint8]  # 4, 6, or 0 without an address
    hi: NDArray[np.uint64]  # 0 for IPv4
    lo: NDArray[np.uint64]
    earliest: NDArray[np.int64]
    latest: NDArray[np.int64]
    port: NDArray[np.int32]  # on the accused side; -1 unknown
    host: Sequence[str | None] | None = None
    mailbox: Sequence[str | None] | None = None


@dataclass
class Answers:
    """Parallel columns; ids are -1 where there is none. See State and Fact for the codes."""

    state: NDArray[np.uint8]
    assignment: NDArray[np.int64]
    service: NDArray[np.int64]
    customer: NDArray[np.int64]
    source: NDArray[np.int64]  # the inventory source of the fact
    fact: NDArray[np.uint8]


class Box(NamedTuple):
    """Moments [start, end) and ports [port_from, port_to)."""

    start: int
    end: int
    port_from: int
    port_to: int


class Piece(NamedTuple):
    """Part of a box with one answer: a row, NOBODY or AMBIGUOUS_ROW; ``crowd`` is the number of those who share it, or -1."""

    box: Box
    row: int
    fact: Fact
    crowd: int = -1


class Judgement(NamedTuple):
    row: int  # NOBODY, AMBIGUOUS_ROW, NAMED_ROW or a row
    fact: Fact
    name: NameRow | None = None


class _Sheet(NamedTuple):
    """Columns that ``match`` fills in as it goes."""

    prefix: NDArray[np.int32]  # the longest prefix over the address that was not passed over yet, -1 none
    row: NDArray[np.int64]  # as in Judgement
    fact: NDArray[np.uint8]
    crowd: NDArray[np.int64]  # who shares the address at that exact moment, where that is all there is to ask; else -1


class AssignmentTable:
    """Everything that decides, compiled once and then read by any number of batches."""

    def __init__(self, timelines: Timelines, names: NameIndex, own: Nesting) -> None:
        self.timelines, self.names, self.own = timelines, names, own
        self.rows = timelines.rows

    @classmethod
    def build(cls, rows: AssignmentRows, names: Sequence[NameRow], own: Prefixes) -> "AssignmentTable":
        return cls(compile_rows(rows), NameIndex.build(names), nest(own)[0])

    def match(self, questions: Questions) -> Answers:
        """One answer for each question, in their order."""
        rows = len(questions.family)
        prefix = self.timelines.nesting.find(questions.family, questions.hi, questions.lo)
        sheet = _Sheet(prefix, np.full(rows, NOBODY, np.int64), np.zeros(rows, np.uint8), np.full(rows, -1, np.int64))
        hard = self._settle_easy(questions, sheet)
        named = self._settle_hard(questions, hard, sheet)
        return self._answers(questions, sheet, named)

    def _settle_easy(self, asked: Questions, sheet: "_Sheet") -> NDArray[np.int64]:
        """Fill in whatever one cell answers; return the places of the rest.

        Each round looks at the longest prefix not yet passed over; who finds it open goes on to the one around it.
        """
        lines, prefix = self.timelines, sheet.prefix
        possible = asked.earliest <= asked.latest
        by_name = asked.family == 0 if asked.host or asked.mailbox else np.zeros(len(prefix), bool)
        hard = [np.flatnonzero(by_name | ~possible)]
        at = np.flatnonzero((prefix >= 0) & possible)
        while len(at):
            lanes_of = lines.lane_first[prefix[at] + 1] - lines.lane_first[prefix[at]]
            unknown_port = (lanes_of > 1) & (asked.port[at] < 0)
            lane = lines.lanes(prefix[at], np.maximum(asked.port[at], 0).astype(np.int64))
            cell = lines.cells(lane, asked.earliest[at])
            slot = lines.cell_slot[cell]
            whole = ~unknown_port & ((asked.latest[at] < lines.cell_end[cell]) | (lines.cell_end[cell] == END))
            held = whole & (slot >= 0)
            sheet.row[at[held]] = slot[held]
            sheet.fact[at[held]] = self._facts(asked, at[held], slot[held])
            shared = whole & (slot < NOBODY) & (asked.earliest[at] == asked.latest[at])
            sheet.crowd[at[shared]] = NOBODY - 1 - slot[shared]
            hard.append(at[~whole | (slot < NOBODY)])
            open_ = at[whole & (slot == NOBODY)]
            prefix[open_] = lines.nesting.parent[prefix[open_]]
            at = open_[prefix[open_] >= 0]
        return np.concatenate(hard)

    def _facts(self, asked: Questions, at: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.uint8]:
        part = (self.rows.port_from[row] > 0) | (self.rows.port_to[row] < ALL_PORTS)
        exact = np.where(part, Fact.PORT, Fact.PREFIX)
        return np.where(asked.earliest[at] < asked.latest[at], Fact.THROUGHOUT, exact).astype(np.uint8)

    def _settle_hard(self, asked: Questions, at: NDArray[np.int64], sheet: "_Sheet") -> dict[int, NameRow]:
        """Fill in what takes names, an interval over several cells or an unknown port; equal questions once."""
        seen: dict[Question, Judgement] = {}
        named: dict[int, NameRow] = {}
        for place, prefix, crowd in zip(at.tolist(), sheet.prefix[at].tolist(), sheet.crowd[at].tolist(), strict=True):
            question = question_at(asked, place)
            judged = seen.get(question)
            if judged is None:
                judged = self._judge_crowd(question, crowd) if crowd >= 0 else self.judge(question, prefix)
                seen[question] = judged
            sheet.row[place], sheet.fact[place] = judged.row, judged.fact
            if judged.name:
                named[place] = judged.name
        return named

    def _answers(self, asked: Questions, sheet: "_Sheet", named: dict[int, NameRow]) -> Answers:
        row = sheet.row
        held = row >= 0
        state = np.where(held, State.HELD, np.where(row == AMBIGUOUS_ROW, State.AMBIGUOUS, State.NOT_OURS))
        at = np.flatnonzero(row == NOBODY)
        ours = self.own.find(asked.family[at], asked.hi[at], asked.lo[at]) >= 0
        state[at[ours]] = State.NOT_ASSIGNED
        state[at[asked.family[at] == 0]] = State.NOTHING
        known = np.where(held, row, 0)
        assignment, service, customer, source = (
            np.where(held, column[known], -1) if len(column) else np.full(len(row), -1, np.int64)
            for column in (self.rows.number, self.rows.service, self.rows.customer, self.rows.source)
        )
        answers = Answers(state.astype(np.uint8), assignment, service, customer, source, sheet.fact)
        for place, name in named.items():
            answers.state[place], answers.service[place] = State.HELD, name.service
            answers.customer[place], answers.source[place] = name.customer, name.source
        return answers

    def judge(self, question: "Question", number: int | None = None) -> Judgement:
        """One question, whatever it takes; ``number`` is the longest prefix that matters, where that is known."""
        if question.family == 0:
            return self._judge_name(question)
        if question.earliest > question.latest:  # a span that cannot be: nobody can be named by it
            return Judgement(AMBIGUOUS_ROW, Fact.NONE)
        first: Piece | None = None
        for piece in self.pieces(question, self.prefix_over(question) if number is None else number):
            first = first or piece
            if piece.row == AMBIGUOUS_ROW or self._service(piece.row) != self._service(first.row):
                return Judgement(AMBIGUOUS_ROW, Fact.NONE)
        if first is None or first.row == NOBODY:
            return Judgement(NOBODY, Fact.NONE)
        return Judgement(first.row, self._fact(question, first))

    def _judge_crowd(self, question: "Question", crowd: int) -> Judgement:
        """One exact moment among those who share an address: what ``judge`` would find, without looking for them."""
        levels = self.names.levels(question.host, question.mailbox)
        row, fact = self._decide(crowd, question.earliest, levels)
        box = Box(question.earliest, question.earliest + 1, 0, ALL_PORTS)
        return Judgement(row, self._fact(question, Piece(box, row, fact)) if row >= 0 else Fact.NONE)

    def _service(self, row: int) -> int:
        return int(self.rows.service[row]) if row >= 0 else NOBODY

    def _fact(self, question: "Question", first: Piece) -> Fact:
        if first.fact != Fact.PREFIX:
            return first.fact
        if question.earliest < question.latest:
            return Fact.THROUGHOUT
        if self.rows.port_from[first.row] == 0 and self.rows.port_to[first.row] == ALL_PORTS:
            return Fact.PREFIX
        return Fact.ALL_PORTS if question.port < 0 else Fact.PORT

    def _judge_name(self, question: "Question") -> Judgement:
        """Without an address: the first level with a holder in that span; the same service must hold all of it."""
        for level in self.names.levels(question.host, question.mailbox):
            touching = [name for name in level if name.start <= question.latest and name.end > question.earliest]
            if touching:
                whole = covers(touching, question.earliest, question.latest)
                if len({name.service for name in touching}) > 1 or not whole:
                    return Judgement(AMBIGUOUS_ROW, Fact.NONE)
                return Judgement(NAMED_ROW, NAME_FACTS[touching[0].kind], touching[0])
        return Judgement(NOBODY, Fact.NONE)

    def prefix_over(self, question: "Question") -> int:
        """The longest prefix over the question's address that was ever assigned, or -1."""
        family, hi, lo = (np.array([value], kind) for value, kind in zip(question[:3], "BQQ", strict=True))
        return int(self.timelines.nesting.find(family, hi, lo)[0])

    def is_own(self, question: "Question") -> bool:
        """Whether the address lies in the provider's own prefixes."""
        family, hi, lo = (np.array([value], kind) for value, kind in zip(question[:3], "BQQ", strict=True))
        return bool(self.own.find(family, hi, lo)[0] >= 0)

    def pieces(self, question: "Question", number: int) -> Iterator[Piece]:
        """The question cut into parts with one answer each, in order of time within each port lane, from that prefix up."""
        ports = (question.port, question.port + 1) if question.port >= 0 else (0, ALL_PORTS)
        box = Box(question.earliest, min(question.latest, END - 1) + 1, *ports)
        return self._cut(number, box, self.names.levels(question.host, question.mailbox))

    def _cut(self, prefix: int, box: Box, levels: list[list[NameRow]]) -> Iterator[Piece]:
        """The box's parts at this prefix; what it leaves open is cut at the prefix around it."""
        if prefix < 0:
            yield Piece(box, NOBODY, Fact.NONE)
            return
        for part, slot in self._cells_in(prefix, box):
            if slot == NOBODY:
                yield from self._cut(int(self.timelines.nesting.parent[prefix]), part, levels)
            elif slot >= 0:
                yield Piece(part, slot, Fact.PREFIX)
            else:
                yield from self._cut_crowd(NOBODY - 1 - slot, part, levels)

    def _cells_in(self, prefix: int, box: Box) -> Iterator[tuple[Box, int]]:
        lane_first, lane_port, cell_first, cell_start, cell_end, cell_slot = self.timelines.views
        first, last = lane_first[prefix], lane_first[prefix + 1]
        for lane in range(first, last):
            port_from = max(box.port_from, lane_port[lane])
            port_to = min(box.port_to, lane_port[lane + 1]) if lane + 1 < last else box.port_to
            if port_from >= port_to:
                continue
            cell, end = cell_first[lane], cell_first[lane + 1]
            if end - cell > 1:
                cell = bisect_right(cell_start, box.start, cell, end) - 1
            while cell < end and cell_start[cell] < box.end:
                span = max(box.start, cell_start[cell]), min(box.end, cell_end[cell])
                yield Box(*span, port_from, port_to), cell_slot[cell]
                cell += 1

    def _cut_crowd(self, crowd: int, box: Box, levels: list[list[NameRow]]) -> Iterator[Piece]:
        """Cut where a member or a name begins or ends; in each part names decide."""
        cuts = [box.start, box.end]
        if box.end - box.start > 1:
            starts, ends = self.timelines.periods
            edges = {edge for row in self.timelines.crowds[crowd] for edge in (starts[row], ends[row])}
            edges |= {edge for level in levels for name in level for edge in (name.start, name.end)}
            cuts[1:1] = sorted(edge for edge in edges if box.start < edge < box.end)
        for start, end in pairwise(cuts):
            row, fact = self._decide(crowd, start, levels)
            yield Piece(box._replace(start=start, end=end), row, fact, crowd)

    def _decide(self, crowd: int, moment: int, levels: list[list[NameRow]]) -> tuple[int, Fact]:
        """Who of those who share the address at that moment is meant, by the first level that any of them holds."""
        for level in levels:
            named = {name.service for name in level if name.start <= moment < name.end}
            rows = [row for service in named if (row := self._row_of(crowd, service, moment)) is not None]
            if len(rows) == 1:
                return rows[0], NAME_FACTS[level[0].kind]
            if rows:
                return AMBIGUOUS_ROW, Fact.NONE
        services = self.timelines.services_of(crowd)
        present = (row for service in services if (row := self._row_of(crowd, service, moment)) is not None)
        first, second = next(present, NOBODY), next(present, None)
        return (first, Fact.PREFIX) if second is None else (AMBIGUOUS_ROW, Fact.NONE)

    def _row_of(self, crowd: int, service: int, moment: int) -> int | None:
        """The service's row among those who share an address, where it has one at that moment."""
        starts, ends = self.timelines.periods
        rows = self.timelines.services_of(crowd).get(service, ())
        return next((row for row in rows if starts[row] <= moment < ends[row]), None)


def covers(names: Sequence[NameRow], earliest: int, latest: int) -> bool:
    """Whether the periods leave no moment of the inclusive span open."""
    reached = earliest
    for name in sorted(names, key=lambda name: name.start):
        if name.start <= reached:
            reached = max(reached, name.end)
    return reached > latest


class Question(NamedTuple):
    """One row of Questions, as plain values."""

    family: int
    hi: int
    lo: int
    earliest: int
    latest: int
    port: int = -1
    host: str | None = None
    mailbox: str | None = None


def question_at(asked: Questions, place: int) -> Question:
    return Question(
        int(asked.family[place]), int(asked.hi[place]), int(asked.lo[place]),
        int(asked.earliest[place]), int(asked.latest[place]), int(asked.port[place]),
        asked.host[place] if asked.host else None, asked.mailbox[place] if asked.mailbox else None,
    )  # fmt: skip
