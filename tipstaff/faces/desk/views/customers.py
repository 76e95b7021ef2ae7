"""Customers: the list, and one with its addresses at a chosen date, cases, contacts, acceptances."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse

from tipstaff.accounts import lookups as accounts
from tipstaff.accounts.access import may
from tipstaff.accounts.contracts import ROLES
from tipstaff.accounts.models import Acceptance, Customer
from tipstaff.accounts.roles import ACTS, STAFF
from tipstaff.cases import queries, refusals, strikes
from tipstaff.cases.access import visible_to
from tipstaff.cases.models import RefusalMatch
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views import contracts
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.policy import queries as policy
from tipstaff.policy.switches import AcceptanceBasis

VIEWERS = tuple(name for name in STAFF if name in ACTS["see customers"])
ROWS = 50
CASES = 50


@desk(*VIEWERS)
def customers(request: DeskRequest) -> HttpResponse:
    text = request.GET.get("name", "").strip()[:100]
    now, owing = clock_now(), request.GET.get("accepted") == "no"
    wanted = _expressly(now) if owing else None
    found = list(accounts.customers(text, after=request.GET.get("after", "")[:200], most=ROWS + 1, unaccepted=wanted))
    shown = found[:ROWS]
    figures = queries.by_customer([row.pk for row in shown])
    after = f"{shown[-1].name}~{shown[-1].pk}" if len(found) > ROWS else ""
    context = {"screen": "customers", "rows": [{"customer": row, "figures": figures.get(row.pk)} for row in shown], "name": text,
               "after": after, "owing": owing, "expressly": bool(wanted) or _explicit("", now) is not None,
               "caught": RefusalMatch.objects.filter(decision="").count()}  # fmt: skip
    return page(request, "desk/customers.html", context)


def _explicit(brand: str, now: datetime) -> str | None:
    """The content hash of the brand's edition in force, where it wants each customer's express acceptance (A1, K16)."""
    found = policy.edition_in_force(brand, now)
    explicit = found is not None and found[1].switches.acceptance is AcceptanceBasis.EXPLICIT
    return found[0].content_hash if found and explicit else None


def _expressly(now: datetime) -> dict[str, str]:
    return {brand: wanted for brand in accounts.brands() if (wanted := _explicit(brand, now)) is not None}


@desk(*VIEWERS)
def customer(request: DeskRequest, number: int) -> HttpResponse:
    found = Customer.objects.select_related("parent", "source").filter(pk=number).first()
    if found is None:
        raise NotFound(f"There is no customer {number}.")
    now = clock_now()
    at = _at(request.GET.get("at", ""), now)
    cases = visible_to(request.user).filter(customer=found).select_related("customer", "owner").only(*queries.COLUMNS)
    in_force = policy.edition_in_force(found.brand, now) if may(request.user, "see cases") else None
    context: dict[str, Any] = {
        "screen": "customers", "now": now, "at": at, "customer": found, "line": queries.customer_line(found.pk, now=now),
        "assignments": accounts.assignments_of(found.pk, at), "names": accounts.names_of(found.pk, at),
        "contacts": accounts.contacts_of(found.pk), "services": list(found.services.order_by("name")[:200]),
        "open_cases": list(cases.filter(closed_at__isnull=True).order_by("next_due_at", "id")[:CASES]),
        "closed_cases": list(cases.filter(closed_at__isnull=False).order_by("-opened_at", "-id")[:CASES]),
        "held": strikes.held_against(found.pk, in_force[1].strikes, seen=visible_to(request.user), now=now) if in_force else None,
        "by_use": _explicit(found.brand, now) is None, "agreed": contracts.shown(found, now), "roles_of_contacts": ROLES,
        "acceptances": list(Acceptance.objects.filter(customer=found).order_by("-accepted_at")[:20]),
        "children": list(found.children.order_by("name")[:50]),
        "caught": list(RefusalMatch.objects.filter(customer=found, decision="").select_related("refusal")[:5]),
        "barred": refusals.in_force(now).filter(customer=found).order_by("-at").first(),
    }  # fmt: skip
    return page(request, "desk/customer.html", context)


def _at(text: str, now: datetime) -> datetime:
    """A day (its end, UTC) or a moment from the address bar; now where there is none."""
    if not text:
        return now
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(Problem("at", f"{text!r} is no date", "such as 2026-06-14")) from error
    if len(text) <= 10:
        at = at.replace(hour=23, minute=59, second=59)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
