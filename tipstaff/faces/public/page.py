"""What every public page carries: who runs it, the edition in force, how to write to us; and pages that say no."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tipstaff.faces.public import words
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy import queries as policy
from tipstaff.policy.models import StoredEdition

KEPT_FOR = 30  # seconds that the edition's name in the foot may be old
NONE = "none"
A_YEAR = 365 * 24 * 3600
TITLES = {400: "That could not be read", 404: "Nothing here", 405: "Not like this", 410: "No longer valid", 429: "Too many at once"}


def operator() -> str:
    """The provider's name, as configured; a plain word where it is not."""
    return getattr(settings, "OPERATOR_NAME", "") or "Abuse desk"


def in_force(now: datetime) -> StoredEdition | None:
    """The edition that the public sees: published, with an intake address (G1). A few seconds old at most."""
    known = cache.get("public:edition")
    if known is None:
        known = policy.stored_in_force("", now) or NONE
        cache.set("public:edition", known, KEPT_FOR)
    return None if known == NONE or not known.intake_address else known


def page(request: HttpRequest, template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """Render a whole public page; nothing of it belongs into a shared cache."""
    now = (context or {}).get("now") or clock_now()
    known = in_force(now)
    code = words.chosen(request)
    base = {
        "operator": operator(), "stored": known, "intake_address": known.intake_address if known else "", "now": now, "code": code,
        "languages": words.LANGUAGES, "path": request.path,
    }  # fmt: skip
    response = render(request, template, base | (context or {}), status=status)
    response.headers.setdefault("Cache-Control", "no-store" if request.method == "POST" else "private, max-age=0")
    response.headers["Content-Language"] = code
    if words.short(request.GET.get("language", "")):
        secure = settings.SESSION_COOKIE_SECURE
        response.set_cookie(words.COOKIE, code, max_age=A_YEAR, samesite="Lax", httponly=True, secure=secure)
    return response


def missing(request: HttpRequest) -> HttpResponse:
    """For an address that leads nowhere."""
    return refusal(request, 404, "There is no page at this address.", "Was the link cut in two? Copy it whole.")


def refusal(request: HttpRequest, status: int, text: str, then: str = "") -> HttpResponse:
    """A page that says no, why, and what to do instead; sentences are said in the reader's language."""
    return page(request, "public/refusal.html", {"title": TITLES.get(status, "Not now"), "text": text, "then": then}, status)


def stale(request: HttpRequest) -> HttpResponse:
    """To whoever sends a form without the proof that it came from a page of ours."""
    return refusal(
        request,
        403,
        "Nothing was taken: this page was open for too long, or your browser keeps no cookies. Load it again, then send it.",
    )
