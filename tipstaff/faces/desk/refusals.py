"""Pages that say no, why, and what opens the way."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tipstaff.kernel.errors import Problem

TITLES = {
    400: "That request could not be read",
    403: "Not yours to see",
    404: "Nothing here",
    409: "Not now",
    422: "Something is not right yet",
    500: "We failed",
}


def page(request: HttpRequest, status: int, text: str, problems: Sequence[Problem] = ()) -> HttpResponse:
    """A whole page, or for htmx a note, with this status."""
    template = "desk/refusal_note.html" if getattr(request, "htmx", None) else "desk/refusal.html"
    back = request.headers.get("Referer", "/")
    context = {"title": TITLES.get(status, "Refused"), "text": text, "problems": problems, "status": status}
    same_site = back.startswith(f"{request.scheme}://{request.get_host()}/")
    return render(request, template, {**context, "back": back if same_site else "/"}, status=status)
