"""A reporter confirms by our link. Opening the page changes nothing, since mail scanners open links; the button does."""

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from tipstaff.faces.public import limits
from tipstaff.faces.public.page import page, refusal
from tipstaff.kernel.clock import now as clock_now
from tipstaff.pipeline.answers import CONFIRM_SALT
from tipstaff.reports import services
from tipstaff.reports.models import Reporter

AGE = 30 * 24 * 3600  # seconds


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    now = clock_now()
    if limits.too_many(request, "confirm", now):
        return refusal(request, 429, "Too many tries came from your network in the last hour.", "Wait a while.")
    try:
        number = signing.loads(token[:300], salt=CONFIRM_SALT, max_age=AGE)
    except signing.SignatureExpired:
        return refusal(request, 410, "This link is older than thirty days.", "With your next report you get a new one.")
    except signing.BadSignature:
        return refusal(request, 404, "This link is not whole.", "Copy it from our message once more, to its end.")
    found = Reporter.objects.filter(pk=number).first() if isinstance(number, int) else None
    if found is None:
        return refusal(request, 410, "What you want to confirm is no longer here.", "Send the report again.")
    if request.method == "POST" and found.confirmed_at is None:
        found = services.confirm(reporter=found.pk, now=now)
    return page(request, "public/confirm.html", {"reporter": found, "screen": ""})
