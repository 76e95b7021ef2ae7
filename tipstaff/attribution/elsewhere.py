"""The right abuse contact for an address that is not ours: what is known, what to ask, and what was learned."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.db import transaction

from tipstaff.attribution.models import ForeignNetwork, RegistryQuestion
from tipstaff.attribution.registry import Registered
from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, Problem

OPERATOR = "operator"
FRESH = timedelta(days=30)  # after which a registry is asked again
MOST_QUESTIONS = 10_000  # that may wait: an anonymous visitor cannot fill the table
MOST_ATTEMPTS = 6
FIRST_PAUSE = timedelta(minutes=1)


def network_of(address: str) -> ForeignNetwork | None:
    """What is known about the network of ``address``: the operator's own word first, then the longest prefix."""
    rows = ForeignNetwork.objects.extra(where=["prefix >>= %s::inet"], params=[address])
    return min(rows, key=lambda row: (row.source != OPERATOR, -row.prefix.prefixlen), default=None)


def contact(address: str) -> str:
    """Where a report about ``address`` belongs; "" where that is not known."""
    known = network_of(address)
    return known.abuse_contact if known else ""


def ask(*, address: str, now: datetime) -> bool:
    """Have the registries asked about ``address`` (where RDAP is switched on). False: known, not public, or too many wait."""
    if not settings.RDAP or not ip_address(address).is_global:
        return False
    known = network_of(address)
    if known is not None and (known.source == OPERATOR or now - known.fetched_at < FRESH):
        return False
    if RegistryQuestion.objects.count() >= MOST_QUESTIONS:
        return False
    _, new = RegistryQuestion.objects.get_or_create(address=address, defaults={"asked_at": now, "not_before": now})
    return new


def due(*, now: datetime) -> RegistryQuestion | None:
    """The question that has waited longest, held until the transaction ends; another worker takes the next."""
    waiting = RegistryQuestion.objects.select_for_update(skip_locked=True).filter(not_before__lte=now, attempts__lt=MOST_ATTEMPTS)
    return waiting.order_by("not_before", "id").first()


@transaction.atomic
def learn(*, address: str, answer: Registered, source: str, now: datetime) -> None:
    """Keep what a registry answered, in place of what it said before, and end the questions that it answers."""
    for prefix in answer.prefixes:
        ForeignNetwork.objects.update_or_create(
            prefix=prefix, source=source,
            defaults={"name": answer.name, "abuse_contact": answer.abuse_contact, "redacted": answer.redacted, "fetched_at": now},
        )  # fmt: skip
        RegistryQuestion.objects.extra(where=["address <<= %s::inet"], params=[str(prefix)]).delete()


def failed(*, question: RegistryQuestion, error: str, now: datetime, retry: bool = True) -> None:
    """Ask again later, each time later; after the last attempt the question is dropped at the next clearing."""
    question.attempts = question.attempts + 1 if retry else MOST_ATTEMPTS
    question.error = error[:500]
    question.not_before = now + FIRST_PAUSE * 4 ** min(question.attempts, MOST_ATTEMPTS)
    question.save(update_fields=["attempts", "error", "not_before"])


def clear(*, now: datetime) -> int:
    """Drop questions that failed for good and have rested for a day, so that they may be asked anew."""
    count, _ = RegistryQuestion.objects.filter(attempts__gte=MOST_ATTEMPTS, asked_at__lt=now - timedelta(days=1)).delete()
    return count


@transaction.atomic
def list_contacts(*, rows: Sequence[tuple[str, str, str]], file: str, by: str, now: datetime) -> int:
    """Replace the operator's own list: (prefix, mail address, name) per row. Raises InputError with every bad row."""
    problems, found = [], {}
    for line, (prefix, mail, name) in enumerate(rows, 2):
        try:
            found[ip_network(prefix.strip())] = (mail.strip(), name.strip())
        except ValueError as error:
            problems.append(Problem(f"{file}, line {line}, prefix", str(error), "write it like 203.0.113.0/24"))
        if mail.count("@") != 1 or not mail.strip().isprintable() or " " in mail.strip():
            problems.append(Problem(f"{file}, line {line}, abuse_contact", f"{mail!r} is no mail address"))
    if problems:
        raise InputError(problems)
    ForeignNetwork.objects.filter(source=OPERATOR).delete()
    ForeignNetwork.objects.bulk_create(
        ForeignNetwork(prefix=prefix, abuse_contact=mail, name=name, source=OPERATOR, fetched_at=now)
        for prefix, (mail, name) in found.items()
    )
    record(by=by, action="elsewhere.list", subject="abuse-contacts", now=now, rows=len(found))
    return len(found)
