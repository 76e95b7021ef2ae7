"""Intake: what could not be matched or parsed, one after the other; and cases opened by hand."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.accounts import lookups as accounts
from tipstaff.accounts.models import Customer
from tipstaff.cases import queries as case_queries
from tipstaff.cases import services as cases
from tipstaff.faces.desk import jobs, lines, showing
from tipstaff.faces.desk.access import WORKERS, DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views import reporters
from tipstaff.intake import queries, services
from tipstaff.intake.access import open_evidence, shown, submission_for, visible_to
from tipstaff.intake.models import Submission
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem, TipstaffError
from tipstaff.pipeline import asking, deciding
from tipstaff.policy import queries as policy
from tipstaff.policy.categories import CATEGORIES
from tipstaff.reports import queries as reports
from tipstaff.reports.models import Event

LISTED = 60
RECENT = timedelta(days=1)
TABS = (
    ("person", "Needs a person"),
    ("unparsed", "Not parsed"),
    ("received", "Waiting to be read"),
    ("aside", "Set aside"),
    ("parsed", "Filed"),
    ("all", "All in 24 h"),
)
DECIDED = {"retry": ("received", "read again"), "aside": ("set_aside", ""), "notours": ("set_aside", "not ours")}


@desk()
def intake(request: DeskRequest, number: UUID | None = None) -> HttpResponse:
    """The list, and one submission opened: the one asked for, or the one that is due first."""
    now = clock_now()
    view = request.GET.get("view", "person")
    listed = list(queries.listed(visible_to(request.user), view, since=now - RECENT)[: LISTED + 1])
    chosen = submission_for(request.user, number) if number else next(iter(listed), None)
    counts = queries.counts(since=now - RECENT)
    context: dict[str, Any] = {
        "screen": "intake",
        "now": now,
        "view": view,
        "listed": listed[:LISTED],
        "more": len(listed) > LISTED,
        "chosen": chosen,
        "tabs": [{"key": key, "name": name, "count": counts[key]} for key, name in TABS],
        "counts": counts,
        "to_warn": reporters.to_warn(now),
        "categories": _categories(now),
    }
    if chosen:
        context |= _opened(request, chosen, now)
    return page(request, "desk/intake.html", context)


def _categories(now: datetime) -> list[Any]:
    in_force = policy.edition_in_force("", now)
    if in_force is None:
        return list(CATEGORIES.values())
    return [entry for entry in in_force[1].categories.values() if str(entry.opening) not in {"sealed", "enrich"}]


def _opened(request: DeskRequest, chosen: Submission, now: datetime) -> dict[str, Any]:
    found = list(reports.of_submission(chosen))
    events = [event for row in found[:5] for event in reports.events_of_report(row.pk)]
    blob = chosen.blob
    context: dict[str, Any] = {
        "reported": found,
        "candidates": candidates(events, chosen),
        "trace": chosen.trace,
        "sha256": bytes(blob.sha256).hex(),
        "category": next((row.category for row in found if row.category), _traced_category(chosen)),
        "blob": blob,
        "waiting": chosen.state in queries.WAITING,
    }
    try:
        grant = open_evidence(request.user, chosen)
        values = showing.values_of(events) or _traced_values(chosen)
        context["stretches"], context["left_out"] = showing.raw(blob=blob, grant=grant, values=values, now=now)
    except TipstaffError as error:
        context["closed"] = str(error)
    return context


def _traced_category(chosen: Submission) -> str:
    return next((row.get("category") or "" for row in chosen.trace if isinstance(row, dict)), "")


def _traced(chosen: Submission) -> list[dict[str, Any]]:
    rows = [event for row in chosen.trace if isinstance(row, dict) for event in row.get("events", [])]
    return [row for row in rows if isinstance(row, dict)]


def _traced_values(chosen: Submission) -> list[str]:
    names = ("ip", "domain", "url", "time_as_written")
    return [str(row[name]) for row in _traced(chosen) for name in names if row.get(name)]


def candidates(events: list[Event], chosen: Submission) -> list[dict[str, Any]]:
    """Who held the addresses of a report within the time it speaks of: one row per holder, the likeliest first."""
    wanted: dict[str, tuple[datetime, datetime, str]] = {}
    for event in events:
        if event.ip and event.case_id is None and event.ip not in wanted:
            first = event.occurred_at or event.earliest or chosen.received_at - timedelta(days=2)
            last = event.occurred_at or event.latest or chosen.received_at
            wanted[event.ip] = (first, last, event.time_as_written or "")
    for row in _traced(chosen):
        if row.get("ip") and row["ip"] not in wanted and not events:
            wanted[row["ip"]] = (chosen.received_at - timedelta(days=2), chosen.received_at, row.get("time_as_written") or "")
    rows: list[dict[str, Any]] = []
    for address, (first, last, written) in list(wanted.items())[:6]:
        for held in accounts.holders_of(address):
            start, end = held.period.lower, held.period.upper
            if (start is None or start <= last) and (end is None or end > first):
                rows.append(
                    {
                        "address": address,
                        "written": written,
                        "from": max(first, start or first),
                        "to": min(last, end or last),
                        "assignment": held,
                    }
                )
    return rows[:9]


def _onward(request: DeskRequest, done: Submission) -> HttpResponse:
    queries.forget_counts()
    following = queries.next_waiting(visible_to(request.user), done)
    return redirect(f"/intake/{following}/" if following else "/intake/")


@desk()
@require_POST
def decide(request: DeskRequest, number: UUID) -> HttpResponse:
    """Read again, set aside, or not ours; then the next one."""
    chosen = submission_for(request.user, number)
    state, reason = DECIDED.get(request.POST.get("action", ""), ("", ""))
    if not state:
        raise InputError(Problem("action", "is not known", "one of " + ", ".join(DECIDED)))
    reason = request.POST.get("reason", "").strip()[:500] or reason or "not a report"
    services.decide(submission=chosen, state=state, reason=reason, by=request.user.get_username(), now=clock_now())
    messages.success(request, f"{shown(chosen).name}: {reason}.")
    return _onward(request, chosen)


@desk()
@require_POST
def assign(request: DeskRequest, number: UUID) -> HttpResponse:
    """These events are that customer's; then the next one."""
    chosen, now = submission_for(request.user, number), clock_now()
    holder, address = request.POST.get("holder", ""), ""
    if holder:
        customer, service, address = _held(holder)
    else:
        customer, service = found_customer(request.POST.get("customer", ""), now), None
    case = deciding.assign(
        submission=chosen.pk,
        customer=customer,
        service=service,
        category=request.POST.get("category", ""),
        address=address,
        by=request.user.get_username(),
        now=now,
    )
    case_queries.forget_counts()
    messages.success(request, f"Assigned to {case.customer.name}: case #{case.pk}.")
    return _onward(request, chosen)


