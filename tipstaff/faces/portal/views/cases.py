"""My cases, one case, its evidence."""

from datetime import datetime
from typing import Any

from django.db.models import F
from django.http import HttpRequest, HttpResponse

from tipstaff.cases import ribbon, statements
from tipstaff.cases.models import Appeal, Case, Cooperation, JournalEntry, Measure, Pause, Statement
from tipstaff.cases.portal_access import clients_cases, may_act, open_evidence, reports_of, visible_to
from tipstaff.cases.redacted import customer_view
from tipstaff.faces.portal import answers, facts, hearing, standing, timeline, words
from tipstaff.faces.portal.page import around, page, refusal
from tipstaff.faces.portal.views.policy import due_acceptance
from tipstaff.faces.portal.visitors import Here
from tipstaff.kernel.errors import Refused
from tipstaff.kernel.text import whole
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Category, Handling
from tipstaff.reports.models import Report

SIZE = 50
UNSHOWN = frozenset({Handling.NO_RENDERING, Handling.RESTRICTED_VIEW, Handling.ZERO_TOLERANCE})
NAMES = ("Reported", "We told you", "Acknowledge", "Your plan", "Restriction", "End")
CLIENTS_NAMES = ("Reported", "Told", "Acknowledge", "Plan", "Restriction", "End")


def mine(request: HttpRequest, here: Here) -> HttpResponse:
    """My cases: what is due first stands first; closed ones on a page of their own."""
    closed = request.GET.get("show") == "closed"
    rows = visible_to(here.visitor)
    counts = {"open": rows.filter(closed_at=None).count(), "closed": rows.filter(closed_at__isnull=False).count()}
    order: list[Any] = [F("closed_at").desc(), "-id"] if closed else [F("next_due_at").asc(nulls_last=True), "id"]
    start = whole(request.GET.get("from", ""), 6) or 0
    chosen = rows.filter(closed_at__isnull=not closed).select_related("customer", "parent").order_by(*order)
    found = list(chosen.defer("edition__content")[start : start + SIZE + 1])
    planned = _planned([case.pk for case in found])
    listed = [_row(case, here, case.pk in planned) for case in found[:SIZE]]
    context = {
        "rows": listed,
        "counts": counts,
        "closed": closed,
        "several": len(here.visitor.customers) > 1,
        "after": start + SIZE if len(found) > SIZE else 0,
        "before": max(start - SIZE, 0) if start else None,
        "accept": due_acceptance(here),
        "screen": "cases",
    }
    return page(request, "portal/cases.html", context | around(here))


def _planned(numbers: list[int]) -> set[int]:
    return set(Statement.objects.filter(case__in=numbers, kind="plan").values_list("case_id", flat=True))


def _row(case: Case, here: Here, planned: bool) -> dict[str, Any]:
    client = not may_act(here.visitor, case)
    stand = standing.Standing(case, here.now, _clocks(case), planned=planned, client=client)
    return {"case": case, "standing": stand, "client": client}


def _clocks(case: Case) -> dict[str, datetime]:
    """In a list the case's own column tells the time that is shown."""
    kind = standing.SHOWN.get(standing.State(case.state))
    return {kind: case.next_due_at} if kind and case.next_due_at else {}


def show(request: HttpRequest, here: Here, case: Case) -> HttpResponse:
    """The page of one case."""
    if here.session is not None and may_act(here.visitor, case):  # a link may be opened by a scanner of mail
        statements.seen(case=case.pk, by=here.by, now=here.now)
    return case_page(request, here, case)


def case_page(
    request: HttpRequest, here: Here, case: Case, filled: dict[str, str] | None = None, problems: dict[str, str] | None = None
) -> HttpResponse:
    """The page, also with a plan that was not taken."""
    edition = policy.compiled(case.edition)
    category, clause = edition.categories[case.category], edition.clauses.get(case.clause)
    found = reports_of(case)
    plans = list(Statement.objects.filter(case=case, kind="plan").order_by("-at")[:1])
    stand = standing.of(case, here.now, planned=bool(plans), client=not may_act(here.visitor, case))
    context = {
        "case": case,
        "standing": stand,
        "facts": facts.of(case, found, here.now),
        "clause": clause,
        "edition": edition,
        "evidence": range(1, len(found) + 1) if may_open(category) else (),
        "ribbon": _ribbon(case, stand, here),
        "steps": hearing.kept(standing.next_steps(stand), case, edition),
        "silence": standing.without_answer(stand, edition),
        "guidance": facts.guidance(case.category, here.code),
        "measures": _measures(case, edition, here.now),
        "outcome_until": _outcome_until(case, edition, here.now),
        "entries": timeline.entries(case),
        "mine": may_act(here.visitor, case),
        "children": _children(case, here),
        "plan": plans[0] if plans else None,
        "asked": list(Cooperation.objects.filter(case=case, answered_at=None).order_by("due_at")[:20]),
        "more_time": standing.more_time_asked(case),
        "form": answers.FORMS["plan"],
        "filled": filled or {},
        "problems": problems or {},
        "done": answers.DONE.get(request.GET.get("done", ""), "") if not problems else "",
        "offers": {name: standing.offers(case, name) for name in (*standing.OPEN_IN, "comment")},
        "screen": "cases",
    }
    return page(request, "portal/case.html", context | around(here), 422 if problems else 200)


