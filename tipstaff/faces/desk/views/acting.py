"""The desk's own steps on a case, from its page: take, classify, facts, close, write, merge, relate, split."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.audit.services import record
from tipstaff.cases import authority, queries, rearranging, services
from tipstaff.cases.access import case_for
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.faces.desk import taking, undo
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.views import case, compose
from tipstaff.faces.desk.views.authority import ANSWERING
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.kernel.text import whole
from tipstaff.reports import queries as reports


def _back(found: Case) -> HttpResponse:
    queries.forget_counts()
    return redirect(f"/cases/{found.pk}/")


@desk(refused=case.refused)
@require_POST
def act(request: DeskRequest, number: int, action: str) -> HttpResponse:
    """One step on a case: take, classify, facts, close, note, write, merge, relate."""
    found = case_for(request.user, number)
    step = ACTS.get(action)
    if step is None:
        raise NotFound(f"There is no step {action!r}.")
    step(request, found, clock_now())
    return _back(found)


def _take(request: DeskRequest, found: Case, now: datetime) -> None:
    failed = services.take(case_ids=[found.pk], by=request.user, now=now)
    if failed:
        messages.error(request, failed[found.pk])
        return
    undo.offer(request, text=f"You took #{found.pk}", undoable={"take": [found.pk]}, now=now)


def _classify(request: DeskRequest, found: Case, now: datetime) -> None:
    facts = {name: request.POST[name] for name in services.FACTS if request.POST.get(name)}
    services.classify(
        case=found.pk,
        category=request.POST.get("category", ""),
        facts=facts,
        ticket="ticket" in request.POST,
        reason=request.POST.get("reason", ""),
        label=request.POST.get("label", ""),
        by=request.user.get_username(),
        now=now,
    )


def _set_facts(request: DeskRequest, found: Case, now: datetime) -> None:
    facts = {name: request.POST.get(name, "") for name in services.FACTS if name in request.POST}
    services.set_facts(case=found.pk, facts=facts, by=request.user.get_username(), now=now)


def _close(request: DeskRequest, found: Case, now: datetime) -> None:
    outcome, reason = request.POST.get("outcome", ""), request.POST.get("reason", "")
    services.close(case=found.pk, outcome=outcome, reason=reason, by=request.user.get_username(), now=now)
    undo.offer(request, text=f"#{found.pk} is closed", undoable={"close": [found.pk]}, now=now)


def _other(request: DeskRequest) -> Case:
    text = request.POST.get("other", "").strip().lstrip("#")
    number = whole(text)
    if number is None:
        raise InputError(Problem("Case", f"{text[:40]!r} is not a case number", "such as 4312"))
    return case_for(request.user, number)


def _merge(request: DeskRequest, found: Case, now: datetime) -> None:
    other = _other(request)
    change = rearranging.merge(
        cases=[other.pk], into=found.pk, by=request.user.get_username(), now=now, reason=request.POST.get("reason", "")
    )
    undo.offer(request, text=f"#{other.pk} is merged into #{found.pk}", undoable={"change": [change.pk]}, now=now)


def _relate(request: DeskRequest, found: Case, now: datetime) -> None:
    services.relate(case=found.pk, other=_other(request).pk, by=request.user.get_username(), now=now)


def _split(request: DeskRequest, found: Case, now: datetime) -> None:
    known = {str(event.key): event.key for event in reports.events_of_case(found.pk, 1000)}
    keys = [known[text] for text in request.POST.getlist("event") if text in known]
    if not keys:
        raise InputError(Problem("Events", "none is selected", "choose the events that belong elsewhere"))
    by, reason = request.user.get_username(), request.POST.get("reason", "")
    if request.POST.get("other", "").strip():
        change = rearranging.move(event_keys=keys, to=_other(request).pk, by=by, now=now, reason=reason)
        text = f"{len(keys)} events moved"
    else:
        fresh, change = rearranging.split(case=found.pk, event_keys=keys, by=by, now=now, reason=reason)
        text = f"{len(keys)} events split into #{fresh.pk}"
    undo.offer(request, text=text, undoable={"change": [change.pk]}, now=now)


ACTS = {
    "take": _take,
    "classify": _classify,
    "facts": _set_facts,
    "close": _close,
    "write": compose.write,
    "merge": _merge,
    "relate": _relate,
    "split": _split,
}


@desk(refused=case.refused)
@require_POST
def answered(request: DeskRequest, number: int) -> HttpResponse:
    """A person takes a filed answer as the customer's word: as the acknowledgement, a plan, a fix, an objection, an appeal."""
    found, now = case_for(request.user, number), clock_now()
    entry = JournalEntry.objects.filter(case=found, kind="reply", pk=whole(request.POST.get("entry", "")) or 0).first()
    if entry is None:
        raise NotFound("There is no such answer on this case.")
    by, author = request.user.get_username(), entry.detail.get("from") or entry.actor
    taking.take(found, request.POST.get("as", ""), entry.text, via="mail", by=by, now=now, author=author)
    record(by=by, action="reply.taken", subject=f"case:{found.pk}", now=now, entry=entry.pk, taken_as=request.POST.get("as", ""))
    return redirect(f"/cases/{found.pk}/")


@desk(*ANSWERING, refused=case.refused)
@require_POST
def settle(request: DeskRequest, duty: int) -> HttpResponse:
    """Made or followed, with the number; or not owed, with the reason."""
    said = {name: request.POST.get(name, "") for name in ("outcome", "authority", "reference", "reason")}
    authority.settle(duty=duty, by=request.user.get_username(), now=clock_now(), **said)
    messages.success(request, "Done. It is on the record.")
    number = whole(request.POST.get("case", ""))
    return redirect(f"/cases/{number}/" if number is not None else "/sealed/" if "sealed" in request.POST else "/")
