"""Answers and returned mail that name a case of ours go to its timeline; the others go to a person.

Who answers is known only where a server that we trust vouches for the sender and the address is one of the case's contacts.
Everything else is filed as what it claims to be, and never counts as the customer's word.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from tipstaff.accounts.models import Contact
from tipstaff.audit.models import Entry
from tipstaff.audit.services import record
from tipstaff.cases import statements
from tipstaff.cases.journal import journal
from tipstaff.cases.letters import reporters_to_tell
from tipstaff.cases.models import Case, JournalEntry, Notice
from tipstaff.cases.tokens import named, token_of
from tipstaff.correspondence import links, outbox
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.models import Submission
from tipstaff.intake.reading.answering import LONGEST, Said
from tipstaff.intake.reading.returned import Returned
from tipstaff.kernel.errors import TipstaffError
from tipstaff.pipeline.columns import Item

BY = "system:replies"
ANSWERS = (Disposition.REPLY, Disposition.AUTO_REPLY, Disposition.BOUNCE, Disposition.RETRACTION, Disposition.COUNTER_NOTICE)
#: Somebody waits for what we do about these: where no case of ours is named, a person looks for it.
ASKING = {
    Disposition.REPLY: "an answer",
    Disposition.RETRACTION: "a retraction",
    Disposition.COUNTER_NOTICE: "a counter-notice",
}
#: What a person at the desk must hear of at once.
CALLS = {Disposition.RETRACTION: "its reporter retracts a report", Disposition.COUNTER_NOTICE: "a counter-notice has come"}
FIND_WITHIN = timedelta(hours=4)
WINDOW = timedelta(hours=1)
MOST_WRONG = 10  # tokens that are none of ours, from one sender within the window; more are set aside unread
NOT_READ_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Side:
    """Who seems to answer. ``verified``: a trusted server vouches for the sender, and the address is known on this case."""

    name: str  # customer, reporter, somebody
    verified: bool
    shown: str
    contact: int | None = None


def file_replies(items: Sequence[Item], now: datetime) -> None:
    """File what answers us. One that fails costs the others nothing: it goes to a person."""
    for item in items:
        draft = item.draft
        if draft.disposition is Disposition.BOUNCE and draft.returned is not None and _returned(item, draft.returned, now):
            continue
        if draft.disposition in ASKING or (draft.disposition in ANSWERS and draft.external_id):
            _file(item, draft.external_id or "", now)


def _file(item: Item, token: str, now: datetime) -> None:
    submission = Submission.objects.filter(pk=item.parsed.submission)
    known = named(token)
    case = Case.objects.select_related("customer").filter(pk=known[0]).first() if known else None
    if case is None or known is None:
        if asking := ASKING.get(item.draft.disposition):
            _nameless(item, token, asking, now)
        return
    case = case.merged_into or case
    side = side_of(case, item, known[1])
    submission.update(case_ref=str(case.pk), state="set_aside", reason=f"filed to case {case.pk}", due_at=None)
    entry = _entry(case, item, side, now)
    if item.draft.disposition not in ASKING:
        return
    fields: dict[str, Any] = {"last_word_by": side.name if side.verified else side.shown, "last_word_at": now}
    if case.closed_at is None:
        fields["waiting_on"] = "us"
        if call := CALLS.get(item.draft.disposition):
            fields["needs_person"] = call
    Case.objects.filter(pk=case.pk).update(**fields)
    if side.contact is not None and item.draft.disposition is Disposition.REPLY:
        _customers_word(case, side, item.draft.said or Said(item.draft.subject or ""), entry, now)


def side_of(case: Case, item: Item, given_to: str) -> Side:
    """Who answers, by the authenticated sender and the token that it came with.

    A reporter's token never leads to the customer's side. A contact's address that nobody vouches for is a claim.
    """
    sender, vouched = (item.draft.reporter.email or "").lower(), bool(item.draft.reporter.authenticated_as)
    answering = {case.customer_id, case.customer.parent_id} - {None}
    contact = Contact.objects.filter(customer__in=answering, email__iexact=sender).first() if sender else None
    if contact is not None and given_to != "reporter":
        who = f"{contact.name} <{sender}>" if contact.name else sender
        if vouched:
            return Side("customer", True, who, contact.pk)
        return Side("customer", False, f"somebody who claims to be {who}")
    if sender and any(row.email.lower() == sender for row in reporters_to_tell(case.pk)):
        return Side("reporter", vouched, "a reporter of this case" if vouched else "somebody who claims to be a reporter")
    return Side("somebody", False, f"somebody who says they are {sender}" if sender else "somebody")


def _entry(case: Case, item: Item, side: Side, now: datetime) -> JournalEntry:
    """The timeline's entry: own words, what was quoted folded away, and how sure we are of who wrote it."""
    draft = item.draft
    said = draft.said or Said("")
    words = said.words if not said.unread else f"{said.words}\n\n[{said.unread}]".strip()
    text = words or f"{draft.disposition} from {side.shown}: {draft.subject or 'no subject'}"
    detail = {
        "submission": str(item.parsed.submission),
        "side": side.shown if not side.verified else side.name,
        "verified": side.verified,
        "disposition": str(draft.disposition),
        "subject": draft.subject or "",
        "from": (draft.reporter.email or "").lower(),
        "message_id": said.message_id,
        "quoted": said.quoted,
        "unread": said.unread,
        "to": "us",
    }
    actor = side.name if side.verified else side.shown
    kind = "reply" if draft.disposition in ASKING else "mail"
    return JournalEntry.objects.create(case=case, at=now, actor=actor, kind=kind, text=text[:LONGEST], detail=detail, internal=True)


