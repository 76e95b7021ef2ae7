"""The one that numbers and chains the entries, each second; as many may run as like, one works at a time.

An entry gets its id before its transaction commits, so a lower id may appear after a higher one was sealed. Every pass
therefore asks for entries *without a seal* above a floor: an id below which no transaction can still commit.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction

from tipstaff.audit import anchors, chain
from tipstaff.audit.chain import Link
from tipstaff.audit.reading import entry_of, head
from tipstaff.kernel import clock

log = logging.getLogger(__name__)
PAUSE = 1.0  # seconds between passes
BATCH = 10_000  # entries sealed in one transaction
LOCK = 0x7469_7073_7461_6666  # of the advisory lock: "tipstaff"
RESCAN = timedelta(minutes=1)  # how often the floor is distrusted …
DISTRUST = timedelta(minutes=10)  # … and by how much

_UNSEALED = """
    SELECT e.id, e.at, e.actor, e.action, e.subject, e.reason, e.detail::text FROM audit_entry e
    WHERE e.id > %s AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.entry_id = e.id) ORDER BY e.id LIMIT %s
"""
_SNAPSHOT = """
    SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() s
"""
_COPY = "COPY audit_seal (number, entry_id, sealed_at, digest, previous, chained) FROM STDIN"


@dataclass
class Sealer:
    """Remembers how far back nothing can appear any more; that is speed only, a new one begins at the beginning."""

    batch: int = BATCH
    floor: int = 0
    waiting: deque[tuple[int, int]] = field(default_factory=deque)  # (highest id sealed, transactions begun by then)
    floors: deque[tuple[datetime, int]] = field(default_factory=deque)
    scanned_at: datetime | None = None

    def seal(self, *, now: datetime) -> int | None:
        """Seal what waits, at most one batch, in one transaction; how many. None where another sealer is at work."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                return None
            cursor.execute(_UNSEALED, [self._from(now), self.batch])
            entries = [entry_of(row) for row in cursor.fetchall()]
            cursor.execute(_SNAPSHOT)  # after the look: whoever took an id below what was seen has begun by now
            oldest, newest = cursor.fetchone()
            if entries:
                _write(cursor, chain.link(entries, head(), now))
        self._raise(oldest)
        if entries:
            self.waiting.append((entries[-1]["id"], newest))
        return len(entries)

    def _raise(self, oldest: int) -> None:
        """Raise the floor to what was sealed before any transaction began that still runs."""
        while self.waiting and self.waiting[0][1] < oldest:
            self.floor = max(self.floor, self.waiting.popleft()[0])

    def _from(self, now: datetime) -> int:
        """The floor to look above: now and then an older one, and the first time the ground."""
        if self.scanned_at is not None and now - self.scanned_at < RESCAN:
            return self.floor
        self.scanned_at = now
        self.floors.append((now, self.floor))
        while len(self.floors) > 1 and self.floors[1][0] <= now - DISTRUST:
            self.floors.popleft()
        at, known = self.floors[0]
        return known if at <= now - DISTRUST else 0


def _write(cursor: Any, links: Iterable[Link]) -> None:
    with cursor.copy(_COPY) as copy:
        copy.set_types(["int8", "int8", "timestamptz", "bytea", "bytea", "bytea"])
        for one in links:
            sums = (bytes.fromhex(text) for text in (one.digest, one.previous, one.chained))
            copy.write_row((one.number, one.entry_id, datetime.fromisoformat(one.sealed_at), *sums))


def run(stop: threading.Event) -> None:
    """Seal each second until ``stop``, and keep the head in the anchor file each hour. What fails is tried again."""
    sealer, anchored = Sealer(), None
    while not stop.is_set():
        try:
            close_old_connections()
            now = clock.now()
            done = sealer.seal(now=now)
            if done is not None and anchored != (hour := now.replace(minute=0, second=0, microsecond=0)):
                anchors.keep(head(), now=now)
                anchored = hour
            if done == sealer.batch:
                continue
        except (OperationalError, InterfaceError) as error:
            log.warning("database away, entries wait for their seals: %s", error)
            connection.close()
        except Exception:
            log.exception("sealing failed; the entries stay as they are and wait")
        stop.wait(PAUSE)
    connection.close()


def seal_all(*, now: datetime) -> int:
    """Seal everything that waits; how many. For commands and tests; returns at once where another sealer is at work."""
    sealer, done = Sealer(), 0
    while many := sealer.seal(now=now):
        done += many
    return done
