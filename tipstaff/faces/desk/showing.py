"""Evidence on the desk: raw, parsed, and as the customer sees it. Nothing but text is ever rendered."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import re2
from django.http import HttpResponse

from tipstaff.accounts import lookups as accounts
from tipstaff.cases.models import Case
from tipstaff.evidence.access import Grant
from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import read
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.errors import Refused
from tipstaff.reports import queries as reports
from tipstaff.reports.models import Event, Report
from tipstaff.reports.redaction import Section, as_customer_sees
from tipstaff.reports.scrubbing import Scope, networks

MOST_BYTES = 32 * 1024 * 1024  # evidence that is opened on a page; more is a matter for the command line
MOST_RAW = 120_000  # characters shown; the rest is said to be there
_BLOCK = re2.compile(r"(?m)(?:^[A-Za-z0-9+/]{60,100}\r?\n){3}(?:^[A-Za-z0-9+/=]{1,100}\r?\n?)*")


@dataclass(frozen=True)
class Stretch:
    """A piece of raw text; ``found`` where a value was read from it."""

    text: str
    found: bool = False


def raw(*, blob: Blob, grant: Grant, values: Iterable[str], now: datetime) -> tuple[list[Stretch], str]:
    """The bytes as text with the found values marked, and what was left out, in words. The opening is recorded."""
    _fits(blob)
    content = read(blob=blob, grant=grant, view="raw", now=now)
    text = content[: MOST_RAW * 4].decode("utf-8", "replace")
    text = _BLOCK.sub(lambda block: f"[{len(block.group(0)):,} characters of an attachment, not shown]\n", text)
    left = f"The first {MOST_RAW:,} characters of {len(content):,} bytes." if len(text) > MOST_RAW else ""
    text = "".join(letter for letter in text[:MOST_RAW] if letter in "\n\t" or letter.isprintable())
    return marked(text, values), left


def attachment(*, blob: Blob, grant: Grant, name: str, now: datetime) -> HttpResponse:
    """The bytes for saving, never for showing: no browser is told, or may guess, what they are. The opening is recorded."""
    _fits(blob)
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


def _fits(blob: Blob) -> None:
    if blob.size > MOST_BYTES:
        size = blob.size // 1024 // 1024
        raise Refused(f"This evidence has {size} MB: too much for a page. Its events are on the case; the bytes are kept.")


def customer_view(*, case: Case, found: Report, blob: Blob, grant: Grant, now: datetime) -> list[Section]:
    """The redacted copy, made on the server from the bytes. The opening is recorded."""
    _fits(blob)
    content = read(blob=blob, grant=grant, view="customer", now=now)
    return as_customer_sees(open_message(content), scope_of(case, found, now))


def scope_of(case: Case, found: Report, now: datetime) -> Scope:
    """What is this customer's in this case, what is ours, and who must stay unnamed."""
    addresses = [address for address, _ in reports.addresses_of_case(case.pk)]
    names = [row.value.rpartition("@")[2] for row in accounts.names_of(case.customer_id, now)]
    hosts = [case.headline.lower()] if "." in case.headline and not _is_address(case.headline) else []
    if _is_address(case.headline):
        addresses.append(case.headline)
    reporter = found.reporter
    domain = reporter.email.rpartition("@")[2].lower()
    return Scope(
        networks=networks(addresses),
        domains=tuple(dict.fromkeys([*names, *hosts])),
        own_networks=tuple(accounts.own_prefixes()),
        names=(reporter.name, reporter.organisation),
        mail_domains=tuple(filter(None, (domain, reporter.authenticated_as))),
    )


def _is_address(text: str) -> bool:
    try:
        networks([text])
    except ValueError:
        return False
    return True


def parsed(found: Report, events: list[Event]) -> list[tuple[str, str, str]]:
    """(field, value, where from) of a report, from what was stored; the evidence stays closed."""
    rows = [
        ("Format", found.format, found.report_type),
        ("Kind", found.category, found.category_from),
        ("Reporter", _who(found), _trust(found)),
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


def _who(found: Report) -> str:
    reporter = found.reporter
    return " ".join(filter(None, (reporter.name, f"<{reporter.email}>" if reporter.email else reporter.key)))


def _trust(found: Report) -> str:
    reporter = found.reporter
    said = f"authenticated as {reporter.authenticated_as}" if reporter.authenticated_as else "not authenticated"
    return f"{said}, trust {reporter.trust}, {reporter.reports} reports"


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
