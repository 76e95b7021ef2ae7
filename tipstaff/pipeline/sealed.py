"""Submissions that go unseen to the sealed queue (B17): their evidence opens to nobody at the desk and is kept until counsel
says otherwise; where the policy says so, media are reduced to hash, size and type."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from tipstaff.audit.services import record
from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import Plain, erase_unseen, keep, read_many
from tipstaff.intake.models import Submission
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.reduction import reduced
from tipstaff.pipeline import holds
from tipstaff.pipeline.columns import Parsed
from tipstaff.pipeline.context import Context
from tipstaff.pipeline.filing import INTAKE_TIME
from tipstaff.policy.switches import MailedMedia

ACTOR = "system:sealing"


def seal(batch: Sequence[Parsed], context: Context, now: datetime) -> None:
    """Seal the evidence of every submission with a sealed draft, in the batch's transaction."""
    sealed = [parsed.submission for parsed in batch if any(draft.sealed for draft in parsed.drafts)]
    if not sealed:
        return
    in_force = context.editions.at("", now)
    if in_force is not None and in_force[1].switches.mailed_media is MailedMedia.DIGEST_ONLY:
        for submission in Submission.objects.filter(pk__in=sealed).select_related("blob"):
            _reduce(submission, now)
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE evidence_blob b SET evidence_class = 'sealed', retain_until = NULL
               FROM intake_submission s WHERE s.blob_id = b.id AND s.id = ANY(%s::uuid[])""",
            [[str(number) for number in sealed]],
        )
    record(
        by=ACTOR,
        action="intake.seal",
        subject=f"{len(sealed)} submissions",
        now=now,
        submissions=[str(number) for number in sealed],
    )


def set_apart(batch: Sequence[Parsed], context: Context, now: datetime) -> None:
    """The same for submissions that could not be filed: they leave no report, but nobody at the desk sees them either."""
    with transaction.atomic():
        Submission.objects.filter(pk__in=[parsed.submission for parsed in batch]).update(
            state="sealed", reason="sealed before anybody saw it; filing it failed", disposition="", subject="", sender="",
            trace=[], claimed_by="", claimed_until=None, due_at=now + INTAKE_TIME,
        )  # fmt: skip
        seal(batch, context, now)


def _reduce(submission: Submission, now: datetime) -> None:
    """Put the reduced document in the place of the mail, which is erased; one that a hold reaches stays as it came, sealed."""
    before = submission.blob
    content = next(content for _, content in read_many(blobs=[before], actor=ACTOR, now=now))
    if not Submission.objects.filter(blob=before).exclude(pk=submission.pk).exclude(state="sealed").exists():
        Blob.objects.filter(pk=before.pk).update(evidence_class="sealed")
        why = "media of a sealed report are kept as digests only"
        if not erase_unseen(blob=before, held=holds.blobs, reason=why, by=ACTOR, now=now):
            return
    (number,) = keep(items=[Plain(reduced(open_message(content)), "application/json", "sealed")], now=now)
    Submission.objects.filter(pk=submission.pk).update(blob_id=number)
