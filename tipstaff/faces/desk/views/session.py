"""One's own preferences, undo, drafts."""

from zoneinfo import available_timezones

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.cases import messages as letters
from tipstaff.cases import queries, rearranging, services
from tipstaff.faces.desk import undo as undoing
from tipstaff.faces.desk.access import EVERYBODY, DeskRequest, desk
from tipstaff.faces.desk.arriving import onward
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, Problem, Refused


@desk(*EVERYBODY)
def me(request: DeskRequest) -> HttpResponse:
    """Time zone, theme, single keys."""
    if request.method == "POST":
        staff = request.user
        zone = request.POST.get("timezone", "UTC")
        if zone not in available_timezones():
            raise InputError(Problem("Time zone", f"{zone!r} is not known", "such as Europe/Berlin"))
        staff.timezone = zone
        staff.theme = _theme(request.POST.get("theme", "auto"))
        staff.single_keys = "single_keys" in request.POST
        staff.save(update_fields=["timezone", "theme", "single_keys"])
        messages.success(request, "Kept.")
        return redirect("/me/")
    return page(request, "desk/me.html", {"screen": "me", "zones": sorted(available_timezones())})


def _theme(wanted: str) -> str:
    return wanted if wanted in {"auto", "light", "dark"} else "auto"


@desk(*EVERYBODY)
@require_POST
def theme(request: DeskRequest) -> HttpResponse:
    """The next theme, or the one named."""
    staff = request.user
    following = {"auto": "dark", "dark": "light", "light": "auto"}
    staff.theme = _theme(request.POST.get("theme") or following.get(staff.theme, "auto"))
    staff.save(update_fields=["theme"])
    return HttpResponse(status=204) if getattr(request, "htmx", False) else onward(request)


@desk()
@require_POST
def undo(request: DeskRequest) -> HttpResponse:
    """Take back what was just done, while the ten seconds last."""
    now = clock_now()
    undoable = undoing.take_back(request, now)
    if not undoable:
        raise Refused("The ten seconds are over. Open the case and set it right there; the journal keeps both steps.")
    by = request.user.get_username()
    if undoable.get("take"):
        services.release(case_ids=undoable["take"], by=request.user, now=now)
    if undoable.get("send"):
        letters.take_back(messages=undoable["send"], by=by, now=now)
    for number in undoable.get("close", []):
        services.reopen(case=number, by=by, now=now)
    for number in sorted(undoable.get("change", []), reverse=True):
        rearranging.undo(change=number, by=by, now=now)
    queries.forget_counts()
    messages.success(request, "Undone.")
    return onward(request)
