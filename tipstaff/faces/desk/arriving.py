"""Signing in, step by step, as the session sees it: who is half in, who is in, from where, on which device."""

from datetime import datetime, timedelta
from functools import cache
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.crypto import get_random_string
from django.utils.http import url_has_allowed_host_and_scheme

from tipstaff.accounts import second_factor, sessions
from tipstaff.accounts.access import may
from tipstaff.accounts.models import StaffMember
from tipstaff.accounts.passkeys import Site
from tipstaff.accounts.single_sign_on import Client, Provider, role_table
from tipstaff.accounts.throttling import Attempt, network_of
from tipstaff.accounts.wrapping import digest
from tipstaff.audit.services import record
from tipstaff.faces.desk import lifetimes
from tipstaff.faces.desk.access import ENROL

HALF = "half_in"  # in the session
HALF_FOR = timedelta(minutes=10)  # between the password and the code
DEVICE_FOR = timedelta(days=180)
BACKEND = "django.contrib.auth.backends.ModelBackend"


def peer(request: HttpRequest) -> str:
    """The network somebody comes from: the address; of IPv6 its /64."""
    return network_of(request.META.get("REMOTE_ADDR", ""))


def site(request: HttpRequest) -> Site:
    """The host that passkeys are bound to; Django checked it against the allowed ones."""
    origin = f"{request.scheme}://{request.get_host()}"
    return Site(urlsplit(origin).hostname or "", origin)


def onward(request: HttpRequest, fallback: str = "/", wanted: str | None = None) -> HttpResponseRedirect:
    """Where the form says, if that is a place of ours."""
    wanted = wanted if wanted is not None else request.POST.get("next") or request.GET.get("next") or fallback
    ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, None, require_https=request.is_secure())
    return HttpResponseRedirect(wanted if ours else fallback)


# ----- who is known here -----


def attempt(request: HttpRequest, kind: str, account: str) -> Attempt:
    """A try at a secret, as it is counted."""
    return Attempt(kind, account, peer(request), _device(request, account))


def _device(request: HttpRequest, account: str) -> str:
    """The number of a device that signed in to this account before, or nothing."""
    kept = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    try:
        name, number = signing.loads(kept, salt="tipstaff.device", max_age=DEVICE_FOR)
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return str(number) if name == digest("device", account.lower()) else ""


def _remember_device(request: HttpRequest, answer: HttpResponse, account: str) -> None:
    number = _device(request, account) or get_random_string(16)
    value = signing.dumps([digest("device", account.lower()), number], salt="tipstaff.device")
    answer.set_cookie(
        settings.DEVICE_COOKIE_NAME, value, max_age=DEVICE_FOR, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )


def note_failure(tried: Attempt, now: datetime, why: str) -> None:
    """A failed try on the record: under digests, for what was typed may be anything."""
    record(by="visitor", action="login.failed", subject=f"login:{digest('login', tried.account.lower())[:24]}", now=now, why=why,
           network=digest("network", tried.network)[:24], kind=tried.kind)  # fmt: skip


# ----- half in, and in -----


def half_in(request: HttpRequest, staff: StaffMember, method: str, wanted: str, now: datetime) -> HttpResponse:
    """The password was right; the second factor is asked for on the next page. A new session, which is nobody's yet."""
    request.session.flush()
    request.session[HALF] = {
        "staff": staff.pk, "at": int(now.timestamp()), "hash": staff.get_session_auth_hash(), "next": wanted, "method": method,
    }  # fmt: skip
    return redirect("/login/second/")


def who_is_half_in(request: HttpRequest, now: datetime) -> tuple[StaffMember, dict[str, Any]] | None:
    """Whoever gave a right password in this browser a moment ago, unless it was changed since."""
    kept = request.session.get(HALF)
    if not kept or now.timestamp() - kept["at"] > HALF_FOR.total_seconds():
        return None
    staff = StaffMember.objects.filter(pk=kept["staff"], is_active=True).first()
    return (staff, kept) if staff is not None and staff.get_session_auth_hash() == kept["hash"] else None


def let_in(
    request: HttpRequest, staff: StaffMember, *, method: str, now: datetime, wanted: str | None = None, vouched: bool = False
) -> HttpResponse:
    """Sign somebody in: a new session key, both lifetimes, the device remembered, the second factor asked for where due.

    ``vouched``: the identity provider sees to the second factor.
    """
    request.session.pop(HALF, None)
    login(request, staff, backend=BACKEND)
    lifetimes.begin(request, now)
    if not request.session.session_key:
        request.session.save()
    browser = request.META.get("HTTP_USER_AGENT", "")
    key = request.session.session_key or ""
    sessions.began(staff=staff, key=key, network=peer(request), browser=browser, method=method, now=now)
    grace = timedelta(days=settings.SECOND_FACTOR_GRACE_DAYS)
    until = None if vouched else second_factor.due(staff, roles=settings.SECOND_FACTOR_ROLES, grace=grace, now=now)
    if until is not None and until <= now:
        request.session[ENROL] = True
        answer: HttpResponse = redirect("/me/security/")
    else:
        answer = onward(request, _first_page(staff), wanted)
        if until is not None:
            messages.warning(request, f"Set up a second factor under your name › Security; from {until:%-d %B} on it is needed.")
    _remember_device(request, answer, staff.username)
    return answer


def _first_page(staff: StaffMember) -> str:
    """Where somebody's day begins: the first page that their roles open."""
    places = (("read the desk", "/"), ("see the sealed queue", "/sealed/"), ("see figures", "/figures/"))
    return next((place for act, place in places if may(staff, act)), "/me/")


# ----- single sign-on -----


def provider() -> Client | None:
    """The client of the operator's identity provider; None where there is none."""
    return _client(tuple(sorted(settings.SINGLE_SIGN_ON.items()))) if settings.SINGLE_SIGN_ON else None


@cache
def _client(given: tuple[tuple[str, str], ...]) -> Client:
    known = dict(given)
    known.pop("second_factor", None)
    return Client(Provider(**(known | {"roles": role_table(known.get("roles", ""))})), clock=monotonic)  # type: ignore[arg-type]
