"""What the customer says: in the portal, by mail, or through somebody at the desk. None of it is an admission (K10)."""

from datetime import datetime, timedelta

from django.db import transaction

from tipstaff.cases import people, timing
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Case, Statement
from tipstaff.cases.states import ENDED, Event
from tipstaff.kernel.errors import InputError, Problem, Refused

MOST = 20_000  # characters of one field
VIA = ("portal", "mail", "desk", "api")


@transaction.atomic
def seen(*, case: int, by: str, now: datetime) -> None:
    """The customer has opened the ticket: it was reached."""
    Case.objects.filter(pk=case, seen_at__isnull=True, ticketed_at__isnull=False).update(seen_at=now)


@transaction.atomic
def acknowledge(*, case: int, by: str, now: datetime, via: str = "portal", text: str = "", author: str = "") -> Statement:
    """The customer confirms that it has the ticket. Said again, it is kept again and changes nothing."""
    return _say("acknowledgement", Event.ACKNOWLEDGED, case, by, now, via, author, text=text)


@transaction.atomic
def plan(
    *, case: int, cause: str, fix: str, by: str, now: datetime, prevention: str = "", promised_at: datetime | None = None,
    via: str = "portal", author: str = "", text: str = "",
) -> Statement:  # fmt: skip
    """What happened, what will be done, and by when. It acknowledges as well."""
    if not fix.strip():
        raise InputError(Problem("fix", "is missing", "say what will be done"))
    if promised_at is not None and promised_at <= now:
        raise InputError(Problem("promised_at", "lies in the past", "choose a later moment"))
    row = _say("plan", Event.ACKNOWLEDGED, case, by, now, via, author, text=text, cause=cause, fix=fix, prevention=prevention)
    if promised_at is not None:
        row.promised_at = promised_at
        row.save(update_fields=["promised_at"])
        Case.objects.filter(pk=row.case_id).update(promised_at=promised_at)
    return row


@transaction.atomic
def claim_fix(*, case: int, by: str, now: datetime, text: str = "", via: str = "portal", author: str = "", cause: str = "",
              fix: str = "", prevention: str = "") -> Statement:  # fmt: skip
    """The customer says that it is fixed: a retest is wanted, the quiet period begins."""
    if not (text.strip() or fix.strip()):
        raise InputError(Problem("text", "is missing", "say what was done"))
    return _say("fix", Event.FIX_STATED, case, by, now, via, author, text=text, cause=cause, fix=fix, prevention=prevention)


@transaction.atomic
def dispute(*, case: int, text: str, by: str, now: datetime, via: str = "portal", author: str = "") -> Statement:
    """The customer says that the report is wrong; somebody else than who ticketed it decides."""
    if not text.strip():
        raise InputError(Problem("text", "is missing", "say why the report is wrong"))
    return _say("dispute", Event.DISPUTED, case, by, now, via, author, text=text)


@transaction.atomic
def ask_extension(
    *, case: int, until: datetime, reason: str, by: str, now: datetime, via: str = "portal", author: str = ""
) -> Statement:
    """The customer asks for more of the time that is its own now: to resolve, before a restriction, before the end.

    Once until it is answered; meanwhile everything goes on. A lead grants or refuses it (``extensions``).
    """
    found = _answerable(case)
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "say why more time is needed"))
    due = timing.customers_time(found)
    if due is None:
        raise Refused(timing.NO_TIME)
    if until <= max(now, due):
        raise InputError(Problem("until", "is not later than the present time", "choose a later moment"))
    if until > now + timedelta(days=365):
        raise InputError(Problem("until", "is more than a year away", "choose a nearer moment"))
    if timing.asked(found).exists():
        raise Refused("an extension has been asked for already; it waits for the desk")
    row = _row("extension", found, by, now, via, author, text=reason)
    row.promised_at = until
    row.save(update_fields=["promised_at"])
    said = f"more time is asked for, until {until:%Y-%m-%d %H:%M} UTC: {reason.strip()}"
    journal(case=found, kind="statement", text=said, by=by, now=now, internal=False, statement=row.pk)
    others = [words for words in found.needs_person.split("; ") if words and words != timing.MORE_TIME]
    Case.objects.filter(pk=found.pk).update(waiting_on="us", needs_person="; ".join((timing.MORE_TIME, *others)))
    return row


@transaction.atomic
def comment(*, case: int, text: str, by: str, now: datetime, via: str = "portal", author: str = "") -> Statement:
    """Anything else that the customer says; while restricted it counts as getting in touch."""
    if not text.strip():
        raise InputError(Problem("text", "is empty", "write something first"))
    found = locked(case)
    if found.ticketed_at is not None and found.state not in ENDED:
        return _say("comment", Event.CONTACTED, case, by, now, via, author, text=text)
    row = _row("comment", found, by, now, via, author, text=text)
    journal(case=found, kind="statement", text=text.strip()[:MOST], by=by, now=now, internal=False, statement=row.pk)
    return row


def _say(kind: str, event: Event, case: int, by: str, now: datetime, via: str, author: str, **said: str) -> Statement:
    """Keep the words first, then let the table decide what they change."""
    found = _answerable(case)
    row = _row(kind, found, by, now, via, author, **said)
    words = next((value.strip() for value in (said.get("text", ""), said.get("fix", "")) if value.strip()), "")
    act = Act(found.pk, event, words[:2000], detail={"statement": row.pk, "kind": kind})
    # The words are in the table's hands now: what they were before counts as said.
    advance(act, by=by, now=now)
    Case.objects.filter(pk=found.pk).update(last_word_by="customer", last_word_at=now)
    return row


def _answerable(number: int) -> Case:
    case = locked(number)
    if case.ticketed_at is None or case.state == "RESTRICTED_CASE":
        raise Refused(f"case {case.pk} has not been put to the customer")
    if case.state in ENDED:
        raise Refused(f"case {case.pk} is closed ({case.state}); write to us, or appeal")
    return case


def _row(kind: str, case: Case, by: str, now: datetime, via: str, author: str, **said: str) -> Statement:
    if via not in VIA:
        raise InputError(Problem("via", f"{via!r} is not known", f"one of {', '.join(VIA)}"))
    long = [name for name, value in said.items() if len(value) > MOST]
    if long:
        raise InputError([Problem(name, f"is longer than {MOST} characters", "shorten it, or attach it") for name in long])
    contact = people.speaker(by)
    if contact is not None and contact.customer_id not in _answering(case):
        raise Refused("this contact belongs to another customer")
    values = {name: value.strip() for name, value in said.items()}
    return Statement.objects.create(
        case=case, kind=kind, via=via, author=author or (contact.name if contact else by), contact=contact, at=now, **values
    )


def _answering(case: Case) -> set[int]:
    """Whose contacts may answer: the customer's own, and its reseller's, who stays liable (A5)."""
    parent = case.customer.parent_id
    return {case.customer_id} | ({parent} if parent else set())
