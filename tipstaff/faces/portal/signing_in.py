"""Signing in without a password: a link is mailed, opens once, and whoever reads that mail is signed in.

Nothing tells apart an address that we know from one that we do not. A session of the portal is a row and a cookie of its own;
Django's session, by which staff sign in, is never read here.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.conf import settings
from django.db import transaction

from tipstaff.accounts.models import Contact
from tipstaff.audit.services import record
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.faces.portal import words
from tipstaff.faces.portal.models import PortalSession, SignInLink
from tipstaff.kernel import shadow

LINK_FOR = timedelta(minutes=20)
KEPT = timedelta(days=2)


def cookie_name() -> str:
    """Two instances on one host differ in the port only, which cookies ignore."""
    return f"tipstaff_portal_{settings.LISTEN[1]}"


def lifetimes() -> tuple[timedelta, timedelta]:
    """(whole, idle): after which a session ends."""
    return timedelta(hours=settings.SESSION_HOURS), timedelta(minutes=settings.SESSION_IDLE_MINUTES)


def digest(secret: str) -> str:
    """What is kept of a secret with 256 random bits; it needs no slow hash."""
    return sha256(f"tipstaff.portal|{secret}".encode()).hexdigest()


def contacts_at(email: str, among: Sequence[int] | None = None) -> list[Contact]:
    """Every contact with that address, by customer; of those numbers only, where they are known."""
    rows = Contact.objects.filter(email__iexact=email).exclude(email="").select_related("customer")
    rows = rows if among is None else rows.filter(pk__in=among)
    return list(rows.order_by("customer__name", "customer_id", "pk"))


def contacts_of(session: PortalSession) -> list[Contact]:
    """Who is signed in: the contacts that had the address then and have it still."""
    return contacts_at(session.email, session.contacts)


@transaction.atomic
def ask(*, email: str, code: str, mailed: bool, now: datetime) -> str:
    """Make a link for an address; it is mailed only where somebody there is a customer's contact. Returns the secret."""
    secret = secrets.token_urlsafe(32)
    address = email.strip().lower()[:254]
    SignInLink.objects.create(digest=digest(secret), email=address, asked_at=now, valid_until=now + LINK_FOR)
    known = contacts_at(address)
    if known and mailed:
        _mail(known[0], secret, words.short(known[0].language) or code, now)
        record(by=f"contact:{known[0].pk}", action="portal.link_asked", subject=f"contact:{known[0].pk}", now=now)
    SignInLink.objects.filter(valid_until__lt=now - KEPT).delete()
    return secret


def _mail(contact: Contact, secret: str, code: str, now: datetime) -> None:
    operator = settings.OPERATOR_NAME or words.say(code, "Abuse desk")
    link = f"{settings.PUBLIC_URL.rstrip('/')}/my/sign-in/{secret}/"
    body = words.say(
        code,
        "Somebody, probably you, asked to sign in to the cases that {operator} has with you. This link signs you in; "
        "it works once, for {n} minutes:",
        operator=operator,
        n=int(LINK_FOR.total_seconds() // 60),
    )
    foot = words.say(code, "If it was not you, do nothing: without this link nobody gets in.")
    send(contact, code, words.say(code, "Sign in to {operator}", operator=operator), f"{body}\n\n{link}\n\n{foot}\n", now)


def send(contact: Contact, code: str, subject: str, body: str, now: datetime, *, to: str = "") -> None:
    """Promise a mail of the portal itself to a contact, or to the address that it is about to have; none in shadow mode."""
    if shadow.is_on():
        return
    OutboxMessage.objects.create(
        reference=f"customer:{contact.customer_id}", audience="customer", kind="portal", recipient_name=contact.name,
        recipient=to or contact.email, contact_id=contact.pk, language=code, subject=subject, body=body, created_at=now,
        created_by="system:portal", not_before=now, urgent=True, automatic=True,
    )  # fmt: skip


def address_of(secret: str, now: datetime) -> str:
    """The address that a link signs in, while it is good; else empty. Looking uses nothing up: scanners look too."""
    row = SignInLink.objects.filter(digest=digest(secret), used_at=None, valid_until__gt=now).first()
    return row.email if row and contacts_at(row.email) else ""


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that has just begun: what goes into the cookie, and how many customers there are to choose from."""

    secret: str
    customers: int


@transaction.atomic
def begin(*, secret: str, now: datetime) -> Begun | None:
    """Use a link up and begin a session; None where it is none, was used or is too old. Of two at once one succeeds."""
    used = SignInLink.objects.filter(digest=digest(secret), used_at=None, valid_until__gt=now).update(used_at=now)
    link = SignInLink.objects.filter(digest=digest(secret)).first() if used else None
    known = contacts_at(link.email) if link else []
    if link is None or not known:
        return None
    key = secrets.token_urlsafe(32)
    customers = list(dict.fromkeys(contact.customer_id for contact in known))
    PortalSession.objects.create(
        digest=digest(key),
        email=link.email,
        contacts=[contact.pk for contact in known],
        customer_id=customers[0] if len(customers) == 1 else None,
        began_at=now,
        seen_at=now,
    )
    PortalSession.objects.filter(began_at__lt=now - lifetimes()[0]).delete()
    record(by=f"contact:{known[0].pk}", action="portal.login", subject=f"contact:{known[0].pk}", now=now, method="mailed link")
    return Begun(key, len(customers))


def session_of(key: str, now: datetime) -> PortalSession | None:
    """The living session of a cookie."""
    whole, idle = lifetimes()
    if not key or len(key) > 100:
        return None
    row = PortalSession.objects.filter(digest=digest(key), began_at__gt=now - whole, seen_at__gt=now - idle).first()
    if row is not None and now - row.seen_at > timedelta(minutes=1):
        PortalSession.objects.filter(pk=row.pk).update(seen_at=now)
    return row


@transaction.atomic
def end(*, key: str, now: datetime) -> None:
    """Sign out: the session is gone, not only its cookie."""
    row = PortalSession.objects.filter(digest=digest(key)).first()
    if row is not None:
        first = next(iter(contacts_of(row)), None)
        row.delete()
        if first is not None:
            record(by=f"contact:{first.pk}", action="portal.logout", subject=f"contact:{first.pk}", now=now)


@transaction.atomic
def choose(*, session: PortalSession, customer: int, now: datetime) -> bool:
    """Whose cases to show from now on; only a customer of one's own."""
    if customer not in {contact.customer_id for contact in contacts_of(session)}:
        return False
    PortalSession.objects.filter(pk=session.pk).update(customer=customer)
    return True
