"""The sealed queue: that something is there, since when and why. No search, no export, no preview (B17)."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.accounts.access import may
from tipstaff.audit.services import record
from tipstaff.cases import setting_apart
from tipstaff.cases.access import set_apart
from tipstaff.faces.desk.access import SEALED, DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views import authority
from tipstaff.intake import clearance
from tipstaff.intake.access import sealed_for
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound

SHOWN = 200


@desk(*SEALED)
def sealed(request: DeskRequest) -> HttpResponse:
    """Each look at this page is on the record."""
    now = clock_now()
    record(by=request.user.get_username(), action="sealed.look", subject="intake:sealed", now=now)
    rows = [
        {
            "row": row,
            "sha256": bytes(row.blob.sha256).hex(),
            "late": bool(row.due_at and row.due_at <= now),
            "said": clearance.proposal(row),
            "mine": clearance.proposal(row).get("proposed_by") == request.user.get_username(),
        }
        for row in sealed_for(request.user).order_by("due_at", "id")[:SHOWN]
    ]
    apart = set_apart(request.user)[:SHOWN]
    context = {"screen": "sealed", "now": now, "rows": rows, "apart": apart, "opens": may(request.user, "see cases"),
               **authority.owed(request.user)}  # fmt: skip
    answer = page(request, "desk/sealed.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


@desk(*SEALED)
@require_POST
def decide(request: DeskRequest, number: UUID, action: str) -> HttpResponse:
    """Handled, sealed by mistake (two people), or kept sealed. Nothing is opened."""
    by, now, said = request.user, clock_now(), request.POST.get("said", "")
    if action == "handled":
        clearance.handle(submission=number, reference=said, by=by, now=now)
    elif action == "mistake":
        clearance.propose(submission=number, reason=said, by=by, now=now)
    elif action == "confirm":
        clearance.confirm(submission=number, by=by, now=now)
    elif action == "keep":
        clearance.keep_sealed(submission=number, by=by, now=now)
    else:
        raise NotFound(f"There is no action {action!r} here.")
    return redirect("/sealed/")


@desk(*SEALED)
@require_POST
def agree(request: DeskRequest, ruling: int) -> HttpResponse:
    """The second person's word that a case is set apart."""
    setting_apart.agree(ruling=ruling, reference=request.POST.get("said", ""), by=request.user.get_username(), now=clock_now())
    return redirect("/sealed/")
