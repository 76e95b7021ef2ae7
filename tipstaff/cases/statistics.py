"""Figures over a period: times kept against what was allowed, appeals, and the work that cases took. Each is one query.

**Minutes of work.** Nobody here presses a stopwatch. An act of a member of staff on a case is a row of the case's journal, an
entry of the audit record about it, or an opening of its evidence. Each act is charged the time since the same person's act
before it, wherever that was; after a longer break than BREAK, the first act of the new sitting is charged LEAD. So one sitting
is never counted twice, and a hundred cases closed in one stroke cost the stroke. Thinking that ends in no act is not seen.

**Closed without a touch**: no such act by anybody of the staff between opening and closing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import connection
from django.db.models import Count, Q

from tipstaff.cases.access import restricted, unrestricted_sql
from tipstaff.cases.models import Appeal, Case, CaseReport
from tipstaff.cases.states import State
from tipstaff.reports.models import Report

By = Literal["", "clause", "customer"]
BREAK = timedelta(minutes=5)  # between two acts of one sitting, at most
LEAD = timedelta(minutes=2)  # of reading before the first act of a sitting
TARGET_SHARE = 0.9  # of cases that should be in time
MOST = 200  # groups in one answer


@dataclass(frozen=True, slots=True)
class Period:
    """From (included) to (not included)."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """One measure of one group: how many, median and 90th percentile, what was allowed (median), how many were in time."""

    key: str  # decide, acknowledge, resolve
    group: str  # clause, customer's number, or empty for all
    name: str  # how people read the group
    cases: int
    median: timedelta
    p90: timedelta
    allowed: timedelta | None
    in_time: int
    limited: int  # how many of them had a limit

    @property
    def share(self) -> float | None:
        """Of those with a limit, the share that was in time."""
        return self.in_time / self.limited if self.limited else None

    @property
    def over(self) -> bool:
        """Whether fewer were in time than should be; each is measured by its own limit."""
        return self.share is not None and self.share < TARGET_SHARE


NAMES = {"decide": "To decide", "acknowledge": "To acknowledge", "resolve": "To resolve"}
_ACKNOWLEDGED = """
    JOIN LATERAL (SELECT min(j.at) AS at FROM cases_journalentry j WHERE j.case_id = c.id AND j.kind = 'state'
        AND j.detail ->> 'state' = 'ACKNOWLEDGED') a ON a.at IS NOT NULL
"""
#: Measure → (when it began, when it was done, until when it should be, further join).
_MEASURES = {
    "decide": ("c.opened_at", "c.ticketed_at", "c.desk_due_at", ""),
    "acknowledge": ("c.ticketed_at", "a.at", "c.ack_due_at", _ACKNOWLEDGED),
    "resolve": ("c.ticketed_at", "c.closed_at", "c.resolve_due_at", ""),
}
_GROUPS = {"": ("''", "''", ""), "clause": ("c.clause", "c.clause", ""),
           "customer": ("c.customer_id::text", "u.name", "JOIN accounts_customer u ON u.id = c.customer_id")}  # fmt: skip
_SHOWN = unrestricted_sql("c")
_KEPT = """
    SELECT {group}, {name}, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY {done} - {began}),
        percentile_cont(0.9) WITHIN GROUP (ORDER BY {done} - {began}), percentile_cont(0.5) WITHIN GROUP (ORDER BY {due} - {began}),
        count(*) FILTER (WHERE {done} <= {due}), count({due})
    FROM cases_case c {person} {joined}
    WHERE {done} >= %(since)s AND {done} < %(until)s AND {began} IS NOT NULL AND {shown}
    GROUP BY 1, 2 ORDER BY 3 DESC, 2 LIMIT %(most)s
