"""One's own account: second factors, recovery codes, passkeys, password, and where one is signed in."""

from datetime import datetime
from io import BytesIO
from typing import Any

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST

from tipstaff.accounts import passkeys, second_factor, sessions, totp
from tipstaff.accounts import staff as people
from tipstaff.accounts.models import OneTimeCodes, StaffMember
from tipstaff.faces.desk import arriving, lifetimes
from tipstaff.faces.desk.access import ENROL, EVERYBODY, DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views.signing_in import keep_challenge, passkey_answer, take_challenge
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.kernel.text import whole

# The first mark that occurs decides: most browsers also claim to be others.
BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrom", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"),
)  # fmt: skip
FRESH = 3600  # seconds after signing in during which factors may be changed


@desk(*EVERYBODY)
def security(request: DeskRequest) -> HttpResponse:
    return _page(request, clock_now())


def _page(request: DeskRequest, now: datetime, codes: list[str] | None = None) -> HttpResponse:
    staff = request.user
    known = OneTimeCodes.objects.filter(staff=staff, confirmed_at__isnull=False).first()
    secret = None if known else second_factor.pending_secret(staff)
    issuer = settings.OPERATOR_NAME or "Tipstaff"
    context = {
        "screen": "me", "now": now, "app": known, "codes": codes, "left": staff.recovery_codes.filter(used_at=None).count(),
        "secret": totp.as_text(secret) if secret else "",
        "picture": _picture(totp.as_uri(secret, staff.username, issuer) if secret else ""),
        "passkeys": staff.passkeys.order_by("pk"), "must": ENROL in request.session,
        "has_password": staff.has_usable_password(), "fresh": _fresh(request, now), "here": request.session.session_key,
        "sessions": _sessions(staff, now), "named_host": _named(arriving.site(request).host),
        "hours": settings.SESSION_HOURS, "idle": settings.SESSION_IDLE_MINUTES,
    }  # fmt: skip
    answer = page(request, "desk/security.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _sessions(staff: StaffMember, now: datetime) -> list[Any]:
    rows = list(sessions.of(staff, now=now, idle=lifetimes.idle()))
    for row in rows:
        row.label = browser_named(row.browser)  # type: ignore[attr-defined]
    return rows


def browser_named(text: str) -> str:
    """What a browser calls itself, in two words, such as 'Firefox on Linux'."""
    browser = next((word for mark, word in BROWSERS if mark in text), "a program")
    system = next((word for mark, word in SYSTEMS if mark in text), "")
    return f"{browser} on {system}" if system else browser


def _picture(address: str) -> str:
    """The address as a QR code: dark on light in either theme, for cameras want it so."""
    if not address:
        return ""
    drawn = BytesIO()
    segno.make(address, error="m").save(
        drawn, kind="svg", scale=4, border=4, light="#fff", dark="#000", xmldecl=False, svgns=True, omitsize=True,
        title="QR code for your authenticator app", svgclass="qr", lineclass=None,
    )  # fmt: skip
    return mark_safe(drawn.getvalue().decode())  # noqa: S308 - drawn by the package from our own text


def _named(host: str) -> bool:
    """Passkeys are bound to a host name; an address has none."""
    return not host.replace(".", "").isdecimal() and ":" not in host


def _fresh(request: DeskRequest, now: datetime) -> bool:
    return now.timestamp() - request.session.get(lifetimes.BEGAN, 0) < FRESH


def _require_fresh(request: DeskRequest, now: datetime) -> None:
    """A session that somebody left open may not change who can sign in."""
    if not _fresh(request, now):
        raise Refused("You signed in more than an hour ago. Sign out and in again, then change this.")


def _enrolled(request: DeskRequest) -> None:
    request.session.pop(ENROL, None)


@desk(*EVERYBODY)
@require_POST
def act(request: DeskRequest, action: str) -> HttpResponse:
    """One of ACTIONS, on one's own account only."""
    if action not in ACTIONS:
        raise NotFound(f"There is no action {action!r} here.")
    return ACTIONS[action](request, clock_now())


def _begin(request: DeskRequest, now: datetime) -> HttpResponse:
    _require_fresh(request, now)
    second_factor.begin(staff=request.user, now=now)
    return redirect("/me/security/#app")


def _confirm(request: DeskRequest, now: datetime) -> HttpResponse:
    codes = second_factor.confirm(staff=request.user, code=request.POST.get("code", ""), now=now)
    _enrolled(request)
    return _page(request, now, codes)


def _recovery(request: DeskRequest, now: datetime) -> HttpResponse:
    _require_fresh(request, now)
    return _page(request, now, second_factor.renew_recovery_codes(staff=request.user, now=now))


def _remove_app(request: DeskRequest, now: datetime) -> HttpResponse:
    _require_fresh(request, now)
    second_factor.remove_codes(staff=request.user, by=request.user.username, now=now)
    messages.success(request, "The authenticator app is removed.")
    return redirect("/me/security/")


def _remove_passkey(request: DeskRequest, now: datetime) -> HttpResponse:
    _require_fresh(request, now)
    number = whole(request.POST.get("passkey", ""))
    passkeys.remove(staff=request.user, number=number or 0, by=request.user.username, now=now)
    messages.success(request, "The passkey is removed.")
    return redirect("/me/security/")


def _password(request: DeskRequest, now: datetime) -> HttpResponse:
    given = request.POST
    if given.get("new", "") != given.get("again", ""):
        raise InputError(Problem("New password", "was typed differently the second time", "type it twice alike"))
    people.change_password(staff=request.user, old=given.get("old", ""), new=given.get("new", ""), now=now)
    before = request.session.session_key or ""
    update_session_auth_hash(request, request.user)  # a new key for this session; the others no longer hold
    sessions.end(staff=request.user, by=request.user.username, now=now, keep=before)
    sessions.moved(key=before, to=request.session.session_key or "")
    messages.success(request, "The password is changed. Every other session of yours has ended.")
    return redirect("/me/security/")


def _end(request: DeskRequest, now: datetime) -> HttpResponse:
    typed = request.POST.get("session", "")
    here = request.session.session_key or ""
    which = (whole(typed) or 0) if typed else None
    done = sessions.end(staff=request.user, by=request.user.username, now=now, number=which, keep=here)
    messages.success(request, f"{done} session{'' if done == 1 else 's'} ended.")
    return redirect("/me/security/#sessions")


ACTIONS: dict[str, Any] = {
    "begin": _begin, "confirm": _confirm, "recovery": _recovery, "remove-app": _remove_app, "remove-passkey": _remove_passkey,
    "password": _password, "end": _end,
}  # fmt: skip


@desk(*EVERYBODY)
@require_POST
def passkey_options(request: DeskRequest) -> HttpResponse:
    """What the browser asks of a new passkey."""
    _require_fresh(request, clock_now())
    asked, challenge = passkeys.registration(staff=request.user, site=arriving.site(request))
    keep_challenge(request, challenge)
    return HttpResponse(asked, content_type="application/json")


@desk(*EVERYBODY)
@require_POST
def add_passkey(request: DeskRequest) -> HttpResponse:
    """The browser's new passkey: JSON {credential, name}."""
    now = clock_now()
    _require_fresh(request, now)
    given, challenge = passkey_answer(request), take_challenge(request, now)
    if given is None or challenge is None:
        return JsonResponse({"said": "That took too long. Try again."}, status=422)
    try:
        kept = passkeys.register(staff=request.user, answer=given["credential"], challenge=challenge, now=now,
                                 site=arriving.site(request), name=str(given.get("name", "")))  # fmt: skip
    except (InputError, Refused) as wrong:
        return JsonResponse({"said": str(wrong)}, status=422)
    _enrolled(request)
    messages.success(request, f"The passkey {kept.name} is yours.")
    return JsonResponse({"to": "/me/security/#passkeys"})
