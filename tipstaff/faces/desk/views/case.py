"""The case page: clock, ribbon, what the policy allows next, one timeline, evidence, facts."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from tipstaff.accounts import lookups as accounts
from tipstaff.cases import alerts, arrivals, asked_for, queries
from tipstaff.cases.access import case_for, open_evidence, visible_to
from tipstaff.cases.models import Case, CaseLink, CaseReport, JournalEntry, Ruling
from tipstaff.faces.desk import again, findings, nexts, ribbon, showing, timeline, words
from tipstaff.faces.desk.access import READERS, WORKERS, DeskRequest, desk, holds
from tipstaff.faces.desk.again import Again
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.refusals import Refusal
from tipstaff.faces.desk.templatetags.desk import dates_of, spoken
from tipstaff.faces.desk.views import authority, compose, corroboration
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound, Refused
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition, Handling
from tipstaff.reports import queries as reports
from tipstaff.reports.models import Report

SHOWN = 200  # journal entries and reports on the page
CHIPS = (("", "All"), ("mail", "Mail"), ("evidence", "Evidence"), ("actions", "Actions"), ("notes", "Notes"))
#: How the journal begins to say that something was refused, by its kind.
REFUSED = {"measure": "refused: ", "mail": "nobody at the customer can be reached"}
MAIL_KINDS = ("mail", "notice", "reply")
ICONS = {
    "opened": "doc",
    "events": "doc",
    "state": "bolt",
    "note": "lock",
    "mail": "mail",
    "notice": "mail",
    "reply": "mail",
    "fact": "pen",
    "category": "pen",
    "owner": "user",
    "link": "link",
    "merge": "merge",
    "split": "split",
    "corroboration": "eye",
    "move": "split",
    "attribution": "hash",
}


@desk()
def case(request: DeskRequest, number: int) -> HttpResponse:
    found = case_for(request.user, number)
    if found.merged_into_id:
        messages.info(request, f"#{found.pk} was merged into this case.")
        return redirect(f"/cases/{found.merged_into_id}/")
    return page(request, "desk/case.html", _context(request, found))


def refused(request: DeskRequest, said: Refusal) -> HttpResponse | None:
    """The case page again after a step that was refused: its form open, the refusal said at it, what was typed still there.

    None where the person may not see the case (any more).
    """
    sent = again.of(request, said)
    found = visible_to(request.user).filter(pk=sent.case, merged_into=None).first() if holds(request.user, *READERS) else None
    if found is None:
        return None
    context = _context(request, found, sent)
    answer = page(request, "desk/case.html", context, said.status)
    if again.MARK.encode() in answer.content:
        return answer
    # The case has moved on and has no such form now: what was typed stands at the top instead.
    return page(request, "desk/case.html", context | {"stranded": sent}, said.status)


def _context(request: DeskRequest, found: Case, sent: Again | None = None) -> dict[str, Any]:
    now = clock_now()
    edition = policy.compiled(found.edition)
    told = list(CaseReport.objects.filter(case=found).order_by("-at")[:SHOWN])
    reported = list(reports.of_reports([row.report_id for row in told]))
    journal = arrivals.told(found, SHOWN)
    called_for, others = nexts.steps(found, edition, request.user.get_username(), now)
    return {
        "screen": "queue",
        "now": now,
        "case": found,
        "edition": edition,
        "category": edition.categories.get(found.category),
        "labels": edition.categories[found.category].labels if found.category in edition.categories else (),
        "clause": edition.clauses.get(found.clause),
        "categories": [entry for entry in edition.categories.values() if str(entry.opening) != "sealed"],
        **_clock(found, edition, journal, now),
        **_timeline(request, journal, reported, told, now),
        **_people(request, found, now, sent),
        **_facts(found, edition),
        **_evidence(request, found, edition, reported, now),
        "links": _links(request, found),
        **authority.of_case(request.user, found, edition, journal),
        "alerted": alerts.of_case(found.pk) if any(row.kind == "alert" for row in journal) else [],
        "refused": any(row.text.startswith(REFUSED.get(row.kind, "\n")) for row in journal),
        "reviewed": sum(row.kind == "review" for row in journal),
        "nexts": [again.filled(step, sent) for step in called_for],
        "others": [again.filled(step, sent) for step in others],
        "again": sent,
        "here": f"/cases/{found.pk}/" if sent else "",
    }


def _clock(found: Case, edition: Edition, journal: list[JournalEntry], now: datetime) -> dict[str, Any]:
    zone = timezone.get_current_timezone()
    end = found.resolve_due_at
    terminate = end + edition.timers.second_timer if end and not found.closed_at else None
    acked = next((row.at for row in journal if row.kind == "state" and row.detail.get("state") == "ACKNOWLEDGED"), None)
    dates = dates_of(
        found, now, turns=_turns(found, journal), terminate=terminate, acknowledged=acked or found.state in words.ACKNOWLEDGED
    )
    drawn = ribbon.draw(dates)
    text, _, tone = words.clock(found.next_due_at, now, zone)
    left = text if tone == "bad" or found.next_due_at is None else f"{words.length(found.next_due_at - now)} left"
    return {
        "ribbon": drawn,
        "spoken": spoken(drawn, found.waiting_on),
        "left": "Closed" if found.closed_at else left,
        "late": tone == "bad",
        "owes": _owes(found),
        "steps": _steps(found, drawn, end, terminate),
        "labels": _labels(drawn),
    }


def _turns(found: Case, journal: list[JournalEntry]) -> list[tuple[datetime, str]]:
    """Whose turn it was, from the journal where it says so, else from the case's own columns."""
    said = [(row.at, row.detail["waiting_on"]) for row in reversed(journal) if row.detail.get("waiting_on")]
    if not said:
        return ribbon.turns_of(
            opened=found.opened_at, ticketed=found.ticketed_at, waiting_on=found.waiting_on, last_word=found.last_word_at
        )
    return [(found.opened_at, "us"), *said]


