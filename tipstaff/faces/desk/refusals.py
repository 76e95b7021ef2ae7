"""Pages that say no, why, and what opens the way."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tipstaff.audit.services import refused
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import Problem

TITLES = {
    400: "That request could not be read",
    403: "Not yours to see",
    404: "Nothing here",
    409: "Not now",
    422: "Something is not right yet",
    500: "We failed",
}

#: What an address of the desk is about, as the record names it.
SUBJECTS = (
    (re.compile(r"/cases/(\d{1,18})/"), "case"), (re.compile(r"/enforcement/work/(\d{1,18})/"), "work_order"),
    (re.compile(r"/enforcement/(\d{1,18})/"), "order"), (re.compile(r"/customers/(\d{1,18})/"), "customer"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """That something was refused: the status of the answer, why, and what is wrong with each field."""

    status: int
    text: str
    problems: tuple[Problem, ...] = ()


def note(request: HttpRequest, what: str, why: str) -> None:
    """Put on the record that somebody of the staff was refused: 'role' for the door, 'rule' for an act.

    Written apart from the act, whose transaction is undone.
    """
    path = request.path[:200]
    found = next((f"{kind}:{match.group(1)}" for pattern, kind in SUBJECTS if (match := pattern.match(path))), f"page:{path}")
    by = request.user.get_username()
    refused(by=by, what=what, subject=found, why=why, now=now(), path=path, method=request.method)


def page(request: HttpRequest, status: int, text: str, problems: Sequence[Problem] = (), title: str = "") -> HttpResponse:
    """A whole page, or for htmx a note, with this status."""
    template = "desk/refusal_note.html" if getattr(request, "htmx", None) else "desk/refusal.html"
    back = request.headers.get("Referer", "/")
    context = {"title": title or TITLES.get(status, "Refused"), "text": text, "problems": problems, "status": status}
    same_site = back.startswith(f"{request.scheme}://{request.get_host()}/")
    return render(request, template, {**context, "back": back if same_site else "/"}, status=status)
