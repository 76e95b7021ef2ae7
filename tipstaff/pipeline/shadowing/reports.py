"""The daily report of shadow mode: gathered, compared, kept. A few queries for a day, whatever its size."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from tipstaff.cases.access import restricted, unrestricted
from tipstaff.cases.models import Case
from tipstaff.kernel.errors import NotFound
from tipstaff.pipeline.models import OtherDecision, ShadowReport
from tipstaff.pipeline.shadowing.comparing import WINDOW, Known, Ours, Row, compare, content
from tipstaff.pipeline.shadowing.decisions import Decision

MAIL_WINDOW = timedelta(days=7)  # a mail of that Message-ID, or report of that number, is looked for so far around
DAY = timedelta(days=1)
#: What ties a decision to the reports of a case.
_BY_MESSAGE = """
    SELECT s.trace -> 0 ->> 'message_id', r.id, s.state, s.reason FROM intake_submission s
    LEFT JOIN reports_report r ON r.submission_id = s.id
    WHERE s.received_at BETWEEN %s AND %s AND s.state <> 'sealed' AND s.trace -> 0 ->> 'message_id' = ANY(%s)
"""
_BY_EXTERNAL = """
    SELECT r.external_id, r.id, s.state, s.reason FROM reports_report r JOIN intake_submission s ON s.id = r.submission_id
    WHERE r.external_id = ANY(%s) AND r.external_id <> '' AND r.received_at BETWEEN %s AND %s AND s.state <> 'sealed'
"""
_BY_ADDRESS = """
    SELECT host(ip), received_at, case_id FROM reports_event
    WHERE ip = ANY(%s::inet[]) AND received_at BETWEEN %s AND %s AND case_id IS NOT NULL
"""
_OF_REPORTS = "SELECT report_id, case_id FROM cases_casereport WHERE report_id = ANY(%s)"


def make(day: date, *, now: datetime) -> dict[str, Any]:
    """The report of one day (UTC), from what is known now. Writes nothing."""
    since = datetime.combine(day, time(), UTC)
    decisions = [_decision(row) for row in OtherDecision.objects.filter(at__gte=since, at__lt=since + DAY).order_by("pk")]
    known = _known(decisions, since)
    rows = [compare(one, known) for one in decisions]
    found = content(rows, _only_ours(since, rows), url)
    return {"day": day.isoformat(), "made_at": now.isoformat(), "window_hours": WINDOW // timedelta(hours=1), **found}


def write(*, day: date, now: datetime) -> ShadowReport:
    """Make the report of a day and keep it beside the earlier ones."""
    return ShadowReport.objects.create(day=day, made_at=now, content=make(day, now=now))


def write_due(*, now: datetime) -> int:
    """Yesterday's report, once; by the clocks' loop. Returns how many were written."""
    day = (now - DAY).astimezone(UTC).date()
    if ShadowReport.objects.filter(day=day).exists():
        return 0
    write(day=day, now=now)
    return 1


def latest(day: date | None = None) -> ShadowReport:
    """The newest report, or that of a day. Raises NotFound."""
    rows = ShadowReport.objects.all() if day is None else ShadowReport.objects.filter(day=day)
    found = rows.order_by("-day", "-made_at", "-pk").first()
    if found is None:
        raise NotFound(f"there is no report of {day}" if day else "there is no report yet: the first is written after midnight UTC")
    return found


def days(most: int = 60) -> list[ShadowReport]:
    """The newest report of each day, the newest day first."""
    rows = ShadowReport.objects.order_by("-day", "-made_at", "-pk").distinct("day")
    return list(rows[:most])


def url(number: int) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/cases/{number}/"


def _decision(row: OtherDecision) -> Decision:
    return Decision(
        reference=row.reference, line=0, message_id=row.message_id, external_id=row.external_id, address=row.address or "",
        received_at=row.received_at, customer=row.customer, category=row.category, code=row.code, decision=row.decision,
        outcome=row.outcome, decided_at=row.decided_at, subject=row.subject,
    )  # fmt: skip


def _known(decisions: Sequence[Decision], since: datetime) -> Known:
    known = Known()
    wide = (since - MAIL_WINDOW, since + DAY + MAIL_WINDOW)
    messages = [one.message_id for one in decisions if one.message_id]
    externals = [one.external_id for one in decisions if one.external_id]
    mailed = _asked(_BY_MESSAGE, [*wide, messages]) if messages else []
    numbered = _asked(_BY_EXTERNAL, [externals, *wide]) if externals else []
    reports = [row[1] for row in (*mailed, *numbered) if row[1] is not None]
    cases_of: dict[int, set[int]] = defaultdict(set)
    for report, case in _asked(_OF_REPORTS, [reports]) if reports else []:
        cases_of[report].add(case)
    for rows, into in ((mailed, known.by_message), (numbered, known.by_external)):
        for key, report, state, reason in rows:
            found = cases_of.get(report, set())
            if found:
                into.setdefault(key, set()).update(found)
            else:
                known.read.setdefault(key, f"received here, and no case: {state}" + (f" ({reason})" if reason else ""))
    addresses = sorted({one.address for one in decisions if one.address})
    near = (since - WINDOW, since + DAY + WINDOW)
    for address, at, case in _asked(_BY_ADDRESS, [addresses, *near]) if addresses else []:
        known.by_address.setdefault(address, []).append((at, case))
    numbers = {case for found in (known.by_message, known.by_external) for cases in found.values() for case in cases}
    numbers |= {case for found in known.by_address.values() for _, case in found}
    _take_cases(known, numbers)
    return known


def _take_cases(known: Known, numbers: set[int]) -> None:
    """The cases themselves; a merged one answers with the one that it went into."""
    went: dict[int, int] = {}
    for case in Case.objects.filter(pk__in=numbers).select_related("customer", "merged_into__customer"):
        target = case.merged_into or case
        went[case.pk] = target.pk
        known.cases[target.pk] = _ours(target)
    known.sealed |= set(restricted().filter(pk__in=known.cases).values_list("pk", flat=True))
    for found in (known.by_message, known.by_external):
        for key, cases in found.items():
            found[key] = {went[case] for case in cases if case in went}
    for address, pairs in known.by_address.items():
        known.by_address[address] = [(at, went[case]) for at, case in pairs if case in went]


def _ours(case: Case) -> Ours:
    names = (case.customer.external_id or "", case.customer.name, str(case.customer_id))
    called = frozenset(name.casefold().strip() for name in names if name.strip())
    waits = case.needs_person if case.closed_at is None else ""
    return Ours(case.pk, case.opened_at, case.state, case.category, called, case.customer.name, waits)


def _only_ours(since: datetime, rows: Iterable[Row]) -> list[Ours]:
    """Cases opened that day of which the other desk's decisions, whatever their day, say nothing that we could tie to them."""
    opened = unrestricted().filter(opened_at__gte=since, opened_at__lt=since + DAY, merged_into=None)
    matched = {number for row in rows for number in row.match.cases} | _matched_on_other_days(since)
    return [_ours(case) for case in opened.select_related("customer").order_by("pk") if case.pk not in matched]


def _matched_on_other_days(since: datetime) -> set[int]:
    """The day before and the day after: a decision near midnight belongs to a case of either day."""
    found: set[int] = set()
    for other in (since - DAY, since + DAY):
        decisions = [_decision(row) for row in OtherDecision.objects.filter(at__gte=other, at__lt=other + DAY)]
        known = _known(decisions, other) if decisions else Known()
        found |= {number for one in decisions for number in compare(one, known).match.cases}
    return found


def _asked(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
