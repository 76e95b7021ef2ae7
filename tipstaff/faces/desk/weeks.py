"""A week of a team's shifts as a calm strip: one lane a level, days from left to right. Pure; places in percent of the strip."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

DAYS = 7
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Watch(Protocol):
    """What of a shift is drawn."""

    @property
    def level(self) -> int: ...
    @property
    def from_at(self) -> datetime: ...
    @property
    def until_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """One shift as far as it lies in the week: where it begins, how wide it is, whether it runs now."""

    shift: Watch
    start: float
    width: float
    runs: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """The shifts of one level that do not overlap; ``first`` is the first lane of its level."""

    level: int
    first: bool
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Week:
    """The strip: its days with their places, the lanes, where now is, and whether a moment of it has nobody at level 1."""

    days: tuple[tuple[str, float], ...]
    lanes: tuple[Lane, ...]
    now: float
    uncovered: tuple[tuple[datetime, datetime], ...]


def week(shifts: Sequence[Watch], midnight: datetime, now: datetime) -> Week:
    """The seven days from ``midnight``, which is in the viewer's zone."""
    edges = [midnight + timedelta(days=one) for one in range(DAYS + 1)]
    end = edges[-1]
    days = tuple((f"{DAY_NAMES[day.weekday()]} {day.day}", _place(day, midnight, end)) for day in edges[:-1])
    inside = [one for one in shifts if one.until_at > midnight and one.from_at < end]
    lanes = tuple(lane for level in sorted({one.level for one in inside}) for lane in _lanes(level, inside, midnight, end, now))
    return Week(days, lanes, _place(now, midnight, end), tuple(_uncovered(inside, now, end)))


def _lanes(level: int, inside: Iterable[Watch], start: datetime, end: datetime, now: datetime) -> list[Lane]:
    """Shifts that overlap stand below each other."""
    rows: list[list[Watch]] = []
    for one in sorted((one for one in inside if one.level == level), key=lambda one: one.from_at):
        row = next((row for row in rows if row[-1].until_at <= one.from_at), None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    return [Lane(level, not number, tuple(_stretch(one, start, end, now) for one in row)) for number, row in enumerate(rows)]


def _stretch(one: Watch, start: datetime, end: datetime, now: datetime) -> Stretch:
    left, right = _place(one.from_at, start, end), _place(one.until_at, start, end)
    return Stretch(one, left, round(right - left, 3), one.from_at <= now < one.until_at)


def _place(at: datetime, start: datetime, end: datetime) -> float:
    return round(100 * min(max((at - start) / (end - start), 0.0), 1.0), 3)


def _uncovered(inside: Iterable[Watch], now: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    """From now on: when nobody is on call at level 1."""
    reached = now
    for one in sorted((one for one in inside if one.level == 1), key=lambda one: one.from_at):
        if one.from_at > reached:
            yield reached, one.from_at
        reached = max(reached, one.until_at)
    if reached < end:
        yield reached, end
