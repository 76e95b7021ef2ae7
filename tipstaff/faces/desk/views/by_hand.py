"""Work orders: what a person is asked to do or undo by hand, in plain words; and the interruptions with their credits."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.accounts import roles
from tipstaff.accounts.access import may
from tipstaff.cases.access import visible_to
from tipstaff.enforcement import by_hand, interruptions, queries, sla
from tipstaff.enforcement.models import Order, WorkOrder
from tipstaff.faces.desk.access import DeskRequest, desk, holds
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound, Refused

MOST = 200
PERIOD = timedelta(days=92)
READERS = tuple(name for name in roles.STAFF if name in roles.ACTS["see orders"])
COUNTERS = tuple(name for name in roles.STAFF if name in roles.ACTS["see interruptions and credits"])
BADGES = {
    "asked": ("next", "to be done", "us"), "undo_asked": ("undo", "to be undone", "us"), "done": ("done", "done", "good"),
    "undone": ("ok", "undone", "off"), "refused": ("over", "cannot be done", "bad"), "cancelled": ("ok", "called off", "off"),
}  # fmt: skip
STANDINGS = {
    "upheld": ("check", "breach upheld: excluded", ""), "overturned": ("undo", "given back", "good"),
    "undecided": ("scale", "contested: counted", "warn"), "counted": ("ok", "counted by the policy", "off"),
}  # fmt: skip
#: What a scope leaves alone: read out, so that nobody does more than was decided.
ONLY = {
    "url": "Only this one URL. Everything else of the site stays reachable.",
    "site": "Only this site. Other sites and services of the machine stay as they are.",
    "port": "Only this port of this address. Everything else of the machine goes on.",
    "machine": "Only this address. The customer’s other machines go on.",
    "service": "This one service of the customer and no other. Console access stays, so that the customer can put things right.",
}


def _rows(request: DeskRequest, work: list[WorkOrder]) -> list[dict[str, Any]]:
    """Work orders with their orders, as far as this person may see the cases behind them."""
    orders = queries.orders_of_work(work)
    numbers = [order.case_id for order in orders.values()]
    everything = holds(request.user, roles.BILLING)
    seen = set(numbers) if everything else set(visible_to(request.user).filter(pk__in=numbers).values_list("pk", flat=True))
    shown = [(one, orders.get(one.tag)) for one in work]
    return [
        {"work": one, "order": order, "badge": BADGES[one.state]} for one, order in shown if order is None or order.case_id in seen
    ]


@desk(*READERS)
def work(request: DeskRequest) -> HttpResponse:
    """What waits for somebody's hands, the oldest first; then what was answered lately."""
    now = clock_now()
    context = {
        "screen": "enforcement", "now": now, "view": "by-hand", "rows": _rows(request, list(queries.work_orders()[:MOST])),
        "answered": _rows(request, list(queries.answered_work()[:50])), "may_answer": may(request.user, by_hand.ACT),
    }  # fmt: skip
    return page(request, "desk/work_orders.html", context)


def _found(request: DeskRequest, number: int) -> dict[str, Any]:
    row = next(iter(_rows(request, list(WorkOrder.objects.filter(pk=number)))), None)
    if row is None:
        raise NotFound(f"There is no work order {number}, or it is not yours to see.")
    return row


@desk(*READERS)
def one(request: DeskRequest, number: int) -> HttpResponse:
    row = _found(request, number)
    order: Order | None = row["order"]
    context = {
        **row, "screen": "enforcement", "now": clock_now(), "may_answer": may(request.user, by_hand.ACT),
        "asked": row["work"].state in by_hand.OPEN, "undoing": row["work"].state == by_hand.UNDO_ASKED,
        "only": ONLY.get(order.scope, "") if order else "",
        "entries": list(order.entries.filter(kind__startswith="by_hand").order_by("at", "pk")) if order else [],
    }  # fmt: skip
    return page(request, "desk/work_order.html", context)


@desk(*READERS, write=READERS)
@require_POST
def answer(request: DeskRequest, number: int, action: str) -> HttpResponse:
    """Done, or cannot be done, whichever way was asked."""
    _found(request, number)
    given, by = request.POST, request.user.get_username()
    if action == "done":
        found = by_hand.confirm(number=number, by=by, note=given.get("note", "")[:2000], now=clock_now())
        messages.success(request, f"Work order {number} is {found.state}. The order’s journal has it.")
    elif action == "cannot":
        by_hand.refuse(number=number, by=by, reason=given.get("reason", "")[:2000], now=clock_now())
        messages.success(request, f"Work order {number}: the desk is told why it cannot be.")
    else:
        raise NotFound(f"There is no step {action!r}.")
    return redirect(f"/enforcement/work/{number}/")


@desk(*COUNTERS)
def interrupted(request: DeskRequest) -> HttpResponse:
    """Interruptions of the last three months: which stand as excluded from agreements on availability, which are credited."""
    now = clock_now()
    seen = None if holds(request.user, roles.BILLING) else visible_to(request.user)
    lines = sla.lines(since=now - PERIOD, until=now, now=now)
    if seen is not None:
        known = set(seen.filter(pk__in=[line.interruption.case_id for line in lines]).values_list("pk", flat=True))
        lines = [line for line in lines if line.interruption.case_id in known]
    lines.sort(key=lambda line: line.interruption.started_at, reverse=True)
    context = {
        "screen": "enforcement", "now": now, "view": "interruptions", "may_grant": may(request.user, interruptions.ACT),
        "rows": [{"line": line, "badge": STANDINGS[line.standing]} for line in lines[:MOST]], "more": len(lines) > MOST,
    }  # fmt: skip
    return page(request, "desk/interruptions.html", context)


@desk(*COUNTERS)
def interrupted_csv(request: DeskRequest) -> HttpResponse:
    """The export for agreements on availability, of the same three months."""
    if not holds(request.user, roles.BILLING, roles.LEAD, roles.ADMIN):
        raise Refused("The export names customers of every case: billing, a lead or an admin takes it out.")
    now: datetime = clock_now()
    found = HttpResponse("".join(sla.export(since=now - PERIOD, until=now, now=now)), content_type="text/csv; charset=utf-8")
    found["Content-Disposition"] = 'attachment; filename="interruptions.csv"'
    return found


@desk(*COUNTERS, write=COUNTERS)
@require_POST
def credit(request: DeskRequest, number: int) -> HttpResponse:
    """Give the minutes of one interruption back."""
    by, reason = request.user.get_username(), request.POST.get("reason", "")[:2000]
    made = interruptions.grant(number=number, reason=reason, by=by, now=clock_now())
    messages.success(request, f"{made.seconds // 60} minutes are {made.customer.name}’s again.")
    return redirect("/enforcement/interruptions/")
