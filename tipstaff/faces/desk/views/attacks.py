"""Attacks on customers of ours: what our sensors and connected detectors saw, newest first. They accuse nobody."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse

from tipstaff.faces.desk import findings
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.pipeline.models import VictimNotice

SHOWN = 100


@desk()
def attacks(request: DeskRequest) -> HttpResponse:
    """All of them, or one customer's (``?customer=``)."""
    rows = VictimNotice.objects.select_related("customer").order_by("-last_at", "-pk")
    chosen = request.GET.get("customer", "")
    if chosen.isascii() and chosen.isdecimal():
        rows = rows.filter(customer=int(chosen[:9]))
    return page(request, "desk/attacks.html", {"screen": "customers", "rows": [_row(row) for row in rows[:SHOWN]]})


def _row(row: VictimNotice) -> dict[str, Any]:
    known = {"id": row.finding, "detector": row.detector, "direction": "in", "words": row.words, **row.detail}
    shown = findings.shown(known | {"subject": {"kind": "address", "value": row.subject}})
    return {"notice": row, "shown": shown, "lasted": _lasted(row.opened_at, row.ended_at)}


def _lasted(start: datetime, end: datetime | None) -> str:
    return "" if end is None else f"{max((end - start).total_seconds() / 60, 1):.0f} min"
