"""The sealed queue: that something is there, since when and why. No search, no export, no preview (B17)."""

from django.http import HttpResponse

from tipstaff.audit.services import record
from tipstaff.faces.desk.access import SEALED, DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.intake.access import sealed_for
from tipstaff.kernel.clock import now as clock_now

SHOWN = 200


@desk(*SEALED)
def sealed(request: DeskRequest) -> HttpResponse:
    """Each look at this page is on the record."""
    now = clock_now()
    record(by=request.user.get_username(), action="sealed.look", subject="intake:sealed", now=now)
    rows = [
        {"row": row, "sha256": bytes(row.blob.sha256).hex(), "late": bool(row.due_at and row.due_at <= now)}
        for row in sealed_for(request.user).order_by("due_at", "id")[:SHOWN]
    ]
    answer = page(request, "desk/sealed.html", {"screen": "sealed", "now": now, "rows": rows})
    answer["Cache-Control"] = "no-store"
    return answer
