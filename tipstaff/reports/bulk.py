"""A batch of events into the tables: what is known already is found first, then the rest is copied."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from django.db import connection
from numpy.typing import NDArray

from tipstaff.kernel import arrays, bulk
from tipstaff.reports.models import LIMITED, Reporter

WRITER_LOCK = 7_114_001  # advisory: one batch at a time looks and writes, so identities hold across partitions
#: The columns of an event with their PostgreSQL types, in the order of the table.
EVENT_COLUMNS = {
    "key": "uuid", "received_at": "timestamptz", "case_id": "int8", "report_id": "int8", "row": "int4",
    "occurred_at": "timestamptz", "earliest": "timestamptz", "latest": "timestamptz", "time_as_written": "text",
    "ip": "inet", "port": "int4", "domain": "text", "url": "text", "category": "text", "report_type": "text", "count": "int4",
    "customer_id": "int4", "service_id": "int4", "assignment_id": "int8", "attribution": "int2", "provisional": "bool",
    "action": "int2", "details": "jsonb",
}  # fmt: skip


class KnownReporter(NamedTuple):
    """A stored reporter: ``trust`` is what counts now, LIMITED at most where ``limited`` says that a lead's limit stands."""

    id: int
    trust: int
    limited: bool


def lock_writer() -> None:
    """Wait for the turn to write, until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITER_LOCK])


def ensure_partition(at: datetime) -> str:
    """The name of the partition that takes events received at ``at``, made where it is missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reports_ensure_partition(%s)", [at])
        return str(cursor.fetchone()[0])


def partitions() -> list[str]:
    """All partitions of the event table, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'reports_event'::regclass ORDER BY 1")
        return [row[0] for row in cursor.fetchall()]


def known_keys(keys: pl.Series) -> NDArray[np.bool_]:
    """Which of ``keys`` (sorted, 32 hex digits) are stored already, in whatever month they were received."""
    known = np.zeros(len(keys), bool)
    if not len(keys):
        return known
    timeless = int((keys < "00000001").sum())  # keys of events without a time sort first and may be anywhere
    for part in partitions():
        for begin, end in ((0, timeless), (timeless, len(keys))):
            if end > begin and _overlaps(part, keys[begin], keys[end - 1], timeless=begin == 0 and timeless > 0):
                known[begin:end] |= _look_up(part, keys.slice(begin, end - begin))
    return known


def _overlaps(part: str, first: str, last: str, *, timeless: bool) -> bool:
    """Whether the partition can hold a key between first and last: two steps down its index."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT EXISTS (SELECT FROM "{part}" WHERE key BETWEEN %s AND %s)', [first, last])  # noqa: S608 - from the catalog
        return bool(cursor.fetchone()[0])


def _look_up(part: str, keys: pl.Series) -> NDArray[np.bool_]:
    found = np.zeros(len(keys), bool)
    with connection.cursor() as cursor:
        # The planner would hash the whole table; the keys are sorted, so the index answers from a few hot pages.
        cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off")
        ((told,),) = arrays.rows(  # the places as one text: a redelivered feed is known to the last row
            f"""SELECT string_agg(k.place::text, ' ')
                FROM unnest(%s) WITH ORDINALITY AS k(key, place) JOIN "{part}" e ON e.key = k.key""",  # noqa: S608
            [arrays.array(keys, "uuid")],
        )
        places = np.fromstring(told or "", np.int64, sep=" ")
        cursor.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on")
    found[places - 1] = True
    return found


def store_events(events: pl.DataFrame, received_at: datetime) -> None:
    """Copy events with the columns of EVENT_COLUMNS into the partition of their month."""
    if len(events):
        # A feed leaves a third of the columns empty: what is null throughout need not be sent.
        filled = [name for name in EVENT_COLUMNS if events[name].null_count() < len(events)]
        bulk.copy_binary(ensure_partition(received_at), events.select(filled), EVENT_COLUMNS)


def reporters(*, rows: Sequence[tuple[str, str, str, str, int, int, str]], now: datetime) -> dict[str, KnownReporter]:
    """Make or refresh reporters: (key, name, email, organisation, trust of a new one, reports,
    authenticated domain) → who each key is.

    An operator's own word on trust stays; names that the reporter leaves out do not erase the ones we have. While a lead limits a
    reporter, the trust is LIMITED at most.
    """
    if not rows:
        return {}
    merged: dict[str, tuple[str, str, str, str, int, int, str]] = {}
    for row in rows:
        before = merged.get(row[0])
        merged[row[0]] = row if before is None else (*before[:4], max(before[4], row[4]), before[5] + row[5], before[6] or row[6])
    *texts, trusts, counts, domains = list(zip(*sorted(merged.values()), strict=True))
    columns = [
        *map(bulk.array_of_texts, texts),
        *map(bulk.array_of_values, (trusts, counts)),
        bulk.array_of_texts(domains),
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO reports_reporter AS r (key, name, email, organisation, trust, reports, authenticated_as, first_seen,
                   last_seen, unfounded)
               SELECT k, n, e, o, t, c, a, %s, %s, 0
               FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::int[], %s::int[], %s::text[])
                   AS u(k, n, e, o, t, c, a)
               ON CONFLICT (key) DO UPDATE SET last_seen = excluded.last_seen, reports = r.reports + excluded.reports,
                   name = coalesce(nullif(excluded.name, ''), r.name),
                   authenticated_as = coalesce(nullif(excluded.authenticated_as, ''), r.authenticated_as)
               RETURNING key, id, trust, coalesce(r.limited_until > %s, false)""",
            [now, now, *columns, now],
        )
        return {
            key: KnownReporter(number, min(trust, LIMITED) if limited else trust, limited)
            for key, number, trust, limited in cursor.fetchall()
        }


def trust_of(key: str) -> int | None:
    """What is known of a reporter's trust; None for one never seen."""
    return Reporter.objects.filter(key=key).values_list("trust", flat=True).first()
