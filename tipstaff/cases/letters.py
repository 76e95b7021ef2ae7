"""The notice that goes out when a person tickets a case: the same words as the machine's own."""

from datetime import datetime

from tipstaff.accounts.models import Contact
from tipstaff.cases import notices
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.cases.notices import Recipient
from tipstaff.policy.edition import Edition


def recipient(customer_id: int) -> Recipient | None:
    """The customer's abuse contact, else any contact with an address; None: nobody can be told by mail."""
    contacts = list(Contact.objects.exclude(email="").filter(customer_id=customer_id).select_related("customer").order_by("id"))
    chosen = next((contact for contact in contacts if contact.role == "abuse"), contacts[0] if contacts else None)
    return Recipient(chosen.name, chosen.email, chosen.language or chosen.customer.language) if chosen else None


def announce(*, case: Case, edition: Edition, by: str, now: datetime) -> bool:
    """Promise the opening notice; False where the category is not told to customers or nobody can be told."""
    to = recipient(case.customer_id)
    if to is None or not edition.categories[case.category].customer_told:
        return False
    dues = notices.Dues(case.clause, case.ack_due_at, case.resolve_due_at)
    notices.promise([notices.opening(case.pk, case.category, dues, edition, case.headline, to, now)])
    said = f"notice to {to.name or to.address} waits in the outbox"
    JournalEntry.objects.create(case=case, at=now, actor=by, kind="mail", text=said, detail={"audience": "customer", "to": to.name})
    return True
