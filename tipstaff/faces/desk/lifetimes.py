"""How long somebody stays signed in: an idle and an absolute lifetime, kept in the session itself.

The session is read for each page anyway, so this asks the database nothing, and writes at most once a minute.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

from tipstaff.accounts import sessions
from tipstaff.kernel.clock import now as clock_now

BEGAN, SEEN = "began_at", "seen_at"  # seconds since 1970, in the session
EVERY = 60  # seconds between writes


def idle() -> timedelta:
    """How long a session lives without a page."""
    return timedelta(minutes=settings.SESSION_IDLE_MINUTES)


def begin(request: HttpRequest, now: datetime) -> None:
    """Both lifetimes begin now."""
    request.session[BEGAN] = request.session[SEEN] = int(now.timestamp())


class SessionLifetimes:
    """Signs out whoever was idle for too long or stays too long; the view then asks them to sign in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "_auth_user_id" in request.session:
            _look(request, clock_now())
        return self.get_response(request)


def _look(request: HttpRequest, now: datetime) -> None:
    at, session = int(now.timestamp()), request.session
    if BEGAN not in session:
        begin(request, now)
    elif at - session[BEGAN] >= settings.SESSION_HOURS * 3600:
        _end(request, "too old", now)
    elif at - session[SEEN] >= idle().total_seconds():
        _end(request, "idle", now)
    elif at - session[SEEN] >= EVERY:
        session[SEEN] = at
        sessions.seen(key=session.session_key or "", now=now)


def _end(request: HttpRequest, why: str, now: datetime) -> None:
    staff = request.user
    if staff.is_authenticated:
        sessions.ended(staff=staff, key=request.session.session_key or "", why=why, now=now)
    logout(request)
