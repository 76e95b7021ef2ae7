"""Which submissions a person may see. What is sealed is seen by two named roles only, and never opened (B17)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from tipstaff.accounts.access import may, require
from tipstaff.evidence.access import Grant, grant
from tipstaff.intake.models import Submission
from tipstaff.kernel.errors import NotFound, Refused

SEALED = "sealed"


def visible_to(staff: Any) -> "QuerySet[Submission]":
    """Submissions that are not sealed, for those who work at the desk; nor those whose evidence was shut with their case."""
    if not may(staff, "see submissions"):
        return Submission.objects.none()
    return Submission.objects.exclude(state=SEALED).exclude(blob__evidence_class=SEALED)


def submission_for(staff: Any, number: UUID) -> Submission:
    """One submission with its source and evidence row. A sealed one does not exist here for anybody."""
    try:
        return visible_to(staff).select_related("source", "blob").get(pk=number)
    except Submission.DoesNotExist:
        raise NotFound("There is no such submission, or it is not yours to see.") from None


def is_unjudged(submission: Submission) -> bool:
    """Whether nobody knows yet if it must be sealed: it waits to be read, or reading it never ended, so left no trace. What a
    person decided about it unread changes nothing in that."""
    untold = submission.state == "failed" or (submission.state == "set_aside" and submission.decided_by)
    return submission.state == "received" or bool(untold and not submission.trace)


@dataclass(frozen=True)
class Shown:
    """What of a submission may be shown in a list: nothing that its sender wrote before it is known whether it must go unseen."""

    name: str
    sender: str
    reason: str
    is_judged: bool = True


def shown(submission: Submission) -> Shown:
    """Its subject, sender and reason, or neutral words while it is unjudged."""
    if is_unjudged(submission):
        return Shown(
            "(not read yet)", "", submission.reason.partition(":")[0], False
        )  # behind the colon an error may quote the letter
    return Shown(submission.subject or "(no subject)", submission.sender, submission.reason)


def sealed_for(staff: Any) -> "QuerySet[Submission]":
    """The sealed queue: when, from where, why. Subject and sender are empty by design; evidence does not open."""
    if not may(staff, "see the sealed queue"):
        return Submission.objects.none()
    return Submission.objects.filter(state=SEALED).select_related("source", "blob")


def open_evidence(staff: Any, submission: Submission) -> Grant:
    """The grant to look at what was received."""
    if submission.state == SEALED:
        raise NotFound("There is no such submission, or it is not yours to see.")
    if is_unjudged(submission):
        raise Refused("it was not read yet: until then nobody knows whether it must go unseen to the sealed queue")
    require(staff, "open evidence")
    return grant(blob=submission.blob, actor=staff.username, basis=f"submission:{submission.pk} intake")
