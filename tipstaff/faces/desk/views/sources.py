"""Settings › Sources › one source: what the columns of its tables mean, tried on a sample before it is kept."""

from dataclasses import dataclass, field

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from tipstaff.accounts.access import may
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.intake import queries
from tipstaff.intake.models import Source
from tipstaff.intake.reading.feeds.mapping import mark_of
from tipstaff.intake.services import last_sample
from tipstaff.intake.sources import services
from tipstaff.intake.trying import MOST_BYTES, Trial, starter, trial
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

LAST = "last"
EXAMPLE = """\
category = "compromised"           # of all rows; or a column, below

[columns]
ip = "Source IP"                   # or domain, url, mailbox
time = ["Day", "Clock"]            # one column, or several to be joined
port = "Source Port"

[time]
zone = "Europe/Amsterdam"          # of times that state none
"""


@dataclass
class Desk:
    """What was typed and what came of it."""

    text: str
    pasted: str = ""
    tried: Trial | None = None
    problems: list[Problem] = field(default_factory=list)


@desk()
def source(request: DeskRequest, number: int) -> HttpResponse:
    """The mapping of one source: read by all, changed by leads and administrators."""
    found = Source.objects.filter(pk=number).first()
    if found is None:
        raise NotFound("There is no such source.")
    kept = found.settings.get("mapping")
    typed = Desk(kept or "")
    if request.method == "POST":
        if not may(request.user, "change settings"):
            raise Refused("Settings are changed by a lead or an administrator; ask one of them.")
        typed = Desk(request.POST.get("mapping", "").replace("\r\n", "\n"), request.POST.get("pasted", ""))
        if _kept(request, found, typed):
            return redirect(request.path)
    now = clock_now()
    context = {
        "screen": "settings", "tab": "sources", "now": now, "source": found, "kept": kept, "typed": typed, "example": EXAMPLE,
        "health": queries.health_of(found, now=now), "mark": mark_of(kept) if kept else "",
        "seen": mark_of(kept) if request.method != "POST" and kept else request.POST.get("seen", ""),
        "last": queries.last_opened_to(request.user, found), "megabytes": MOST_BYTES // 1_000_000,
    }  # fmt: skip
    return page(request, "desk/settings_source.html", context, status=422 if typed.problems else 200)


def _kept(request: DeskRequest, found: Source, typed: Desk) -> bool:
    """Whether the mapping was kept or taken away; else what was typed was tried, and ``typed`` says what came of it."""
    by, now, given = request.user.get_username(), clock_now(), request.POST
    known = found.settings.get("mapping")
    seen = known if given.get("seen", "") == (mark_of(known) if known else "") else given.get("seen", "")
    if "remove" in given:
        services.set_mapping(name=found.name, mapping=None, seen=seen, by=by, now=now)
        messages.success(request, f"{found.name} has no mapping any more: columns are known by their names again.")
        return True
    try:
        _try(request, found, typed)
        if "keep" not in given or typed.problems:
            return False
        services.set_mapping(name=found.name, mapping=typed.text.strip() + "\n", seen=seen, by=by, now=now)
    except InputError as error:
        typed.problems = error.problems
        return False
    messages.success(request, f"Kept. The next delivery of {found.name} is read by it; what was read before stays as it is.")
    return True


def _try(request: DeskRequest, found: Source, typed: Desk) -> None:
    """Read the sample, if one was given, by what was typed; a header alone makes a mapping to begin with."""
    keeping = "keep" in request.POST
    if keeping and not typed.text.strip():
        raise InputError(Problem("mapping", "is empty", "write one, or take the mapping away"))
    content, name = _sample(request, found, typed)
    if not content:
        if not keeping:
            raise InputError(Problem("sample", "there is none", "paste some rows, choose a file or the source's last one"))
        return
    mapping, zone = (typed.text.strip() and typed.text) or None, found.settings.get("zone")
    typed.tried = trial(content=content, filename=name, mapping=mapping, zone=zone)
    if mapping is None:
        typed.text = starter([column for column, _ in typed.tried.tables[0].columns])
    elif keeping and not any(table.is_mapped for table in typed.tried.tables):
        typed.problems = [Problem("sample", text) for text in typed.tried.needs] or [
            Problem("sample", "the mapping does not fit it")
        ]


def _sample(request: DeskRequest, found: Source, typed: Desk) -> tuple[bytes, str]:
    """The bytes to be tried and what they are called: an uploaded file, else the source's last one, else what was pasted."""
    uploaded = request.FILES.get("file")
    if uploaded is not None:
        if (uploaded.size or 0) > MOST_BYTES:
            what = f"{uploaded.name} has more than {MOST_BYTES // 1_000_000} MB"
            raise InputError(Problem("file", what, "its header and some rows are enough"))
        return uploaded.read(), uploaded.name or "sample.csv"
    if request.POST.get("sample") == LAST:
        return last_sample(source=found, by=request.user, now=clock_now())
    pasted = typed.pasted.replace("\r\n", "\n").strip()
    return pasted.encode(), "sample.json" if pasted[:1] in ("[", "{") else "sample.csv"
