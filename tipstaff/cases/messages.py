"""What a person writes on a case to its customer or its reporters: promises in the outbox, and the journal.

An internal note is not written here and cannot be: a message needs one of two audiences outside, a note has none.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction

from tipstaff.cases import letters, notices, people
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.letters import reporters_to_tell
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.correspondence import outbox
from tipstaff.correspondence.letters import Addressee, Audience, Letter, compose, promise
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Handling, Role
from tipstaff.reports.models import Report
from tipstaff.reports.scrubbing import masked_cards

__all__ = ["To", "preview", "reporters_to_tell", "take_back", "write"]
LONGEST = 20_000  # characters of a message
UNDO = timedelta(seconds=10)  # a message waits so long before it may leave


class To(StrEnum):
    """Whom a person can write to from a case. There is no third: what stays inside is no message."""

    CUSTOMER = "customer"
    REPORTER = "reporter"


@transaction.atomic
def write(*, case: int, audience: str, text: str, by: str, now: datetime, wait: timedelta = UNDO) -> list[OutboxMessage]:
    """Write to the customer (one message) or the reporters (one each, none sees another). Returns what now waits.

    Refused where nobody can be told; InputError for an empty text or an audience that is neither.
    """
    people.require(by, Role.ANALYST)
    to, text = _audience(audience), _checked(text)
    found = locked(case)
    if Handling.MASK_CARD_NUMBERS in policy.compiled(found.edition).categories[found.category].handling:
        text = masked_cards(text)
    sent = []
    for person, values in _people(found, to):
        letter = _letter(found, to, person, text, values, now)
        thread = letters.thread(found, str(to), person.address, now, answers=_last_word(found, person.address))
        made = promise(letter=letter, to=person, thread=thread, now=now, not_before=now + wait, by=by, automatic=False)
        sent += [made] if made else []
    names = ", ".join(row.recipient_name or row.recipient for row in sent) if to is To.CUSTOMER else f"{len(sent)} reporters"
    journal(case=found, kind="mail", text=text, by=by, now=now, internal=False, to=names, audience=str(to),
            messages=[message.pk for message in sent])  # fmt: skip
    Case.objects.filter(pk=found.pk).update(last_word_by="us", last_word_at=now)
    return sent


def preview(*, case: Case, audience: str, text: str, now: datetime) -> tuple[Letter, str]:
    """The letter as its first reader would get it, and the reader's name; nothing is kept."""
    to, text = _audience(audience), _checked(text)
    person, values = _people(case, to)[0]
    values["portal_url"] = f"{settings.PUBLIC_URL.rstrip('/')}/c/…"  # the real link would let its reader act as the customer
    return _letter(case, to, person, text, values, now), person.name or (person.address if to is To.CUSTOMER else "the reporter")


@transaction.atomic
def take_back(*, messages: list[int], by: str, now: datetime) -> None:
    """Undo a message before it leaves. Refused where one is on its way already; then none is taken back."""
    people.require(by, Role.ANALYST)
    for number in messages:
        found = outbox.withdraw(message=number, by=by, now=now, reason="taken back before it left")
        kind, _, case = found.reference.partition(":")
        entry = (
            JournalEntry.objects.filter(case_id=int(case), detail__messages__contains=number).first() if kind == "case" else None
        )
        if entry is not None:
            journal(case=entry.case, kind="mail", text="the message was taken back before it left", by=by, now=now, of=entry.pk)


def _audience(audience: str) -> To:
    try:
        return To(audience)
    except ValueError:
        raise InputError(Problem("to", f"{audience!r} cannot be written to", "choose customer or reporter")) from None


def _checked(text: str) -> str:
    if not text.strip():
        raise InputError(Problem("text", "is empty", "write the message first"))
    if len(text) > LONGEST:
        raise InputError(Problem("text", f"has {len(text):,} characters", f"at most {LONGEST:,}"))
    return text.strip()


def _people(case: Case, to: To) -> list[tuple[Addressee, dict[str, Any]]]:
    if to is To.CUSTOMER:
        person = letters.recipient(case.customer_id)
        if person is None:
            raise Refused("the customer has no contact that mail reaches; add one on the customer's page")
        return [(person, {})]
    reporters = reporters_to_tell(case.pk)
    if not reporters:
        raise Refused("no reporter of this case is authenticated and has an address; nothing can be sent to them")
    return [(Addressee(Audience.REPORTER, row.email, row.name), {"subject": _subject(case.pk, row.pk)}) for row in reporters]


def _subject(case: int, reporter: int) -> str:
    """What this reporter's own report was called: all that a reporter is told of the case."""
    told = Report.objects.filter(reporter_id=reporter, pk__in=letters.reports_of(case)).order_by("-received_at")
    return told.values_list("subject", flat=True).first() or ""


def _letter(case: Case, to: To, person: Addressee, text: str, values: dict[str, Any], now: datetime) -> Letter:
    kind = "message" if to is To.CUSTOMER else "message.reporter"
    if to is To.CUSTOMER:
        edition = policy.compiled(case.edition)
        values = notices.about(case, edition, person.language) | notices.link(case, person, now) | values
    values |= {"text": text, "contact": person.name}
    return notices.tokened(compose(kind, person.language, values, brand=case.brand, zone=notices.zone_of(case)), case, str(to))


def _last_word(case: Case, address: str) -> str:
    """The Message-ID of the last mail from this person on the case, so that ours answers it."""
    rows = JournalEntry.objects.filter(case=case, kind="mail", detail__from=address.lower()).exclude(detail__message_id="")
    entry = rows.order_by("-at", "-pk").first()
    return str(entry.detail.get("message_id", "")) if entry else ""
