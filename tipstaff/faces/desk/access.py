"""Who may use which part of the desk. Every view is entered through :func:`desk`."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme

from tipstaff.accounts import roles
from tipstaff.accounts.models import StaffMember
from tipstaff.faces.desk import refusals
from tipstaff.kernel.errors import InputError, NotFound, Refused

#: Anybody who works cases, who reads beside them, the two roles of the sealed queue, and everybody who signs in here.
WORKERS = tuple(name for name in roles.STAFF if name in roles.WORKERS)
READERS = tuple(name for name in roles.STAFF if name in roles.READERS)
SEALED = tuple(name for name in roles.STAFF if name in roles.SEALED_QUEUE)
EVERYBODY = roles.STAFF
ENROL = "must_enrol"  # in the session of who must set up a second factor before anything else


def holds(staff: Any, *roles: str) -> bool:
    """Whether this person holds one of the roles."""
    return bool(staff.is_active and set(roles) & set(staff.roles))


def zone_of(staff: Any) -> ZoneInfo:
    """The person's time zone; UTC where the stored name is unknown here."""
    try:
        return ZoneInfo(staff.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


class DeskRequest(HttpRequest):
    """A request behind :func:`desk`: somebody of the staff is signed in."""

    user: StaffMember  # type: ignore[assignment]


View = Callable[..., HttpResponseBase]
Elsewhere = Callable[[DeskRequest, refusals.Refusal], HttpResponseBase | None]


def desk(*roles: str, write: tuple[str, ...] = WORKERS, refused: Elsewhere | None = None) -> Callable[[View], View]:
    """Only for people with one of ``roles`` (default: readers); a POST needs one of ``write``. In their time zone.

    What a view refuses (``Refused``, ``NotFound``, ``InputError``) becomes a page that says what to do; of a form that was
    sent the page that ``refused`` makes, where it makes one.
    """

    def around(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_the_door(request)
            allowed = roles or READERS
            if _unreadable(request):
                return refusals.page(request, 400, "There is a character in it that no text holds (NUL). Remove it and try again.")
            with timezone.override(zone_of(request.user)), translation.override("en"):
                if request.session.get(ENROL) and not request.path.startswith("/me/security/"):
                    return redirect("/me/security/")
                if not holds(request.user, *allowed):
                    refusals.note(request, "role", f"this page is for: {', '.join(allowed)}")
                    return refusals.page(request, 403, f"This page is for: {', '.join(allowed)}.")
                if request.method == "POST" and not holds(request.user, *(roles or write)):
                    refusals.note(request, "role", "a role that may read here, not change anything")
                    return refusals.page(request, 403, "Your role may read here, not change anything.")
                return _answered(view, refused, request, *args, **kwargs)

        # What a route lets in can be read from it: a test walks every route of the desk.
        guarded.readers, guarded.writers = frozenset(roles or READERS), frozenset(roles or write)  # type: ignore[attr-defined]
        return guarded

    return around


def _to_the_door(request: HttpRequest) -> HttpResponseBase:
    """To sign in, and back to the page; of a form that was sent, to the page on which it stood: its own address takes no GET."""
    if request.method in {"GET", "HEAD"} and not getattr(request, "htmx", None):
        return redirect_to_login(request.get_full_path())
    if request.method == "POST":
        messages.warning(request, "Your session had ended: what you sent just now was not taken. Send it again.")
    page = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    whole = urlsplit(page if url_has_allowed_host_and_scheme(page, {request.get_host()}) else "/")
    answer = redirect_to_login(whole._replace(scheme="", netloc="", fragment="").geturl() or "/")
    # A piece of a page cannot hold the door: htmx is told to leave the page.
    return HttpResponse(status=204, headers={"HX-Redirect": answer.url}) if getattr(request, "htmx", None) else answer


def _unreadable(request: HttpRequest) -> bool:
    """PostgreSQL's text holds no NUL; nobody types one."""
    given = [*request.GET.values(), *(request.POST.values() if request.method == "POST" else ())]
    return any("\x00" in value for value in given if isinstance(value, str))


def _answered(view: View, elsewhere: Elsewhere | None, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        return view(request, *args, **kwargs)
    except NotFound as missing:
        said = refusals.Refusal(404, str(missing))
    except Refused as refused:
        if request.method == "POST":
            refusals.note(request, "rule", str(refused))
        said = refusals.Refusal(409, str(refused))
    except InputError as wrong:
        said = refusals.Refusal(422, "Nothing was changed.", tuple(wrong.problems))
    sent = request.method == "POST" and not getattr(request, "htmx", None)
    there = elsewhere(request, said) if elsewhere is not None and sent else None
    return there or refusals.page(request, said.status, said.text, problems=said.problems)
