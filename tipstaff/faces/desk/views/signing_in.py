"""Signing in: password, then the second factor; or a passkey alone; or single sign-on. And signing out."""

import json
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from tipstaff.accounts import passkeys, second_factor, sessions, throttling
from tipstaff.accounts import staff as people
from tipstaff.accounts.models import StaffMember
from tipstaff.accounts.single_sign_on import Attempt
from tipstaff.faces.desk import arriving
from tipstaff.faces.desk.arriving import onward
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import Refused

CHALLENGE, PROVIDER = "passkey_challenge", "single_sign_on"  # in the session, each good once
CHALLENGE_FOR = PROVIDER_FOR = 600  # seconds
LARGEST = 65_536  # bytes of a passkey's answer
WAIT = "Too many tries. Wait 15 minutes; a passkey, single sign-on and a device you used before still work."


def _page(request: HttpRequest, template: str, said: str, status: int, **more: Any) -> HttpResponse:
    context = {
        "said": said, "next": request.GET.get("next", request.POST.get("next", "")), "operator": settings.OPERATOR_NAME,
        "passwords": settings.PASSWORD_SIGN_IN, "single_sign_on": bool(settings.SINGLE_SIGN_ON), **more,
    }  # fmt: skip
    return render(request, template, context, status=status)


@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """The login form. After too many failures it waits, without saying whether the name exists."""
    if request.user.is_authenticated:
        return onward(request)
    said, status, name = "", 200, request.POST.get("username", "")[:150].replace("\x00", "")
    if request.method == "POST" and settings.PASSWORD_SIGN_IN:
        now = clock_now()
        answer = _by_password(request, name, now)
        if isinstance(answer, HttpResponse):
            return answer
        said, status = answer
    return _page(request, "desk/login.html", said, status, username=name)


def _by_password(request: HttpRequest, name: str, now: datetime) -> HttpResponse | tuple[str, int]:
    tried = arriving.attempt(request, "password", name)
    if throttling.must_wait(tried, now):
        return WAIT, 429
    staff = authenticate(request, username=name, password=request.POST.get("password", "").replace("\x00", ""))
    if not isinstance(staff, StaffMember):
        throttling.failed(tried, now)
        arriving.note_failure(tried, now, "password")
        return "That name and password do not belong together.", 401
    throttling.succeeded(tried)
    if second_factor.has_one(staff):
        return arriving.half_in(request, staff, "password", request.POST.get("next", ""), now)
    return arriving.let_in(request, staff, method="password", now=now)


@never_cache
def second(request: HttpRequest) -> HttpResponse:
    """A one-time code, a recovery code, or a passkey, after the password."""
    now = clock_now()
    half = arriving.who_is_half_in(request, now)
    if half is None:
        return redirect("/login/")
    staff, kept = half
    said, status = "", 200
    if request.method == "POST":
        tried = arriving.attempt(request, "code", staff.username)
        if throttling.must_wait(tried, now):
            said, status = WAIT, 429
        elif used := second_factor.check(staff=staff, given=request.POST.get("code", "")[:100], now=now):
            throttling.succeeded(tried)
            return arriving.let_in(request, staff, method=f"{kept['method']} and {used}", now=now, wanted=kept["next"] or None)
        else:
            throttling.failed(tried, now)
            arriving.note_failure(tried, now, "code")
            said, status = "That code is not right, or was used already. Take the next one your app shows.", 401
    has_app = staff.recovery_codes.exists() or hasattr(staff, "one_time_codes")
    return _page(request, "desk/login_second.html", said, status, has_app=has_app, has_passkey=staff.passkeys.exists())


# ----- passkeys -----


@never_cache
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """What the browser asks its passkeys: one of theirs after the password, else any that verifies its holder."""
    half = arriving.who_is_half_in(request, clock_now())
    if not settings.PASSWORD_SIGN_IN:
        return _refused("Sign in by single sign-on here.", 403)
    asked, challenge = passkeys.question(site=arriving.site(request), staff=half[0] if half else None)
    keep_challenge(request, challenge)
    return HttpResponse(asked, content_type="application/json")


