"""Ending a service: both failures, two people, a final notice, time to fetch the data, and holds that keep it."""

from datetime import datetime
from typing import Any

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import people, resolution
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Approval, Case
from tipstaff.cases.states import Event
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.edition import Role


def pending(case: int) -> Approval | None:
    """The termination that waits for a second person."""
    rows = Approval.objects.filter(case_id=case, what="terminate", executed_at__isnull=True, refused_at__isnull=True)
    return rows.order_by("-pk").first()


@transaction.atomic
def propose(*, case: int, reason: str, by: str, now: datetime) -> Approval:
    """Ask for it as the ladder allows; the final notice is owed and its time runs."""
    return _ask(case, Event.TERMINATION_ASKED, "termination", reason, Role.ANALYST, by, now)


@transaction.atomic
def immediate(*, case: int, reason: str, by: str, now: datetime) -> Approval:
    """Ask for termination without notice (A15): a lead, the reason, and a second person; on record as what it is."""
    return _ask(case, Event.TERMINATION_AT_ONCE, "immediate_termination", reason, Role.LEAD, by, now, immediate=True)


def _ask(case: int, event: Event, kind: str, reason: str, role: Role, by: str, now: datetime, **given: Any) -> Approval:
    locked(case)
    ruling = resolution.rule(case=case, kind=kind, reason=reason, by=by, now=now, role=role)
    advance(Act(case, event, reason.strip(), given=given, detail={"ruling": ruling.pk}), by=by, now=now)
    row = pending(case)
    assert row is not None
    return row


@transaction.atomic
def confirm(*, approval: int, by: str, now: datetime) -> Case:
    """Agree to it. Two people: where time asked, the first to agree stands for the asking, and another must follow.

    One of the two is a lead. Refused while the final notice runs.
    """
    row = Approval.objects.filter(pk=approval, what="terminate").first()
    if row is None:
        raise NotFound(f"there is no request {approval}")
    case = locked(row.case_id)
    row = Approval.objects.select_for_update().get(pk=approval)
    if row.refused_at is not None or row.approved_at is not None:
        raise Refused("that request is settled: " + (f"approved by {row.approved_by}" if row.approved_at else "withdrawn"))
    people.require_person(by, Role.ANALYST)
    if people.is_program(row.requested_by):
        row.detail = {**row.detail, "asked_by_time": row.requested_by}
        row.requested_by, row.requested_at = by, now
        row.save(update_fields=["requested_by", "requested_at", "detail"])
        journal(case=case, kind="ruling", text="agrees to the termination, as the first of two people", by=by, now=now)
        record(by=by, action="case.termination_first", subject=f"case:{case.pk}", now=now, approval=row.pk)
        return Case.objects.get(pk=case.pk)
    if row.requested_by == by:
        raise Refused("nobody approves his own action")
    if not (people.may(by, Role.LEAD) or people.may(row.requested_by, Role.LEAD)):
        raise Refused("one of the two people must be a lead")
    row.approved_by, row.approved_at = by, now
    row.save(update_fields=["approved_by", "approved_at"])
    given = {"immediate": bool(row.detail.get("immediate"))}
    advance(Act(case.pk, Event.TERMINATION_CONFIRMED, row.reason, given=given, detail={"approval": row.pk}), by=by, now=now)
    record(by=by, action="case.terminate", subject=f"case:{case.pk}", reason=row.reason, now=now, approval=row.pk)
    return Case.objects.get(pk=case.pk)


@transaction.atomic
def withdraw(*, case: int, reason: str, by: str, now: datetime) -> Case:
    """Do not terminate after all; a lead's act. The restriction, where one stands, stays."""
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "say why not"))
    people.require(by, Role.LEAD)
    return advance(Act(case, Event.TERMINATION_WITHDRAWN, reason.strip()), by=by, now=now).case