@desk()
@require_POST
def ask(request: DeskRequest, number: UUID) -> HttpResponse:
    """A question to the reporter; the submission waits for the answer. Then the next one."""
    chosen = submission_for(request.user, number)
    message = asking.ask(
        submission=chosen.pk, text=request.POST.get("question", ""), by=request.user.get_username(), now=clock_now()
    )
    messages.success(request, f"A question to {message.recipient} waits in the outbox; due again in {asking.WAIT.days} days.")
    return _onward(request, chosen)


@desk(*WORKERS)
def download(request: DeskRequest, number: UUID) -> HttpResponse:
    """The bytes as they were received."""
    chosen = submission_for(request.user, number)
    grant = open_evidence(request.user, chosen)
    return showing.attachment(blob=chosen.blob, grant=grant, name=str(chosen.pk), now=clock_now())


def _held(text: str) -> tuple[int, int, str]:
    """'12~34~203.0.113.7' of a button: customer, service, address."""
    try:
        customer, service, address = text.split("~")
        return int(customer), int(service), str(ip_address(address))
    except ValueError as error:
        raise InputError(Problem("holder", f"{text!r} is not one of the holders", "press one of the buttons")) from error


def found_customer(text: str, now: datetime) -> int:
    """The one customer that was meant: its number with us, its name, an address or host that it holds now."""
    text = text.strip()
    if not text:
        raise InputError(Problem("Customer", "is empty", "type a customer number, a name, an address or a host"))
    try:
        rows = {row.service.customer for row in accounts.holders_of(str(ip_address(text))) if now in row.period}
    except ValueError:
        exact = Customer.objects.filter(external_id__iexact=text)
        rows = set(exact) or set(accounts.customers(text, most=6)) or {row.service.customer for row in accounts.by_host(text, now)}
    if len(rows) == 1:
        return rows.pop().pk
    if not rows:
        raise InputError(Problem("Customer", f"nobody is called {text!r} or holds it", "search for the name, number or address"))
    names = ", ".join(sorted(f"{row.name} ({row.external_id or row.pk})" for row in rows))
    raise InputError(Problem("Customer", f"{text!r} could be: {names}", "type the number in brackets"))


