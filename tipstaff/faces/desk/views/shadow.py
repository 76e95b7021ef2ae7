"""Shadow mode: each day compared with the other desk."""

from datetime import date
from typing import Any

from django.http import HttpResponse

from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound
from tipstaff.pipeline.shadowing import reports
from tipstaff.pipeline.shadowing.comparing import FIELDS

VIEWERS = ("lead", "counsel", "admin", "analyst", "auditor")
SHOWN = 200  # rows on the page
SORTS = {  # of rows: label, icon, tone
    "differs": ("Differ", "over", "bad"),
    "two_fit": ("Two cases fit", "pause", "warn"),
    "only_other": ("Only at the other desk", "next", ""),
    "only_ours": ("Only here", "next", ""),
    "not_comparable": ("Cannot be compared yet", "pause", "off"),
    "same": ("The same", "check", "good"),
}


@desk(*VIEWERS)
def report(request: DeskRequest) -> HttpResponse:
    """``?day=`` one day (the newest otherwise); ``?only=`` one sort of rows."""
    now, only = clock_now(), request.GET.get("only", "")
    days = reports.days()
    context: dict[str, Any] = {"screen": "shadow", "now": now, "days": days, "on": shadow.is_on(), "only": only}
    if days:
        kept = reports.latest(_day(request.GET.get("day", "")))
        rows = [one for one in kept.content["rows"] if not only or one["sort"] == only]
        told = kept.content["agreement"]
        context |= {
            "kept": kept, "content": kept.content, "rows": [(one, SORTS[one["sort"]]) for one in rows[:SHOWN]],
            "agreement": [(name.capitalize(), told[name]) for name in FIELDS], "further": max(len(rows) - SHOWN, 0),
            "alone": kept.content["only_ours"][:SHOWN] if only in ("", "only_ours") else [],
            "sorts": [(key, label, kept.content["counts"][key]) for key, (label, _, _) in SORTS.items()],
        }  # fmt: skip
    return page(request, "desk/shadow.html", context)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise NotFound(f"There is no day {text[:40]!r}.") from None