"""


def times(*, period: Period, by: By = "") -> list[Kept]:
    """Times to decide, to acknowledge and to resolve by the moment it was done; for all, or for each clause or customer."""
    found = []
    for key, (began, done, due, joined) in _MEASURES.items():
        group, name, person = _GROUPS[by]
        query = _KEPT.format(shown=_SHOWN, group=group, name=name, began=began, done=done, due=due, joined=joined, person=person)
        found += [Kept(key, *row) for row in _rows(query, period)]
    return found


@dataclass(frozen=True, slots=True)
class Appeals:
    """Appeals brought in the period, and what was decided. ``overturned``: the appeal succeeded; ``stands``: it did not."""

    brought: int
    overturned: int
    stands: int
    withdrawn: int
    open: int

    @property
    def share(self) -> float | None:
        """Of those that were decided, the share that succeeded."""
        decided = self.overturned + self.stands
        return self.overturned / decided if decided else None


def appeals(*, period: Period) -> Appeals:
    """What became of the appeals that were brought in the period."""
    rows = Appeal.objects.filter(at__gte=period.since, at__lt=period.until).exclude(case__in=restricted())
    said = {name: Count("pk", filter=Q(decision=word)) for name, word in _DECISIONS.items()}
    return Appeals(**rows.aggregate(brought=Count("pk"), open=Count("pk", filter=Q(decided_at=None)), **said))


def undecided(*, now: datetime) -> int:
    """Verified reports whose case still waits for the desk's first decision after its time (G6). It should be none."""
    late = Case.objects.filter(state=State.TRIAGE, closed_at=None, desk_due_at__lt=now)
    told = CaseReport.objects.filter(case__in=late).values("report_id")
    return Report.objects.filter(pk__in=told, state="verified").count()


_DECISIONS = {"overturned": "overturned", "stands": "upheld", "withdrawn": "withdrawn"}

_ACTS = """
    WITH closed AS (
        SELECT c.id, c.clause, c.customer_id FROM cases_case c
        WHERE c.closed_at >= %(since)s AND c.closed_at < %(until)s AND {shown} AND c.merged_into_id IS NULL
    ), first AS (
        SELECT min(c.opened_at) AS at FROM cases_case c JOIN closed USING (id)
    ), act AS (
        SELECT j.case_id, s.id AS staff, j.at FROM cases_journalentry j JOIN accounts_staffmember s ON s.username = j.actor, first
            WHERE j.at >= first.at
        UNION
        SELECT substring(e.subject FROM '^case:([0-9]{{1,18}})$')::bigint, s.id, e.at FROM audit_entry e
            JOIN accounts_staffmember s ON s.username = e.actor, first WHERE e.at >= first.at AND e.subject LIKE 'case:%%'
        UNION
        SELECT substring(o."grant" FROM '^case:([0-9]{{1,18}}) ')::bigint, s.id, o.at FROM evidence_opening o
            JOIN accounts_staffmember s ON s.username = o.actor, first WHERE o.at >= first.at AND o."grant" LIKE 'case:%%'
    ), charged AS (
        SELECT case_id, staff, CASE WHEN before IS NULL OR at - before > %(break)s THEN %(lead)s ELSE at - before END AS spent
        FROM (SELECT case_id, staff, at, lag(at) OVER (PARTITION BY staff ORDER BY at, case_id) AS before FROM act) a
    ), work AS (
        SELECT c.id, c.clause, c.customer_id, coalesce(sum(w.spent), interval '0') AS spent, count(DISTINCT w.staff) AS people
        FROM closed c LEFT JOIN charged w ON w.case_id = c.id GROUP BY 1, 2, 3
    )
    SELECT {group}, {name}, count(*), count(*) FILTER (WHERE c.people = 0), sum(c.spent),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY c.spent), percentile_cont(0.9) WITHIN GROUP (ORDER BY c.spent)
    FROM work c {person} GROUP BY 1, 2 ORDER BY 3 DESC, 2 LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Work:
    """What the cases closed in the period took: how many, how many without a touch, all time, median and p90 of a case."""

    group: str
    name: str
    cases: int
    untouched: int
    spent: timedelta
    median: timedelta
    p90: timedelta

    @property
    def share(self) -> float:
        """The share that closed without a touch."""
        return self.untouched / self.cases

    @property
    def mean(self) -> timedelta:
        return self.spent / self.cases


def work(*, period: Period, by: By = "") -> list[Work]:
    """The work in cases that closed in the period; for all, or for each clause or customer."""
    group, name, person = _GROUPS[by]
    query = _ACTS.format(shown=_SHOWN, group=group, name=name, person=person)
    return [Work(*row) for row in _rows(query, period, **{"break": BREAK, "lead": LEAD})]


def _rows(query: str, period: Period, **more: Any) -> Sequence[tuple[Any, ...]]:
    given: dict[str, Any] = {"since": period.since, "until": period.until, "most": MOST} | more
    with connection.cursor() as cursor:
        cursor.execute(query, given)
        return list(cursor.fetchall())
