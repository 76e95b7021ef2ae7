"""What the two named roles decide about a sealed submission, unseen: handled with the authority, or sealed by mistake (B17).

Nothing here opens evidence. A mistake is said by one person and confirmed by another; only then is it read as other mail.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from tipstaff.accounts.access import may
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.services import record
from tipstaff.evidence.services import take_seal_off
from tipstaff.intake.access import SEALED
from tipstaff.intake.models import Submission
from tipstaff.intake.services import class_of
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

KEY = "clearance"  # of Submission.envelope: who said that it was sealed by mistake, and who confirmed it
REDUCED = "application/json"  # media type of what is kept where media are reduced to digests
LONGEST = 300  # characters of a reference or reason


def is_cleared(envelope: Mapping[str, Any]) -> bool:
    """Whether two different people said that a submission was sealed by mistake."""
    said = envelope.get(KEY)
    if not isinstance(said, dict):
        return False
    first, second = said.get("proposed_by"), said.get("confirmed_by")
    return bool(first and second and first != second)


def proposal(submission: Submission) -> dict[str, Any]:
    """{'proposed_by', 'proposed_at', 'reason'} of what waits for a second person, or nothing."""
    return dict(submission.envelope.get(KEY) or {})


@transaction.atomic
def handle(*, submission: UUID, reference: str, by: StaffMember, now: datetime) -> None:
    """It was reported to the authority under ``reference``. It stays sealed, its clock ends."""
    found = _held(submission, by)
    reference = _given("reference", reference, "write the number of the report to the authority")
    found.reason = f"handled: authority report {reference}"
    found.decided_at, found.decided_by, found.due_at = now, by.username, None
    found.envelope.pop(KEY, None)
    found.save(update_fields=["reason", "decided_at", "decided_by", "due_at", "envelope"])
    record(by=by.username, action="sealed.handled", subject=f"submission:{found.pk}", now=now, reference=reference)


@transaction.atomic
def propose(*, submission: UUID, reason: str, by: StaffMember, now: datetime) -> None:
    """The first of two people says that it was sealed by mistake, and how they know without seeing it."""
    found = _held(submission, by)
    reason = _given("reason", reason, "write how you know, for instance whom you asked")
    if proposal(found):
        raise Refused(f"{proposal(found)['proposed_by']} has proposed this already; another person confirms it or keeps it sealed")
    _readable(found)
    found.envelope[KEY] = {"proposed_by": by.username, "proposed_at": now.isoformat(), "reason": reason}
    found.save(update_fields=["envelope"])
    record(by=by.username, action="sealed.propose", subject=f"submission:{found.pk}", reason=reason, now=now)


@transaction.atomic
def keep_sealed(*, submission: UUID, by: StaffMember, now: datetime) -> None:
    """Take a proposal back, or refuse somebody else's."""
    found = _held(submission, by)
    said = found.envelope.pop(KEY, None)
    if said is None:
        raise Refused("nobody has proposed to take the seal off; nothing was changed")
    found.save(update_fields=["envelope"])
    record(by=by.username, action="sealed.keep", subject=f"submission:{found.pk}", now=now, proposed_by=said["proposed_by"])


@transaction.atomic
def confirm(*, submission: UUID, by: StaffMember, now: datetime) -> None:
    """The second person agrees: the seal comes off and it is read again, with every sealed copy of the same bytes."""
    found = _held(submission, by)
    said = proposal(found)
    if not said:
        raise Refused("nobody has proposed to take the seal off; propose it, and another person confirms")
    if said["proposed_by"] == by.username:
        raise Refused("you proposed this yourself; another person of the two roles must confirm it")
    _readable(found)
    said |= {"confirmed_by": by.username, "confirmed_at": now.isoformat()}
    copies = list(Submission.objects.select_for_update(of=("self",)).filter(blob=found.blob_id, state=SEALED))
    for copy in copies:
        copy.envelope[KEY], copy.state, copy.reason = said, "received", "sealed by mistake; to be read again"
        copy.decided_at, copy.decided_by, copy.due_at = now, by.username, None
        copy.claimed_by, copy.claimed_until, copy.attempts = "", None, 0
        copy.save()
    evidence_class = class_of(found.source.kind, found.filename)
    take_seal_off(blob=found.blob, evidence_class=evidence_class, reason=said["reason"], by=by.username, now=now)
    record(
        by=by.username,
        action="sealed.clear",
        subject=f"submission:{found.pk}",
        reason=said["reason"],
        now=now,
        proposed_by=said["proposed_by"],
        submissions=[str(copy.pk) for copy in copies],
    )


def _held(number: UUID, by: StaffMember) -> Submission:
    if not may(by, "see the sealed queue"):
        raise Refused("only the roles of the sealed queue decide here")
    rows = Submission.objects.select_for_update(of=("self",)).select_related("source", "blob")
    found = rows.filter(pk=number, state=SEALED).first()
    if found is None:
        raise NotFound("There is no such submission in the sealed queue.")
    if found.decided_at is not None and found.due_at is None and found.reason.startswith("handled"):
        raise Refused(f"this is handled already ({found.reason})")
    return found


def _given(name: str, text: str, what: str) -> str:
    text = " ".join(text.split())[:LONGEST]
    if not text:
        raise InputError(Problem(name, "is empty", what))
    return text


def _readable(found: Submission) -> None:
    if found.blob.wrapped_key is None or found.blob.media_type == REDUCED:
        raise Refused("the mail itself was not kept, only digests of it: there is nothing left to read again")
