"""Whom the provider does not serve again (A14): entered after a termination or by a lead, lifted after appeal.

Identities are kept as keyed digests (HMAC-SHA-256), so that the list tells nobody who stands on it. Who orders again is
caught by ``catching``.
"""

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from tipstaff.accounts.models import Assignment, Contact, Customer, Service
from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.cases.models import Case, Refusal, RefusalMatch
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.edition import Role

LASTS = timedelta(days=730)
LONGEST = timedelta(days=3660)
DECISIONS = ("refused", "another", "served")  # not served; somebody else after all; served all the same
MOST = 50  # identities of one entry


def digest(identity: str) -> str:
    """The digest under which a mail address, name or external number is kept."""
    plain = " ".join(identity.casefold().split())
    return hmac.digest(settings.SECRET_KEY.encode(), f"refusal:{plain}".encode(), "sha256").hex()


def enter(*, case: Case, reason_code: str, by: str, now: datetime, lasts: timedelta = LASTS) -> Refusal:
    """Put the customer of a terminated case on the list."""
    row = Refusal.objects.create(
        customer_id=case.customer_id, case=case, reason_code=reason_code, reviewer=by, at=now, expires_at=now + lasts,
        identities=sorted({digest(one) for one in identities_of(case.customer)}),
    )  # fmt: skip
    record(by=by, action="refusal.enter", subject=f"customer:{case.customer_id}", now=now, case=case.pk)
    return row


@transaction.atomic
def add(
    *, identities: Iterable[str], reason_code: str, note: str, by: str, now: datetime, customer: int | None = None,
    lasts: timedelta = LASTS,
) -> Refusal:  # fmt: skip
    """A lead puts somebody on the list by hand: names, mail addresses, numbers, and with ``customer`` all that we know of one."""
    people.require(by, Role.LEAD)
    known = [one for one in identities if one.strip()]
    about = Customer.objects.filter(pk=customer).first() if customer is not None else None
    if customer is not None and about is None:
        raise NotFound(f"there is no customer {customer}")
    known += identities_of(about) if about else []
    problems = []
    if not known or len(known) > MOST:
        problems.append(Problem("identities", "are missing or too many", f"1 to {MOST} names, mail addresses or numbers"))
    if not note.strip():
        problems.append(Problem("note", "is missing", "say why they are not served again; it is kept"))
    if not timedelta(days=1) <= lasts <= LONGEST:
        problems.append(Problem("lasts", "is out of range", f"1 to {LONGEST.days} days"))
    if problems:
        raise InputError(problems)
    row = Refusal.objects.create(
        customer=about, reason_code=reason_code.strip() or "other", note=note.strip()[:2000], reviewer=by, at=now,
        expires_at=now + lasts, identities=sorted({digest(one) for one in known}),
    )  # fmt: skip
    record(by=by, action="refusal.enter", subject=f"refusal:{row.pk}", reason=note.strip(), now=now, customer=customer)
    return row


def identities_of(customer: Customer) -> list[str]:
    """What somebody is known by: name, number, mail addresses."""
    known = [customer.name, customer.external_id or ""]
    known += list(Contact.objects.filter(customer=customer).values_list("email", flat=True))
    return [one for one in known if one.strip()]


def in_force(now: datetime) -> "QuerySet[Refusal]":
    """The entries that still stand."""
    return Refusal.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), lifted_at__isnull=True)


def screen(*, identities: Iterable[str], now: datetime) -> list[Refusal]:
    """Entries in force that any of these names, addresses or numbers match: a new order of a terminated party is caught."""
    wanted = [digest(one) for one in identities if one.strip()]
    return list(in_force(now).filter(identities__overlap=wanted).order_by("pk"))


@transaction.atomic
def lift(*, refusal: int, note: str, by: str, now: datetime) -> Refusal:
    """Take somebody off the list, with the reason; a lead's act."""
    if not note.strip():
        raise InputError(Problem("note", "is missing", "say why the refusal ends"))
    people.require(by, Role.LEAD)
    row = Refusal.objects.select_for_update().filter(pk=refusal).first()
    if row is None:
        raise NotFound(f"there is no refusal {refusal}")
    row.lifted_at, row.appeal_note = row.lifted_at or now, note.strip()
    row.save(update_fields=["lifted_at", "appeal_note"])
    record(by=by, action="refusal.lift", subject=f"refusal:{row.pk}", reason=note.strip(), now=now)
    return row


def living(customers: Iterable[int], now: datetime) -> list[tuple[int, int, datetime | None]]:
    """(customer, service, when it began) of what has not ended: its start, else when we first heard of it, else None."""
    known = Assignment.objects.filter(service=OuterRef("pk")).order_by("recorded_at").values("recorded_at")[:1]
    began = Coalesce("started_at", "recorded_at", Subquery(known))
    standing = Service.objects.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=now), customer__in=list(customers))
    return list(standing.values_list("customer", "pk", began))


def had(customer: int, now: datetime) -> dict[str, str]:
    """The customer's services as a match remembers them: number → when it began, empty where nobody knows."""
    return {str(number): began.isoformat() if began else "" for _, number, began in living([customer], now)}


@transaction.atomic
def settle(*, match: int, decision: str, reason: str, by: str, now: datetime) -> RefusalMatch:
    """A lead decides about an order that was caught: 'refused', 'another' (not the same party), or 'served' all the same."""
    problems = []
    if decision not in DECISIONS:
        problems.append(Problem("decision", f"{decision!r} is not known", f"one of {', '.join(DECISIONS)}"))
    if not reason.strip():
        problems.append(Problem("reason", "is missing", "say why; it is kept"))
    if problems:
        raise InputError(problems)
    people.require(by, Role.LEAD)
    row = RefusalMatch.objects.select_for_update().filter(pk=match).first()
    if row is None:
        raise NotFound(f"there is no order {match} that was caught")
    if row.decision:
        raise Refused(f"{row.decided_by} has decided that already: {row.decision}")
    row.decision, row.reason, row.decided_by, row.decided_at = decision, reason.strip()[:2000], by, now
    row.services |= had(row.customer_id, now)
    row.save(update_fields=["decision", "reason", "decided_by", "decided_at", "services"])
    subject = f"customer:{row.customer_id}"
    record(by=by, action=f"refusal.{decision}", subject=subject, reason=reason.strip(), now=now, refusal=row.refusal_id)
    return row
