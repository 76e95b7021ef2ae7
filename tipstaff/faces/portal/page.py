"""What every page of the portal carries, and pages that say no."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tipstaff.faces.portal import words
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy import queries as policy
from tipstaff.policy.models import StoredEdition

if TYPE_CHECKING:
    from tipstaff.faces.portal.visitors import Here

TITLES = {
    403: "That did not work",
    404: "Nothing here",
    409: "Not at the moment",
    410: "No longer valid",
    413: "Too much at once",
    429: "Too often",
}
KEPT_FOR = 30  # seconds that the edition's name in the foot may be old
A_YEAR = 365 * 24 * 3600


def around(here: "Here") -> dict[str, Any]:
    """What a page knows of its visit."""
    return {"here": here, "code": here.code, "zone": here.zone, "now": here.now}


def in_force(brand: str, now: datetime) -> StoredEdition | None:
    """The edition of a brand that is in force; a few seconds old at most."""
    key = f"portal:edition:{brand}"
    known = cache.get(key)
    if known is None:
        known = policy.stored_in_force(brand, now) or "none"
        cache.set(key, known, KEPT_FOR)
    return None if known == "none" else known


def page(request: HttpRequest, template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """Render a whole page. Nothing of it is kept by a cache, and its address goes nowhere: it may hold a link's token."""
    context = dict(context or {})
    now = context.setdefault("now", clock_now())
    here = context.get("here")
    code = context.setdefault("code", here.code if here else words.chosen(request))
    context.setdefault("zone", words.zone_of("UTC"))
    operator = settings.OPERATOR_NAME or words.say(code, "Abuse desk")
    brand = here.contact.customer.brand if here else ""
    stored = in_force(brand, now)
    context |= {
        "operator": operator,
        "named": bool(settings.OPERATOR_NAME),
        "stored": stored,
        "intake_address": stored.intake_address if stored else "",
        "languages": words.LANGUAGES,
        "zone_line": words.zone_name(now, context["zone"]),
        "path": request.path,
    }
    answer = render(request, template, context, status=status)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Robots-Tag"] = "noindex"
    answer.headers["Content-Language"] = code
    if words.short(request.GET.get("language", "")):
        answer.set_cookie(words.COOKIE, code, max_age=A_YEAR, samesite="Lax", httponly=True, secure=settings.SESSION_COOKIE_SECURE)
    return answer


def refusal(request: HttpRequest, status: int, text: str, here: "Here | None" = None, *, detail: str = "") -> HttpResponse:
    """A page that says no, and what to do instead."""
    known = around(here) if here else {}
    context = {"title": TITLES.get(status, "Not at the moment"), "text": text, "detail": detail, **known}
    return page(request, "portal/refusal.html", context, status)
