"""When we were wrong: strikes go, measures lift, minutes are the customer's again, and whoever was told may be told otherwise."""

from datetime import datetime

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.cases.journal import journal, locked, owe
from tipstaff.cases.models import Case, JournalEntry, Measure, Notice, Proof, Retraction, Strike
from tipstaff.cases.states import Duty
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.edition import Role

DECISIONS = ("sent", "dropped")
#: States of a measure that can still be lifted.
STANDING = ("decided", "ordered", "in_force")


def put_right(*, case: Case, reason: str, by: str, now: datetime, measure: int | None = None) -> None:
    """Undo what a wrong decision left behind; the case is locked. ``measure``: only that one was wrong."""
    measures = Measure.objects.filter(case=case, overturned_at__isnull=True)
    measures = measures.filter(pk=measure) if measure else measures
    count = measures.update(overturned_at=now)
    if measure is None:
        Strike.objects.filter(case=case, removed_at__isnull=True).update(removed_at=now, removed_reason=reason)
        Proof.objects.filter(case=case, withdrawn_at__isnull=True).update(withdrawn_at=now)
    propose_retractions(case=case.pk, reason=reason, by=by, now=now)
    if count:
        text = f"{count} measure{'s' if count != 1 else ''} overturned; the minutes of interruption are creditable"
        journal(case=case, kind="measure", text=text, by=by, now=now, internal=False)
    record(by=by, action="case.put_right", subject=f"case:{case.pk}", reason=reason, now=now, measures=count)


@transaction.atomic
def withdrawn(*, case: int, reason: str, by: str, now: datetime) -> None:
    """A case turned out to speak of the wrong customer (moved, attributed anew): lift, credit, and propose retractions."""
    found = locked(case)
    if found.ticketed_at is None and not Measure.objects.filter(case=found).exists():
        return  # nobody was accused
    asked = {"lift_asked_at": now, "lift_by": by, "lift_reason": reason}
    standing = Measure.objects.filter(case=found)
    standing.filter(state="decided").update(state="lifted", lifted_at=now, **asked)
    standing.filter(state__in=("ordered", "in_force")).update(state="lifting", **asked)
    put_right(case=found, reason=reason, by=by, now=now)
    journal(case=found, kind="note", text=f"the accusation does not stand: {reason}", by=by, now=now)


@transaction.atomic
def propose_retractions(*, case: int, reason: str, by: str, now: datetime) -> list[Retraction]:
    """One proposal for each audience that was told of the case and has none open; a person decides each."""
    found = locked(case)
    open_ones = set(Retraction.objects.filter(case=found, decided_at__isnull=True).values_list("audience", flat=True))
    told = _told(found)
    rows = [
        Retraction(case=found, audience=audience, told=words, reason=reason, proposed_by=by, proposed_at=now)
        for audience, words in sorted(told.items())
        if audience not in open_ones
    ]
    if rows:
        text = f"retraction proposed to: {', '.join(row.audience for row in rows)} ({reason})"
        journal(case=found, kind="retraction", text=text, by=by, now=now)
    return Retraction.objects.bulk_create(rows)


def _told(case: Case) -> dict[str, str]:
    """Audience → what it had been told, from what was sent and from what is still owed."""
    found: dict[str, list[str]] = {}
    for row in OutboxMessage.objects.filter(reference=f"case:{case.pk}").exclude(state__in=("withdrawn", "failed")).order_by("pk"):
        found.setdefault(row.audience, []).append(f"{row.kind} of {row.created_at:%Y-%m-%d}")
    for notice in Notice.objects.filter(case=case, rendered_at__isnull=False).order_by("pk"):
        found.setdefault(notice.audience, []).append(f"{notice.kind} of {notice.created_at:%Y-%m-%d}")
    authority = JournalEntry.objects.filter(case=case, kind="authority").order_by("pk")
    for entry in authority:
        found.setdefault("authority", []).append(f"{entry.text} ({entry.at:%Y-%m-%d})")
    return {audience: "; ".join(words[-5:]) for audience, words in found.items() if audience != "staff"}


@transaction.atomic
def decide(*, retraction: int, decision: str, by: str, now: datetime, reason: str = "") -> Retraction:
    """Send or drop a proposed retraction; an analyst's act."""
    if decision not in DECISIONS:
        raise InputError(Problem("decision", f"{decision!r} is not known", f"one of {', '.join(DECISIONS)}"))
    people.require(by, Role.ANALYST)
    row = Retraction.objects.select_for_update().filter(pk=retraction).first()
    if row is None:
        raise NotFound(f"there is no retraction {retraction}")
    if row.decided_at is not None:
        raise Refused(f"that retraction was {row.decision} by {row.decided_by}")
    case = locked(row.case_id)
    row.decided_by, row.decided_at, row.decision = by, now, decision
    row.save(update_fields=["decided_by", "decided_at", "decision"])
    if decision == "sent":
        owe(case=case, duty=Duty.RETRACTION, now=now, audiences=(row.audience,), reason=row.reason, told=row.told)
    words = f"retraction to {row.audience} {decision}" + (f": {reason}" if reason else "")
    journal(case=case, kind="retraction", text=words, by=by, now=now)
    return row
