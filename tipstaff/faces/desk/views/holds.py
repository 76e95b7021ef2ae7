"""Settings › holds: what must not be erased, by whose word and why; placed by three roles, released by counsel."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from tipstaff.accounts.access import may
from tipstaff.accounts.roles import ACTS, STAFF
from tipstaff.evidence import scopes
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.pipeline import holding

VIEWERS = tuple(name for name in STAFF if name in ACTS["see holds"])
PLACERS = tuple(name for name in STAFF if name in ACTS[holding.PLACE])
RELEASERS = tuple(name for name in STAFF if name in ACTS[holding.RELEASE])
PAGES = {"case": "cases", "customer": "customers"}


@desk(*VIEWERS)
@require_safe
def listing(request: DeskRequest) -> HttpResponse:
    """Those that stand; with ``?all=1`` the released ones too."""
    every, releases = request.GET.get("all") == "1", may(request.user, holding.RELEASE)
    rows = [
        {"hold": one, "link": _link(one.scope), "mine": one.placed_by == request.user.get_username()}
        for one in holding.holds(person=request.user, released=every)
    ]
    context = {
        "screen": "settings", "tab": "holds", "now": clock_now(), "rows": rows, "every": every, "releases": releases,
        "places": may(request.user, holding.PLACE), "kinds": scopes.KINDS, "written": scopes.WRITTEN,
    }  # fmt: skip
    return page(request, "desk/holds.html", context)


def _link(scope: str) -> str:
    kind, _, value = scope.partition(":")
    return f"/{PAGES[kind]}/{value}/" if kind in PAGES else ""


@desk(*PLACERS)
@require_POST
def place(request: DeskRequest) -> HttpResponse:
    given, by = request.POST, request.user.get_username()
    placed = holding.place(scope=given.get("scope", ""), reason=given.get("reason", ""), by=by, now=clock_now())
    beside = f" Beside it stands {', '.join(map(str, placed.others))}." if placed.others else ""
    messages.success(request, f"Hold {placed.hold.pk} stands.{beside}")
    return redirect("/settings/holds/")


@desk(*RELEASERS)
@require_POST
def release(request: DeskRequest, number: int) -> HttpResponse:
    ended = holding.release(number=number, reason=request.POST.get("reason", ""), by=request.user.get_username(), now=clock_now())
    beside = f" Hold {', '.join(map(str, ended.others))} still stands there." if ended.others else ""
    messages.success(request, f"Hold {number} is released.{beside}")
    return redirect("/settings/holds/")