def _owes(found: Case) -> str:
    if found.closed_at:
        return words.state(found.outcome or found.state)[0].removeprefix("Closed: ")
    if found.state == "TRIAGE":
        return "the desk owes a decision"
    if found.waiting_on == "customer":
        return "the customer owes an answer"
    return "the reporter owes an answer" if found.waiting_on == "reporter" else "the desk owes an answer"


def _labels(drawn: ribbon.Ribbon) -> list[tuple[float, str]]:
    """Words under the wide stretches of the ribbon."""
    names = {"us": "us", "cu": "customer", "re": "reporter", "pa": "paused", "ov": "past due"}
    wide = [span for span in drawn.spans if span.end - span.start >= 6]
    return [(round((span.start + span.end) / 2, 2), names[span.kind]) for span in wide]


def _steps(found: Case, drawn: ribbon.Ribbon, end: datetime | None, terminate: datetime | None) -> list[dict[str, Any]]:
    notes = {
        0: f"{found.reporters} reporter{'' if found.reporters == 1 else 's'}",
        1: "the clock starts" if found.ticketed_at else "then the customer’s clock starts",
        2: "with the resolution" if found.ack_due_at and found.ack_due_at == end else "",
        3: "plan or fix",
        4: "after a final warning",
        5: "two people",
    }
    at = {2: found.ack_due_at, 4: end, 5: terminate} if found.closed_at is None else {2: found.ack_due_at}
    return [
        {"mark": mark, "note": notes[place], "at": at.get(place) or mark.at, "then": place > 3}
        for place, mark in enumerate(drawn.marks)
    ]


def _timeline(
    request: DeskRequest, journal: list[JournalEntry], reported: list[Report], told: list[CaseReport], now: datetime
) -> dict[str, Any]:
    show = request.GET.get("show", "")
    kinds = ["notes" if row.kind == "note" else "mail" if row.kind in MAIL_KINDS else "actions" for row in journal]
    counts = {name: kinds.count(name) for name in ("mail", "actions", "notes")}
    counts |= {"": len(journal) + len(reported), "evidence": len(reported)}
    zone = timezone.get_current_timezone()
    who = timeline.names(journal)
    rows = [
        {
            "entry": row,
            "icon": ICONS.get(row.kind, "bolt"),
            "day": row.at.astimezone(zone).date(),
            "kind": kind,
            "who": who[row.actor],
        }
        for row, kind in zip(journal, kinds, strict=True)
        if show in {"", kind}
    ]
    days = [(day, timeline.folded(list(entries))) for day, entries in groupby(rows, lambda row: row["day"])]
    return {
        "chips": [{"key": key, "name": name, "count": counts[key]} for key, name in CHIPS],
        "show": show,
        "days": days,
        "reported": reported,
        "bars": bars([row.at for row in told]),
    }


def bars(moments: list[datetime]) -> dict[str, Any] | None:
    """A small chart of when reports came: up to 24 bars between first and last, with its words."""
    if len(moments) < 2:
        return None
    first, last = min(moments), max(moments)
    step = max((last - first) / 23, timedelta(minutes=10))
    counts = [0] * 24
    for at in moments:
        counts[min(int((at - first) / step), 23)] += 1
    top = max(counts)
    drawn = [
        (number * 11, round(26 - 24 * count / top, 1), round(24 * count / top, 1)) for number, count in enumerate(counts) if count
    ]
    return {"bars": drawn, "first": first, "last": last, "step": step, "top": top}


def _people(request: DeskRequest, found: Case, now: datetime, sent: Again | None) -> dict[str, Any]:
    return {
        **compose.composer(request, found, now, sent),
        "acceptance": accounts.newest_acceptance(found.customer_id),
        "line": queries.customer_line(found.customer_id, now=now),
    }


