"""Permits: who may test what, when, on whose word. One asks, another with the weight for it grants; either may revoke."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from tipstaff.accounts.access import may
from tipstaff.consent import granting, queries
from tipstaff.consent.granting import Asked
from tipstaff.consent.models import Permit
from tipstaff.consent.permits import DIRECTIONS, KINDS
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views.intake import found_customer
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.reports.models import AcceptedRisk

STATES = {
    "asked": "waits for a second person",
    "refused": "refused",
    "revoked": "revoked",
    "over": "over",
    "waiting": "granted, not begun",
    "in force": "in force",
}


@desk()
def permits(request: DeskRequest) -> HttpResponse:
    """The register, what waits for a decision first; a POST asks for one."""
    now = clock_now()
    context: dict[str, Any] = {
        "screen": "rules",
        "now": now,
        "given": {},
        "kinds": KINDS,
        "directions": DIRECTIONS,
    }
    if request.method == "POST":
        try:
            made = granting.ask(asked=_asked(request, now), by=request.user.get_username(), now=now)
            messages.success(request, f"Permit {made.pk} waits for a second person.")
            return redirect("/rules/permits/")
        except InputError as error:
            context |= {"problems": error.problems, "given": request.POST}
    context["rows"] = [_row(row, request, now) for row in queries.listed()]
    context["risk_count"] = AcceptedRisk.objects.filter(expires_at__gt=now).count()
    return page(request, "desk/permits.html", context, status=422 if "problems" in context else 200)


def _row(row: Permit, request: DeskRequest, now: datetime) -> dict[str, Any]:
    state = queries.state_of(row, now)
    decides = state == "asked" and may(request.user, "decide as a lead")
    return {
        "permit": row,
        "state": STATES[state],
        "live": state in {"in force", "waiting", "asked"},
        "grants": decides and row.requested_by != request.user.get_username(),
        "refuses": decides,
        "revokes": state in {"in force", "waiting"},
        "uses": row.uses.count(),
    }


def _asked(request: DeskRequest, now: datetime) -> Asked:
    given, upload = request.POST, request.FILES.get("document")
    problems: list[Problem] = []
    customer = None
    if given.get("customer", "").strip():
        customer = found_customer(given["customer"], now)
    if upload is not None and (upload.size or 0) > granting.MOST_DOCUMENT:
        problems.append(Problem("document", "is larger than 20 MB"))
    starts_at, ends_at = (_moment(given.get(name, ""), name, problems) for name in ("from", "until"))
    if problems:
        raise InputError(problems)
    return Asked(
        kind=given.get("kind", ""), title=given.get("title", ""), direction=given.get("direction", ""),
        hosts=_lines(given.get("hosts", "")), targets=_lines(given.get("targets", "")),
        detectors=_lines(given.get("detectors", "")), starts_at=starts_at, ends_at=ends_at,
        signatory=given.get("signatory", ""), contact=given.get("contact", ""), note=given.get("note", ""), customer=customer,
        document=upload.read() if upload is not None else b"", document_name=(upload.name or "") if upload is not None else "",
        document_sha256=given.get("sha256", ""),
    )  # fmt: skip


def _lines(text: str) -> list[str]:
    return [one.strip() for one in text.replace("\n", ",").replace(" ", ",").split(",") if one.strip()]


def _moment(text: str, name: str, problems: list[Problem]) -> datetime | None:
    """A moment in the person's own zone, as the browser's field gives it."""
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else timezone.make_aware(found, timezone.get_current_timezone())).astimezone(UTC)
    except (ValueError, OverflowError):
        problems.append(Problem(name, f"{text[:40]!r} is no moment", "such as 2026-12-01T08:00"))
        return None


@desk()
@require_POST
def act(request: DeskRequest, number: int, action: str) -> HttpResponse:
    """Grant, refuse, revoke."""
    by, now, reason = request.user.get_username(), clock_now(), request.POST.get("reason", "")
    if action == "grant":
        granting.grant(permit=number, by=by, now=now)
    elif action == "refuse":
        granting.refuse(permit=number, reason=reason, by=by, now=now)
    elif action == "revoke":
        granting.revoke(permit=number, reason=reason, by=by, now=now)
    else:
        raise NotFound(f"There is no step {action!r}.")
    return redirect("/rules/permits/")