def _customers_word(case: Case, side: Side, said: Said, entry: JournalEntry, now: datetime) -> None:
    """A contact's own answer is the customer's word; it acknowledges only where the operator says so. What the case does not take
    any more stays on its timeline."""
    by = f"contact:{side.contact}"
    if said.unread:
        _not_read(case, said.unread, now)
        return
    try:
        with transaction.atomic():
            if settings.MAIL_ACKNOWLEDGES and case.acknowledged_at is None and case.state == "TICKETED":
                statements.acknowledge(case=case.pk, by=by, now=now, via="mail", text=said.words)
            elif said.words.strip():
                statements.comment(case=case.pk, text=said.words, by=by, now=now, via="mail")
    except TipstaffError as reason:
        journal(case=case, kind="mail", text=f"the answer stays a letter: {reason}", by=BY, now=now, of=entry.pk)


def _not_read(case: Case, why: str, now: datetime) -> None:
    """Tell whoever sent it that it was too much, once a day."""
    told = Notice.objects.filter(case=case, kind="not_read", created_at__gt=now - NOT_READ_EVERY).exists()
    journal(case=case, kind="mail", text=f"an answer was not read: {why}", by=BY, now=now, told_before=told)
    if not told and case.ticketed_at is not None:
        detail = {"reason": why, "limit": f"{LONGEST:,}"}
        Notice.objects.create(case=case, kind="not_read", audience="customer", detail=detail, created_at=now, not_before=now)


def _nameless(item: Item, token: str, asking: str, now: datetime) -> None:
    """An answer that names no case goes to a person; a sender who tries token after token is set aside, on the record."""
    rows = Submission.objects.filter(pk=item.parsed.submission)
    said = f"{asking} to {token[:80]!r}, which is no case of ours" if token else f"{asking} that names no case of ours"
    if token and _too_many(item, rows.first(), now):
        said += f"; more than {MOST_WRONG} such from this sender within an hour: set aside"
        rows.update(state="set_aside", reason=said, due_at=None)
        return
    rows.update(state="needs_person", reason=said, due_at=now + FIND_WITHIN)


def _too_many(item: Item, received: Submission | None, now: datetime) -> bool:
    """Counts a wrong token under a hash of where it came from: the record names nobody."""
    peer = str((received.envelope or {}).get("peer", "")) if received else ""
    origin = peer or (item.draft.reporter.email or "").rpartition("@")[2] or "unknown"
    subject = f"reply-from:{hashlib.sha256(origin.encode()).hexdigest()[:24]}"
    before = Entry.objects.filter(subject=subject, action="reply.wrong_token", at__gt=now - WINDOW).count()
    if before <= MOST_WRONG:
        record(by=BY, action="reply.wrong_token", subject=subject, now=now, submission=str(item.parsed.submission))
    return before >= MOST_WRONG


def _returned(item: Item, back: Returned, now: datetime) -> bool:
    """A returned mail finds the message that came back, by number and token. Returns whether it was filed."""
    row = OutboxMessage.objects.filter(pk=back.number).first() if back.number is not None else None
    if row is None or not _ours(row, back.token):
        return False
    rows = Submission.objects.filter(pk=item.parsed.submission)
    kind, _, number = row.reference.partition(":")
    rows.update(case_ref=number if kind == "case" else "", state="set_aside", reason=f"message {row.pk} came back", due_at=None)
    why = " ".join(filter(None, (back.status, back.diagnostic))) or "the mail system says no more"
    if not back.final:
        if kind == "case" and (case := Case.objects.filter(pk=int(number)).first()):
            journal(case=case, kind="mail", text=f"delivery is delayed, message {row.pk}: {why}", by=BY, now=now, messages=[row.pk])
        return True
    if row.state in {"sent", "held"}:
        lost = OutboxMessage.objects.filter(pk=row.pk)
        lost.update(state="failed", bad_address=True, reported_at=None, error=f"came back: {why}")
    if row.audience == "reporter":
        outbox.suppress(address=row.recipient, reason=f"mail came back: {why}", by=BY, now=now)
    return True


def _ours(row: OutboxMessage, token: str) -> bool:
    """Whether the token is the message's own; without one anybody could say that a customer cannot be reached."""
    kind, _, number = row.reference.partition(":")
    side = {"reporter": "reporter", "reseller": "reseller"}.get(row.audience, "customer")
    right = token_of(int(number), side) if kind == "case" else links.check_of(row.reference)
    return bool(token) and token == right
