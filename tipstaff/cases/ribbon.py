"""The ribbon: where a case stands between reported and terminated. Pure.

The policy's six steps stand at fixed places and time runs evenly between two of them, so that ribbons can be compared
down a column: further right means further into the policy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

#: Percent of the ribbon's width: reported, ticketed, acknowledge due, resolve due, disconnect, terminate.
PLACES = (0.0, 12.0, 32.0, 65.0, 80.0, 100.0)
SPAN_OF = {"us": "us", "customer": "cu", "reporter": "re", "paused": "pa"}
SOON = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Dates:
    """What is known of a case's course. ``turns``: (from, whose turn) in order, the first at ``opened``."""

    opened: datetime
    now: datetime
    turns: Sequence[tuple[datetime, str]] = ()
    desk_due: datetime | None = None
    ticketed: datetime | None = None
    ack_due: datetime | None = None
    acknowledged: datetime | bool | None = None
    resolve_due: datetime | None = None
    disconnect: datetime | None = None
    terminate: datetime | None = None
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A step: its name, moment, place in percent, and done, next, missed or later."""

    name: str
    at: datetime | None
    place: float
    state: str
    soon: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in percent of the width, and whose turn it was: us, cu, re, pa, or ov (past due)."""

    kind: str
    start: float
    end: float

    @property
    def width(self) -> float:
        return round(self.end - self.start, 2)


@dataclass(frozen=True, slots=True)
class Ribbon:
    marks: tuple[Mark, ...]
    spans: tuple[Span, ...]
    at: float  # where now is, or where the case was closed
    closed: bool
    hours: tuple[float, ...] = field(default=())  # small ticks between the steps


def turns_of(*, opened: datetime, ticketed: datetime | None, waiting_on: str, last_word: datetime | None) -> list:
    """The turns as far as the case's own columns tell: ours until the ticket, then the customer's, then as it stands."""
    turns = [(opened, "us")]
    if ticketed:
        turns.append((ticketed, "customer"))
    if waiting_on != turns[-1][1]:
        turns.append((max(filter(None, (last_word, turns[-1][0]))), waiting_on))
    return turns


def draw(dates: Dates) -> Ribbon:
    """The ribbon of a case at ``dates.now``."""
    end = dates.closed or dates.now
    anchors = _anchors(dates)
    marks = _marks(dates, anchors, end)
    missed = [mark.place for mark in marks if mark.state == "missed"]
    at = position(anchors, end)
    return Ribbon(tuple(marks), tuple(_spans(dates, anchors, end, missed)), at, dates.closed is not None, tuple(_hours(anchors)))


def _anchors(dates: Dates) -> list[tuple[datetime, float]]:
    """(moment, place) of the steps whose moment is known, strictly later each time."""
    second = dates.ticketed or dates.desk_due
    together = dates.ack_due == dates.resolve_due  # a short deadline: one mark stands for both
    moments = (dates.opened, second, None if together else dates.ack_due, dates.resolve_due, dates.disconnect,
               dates.terminate)  # fmt: skip
    anchors: list[tuple[datetime, float]] = []
    for moment, place in zip(moments, PLACES, strict=True):
        if moment and (not anchors or moment > anchors[-1][0]):
            anchors.append((moment, place))
    return anchors


def position(anchors: Sequence[tuple[datetime, float]], moment: datetime) -> float:
    """Percent of the width at which a moment stands; what lies past the last known step creeps towards the next."""
    if moment <= anchors[0][0]:
        return anchors[0][1]
    for (start, left), (end, right) in pairwise(anchors):
        if moment <= end:
            return round(left + (right - left) * ((moment - start) / (end - start)), 2)
    last, place = anchors[-1]
    length = last - anchors[-2][0] if len(anchors) > 1 else timedelta(days=1)
    following = next((other for other in PLACES if other > place), 100.0)
    past = (moment - last) / length
    return round(place + (following - place) * past / (1 + past), 2)


def _marks(dates: Dates, anchors: Sequence[tuple[datetime, float]], end: datetime) -> list[Mark]:
    placed = {place: moment for moment, place in anchors}
    done_at = (dates.opened, dates.ticketed, dates.acknowledged, dates.closed, None, None)
    names = ("Reported", "Ticketed" if dates.ticketed else "Decide by", "Acknowledge due", "Resolve due", "Disconnect",
             "Terminate")  # fmt: skip
    marks, waiting = [], dates.closed is None
    for name, place, done in zip(names, PLACES, done_at, strict=True):
        at = placed.get(place)
        state = "later"
        if done:
            state = "done"
        elif at and at <= end:
            state = "missed"
        elif at and waiting:
            state, waiting = "next", False
        soon = state == "next" and at is not None and at - end <= SOON
        marks.append(Mark(name, at, place, state, soon))
    return marks


def _spans(dates: Dates, anchors: Sequence[tuple[datetime, float]], end: datetime, missed: Sequence[float]) -> Iterable[Span]:
    limit = position(anchors, end)
    late = max(missed, default=limit)
    turns = [*dates.turns, (end, "")]
    for (start, who), (until, _) in pairwise(turns):
        left, right = position(anchors, start), min(position(anchors, until), late)
        if right - left > 0.05:
            yield Span(SPAN_OF.get(who, "us"), left, round(right, 2))
    if limit > late:
        yield Span("ov", late, limit)


def _hours(anchors: Sequence[tuple[datetime, float]]) -> Iterable[float]:
    """A small tick each hour, or each day where the steps lie far apart; none where they would touch."""
    for (start, left), (end, right) in pairwise(anchors):
        length = end - start
        step = timedelta(hours=1) if length <= timedelta(hours=26) else timedelta(days=1)
        count = int(length / step)
        if 1 < count <= 40:
            yield from (round(left + (right - left) * (step * number / length), 2) for number in range(1, count))
