"""The policy for everybody to read: the edition in force, every published one, permalinks, and what changed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from tipstaff.faces.public import words
from tipstaff.faces.public.page import in_force, page, refusal
from tipstaff.faces.public.words import Sentence
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound
from tipstaff.policy import queries
from tipstaff.policy.diff import Change, text_changes
from tipstaff.policy.queries import PolicyPage
from tipstaff.policy.shapes import duration_text

LONG = 60  # characters from which a change is shown word by word


#: What a section of an edition is called for its readers, and the fields that they see on the page of the policy.
HEADINGS = {
    "title": "Title", "sections": "Chapters", "clauses": "Clause {key}", "categories": "Kind of conduct: {key}",
    "severities": "Severity: {key}", "facts": "Fact asked for: {key}", "exceptions": "Exception: {key}",
    "ladder": "Measures, from the mildest", "timers": "Times", "strikes": "Repeated breaches",
    "reports": "What a report must have", "switches": "Options", "aliases": "Other names", "language": "Language",
}  # fmt: skip
FIELDS = {
    "text": "the text",
    "plain": "in plain words",
    "title": "the title",
    "severity": "the severity",
    "resolve": "the time to resolve",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One difference: what it is about, and the way from one wording to the other.

    ``field`` is a key of the edition where its readers have no word for it; ``came`` and ``went``: the whole thing is new, or gone.
    """

    heading: str
    pieces: tuple[tuple[str, str], ...] = ()
    said: str = ""
    field: str = ""
    came: bool = False
    went: bool = False
    anchor: str = ""


@require_safe
def current(request: HttpRequest) -> HttpResponse:
    """The edition in force; without an intake address nothing is published (G1), and the page says so."""
    stored = in_force(clock_now())
    return _edition(request, "") if stored else page(request, "public/policy_none.html", {"screen": "policy"}, status=404)


@require_safe
def edition(request: HttpRequest, pack: str, version: str) -> HttpResponse:
    return _edition(request, f"{pack}/{version}")


@require_safe
def clause(request: HttpRequest, pack: str, version: str, clause: str) -> HttpResponse:
    """A clause's permanent address."""
    found = _found(f"{pack}/{version}")
    if found is None or clause not in found.edition.clauses:
        return refusal(
            request,
            404,
            Sentence.of("There is no published clause {clause} in {edition}.", clause=clause[:20], edition=f"{pack}/{version}"),
            "Look at the policy.",
        )
    return redirect(f"/policy/{pack}/{version}/#clause-{clause}")


@require_safe
def versions(request: HttpRequest) -> HttpResponse:
    found = _found("")
    if found is None:
        return page(request, "public/policy_none.html", {"screen": "policy"}, status=404)
    return page(request, "public/versions.html", {"found": found, "screen": "policy"})


@require_safe
def changes(request: HttpRequest, pack: str, version: str) -> HttpResponse:
    """What changed with an edition, against the one before it, word by word."""
    found = _found(f"{pack}/{version}")
    if found is None:
        return refusal(
            request,
            404,
            Sentence.of("There is no published edition {edition}.", edition=f"{pack}/{version}"),
            "Look at the policy.",
        )
    older = [row for row in found.versions if row.effective_from < found.stored.effective_from]
    code = words.chosen(request)
    named = {
        name: words.category(code, name, entry.title, found.edition.language) for name, entry in found.edition.categories.items()
    }
    shown = [_shown(change, named) for change in found.changes if change.section not in {"version", "pack"}]
    context = {"found": found, "before": older[0] if older else None, "shown": shown, "screen": "policy"}
    return page(request, "public/changes.html", context)


def _found(name: str) -> PolicyPage | None:
    if "\x00" in name:  # which PostgreSQL's text does not hold
        return None
    try:
        found = queries.page("", clock_now(), name)
    except NotFound:
        return None
    return found if found.stored.intake_address else None


def _edition(request: HttpRequest, name: str) -> HttpResponse:
    found = _found(name)
    if found is None:
        return refusal(
            request,
            404,
            Sentence.of("There is no published edition {edition}.", edition=name),
            "Look at the policy that is in force.",
        )
    code = words.chosen(request)
    kinds = [
        (
            entry,
            duration_text(entry.resolve) if entry.resolve else "",
            words.category(code, name, entry.title, found.edition.language),
        )
        for name, entry in found.edition.categories.items()
        if entry.customer_told
    ]
    return page(request, "public/policy.html", {"found": found, "kinds": kinds, "screen": "policy"})


def _shown(change: Change, named: Mapping[str, str]) -> Shown:
    heading = HEADINGS.get(change.section, "")
    key = named.get(change.key, change.key) if change.section == "categories" else change.key
    subject = Sentence.of(heading, key=key) if "{key}" in heading else heading or change.section
    own = "" if "{key}" in heading else change.key
    field = " ".join(part for part in (own, change.field) if part).replace("_", " ")
    before, after = change.before, change.after
    whole = not change.field
    shown = Shown(
        subject,
        said="" if own else FIELDS.get(change.field, ""),
        field=field,
        came=whole and before is None,
        went=whole and after is None,
        anchor=f"clause-{change.key}" if change.section == "clauses" and after is not None else "",
    )
    if shown.came or shown.went:
        titled = after if shown.came else before
        return replace(shown, field=titled.get("title", "") if isinstance(titled, Mapping) else "")
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) >= LONG:
        return replace(shown, pieces=tuple(text_changes(before, after)))
    old, new = change.values
    return replace(shown, pieces=(("removed", old), ("added", new)))
