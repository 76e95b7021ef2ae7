"""What a person writes on a case to its customer or its reporters: promises in the outbox, and the journal."""

from datetime import datetime

from django.db import transaction

from tipstaff.cases import letters
from tipstaff.cases.models import Case, CaseReport
from tipstaff.cases.services import journal, locked
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.reports.models import Reporter

MOST_REPORTERS = 100


def reporters_to_tell(case: int) -> list[Reporter]:
    """The reporters of a case who can be answered: authenticated ones with an address."""
    told = CaseReport.objects.filter(case=case).values("reporter_id")
    rows = Reporter.objects.filter(pk__in=told, trust__gte=0).exclude(email="").exclude(authenticated_as="")
    return list(rows.order_by("pk")[:MOST_REPORTERS])


@transaction.atomic
def write(*, case: int, audience: str, text: str, by: str, now: datetime) -> list[OutboxMessage]:
    """Write to the customer (one message) or the reporters (one each, none sees another). Returns what now waits.

    Refused where nobody can be told; InputError for an empty text or an audience that is neither.
    """
    if audience not in {"customer", "reporter"}:
        raise InputError(Problem("to", f"{audience!r} cannot be written to", "choose customer or reporter"))
    if not text.strip():
        raise InputError(Problem("text", "is empty", "write the message first"))
    found = locked(case)
    people = _customer(found) if audience == "customer" else _reporters(found)
    subject = f"[#{found.pk}] {found.headline}" if audience == "customer" else f"[#{found.pk}] Your report"
    sent = [
        OutboxMessage.objects.create(
            reference=f"case:{found.pk}", audience=audience, kind="message", recipient_name=name, recipient=address,
            language=language, subject=subject, body=text.strip(), created_at=now, created_by=by, not_before=now,
        )
        for name, address, language in people
    ]  # fmt: skip
    names = ", ".join(name or address for name, address, _ in people) if audience == "customer" else f"{len(people)} reporters"
    journal(case=found, kind="mail", text=text.strip(), by=by, now=now, internal=False, to=names, audience=audience,
            messages=[message.pk for message in sent])  # fmt: skip
    Case.objects.filter(pk=found.pk).update(last_word_by="us", last_word_at=now)
    return sent


def _customer(case: Case) -> list[tuple[str, str, str]]:
    to = letters.recipient(case.customer_id)
    if to is None:
        raise Refused("the customer has no contact with a mail address; add one on the customer's page")
    return [(to.name, to.address, to.language)]


def _reporters(case: Case) -> list[tuple[str, str, str]]:
    people = reporters_to_tell(case.pk)
    if not people:
        raise Refused("no reporter of this case is authenticated and has an address; nothing can be sent to them")
    return [(reporter.name, reporter.email, "en") for reporter in people]
