"""A reseller hands a case on to its own client (A6): a child case, its time inside the parent's; the parent stays liable."""

from datetime import datetime, timedelta

from django.db import transaction

from tipstaff.accounts.models import Contact, Customer
from tipstaff.cases import letters, openings, people
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.grouping import group_key
from tipstaff.cases.journal import journal, locked, owe
from tipstaff.cases.models import Case, CaseLink
from tipstaff.cases.states import ENDED, Duty, Event
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import queries as policy

CARRIED = ("category", "clause", "severity", "edition_id", "brand", "headline", "first_event_at", "last_event_at", "refreshed_at",
           "window_until", "events", "reports", "reporters", "harmed_party", "surface", "mode", "medium", "third_party_rule",
           "jurisdiction", "statute", "actor", "fault")  # fmt: skip


MOST, WITHIN = 20, timedelta(days=1)  # cases that one contact hands on: our letters go to whoever they name


@transaction.atomic
def forward_to_client(
    *, case: int, by: str, now: datetime, client: int | None = None, name: str = "", email: str = "", language: str = ""
) -> Case:
    """Open the child case: for ``client``, a customer below this one, or for somebody the reseller names by mail address.

    ``name`` may be any name that the reseller uses; who the end user is stays the reseller's to say.
    """
    parent = locked(case)
    contact = people.speaker(by)
    if contact is not None and contact.customer_id != parent.customer_id:
        raise Refused("this contact belongs to another customer")
    if contact is not None and Case.objects.filter(opened_by=by, opened_at__gt=now - WITHIN).count() >= MOST:
        raise Refused(f"{MOST} cases were handed on within a day: write to us if there are more clients")
    if parent.ticketed_at is None or parent.state in ENDED:
        raise Refused(f"case {parent.pk} cannot be handed on while it is {parent.state}")
    if parent.resolve_due_at is None or parent.resolve_due_at <= now:
        raise Refused("no time is left that could be given on")
    customer = _client(parent, client, name, email, language, now)
    existing = Case.objects.filter(parent=parent, customer=customer, closed_at__isnull=True).first()
    if existing is not None:
        raise Refused("the case has been handed to this client already")
    child = Case.objects.create(
        customer=customer, parent=parent, opened_at=now, opened_by=by, desk_due_at=parent.desk_due_at,
        group_key=group_key(customer.pk, None, parent.category, parent.brand, part=f"forwarded {parent.pk}"),
        **{name: getattr(parent, name) for name in CARRIED},
    )  # fmt: skip
    edition = policy.compiled(parent.edition)
    journal(case=child, kind="opened", text=f"handed on by {parent.customer.name}", by=by, now=now, parent=parent.pk)
    until = openings.inside_parent(child, edition, now)
    advance(Act(child.pk, Event.CLASSIFIED, "handed on by the reseller", until=until), by=by, now=now)
    child.refresh_from_db()
    CaseLink.objects.create(case=parent, other=child, kind="child", at=now, by=by)
    letters.announce(case=child, edition=edition, by=by, now=now)
    said = f"handed on to {customer.name}, until {child.resolve_due_at:%Y-%m-%d %H:%M} UTC; the ticket here goes on"
    journal(case=parent, kind="link", text=said, by=by, now=now, internal=False, child=child.pk)
    owe(case=parent, duty=Duty.CHILD_OPENED, audiences=("customer",), now=now, child=child.pk)
    return child


def _client(parent: Case, client: int | None, name: str, email: str, language: str, now: datetime) -> Customer:
    if client is not None:
        found = Customer.objects.filter(pk=client, parent_id=parent.customer_id).first()
        if found is None:
            raise NotFound("that is not a client of yours")
        return found
    email = email.strip()
    if not name.strip() or "@" not in email or len(email) > 320:
        raise InputError(Problem("client", "needs a name and a mail address", "name a client, or give both"))
    known = Customer.objects.filter(parent_id=parent.customer_id, contacts__email__iexact=email).first()
    if known is not None:
        return known
    made = Customer.objects.create(
        name=name.strip()[:200], parent_id=parent.customer_id, brand=parent.customer.brand, customer_class="client of a reseller",
        language=language or parent.customer.language, created_at=now,
    )  # fmt: skip
    Contact.objects.create(customer=made, role="abuse", name=name.strip()[:200], email=email, language=language)
    return made
