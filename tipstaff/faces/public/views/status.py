"""Following a report by its link."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from tipstaff.faces.public import limits
from tipstaff.faces.public.page import page, refusal
from tipstaff.faces.public.standing import standing_of
from tipstaff.faces.public.tokens import submission_of
from tipstaff.kernel.clock import now as clock_now

GONE = "This link leads to no report. It may be cut off at its end, or older than a year."


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Somewhere to put the link or the code of a report."""
    typed = request.POST.get("token", "").strip().rstrip("/").rpartition("/")[2]
    return redirect(f"/status/{typed}") if typed else page(request, "public/ask.html", {"screen": "status"})


@require_safe
def status(request: HttpRequest, token: str) -> HttpResponse:
    return _page(request, token, thanks=False)


@require_safe
def thanks(request: HttpRequest, token: str) -> HttpResponse:
    return _page(request, token, thanks=True)


def _page(request: HttpRequest, token: str, *, thanks: bool) -> HttpResponse:
    now = clock_now()
    if limits.too_many(request, "status", now):
        return refusal(request, 429, "Too many looks at reports came from your network in the last hour.", "Wait a while.")
    number = submission_of(token)
    found = standing_of(number, now) if number else None
    if found is None:
        return refusal(request, 404, GONE, "Look for the whole link, or send the report again.")
    link = request.build_absolute_uri(f"/status/{token}")
    response = page(
        request, "public/status.html", {"standing": found, "thanks": thanks, "link": link, "now": now, "screen": "status"}
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
