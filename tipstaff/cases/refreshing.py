"""What further events bring to cases that are there already, thousands of cases at a time: counts, times, reports, reminders."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.db import connection

from tipstaff.cases import openings, writing
from tipstaff.cases.states import Duty
from tipstaff.kernel import arrays, bulk
from tipstaff.kernel.errors import TipstaffError

MOMENT = pl.Datetime("us", "UTC")
#: What refreshes a case: how many events, when, and until when its window now runs.
REFRESH: dict[str, Any] = {
    "case_id": pl.Int64,
    "events": pl.Int64,
    "reports": pl.Int64,
    "first_at": MOMENT,
    "last_at": MOMENT,
    "until": MOMENT,
}
SHARES: dict[str, Any] = {"case_id": pl.Int64, "report_id": pl.Int64, "reporter_id": pl.Int64, "events": pl.Int64}
MANY, LAST_REPORTS = 500, 3  # cases from which on it pays to look at what a reporter's last reports speak of, and how many of them
CASE_REPORT = {"case_id": "int8", "report_id": "int8", "reporter_id": "int8", "events": "int4", "at": "timestamptz"}


class Overtaken(TipstaffError):
    """A person closed or merged a case between our look and our writing: look again."""


def refresh(cases: pl.DataFrame, shares: pl.DataFrame, now: datetime, late: AbstractSet[int] = frozenset()) -> None:
    """Refresh cases (columns of REFRESH), and say which reports (SHARES) speak of which case.

    All but the ``late`` ones must be open still; Overtaken when one was closed meanwhile, so that nothing new is filed away
    unseen with a case that somebody has just finished. The row of a case and a report is the one record of a refreshment: a
    daily feed refreshes thousands of cases, and the timeline (``arrivals``) reads it.
    """
    if len(cases):
        if cases["case_id"].n_unique() < len(cases):
            cases = cases.group_by("case_id").agg(
                pl.col("events", "reports").sum(), pl.col("first_at").min(), pl.col("last_at", "until").max()
            )
        closed = _update(cases.sort("case_id"), _fresh_reporters(cases["case_id"], shares), now) - late
        if closed:
            raise Overtaken(f"cases {sorted(closed)} were closed meanwhile")
    _follow(shares, now)


def _update(cases: pl.DataFrame, reporters: dict[int, int], now: datetime) -> set[int]:
    """Write the refreshment; returns which of the cases are closed."""
    fresh = [reporters.get(case, 0) for case in cases["case_id"].to_list()] if reporters else [0] * len(cases)
    counts = [arrays.array(cases[name], "int4") for name in ("events", "reports")]
    rows = arrays.rows(
        """WITH refreshed AS (
               UPDATE cases_case c SET events = c.events + g.events, reports = c.reports + g.reports,
                   reporters = c.reporters + g.reporters, first_event_at = least(c.first_event_at, g.first_at),
                   last_event_at = greatest(c.last_event_at, g.last_at), refreshed_at = %s,
                   window_until = CASE WHEN c.closed_at IS NULL THEN greatest(c.window_until, g.until) ELSE c.window_until END
               FROM unnest(%s, %s, %s, %s, %s, %s, %s) AS g(id, events, reports, reporters, first_at, last_at, until)
               WHERE c.id = g.id RETURNING c.id, c.closed_at, c.state, g.last_at)
           SELECT id, closed_at IS NOT NULL, last_at FROM refreshed WHERE closed_at IS NOT NULL OR state = 'RECONNECTED'""",
        [
            now,
            arrays.array(cases["case_id"], "int8"),
            *counts,
            arrays.array(pl.Series(fresh, dtype=pl.Int32), "int4"),
            *[arrays.array(cases[name], "timestamptz") for name in ("first_at", "last_at", "until")],
        ],
    )
    openings.repeats_in_probation({case: last_at for case, closed, last_at in rows if not closed and last_at}, now)
    return {case for case, closed, _ in rows if closed}


def _fresh_reporters(cases: pl.Series, shares: pl.DataFrame) -> dict[int, int]:
    """How many reporters are new to each of these cases; who reports again mostly did so lately, so the newest are asked first."""
    pairs = shares.filter(pl.col("case_id").is_in(cases.implode())).select("case_id", "reporter_id").unique()
    if len(pairs) > MANY and pairs["reporter_id"].n_unique() == 1:
        pairs = pairs.filter(~pl.col("case_id").is_in(_lately(pairs["reporter_id"][0])))
    if not len(pairs):
        return {}
    return dict(
        arrays.rows(
            """SELECT p.case_id, count(*) FROM unnest(%s, %s) AS p(case_id, reporter_id)
               WHERE (SELECT r.reporter_id FROM cases_casereport r WHERE r.case_id = p.case_id AND r.reporter_id = p.reporter_id
                      ORDER BY r.report_id DESC LIMIT 1) IS NULL
               GROUP BY 1""",
            [arrays.array(pairs[name], "int8") for name in ("case_id", "reporter_id")],
        )
    )


def _lately(reporter: int) -> list[int]:
    """The cases that this reporter's last reports speak of: most of those that a feed's next delivery speaks of."""
    last = [row[0] for row in arrays.rows(
        "SELECT id FROM reports_report WHERE reporter_id = %s ORDER BY received_at DESC LIMIT %s", [reporter, LAST_REPORTS]
    )]  # fmt: skip
    found = arrays.rows(
        "SELECT array_agg(case_id) FROM cases_casereport WHERE report_id = ANY(%s) AND reporter_id = %s", [last, reporter]
    )
    return list(set(found[0][0] or ()))


def _follow(shares: pl.DataFrame, now: datetime) -> None:
    """Which reports speak of which case, with how many events. Reports seen for the first time are copied."""
    if not len(shares):
        return
    together = shares.group_by("case_id", "report_id", "reporter_id").agg(pl.col("events").sum()).sort("case_id", "report_id")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM cases_casereport WHERE report_id = ANY(%s))", [together["report_id"].unique().to_list()]
        )
        if not cursor.fetchone()[0]:
            bulk.copy_binary("cases_casereport", together.with_columns(pl.lit(now).cast(MOMENT).alias("at")), CASE_REPORT)
            return
        cursor.execute(
            """INSERT INTO cases_casereport AS r (case_id, report_id, reporter_id, events, at)
               SELECT u.c, u.r, u.p, u.n, %s FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::int[]) AS u(c, r, p, n)
               ON CONFLICT (case_id, report_id) DO UPDATE SET events = r.events + excluded.events""",
            [now, *[bulk.array_of(together[name]) for name in ("case_id", "report_id", "reporter_id", "events")]],
        )


def remind(wanted: Mapping[int, timedelta], now: datetime) -> int:
    """Owe notices about recurring events, each case at most one in the policy's interval (``Category.notice_every``).

    ``wanted`` maps a case to its interval. Returns how many were due.
    """
    if not wanted:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE cases_case c SET noticed_at = %s FROM unnest(%s::bigint[], %s::interval[]) AS g(id, every)
               WHERE c.id = g.id AND c.closed_at IS NULL AND c.ticketed_at IS NOT NULL AND c.noticed_at + g.every <= %s
               RETURNING c.id""",
            [now, list(wanted), list(wanted.values()), now],
        )
        due = [row[0] for row in cursor.fetchall()]
    writing.write_notices([(case, str(Duty.RECURRING), "customer", "{}", now) for case in due], now)
    return len(due)
