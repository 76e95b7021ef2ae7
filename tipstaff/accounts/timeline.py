"""What becomes of the known tenancies of a prefix (or of a name) when something new is said. Pure.

Times are aware datetimes, None is open: periods are [start, end), ports [port_from, port_to).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tipstaff.accounts.inventory import PORTS, Network

Name = tuple[str, str]  # kind and value
INSTANT = timedelta(microseconds=1)  # the database's resolution


class Span(NamedTuple):
    """A prefix or name during [start, end), None open: something about it changed."""

    prefix: Network | Name
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class Tenancy:
    """One row as known. ``number`` is its id, or None for one that has no row yet."""

    prefix: Network | Name
    service: int
    start: datetime | None
    end: datetime | None
    port_from: int = 0
    port_to: int = PORTS
    shared: bool = False
    source: int | None = None
    external_id: str | None = None
    number: int | None = None

    def overlaps_time(self, other: "Tenancy") -> bool:
        return _before(self.start, other.end) and _before(other.start, self.end)

    def overlaps(self, other: "Tenancy") -> bool:
        """The same prefix, with common moments and ports."""
        ports = self.port_from < other.port_to and other.port_from < self.port_to
        return self.prefix == other.prefix and ports and self.overlaps_time(other)

    def compatible(self, other: "Tenancy") -> bool:
        """Whether both may stand: two different services that share the address."""
        return self.shared and other.shared and self.service != other.service

    def contains(self, other: "Tenancy") -> bool:
        """Whether this already says all that the other does."""
        same = (self.prefix, self.service, self.shared) == (other.prefix, other.service, other.shared)
        ports = self.port_from <= other.port_from and other.port_to <= self.port_to
        return same and ports and _earlier(self.start, other.start) and _later(self.end, other.end)


def _before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end


def _earlier(one: datetime | None, other: datetime | None) -> bool:
    return one is None or (other is not None and one <= other)


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is None or (other is not None and one >= other)


def overwrite(known: Iterable[Tenancy], said: Tenancy) -> list[Tenancy]:
    """The known tenancies with ``said`` in force: what contradicts it gives way, exactly as far as it does."""
    known = list(known)
    if any(row.contains(said) for row in known):
        return known
    kept: list[Tenancy] = []
    for row in known:
        if row.overlaps(said) and not row.compatible(said):
            kept += _remainder(row, said)
        else:
            kept.append(row)
    return [*kept, said]


def _remainder(row: Tenancy, gone: Tenancy) -> list[Tenancy]:
    """What is left of a row when the other's time and ports are cut out of it: before, after, ports below, above."""
    parts = []
    start, end = row.start, row.end
    if gone.start is not None and (start is None or start < gone.start):
        parts.append(replace(row, end=gone.start, number=None))
        start = gone.start
    if gone.end is not None and (end is None or gone.end < end):
        parts.append(replace(row, start=gone.end, number=None))
        end = gone.end
    if row.port_from < gone.port_from:
        parts.append(replace(row, start=start, end=end, port_to=gone.port_from, number=None))
    if gone.port_to < row.port_to:
        parts.append(replace(row, start=start, end=end, port_from=gone.port_to, number=None))
    return parts


def restate(known: Iterable[Tenancy], said: Sequence[Tenancy]) -> list[Tenancy]:
    """The known tenancies after a list of statements, each with its period.

    What the same source said before under the same external id (or, without one, of the same service, ports and
    start) is withdrawn first: a statement replaces its former self, then overrides what contradicts it.
    """
    repeated = {replace(row, number=None) for row in said}
    identities = {_identity(row) for row in said}
    by_prefix: dict[Network | Name, list[Tenancy]] = {}
    for row in known:
        if _identity(row) not in identities or replace(row, number=None) in repeated:
            by_prefix.setdefault(row.prefix, []).append(row)
    for row in said:
        by_prefix[row.prefix] = overwrite(by_prefix.get(row.prefix, ()), row)
    return [row for rows in by_prefix.values() for row in rows]


def with_known_starts(known: Iterable[Tenancy], said: Sequence[Tenancy], assumed: Sequence[bool]) -> list[Tenancy]:
    """The statements; one whose beginning was only assumed takes that of the known tenancy that it goes on with."""
    running: dict[tuple[object, ...], list[Tenancy]] = {}
    for row in known:
        running.setdefault(_holding(row), []).append(row)
    found = []
    for row, guess in zip(said, assumed, strict=True):
        before = [old for old in running.get(_holding(row), ()) if guess and _earlier(old.start, row.start)]
        goes_on = [old for old in before if _before(row.start, old.end)]
        found.append(replace(row, start=goes_on[0].start) if goes_on else row)
    return found


def _holding(row: Tenancy) -> tuple[object, ...]:
    return row.prefix, row.service, row.port_from, row.port_to, row.shared


def _identity(row: Tenancy) -> tuple[object, ...]:
    if row.external_id:
        return row.source, row.external_id
    return row.source, row.prefix, row.service, row.port_from, row.port_to, row.shared, row.start


def end_unmentioned(known: Iterable[Tenancy], said: Iterable[Tenancy], source: int, at: datetime) -> list[Tenancy]:
    """The known tenancies with those of that source ended at ``at`` that a complete list of it leaves out."""
    mentioned: dict[tuple[object, int], list[Tenancy]] = {}
    for row in said:
        mentioned.setdefault((row.prefix, row.service), []).append(row)
    kept = []
    for row in known:
        spoken_of = any(row.overlaps(other) for other in mentioned.get((row.prefix, row.service), ()))
        if row.source != source or spoken_of:
            kept.append(row)
        else:
            kept += _remainder(row, replace(row, start=at, end=None)) if _before(at, row.end) else [row]
    return kept


def release(known: Iterable[Tenancy], span: Tenancy, at: datetime) -> list[Tenancy]:
    """The known tenancies with those that cover ``at`` (on common ports) ended there."""
    kept = []
    moment = replace(span, start=at, end=at + INSTANT)
    for row in known:
        kept += _remainder(row, replace(span, start=at, end=row.end)) if row.overlaps(moment) else [row]
    return kept


def until_next_change(known: Iterable[Tenancy], said: Tenancy) -> Tenancy:
    """An open statement that holds until the next change that is known already: events may arrive out of order."""
    later = [
        row.start
        for row in known
        if row.start is not None and said.start is not None and row.start > said.start
        if replace(said, end=None).overlaps(row) and not row.compatible(said)
    ]
    return replace(said, end=min(later)) if said.end is None and later else said


def difference(before: Iterable[Tenancy], after: Iterable[Tenancy]) -> tuple[list[Tenancy], list[Tenancy]]:
    """(rows to supersede, rows to insert): a part that says the same as a superseded row keeps that row instead."""
    before, after = list(before), list(after)
    kept = {row.number for row in after if row.number is not None}
    gone = {replace(row, number=None): row for row in before if row.number not in kept}
    fresh = [row for row in after if row.number is None and gone.pop(row, None) is None]
    return list(gone.values()), fresh


def overlapping(rows: Iterable[Tenancy]) -> list[tuple[int, int]]:
    """Places of pairs (earlier in the list, later) that contradict each other."""
    found = []
    by_prefix: dict[Network | Name, list[tuple[int, Tenancy]]] = {}
    for place, row in enumerate(rows):
        neighbours = by_prefix.setdefault(row.prefix, [])
        found += [(other, place) for other, seen in neighbours if seen.overlaps(row) and not seen.compatible(row)]
        neighbours.append((place, row))
    return found
