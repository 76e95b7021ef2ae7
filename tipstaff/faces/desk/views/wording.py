"""Settings: the wording of our messages, and macros. An edit is checked as a whole before anybody could be told with it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from tipstaff.correspondence import catalogue, letters, macros, variables, wordings
from tipstaff.correspondence.catalogue import Source
from tipstaff.correspondence.models import Wording
from tipstaff.faces.desk.access import DeskRequest, desk, holds
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.kernel.text import whole


def _only_leads(request: DeskRequest) -> None:
    if not holds(request.user, "lead", "admin"):
        raise Refused("What customers and reporters read is for leads and administrators to change.")


@desk()
def wording(request: DeskRequest) -> HttpResponse:
    """Every kind of message by language; which are our own."""
    own = {(row.kind, row.language): row for row in Wording.objects.filter(retired_at=None, brand="")}
    names = [*catalogue.kinds(), *[f"_{name}" for name in catalogue.packaged("en").fragments]]
    rows = [
        {"kind": name, "fragment": name.startswith("_"), "name": _title(name),
         "languages": [{"code": code, "own": own.get((name, code))} for code in catalogue.LANGUAGES]}
        for name in names
    ]  # fmt: skip
    return page(request, "desk/settings_wording.html", {"screen": "settings", "tab": "wording", "rows": rows})


@desk()
def edit(request: DeskRequest, kind: str, language: str) -> HttpResponse:
    """One message in one language: its words, its variables, how it looks with sample values."""
    if language not in catalogue.LANGUAGES:
        raise NotFound(f"There is no wording in {language!r}.")
    source, own = wordings.source_of(kind, language)
    problems: list[Problem] = []
    if request.method == "POST":
        _only_leads(request)
        if "go_back" in request.POST:
            wordings.go_back(kind=kind, language=language, by=request.user.get_username(), now=clock_now())
            messages.success(request, "The packaged words are used again; yours are kept as an old wording.")
            return redirect(request.path)
        source = Source(
            request.POST.get("subject", ""), request.POST.get("body", "").replace("\r\n", "\n"), request.POST.get("html", "")
        )
        problems = wordings.check(kind=kind, language=language, source=source)
        if not problems and "keep" in request.POST:
            wordings.keep(kind=kind, language=language, source=source, by=request.user.get_username(), now=clock_now())
            messages.success(request, "Kept. It is used from the next message on.")
            return redirect(request.path)
    context: dict[str, Any] = {
        "screen": "settings", "tab": "wording", "kind": kind, "name": _title(kind), "language": language, "source": source,
        "own": own, "fragment": kind.startswith("_"), "problems": problems, "languages": catalogue.LANGUAGES,
        "variables": sorted(variables.allowed(kind).items()), "fragments": sorted(wordings.fragments_of(language)),
        "letter": None if problems or kind.startswith("_") else _sample(kind, language, source),
        "old": list(Wording.objects.filter(kind=kind, language=language).exclude(retired_at=None).order_by("-at")[:10]),
    }  # fmt: skip
    return page(request, "desk/settings_wording_edit.html", context, status=422 if problems else 200)


def _title(kind: str) -> str:
    """'due_changed' → 'due changed', 'told.reporter' → 'told, to the reporter'."""
    return kind.lstrip("_").replace("_", " ").replace(".", ", to the ")


def _sample(kind: str, language: str, source: Source) -> letters.Letter | None:
    try:
        return letters.rendered(kind, language, source, variables.samples(kind))
    except InputError:
        return None


@desk()
def macro_list(request: DeskRequest) -> HttpResponse:
    """Pieces of text for the composer: everybody's and one's own."""
    by, now = request.user.get_username(), clock_now()
    if request.method == "POST":
        if (number := whole(request.POST.get("remove", ""))) is not None:
            macros.remove(macro=number, by=by, now=now)
        else:
            shared = "shared" in request.POST
            if shared:
                _only_leads(request)
            macros.keep(
                name=request.POST.get("name", ""), audience=request.POST.get("audience", ""),
                code=catalogue.known(request.POST.get("language", "en")),
                text=request.POST.get("text", "").replace("\r\n", "\n"), own=not shared, by=by, now=now,
            )  # fmt: skip
            messages.success(request, "Kept.")
        return redirect("/settings/macros/")
    context = {
        "screen": "settings", "tab": "macros", "rows": macros.every(by), "languages": catalogue.LANGUAGES,
        "variables": sorted(variables.CUSTOMER.items()),
    }  # fmt: skip
    return page(request, "desk/settings_macros.html", context)
