"""Whether a customer can be reached: contacts with an address, and what came back from them."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from tipstaff.accounts.models import Contact
from tipstaff.audit.services import record
from tipstaff.kernel.text import one_line

LONGEST_PROBLEM = 300


def reachable(customer: int) -> list[Contact]:
    """Contacts with an address from which nothing came back: the abuse contact first, each address once."""
    rows = Contact.objects.filter(customer=customer, problem="").exclude(email="").select_related("customer").order_by("id")
    once: dict[str, Contact] = {}
    for row in sorted(rows, key=lambda contact: (contact.role != "abuse", contact.pk)):
        once.setdefault(row.email.lower(), row)
    return list(once.values())


def is_unreachable(customer: int) -> bool:
    """Whether no contact is left that mail could reach: none has an address, or mail to every one came back."""
    return not Contact.objects.filter(customer=customer, problem="").exclude(email="").exists()


@transaction.atomic
def raise_problem(*, contacts: Sequence[int], problem: str, by: str, now: datetime) -> list[Contact]:
    """Say at these contacts why they cannot be reached. Returns those that had no problem before."""
    fresh = list(Contact.objects.select_for_update().filter(pk__in=contacts, problem=""))
    for contact in fresh:
        contact.problem = one_line(f"{problem} ({now:%Y-%m-%d})", LONGEST_PROBLEM)
        contact.save(update_fields=["problem"])
        record(by=by, action="contact.problem", subject=f"contact:{contact.pk}", now=now, customer=contact.customer_id)
    return fresh
