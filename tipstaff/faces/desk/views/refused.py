"""Refused: what was not done, why, and what to do; and telling a letter again that was refused."""

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.cases import letters
from tipstaff.cases.access import case_for, visible_to
from tipstaff.cases.models import Notice
from tipstaff.faces.desk import refused
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound

NAMES = {"": "All", "orders": "Orders", "letters": "Letters", "tries": "Not allowed"}
LISTS = {"orders": refused.orders, "letters": refused.letters, "tries": refused.tries}


@desk()
def listing(request: DeskRequest) -> HttpResponse:
    """Everything, or one kind; of one case where the address bar says so."""
    wanted, text = request.GET.get("kind", ""), request.GET.get("case", "").strip().lstrip("#")
    if wanted not in NAMES:
        raise NotFound(f"There is no list {wanted!r}.")
    case = case_for(request.user, int(text)) if text.isascii() and text.isdigit() and len(text) < 19 else None
    found = {name: read(request.user, case.pk if case else None) for name, read in LISTS.items()}
    rows = sorted((row for name in LISTS if wanted in {"", name} for row in found[name]), key=lambda row: row.at, reverse=True)
    counts = {"": sum(map(len, found.values())), **{name: len(rows) for name, rows in found.items()}}
    context = {
        "screen": "enforcement", "now": clock_now(), "rows": rows[: refused.MOST], "case": case, "kind": wanted,
        "tabs": [{"key": key, "name": name, "count": counts[key]} for key, name in NAMES.items()],
    }  # fmt: skip
    return page(request, "desk/refused.html", context)


@desk()
@require_POST
def tell_again(request: DeskRequest, number: int) -> HttpResponse:
    if not Notice.objects.filter(pk=number, case__in=visible_to(request.user)).exists():
        raise NotFound(f"There is no notice {number}, or it is not yours to see.")
    row = letters.tell_again(notice=number, by=request.user.get_username(), now=clock_now())
    cache.delete("desk:refused")
    messages.success(request, f"It is told again in a moment; what comes of it stands on case #{row.case_id}.")
    return redirect("/refused/?kind=letters")
