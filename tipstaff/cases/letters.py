"""Who is written to about a case, from where, and in which thread."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from tipstaff.accounts import contracts, reachability
from tipstaff.accounts.models import Contact
from tipstaff.cases import people
from tipstaff.cases.journal import journal, owe
from tipstaff.cases.models import Case, CaseReport, Notice
from tipstaff.cases.states import Duty
from tipstaff.cases.tokens import token_of
from tipstaff.correspondence.letters import Addressee, Audience, Thread
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.errors import NotFound, Refused
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition, Role
from tipstaff.reports.models import Report, Reporter

#: What takes the service away is said to the contract's contact too.
SERIOUS = frozenset({"final_warning", "disconnected", "statement_of_reasons", "termination_notice", "terminated"})
URGENT = frozenset({"emergency", "disconnected", "statement_of_reasons", "restored", "termination_notice", "terminated"})
BEFORE = 6  # earlier messages that a letter refers to
MOST_REPORTERS = 100
#: Formats that a person wrote; machines do not wait for an outcome.
BY_PEOPLE = ("free-text", "web-form", "log-excerpt", "by-hand", "dmca-letter", "acns")


def announce(*, case: Case, edition: Edition, by: str, now: datetime) -> bool:
    """Owe the opening notice; False where the category is not told to customers."""
    if not edition.categories[case.category].customer_told:
        return False
    owe(case=case, duty=Duty.OPENED, audiences=("customer",), now=now)
    return True


def customers(case: Case, kind: str) -> list[Addressee]:
    """The customer's contacts for a kind of notice: the roles that its contract names (H10), else the abuse contacts, else the
    first that can be reached; for what takes the service away the administrative contact too. Empty: nobody can be told."""
    return _contacts(case.customer_id, Audience.CUSTOMER, _roles(case, kind))


def resellers(case: Case) -> list[Addressee]:
    """The contacts of the reseller behind which the customer stands."""
    parent = case.customer.parent_id
    return _contacts(parent, Audience.RESELLER, frozenset({"abuse"})) if parent else []


def _roles(case: Case, kind: str) -> frozenset[str]:
    named = contracts.in_force(case.customer, case.opened_at).get("notice_roles")
    roles = {str(role) for role in named} if isinstance(named, list) and named else {"abuse"}
    return frozenset(roles | ({"administrative"} if kind in SERIOUS else set()))


def _contacts(customer: int, audience: Audience, roles: frozenset[str]) -> list[Addressee]:
    known = reachability.reachable(customer)
    chosen = [row for row in known if row.role in roles]
    if not any(row.role != "administrative" for row in chosen):
        chosen = [*chosen, *[row for row in known if row not in chosen][:1]]
    return [addressee(row, audience) for row in chosen]


def addressee(row: Contact, audience: Audience = Audience.CUSTOMER) -> Addressee:
    return Addressee(audience, row.email, row.name, row.language or row.customer.language, row.pk)


def recipient(customer: int) -> Addressee | None:
    """The customer's abuse contact, else any that can be reached; None: nobody can be told by mail."""
    found = _contacts(customer, Audience.CUSTOMER, frozenset({"abuse"}))
    return found[0] if found else None


def reporters_to_tell(case: int) -> list[Reporter]:
    """The reporters of a case who can be answered: authenticated ones with an address."""
    told = CaseReport.objects.filter(case=case).values("reporter_id")
    rows = Reporter.objects.filter(pk__in=told, trust__gte=0).exclude(email="").exclude(authenticated_as="")
    return list(rows.order_by("pk")[:MOST_REPORTERS])


def reports_of(case: int) -> "QuerySet[CaseReport, int]":
    """The numbers of the reports that speak of a case."""
    return CaseReport.objects.filter(case=case).values_list("report_id", flat=True)


def reports_by_people(case: int) -> list[Report]:
    """The newest report of each reporter who can be answered and wrote it by hand: who waits to hear what became of it."""
    people = [row.pk for row in reporters_to_tell(case)]
    told = CaseReport.objects.filter(case=case, reporter_id__in=people).values("report_id")
    rows = Report.objects.filter(pk__in=told, format__in=BY_PEOPLE).exclude(submission__state="sealed")
    return list(rows.select_related("reporter", "submission").order_by("reporter_id", "-received_at").distinct("reporter_id"))


def sender_of(case: Case, now: datetime) -> str:
    """The mailbox that speaks for the case's brand."""
    if settings.MAIL_FROM and not case.brand:
        return str(settings.MAIL_FROM)
    return policy.intake_address(case.brand, now) or case.edition.intake_address or settings.MAIL_FROM


def thread(case: Case, side: str, address: str, now: datetime, answers: str = "") -> Thread:
    """The thread with one person about a case. ``answers``: the Message-ID of what this answers."""
    earlier = OutboxMessage.objects.filter(reference=f"case:{case.pk}", recipient__iexact=address, state="sent")
    ids = list(earlier.exclude(message_id="").order_by("-sent_at").values_list("message_id", flat=True)[:BEFORE])
    return Thread(
        reference=f"case:{case.pk}",
        token=token_of(case.pk, side),
        sender=sender_of(case, now),
        in_reply_to=answers or (ids[0] if ids else ""),
        before=" ".join(reversed(ids)),
    )


def nobody_reached(*, case: Case, why: str, by: str, now: datetime) -> None:
    """Say on the case that its customer cannot be reached by mail: nothing follows from silence then, a person must act."""
    said = f"nobody at the customer can be reached by mail: {why}"
    if case.closed_at is None and said not in case.needs_person:
        case.needs_person = said
        Case.objects.filter(pk=case.pk).update(needs_person=said)
    journal(case=case, kind="mail", text=said, by=by, now=now, audience="customer")


def owed(now: datetime, most: int) -> Sequence[Notice]:
    """Notices that are due to be told, the oldest first; locked, and passed over where somebody else has them."""
    rows = Notice.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        rendered_at=None, refused="", not_before__lte=now
    )
    return list(rows.select_related("case__customer", "case__service", "case__edition").order_by("id")[:most])


@transaction.atomic
def tell_again(*, notice: int, by: str, now: datetime) -> Notice:
    """Have a notice told that was refused, after its wording or the customer's contacts were put right."""
    people.require(by, Role.ANALYST)
    row = Notice.objects.select_for_update(of=("self",)).select_related("case").filter(pk=notice).first()
    if row is None:
        raise NotFound(f"there is no notice {notice}")
    if row.rendered_at is not None or not row.refused:
        raise Refused(f"notice {notice} was not refused; there is nothing to tell again")
    why, row.refused, row.not_before = row.refused, "", now
    row.save(update_fields=["refused", "not_before"])
    text = f"{row.kind.replace('_', ' ')} is told again; it had been refused: {why}"
    journal(case=row.case, kind="mail", text=text, by=by, now=now, audience=row.audience, notice=row.pk)
    return row
