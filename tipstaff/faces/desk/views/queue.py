"""The queue: what is due first, filtered, saved as views, acted on in bulk."""

import csv
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from tipstaff.cases import queries
from tipstaff.cases.access import visible_to
from tipstaff.cases.models import Case
from tipstaff.faces.desk import filters, jobs, undo, words
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.arriving import onward
from tipstaff.faces.desk.models import SavedView
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.kernel.text import whole
from tipstaff.policy.categories import CATEGORIES

ROWS = 50
MOST_AT_ONCE = 25  # more than this runs as a job
MOST_IN_CSV = 50_000


@desk()
def queue(request: DeskRequest) -> HttpResponse:
    """One page of cases, or for htmx the next rows."""
    now = clock_now()
    wanted = filters.read(request.GET)
    cases = queries.select(visible_to(request.user), wanted, viewer=request.user.pk, now=now)
    try:
        found = queries.page(cases, wanted, after=request.GET.get("after", "")[:80], size=ROWS)
    except ValueError as error:
        raise InputError(Problem("after", "is not a place in this list", "start at the first page")) from error
    context: dict[str, Any] = {"now": now, "wanted": wanted, "after": found.after, "groups": _grouped(found.cases, wanted, now)}
    if getattr(request, "htmx", False) and request.GET.get("after"):
        return page(request, "desk/queue_rows.html", context)
    counts = queries.counts(now=now)
    context |= {
        "screen": "queue",
        "counts": counts,
        "upcoming": counts["upcoming"],
        "views": _views(request, counts, now),
        "current": filters.plain(request.GET),
        "categories": CATEGORIES.values(),
        "severities": words.SEVERITIES,
        "empty": not found.cases,
    }
    return page(request, "desk/queue.html", context)


def _grouped(cases: list[Case], wanted: queries.Wanted, now: Any) -> list[tuple[str, list[Case]]]:
    if wanted.sort != "due" or wanted.status != "open":
        return [("", cases)] if cases else []
    zone = timezone.get_current_timezone()
    return [(name, list(rows)) for name, rows in groupby(cases, lambda case: words.group_of(case.next_due_at, now, zone))]


def _views(request: DeskRequest, counts: dict[str, Any], now: Any) -> list[dict[str, Any]]:
    """The fixed views, then saved ones of one's own and shared ones, each with its count."""
    figures = counts | {"mine": queries.owned_count(request.user.pk)}
    views = [{"name": name, "query": query, "count": figures[key]} for name, query, key in filters.VIEWS]
    mine = SavedView.objects.filter(Q(owner=request.user) | Q(shared=True), screen="queue").select_related("owner")
    for saved in mine.order_by("position", "name")[:12]:
        wanted = filters.read(dict(pair.partition("=")[::2] for pair in saved.query.split("&") if pair))
        cases = queries.select(visible_to(request.user), wanted, viewer=request.user.pk, now=now)
        count = queries.capped_count(cases)
        views.append({"name": saved.name, "query": saved.query, "count": f"{count - 1}+" if count >= 1000 else count,
                      "saved": saved, "own": saved.owner_id == request.user.pk})  # fmt: skip
    return views


@desk()
@require_POST
def save_view(request: DeskRequest) -> HttpResponse:
    """Keep the present filter under a name; shared, every colleague has it too."""
    name = request.POST.get("name", "").strip()[:60]
    query = request.POST.get("query", "")[:500]
    if not name:
        raise InputError(Problem("Name", "is empty", "give the view a name"))
    filters.read(dict(pair.partition("=")[::2] for pair in query.split("&") if pair))
    SavedView.objects.update_or_create(
        owner=request.user, screen="queue", name=name, defaults={"query": query, "shared": "shared" in request.POST}
    )
    messages.success(request, f"View “{name}” is kept.")
    return redirect(f"/queue/?{query}")


@desk()
@require_POST
def delete_view(request: DeskRequest, number: int) -> HttpResponse:
    gone, _ = SavedView.objects.filter(pk=number, owner=request.user).delete()
    if not gone:
        raise NotFound("There is no such view of yours; a shared one is removed by the person who made it.")
    return redirect("/queue/")


@desk()
def export(request: DeskRequest) -> StreamingHttpResponse:
    """The filtered list as CSV, at most 50,000 rows."""
    now = clock_now()
    wanted = filters.read(request.GET)
    cases = queries.select(visible_to(request.user), wanted, viewer=request.user.pk, now=now)
    rows = cases.order_by("next_due_at", "id").select_related("customer", "owner").only(*queries.COLUMNS)[:MOST_IN_CSV]
    answer = StreamingHttpResponse(_lines(rows.iterator(chunk_size=2000)), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="cases-{now:%Y-%m-%d}.csv"'
    return answer


class _Echo:
    def write(self, line: str) -> str:
        return line


def _lines(cases: Any) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(["case", "state", "category", "clause", "severity", "subject", "customer", "reports", "opened_at",
                           "next_due_at", "turn", "owner"])  # fmt: skip
    for case in cases:
        owner = case.owner.username if case.owner else ""
        cells = [case.pk, case.state, case.category, case.clause, case.severity, case.headline, case.customer.name,
                 case.reports, _utc(case.opened_at), _utc(case.next_due_at), case.waiting_on, owner]  # fmt: skip
        yield writer.writerow([guarded(cell) for cell in cells])


def _utc(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""


def guarded(cell: Any) -> Any:
    """No cell of an export starts a formula in a spreadsheet."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell[:1] else cell


@desk()
@require_POST
def bulk(request: DeskRequest) -> HttpResponse:
    """One action on the selected cases: at once for a page's worth, as a job with an error per row for more."""
    numbers = sorted({number for text in request.POST.getlist("case") if (number := whole(text)) is not None})
    action = request.POST.get("action", "")
    parameters = {name: request.POST.get(name, "") for name in jobs.PARAMETERS if request.POST.get(name)}
    if not numbers:
        raise InputError(Problem("Cases", "none is selected", "select rows with x, then choose an action"))
    jobs.check(action, parameters)
    now = clock_now()
    visible = set(visible_to(request.user).filter(pk__in=numbers).values_list("pk", flat=True))
    by = request.user.get_username()
    job = jobs.enqueue(action=action, parameters=parameters, subjects=sorted(visible), by=by, now=now)
    if len(visible) <= MOST_AT_ONCE:
        undoable = jobs.run(job=job, now=now)
        undo.offer(request, text=jobs.said(job), undoable=undoable, now=now)
        if not job.errors:
            return onward(request, "/queue/")
    return redirect(f"/jobs/{job.pk}/")
