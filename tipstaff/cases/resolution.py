"""How the desk judges: a fix, a dispute, content that is left intact, silence, discretion. Each is a reasoned ruling on record."""

from datetime import datetime
from typing import Any

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import people, rules, stating
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.asked_for import titles
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Case, JournalEntry, Ruling, Statement
from tipstaff.cases.states import Event
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.edition import Role


def rule(*, case: int, kind: str, reason: str, by: str, now: datetime, decision: str = "", role: Role = Role.ANALYST) -> Ruling:
    """Put a reasoned decision on record. Raises InputError without a reason, Refused without the role."""
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "a decision needs its reason"))
    held = people.require(by, role)
    row = Ruling.objects.create(case_id=case, kind=kind, decision=decision, reason=reason.strip(), role=held, by=by, at=now)
    record(by=by, action=f"case.{kind}", subject=f"case:{case}", reason=reason.strip(), now=now, ruling=row.pk)
    return row


def _ruled(
    case: int, kind: str, event: Event, reason: str, by: str, now: datetime, role: Role = Role.ANALYST, **given: Any
) -> Case:
    locked(case)
    row = rule(case=case, kind=kind, reason=reason, by=by, now=now, role=role)
    return advance(Act(case, event, reason.strip(), given=given, detail={"ruling": row.pk}), by=by, now=now).case


@transaction.atomic
def accept_fix(*, case: int, reason: str, by: str, now: datetime) -> Case:
    """The desk is satisfied: RESOLVED."""
    return _ruled(case, "adequate", Event.FIX_ACCEPTED, reason, by, now)


@transaction.atomic
def not_adequate(*, case: int, reason: str, by: str, now: datetime) -> Case:
    """What was done does not answer the complaint: back to the customer once, then the ladder."""
    return _ruled(case, "not_adequate", Event.FIX_NOT_ADEQUATE, reason, by, now)


@transaction.atomic
def decide_dispute(*, case: int, decision: str, reason: str, by: str, now: datetime) -> Case:
    """'upheld': the report was wrong; 'rejected': the customer's time goes on. Never by whoever put the case to the customer."""
    events = {"upheld": Event.DISPUTE_UPHELD, "rejected": Event.DISPUTE_REJECTED}
    if decision not in events:
        raise InputError(Problem("decision", f"{decision!r} is not known", "upheld or rejected"))
    locked(case)
    if by in ticketed_by(case):
        raise Refused("somebody else decides a dispute than who put the case to the customer")
    open_ones = Statement.objects.filter(case_id=case, kind="dispute", answered_at__isnull=True)
    open_ones.update(answer=decision, answered_by=by, answered_at=now)
    row = rule(case=case, kind="dispute", decision=decision, reason=reason, by=by, now=now)
    return advance(Act(case, events[decision], reason.strip(), detail={"ruling": row.pk}), by=by, now=now).case


def ticketed_by(case: int) -> set[str]:
    """Who put the case to the customer; a program is nobody here."""
    rows = JournalEntry.objects.filter(case_id=case, kind="state", detail__state__in=("TICKETED", "EMERGENCY_BLOCK"))
    return {actor for actor in rows.values_list("actor", flat=True) if not people.is_program(actor)}


@transaction.atomic
def leave_intact(*, case: int, reason: str, by: str, now: datetime) -> Case:
    """No breach: compliant, left intact; every restriction is lifted and the reporter told (E3)."""
    return _ruled(case, "left_intact", Event.FOUND_COMPLIANT, reason, by, now)


@transaction.atomic
def exception(*, case: int, code: str, reason: str, by: str, now: datetime) -> Case:
    """An exception of the policy holds (a permit, research, prior approval …)."""
    return _ruled(case, "exception", Event.FOUND_EXCEPTION, f"{code}: {reason}" if reason.strip() else "", by, now, exception=code)


@transaction.atomic
def confirm_silence(*, case: int, reason: str, by: str, now: datetime) -> Case:
    """A person confirms that silence counts though no mail is known to have arrived (told by phone, by letter …)."""
    found = locked(case)
    if found.resolve_due_at is not None and found.resolve_due_at > now:
        raise Refused("the customer's time still runs")
    return _ruled(case, "silence", Event.SILENCE_CONFIRMED, reason, by, now, silence_confirmed=True)


@transaction.atomic
def judge_other(*, case: int, reason: str, by: str, now: datetime) -> Ruling:
    """What fits no clause by name: the first reviewer's reasons why it is a breach (A9, A12). A second one must agree."""
    found = locked(case)
    row = rule(case=found.pk, kind="second_review", decision="breach", reason=reason, by=by, now=now)
    journal(case=found, kind="ruling", text=f"a breach, in my view: {reason.strip()}", by=by, now=now, ruling=row.pk)
    return row


@transaction.atomic
def agree(*, ruling: int, by: str, now: datetime) -> Ruling:
    """The second reviewer agrees; somebody else than the first."""
    row = Ruling.objects.select_for_update().filter(pk=ruling, kind="second_review").first()
    if row is None:
        raise NotFound(f"there is no ruling {ruling}")
    people.require(by, Role.ANALYST)
    missing = stating.before_restricting(locked(row.case_id))
    if missing:  # a second reviewer finds a breach, which takes what the policy wants to be known first
        raise Refused(rules.MISSING.replace("{lacking}", titles(missing)))
    second(row, by=by, now=now, text=f"agrees with {row.by}: {row.reason}")
    record(by=by, action="case.second_review", subject=f"case:{row.case_id}", now=now, ruling=row.pk)
    return row


def second(row: Ruling, *, by: str, now: datetime, text: str) -> None:
    """Put the second person under a locked ruling, whose role was asked; never who made it, and one only."""
    if row.by == by:
        raise Refused("nobody reviews his own ruling")
    if row.second_by is not None:
        raise Refused(f"{row.second_by} has agreed already")
    row.second_by, row.second_at = by, now
    row.save(update_fields=["second_by", "second_at"])
    journal(case=row.case, kind="ruling", text=text, by=by, now=now, ruling=row.pk)
