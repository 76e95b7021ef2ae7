"""Arithmetic of interruptions: what an agreement on availability must not count, and what it must (J4). Pure.

Intervals are half open, [from, to). Where two interruptions overlap and only one decision stood, the time they share
stays excluded: the service would not have worked anyway.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

Interval = tuple[datetime, datetime]


@dataclass(frozen=True)
class Row:
    """One interruption of one service: its time, and whether the decision behind it stands and may be excluded."""

    number: int
    started_at: datetime
    ended_at: datetime
    excluded: bool


@dataclass(frozen=True)
class Share:
    """What of an interruption lies in the period: all of it, what is excluded, and what is the customer's to credit."""

    number: int
    lasted: timedelta
    excluded: timedelta
    creditable: timedelta


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time as disjoint intervals in order."""
    found: list[Interval] = []
    for start, end in sorted(one for one in intervals if one[0] < one[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def minus(whole: Sequence[Interval], less: Sequence[Interval]) -> list[Interval]:
    """What of ``whole`` lies outside ``less``; both disjoint and in order."""
    found = []
    for start, end in whole:
        for other_start, other_end in less:
            if other_end <= start or other_start >= end:
                continue
            if other_start > start:
                found.append((start, other_start))
            start = max(start, other_end)
            if start >= end:
                break
        if start < end:
            found.append((start, end))
    return found


def length(intervals: Iterable[Interval]) -> timedelta:
    return sum((end - start for start, end in intervals), timedelta())


def within(interval: Interval, since: datetime, until: datetime) -> Interval:
    start, end = max(interval[0], since), min(interval[1], until)
    return (start, max(start, end))


def shares(rows: Sequence[Row], since: datetime, until: datetime) -> list[Share]:
    """The share of each interruption of ONE service; each moment counts once, for the first that has it.

    The sum of ``excluded`` is exactly the time covered by decisions that stand, that of ``creditable`` exactly the rest.
    """
    excluded = union(within((row.started_at, row.ended_at), since, until) for row in rows if row.excluded)
    spoken_for: list[Interval] = []
    found = []
    for row in sorted(rows, key=lambda one: (not one.excluded, one.started_at, one.number)):
        own = union([within((row.started_at, row.ended_at), since, until)])
        fresh = minus(own, spoken_for)
        creditable = minus(fresh, excluded)
        found.append(Share(row.number, length(own), length(minus(fresh, creditable)), length(creditable)))
        spoken_for = union([*spoken_for, *own])
    return sorted(found, key=lambda one: one.number)
