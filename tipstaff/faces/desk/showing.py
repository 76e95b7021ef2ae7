"""Evidence on the desk: raw, parsed, and as the customer sees it. Nothing but text is ever rendered."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import re2
from django.http import HttpResponse

from tipstaff.cases.redacted import customer_view, fits, scope_of
from tipstaff.evidence.access import Grant
from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import read
from tipstaff.policy.edition import Category, Handling
from tipstaff.reports.models import LIMITED, Event, Report
from tipstaff.reports.scrubbing import masked_cards

__all__ = ["Stretch", "attachment", "customer_view", "marked", "parsed", "raw", "scope_of", "values_of"]

MOST_RAW = 120_000  # characters shown; the rest is said to be there
_BLOCK = re2.compile(r"(?m)(?:^[A-Za-z0-9+/]{60,100}\r?\n){3}(?:^[A-Za-z0-9+/=]{1,100}\r?\n?)*")


@dataclass(frozen=True)
class Stretch:
    """A piece of raw text; ``found`` where a value was read from it."""

    text: str
    found: bool = False


def raw(
    *, blob: Blob, grant: Grant, values: Iterable[str], now: datetime, kind: Category | None = None
) -> tuple[list[Stretch], str]:
    """The bytes as text with the found values marked, and what was left out, in words. The opening is recorded.

    Card numbers are masked where the category (``kind``) asks for that.
    """
    fits(blob)
    content = read(blob=blob, grant=grant, view="raw", now=now)
    text = content[: MOST_RAW * 4].decode("utf-8", "replace")
    text = _BLOCK.sub(lambda block: f"[{len(block.group(0)):,} characters of an attachment, not shown]\n", text)
    left = f"The first {MOST_RAW:,} characters of {len(content):,} bytes." if len(text) > MOST_RAW else ""
    text = "".join(letter for letter in text[:MOST_RAW] if letter in "\n\t" or letter.isprintable())
    return marked(masked(text, kind), values), left


def masked(text: str, kind: Category | None) -> str:
    """Without card numbers, where the policy wants them masked in this kind of case even for us."""
    return masked_cards(text) if kind is not None and Handling.MASK_CARD_NUMBERS in kind.handling else text


def attachment(*, blob: Blob, grant: Grant, name: str, now: datetime) -> HttpResponse:
    """The bytes for saving, never for showing: no browser is told, or may guess, what they are. The opening is recorded."""
    fits(blob)
    answer = HttpResponse(read(blob=blob, grant=grant, view="download", now=now), content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="{name}.bin"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cache-Control"] = "no-store"
    return answer


def marked(text: str, values: Iterable[str]) -> list[Stretch]:
    """The text cut up so that each value stands out."""
    wanted = sorted({value for value in values if value and len(value) > 3}, key=len, reverse=True)[:50]
    if not wanted:
        return [Stretch(text)]
    pattern = re2.compile("|".join(re2.escape(value) for value in wanted))
    out, at = [], 0
    for found in pattern.finditer(text):
        if found.start() > at:
            out.append(Stretch(text[at : found.start()]))
        out.append(Stretch(found.group(0), found=True))
        at = found.end()
    return [*out, Stretch(text[at:])]


def parsed(found: Report, events: list[Event]) -> list[tuple[str, str, str]]:
    """(field, value, where from) of a report, from what was stored; the evidence stays closed."""
    rows = [
        ("Format", found.format, found.report_type),
        ("Kind", found.category, found.category_from),
        ("Reporter", f"reporter {found.reporter_id}", _trust(found)),
        ("Their reference", found.external_id, "as sent"),
        ("Says", found.description, ""),
    ]
    for event in sorted(events, key=lambda event: event.row or 0)[:3]:
        rows.append(("Address", _subject(event), _origin(event, "ip")))
        rows.append(("Seen", _seen(event), _origin(event, "occurred_at")))
    if len(events) > 3:
        rows.append(("And", f"{len(events) - 3} more events", "below"))
    missing = [name for name, met in found.verification.items() if met in (False, "missing")]
    rows.append(("Missing", ", ".join(missing), "elements of a report"))
    return [row for row in rows if row[1]]


def _trust(found: Report) -> str:
    """How much a report is trusted; whose it is, is told only on asking, and that is on the record."""
    reporter = found.reporter
    said = "authenticated" if reporter.authenticated_as else "not authenticated"
    limited = f" (limited: counted as {LIMITED})" if reporter.limited_at and found.trust == LIMITED < reporter.trust else ""
    return f"{said}, trust {reporter.trust}{limited}, {reporter.reports} report{'' if reporter.reports == 1 else 's'}"


def _subject(event: Event) -> str:
    return event.url or event.domain or (f"{event.ip} port {event.port}" if event.port else str(event.ip or ""))


def _seen(event: Event) -> str:
    if event.time_as_written:
        return event.time_as_written
    return f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC" if event.occurred_at else ""


def _origin(event: Event, name: str) -> str:
    details: dict[str, Any] = event.details or {}
    place = (details.get("found_in") or {}).get(name)
    if place:
        return str(place)
    return f"line {event.row} of the evidence" if event.row else "as the report says"


def values_of(events: Iterable[Event]) -> list[str]:
    """What was read out of the evidence, as it stands there."""
    out = []
    for event in events:
        out += [str(event.ip or ""), event.time_as_written or "", event.url or "", event.domain or ""]
    return [value for value in dict.fromkeys(out) if value]
