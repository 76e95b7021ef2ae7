"""An address that leads nowhere, a form without its proof: each face says so in its own way."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from tipstaff.faces.desk import refusals
from tipstaff.faces.public import page as public

PUBLIC = ("/report/", "/status/", "/confirm/", "/policy/", "/transparency/")


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A problem document (RFC 9457) for machines, the desk's page for who is signed in there, else the public one."""
    if request.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is nothing at this address."}
        return JsonResponse(problem, status=404, content_type="application/problem+json")
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return refusals.page(request, 404, "There is no page at this address.")
    return public.missing(request)


def stale(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that does not prove that it came from a page of ours: open while somebody signed in beside it, or without cookies.

    The portal asks for it by itself.
    """
    if request.path.startswith(PUBLIC):
        return public.stale(request)
    text = "You signed in or out since this page was loaded, or your browser keeps no cookies. Load the page again, then send it."
    return refusals.page(request, 403, text, title="Nothing was taken")
