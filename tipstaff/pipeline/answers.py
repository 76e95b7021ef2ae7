"""What a report makes us write to its reporter: a question for what is missing, a confirmation by link, a receipt.

Only an authenticated sender who is no machine is written to, a few times a day at most, and never about a report whose
evidence stands by itself.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.db.models import Count

from tipstaff.cases.letters import BY_PEOPLE
from tipstaff.cases.notices import category_title
from tipstaff.correspondence.letters import compose
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.drafts import Disposition
from tipstaff.pipeline import duties
from tipstaff.pipeline.columns import Item
from tipstaff.pipeline.filing import reporter_key, verification
from tipstaff.policy import queries as policy

DAILY_CAP = 3  # messages to one address in a day, of any kind
CONFIRM_SALT = "tipstaff.reporter.confirm"
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
    if item.draft.disposition is not Disposition.REPORT:
        return None
    if trust > 0:
        return _receipt(item, now)
    link = f"{settings.PUBLIC_URL}/confirm/{signing.dumps(number, salt=CONFIRM_SALT)}"
    lines = [
        "thank you for your report; it is being looked at already.",
        "Please confirm once that it came from you, so that we can act on your reports sooner:",
        "",
        link,
    ]
    return _outgoing(item, "confirm", f"confirm:{number}", lines, now)


def _receipt(item: Item, now: datetime) -> OutboxMessage | None:
    """That a report by hand has arrived, where the policy promises it or a law has us say it (G5)."""
    draft, in_force = item.draft, policy.edition_in_force("", now)
    if in_force is None or draft.format not in BY_PEOPLE:
        return None
    told = duties.reporter_hears(in_force[1].switches.reporter_notice, "receipt", draft.category or "", settings.REPORTER_DUTIES)
    if told is None:
        return None
    values = {
        "operator": settings.OPERATOR_NAME or "our",
        "contact": draft.reporter.name or "",
        "subject": draft.subject or "",
        "reference": draft.external_id or "",
        "received": item.parsed.received_at,
        "category": category_title(draft.category or "", in_force[1], "en") if draft.category else "",
        "decided_by_law": told.by_law,
    }
    letter = compose("receipt.reporter", "en", values)
    message = _outgoing(item, "receipt", f"receipt:{item.parsed.submission}:{item.ordinal}", [], now)
    message.subject, message.body, message.html = letter.subject, letter.text, letter.html
    return message


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
