"""An address that leads nowhere: each face says so in its own way."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from tipstaff.faces.desk import refusals
from tipstaff.faces.public import page as public


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A problem document (RFC 9457) for machines, the desk's page for who is signed in there, else the public one."""
    if request.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is nothing at this address."}
        return JsonResponse(problem, status=404, content_type="application/problem+json")
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return refusals.page(request, 404, "There is no page at this address.")
    return public.missing(request)
