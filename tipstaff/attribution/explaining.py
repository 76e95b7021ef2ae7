"""Why an answer is what it is: for the lines about an address's holder that people read. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from tipstaff.attribution.matching import (
    AMBIGUOUS_ROW,
    NAMED_ROW,
    AssignmentTable,
    Fact,
    Judgement,
    Piece,
    Question,
    State,
)
from tipstaff.attribution.names import NameRow


class Line(NamedTuple):
    """One assignment: ids, -1 none; times in µs since 1970, BEGINNING and END where open."""

    assignment: int
    prefix: tuple[int, int, int, int]  # family, upper half, lower half, length
    start: int
    end: int
    port_from: int
    port_to: int
    service: int
    customer: int
    source: int
    shared: bool
    recorded: int


class Explanation(NamedTuple):
    state: State
    fact: Fact
    held: Line | None
    name: NameRow | None  # where a name decided without an address
    candidates: list[Line]  # all who held any part of it, where several could be meant
    before: Line | None  # who held the prefix last before that
    after: Line | None  # and who next


def explain(table: AssignmentTable, question: Question) -> Explanation:
    """The answer that ``match`` gives, with what led to it."""
    judged = table.judge(question)
    pieces = list(_pieces(table, question))
    rows = sorted({row for piece in pieces for row in _holders(table, piece)})
    state = _state(table, question, judged)
    held = line(table, judged.row) if judged.row >= 0 else None
    candidates = [line(table, row) for row in rows] if state == State.AMBIGUOUS else []
    before, after = _neighbours(table, question, judged.row)
    return Explanation(state, judged.fact, held, judged.name, candidates, before, after)


def _pieces(table: AssignmentTable, question: Question) -> Iterable[Piece]:
    if question.family == 0 or question.earliest > question.latest:
        return ()
    return table.pieces(question, table.prefix_over(question))


def _holders(table: AssignmentTable, piece: Piece) -> Iterable[int]:
    """Every row that holds the piece."""
    if piece.crowd < 0:
        return (piece.row,) if piece.row >= 0 else ()
    start, end = table.rows.start, table.rows.end
    members = table.timelines.crowds[piece.crowd]
    return [row for row in members if start[row] < piece.box.end and end[row] > piece.box.start]


def _state(table: AssignmentTable, question: Question, judged: Judgement) -> State:
    if judged.row >= 0 or judged.row == NAMED_ROW:
        return State.HELD
    if judged.row == AMBIGUOUS_ROW:
        return State.AMBIGUOUS
    if question.family == 0:
        return State.NOTHING
    return State.NOT_ASSIGNED if table.is_own(question) else State.NOT_OURS


def _neighbours(table: AssignmentTable, question: Question, row: int) -> tuple[Line | None, Line | None]:
    """The nearest earlier and later tenancy of another service on the prefix (or on any around it, where nobody holds it)."""
    if question.family == 0:
        return None, None
    rows, numbers = table.rows, table.timelines.row_prefix
    if row >= 0:
        span, prefixes = (int(rows.start[row]), int(rows.end[row])), {int(numbers[row])}
    else:
        span = question.earliest, question.latest + 1
        prefixes = set(table.timelines.nesting.chain(table.prefix_over(question)))
    near = [
        other
        for number in prefixes
        for other in table.timelines.rows_of(number)
        if question.port < 0 or rows.port_from[other] <= question.port < rows.port_to[other]
        if row < 0 or rows.service[other] != rows.service[row]
    ]
    earlier = [other for other in near if rows.end[other] <= span[0]]
    later = [other for other in near if rows.start[other] >= span[1]]
    before = max(earlier, key=lambda other: int(rows.end[other]), default=None)
    after = min(later, key=lambda other: int(rows.start[other]), default=None)
    return (None if before is None else line(table, before)), (None if after is None else line(table, after))


def line(table: AssignmentTable, row: int) -> Line:
    rows = table.rows
    prefix = tuple(int(column[row]) for column in rows.prefixes)
    columns = rows.start, rows.end, rows.port_from, rows.port_to, rows.service, rows.customer, rows.source
    start, end, port_from, port_to, service, customer, source = (int(column[row]) for column in columns)
    return Line(
        int(rows.number[row]), (prefix[0], prefix[1], prefix[2], prefix[3]), start, end, port_from, port_to,
        service, customer, source, bool(rows.shared[row]), int(rows.recorded[row]),
    )  # fmt: skip
