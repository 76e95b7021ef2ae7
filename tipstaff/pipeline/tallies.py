"""Daily counts by customer, service and category, kept beside the events."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
from django.db import connection

from tipstaff.kernel import arrays


def add(events: pl.DataFrame, now: datetime) -> None:
    """Count this batch's attributed events on the day they were received."""
    counts = (
        events.filter(pl.col("customer").is_not_null() & pl.col("category").is_not_null())
        .group_by("customer", pl.col("service").fill_null(0), "category", "action")
        .agg(pl.len().alias("events"))
        .sort("customer", "category", "service", "action")
    )
    _write(counts, now.date())


def move(events: pl.DataFrame) -> None:
    """Count events that were attributed anew where they belong, and no longer where they were counted before.

    ``events`` has customer, service, category, action, received, and customer_before and service_before.
    """
    known = events.filter(pl.col("category").fill_null("") != "").with_columns(pl.col("received").dt.date().alias("day"))
    before = known.select(pl.col("customer_before").alias("customer"), pl.col("service_before").alias("service"), *_KEPT, events=-1)
    after = known.select("customer", "service", *_KEPT, events=1)
    counts = (
        pl.concat([one.with_columns(pl.col("customer", "service", "events").cast(pl.Int64)) for one in (before, after)])
        .filter(pl.col("customer").is_not_null())
        .group_by("day", "customer", pl.col("service").fill_null(0), "category", "action")
        .agg(pl.col("events").sum())
        .filter(pl.col("events") != 0)
        .sort("customer", "category", "service", "action")
    )
    for day in sorted(counts["day"].unique()):
        _write(counts.filter(pl.col("day") == day), day)


_KEPT = ("day", "category", "action")


def _write(counts: pl.DataFrame, day: date) -> None:
    """Add to what is counted already, first where there is something: that is nearly all, and costs half of asking for a conflict.

    Whoever writes events holds their lock (``reports.bulk.lock_writer``), so that nobody waits in a circle.
    """
    if not len(counts):
        return
    raised = {place - 1 for (place,) in arrays.rows(_RAISE, _counted(counts, day))}
    if len(raised) < len(counts):
        arrays.rows(_COUNT, _counted(counts.filter(~pl.int_range(pl.len()).is_in(sorted(raised))), day))


def _counted(counts: pl.DataFrame, day: date) -> dict[str, Any]:
    return {"day": day} | {name: arrays.array(counts[name], kind) for name, kind in _KINDS.items()}


_KINDS = {"customer": "int4", "service": "int4", "category": "text", "action": "int2", "events": "int4"}
_COUNTS = "unnest(%(customer)s, %(service)s, %(category)s, %(action)s, %(events)s)"
_RAISE = f"""
    UPDATE reports_tally t SET events = t.events + u.n FROM {_COUNTS} WITH ORDINALITY AS u(c, s, g, a, n, place)
    WHERE t.customer_id = u.c AND t.category = u.g AND t.day = %(day)s AND t.service_id = u.s AND t.action = u.a RETURNING u.place
"""  # noqa: S608 - our own words only
_COUNT = f"""
    INSERT INTO reports_tally AS t (day, customer_id, service_id, category, action, events)
    SELECT %(day)s, u.c, u.s, u.g, u.a, u.n FROM {_COUNTS} AS u(c, s, g, a, n)
    ON CONFLICT (customer_id, category, day, service_id, action) DO UPDATE SET events = t.events + excluded.events
"""  # noqa: S608


def since(groups: Sequence[tuple[int, str]], start: datetime) -> dict[tuple[int, str], int]:
    """Events of each (customer, category) counted since the day of ``start``; those without any are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT u.c, u.g, sum(t.events) FROM unnest(%s::int[], %s::text[]) AS u(c, g)
               JOIN reports_tally t ON t.customer_id = u.c AND t.category = u.g AND t.day >= %s GROUP BY 1, 2""",
            [[customer for customer, _ in groups], [category for _, category in groups], start.date()],
        )
        return {(customer, category): int(count) for customer, category, count in cursor.fetchall()}


def recent(events: pl.DataFrame, start: datetime) -> pl.Series:
    """For each event: how many of its customer and category there were since then, this batch's counted."""
    groups = events.group_by("customer", "category").agg(pl.len().alias("here")).filter(pl.col("customer").is_not_null())
    before = since(list(groups.select("customer", "category").iter_rows()), start)
    counts = [here + before.get((customer, category), 0) for customer, category, here in groups.iter_rows()]
    counted = groups.with_columns(pl.Series("recent", counts, dtype=pl.Int64))
    return events.join(counted, on=["customer", "category"], how="left", maintain_order="left")["recent"]
