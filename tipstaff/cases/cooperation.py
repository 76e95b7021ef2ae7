"""What a customer is asked to do for an investigation, by when, and what it answered (I1)."""

from datetime import datetime

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.cases.journal import journal, locked, owe
from tipstaff.cases.models import Clock, Cooperation
from tipstaff.cases.states import ENDED, Duty
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.edition import Role


@transaction.atomic
def ask(*, case: int, text: str, due_at: datetime, by: str, now: datetime) -> Cooperation:
    """Ask for something, with a due time; the customer is told, and a person looks when it is due."""
    if not text.strip():
        raise InputError(Problem("text", "is missing", "say what is asked for"))
    if due_at <= now:
        raise InputError(Problem("due_at", "lies in the past", "choose a later moment"))
    people.require(by, Role.ANALYST)
    found = locked(case)
    if found.ticketed_at is None or found.state in ENDED:
        raise Refused(f"case {found.pk} is not before the customer")
    row = Cooperation.objects.create(case=found, text=text.strip(), by=by, at=now, due_at=due_at)
    _next_clock(found.pk, now)
    journal(case=found, kind="cooperation", text=f"asks: {row.text}", by=by, now=now, internal=False, cooperation=row.pk)
    owe(case=found, duty=Duty.COOPERATION, audiences=("customer",), now=now, text=row.text, due_at=due_at.isoformat())
    record(by=by, action="case.cooperation", subject=f"case:{found.pk}", now=now, cooperation=row.pk)
    return row


@transaction.atomic
def answer(*, cooperation: int, text: str, by: str, now: datetime) -> Cooperation:
    """What the customer answered."""
    if not text.strip():
        raise InputError(Problem("text", "is missing"))
    row = Cooperation.objects.select_for_update().filter(pk=cooperation).first()
    if row is None:
        raise NotFound(f"there is no request {cooperation}")
    case = locked(row.case_id)
    contact = people.speaker(by)
    if contact is not None and contact.customer_id not in {case.customer_id, case.customer.parent_id}:
        raise Refused("this contact belongs to another customer")
    if row.answered_at is not None:
        raise Refused("that has been answered")
    row.answer, row.answered_at = text.strip(), now
    row.save(update_fields=["answer", "answered_at"])
    _next_clock(case.pk, now)
    journal(case=case, kind="cooperation", text=f"answers: {row.answer}", by=by, now=now, internal=False, cooperation=row.pk)
    return row


def _next_clock(case: int, now: datetime) -> None:
    """One clock for the earliest open request."""
    Clock.objects.filter(case=case, kind="cooperation", fired_at__isnull=True, cancelled_at__isnull=True).update(cancelled_at=now)
    due = Cooperation.objects.filter(case=case, answered_at__isnull=True, due_at__gt=now).order_by("due_at").first()
    if due is not None:
        Clock.objects.create(case_id=case, kind="cooperation", started_at=now, due_at=due.due_at, note=f"request {due.pk}")