def may_open(category: Category) -> bool:
    """Whether evidence of this kind is ever shown: never where there may be pictures that nobody must see."""
    return not UNSHOWN & set(category.handling)


def _children(case: Case, here: Here) -> list[Case]:
    """The clients' cases that hang on this one."""
    rows = clients_cases(here.visitor, case).select_related("customer").defer("edition__content")
    return list(rows.order_by("id")[:SIZE])


def _measures(case: Case, edition: Any, now: datetime) -> list[dict[str, Any]]:
    appealed = set(Appeal.objects.filter(case=case, decided_at=None).values_list("measure_id", flat=True))
    rows = Measure.objects.filter(case=case).exclude(state__in=("refused", "failed")).order_by("-decided_at", "-id")
    found = []
    for row in rows[:20]:
        until = standing.appeal_until(case, row, edition)
        open_still = until is not None and until > now and not appealed
        found.append({"row": row, "until": until if open_still else None, "appealed": row.pk in appealed})
    return found


def _outcome_until(case: Case, edition: Any, now: datetime) -> datetime | None:
    """Until when the outcome itself may be appealed against, where no measure stands for it."""
    if Appeal.objects.filter(case=case, decided_at=None).exists():
        return None
    until = standing.appeal_until(case, None, edition)
    return until if until and until > now else None


def _ribbon(case: Case, stand: standing.Standing, here: Here) -> dict[str, Any]:
    """The picture and its words. A restriction or an end that nobody has spoken of is not painted on the wall."""
    state = stand.state
    restrict = {standing.S.DISCONNECT_PENDING: stand.at}.get(state)
    end = stand.at if state in (standing.S.DISCONNECTED, standing.S.TERMINATION_PENDING) else None
    dates = ribbon.Dates(
        opened=case.opened_at, now=here.now, turns=_turns(case, here.now), ticketed=case.ticketed_at, ack_due=case.ack_due_at,
        acknowledged=case.acknowledged_at, resolve_due=case.resolve_due_at, disconnect=restrict, terminate=end,
        closed=case.closed_at,
    )  # fmt: skip
    drawn = ribbon.draw(dates)
    names = {"us": "us", "cu": "client" if stand.client else "you", "pa": "paused", "ov": "past due"}
    wide = [span for span in drawn.spans if span.width >= 6]
    labels = [(round((span.start + span.end) / 2, 2), names.get(span.kind, "us")) for span in wide]
    done = {2: case.acknowledged_at}
    known = {1: case.ticketed_at, 2: case.ack_due_at}  # where the picture has one mark for two steps of one moment
    shown = [
        {"mark": mark, "at": mark.at or known.get(place), "name": name, "did": done.get(place), "then": place > 3}
        for place, (mark, name) in enumerate(zip(drawn.marks, _names(stand), strict=True))
        if place < 4 or mark.at
    ]
    return {"drawn": drawn, "steps": shown, "labels": labels}


def _names(stand: standing.Standing) -> tuple[str, ...]:
    """What the marks are called; once there is a plan, its end is when it is fixed."""
    known = CLIENTS_NAMES if stand.client else NAMES
    return (*known[:3], "Fixed", *known[4:]) if stand.planned else known


def _turns(case: Case, now: datetime) -> list[tuple[datetime, str]]:
    """Whose turn it was: ours until the ticket, the customer's while it owed something, and the pauses."""
    turns = [(case.opened_at, "us")]
    if case.ticketed_at:
        turns.append((case.ticketed_at, "customer"))
    ours = {"FIX_CLAIMED": "us", "DISPUTED": "us", "APPEAL": "us", "DISCONNECT_PENDING": "us"}
    rows = (
        JournalEntry.objects.filter(case=case, kind="state", internal=False).order_by("at", "id").values_list("at", "detail__state")
    )
    turns += [
        (at, ours.get(str(state), "customer")) for at, state in rows[:100] if state and case.ticketed_at and at > case.ticketed_at
    ]
    for pause in Pause.objects.filter(case=case, clocks__contains=["resolve"]).order_by("from_at")[:20]:
        turns.append((pause.from_at, "paused"))
        if pause.ended_at:
            turns.append((pause.ended_at, case.waiting_on or "customer"))
    return sorted(turns, key=lambda turn: turn[0])


def evidence(request: HttpRequest, here: Here, case: Case, ordinal: int) -> HttpResponse:
    """One report's evidence with private data removed. Each opening goes on the record."""
    edition = policy.compiled(case.edition)
    if not may_open(edition.categories[case.category]):
        return refusal(request, 404, "Evidence of this kind is shown to nobody.", here)
    found = reports_of(case)
    if not 1 <= ordinal <= len(found):
        return refusal(request, 404, "There is nothing here for you.", here)
    chosen: Report = found[ordinal - 1]
    blob = chosen.submission.blob
    problem, sections = "", []
    try:
        grant = open_evidence(here.visitor, case, blob)
        sections = customer_view(case=case, found=chosen, blob=blob, grant=grant, now=here.now)
    except Refused:
        problem = words.say(here.code, "This evidence is too large for a page. Write to us, and we send you what concerns you.")
    context = {"case": case, "sections": sections, "problem": problem, "ordinal": ordinal, "all": range(1, len(found) + 1),
               "screen": "cases"}  # fmt: skip
    return page(request, "portal/evidence.html", context | around(here))
