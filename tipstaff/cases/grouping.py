"""Which case an event belongs to. Pure: groups and the cases there are in, decisions out.

Grouping is by customer, service, category, brand and window (policy: ``Category.grouping_window``). An open case takes events
until its window has passed without one; a closed one takes late events from before its closing, without reopening;
newer ones open a case that continues it, unless the closing is longer ago than the policy's ``Category.reopen_within``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID


class Fate(StrEnum):
    JOIN = "join"  # refresh an open case
    LATE = "late"  # join a closed case, which stays closed
    NEW = "new"  # open a case
    CONTINUE = "continue"  # open a case linked to the one before


@dataclass(frozen=True, slots=True)
class Group:
    """The events of one batch that belong together."""

    key: UUID
    customer: int
    service: int | None
    category: str
    brand: str
    events: int
    first_at: datetime | None  # when the earliest happened, None where no time is known
    last_at: datetime | None
    received_at: datetime
    reopen_within: timedelta | None = None  # None: however long ago


@dataclass(frozen=True, slots=True)
class Known:
    """What grouping needs to know of an existing case."""

    id: int
    key: UUID
    accepting: bool
    closed_at: datetime | None
    window_until: datetime


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a group goes: ``case`` is the one to join, or the one that a new case continues."""

    fate: Fate
    case: int | None = None


def group_key(customer: int, service: int | None, category: str, brand: str, part: str = "") -> UUID:
    """The same for the same customer, service, category and brand; ``part`` sets a split-off case apart."""
    text = f"{customer}|{service or ''}|{category}|{brand}|{part}"
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())


def place(group: Group, known: Iterable[Known]) -> Placement:
    """Where the group's events go."""
    cases = sorted(known, key=lambda case: case.id)
    if group.last_at is not None:  # what happened before a closing is no new offence, even where a newer case is open
        for case in cases:
            if case.closed_at is not None and group.last_at <= case.closed_at:
                return Placement(Fate.LATE, case.id)
    for case in cases:
        if case.accepting and case.closed_at is None and group.received_at <= case.window_until:
            return Placement(Fate.JOIN, case.id)
    if not cases or _is_over(group, cases):
        return Placement(Fate.NEW)
    return Placement(Fate.CONTINUE, cases[-1].id)


def _is_over(group: Group, cases: Sequence[Known]) -> bool:
    """Whether all that was there is closed for longer than events may come back to it."""
    if group.reopen_within is None or any(case.accepting or case.closed_at is None for case in cases):
        return False
    return group.received_at - max(case.closed_at for case in cases if case.closed_at) > group.reopen_within


def place_all(groups: Sequence[Group], known: Mapping[UUID, Sequence[Known]]) -> list[Placement]:
    return [place(group, known.get(group.key, ())) for group in groups]
