"""Figures for Home: times kept, clauses by week, repeat offenders. Each is one query; callers keep them for a minute."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q

from tipstaff.cases.access import unrestricted, unrestricted_sql
from tipstaff.cases.states import COMPLIANT, State

NO_OFFENCE = (*COMPLIANT, State.CLOSED_DUPLICATE, State.MERGED)
PERIOD = timedelta(days=30)
TARGET_SHARE = 90  # percent that should be within the target


@dataclass(frozen=True, slots=True)
class Timing:
    """Median and 90th percentile of one measure in the last 30 days, the 30 days before, and against its target."""

    name: str
    key: str
    cases: int
    median: timedelta | None
    p90: timedelta | None
    before: timedelta | None  # p90 of the period before
    target: timedelta | None  # median of what was allowed

    @property
    def over(self) -> bool:
        return bool(self.p90 and self.target and self.p90 > self.target)


_TIMES = f"""
SELECT {{since}} AS recent, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY {{length}}),
       percentile_cont(0.9) WITHIN GROUP (ORDER BY {{length}}), percentile_cont(0.5) WITHIN GROUP (ORDER BY {{allowed}})
FROM cases_case c {{joined}} WHERE {{when}} >= %(before)s AND {{when}} <= %(now)s AND {unrestricted_sql("c")} GROUP BY 1
"""  # noqa: S608 - made of constants
#: Name, key, end of the measured time, allowed time, further join. Lengths start at the opening, or at the ticket.
_MEASURES = (
    ("To decide", "decide", "c.ticketed_at", "c.ticketed_at - c.opened_at", "c.desk_due_at - c.opened_at", ""),
    ("To acknowledge", "acknowledge", "a.at", "a.at - c.ticketed_at", "c.ack_due_at - c.ticketed_at",
     "JOIN cases_journalentry a ON a.case_id = c.id AND a.kind = 'state' AND a.detail ->> 'state' = 'ACKNOWLEDGED'"),
    ("To resolve", "resolve", "c.closed_at", "c.closed_at - c.ticketed_at", "c.resolve_due_at - c.ticketed_at", ""),
)  # fmt: skip


def timings(*, now: datetime) -> list[Timing]:
    """How long it took to decide, to be acknowledged, to be resolved: by the moment it was done."""
    return [_timing(*measure, now) for measure in _MEASURES]


def _timing(name: str, key: str, when: str, length: str, allowed: str, joined: str, now: datetime) -> Timing:
    query = _TIMES.format(since=f"{when} >= %(since)s", length=length, allowed=allowed, joined=joined, when=when)
    values: dict[str, Any] = {"since": now - PERIOD, "before": now - 2 * PERIOD, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        rows = {recent: rest for recent, *rest in cursor.fetchall()}
    count, median, p90, target = rows.get(True, (0, None, None, None))
    return Timing(name, key, count, median, p90, rows.get(False, (0, None, None, None))[2], target)


def clauses_by_week(*, weeks: list[str], since: datetime) -> list[tuple[str, dict[str, int]]]:
    """Cases opened per clause and ISO week: (clause, {week: cases}), by clause number."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT clause, to_char(opened_at AT TIME ZONE 'UTC', 'IYYY-"W"IW'), count(*) FROM cases_case
                WHERE opened_at >= %s AND {unrestricted_sql("cases_case")} GROUP BY 1, 2""",  # noqa: S608 - made of constants
            [since],
        )
        table: dict[str, dict[str, int]] = {}
        for clause, week, count in cursor.fetchall():
            if week in weeks:
                table.setdefault(clause, {})[week] = count
    return sorted(table.items(), key=lambda row: [int(part) if part.isdecimal() else 0 for part in row[0].split(".")])


def repeat_offenders(*, now: datetime, most: int = 8, over: timedelta = timedelta(days=90)) -> list[dict[str, Any]]:
    """Customers with several cases in the time: cases, open ones, resolved breaches, and the clause most of them cite.

    What was found to be no breach, or was one matter told twice, is held against nobody.
    """
    lately = unrestricted().filter(opened_at__gte=now - over).exclude(state__in=NO_OFFENCE)
    rows = list(
        lately.values("customer", "customer__name")
        .annotate(cases=Count("pk"), open=Count("pk", filter=Q(closed_at=None)), upheld=Count("pk", filter=Q(state="RESOLVED")))
        .filter(cases__gte=2)
        .order_by("-cases", "customer")[:most]
    )
    mostly: dict[int, str] = {}
    clauses = lately.filter(customer__in=[row["customer"] for row in rows]).values("customer", "clause", "category")
    for found in clauses.annotate(cases=Count("pk")).order_by("customer", "-cases"):
        mostly.setdefault(found["customer"], f"{found['clause']}~{found['category']}")
    return [dict(row) | dict(zip(("clause", "category"), mostly[row["customer"]].split("~"), strict=True)) for row in rows]


def standing_of(numbers: list[int]) -> dict[int, tuple[datetime | None, datetime]]:
    """Open cases among these: number → (next due, opened)."""
    rows = unrestricted().filter(pk__in=numbers, closed_at__isnull=True)
    return {pk: (due, opened) for pk, due, opened in rows.values_list("pk", "next_due_at", "opened_at")}