@never_cache
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """The passkey's answer: JSON {credential, next}; JSON {"to": address} when it is right."""
    now = clock_now()
    given, challenge = passkey_answer(request), take_challenge(request, now)
    half = arriving.who_is_half_in(request, now)
    shown = None
    if given is not None and challenge is not None and settings.PASSWORD_SIGN_IN:
        shown = passkeys.show(answer=given["credential"], challenge=challenge, site=arriving.site(request), now=now,
                              staff=half[0] if half else None)  # fmt: skip
    if shown is None:
        arriving.note_failure(arriving.attempt(request, "passkey", ""), now, "passkey")
        return _refused("That passkey is not known here, or did not answer this question. Try again.", 401)
    wanted = half[1]["next"] if half else str(given.get("next", "")) if given else ""
    method = f"{half[1]['method']} and passkey" if half else "passkey"
    answer = arriving.let_in(request, shown.staff, method=method, now=now, wanted=wanted or None)
    told = JsonResponse({"to": answer["Location"]})
    told.cookies.update(answer.cookies)
    return told


def keep_challenge(request: HttpRequest, challenge: bytes) -> None:
    """Keep a passkey's question in the session until it is answered."""
    request.session[CHALLENGE] = [challenge.hex(), int(clock_now().timestamp())]


def take_challenge(request: HttpRequest, now: datetime) -> bytes | None:
    """The question that was asked a moment ago; each is taken once."""
    kept = request.session.pop(CHALLENGE, None)
    return bytes.fromhex(kept[0]) if kept and now.timestamp() - kept[1] <= CHALLENGE_FOR else None


def passkey_answer(request: HttpRequest) -> dict[str, Any] | None:
    """The JSON body {credential, …}; None where it is none."""
    try:
        given = json.loads(request.body[:LARGEST])
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) and isinstance(given.get("credential"), dict) else None


def _refused(said: str, status: int) -> JsonResponse:
    return JsonResponse({"said": said}, status=status)


# ----- single sign-on -----


@never_cache
@require_safe
def provider(request: HttpRequest) -> HttpResponse:
    """Off to the identity provider."""
    client = arriving.provider()
    if client is None:
        return redirect("/login/")
    try:
        there, attempt = client.begin(_back(request))
    except Refused as refused:
        return _page(request, "desk/login.html", f"Single sign-on: {refused}.", 502)
    kept = {"state": attempt.state, "nonce": attempt.nonce, "verifier": attempt.verifier}
    request.session[PROVIDER] = kept | {"at": int(clock_now().timestamp()), "next": request.GET.get("next", "")}
    return redirect(there)


@never_cache
@require_safe
def provider_back(request: HttpRequest) -> HttpResponse:
    """Back from the identity provider, with a code or a refusal. Each attempt is good once."""
    now, client, kept = clock_now(), arriving.provider(), request.session.pop(PROVIDER, None)
    if client is None or not kept or now.timestamp() - kept["at"] > PROVIDER_FOR:
        return _page(request, "desk/login.html", "That sign-in took too long, or began in another browser. Begin again.", 401)
    attempt = Attempt(kept["state"], kept["nonce"], kept["verifier"])
    try:
        person = client.finish(request.GET.dict(), attempt, _back(request))
        staff = people.from_provider(person=person, now=now)
    except Refused as refused:
        arriving.note_failure(arriving.attempt(request, "single sign-on", ""), now, "single sign-on")
        return _page(request, "desk/login.html", f"Single sign-on: {refused}.", 401)
    own = settings.SINGLE_SIGN_ON.get("second_factor") == "own"
    if own and second_factor.has_one(staff):
        return arriving.half_in(request, staff, "single sign-on", kept["next"], now)
    return arriving.let_in(request, staff, method="single sign-on", now=now, wanted=kept["next"] or None, vouched=not own)


def _back(request: HttpRequest) -> str:
    return f"{arriving.site(request).origin}/login/sso/back/"


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Out, and on the record."""
    staff = request.user
    if isinstance(staff, StaffMember):
        sessions.ended(staff=staff, key=request.session.session_key or "", why="signed out", now=clock_now())
    logout(request)
    return redirect("/login/")
