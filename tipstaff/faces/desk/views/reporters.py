"""Reporters: too many of whose reports were wrong, what people said of them, and what a lead makes of it."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.cases.access import restricted, visible_to
from tipstaff.cases.models import CaseReport
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound
from tipstaff.kernel.text import whole
from tipstaff.pipeline import limiting, warning
from tipstaff.reports.models import Report, Reporter

MOST = 100
KEPT = 300  # seconds that the count on Home and in Intake may be old
COUNT = "desk:reporters"


def to_warn(now: datetime) -> int:
    """How many reporters wait for a lead's word; a little old at most."""
    return cache.get_or_set(COUNT, lambda: len(warning.proposed(now)), KEPT) or 0


@desk()
def listing(request: DeskRequest) -> HttpResponse:
    """Whom a warning is proposed for, the worst first; and who was warned lately."""
    now = clock_now()
    found = warning.proposed(now)[:MOST]
    known = Reporter.objects.in_bulk([one.reporter for one in found])
    context = {
        "screen": "intake", "now": now, "threshold": warning.threshold(),
        "rows": [{"reporter": known[one.reporter], "wrong": len(one.wrong), "judged": one.judged} for one in found],
        "warned": list(Reporter.objects.filter(warned_at__isnull=False).order_by("-warned_at")[:MOST]),
        "limited": list(Reporter.objects.filter(limited_until__gt=now).order_by("limited_until")[:MOST]),
    }  # fmt: skip
    return page(request, "desk/reporters.html", context)


@desk()
def reporter(request: DeskRequest, number: int) -> HttpResponse:
    """One reporter by number, with what was judged. Who it is stands here no more than at a case."""
    now, found = clock_now(), _found(number)
    (seen,) = warning.judged([found.pk], now)
    limit = warning.threshold()
    context = {
        "screen": "intake", "now": now, "reporter": found, "threshold": limit, "wrong": len(seen.wrong), "judged": seen.judged,
        "is_proposed": limit.met(len(seen.wrong), seen.judged), "rows": _rows(request, found, seen),
        "is_limited": limiting.stands(found, now), "usual": limiting.USUAL.days, "longest": limiting.LONGEST.days,
    }  # fmt: skip
    return page(request, "desk/reporter.html", context)


def _found(number: int) -> Reporter:
    """Raises NotFound for who does not exist, or is known from sealed reports only."""
    found = Reporter.objects.filter(pk=number).first()
    if found is None or not Report.objects.filter(reporter=found).exclude(submission__state="sealed").exists():
        raise NotFound(f"There is no reporter {number}, or it is not yours to see.")
    return found


def _rows(request: DeskRequest, found: Reporter, seen: warning.Judged) -> list[dict[str, Any]]:
    """The judged reports, the newest first, with the case that each is about or what became of it in Intake."""
    rows = Report.objects.filter(reporter=found, answerable=True, submission__in=seen.rejected | seen.stands)
    apart = restricted().exclude(pk__in=visible_to(request.user).values("pk"))
    rows = rows.exclude(pk__in=CaseReport.objects.filter(case__in=apart).values("report_id"))
    listed = list(rows.select_related("submission").order_by("-received_at", "pk")[:MOST])
    told = CaseReport.objects.filter(report_id__in=[row.pk for row in listed], case__in=visible_to(request.user))
    cases = dict(told.order_by("case_id").values_list("report_id", "case_id"))
    return [{"report": row, "is_wrong": row.submission_id in seen.wrong, "case": cases.get(row.pk)} for row in listed]


@desk()
@require_POST
def warn(request: DeskRequest, number: int) -> HttpResponse:
    reason, by = request.POST.get("reason", ""), request.user.get_username()
    message = warning.warn(reporter=_found(number).pk, reason=reason, by=by, now=clock_now())
    cache.delete(COUNT)
    messages.success(request, f"Reporter {number} is warned: message {message.pk} waits in the outbox.")
    return redirect(f"/reporters/{number}/")


@desk()
@require_POST
def spare(request: DeskRequest, number: int) -> HttpResponse:
    warning.spare(
        reporter=_found(number).pk, reason=request.POST.get("reason", ""), by=request.user.get_username(), now=clock_now()
    )
    cache.delete(COUNT)
    messages.success(request, f"Left at that: the count of reporter {number} begins anew.")
    return redirect(f"/reporters/{number}/")


@desk()
@require_POST
def limit(request: DeskRequest, number: int) -> HttpResponse:
    now, days = clock_now(), whole(request.POST.get("days", "").strip(), 4) or 0  # none is refused below
    reason, by = request.POST.get("reason", ""), request.user.get_username()
    until = limiting.limit(reporter=_found(number).pk, reason=reason, until=now + timedelta(days=days), by=by, now=now)
    cache.delete(COUNT)
    messages.success(
        request, f"Reporter {number} is limited until {until:%Y-%m-%d %H:%M} UTC: nothing of theirs acts by itself until then."
    )
    return redirect(f"/reporters/{number}/")


@desk()
@require_POST
def lift(request: DeskRequest, number: int) -> HttpResponse:
    reason, by = request.POST.get("reason", ""), request.user.get_username()
    limiting.lift(reporter=_found(number).pk, reason=reason, by=by, now=clock_now())
    messages.success(request, f"The limit of reporter {number} is lifted.")
    return redirect(f"/reporters/{number}/")
