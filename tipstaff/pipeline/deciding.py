"""What a person decides about a submission that the machine could not place: whose it is, and what it is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tipstaff.accounts.models import Service
from tipstaff.cases import services as cases
from tipstaff.cases.models import Case
from tipstaff.intake import services as intake
from tipstaff.intake.access import is_unjudged
from tipstaff.intake.models import Submission
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.kernel.ids import new_id
from tipstaff.reports.models import Event, Report, Reporter

HELD = 1  # Event.attribution


@transaction.atomic
def assign(
    *, submission: UUID, customer: int, service: int | None, category: str, by: str, now: datetime, address: str = ""
) -> Case:
    """The submission's events belong to this customer: they join its open case of that kind, or open one in TRIAGE.

    ``address`` limits it to one address of a report about several. What was decided is kept as a correction. Refused when
    the submission is sealed or decided already.
    """
    received = Submission.objects.select_for_update().select_related("source").get(pk=submission)
    if received.state not in {"needs_person", "failed"}:
        raise Refused(f"this submission is {received.state or 'sealed'} already; nothing was changed")
    if is_unjudged(received):
        raise Refused("it was never read to its end, so it may have to go unseen: read it again, or set it aside")
    if service is None:
        service = _only_service(customer)
    reported = _reports(received, category, now)
    headline = address or _headline(reported) or received.subject[:80]
    said = f"assigned from intake: {received.subject or received.filename or 'no subject'}"
    case = cases.open_by_hand(
        customer=customer, category=category, headline=headline, description=said, by=by, now=now, service=service
    )
    _carry(received, reported, case, address, now)
    intake.correct(
        submission=received, field="accused", before={"reason": received.reason},
        after={"customer": customer, "service": service, "category": category}, by=by, now=now,
    )  # fmt: skip
    intake.decide(submission=received, state="parsed", reason=f"assigned by {by}", by=by, now=now, case_ref=str(case.pk))
    return Case.objects.get(pk=case.pk)


def _only_service(customer: int) -> int:
    numbers = list(Service.objects.filter(customer=customer, ended_at__isnull=True).values_list("pk", flat=True)[:2])
    if len(numbers) != 1:
        what = "has several services" if numbers else "has no service"
        raise InputError(Problem("service", f"customer {customer} {what}", "say which one, or import the assignment first"))
    return numbers[0]


def _reports(received: Submission, category: str, now: datetime) -> list[Report]:
    """The reports of a submission in their newest reading; one made by hand where nothing could be read."""
    found = list(Report.objects.filter(submission=received).order_by("ordinal", "-revision").distinct("ordinal"))
    if found:
        return found
    key = received.sender.lower() or f"source:{received.source.name}"
    reporter, _ = Reporter.objects.get_or_create(key=key, defaults={"email": received.sender, "first_seen": now, "last_seen": now})
    return [
        Report.objects.create(
            submission=received, reporter=reporter, format="by-hand", disposition="report", state="merged", category=category,
            category_from="a person", subject=received.subject, received_at=received.received_at,
        )
    ]  # fmt: skip


def _headline(reported: list[Report]) -> str:
    event = Event.objects.filter(report_id__in=[row.pk for row in reported]).exclude(ip=None, domain=None).first()
    return str(event.ip or event.domain) if event else ""


def _carry(received: Submission, reported: list[Report], case: Case, address: str, now: datetime) -> None:
    numbers = [row.pk for row in reported]
    values: dict[str, Any] = {
        "case": case.pk, "customer": case.customer_id, "service": case.service_id, "category": case.category,
        "reports": numbers, "held": HELD, "ip": address or None,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE reports_event SET case_id = %(case)s, customer_id = %(customer)s, service_id = %(service)s,
                   category = %(category)s, attribution = %(held)s, action = 0
               WHERE report_id = ANY(%(reports)s) AND case_id IS NULL AND (%(ip)s::inet IS NULL OR ip = %(ip)s::inet)""",
            values,
        )
        if not cursor.rowcount:
            _by_hand(received, reported[0], case, address, now)
        cursor.execute(_COUNTED, values)
    Report.objects.filter(pk__in=numbers).update(state="merged", category=case.category)


def _by_hand(received: Submission, reported: Report, case: Case, address: str, now: datetime) -> None:
    """The event that a person read where the machine found none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reports_ensure_partition(%s)", [received.received_at])
    Event.objects.create(
        key=new_id(now), received_at=received.received_at, case_id=case.pk, report_id=reported.pk, ip=address or None,
        category=case.category, report_type="by-hand", customer_id=case.customer_id, service_id=case.service_id, attribution=HELD,
    )  # fmt: skip


_COUNTED = """
WITH told AS (
    INSERT INTO cases_casereport (case_id, report_id, reporter_id, events, at)
    SELECT e.case_id, e.report_id, r.reporter_id, count(*), min(e.received_at)
    FROM reports_event e JOIN reports_report r ON r.id = e.report_id
    WHERE e.case_id = %(case)s AND e.report_id = ANY(%(reports)s) GROUP BY 1, 2, 3
    ON CONFLICT (case_id, report_id) DO UPDATE SET events = excluded.events RETURNING 1
), counted AS (
    SELECT count(*) AS events, count(DISTINCT e.report_id) AS reports, count(DISTINCT r.reporter_id) AS reporters,
           min(e.occurred_at) AS first_at, max(e.occurred_at) AS last_at
    FROM reports_event e JOIN reports_report r ON r.id = e.report_id WHERE e.case_id = %(case)s
)
UPDATE cases_case c SET events = g.events, reports = g.reports, reporters = g.reporters, first_event_at = g.first_at,
    last_event_at = g.last_at FROM counted g WHERE c.id = %(case)s
"""
