"""What a report makes us write to its reporter, and answers to what we wrote: ask-back, confirmation by link, filed replies.

Only an authenticated sender who is no machine is written to, a few times a day at most, and never about a report whose
evidence stands by itself.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db.models import Count

from tipstaff.accounts.models import Contact
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.cases.tokens import case_named
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.models import Submission
from tipstaff.pipeline.columns import Item
from tipstaff.pipeline.filing import reporter_key, verification

DAILY_CAP = 3  # messages to one address in a day, of any kind
CONFIRM_SALT = "tipstaff.reporter.confirm"
ANSWERS = (Disposition.REPLY, Disposition.AUTO_REPLY, Disposition.BOUNCE, Disposition.RETRACTION, Disposition.COUNTER_NOTICE)
#: Somebody waits for what we do about these: where no case of ours is named, a person looks for it.
ASKING = {
    Disposition.REPLY: "an answer",
    Disposition.RETRACTION: "a retraction",
    Disposition.COUNTER_NOTICE: "a counter-notice",
}
FIND_WITHIN = timedelta(hours=4)
ANSWER = "Please answer this message. Without an answer within seven days we close the report as not verified."
MISSING = {
    "reporter": "your name and how to reach you",
    "locator": "the address (with port and time) or the URL that the complaint is about",
    "description": "what happened, with a log or the message itself",
}


def write_back(items: Sequence[Item], reporters: Mapping[str, tuple[int, int]], own: Sequence[str], now: datetime) -> int:
    """Promise an ask-back for what is incomplete, and a confirmation link to a sender who is not known. Returns how many."""
    wanted = [item for item in items if may_be_written_to(item, own)]
    messages = [message for item in wanted if (message := _message(item, reporters[reporter_key(item)], now))]
    capped = within_caps(messages, now)
    OutboxMessage.objects.bulk_create(capped, ignore_conflicts=True)
    return len(capped)


def may_be_written_to(item: Item, own: Sequence[str]) -> bool:
    """Whether an answer reaches a person who wrote to us: authenticated, no machine, not ourselves."""
    draft = item.draft
    address = (draft.reporter.email or "").lower()
    return (
        bool(address and draft.reporter.authenticated_as)
        and not draft.automated
        and not draft.sealed
        and address not in own
        and draft.disposition in {Disposition.REPORT, Disposition.NEEDS_A_PERSON}
        and not draft.feed
    )


def why_not(item: Item, own: Sequence[str]) -> str:
    """Why ``may_be_written_to`` says no, in words; empty where it says yes."""
    draft = item.draft
    address = (draft.reporter.email or "").lower()
    reasons = (
        (draft.sealed, "it is sealed"),
        (not address, "no mail address of a reporter was found"),
        (address in own, "it came from a mailbox of our own"),
        (bool(draft.automated), "a machine sent it and reads no answers"),
        (bool(draft.feed), "it is a feed"),
        (not draft.reporter.authenticated_as, "nobody vouches for the sender; the address may belong to somebody else"),
        (not may_be_written_to(item, own), "it is not a report"),
    )
    return next((words for met, words in reasons if met), "")


def question(item: Item, text: str, now: datetime) -> OutboxMessage:
    """A person's question to the reporter; not saved."""
    lines = ["thank you for your report.", "", text, "", ANSWER]
    message = _outgoing(item, "ask-back", "", lines, now)
    message.dedupe_key = None  # a person may ask again
    return message


def _message(item: Item, reporter: tuple[int, int], now: datetime) -> OutboxMessage | None:
    met = verification(item)
    missing = [MISSING[name] for name, there in met.items() if not there]
    if missing:
        lines = [
            "thank you for your report. To find out whose it is we still need:",
            "",
            *[f"- {what}" for what in missing],
            "",
            ANSWER,
        ]
        return _outgoing(item, "ask-back", f"ask-back:{item.parsed.submission}:{item.ordinal}", lines, now)
    number, trust = reporter
    if trust > 0 or item.draft.disposition is not Disposition.REPORT:
        return None
    link = f"{settings.PUBLIC_URL}/confirm/{signing.dumps(number, salt=CONFIRM_SALT)}"
    lines = [
        "thank you for your report; it is being looked at already.",
        "Please confirm once that it came from you, so that we can act on your reports sooner:",
        "",
        link,
    ]
    return _outgoing(item, "confirm", f"confirm:{number}", lines, now)


def _outgoing(item: Item, kind: str, once: str, lines: Sequence[str], now: datetime) -> OutboxMessage:
    reporter, draft = item.draft.reporter, item.draft
    return OutboxMessage(
        reference=f"submission:{item.parsed.submission}",
        audience="reporter",
        kind=kind,
        recipient_name=reporter.name or "",
        recipient=(reporter.email or "").lower(),
        subject=f"Re: {draft.subject or 'your report'}"[:200],
        body="\n".join([f"Dear {reporter.name or 'reporter'},", "", *lines, ""]),
        dedupe_key=once,
        created_at=now,
        not_before=now,
    )


def within_caps(messages: Sequence[OutboxMessage], now: datetime) -> list[OutboxMessage]:
    """Never more than the daily cap to one address, whatever is sent to us: two machines must not talk to each other."""
    addresses = {message.recipient for message in messages}
    rows = OutboxMessage.objects.filter(recipient__in=addresses, created_at__gt=now - timedelta(days=1))
    sent = dict(rows.values_list("recipient").annotate(Count("id")))
    allowed = []
    for message in messages:
        sent[message.recipient] = sent.get(message.recipient, 0) + 1
        if sent[message.recipient] <= DAILY_CAP:
            allowed.append(message)
    return allowed


def file_replies(items: Sequence[Item], now: datetime) -> None:
    """Answers, retractions and counter-notices that name a case of ours go to its timeline; the others go to a person."""
    for item in items:
        draft = item.draft
        if draft.disposition in ASKING or (draft.disposition in ANSWERS and draft.external_id):
            _file(item, draft.external_id or "", now)


def _file(item: Item, token: str, now: datetime) -> None:
    submission = Submission.objects.filter(pk=item.parsed.submission)
    number = case_named(token)
    case = Case.objects.filter(pk=number).first() if number else None
    if case is None:
        if asking := ASKING.get(item.draft.disposition):
            said = f"{asking} to {token[:80]!r}, which is no case of ours" if token else f"{asking} that names no case of ours"
            submission.update(state="needs_person", reason=said, due_at=now + FIND_WITHIN)
        return
    case = case.merged_into or case
    sender = (item.draft.reporter.email or "").lower()
    side = _side(case, sender)
    submission.update(case_ref=str(case.pk), state="set_aside", reason=f"filed to case {case.pk}", due_at=None)
    detail: dict[str, Any] = {"submission": str(item.parsed.submission), "side": side, "disposition": str(item.draft.disposition)}
    text = f"{item.draft.disposition} from {side}: {item.draft.subject or 'no subject'}"
    JournalEntry.objects.create(case=case, at=now, actor=side, kind="mail", text=text[:500], detail=detail, internal=True)
    if item.draft.disposition in ASKING and case.closed_at is None:
        Case.objects.filter(pk=case.pk).update(last_word_by=side, last_word_at=now, waiting_on="us")


def _side(case: Case, sender: str) -> str:
    """Who seems to answer, by the stated address; it proves nothing and opens nothing."""
    known = Contact.objects.filter(customer=case.customer_id, email__iexact=sender).exists() if sender else False
    return "customer" if known else "somebody who says they are " + sender if sender else "somebody"
