"""What a parser hands on, made fit to be stored: no text that PostgreSQL refuses, none longer than its column. Pure.

One mail with a NUL in its subject must not cost a batch its turn, nor itself its way to a case.
"""

from typing import Any

from tipstaff.intake.drafts import EventDraft, ReportDraft
from tipstaff.kernel.text import storable, storable_document

#: Longest text of the columns that are indexed, or that a hostile sender could grow.
LONGEST = {
    "format": 100, "category": 100, "category_from": 200, "report_type": 200, "external_id": 300, "feed": 200, "email": 320,
    "name": 200, "organisation": 200, "authenticated_as": 255, "ip": 100, "protocol": 100, "domain": 1000, "url": 16_000,
    "mailbox": 320, "time_as_written": 300, "subject": 2000, "description": 16_000,
}  # fmt: skip
_OF_DRAFT = ("format", "category", "category_from", "report_type", "external_id", "feed", "subject", "description")
_OF_REPORTER = ("name", "email", "organisation", "authenticated_as")
_OF_EVENT = ("ip", "protocol", "domain", "url", "mailbox", "time_as_written", "category", "report_type")
OF_DRAFT, OF_REPORTER, OF_EVENT = (tuple((name, LONGEST[name]) for name in names) for names in (_OF_DRAFT, _OF_REPORTER, _OF_EVENT))
LARGEST = 2**31 - 1
MOST_LINES = 1000  # warnings and needs


def cleaned(draft: ReportDraft) -> ReportDraft:
    """The same draft, changed in place where something in it cannot be stored."""
    _clean(draft, OF_DRAFT)
    _clean(draft.reporter, OF_REPORTER)
    draft.warnings = [storable(line)[:2000] for line in draft.warnings[:MOST_LINES]]
    draft.needs = [storable(line)[:2000] for line in draft.needs[:MOST_LINES]]
    draft.xarf = storable_document(draft.xarf)
    draft.copyright = storable_document(draft.copyright)
    for event in draft.events:
        _clean_event(event)
    return draft


def _clean_event(event: EventDraft) -> None:
    _clean(event, OF_EVENT)
    event.port, event.row = _within(event.port, 65_535), _within(event.row, LARGEST)
    event.count = min(max(1, event.count), LARGEST)
    event.identity = tuple(map(storable, event.identity))
    event.details = storable_document(event.details)
    event.found_in = storable_document(event.found_in)


def _within(number: int | None, most: int) -> int | None:
    return number if number is not None and 0 <= number <= most else None


def _clean(holder: Any, limits: tuple[tuple[str, int], ...]) -> None:
    for name, longest in limits:
        text = getattr(holder, name)
        if text and not (len(text) <= longest and text.isascii() and "\0" not in text):  # nearly every text may stay as it is
            setattr(holder, name, storable(text[:longest]))
