"""The table of assignments as the database knows it, or knew it at some moment; kept until something changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from tipstaff.attribution.matching import AssignmentTable
from tipstaff.attribution.names import NameRow
from tipstaff.attribution.segments import Prefixes
from tipstaff.attribution.timelines import BEGINNING, END, AssignmentRows
from tipstaff.kernel.addresses import parse

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _micros(expression: str, otherwise: int) -> str:
    """SQL for µs since 1970; PostgreSQL's extract is exact (numeric), so no microsecond is lost."""
    # 'infinity' within a range is as open as no bound at all, and has no number.
    finite = f"CASE WHEN isfinite({expression}) THEN (extract(epoch FROM {expression}) * 1000000)::bigint END"
    return f"coalesce({finite}, {otherwise})"


_KNOWN = "(%(at)s::timestamptz IS NULL AND t.superseded_at IS NULL OR t.recorded_at <= %(at)s::timestamptz AND "
_KNOWN += "(t.superseded_at IS NULL OR t.superseded_at > %(at)s::timestamptz))"
_PERIOD = f"{_micros('lower(t.period)', BEGINNING)}, {_micros('upper(t.period)', END)}"
_ASSIGNMENTS = f"""
    SELECT t.id, host(t.prefix), masklen(t.prefix), {_PERIOD}, coalesce(lower(t.ports), 0), coalesce(upper(t.ports), 65536),
        t.service_id, s.customer_id, coalesce(t.source_id, -1), t.shared, {_micros("t.recorded_at", BEGINNING)}
    FROM accounts_assignment t JOIN accounts_service s ON s.id = t.service_id
    WHERE NOT isempty(t.period) AND {_KNOWN}
"""  # noqa: S608
_NAMES = f"""
    SELECT t.kind, t.value, t.service_id, s.customer_id, {_PERIOD}, coalesce(t.source_id, -1)
    FROM accounts_servicename t JOIN accounts_service s ON s.id = t.service_id
    WHERE NOT isempty(t.period) AND {_KNOWN}
"""  # noqa: S608
_OWN = "SELECT host(prefix), masklen(prefix) FROM accounts_ownprefix"
_SOURCES = f"SELECT id, {_micros('last_word_at', END)}, kind FROM accounts_inventorysource"  # noqa: S608


@dataclass
class Snapshot:
    """A table, the inventory version it was built from, and each source's last word in µs since 1970."""

    table: AssignmentTable
    version: int
    last_words: Mapping[int, int] = field(default_factory=dict)

    def provisional(self, source: NDArray[np.int64], latest: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which answers a source may still change: the event is newer than the last word of the one that gave it.

        What nobody holds is provisional when it is newer than every source's last word.
        """
        if not self.last_words:
            return np.zeros(len(source), bool)
        words = np.full(max(self.last_words) + 2, max(self.last_words.values()), np.int64)
        for number, word in self.last_words.items():
            words[number] = word
        return latest > words[np.where((source >= 0) & (source < len(words) - 1), source, -1)]


def version() -> int:
    """Grows with every change of the inventory; one primary-key read."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM accounts_inventoryversion WHERE id = 1")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def build(*, as_known_at: datetime | None = None) -> Snapshot:
    """The table of what is known now, or of what was known at that moment."""
    number = version()  # first: what changes while we read is seen as a newer version and read again
    with connection.cursor() as cursor:
        cursor.execute(_ASSIGNMENTS, {"at": as_known_at})
        held = cursor.fetchall()
        cursor.execute(_NAMES, {"at": as_known_at})
        names = [NameRow(*row) for row in cursor.fetchall()]
        cursor.execute(_OWN)
        own = cursor.fetchall()
    rows = _columns(held)
    # An operator who has listed no address space of their own means all that they ever assigned.
    space = _prefixes([row[0] for row in own], [row[1] for row in own]) if own else rows.prefixes
    return Snapshot(AssignmentTable.build(rows, names, space), number, last_words())


def last_words() -> dict[int, int]:
    """Until when each source's facts are known, in µs since 1970; what people enter by hand is never behind."""
    with connection.cursor() as cursor:
        cursor.execute(_SOURCES)
        return {number: END if kind == "hand" else word for number, word, kind in cursor.fetchall()}


def _columns(held: Sequence[tuple[Any, ...]]) -> AssignmentRows:
    columns: list[Any] = list(zip(*held, strict=True)) if held else [()] * 12
    number, host, length, start, end, port_from, port_to, service, customer, source, shared, recorded = columns
    return AssignmentRows(
        np.array(number, np.int64),
        _prefixes(host, length),
        np.array(start, np.int64),
        np.array(end, np.int64),
        np.array(port_from, np.int32),
        np.array(port_to, np.int32),
        np.array(service, np.int64),
        np.array(customer, np.int64),
        np.array(source, np.int64),
        np.array(shared, bool),
        np.array(recorded, np.int64),
    )


def _prefixes(hosts: Sequence[str], lengths: Sequence[int]) -> Prefixes:
    addresses = parse(list(hosts))
    length = np.array(lengths, np.int64)
    # The address parser reads ::ffff:a.b.c.d as IPv4; a prefix inside that range loses the same 96 bits.
    length = np.where((addresses.family == 4) & (length > 32), length - 96, length)
    return Prefixes(addresses.family, addresses.hi, addresses.lo, length.astype(np.uint8))


class Kept:
    """This worker's snapshot: read again only when the inventory has changed. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._snapshot: Snapshot | None = None

    def current(self) -> Snapshot:
        with self._lock:
            # Version 0: nothing was ever loaded, so there is nothing worth keeping.
            if self._snapshot is None or not self._snapshot.version or self._snapshot.version != version():
                self._snapshot = build()
            else:
                self._snapshot.last_words = last_words()
            return self._snapshot

    def forget(self) -> None:
        with self._lock:
            self._snapshot = None


kept = Kept()


def micros(moment: datetime) -> int:
    """An aware moment in µs since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime | None:
    """The aware moment of µs since 1970; None for an open end."""
    return None if value in (BEGINNING, END) else _EPOCH + value * _MICROSECOND
