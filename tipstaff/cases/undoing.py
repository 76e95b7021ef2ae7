"""Taking back what somebody decided seconds ago: state, clocks, strike, measures and notices are what they were."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tipstaff.cases.models import Approval, Case, Clock, Measure, Notice, Proof, Retraction, Strike
from tipstaff.kernel.errors import Refused


def take_back(*, case: Case, before: Mapping[str, Any], at: datetime, now: datetime) -> None:
    """Undo the decision of ``at``; the case is locked. Refused once it has had an effect outside: a notice told, a measure gone."""
    if Notice.objects.filter(case=case, created_at=at, rendered_at__isnull=False).exists():
        raise Refused("somebody has been told already")
    touched = Measure.objects.filter(case=case, lift_asked_at=at)
    if touched.filter(state="lifted").exists():
        raise Refused("a restriction has been lifted already")
    touched.filter(in_force_at__isnull=False).update(state="in_force", lift_asked_at=None, lift_by="", lift_reason="")
    touched.filter(in_force_at__isnull=True).update(state="ordered", lift_asked_at=None, lift_by="", lift_reason="")
    Measure.objects.filter(case=case, overturned_at=at).update(overturned_at=None)
    Notice.objects.filter(case=case, created_at=at).update(refused="undone")
    Strike.objects.filter(case=case, at=at).update(removed_at=now, removed_reason="the closing was undone")
    Strike.objects.filter(case=case, removed_at=at).update(removed_at=None, removed_reason="")
    Proof.objects.filter(case=case, withdrawn_at=at).update(withdrawn_at=None)
    Approval.objects.filter(case=case, refused_at=at).update(refused_at=None, refused_by="")
    Retraction.objects.filter(case=case, proposed_at=at, decided_at__isnull=True).update(decided_at=now, decision="dropped")
    Clock.objects.filter(case=case, started_at=at, fired_at__isnull=True, cancelled_at__isnull=True).update(cancelled_at=now)
    Clock.objects.filter(case=case, cancelled_at=at).update(cancelled_at=None)
    put_back(case, before)


def put_back(case: Case, before: Mapping[str, Any]) -> None:
    """The columns that make up where a case stands, as they were: the one way back beside the table."""
    case.state, case.outcome, case.closed_at = before["state"], before.get("outcome", ""), _moment(before.get("closed_at"))
    case.accepting, case.waiting_on = before["accepting"], before["waiting_on"]
    case.needs_person = before.get("needs_person", case.needs_person)
    case.next_due_at = _moment(before["next_due_at"])
    case.save(update_fields=["state", "outcome", "closed_at", "accepting", "next_due_at", "waiting_on", "needs_person"])


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