def _facts(found: Case, edition: Edition) -> dict[str, Any]:
    entry = edition.categories.get(found.category)
    stated = {code: getattr(found, code) for code in asked_for.FACTS}
    known = asked_for.facts_of(entry, stated) if entry else {code: asked_for.Given(value) for code, value in stated.items()}
    required = entry.required_facts if entry else ()
    facts = [
        {"fact": fact, "value": stated[fact.code], "given": known[fact.code], "required": fact.code in required}
        for fact in edition.facts.values()
        if fact.code in asked_for.FACTS
    ]
    ordered = sorted(facts, key=lambda row: not row["required"])
    missing = [row["fact"] for row in ordered if row["required"] and not row["given"].value]
    asks = entry is not None and any(str(one) in asked_for.POINTS for one in entry.handling)
    points = Ruling.objects.filter(case=found, kind__in=asked_for.POINTS).order_by("pk") if asks else []
    said = [(asked_for.POINTS[row.kind], row) for row in points]
    return {"facts": ordered, "missing": missing, "points": said}


def _evidence(request: DeskRequest, found: Case, edition: Edition, reported: list[Report], now: datetime) -> dict[str, Any]:
    """Addresses at the time, and one opened piece of evidence: the newest, parsed, unless the address bar says more."""
    events = reports.events_of_case(found.pk, 100)
    address = next((event.ip for event in events if event.ip), None)
    context: dict[str, Any] = {"events": events, "address": address, "held": _held(address, events)}
    context["findings"] = findings.of_events(events)
    context |= corroboration.panel(found, events)
    wanted = request.GET.get("evidence", "")
    chosen = next((row for row in reported if str(row.pk) == wanted), reported[-1] if reported else None)
    if chosen is None:
        return context
    view, kind = request.GET.get("view", "parsed"), edition.categories.get(found.category)
    blob = chosen.submission.blob
    mine = [event for event in events if event.report_id == chosen.pk]
    context |= {"chosen": chosen, "view": view, "blob": blob, "sha256": bytes(blob.sha256).hex()}
    if view == "raw":
        grant = open_evidence(request.user, found, blob)
        context["stretches"], context["left_out"] = showing.raw(
            blob=blob, grant=grant, values=showing.values_of(mine), now=now, kind=kind
        )
    elif view == "customer":
        grant = open_evidence(request.user, found, blob)
        context["sections"] = showing.customer_view(case=found, found=chosen, blob=blob, grant=grant, now=now)
    else:
        context["parsed"] = [(name, showing.masked(value, kind), where) for name, value, where in showing.parsed(chosen, mine)]
    return context


def _held(address: str | None, events: list[Any]) -> dict[str, Any]:
    """Who held the address at the time of the newest event, before, and since."""
    if address is None:
        return {}
    event = next(event for event in events if event.ip == address)
    rows = accounts.holders_of(address)
    at = event.occurred_at or event.latest or event.received_at
    then = next((row for row in rows if row.pk == event.assignment_id), None)
    then = then or next((row for row in rows if at in row.period), None)
    others = [row for row in rows if then is None or (row.pk != then.pk and row.service.customer_id != then.service.customer_id)]
    return {
        "event": event,
        "at": at,
        "then": then,
        "others": others[:3],
        "others_now": [row for row in others if row.period.upper is None],
    }


def _links(request: DeskRequest, found: Case) -> list[dict[str, Any]]:
    pairs = CaseLink.objects.filter(Q(case=found) | Q(other=found)).values_list("case_id", "other_id", "kind")
    kinds = {case: kind for case, other, kind in pairs if other == found.pk}
    kinds |= {other: kind for case, other, kind in pairs if case == found.pk}
    rows = queries.by_number(visible_to(request.user), list(kinds))
    children = visible_to(request.user).filter(parent=found).select_related("customer", "owner").only(*queries.COLUMNS)[:20]
    linked = [{"case": row, "kind": kinds[row.pk].replace("_", " ")} for row in rows]
    return linked + [{"case": row, "kind": "child"} for row in children if row.pk not in kinds]


@desk(*WORKERS)
def download(request: DeskRequest, number: int, report: int) -> HttpResponse:
    """The bytes of one report of this case as they were received."""
    found = case_for(request.user, number)
    told = CaseReport.objects.filter(case=found, report_id=report).values_list("report_id", flat=True)
    chosen = reports.of_reports(list(told)).first()
    if chosen is None:
        raise NotFound(f"Case #{number} has no such evidence.")
    blob = chosen.submission.blob
    category = policy.compiled(found.edition).categories.get(found.category)
    if category is not None and Handling.NEVER_OPEN_SAMPLE in category.handling:
        raise Refused("A sample of this kind does not leave by the browser: its hash and its text are shown here.")
    return showing.attachment(blob=blob, grant=open_evidence(request.user, found, blob), name=f"{number}-{report}", now=clock_now())
