"""What our own flows say of a case, for the operator's own machines; never for reporters: it tells who talked to whom."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from tipstaff.cases.access import unrestricted
from tipstaff.faces.api import paging
from tipstaff.faces.api.access import token_for
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import NotFound
from tipstaff.reports import corroborations
from tipstaff.reports.models import Corroboration

router = Router(tags=["Flows"])
SCOPE = "flows:read"


@router.get("/cases/{int:number}/corroborations", summary="Whether our own flows saw what a case is about", response={200: dict})
def of_case(request: HttpRequest, number: int) -> HttpResponse:
    """`corroborated` is `seen`, `not seen`, `cannot tell`, or null while nobody looked; then the newest look at each event.

    It weighs in verification and accuses nobody by itself.
    """
    token_for(request, SCOPE, now())
    if not unrestricted().filter(pk=number).exists():
        raise NotFound(f"there is no case {number}")
    rows = corroborations.of_case(number)
    verdict = corroborations.verdict_of(rows)
    return paging.answer(
        request, {"case": number, "corroborated": str(verdict) if verdict else None, "looks": [look(row) for row in rows]}
    )


def look(row: Corroboration) -> dict[str, Any]:
    """One look as the API shows it."""
    return {
        "event": str(row.event_key), "report": row.report_id, "address": row.address, "verdict": row.verdict, "reason": row.reason,
        "chance_of_missing": row.missed, "offset_hours": row.offset_hours, "skew_seconds": row.skew_seconds, "flows": row.flows,
        "sought": row.claim.get("sought", []), "watch": row.watch, "looked_at": row.at.isoformat().replace("+00:00", "Z"),
        "by": row.by, "again_at": row.again_at.isoformat().replace("+00:00", "Z") if row.again_at else None,
    }  # fmt: skip
