"""What a report makes us write to its reporter: a question for what is missing, a confirmation by link, a receipt.

Only an authenticated sender who is no machine is written to, a few times a day at most, and never about a report whose
evidence stands by itself.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db.models import Count

from tipstaff.cases.letters import BY_PEOPLE
from tipstaff.cases.notices import category_title
from tipstaff.correspondence import catalogue, wordings
from tipstaff.correspondence.letters import compose, rendered
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.reading.languages import language_of
from tipstaff.kernel.errors import InputError
from tipstaff.pipeline import duties
from tipstaff.pipeline.columns import Item
from tipstaff.pipeline.filing import reporter_key, verification
from tipstaff.policy import queries as policy
from tipstaff.reports.bulk import KnownReporter

log = logging.getLogger(__name__)
DAILY_CAP = 3  # messages to one address in a day, of any kind
CONFIRM_SALT = "tipstaff.reporter.confirm"


def write_back(items: Sequence[Item], reporters: Mapping[str, KnownReporter], own: Sequence[str], now: datetime) -> int:
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
    """A person's question to the reporter, in the words and the language that the person chose to write; not saved."""
    message = _outgoing(item, "ask-back", "", "question.reporter", {"text": text}, now, language_of(text))
    message.dedupe_key = None  # a person may ask again
    return message


def _message(item: Item, reporter: KnownReporter, now: datetime) -> OutboxMessage | None:
    code = spoken(item)
    missing = [catalogue.packaged(code).word("missing", name) for name in lacking(item, now)]
    if missing:
        once = f"ask-back:{item.parsed.submission}:{item.ordinal}"
        return _outgoing(item, "ask-back", once, "ask_back.reporter", {"lines": missing}, now)
    if item.draft.disposition is not Disposition.REPORT:
        return None
    if reporter.trust > 0 or reporter.limited:  # who is limited is known well enough, and still hears that a report came
        return _receipt(item, now)
    link = f"{settings.PUBLIC_URL}/confirm/{signing.dumps(reporter.id, salt=CONFIRM_SALT)}"
    return _outgoing(item, "confirm", f"confirm:{reporter.id}", "confirm.reporter", {"confirm_url": link}, now)


def lacking(item: Item, now: datetime) -> list[str]:
    """What a report does not bring: of the three elements (G2-G4), else of what the policy in force asks for its category (G4).

    A time and a URL are looked for; what else a category asks (a mark, measured figures …) a person sees at the case.
    """
    if missing := [name for name, there in verification(item).items() if not there]:
        return missing
    draft, in_force = item.draft, policy.edition_in_force("", now)
    kind = in_force[1].categories.get(draft.category or "") if in_force else None
    if kind is None or draft.disposition is not Disposition.REPORT or draft.format not in BY_PEOPLE or draft.table is not None:
        return []
    there = {
        "event_time": any(event.occurred_at or event.time_as_written for event in draft.events),
        "url": any(event.url or event.domain for event in draft.events),
    }
    return [name for name in kind.report_fields if not there.get(name, True)]


def spoken(item: Item) -> str:
    """The language to write to this reporter in: the one that the report is written in, where there is wording in it."""
    draft = item.draft
    return catalogue.known(language_of(f"{draft.subject or ''}\n{draft.description or ''}") or "en")


def _receipt(item: Item, now: datetime) -> OutboxMessage | None:
    """That a report by hand has arrived, where the policy promises it or a law has us say it (G5)."""
    draft, in_force = item.draft, policy.edition_in_force("", now)
    if in_force is None or draft.format not in BY_PEOPLE:
        return None
    told = duties.reporter_hears(in_force[1].switches.reporter_notice, "receipt", draft.category or "", settings.REPORTER_DUTIES)
    if told is None:
        return None
    values = {
        "reference": draft.external_id or "",
        "received": item.parsed.received_at,
        "category": category_title(draft.category or "", in_force[1], spoken(item)) if draft.category else "",
        "decided_by_law": told.by_law,
    }
    once = f"receipt:{item.parsed.submission}:{item.ordinal}"
    return _outgoing(item, "receipt", once, "receipt.reporter", values, now)


def _outgoing(
    item: Item, kind: str, once: str, wording: str, values: Mapping[str, Any], now: datetime, language: str | None = None
) -> OutboxMessage:
    """A letter to the reporter of an item, from the operator's wording, in the report's language."""
    reporter, draft = item.draft.reporter, item.draft
    known = {"operator": settings.OPERATOR_NAME or "our", "contact": reporter.name or "", "subject": draft.subject or ""}
    code = language or spoken(item)
    try:
        letter = compose(wording, code, known | dict(values))
    except InputError as error:  # an operator's wording that no longer fits must not keep a report from being filed
        log.error("%s (%s): %s; the packaged wording is used", wording, code, error)
        letter = rendered(
            wording, catalogue.known(code), wordings.packaged(wording, code), known | dict(values), wording="packaged"
        )
    return OutboxMessage(
        reference=f"submission:{item.parsed.submission}",
        audience="reporter",
        kind=kind,
        language=letter.language,
        recipient_name=reporter.name or "",
        recipient=(reporter.email or "").lower(),
        subject=letter.subject[:200],
        body=letter.text,
        html=letter.html,
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
