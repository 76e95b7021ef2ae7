"""Content reviews: leave to look at a customer's content, opened from a case, with each look on the record, for a time."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.accounts.models import StaffMember
from tipstaff.cases import reviews
from tipstaff.cases.access import case_for, visible_to
from tipstaff.cases.models import CaseReport, ContentReview
from tipstaff.cases.states import ENDED
from tipstaff.faces.desk.access import WORKERS, DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.policy import queries as policy
from tipstaff.policy.switches import OwnInitiativeReview

MOST = 200
OWN = "own"  # instead of a report: on our own initiative


@desk()
def running(request: DeskRequest) -> HttpResponse:
    """What may be looked at now, by whom, until when; then what has ended."""
    now = clock_now()
    seen = ContentReview.objects.filter(case__in=visible_to(request.user)).select_related("case", "case__customer")
    context = {
        "screen": "queue", "now": now,
        "rows": list(seen.filter(closed_at__isnull=True, until_at__gt=now).prefetch_related("views").order_by("until_at")[:MOST]),
        "ended": list(seen.exclude(closed_at__isnull=True, until_at__gt=now).prefetch_related("views").order_by("-from_at")[:MOST]),
    }  # fmt: skip
    return page(request, "desk/reviews.html", context)


def _found(request: DeskRequest, number: int) -> ContentReview:
    seen = ContentReview.objects.filter(case__in=visible_to(request.user)).select_related("case", "case__customer")
    row = seen.filter(pk=number).first()
    if row is None:
        raise NotFound(f"There is no content review {number}, or it is not yours to see.")
    return row


@desk()
def review(request: DeskRequest, number: int) -> HttpResponse:
    now, row = clock_now(), _found(request, number)
    open_now = row.closed_at is None and now < row.until_at
    me = request.user.get_username()
    context = {
        "screen": "queue", "now": now, "review": row, "views": list(row.views.order_by("at", "pk")), "open_now": open_now,
        "mine": me == row.reviewer, "may_end": open_now and (me in {row.reviewer, row.opened_by} or "lead" in request.user.roles),
    }  # fmt: skip
    return page(request, "desk/review.html", context)


@desk()
def of_case(request: DeskRequest, number: int) -> HttpResponse:
    """The reviews of a case, and the form that opens one: because of a report, or on our own initiative where the policy allows."""
    found, now = case_for(request.user, number), clock_now()
    if request.method == "POST":
        made = reviews.open_review(case=found.pk, **_asked(request), by=request.user.get_username(), now=now)
        messages.success(request, f"{made.reviewer} may look until {made.until_at:%H:%M} UTC. Each look is on the record.")
        return redirect(f"/reviews/{made.pk}/")
    switch = policy.compiled(found.edition).switches.own_initiative_review
    people = StaffMember.objects.filter(is_active=True, roles__overlap=list(WORKERS)).order_by("username")
    context = {
        "screen": "queue", "now": now, "case": found, "own": switch is not OwnInitiativeReview.OFF, "people": people,
        "reports": list(CaseReport.objects.filter(case=found).order_by("-at")[:50]), "over": found.state in ENDED,
        "rows": list(found.content_reviews.prefetch_related("views").order_by("-from_at")[:MOST]),
    }  # fmt: skip
    return page(request, "desk/case_reviews.html", context)


def _asked(request: DeskRequest) -> dict[str, Any]:
    given = request.POST
    because, hours = given.get("because", ""), given.get("hours", "")
    problems = []
    if because != OWN and not (because.isascii() and because.isdigit() and len(because) < 19):
        problems.append(Problem("Because of", "is not chosen", "a report, or our own initiative"))
    if not (hours.isascii() and hours.isdigit() and len(hours) < 4):
        problems.append(Problem("Hours", f"{hours[:20]!r} is no number", "1 to 24"))
    if problems:
        raise InputError(problems)
    return {
        "report": None if because == OWN else int(because), "hours": int(hours), "reason": given.get("reason", "")[:2000],
        "scope": given.get("scope", "")[:2000], "reviewer": given.get("reviewer", "")[:150],
    }  # fmt: skip


@desk()
@require_POST
def act(request: DeskRequest, number: int, action: str) -> HttpResponse:
    """Look, which is written down before anything is looked at; or end it before its time."""
    row, by, now = _found(request, number), request.user.get_username(), clock_now()
    if action == "look":
        reviews.look(review=row.pk, what=request.POST.get("what", ""), by=by, now=now)
        messages.success(request, "It is on the record. Look now.")
    elif action == "end":
        reviews.close_review(review=row.pk, by=by, now=now)
        messages.success(request, "The review has ended.")
    else:
        raise NotFound(f"There is no step {action!r}.")
    return redirect(f"/reviews/{row.pk}/")
