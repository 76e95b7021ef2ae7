"""Which cases a customer's people may see, and act on. The portal gets cases and their evidence only through here.

A customer sees the cases that were put to it, and its clients' cases that hang on one of its own (A5, A6). Nobody sees a case
that no customer was told of, or that is or ever was sealed. What is not theirs does not exist for them: NotFound, whatever it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef, Q, QuerySet

from tipstaff.cases.access import RESTRICTED
from tipstaff.cases.models import Case, CaseReport, JournalEntry
from tipstaff.evidence.access import Grant, grant
from tipstaff.evidence.models import Blob
from tipstaff.kernel.errors import NotFound, Refused
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Opening
from tipstaff.policy.models import StoredEdition
from tipstaff.reports import queries as reports
from tipstaff.reports.models import Report

NOTHING = "There is no such case, or it is not yours to see."
MOST_REPORTS = 50  # whose evidence can be opened


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody of one or more customers: customer → the contact by which they act. ``only``: the one case that a link opens."""

    contacts: Mapping[int, int] = field(default_factory=dict)
    only: int | None = None

    @property
    def customers(self) -> list[int]:
        return list(self.contacts)


def visible_to(visitor: Visitor) -> "QuerySet[Case]":
    """The cases that the visitor may see, unordered."""
    theirs = Q(customer__in=visitor.customers)
    if visitor.only is not None:
        theirs = Q(pk=visitor.only) & (theirs | Q(parent__customer__in=visitor.customers))
    else:
        theirs |= Q(parent__customer__in=visitor.customers)
    sealed = JournalEntry.objects.filter(case=OuterRef("pk"), detail__state=RESTRICTED)
    rows = Case.objects.filter(theirs, ticketed_at__isnull=False).exclude(state__in=(RESTRICTED, "TRIAGE"))
    return rows.exclude(Exists(sealed)).exclude(_untold())


def _untold() -> Q:
    """Cases of a kind of which their edition has no customer told."""
    found = Q(pk__in=())
    for stored in StoredEdition.objects.exclude(state="draft").defer("content"):
        kinds = policy.compiled(stored).categories.values()
        codes = [kind.code for kind in kinds if not kind.customer_told or kind.opening is Opening.SEALED]
        if codes:
            found |= Q(edition=stored.pk, category__in=codes)
    return found


def case_for_customer(visitor: Visitor, number: int) -> Case:
    """One case with customer, service, edition and parent. A merged case leads to where it went."""
    try:
        rows = visible_to(visitor).select_related("customer", "service", "edition", "parent").defer("edition__content")
        return rows.get(pk=number)
    except Case.DoesNotExist:
        raise NotFound(NOTHING) from None


def clients_cases(visitor: Visitor, case: Case) -> "QuerySet[Case]":
    """The cases of clients that hang on one of the visitor's own; a link opens none of them, but its page names them."""
    return visible_to(Visitor(visitor.contacts)).filter(parent=case)


def may_act(visitor: Visitor, case: Case) -> bool:
    """Whether it is the visitor's own: a reseller reads its clients' cases and answers in its own."""
    return case.customer_id in visitor.contacts


def acting(visitor: Visitor, case: Case) -> str:
    """As whom the visitor acts on a case: 'contact:17'. Refused where it is not theirs to answer."""
    number = visitor.contacts.get(case.customer_id)
    if number is None:
        raise Refused("This case is your client's: they answer in theirs, and you in yours.")
    return f"contact:{number}"


def looking(visitor: Visitor, case: Case) -> str:
    """As whom the visitor looks at a case: of the reseller, where it is its client's."""
    number = visitor.contacts.get(case.customer_id)
    if number is None:
        number = visitor.contacts[case.parent.customer_id] if case.parent else next(iter(visitor.contacts.values()))
    return f"contact:{number}"


def handed_on(case: Case) -> bool:
    """Whether a reseller handed the case on by hand: what was reported stands in the reseller's case."""
    return case.parent_id is not None and not CaseReport.objects.filter(case=case).exists()


def reports_of(case: Case) -> list[Report]:
    """The reports that speak of a case, the oldest first; none that is sealed."""
    speaking = CaseReport.objects.filter(case=case.parent_id if handed_on(case) else case.pk)
    numbers = speaking.order_by("at", "id").values_list("report_id", flat=True)[:MOST_REPORTS]
    return list(reports.of_reports(list(numbers)))


def open_evidence(visitor: Visitor, case: Case, blob: Blob) -> Grant:
    """The grant to see the redacted copy of evidence of a case that the visitor may see."""
    if not visible_to(visitor).filter(pk=case.pk).exists():
        raise NotFound(NOTHING)
    if blob.pk not in {report.submission.blob_id for report in reports_of(case)}:
        raise NotFound(NOTHING)
    return grant(blob=blob, actor=looking(visitor, case), basis=f"case:{case.pk} portal")
