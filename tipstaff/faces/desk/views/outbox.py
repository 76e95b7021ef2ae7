"""The outbox: what waits, is held, failed, was sent; why; and what each message looked like."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.audit.services import record
from tipstaff.cases.access import restricted, visible_to
from tipstaff.correspondence import delivery, local, outbox, queries
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.correspondence.veiling import veiled
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.kernel.text import whole

SIZE = 50
TABS = (("", "All"), ("waiting", "Waiting"), ("held", "Held"), ("failed", "Failed"), ("sent", "Sent"), ("withdrawn", "Withdrawn"))
BADGES = {
    "waiting": ("next", "waiting", ""), "held": ("pause", "held", "warn"), "sending": ("bolt", "sending", ""),
    "sent": ("done", "sent", "good"), "failed": ("over", "failed", "bad"), "withdrawn": ("x", "withdrawn", "off"),
}  # fmt: skip
ACTS: dict[str, Callable[..., OutboxMessage]] = {
    "hold": outbox.hold, "release": outbox.release, "retry": outbox.retry, "withdraw": outbox.withdraw,
}  # fmt: skip
DONE = {"hold": "held", "release": "released", "retry": "tried again", "withdraw": "withdrawn"}


@desk()
def listing(request: DeskRequest) -> HttpResponse:
    now = clock_now()
    state, text = request.GET.get("state", ""), request.GET.get("q", "")
    after = whole(request.GET.get("after", ""))
    found = queries.page(_seen(request, queries.select(state, text)), after=after, size=SIZE)
    counts = queries.counts()
    context: dict[str, Any] = {
        "screen": "outbox",
        "now": now,
        "rows": sorted(map(_row, found.rows), key=lambda row: row["at"], reverse=True),  # written in another order than sent
        "after": found.after,
        "state": state,
        "text": text,
        "tabs": [{"key": key, "name": name, "count": sum(counts.values()) if not key else counts[key]} for key, name in TABS],
        "counts": counts,
        "off": _why_off(now),
        "local": settings.LOCAL_OUTBOX,
        "mailer": queries.mailer(now),
        "smarthost": str(delivery.smarthost() or ""),
        "suppressed": queries.suppressions(),
    }
    return page(request, "desk/outbox.html", context)


def _seen(request: DeskRequest, rows: Any) -> Any:
    """Without the messages of cases that this person may not see."""
    hidden = [f"case:{number}" for number in _restricted(request)]
    return rows.exclude(reference__in=hidden) if hidden else rows


def _restricted(request: DeskRequest) -> list[int]:
    sealed = restricted().exclude(pk__in=visible_to(request.user).values("pk"))
    return list(sealed.values_list("pk", flat=True))


def _row(row: OutboxMessage) -> dict[str, Any]:
    kind, _, number = row.reference.partition(":")
    icon, word, tone = BADGES[row.state]
    return {"message": row, "icon": icon, "word": word, "tone": tone, "case": number if kind == "case" else "",
            "hidden": row.audience == "reporter", "at": row.sent_at or row.tried_at or row.created_at}  # fmt: skip


def _why_off(now: Any) -> str:
    if settings.LOCAL_OUTBOX:
        return ""
    if not settings.SENDING:
        return "Sending is off (TIPSTAFF_SENDING). Everything waits here; nothing leaves this machine."
    if not settings.SMARTHOST:
        return "No smarthost is set (TIPSTAFF_SMARTHOST): there is nobody to hand mail to."
    return "" if delivery.sender(now).address else "No address to send from is set (TIPSTAFF_MAIL_FROM)."


def message_for(request: DeskRequest, number: int) -> OutboxMessage:
    """One message that this person may see."""
    row = _seen(request, OutboxMessage.objects.filter(pk=number)).select_related("contact").first()
    if row is None:
        raise NotFound(f"There is no message {number}, or it is not yours to see.")
    return row


@desk()
def message(request: DeskRequest, number: int) -> HttpResponse:
    """One message as it looked, with every try. A reporter's identity is shown only on asking, and that is on the record."""
    row, now = message_for(request, number), clock_now()
    revealed = row.audience != "reporter"
    if request.method == "POST" and not revealed:
        by, reason = request.user.get_username(), request.POST.get("reason", "")[:200]
        record(by=by, action="reporter.reveal", subject=f"message:{row.pk}", now=now, reason=reason, reference=row.reference)
        revealed = True
    if settings.SENDING:  # whoever has the link in it can answer as the customer; while nothing is sent, it is a trial
        row.body, row.html = veiled(row.body), veiled(row.html)
    context = {
        "screen": "outbox",
        "now": now,
        **_row(row),
        "revealed": revealed,
        "local": row.state == "sent" and row.tries.filter(server=local.NAME, outcome="sent").exists(),
        "tries": list(row.tries.order_by("-at")[:50]),
        "may": _may(row),
    }
    return page(request, "desk/outbox_message.html", context)


def _may(row: OutboxMessage) -> list[str]:
    return {
        "waiting": ["hold", "withdraw"], "held": ["release", "withdraw"], "failed": ["retry", "withdraw"],
    }.get(row.state, [])  # fmt: skip


@desk()
@require_POST
def act(request: DeskRequest, number: int, action: str) -> HttpResponse:
    """Hold, release, retry or withdraw one message."""
    row = message_for(request, number)
    _do(request, row.pk, action)
    messages.success(request, f"Message {row.pk} is {DONE[action]}.")
    return redirect(f"/outbox/{row.pk}/")


@desk()
@require_POST
def bulk(request: DeskRequest) -> HttpResponse:
    """The same for all that are selected; each that cannot be changed says why."""
    chosen = [number for text in request.POST.getlist("message") if (number := whole(text)) is not None]
    if not chosen:
        raise InputError(Problem("Messages", "none is selected", "choose some rows first"))
    done = 0
    for number in chosen[:SIZE]:
        try:
            _do(request, message_for(request, number).pk, request.POST.get("action", ""))
            done += 1
        except (Refused, NotFound) as error:
            messages.error(request, str(error))
    if done:
        messages.success(request, f"{done} message{'s' if done > 1 else ''} {DONE[request.POST['action']]}.")
    return redirect(f"/outbox/?state={request.POST.get('state', '')}")


def _do(request: DeskRequest, number: int, action: str) -> None:
    if action not in ACTS:
        raise InputError(Problem("action", f"{action!r} is not known", f"one of {', '.join(ACTS)}"))
    reason = request.POST.get("reason", "").strip()[:300]
    ACTS[action](message=number, by=request.user.get_username(), now=clock_now(), reason=reason)


@desk()
@require_POST
def lift(request: DeskRequest) -> HttpResponse:
    """Send to a suppressed address again."""
    address = request.POST.get("address", "")
    outbox.lift(address=address, by=request.user.get_username(), now=clock_now(), reason=request.POST.get("reason", "")[:300])
    messages.success(request, f"{address} is written to again.")
    return redirect("/outbox/")
