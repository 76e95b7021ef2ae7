"""Writing on a case: to the customer, to the reporters, or a note that stays. Three forms, so that none can be sent for another.

A note has no recipient and no way to get one: it goes to ``services.note``; a message goes to ``cases.messages``, whose audience
is one of two, both outside.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from tipstaff.accounts import lookups as accounts
from tipstaff.audit.services import record
from tipstaff.cases import messages as letters
from tipstaff.cases import notices, services
from tipstaff.cases.access import case_for
from tipstaff.cases.letters import recipient
from tipstaff.cases.models import Case, CaseReport
from tipstaff.correspondence import macros
from tipstaff.correspondence.models import Macro
from tipstaff.faces.desk import undo
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.again import Again
from tipstaff.faces.desk.models import Draft
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.kernel.text import whole
from tipstaff.policy import queries as policy
from tipstaff.reports import queries as reports

WRITING = timedelta(minutes=2)  # a draft touched within it says "is writing"
AUDIENCES = ("customer", "reporter", "internal")
LONGEST = 20_000


def composer(request: DeskRequest, found: Case, now: datetime, sent: Again | None = None) -> dict[str, Any]:
    """What the composer needs: one's own drafts by audience, macros, who is read by, and who else is writing.

    ``sent``: what was refused just now; a message stands where it was written.
    """
    drafts = list(Draft.objects.filter(case_id=found.pk).select_related("author"))
    own = {row.audience: row for row in drafts if row.author_id == request.user.pk}
    texts = {audience: own[audience].text if audience in own else "" for audience in AUDIENCES}
    chosen = next((audience for audience in AUDIENCES if texts[audience]), "internal")
    macro = _macro(request)
    if macro is not None:
        chosen = macro.audience
        texts[chosen] = "\n\n".join(filter(None, (texts[chosen], macros.filled(macro, _values(found, macro, now)))))
    known = macros.every(request.user.get_username())
    contacts = accounts.contacts_of(found.customer_id)
    reader, answerable = recipient(found.customer_id), len(letters.reporters_to_tell(found.pk))
    to = sent.typed.get("to", "internal") if sent and sent.step == "write" else ""
    back = bool({"customer": reader, "reporter": answerable, "internal": True}.get(to))
    if sent and back:
        chosen = to
        texts[to] = sent.typed.get("text", "")
    return {
        "contacts": contacts,
        "drafts": own,
        "draft_texts": texts,
        "compose_to": chosen,
        "macros": {audience: [row for row in known if row.audience == audience] for audience in AUDIENCES},
        "reader": reader,
        "unreachable": [row for row in contacts if row.problem],
        "answerable": answerable,
        "write_refused": back,
        "writing": _others(request, drafts, now),
    }


def _macro(request: DeskRequest) -> Macro | None:
    wanted = whole(request.GET.get("macro", ""))
    known = macros.every(request.user.get_username()) if wanted is not None else []
    return next((row for row in known if row.pk == wanted), None)


def _values(found: Case, macro: Macro, now: datetime) -> dict[str, Any]:
    if macro.audience == "reporter":
        return {"category": notices.category_title(found.category, policy.compiled(found.edition), macro.language)}
    reader = recipient(found.customer_id)
    return notices.about(found, policy.compiled(found.edition), macro.language) | {"contact": reader.name if reader else ""}


def writers(request: DeskRequest, found: Case, now: datetime) -> list[Any]:
    """Colleagues who touched a draft on this case just now."""
    return _others(request, Draft.objects.filter(case_id=found.pk, at__gt=now - WRITING).select_related("author"), now)


def _others(request: DeskRequest, drafts: Iterable[Draft], now: datetime) -> list[Any]:
    """The authors of drafts that somebody else has just touched, each once."""
    lately = [row for row in drafts if row.at > now - WRITING and row.author_id != request.user.pk]
    return list({row.author_id: row.author for row in lately}.values())


@desk()
def writing(request: DeskRequest, number: int) -> HttpResponse:
    """Who else is writing on this case now; asked for every few seconds."""
    found, now = case_for(request.user, number), clock_now()
    return render(request, "desk/writing.html", {"writing": writers(request, found, now)})


@desk()
@require_POST
def draft(request: DeskRequest, number: int) -> HttpResponse:
    """Keep what somebody is writing, for each audience apart, so that nothing is lost and colleagues see it."""
    case = case_for(request.user, number)
    text, audience = request.POST.get("text", "")[:LONGEST], request.POST.get("audience", "internal")
    if audience not in AUDIENCES:
        raise InputError(Problem("audience", f"{audience!r} is not known", f"one of {', '.join(AUDIENCES)}"))
    drafts = Draft.objects.filter(case_id=case.pk, author=request.user, audience=audience)
    if not text.strip():
        drafts.delete()
        return HttpResponse(status=204)
    Draft.objects.update_or_create(
        case_id=case.pk, author=request.user, audience=audience, defaults={"text": text, "at": clock_now()}
    )
    return HttpResponse(status=204)


def write(request: DeskRequest, found: Case, now: datetime) -> None:
    """Send to one of the two audiences outside, or keep a note. What does not name an audience is a note."""
    text, to = request.POST.get("text", ""), request.POST.get("to", "internal")
    by = request.user.get_username()
    if request.POST.get("send") == "note" or to == "internal":
        services.note(case=found.pk, text=text, by=by, now=now)
        to = "internal"
    else:
        sent = letters.write(case=found.pk, audience=to, text=text, by=by, now=now)
        words = f"{len(sent)} messages leave" if len(sent) > 1 else "The message leaves"
        undo.offer(request, text=f"{words} in ten seconds", undoable={"send": [row.pk for row in sent]}, now=now)
    Draft.objects.filter(case_id=found.pk, author=request.user, audience=to).delete()


@desk()
@require_POST
def preview(request: DeskRequest, number: int) -> HttpResponse:
    """The letter as its reader would get it; nothing is sent or kept."""
    found, now = case_for(request.user, number), clock_now()
    audience = request.POST.get("to", "")
    letter, reader = letters.preview(case=found, audience=audience, text=request.POST.get("text", ""), now=now)
    context = {"case": found, "letter": letter, "reader": reader if audience == "customer" else "a reporter", "audience": audience}
    template = "desk/preview_piece.html" if getattr(request, "htmx", False) else "desk/preview.html"
    return page(request, template, context | {"screen": "queue", "now": now})


@desk()
@require_POST
def reveal(request: DeskRequest, number: int) -> HttpResponse:
    """Who made one of the case's reports: shown to whoever asks, once, and on the record."""
    found, now = case_for(request.user, number), clock_now()
    told = CaseReport.objects.filter(case=found, report_id=_number(request.POST.get("report", ""))).values_list(
        "report_id", flat=True
    )
    report = reports.of_reports(list(told)).first()
    if report is None:
        raise NotFound(f"Case #{number} has no such report.")
    by, reason = request.user.get_username(), request.POST.get("reason", "")[:200]
    record(by=by, action="reporter.reveal", subject=f"report:{report.pk}", now=now, reason=reason, case=found.pk)
    return page(request, "desk/reveal.html", {"screen": "queue", "now": now, "case": found, "report": report})


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 16 else 0
