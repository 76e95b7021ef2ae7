"""A person asks the reporter of a submission for what is missing: a promise in the outbox, and a wait.

The same rules as for a machine's ask-back (answers.py): only an authenticated sender who is no machine, a few times a day.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.evidence.access import grant
from tipstaff.evidence.services import read
from tipstaff.intake import services as intake
from tipstaff.intake.models import Submission
from tipstaff.kernel import shadow
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.pipeline import answers
from tipstaff.pipeline.columns import Item, items_of
from tipstaff.pipeline.context import own_addresses
from tipstaff.pipeline.reading import Reader, Taken
from tipstaff.policy import queries as policy

WAIT = timedelta(days=7)  # where no policy is in force
LONGEST = 4000  # characters of a question
ASKED = "asked the reporter"


@transaction.atomic
def ask(*, submission: UUID, text: str, by: str, now: datetime) -> OutboxMessage:
    """Promise the question to the reporter and put the submission off for as long as the policy waits for an answer.

    Refused where it is decided already, or the reporter cannot be written to, with the reason. InputError without a text.
    """
    shadow.refuse("nobody is asked")
    text = text.strip()[:LONGEST]
    if not text:
        raise InputError(Problem("question", "is empty", "write what is missing"))
    rows = Submission.objects.select_for_update(of=("self",)).select_related("source", "blob")
    received = rows.filter(pk=submission).exclude(state="sealed").first()
    if received is None:
        raise NotFound("There is no such submission.")
    if received.state not in {"needs_person", "failed"}:
        raise Refused(f"this submission is {received.state} already; nothing was sent")
    message = answers.question(_item(received, by, now), text, now)
    message.created_by = by
    if not answers.within_caps([message], now):
        raise Refused(f"{message.recipient} was written to {answers.DAILY_CAP} times in a day already; ask tomorrow")
    message.save()
    intake.put_off(submission=received, reason=f"{ASKED}; an answer is awaited", until=now + _patience(now), by=by, now=now)
    record(by=by, action="intake.ask", subject=f"submission:{received.pk}", now=now, message=message.pk)
    return message


def _patience(now: datetime) -> timedelta:
    """How long an incomplete report waits for its reporter (the edition's ``incomplete_closes``)."""
    in_force = policy.edition_in_force("", now)
    return in_force[1].timers.incomplete_closes if in_force else WAIT


def _item(received: Submission, by: str, now: datetime) -> Item:
    """The first report of the submission whose reporter may be written to, read from the bytes: who vouches for the sender
    stands there and nowhere else."""
    allowed = grant(blob=received.blob, actor=by, basis=f"submission:{received.pk} ask")
    content = read(blob=received.blob, grant=allowed, view="parse", now=now)
    reader, source = Reader(), received.source
    reader.renew(now)
    parsed = reader.read(
        Taken(received.pk, source.name, source.kind, received.filename, received.received_at, received.envelope, content)
    )
    own, why = own_addresses(), "nothing in it names a reporter"
    for item in items_of([parsed]):
        if answers.may_be_written_to(item, own):
            return item
        why = answers.why_not(item, own)
    raise Refused(f"the reporter cannot be asked: {why}")
