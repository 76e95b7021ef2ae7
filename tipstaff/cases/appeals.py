"""Appeals: brought within the policy's time, decided by somebody who had no part, and undone wholly when they succeed."""

from datetime import datetime
from typing import Any

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import measures, people
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.journal import locked
from tipstaff.cases.models import Appeal, Approval, Case, JournalEntry, Measure, Ruling
from tipstaff.cases.states import ENDED, Event, State
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import queries as policy

DECISIONS = {"overturned": Event.APPEAL_OVERTURNED, "upheld": Event.APPEAL_UPHELD}
DECIDERS = frozenset({"analyst", "lead", "counsel", "admin"})
MOST = 20_000


@transaction.atomic
def file(*, case: int, grounds: str, by: str, now: datetime, measure: int | None = None) -> Appeal:
    """Bring an appeal against the decision, or against one measure. Refused when its time is over or one is open already."""
    if not grounds.strip() or len(grounds) > MOST:
        raise InputError(Problem("grounds", "are missing or too long", f"say why, in at most {MOST} characters"))
    found = locked(case)
    if found.ticketed_at is None:
        raise Refused(f"case {found.pk} has not been put to the customer")
    contact = people.speaker(by)
    if contact is not None and contact.customer_id not in {found.customer_id, found.customer.parent_id}:
        raise Refused("this contact belongs to another customer")
    about = Measure.objects.filter(pk=measure, case=found).first() if measure else None
    if measure and about is None:
        raise NotFound(f"there is no measure {measure} in this case")
    if Appeal.objects.filter(case=found, decided_at__isnull=True).exists():
        raise Refused("an appeal is open already")
    within = _since(found, about) + policy.compiled(found.edition).timers.appeal_within
    row = Appeal.objects.create(
        case=found, measure=about, grounds=grounds.strip(), by=by, at=now, within_until=within, resumes=_standing(found)
    )
    given = {"in_time": now <= within}
    advance(Act(found.pk, Event.APPEALED, grounds.strip()[:2000], given=given, detail={"appeal": row.pk}), by=by, now=now)
    record(by=by, action="case.appeal", subject=f"case:{found.pk}", now=now, appeal=row.pk)
    return row


def _since(case: Case, measure: Measure | None) -> datetime:
    """The decision that is appealed: the measure's, the closing, or the latest change of state."""
    if measure is not None:
        return measure.in_force_at or measure.decided_at
    last = JournalEntry.objects.filter(case=case, kind="state").order_by("-at", "-pk").values_list("at", flat=True).first()
    return case.closed_at or last or case.opened_at


def _standing(case: Case) -> dict[str, Any]:
    closed = case.closed_at.isoformat() if case.closed_at else ""
    return {"state": case.state, "outcome": case.outcome, "closed_at": closed, "waiting_on": case.waiting_on}


def involved(case: int) -> set[str]:
    """Everybody who had a part in what was decided before: they do not decide an appeal."""
    found: set[str] = set()
    for model, names in (
        (Measure, ("decided_by", "confirmed_by")), (Approval, ("requested_by", "approved_by")), (Ruling, ("by", "second_by")),
    ):  # fmt: skip
        for row in model.objects.filter(case_id=case).values_list(*names):
            found.update(name for name in row if name)
    acts = JournalEntry.objects.filter(case_id=case, kind__in=("state", "category", "measure", "ruling"))
    found.update(acts.values_list("actor", flat=True))
    return {name for name in found if not people.is_program(name) and not people.is_contact(name)}


def _open(number: int) -> Appeal:
    case = Appeal.objects.filter(pk=number).values_list("case_id", flat=True).first()
    if case is None:
        raise NotFound(f"there is no appeal {number}")
    locked(case)
    row = Appeal.objects.select_for_update().get(pk=number)
    if row.decided_at is not None:
        raise Refused(f"that appeal was {row.decision} by {row.decided_by}")
    return row


@transaction.atomic
def decide(*, appeal: int, decision: str, reason: str, by: str, now: datetime) -> Appeal:
    """'overturned': undone, restored, credited, with an apology; 'upheld': the decision stands. Never by who had a part in it."""
    if decision not in DECISIONS:
        raise InputError(Problem("decision", f"{decision!r} is not known", "overturned or upheld"))
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "the customer is told why"))
    row = _open(appeal)
    if not people.roles(by) & DECIDERS:
        raise Refused(f"this takes one of these roles: {', '.join(sorted(DECIDERS))}")
    if by in involved(row.case_id) or by == row.by:
        raise Refused("an appeal is decided by somebody who had no part in the decision")
    _settle(row, decision, reason.strip(), by, now)
    extra = {"measure": str(row.measure_id)} if row.measure_id else {}
    given = {"resumes": State(row.resumes["state"]), "about_measure": row.measure_id is not None, "extra": extra}
    detail = {"appeal": row.pk, "decision": decision, "reason": reason.strip()}
    advance(Act(row.case_id, DECISIONS[decision], reason.strip(), given=given, detail=detail), by=by, now=now)
    _resume_ended(row)
    measures.catch_up(case=row.case_id, since=row.at, by=by, now=now)
    record(by=by, action=f"case.appeal_{decision}", subject=f"case:{row.case_id}", reason=reason.strip(), now=now, appeal=row.pk)
    return row


@transaction.atomic
def withdraw(*, appeal: int, by: str, now: datetime) -> Appeal:
    """Whoever brought it, or somebody else of that customer, does not go on with it; Refused for anybody else."""
    row = _open(appeal)
    contact = people.contact_of(by)
    customer = Case.objects.select_related("customer").get(pk=row.case_id).customer
    if by != row.by and (contact is None or contact.customer_id not in {customer.pk, customer.parent_id}):
        raise Refused("an appeal is withdrawn by whoever brought it; the desk decides it")
    _settle(row, "withdrawn", "", by, now)
    given = {"resumes": State(row.resumes["state"])}
    advance(Act(row.case_id, Event.APPEAL_WITHDRAWN, given=given, detail={"appeal": row.pk}), by=by, now=now)
    _resume_ended(row)
    measures.catch_up(case=row.case_id, since=row.at, by=by, now=now)
    return row


def _settle(row: Appeal, decision: str, reason: str, by: str, now: datetime) -> None:
    row.decision, row.reason, row.decided_by, row.decided_at = decision, reason, by, now
    row.save(update_fields=["decision", "reason", "decided_by", "decided_at"])


def _resume_ended(row: Appeal) -> None:
    """A case that had ended is as ended as it was: its closing keeps its moment."""
    case = Case.objects.get(pk=row.case_id)
    if case.state in ENDED and case.state == row.resumes["state"]:
        closed = datetime.fromisoformat(row.resumes["closed_at"]) if row.resumes["closed_at"] else case.closed_at
        Case.objects.filter(pk=case.pk).update(closed_at=closed, outcome=row.resumes["outcome"], waiting_on="")
