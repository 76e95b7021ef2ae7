"""security.txt (RFC 9116), where the operator has named a contact."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from tipstaff.faces.public.page import refusal
from tipstaff.kernel.clock import now as clock_now

VALID = timedelta(days=90)  # less than a year, as section 2.5.5 recommends


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    contact = getattr(settings, "SECURITY_CONTACT", "").strip()
    if not contact:
        return refusal(
            request, 404, "This site has not named a contact for security matters.", "Write to the address in the policy."
        )
    uri = contact if ":" in contact else f"mailto:{contact}"
    expires = (clock_now() + VALID).replace(microsecond=0, second=0, minute=0, hour=0)
    lines = [
        f"Contact: {uri}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {settings.PUBLIC_URL}/.well-known/security.txt",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
