"""More time that a customer asked for: a lead grants it, all or less, or refuses it. Either way the customer is told."""

from datetime import datetime

from django.db import transaction

from tipstaff.cases import people, timing
from tipstaff.cases.journal import journal, locked, owe
from tipstaff.cases.models import Case, ClockChange, Statement
from tipstaff.cases.states import TURN, Duty, State
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.edition import Role


def _asked(number: int) -> Statement:
    row = Statement.objects.select_for_update().filter(pk=number, kind="extension").first()
    if row is None:
        raise NotFound(f"nobody asked for an extension by the number {number}")
    if row.answered_at is not None:
        raise Refused(f"that extension was {row.answer} by {row.answered_by}")
    return row


@transaction.atomic
def grant(*, statement: int, by: str, now: datetime, until: datetime | None = None, reason: str = "") -> ClockChange:
    """Grant what was asked for, or ``until`` another moment, of the time that runs now. Refused beyond the law's limit."""
    people.require(by, Role.LEAD)
    row = _asked(statement)
    moment = until or row.promised_at
    assert moment is not None
    change = timing.extend(case=row.case_id, until=moment, reason=reason or f"the customer asked: {row.text}", by=by, now=now)
    _answer(row, "granted", by, now)
    owe(case=change.case, duty=Duty.EXTENSION_GRANTED, now=now, due_at=moment.isoformat())
    return change


@transaction.atomic
def refuse(*, statement: int, reason: str, by: str, now: datetime) -> Statement:
    """Refuse it, with the reason; the time stays as it is."""
    people.require(by, Role.LEAD)
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "say why there is no more time"))
    row = _asked(statement)
    case = locked(row.case_id)
    _answer(row, "refused", by, now)
    journal(case=case, kind="clock", text=f"no more time: {reason.strip()}", by=by, now=now, internal=False)
    owe(case=case, duty=Duty.EXTENSION_REFUSED, now=now, reason=reason.strip())
    return row


def _answer(row: Statement, answer: str, by: str, now: datetime) -> None:
    row.answer, row.answered_by, row.answered_at = answer, by, now
    row.save(update_fields=["answer", "answered_by", "answered_at"])
    case = Case.objects.get(pk=row.case_id)
    rest = "; ".join(words for words in case.needs_person.split("; ") if words and words != timing.MORE_TIME)
    turn = "us" if rest else TURN[State(case.state)]
    Case.objects.filter(pk=case.pk).update(waiting_on=turn, needs_person=rest)
