"""Search: a case, an address, a range of them, a host, a customer, a reporter."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect

from tipstaff.accounts import lookups as accounts
from tipstaff.cases import queries
from tipstaff.cases.access import visible_to
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.reports import queries as reports
from tipstaff.reports.asked import Asked, understand

MOST = 100


@desk()
def search(request: DeskRequest) -> HttpResponse:
    """What was meant, and what was found; a case number leads straight to the case."""
    asked = understand(request.GET.get("q", ""))
    now = clock_now()
    if asked.kind == "case" and visible_to(request.user).filter(pk=asked.number).exists():
        return redirect(f"/cases/{asked.number}/")
    context: dict[str, Any] = {"screen": "search", "now": now, "asked": asked, "searched": request.GET.get("q", "")[:200]}
    return page(request, "desk/search.html", context | _found(request, asked, now))


def _found(request: DeskRequest, asked: Asked, now: datetime) -> dict[str, Any]:
    cases = visible_to(request.user)
    if asked.kind == "addresses":
        return _addresses(cases, asked, now)
    if asked.kind == "host":
        names = accounts.by_host(asked.text, now)
        return _hosts(cases, asked.text) | {"names": names, "reporters": reports.reporters(asked.text)}
    if asked.kind in {"words", "case"}:
        return _words(cases, asked)
    return {}


def _hosts(cases: Any, host: str) -> dict[str, Any]:
    """Cases by the hosts that their events name, then those that only their headline names; and what lies in no case."""
    counted, loose = reports.cases_of_host(host, MOST)
    rows = _counted(cases, counted)
    known = {row.pk for row in rows}
    rows += [row for row in queries.about(cases, host, MOST) if row.pk not in known]
    return {"cases": rows[:MOST], "loose": reports.without_case(host) if loose else [], "loose_count": loose}


def _counted(cases: Any, counted: dict[int, int]) -> list[Any]:
    rows = list(cases.filter(pk__in=counted).select_related("customer", "owner").only(*queries.COLUMNS).order_by("-opened_at"))
    for row in rows:
        row.found_events = counted[row.pk]
    return rows


def _addresses(cases: Any, asked: Asked, now: datetime) -> dict[str, Any]:
    counted = reports.cases_in_range(str(asked.first), str(asked.last), MOST)
    rows = _counted(cases, counted)
    known = {row.pk for row in rows}
    if asked.single:
        rows += [row for row in queries.about(cases, str(asked.first), MOST) if row.pk not in known]
    holders = accounts.holders_of(str(asked.first)) if asked.single else accounts.in_range(str(asked.first), str(asked.last), now)
    return {"cases": rows, "holders": holders, "ranged": not asked.single}


def _words(cases: Any, asked: Asked) -> dict[str, Any]:
    customers = list(accounts.customers(asked.text, most=20))
    reporters = reports.reporters(asked.text)
    found = queries.of_customers(cases, [row.pk for row in customers[:5]], 30) if customers else []
    if not found and len(reporters) == 1:
        found = queries.of_reporter(cases, reporters[0].pk, 30)
    return {"customers": customers, "reporters": reporters, "cases": found}