@desk()
@require_POST
def bulk(request: DeskRequest) -> HttpResponse:
    """Read again or set aside many, as a job with an error per row."""
    numbers = [text for text in request.POST.getlist("case") if len(text) == 36]
    action, now = request.POST.get("action", ""), clock_now()
    if action == "retry_all":
        numbers = [str(pk) for pk in visible_to(request.user).filter(state__in=queries.WAITING).values_list("pk", flat=True)[:5000]]
        action = "retry"
    if not numbers:
        raise InputError(Problem("Submissions", "none is selected", "select rows with x, then choose an action"))
    given = {name: request.POST[name] for name in jobs.PARAMETERS if request.POST.get(name)}
    if action == "assign":
        given["customer"] = str(found_customer(request.POST.get("customer", ""), now))
    job = jobs.enqueue(action=action, parameters=given, subjects=numbers, by=request.user.get_username(), now=now)
    if len(numbers) <= 25:
        jobs.run(job=job, now=now)
        if not job.errors:
            messages.success(request, f"{jobs.said(job).capitalize()}.")
            return redirect("/intake/")
    return redirect(f"/jobs/{job.pk}/")


@desk()
def by_hand(request: DeskRequest) -> HttpResponse:
    """A case from a call or a letter, or many from a pasted list of addresses and times."""
    now = clock_now()
    if request.method != "POST":
        return page(request, "desk/by_hand.html", {"screen": "queue", "now": now, "categories": _categories(now), "given": {}})
    try:
        opened = _open_all(request, now)
    except InputError as error:
        context = {"screen": "queue", "now": now, "categories": _categories(now), "given": request.POST, "problems": error.problems}
        return page(request, "desk/by_hand.html", context, status=422)
    case_queries.forget_counts()
    if len(opened) == 1:
        return redirect(f"/cases/{opened[0]}/")
    messages.success(request, f"{len(opened)} cases: " + ", ".join(f"#{number}" for number in opened[:20]))
    return redirect("/queue/?sort=opened")


def _open_all(request: DeskRequest, now: datetime) -> list[int]:
    """One case per line of the list, or one from the customer named; nothing is opened when a line is wrong."""
    text, description = request.POST.get("list", ""), request.POST.get("description", "").strip()
    problems = [] if description else [Problem("What was said", "is empty", "write what the caller or letter says")]
    wanted: list[tuple[tuple[int, int | None], lines.Line | None]] = []
    for line in lines.read(text):
        try:
            wanted.append((_holder_then(line, now), line))
        except TipstaffError as error:
            problems.append(Problem(f"line {line.number}", str(error)))
    if not text.strip():
        try:
            wanted.append(((found_customer(request.POST.get("customer", ""), now), None), None))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    by, category = request.user.get_username(), request.POST.get("category", "")
    opened: dict[int, None] = {}
    for (customer, service), source in wanted:
        headline = source.subject if source else request.POST.get("headline", "").strip()[:200]
        said = f"{description} ({source.text})" if source else description
        case = cases.open_by_hand(
            customer=customer, service=service, category=category, headline=headline, description=said, by=by, now=now
        )
        opened[case.pk] = None
    return list(opened)


def _holder_then(line: lines.Line, now: datetime) -> tuple[int, int]:
    """(customer, service) that held a line's address or host at its time."""
    if line.problem:
        raise NotFound(line.problem)
    at = line.at or now
    if line.at is None and line.dated:
        raise NotFound("the time has no zone; write it in UTC as 2026-06-14 10:02Z")
    if line.address:
        rows = [row for row in accounts.holders_of(line.address) if at in row.period]
        if rows:
            return rows[0].service.customer_id, rows[0].service_id
        raise NotFound(f"{line.address} was held by nobody at {at:%Y-%m-%d %H:%M} UTC")
    names = accounts.by_host(line.subject, at)
    if names:
        return names[0].service.customer_id, names[0].service_id
    raise NotFound(f"{line.subject} was nobody's at {at:%Y-%m-%d %H:%M} UTC")
