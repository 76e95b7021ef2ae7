"""What is owed to an authority: a report of a crime that the policy wants (I5), and an order that an authority gave.

Each is a row with a due time that the desk's Home, the case and the sealed queue show until somebody says what became of it:
made, with the number that the authority gave; followed; or not owed, with the reason. Past its due time the liaison's on-call
is alerted. Sending the report is not done here.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from tipstaff.accounts.access import may, require_named
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.services import record
from tipstaff.cases import alerts
from tipstaff.cases.access import unrestricted
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Alert, AuthorityDuty, Case
from tipstaff.cases.on_call import HIGHEST
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Category, Handling

ACT = "answer to an authority"
REPORT, ORDER = "report", "order"
OUTCOMES = {REPORT: ("made", "not_owed"), ORDER: ("followed", "not_owed")}
USUAL = timedelta(hours=24)  # where the category gives the desk no time of its own
MOST = 500


def owe_reports(opened: Iterable[tuple[int, Category]], *, now: datetime) -> None:
    """A report is owed of each of these cases whose category asks for one; once for a case."""
    wanted = {number: category for number, category in opened if Handling.AUTHORITY_REPORT in category.handling}
    if not wanted:
        return
    there = set(AuthorityDuty.objects.filter(case__in=list(wanted), kind=REPORT).values_list("case_id", flat=True))
    AuthorityDuty.objects.bulk_create(
        AuthorityDuty(case_id=number, kind=REPORT, owed_at=now, due_at=now + (category.desk or USUAL), by="system:policy")
        for number, category in wanted.items() if number not in there
    )  # fmt: skip


@transaction.atomic
def ordered(*, case: int, authority: str, reference: str, by: str, now: datetime) -> AuthorityDuty:
    """An authority has ordered something about this case: the edition's time to follow it runs from now."""
    require_named(by, ACT)
    said = (("authority", authority, "say who gave it"), ("reference", reference, "give its number or date"))
    problems = [Problem(name, "is missing", advice) for name, value, advice in said if not value.strip()]
    if problems:
        raise InputError(problems)
    found = locked(case)
    if found.closed_at is not None:
        raise Refused(f"case {found.pk} is closed ({found.state}); open a linked case")
    category = policy.compiled(found.edition).categories[found.category]
    due = now + (category.authority_order or category.desk or USUAL)
    row = AuthorityDuty.objects.create(
        case=found,
        kind=ORDER,
        authority=authority.strip()[:MOST],
        reference=reference.strip()[:MOST],
        owed_at=now,
        due_at=due,
        by=by,
    )
    text = f"an order of {row.authority} ({row.reference}): to be followed by {due:%Y-%m-%d %H:%M} UTC"
    journal(case=found, kind="authority", text=text, by=by, now=now, duty=row.pk)
    record(by=by, action="case.authority_order", subject=f"case:{found.pk}", now=now, duty=row.pk)
    Case.objects.filter(pk=found.pk).update(needs_person="an authority’s order is to be followed", waiting_on="us")
    if found.next_due_at is None or due < found.next_due_at:
        Case.objects.filter(pk=found.pk).update(next_due_at=due)
    return row


@transaction.atomic
def settle(*, duty: int, outcome: str, authority: str, reference: str, reason: str, by: str, now: datetime) -> AuthorityDuty:
    """Say what became of it: made or followed, with authority and number; not owed, with the reason."""
    staff = require_named(by, ACT)
    row = AuthorityDuty.objects.select_for_update().filter(pk=duty).first()
    if row is None or not owed_to(staff).filter(pk=duty).exists():
        raise NotFound("nothing of that number is owed, or somebody has settled it")
    if outcome not in OUTCOMES[row.kind]:
        raise InputError(Problem("outcome", f"{outcome!r} is no outcome", f"one of {', '.join(OUTCOMES[row.kind])}"))
    if outcome == "not_owed" and not reason.strip():
        raise InputError(Problem("reason", "is missing", "say why nothing is owed"))
    row.authority, row.reference = authority.strip()[:MOST] or row.authority, reference.strip()[:MOST] or row.reference
    if outcome != "not_owed" and not (row.authority and row.reference):
        raise InputError(Problem("reference", "is missing", "name the authority, and the number that it gave"))
    row.outcome, row.reason, row.settled_by, row.settled_at = outcome, reason.strip()[:4000], by, now
    row.save(update_fields=["authority", "reference", "outcome", "reason", "settled_by", "settled_at"])
    case = locked(row.case_id)
    said = f"{row.authority}, {row.reference}" if outcome != "not_owed" else row.reason
    journal(
        case=case, kind="authority", text=f"{TITLES[row.kind]}: {outcome.replace('_', ' ')} ({said})", by=by, now=now, duty=row.pk
    )
    record(by=by, action="case.authority_settled", subject=f"case:{row.case_id}", reason=outcome, now=now, duty=row.pk)
    return row


def past_due(now: datetime, most: int = 100) -> list[AuthorityDuty]:
    """What is owed, past due, and to be said (again), the earliest first; each once on each level of escalation."""
    rows = AuthorityDuty.objects.filter(settled_at__isnull=True, due_at__lte=now, alarmed__lt=HIGHEST)
    said = Q(alarm_at__isnull=True) | Q(alarm_at__lte=now)
    return list(rows.filter(said).select_related("case__edition").order_by("due_at", "pk")[:most])


@transaction.atomic
def alarm(*, duty: int, now: datetime) -> list[Alert]:
    """Alert the liaison's on-call of one of these, a level higher than the last time; nothing where somebody was first."""
    row = AuthorityDuty.objects.select_for_update(of=("self",)).filter(pk=duty).first()
    if row is None or row.settled_at is not None or row.alarmed >= HIGHEST or (row.alarm_at or row.due_at) > now:
        return []
    case = locked(row.case_id)
    row.alarmed += 1
    row.alarm_at = now + policy.compiled(case.edition).timers.alert_every
    row.save(update_fields=["alarmed", "alarm_at"])
    return alerts.past_due(duty=row, case=case, now=now)


TITLES = {REPORT: "report to an authority", ORDER: "order of an authority"}


def owed_to(staff: StaffMember) -> "QuerySet[AuthorityDuty]":
    """What is owed and not settled, the earliest first; of restricted cases for those alone who may see them."""
    rows = AuthorityDuty.objects.filter(settled_at__isnull=True)
    if not may(staff, "see restricted cases"):
        rows = rows.filter(case__in=unrestricted())
    return rows.select_related("case__customer").order_by("due_at", "pk")
