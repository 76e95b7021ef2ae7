"""How what our own flows saw weighs on a case: told in its timeline; where they saw nothing, a person looks. Never more."""

from datetime import datetime

from django.db import transaction

from tipstaff.cases.journal import journal, locked
from tipstaff.cases.states import ENDED
from tipstaff.sensors.traffic.corroboration import Verdict

UNSEEN = "our own flows did not see what the complaint describes"
SAID = {
    Verdict.SEEN: "our own flows saw what the complaint describes",
    Verdict.NOT_SEEN: UNSEEN,
    Verdict.CANNOT_TELL: "our own flows cannot tell whether it happened",
}


@transaction.atomic
def weigh(*, case: int, before: Verdict | None, after: Verdict | None, reason: str, by: str, now: datetime) -> None:
    """Tell the case what changed. Nothing is decided: seen opens and restricts nothing, not seen asks a person to look."""
    if after is None or after is before:
        return
    found = locked(case)
    journal(case=found, kind="corroboration", text=f"{SAID[after]}: {reason}", by=by, now=now, verdict=str(after))
    if found.state in ENDED or found.closed_at is not None:
        return
    if after is Verdict.NOT_SEEN and not found.needs_person:
        found.needs_person = UNSEEN
    elif after is not Verdict.NOT_SEEN and found.needs_person == UNSEEN:
        found.needs_person = ""
    else:
        return
    found.save(update_fields=["needs_person"])
