"""Asking for a permit, granting, refusing and revoking it. Nobody grants what they asked for themselves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_network

from django.db import transaction

from tipstaff.accounts.access import require
from tipstaff.accounts.approvals import require_other
from tipstaff.accounts.models import Customer, OwnPrefix, Service, StaffMember
from tipstaff.audit.services import record
from tipstaff.consent.models import Permit
from tipstaff.consent.permits import DIRECTIONS, KINDS
from tipstaff.evidence.services import Plain, keep
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

LONGEST = timedelta(days=366)
MOST = 500  # hosts or targets of one permit
MOST_DOCUMENT = 20_000_000  # bytes
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Asked:
    """What a permit is asked for. Addresses and prefixes as text; the window aware; the paper as bytes, or its sha256."""

    kind: str
    title: str
    direction: str
    hosts: Sequence[str]
    starts_at: datetime | None
    ends_at: datetime | None
    signatory: str
    document_sha256: str = ""
    document: bytes = b""
    document_name: str = ""
    services: Sequence[int] = ()
    targets: Sequence[str] = ()
    detectors: Sequence[str] = ()
    contact: str = ""
    note: str = ""
    customer: int | None = None


def check(asked: Asked) -> list[Problem]:
    """Everything that is wrong with a request."""
    needed = (("title", asked.title, "say what is tested"), ("signatory", asked.signatory, "who gave the consent, by name"))
    problems = [Problem(name, "is empty", advice) for name, value, advice in needed if not value.strip()]
    for name, given, known in (("kind", asked.kind, KINDS), ("direction", asked.direction, DIRECTIONS)):
        if given not in known:
            problems.append(Problem(name, f"{given!r} is not known", f"one of {', '.join(known)}"))
    if not asked.hosts and not asked.services:
        problems.append(Problem("hosts", "none is named", "name addresses, prefixes or services of ours"))
    for name, texts in (("hosts", asked.hosts), ("targets", asked.targets)):
        wrong = [problem for text in texts[:MOST] if (problem := _network_problem(name, text))]
        problems += wrong or (_foreign(asked.hosts[:MOST]) if name == "hosts" else [])
        if len(texts) > MOST:
            problems.append(Problem(name, f"there are {len(texts)}", f"at most {MOST}; use prefixes"))
    return [*problems, *_window_problems(asked), *_document_problems(asked)]


def _network_problem(name: str, text: str) -> Problem | None:
    try:
        network = ip_network("" if "%" in text else text.strip())  # no zone index: it may hold any words
    except ValueError as error:
        return Problem(name, f"{text[:80]!r} is no address or prefix: {error}", "such as 192.0.2.7 or 192.0.2.0/28")
    return Problem(name, f"{text} is everything", "name prefixes") if network.prefixlen == 0 else None


def _foreign(hosts: Sequence[str]) -> list[Problem]:
    """Hosts outside our own space, where it is known: nobody can permit what is done there."""
    own = list(OwnPrefix.objects.values_list("prefix", flat=True))
    wanted = [ip_network(text.strip()) for text in hosts] if own else []
    stray = [one for one in wanted if not any(one.version == net.version and one.subnet_of(net) for net in own)]
    return [Problem("hosts", f"{one} is not ours", "name addresses and prefixes within our own space") for one in stray]


def _window_problems(asked: Asked) -> list[Problem]:
    ends = (("from", asked.starts_at), ("until", asked.ends_at))
    problems = [Problem(name, "is missing", "give a day and a time with its zone") for name, at in ends if at is None]
    problems += [Problem(name, "has no zone", "write 2026-12-01T08:00Z") for name, at in ends if at and at.tzinfo is None]
    if problems or asked.starts_at is None or asked.ends_at is None:
        return problems
    if asked.ends_at <= asked.starts_at:
        return [Problem("until", "is not later than the beginning")]
    if asked.ends_at - asked.starts_at > LONGEST:
        return [Problem("until", "is more than a year after the beginning", "ask again when it ends: consent is looked at anew")]
    return []


def _document_problems(asked: Asked) -> list[Problem]:
    if asked.document:
        large = len(asked.document) > MOST_DOCUMENT
        return [Problem("document", f"has {len(asked.document)} bytes", "at most 20 MB")] if large else []
    if not _SHA256.fullmatch(asked.document_sha256.strip().lower()):
        return [Problem("document", "is missing", "give the signed paper, or its sha256 in hexadecimal")]
    return []


@transaction.atomic
def ask(*, asked: Asked, by: str, now: datetime) -> Permit:
    """Enter a request; it covers nothing until somebody else grants it. Raises InputError with every problem."""
    if problems := check(asked):
        raise InputError(problems)
    assert asked.starts_at is not None and asked.ends_at is not None
    customer = Customer.objects.filter(pk=asked.customer).first() if asked.customer else None
    if asked.customer and customer is None:
        raise InputError(Problem("customer", f"there is no customer {asked.customer}"))
    holders = dict(Service.objects.filter(pk__in=asked.services).values_list("pk", "customer_id"))
    if missing := set(asked.services) - set(holders):
        raise InputError([Problem("services", f"there is no service {number}") for number in sorted(missing)])
    if customer is not None and (others := sorted(pk for pk, holder in holders.items() if holder != customer.pk)):
        raise InputError([Problem("services", f"service {number} is another customer's") for number in others])
    blob, digest = _kept(asked, now)
    permit = Permit.objects.create(
        kind=asked.kind, title=asked.title.strip(), customer=customer, direction=asked.direction,
        hosts=[str(ip_network(text.strip())) for text in asked.hosts], services=sorted(set(asked.services)),
        targets=[str(ip_network(text.strip())) for text in asked.targets], detectors=sorted(set(asked.detectors)),
        starts_at=asked.starts_at, ends_at=asked.ends_at, signatory=asked.signatory.strip(), contact=asked.contact.strip(),
        document_name=asked.document_name.strip()[:200], document_sha256=digest, document_id=blob, note=asked.note.strip(),
        requested_by=by, requested_at=now,
    )  # fmt: skip
    _record(permit, "permit.ask", by, now)
    return permit


@transaction.atomic
def ask_all(*, asked: Sequence[Asked], by: str, now: datetime) -> list[Permit]:
    """Enter several requests, or none of them."""
    return [ask(asked=one, by=by, now=now) for one in asked]


def _kept(asked: Asked, now: datetime) -> tuple[int | None, str]:
    if not asked.document:
        return None, asked.document_sha256.strip().lower()
    blob = keep(items=[Plain(asked.document, "application/octet-stream", "document")], now=now)[0]
    return blob, sha256(asked.document).hexdigest()


@transaction.atomic
def grant(*, permit: int, by: str, now: datetime) -> Permit:
    """Let a permit cover what lies in its window from now on. Takes a lead, and never the person who asked."""
    found = _open(permit, by)
    require_other(first=found.requested_by, second=by, what="the permit")
    if found.ends_at <= now:
        raise Refused(f"its window ended at {found.ends_at:%Y-%m-%d %H:%M} UTC: consent is given beforehand")
    found.approved_by, found.approved_at = by, now
    found.save(update_fields=["approved_by", "approved_at"])
    _record(found, "permit.grant", by, now)
    return found


@transaction.atomic
def refuse(*, permit: int, reason: str, by: str, now: datetime) -> Permit:
    """Say no to a request."""
    found = _open(permit, by)
    found.refused_by, found.refused_at, found.reason = by, now, _reason(reason)
    found.save(update_fields=["refused_by", "refused_at", "reason"])
    _record(found, "permit.refuse", by, now, found.reason)
    return found


@transaction.atomic
def revoke(*, permit: int, reason: str, by: str, now: datetime) -> Permit:
    """End a permit at once. What it covered before stays annotated; nothing later is. Twice is success."""
    found = _locked(permit)
    if found.approved_at is None:
        raise Refused("it was never granted: refuse it instead")
    if found.revoked_at is not None:
        return found
    found.revoked_by, found.revoked_at, found.reason = by, now, _reason(reason)
    found.save(update_fields=["revoked_by", "revoked_at", "reason"])
    _record(found, "permit.revoke", by, now, found.reason)
    return found


def _open(number: int, by: str) -> Permit:
    person = StaffMember.objects.filter(username=by).first()
    if person is None:
        raise Refused("this takes somebody of the staff, signed in")
    require(person, "decide as a lead")
    found = _locked(number)
    if found.approved_at is not None or found.refused_at is not None:
        raise Refused(f"it was {'granted' if found.approved_at else 'refused'} already")
    return found


def _locked(number: int) -> Permit:
    found = Permit.objects.select_for_update().filter(pk=number).first()
    if found is None:
        raise NotFound(f"there is no permit {number}")
    return found


def _reason(text: str) -> str:
    if not text.strip():
        raise InputError(Problem("reason", "is missing", "say why, for the record"))
    return text.strip()[:2000]


def _record(permit: Permit, action: str, by: str, now: datetime, reason: str = "") -> None:
    record(
        by=by, action=action, subject=f"permit:{permit.pk}", now=now, reason=reason, kind=permit.kind,
        window=[permit.starts_at.isoformat(), permit.ends_at.isoformat()], hosts=permit.hosts, targets=permit.targets,
        document_sha256=permit.document_sha256,
    )  # fmt: skip
