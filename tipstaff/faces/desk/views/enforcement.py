"""Enforcement: what is proposed, stands, expires or is in trouble; the command and what came back; roll back; the switches."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.accounts import roles
from tipstaff.cases.access import visible_to
from tipstaff.enforcement import approving, queries, switches, transitions
from tipstaff.enforcement.models import Order
from tipstaff.faces.desk.access import DeskRequest, desk, holds
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem

SIZE = 100
TABS = (
    ("proposed", "Proposed"), ("active", "Active"), ("expiring", "Expiring"), ("trouble", "In trouble"), ("held", "Held, dry run"),
    ("ended", "Ended"), ("all", "All"),
)  # fmt: skip
BADGES = {
    "proposed": ("next", "proposed", "us"), "approved": ("check", "approved", ""), "applying": ("bolt", "applying", ""),
    "verified": ("done", "verified", "good"), "reverting": ("bolt", "reverting", ""), "reverted": ("ok", "reverted", "off"),
    "failed": ("over", "failed", "bad"), "drifted": ("soon", "drifted", "warn"),
}  # fmt: skip
EMPTY = {
    "proposed": "Nothing waits for approval.", "active": "None active.", "expiring": "None ends within a day.",
    "trouble": "No trouble.", "held": "Nothing is held back.",
}  # fmt: skip
STAFF = tuple(name for name in roles.STAFF if name in roles.ACTS["see orders"])
APPROVERS = tuple(name for name in roles.STAFF if name in roles.ACTS["approve an order"])
OPERATORS = tuple(name for name in roles.STAFF if name in roles.ACTS["carry out an order"])


@desk(*STAFF)
def board(request: DeskRequest) -> HttpResponse:
    now = clock_now()
    view = request.GET.get("view", "")
    found = queries.board(now)
    view = view or next((name for name in ("proposed", "trouble", "active") if found.counts[name]), "active")
    rows = [row for row in queries.view(view, now)[:SIZE] if row.case_id in _seen(request, view, now)]
    context: dict[str, Any] = {
        "screen": "enforcement",
        "now": now,
        "board": found,
        "view": view,
        "tabs": [{"key": key, "name": name, "count": found.counts.get(key)} for key, name in TABS],
        "rows": [{"order": row, "badge": BADGES[row.state]} for row in rows],
        "empty": EMPTY.get(view, "Nothing yet: an order comes from a decision on a case."),
        "endpoints": queries.endpoints(),
        "operator": holds(request.user, *OPERATORS),
    }
    return page(request, "desk/enforcement.html", context)


def _seen(request: DeskRequest, view: str, now: datetime) -> set[int]:
    """The cases on this list that this person may see; a billing clerk sees orders, and no sealed ones either."""
    cases = list(queries.view(view, now).values_list("case_id", flat=True)[:SIZE])
    if holds(request.user, "billing"):
        return set(cases)
    return set(visible_to(request.user).filter(pk__in=cases).values_list("pk", flat=True))


def _order(request: DeskRequest, number: int) -> Order:
    found = queries.order(number)
    if not visible_to(request.user).filter(pk=found.case_id).exists() and not holds(request.user, "billing"):
        raise NotFound(f"There is no order {number}, or it is not yours to see.")
    return found


@desk(*STAFF)
def order(request: DeskRequest, number: int) -> HttpResponse:
    found = _order(request, number)
    me = request.user.get_username()
    own = me in {found.requested_by, found.approved_by}
    waits = found.state == transitions.PROPOSED or bool(found.state == transitions.APPROVED and found.held)
    context = {
        "screen": "enforcement",
        "now": clock_now(),
        "order": found,
        "badge": BADGES[found.state],
        "entries": list(found.entries.order_by("at", "pk")),
        "may_approve": holds(request.user, *APPROVERS) and waits,
        "own": own and found.state == transitions.PROPOSED,
        "may_lift": holds(request.user, *APPROVERS)
        and found.state not in transitions.FINAL
        and found.state != transitions.PROPOSED,
        "lifting": found.revert_asked_at is not None and found.state not in transitions.FINAL,
    }
    return page(request, "desk/enforcement_order.html", context)


@desk(*APPROVERS)
@require_POST
def act(request: DeskRequest, number: int, action: str) -> HttpResponse:
    """Approve, decline, lift or settle one order. What takes something from a customer is typed out, not clicked."""
    found = _order(request, number)
    step = ACTS.get(action)
    if step is None:
        raise NotFound(f"There is no step {action!r}.")
    if action == "approve" and request.POST.get("typed", "").strip().casefold() != found.target.casefold():
        raise InputError(Problem("Confirmation", "does not match", f"type {found.target} exactly"))
    step(number=found.pk, by=request.user.get_username(), now=clock_now(), reason=request.POST.get("reason", "").strip())
    messages.success(request, f"Order {found.pk}: {DONE[action]}.")
    return redirect(f"/enforcement/{found.pk}/")


ACTS: dict[str, Callable[..., Order]] = {
    "approve": approving.approve, "decline": approving.decline, "lift": approving.lift, "settle": approving.settle,
}  # fmt: skip
DONE = {"approve": "approved", "decline": "declined", "lift": "is being lifted", "settle": "settled"}


@desk(*OPERATORS)
@require_POST
def switch(request: DeskRequest, action: str) -> HttpResponse:
    """The two switches: begin nothing new, and lift everything; and the way back."""
    by, now, reason = request.user.get_username(), clock_now(), request.POST.get("reason", "").strip()
    if action == "stop":
        switches.stop(by=by, reason=reason, now=now)
        messages.success(request, "No new action is begun.")
    elif action == "resume":
        switches.resume(by=by, reason=reason, now=now)
        messages.success(request, "Actions go on.")
    elif action == "lift-all":
        if request.POST.get("typed", "").strip().casefold() != "lift everything":
            raise InputError(Problem("Confirmation", "does not match", "type: lift everything"))
        count = switches.lift_all(by=by, reason=reason, now=now)
        messages.success(request, f"{count} orders are being lifted.")
    else:
        raise NotFound(f"There is no switch {action!r}.")
    return redirect("/enforcement/")
