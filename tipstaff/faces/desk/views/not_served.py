"""Not served again: who stands on the list, which orders it caught, and what a lead makes of them (A14)."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.cases import refusals
from tipstaff.cases.access import visible_to
from tipstaff.cases.models import Refusal, RefusalMatch
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views.intake import found_customer
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem

MOST = 200
WORDS = {"refused": "Not served", "another": "Somebody else", "served": "Served all the same"}


@desk()
def listing(request: DeskRequest) -> HttpResponse:
    """Orders that were caught first; then the list itself. A POST puts somebody on it."""
    problems: list[Problem] = []
    if request.method == "POST":
        try:
            return _added(request)
        except InputError as error:
            problems = error.problems
    now = clock_now()
    rows = Refusal.objects.select_related("customer").order_by("-at", "-pk")
    seen = set(visible_to(request.user).filter(pk__in=rows.values("case")[:MOST]).values_list("pk", flat=True))
    standing = set(refusals.in_force(now).values_list("pk", flat=True))
    context = {
        "screen": "customers", "now": now, "problems": problems, "given": request.POST, "words": WORDS,
        "caught": list(RefusalMatch.objects.select_related("customer", "refusal__customer").order_by("decision", "-at")[:MOST]),
        "rows": [_row(row, row.pk in standing, seen) for row in rows[:MOST]],
    }  # fmt: skip
    return page(request, "desk/not_served.html", context, status=422 if problems else 200)


def _row(entry: Refusal, stands: bool, seen: set[int]) -> dict[str, Any]:
    return {"entry": entry, "stands": stands, "case": entry.case_id if entry.case_id in seen else None}


def _added(request: DeskRequest) -> HttpResponse:
    given, now = request.POST, clock_now()
    days = given.get("days", "").strip() or str(refusals.LASTS.days)
    if not days.isascii() or not days.isdigit() or len(days) > 5:
        raise InputError(Problem("days", f"{days[:20]!r} is no number of days", "such as 730"))
    about = found_customer(given["customer"], now) if given.get("customer", "").strip() else None
    identities = [one.strip() for one in given.get("identities", "").replace(",", "\n").splitlines() if one.strip()]
    row = refusals.add(
        identities=identities, customer=about, reason_code=given.get("reason_code", ""), note=given.get("note", ""),
        lasts=timedelta(days=int(days)), by=request.user.get_username(), now=now,
    )  # fmt: skip
    messages.success(request, f"Entry {row.pk} stands until {row.expires_at:%Y-%m-%d}.")
    return redirect("/customers/not-served/")


@desk()
@require_POST
def lift(request: DeskRequest, number: int) -> HttpResponse:
    refusals.lift(refusal=number, note=request.POST.get("note", ""), by=request.user.get_username(), now=clock_now())
    messages.success(request, f"Entry {number} is lifted.")
    return redirect("/customers/not-served/")


@desk()
@require_POST
def settle(request: DeskRequest, number: int, decision: str) -> HttpResponse:
    if decision not in WORDS:
        raise NotFound(f"There is no decision {decision!r}.")
    reason, by = request.POST.get("reason", ""), request.user.get_username()
    refusals.settle(match=number, decision=decision, reason=reason, by=by, now=clock_now())
    messages.success(request, f"Decided: {WORDS[decision].lower()}.")
    return redirect("/customers/not-served/")
