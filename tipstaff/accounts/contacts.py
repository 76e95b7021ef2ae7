"""A customer's contacts as its own people keep them: added and changed once an address is confirmed, never left without one.

Addresses are confirmed by a link that was mailed there; whoever calls here has seen to that.
"""

from dataclasses import dataclass
from datetime import datetime

import re2
from django.db import transaction

from tipstaff.accounts.models import Contact, Customer
from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.kernel.text import one_line

ROLES = ("abuse", "technical", "billing", "administrative")
LANGUAGES = ("en", "de", "fr", "es", "nl")
MOST = 20  # contacts of a customer
LONGEST = 200
_ADDRESS = re2.compile(
    r"[^\s<>\"(),;:@\[\]\\\x00-\x20\x7f]{1,64}@(?:[A-Za-z0-9\pL\pN](?:[A-Za-z0-9\pL\pN-]{0,61})\.)+[A-Za-z\pL][A-Za-z0-9\pL-]{1,62}"
)


@dataclass(frozen=True, slots=True)
class Details:
    """What a contact says of itself. ``language`` is empty for the customer's own."""

    name: str = ""
    email: str = ""
    phone: str = ""
    role: str = "abuse"
    language: str = ""


def fits(address: str) -> bool:
    """Whether it is written like a mail address."""
    return len(address) <= 254 and _ADDRESS.fullmatch(address) is not None


def checked(details: Details) -> Details:
    """The details, trimmed. Raises InputError naming every field that will not do."""
    found = Details(
        one_line(details.name, LONGEST), one_line(details.email, 254), one_line(details.phone, 60), details.role, details.language
    )
    wrong = []
    if not fits(found.email):
        wrong.append(Problem("email", "is no mail address", "write it like name@example.org"))
    if found.role not in ROLES:
        wrong.append(Problem("role", "is not known", f"one of {', '.join(ROLES)}"))
    if found.language and found.language not in LANGUAGES:
        wrong.append(Problem("language", "is not spoken here", f"one of {', '.join(LANGUAGES)}"))
    if wrong:
        raise InputError(wrong)
    return found


@transaction.atomic
def add(*, customer: int, details: Details, by: str, now: datetime) -> Contact:
    """Add a contact whose address is confirmed."""
    found = checked(details)
    owner = _locked(customer)
    if owner.contacts.filter(email__iexact=found.email, role=found.role).exists():
        raise InputError(Problem("email", "is a contact of that kind already", "change that one"))
    if owner.contacts.count() >= MOST:
        raise Refused(f"a customer has at most {MOST} contacts; remove one first")
    made = Contact.objects.create(
        customer=owner, name=found.name, email=found.email, phone=found.phone, role=found.role, language=found.language,
        confirmed_at=now,
    )  # fmt: skip
    record(by=by, action="contact.add", subject=f"contact:{made.pk}", now=now, customer=customer, role=found.role)
    return made


@transaction.atomic
def change(*, contact: int, details: Details, by: str, now: datetime, confirmed: bool = False) -> Contact:
    """Change a contact. Another address counts only where it is ``confirmed``; the last working abuse contact stays one."""
    found = checked(details)
    row = _row(contact)
    if found.email.lower() != row.email.lower() and not confirmed:
        raise Refused("a new address is confirmed first")
    if found.role != "abuse":
        _not_the_last(row)
    changed = [name for name in ("name", "email", "phone", "role", "language") if getattr(row, name) != getattr(found, name)]
    for name in changed:
        setattr(row, name, getattr(found, name))
    if confirmed:
        row.confirmed_at, row.problem = now, ""
    row.save()
    record(by=by, action="contact.change", subject=f"contact:{row.pk}", now=now, customer=row.customer_id, fields=changed)
    return row


@transaction.atomic
def remove(*, contact: int, by: str, now: datetime) -> None:
    """Remove a contact, unless nobody would be left to write to about abuse."""
    row = _row(contact)
    _not_the_last(row)
    record(by=by, action="contact.remove", subject=f"contact:{row.pk}", now=now, customer=row.customer_id, role=row.role)
    row.delete()


def is_last(contact: Contact) -> bool:
    """Whether it is the customer's last abuse contact that mail reaches."""
    working = Contact.objects.filter(customer=contact.customer_id, role="abuse", problem="").exclude(email="")
    return list(working.values_list("pk", flat=True)[:2]) == [contact.pk]


def _not_the_last(contact: Contact) -> None:
    if is_last(contact):
        raise Refused("this is the last working abuse contact; add another one first")


def _locked(customer: int) -> Customer:
    found = Customer.objects.select_for_update().filter(pk=customer).first()
    if found is None:
        raise NotFound(f"no customer {customer}")
    return found


def _row(contact: int) -> Contact:
    """The contact, its customer held, so that two of the last contacts are not removed at once."""
    owner = Contact.objects.filter(pk=contact).values_list("customer_id", flat=True).first()
    found = Contact.objects.select_for_update().filter(pk=contact).first() if owner and _locked(owner) else None
    if found is None:
        raise NotFound(f"no contact {contact}")
    return found
