"""Illegal imagery, or an imminent threat to a life: the case goes unseen to the two named roles, and no word to the customer."""

from datetime import datetime

from django.db import transaction

from tipstaff.accounts.roles import SEALED_QUEUE
from tipstaff.audit.services import record
from tipstaff.cases import people, resolution
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Case, CaseReport, Notice, Ruling
from tipstaff.cases.states import Event, State
from tipstaff.correspondence import outbox
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.evidence import services as evidence
from tipstaff.evidence.models import Blob
from tipstaff.kernel.errors import NotFound, Refused
from tipstaff.reports.models import Report

OUTSIDE = ("customer", "reseller")  # who could be warned by a word of ours
WHY = "set apart: no word to the customer"


@transaction.atomic
def seal(*, case: int, reason: str, by: str, now: datetime) -> Case:
    """Set the case apart, and what was handed on of it. What was not sent is taken back; its evidence is shut and kept."""
    locked(case)
    ruling = resolution.rule(case=case, kind="sealed", reason=reason, by=by, now=now)
    found = advance(Act(case, Event.SEALED, reason.strip(), detail={"ruling": ruling.pk}), by=by, now=now).case
    Notice.objects.filter(case=found, audience__in=OUTSIDE, rendered_at=None, refused="").update(refused=WHY)
    waiting = OutboxMessage.objects.filter(reference=f"case:{case}", audience__in=OUTSIDE)
    outbox.withdraw_all(messages=waiting, by=by, now=now, reason=WHY)
    evidence.place_hold(scope=f"case:{case}", reason=WHY, by=by, now=now)
    shared = _shut(found, by, now)
    if shared:
        text = f"other cases rest on this evidence too, and it stays open there: {', '.join(map(str, shared))}"
        journal(case=found, kind="evidence", text=text, by=by, now=now)
    for child in Case.objects.filter(parent=found, state__in=(State.TRIAGE, State.TICKETED)).values_list("pk", flat=True):
        seal(case=child, reason=reason, by=by, now=now)
    return found


@transaction.atomic
def agree(*, ruling: int, by: str, now: datetime, reference: str = "") -> Ruling:
    """A second person of the sealed queue's roles agrees, with the number of the report to the authority where one was made.

    Setting apart waits for nobody, because hiding harms nobody; on record it takes two (section O). Raises Refused, NotFound.
    """
    if not people.roles(by) & SEALED_QUEUE:
        raise Refused(f"this takes one of these roles: {', '.join(sorted(SEALED_QUEUE))}")
    row = Ruling.objects.select_for_update().filter(pk=ruling, kind="sealed", case__state=State.RESTRICTED_CASE).first()
    if row is None:
        raise NotFound("that case is not set apart")
    told = f"; reported to the authority as {reference.strip()}" if reference.strip() else ""
    resolution.second(row, by=by, now=now, text=f"agrees that the case is set apart{told}")
    record(by=by, action="case.sealed_agreed", subject=f"case:{row.case_id}", reason=reference.strip(), now=now, ruling=row.pk)
    return row


def _shut(case: Case, by: str, now: datetime) -> list[int]:
    """Seal what the case rests on; returns what other cases rest on as well, which is left as it is."""
    mine = set(CaseReport.objects.filter(case=case).values_list("report_id", flat=True))
    blobs = set(Report.objects.filter(pk__in=mine).values_list("submission__blob", flat=True))
    of_blobs = dict(Report.objects.filter(submission__blob__in=blobs).values_list("pk", "submission__blob"))
    others = CaseReport.objects.filter(report_id__in=list(of_blobs)).exclude(case=case).values_list("report_id", flat=True)
    shared = {of_blobs[report] for report in others}
    for blob in Blob.objects.filter(pk__in=blobs - shared).order_by("pk"):
        evidence.put_seal_on(blob=blob, reason=WHY, by=by, now=now)
    return sorted(shared)
