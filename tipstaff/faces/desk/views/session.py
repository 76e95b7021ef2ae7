"""Signing in and out, one's own preferences, undo, drafts."""

import hashlib
from datetime import datetime, timedelta
from zoneinfo import available_timezones

from django.contrib import messages
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from tipstaff.audit.models import Entry
from tipstaff.audit.services import record
from tipstaff.cases import queries, rearranging, services
from tipstaff.cases.access import case_for
from tipstaff.faces.desk import undo as undoing
from tipstaff.faces.desk.access import EVERYBODY, DeskRequest, desk
from tipstaff.faces.desk.models import Draft
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, Problem, Refused

WINDOW = timedelta(minutes=15)
TRIES_PER_NAME = 5  # from one address within the window
TRIES_PER_ADDRESS = 30


def onward(request: HttpRequest, fallback: str = "/") -> HttpResponseRedirect:
    """Back to where the form says, if that is a place of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or fallback
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return redirect(wanted if ours else fallback)


def _subjects(request: HttpRequest, name: str) -> tuple[str, str]:
    """What failed tries are counted under: name and address, and the address alone. Hashes, for the journal names nobody."""
    peer = request.META.get("REMOTE_ADDR", "")
    both = hashlib.sha256(f"{name.lower()}|{peer}".encode()).hexdigest()[:24]
    return f"login:{both}", f"login-from:{hashlib.sha256(peer.encode()).hexdigest()[:24]}"


def _too_many(request: HttpRequest, name: str, now: datetime) -> bool:
    since = now - WINDOW
    tries = [
        Entry.objects.filter(subject=subject, action="login.failed", at__gte=since).count() for subject in _subjects(request, name)
    ]
    return tries[0] >= TRIES_PER_NAME or tries[1] >= TRIES_PER_ADDRESS


def sign_in(request: HttpRequest) -> HttpResponse:
    """The login form; after five failures in a quarter of an hour it waits, without saying whether the name exists."""
    if request.user.is_authenticated:
        return onward(request)
    said, status, name = "", 200, request.POST.get("username", "")
    if request.method == "POST":
        now = clock_now()
        if _too_many(request, name, now):
            said, status = "Too many tries. Wait 15 minutes, or ask an administrator for a new password.", 429
        else:
            staff = authenticate(request, username=name, password=request.POST.get("password", ""))
            if staff is not None:
                login(request, staff)
                record(by=staff.get_username(), action="login", subject=f"staff:{staff.pk}", now=now)
                return onward(request)
            for subject in _subjects(request, name):
                record(by="visitor", action="login.failed", subject=subject, now=now)
            said, status = "That name and password do not belong together.", 401
    context = {"said": said, "username": name, "next": request.GET.get("next", request.POST.get("next", ""))}
    return render(request, "desk/login.html", context, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("/login/")


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
    for number in undoable.get("close", []):
        services.reopen(case=number, by=by, now=now)
    for number in sorted(undoable.get("change", []), reverse=True):
        rearranging.undo(change=number, by=by, now=now)
    queries.forget_counts()
    messages.success(request, "Undone.")
    return onward(request)


@desk()
@require_POST
def draft(request: DeskRequest, number: int) -> HttpResponse:
    """Keep what somebody is writing, so that nothing is lost and colleagues see it."""
    case = case_for(request.user, number)
    text = request.POST.get("text", "")[:20_000]
    drafts = Draft.objects.filter(case_id=case.pk, author=request.user)
    if not text.strip():
        drafts.delete()
        return HttpResponse(status=204)
    Draft.objects.update_or_create(
        case_id=case.pk, author=request.user, audience="internal", defaults={"text": text, "at": clock_now()}
    )
    return HttpResponse(status=204)
