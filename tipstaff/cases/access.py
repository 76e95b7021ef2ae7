"""Which cases a person may see. Faces get cases only through here."""

from typing import Any

from django.db.models import Q, QuerySet

from tipstaff.accounts.access import may, require
from tipstaff.cases.models import Case, Ruling
from tipstaff.evidence.access import Grant, grant
from tipstaff.evidence.models import Blob
from tipstaff.kernel.errors import NotFound, Refused

RESTRICTED = "RESTRICTED_CASE"


def unrestricted() -> "QuerySet[Case]":
    """The cases that are no secret at the desk: neither set apart, nor dealt with after they had been.

    A case that was set apart and proved to be no breach, or a false report, is a case like any other again.
    """
    return Case.objects.exclude(state=RESTRICTED).exclude(_dealt_with())


def restricted() -> "QuerySet[Case]":
    """The others: shown to the two roles of the sealed queue alone, whatever became of them."""
    return Case.objects.filter(Q(state=RESTRICTED) | _dealt_with())


def unrestricted_sql(case: str) -> str:
    """The same of the table or alias ``case``, for queries that are written in SQL."""
    ruled = f"SELECT FROM cases_ruling WHERE case_id = {case}.id AND kind = 'sealed'"
    return f"({case}.state <> '{RESTRICTED}' AND NOT ({case}.state = 'RESOLVED' AND EXISTS ({ruled})))"


def _dealt_with() -> Q:
    return Q(state="RESOLVED", pk__in=Ruling.objects.filter(kind="sealed").values("case"))


def visible_to(staff: Any) -> "QuerySet[Case]":
    """Every case for those who read the desk; restricted ones only for the two roles of the sealed queue (B17)."""
    if not may(staff, "see cases"):
        return Case.objects.none()
    return Case.objects.all() if may(staff, "see restricted cases") else unrestricted()


def set_apart(staff: Any) -> "QuerySet[Ruling]":
    """Which cases were set apart, by whom and why, for the two roles of the sealed queue, whether or not they read the desk."""
    require(staff, "see restricted cases")
    rows = Ruling.objects.filter(kind="sealed", case__state=RESTRICTED).select_related("case__customer")
    return rows.order_by("at", "pk")


def case_for(staff: Any, number: int) -> Case:
    """One case with customer, service and owner. Raises NotFound for what does not exist or is not theirs to see."""
    try:
        return visible_to(staff).select_related("customer", "service", "owner", "edition", "parent").get(pk=number)
    except Case.DoesNotExist:
        raise NotFound(f"There is no case #{number}, or it is not yours to see.") from None


def open_evidence(staff: Any, case: Case, blob: Blob) -> Grant:
    """The grant to look at evidence of a case that this person may see."""
    if restricted().filter(pk=case.pk).exists():
        raise Refused("The evidence of a restricted case is not shown at the desk.")
    require(staff, "open evidence")
    return grant(blob=blob, actor=staff.username, basis=f"case:{case.pk} desk")
