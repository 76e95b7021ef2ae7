"""AbuseIPDB: its bulk CSV (``IP,Categories,ReportDate,Comment``), the JSON of its API, and notification mails.

Sources: AbuseIPDB's published bulk format, report categories and API (``data.ipAddress`` with ``data.reports[]``). A report's
time without a zone is left open: the site's own default would be a guess. No notification
mail was captured: drafts from mail are experimental.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.intake.reading.labels import read_labels, squeezed
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.repeated_keys import Repeating, may_say_more, with_repeats
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError

name = "abuseipdb"
experimental = False

MAX_ROWS = 20_000  # AbuseIPDB itself takes 10,000 at once
_COLUMNS = ("ip", "categories", "reportdate", "comment")
# Category number (abuseipdb.com/categories) → ours.
_CATEGORIES = {
    1: "compromised",
    2: "compromised",
    3: "billing_fraud",
    4: "ddos_origin",
    5: "intrusion",
    6: "ddos_origin",
    7: "phishing",
    8: "fraud_site",
    9: "open_relay",
    10: "spam_support",
    11: "spam",
    12: "spam_support",
    13: None,
    14: "scan",
    15: "intrusion",
    16: "intrusion",
    17: "header_forgery",
    18: "intrusion",
    19: "scraping",
    20: "compromised",
    21: "intrusion",
    22: "intrusion",
    23: "intrusion",
}
# Where a report has several: the one that says most.
_WEIGHT = (
    "phishing",
    "ddos_origin",
    "compromised",
    "intrusion",
    "open_relay",
    "spam",
    "fraud_site",
    "billing_fraud",
    "header_forgery",
    "spam_support",
    "scan",
    "scraping",
)


def claims(message: Message) -> Confidence:
    if any(True for _ in _tables(message)) or _documents(message):
        return Confidence.CERTAIN
    return Confidence.CERTAIN if _is_notification(message) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft: an event for each row or report."""
    draft = ReportDraft(
        format="abuseipdb",
        reporter=Reporter(None, None, "AbuseIPDB"),
        report_type="abuseipdb-report",
        subject=message.header("Subject") or None,
    )
    if message.kind == "mail":
        display, email = mailbox(message.header("From"))
        draft.reporter = Reporter(display, (email or "").lower() or None, "AbuseIPDB")
    for place, rows in _tables(message):
        _read_rows(rows, place, draft)
    for document in _documents(message):
        _read_document(document, draft)
    if not draft.events and not draft.needs and _is_notification(message):
        _read_letter(message, draft)
    if not draft.events and not draft.needs:
        raise ParseError("document", "no reported address can be found", "send the CSV or JSON as AbuseIPDB writes it")
    _sum_up(draft)
    return [draft]


def _sum_up(draft: ReportDraft) -> None:
    """The report's category is its commonest; events say only what differs."""
    kinds = [event.category for event in draft.events if event.category]
    draft.category = max(sorted(set(kinds)), key=kinds.count) if kinds else None
    draft.category_from = "structure" if draft.category else None
    draft.xarf = xarf_of(draft.category)
    for event in draft.events:
        event.category = None if event.category == draft.category else event.category


def _tables(message: Message) -> Iterator[tuple[str, list[list[str]]]]:
    for part in message.parts:
        if b"ReportDate" not in part.content[:400]:
            continue
        head = part.content[:400].lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")[0].decode("ascii", "replace")
        if tuple(squeezed(cell) for cell in head.split(",")) == _COLUMNS:
            yield part.where, list(_rows(part.text))


def _rows(text: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff\n \t")), escapechar="\\", doublequote=True)
    try:
        for number, row in enumerate(reader):
            if number > MAX_ROWS:
                return
            if number and row:
                yield row
    except csv.Error as error:
        raise ParseError(
            f"line {reader.line_num}", f"the CSV cannot be read: {error}", "quote fields with commas and line breaks"
        ) from None


def _read_rows(rows: list[list[str]], place: str, draft: ReportDraft) -> None:
    for number, row in enumerate(rows, 2):
        ip_written, categories, date, comment = [*row, "", "", "", ""][:4]
        ip = normal_ip(ip_written)
        where = f"{place} row {number}"
        if ip is None:
            draft.needs.append(f"{where}: {ip_written[:60]!r} is not an address")
            continue
        event = EventDraft(
            ip=ip, row=number, found_in={"ip": f"{where}: IP"}, details={"comment": comment[:1024]} if comment else {}
        )
        _complete(
            event, [cell for cell in categories.replace(";", ",").split(",") if cell.strip()], date, f"{where}: ReportDate", draft
        )
        draft.events.append(event)


def _complete(event: EventDraft, categories: list[Any], date: str, place: str, draft: ReportDraft) -> None:
    numbers = [int(str(one).strip()) for one in categories if str(one).strip().isdecimal() and len(str(one)) < 6]
    kinds = {kind for number in numbers if (kind := _CATEGORIES.get(number))}
    event.category = next((kind for kind in _WEIGHT if kind in kinds), None)
    event.details["abuseipdb_categories"] = numbers
    moment = read_time(date) if date else None
    event.time_as_written = date or None
    if moment:
        event.occurred_at, event.earliest, event.latest, event.found_in["occurred_at"] = (
            moment.at,
            moment.earliest,
            moment.latest,
            place,
        )
    if (moment is None or moment.at is None) and len(draft.warnings) < 50:
        draft.warnings.append(f"{place}: {date[:60]!r} {moment.note if moment else 'is no time'}")


def _documents(message: Message) -> list[dict]:
    found = []
    for part in message.parts:
        if b'"ipAddress"' not in part.content[:2_000_000] or b'"data"' not in part.content[:2_000]:
            continue
        try:
            document = orjson.loads(part.content)
            document = with_repeats(part.content) if may_say_more(part.content, document) else document
        except ValueError:
            continue
        inside = document.get("data") if isinstance(document, dict) else None
        found += [
            one
            for one in (inside if isinstance(inside, list) else [inside])
            if isinstance(one, dict) and isinstance(one.get("ipAddress"), str)
        ]
    return found


def _read_document(document: dict, draft: ReportDraft) -> None:
    """A ``check`` answer with its reports; one without reports is reputation only and accuses of nothing in particular."""
    if isinstance(document, Repeating) and "ipAddress" in document.twice:
        draft.needs.append("data.ipAddress stands twice; which of them is meant, nobody can say")
        return
    ip = normal_ip(document["ipAddress"])
    if ip is None:
        draft.needs.append(f"data.ipAddress {document['ipAddress'][:60]!r} is not an address")
        return
    reports = document.get("reports")
    for number, report in enumerate(reports[:MAX_ROWS] if isinstance(reports, list) else []):
        if not isinstance(report, dict):
            continue
        comment = report.get("comment")
        event = EventDraft(
            ip=ip, found_in={"ip": "data.ipAddress"}, details={"comment": comment[:1024]} if isinstance(comment, str) else {}
        )
        categories, stamp = report.get("categories"), report.get("reportedAt")
        _complete(
            event,
            categories if isinstance(categories, list) else [],
            stamp if isinstance(stamp, str) else "",
            f"data.reports[{number}].reportedAt",
            draft,
        )
        draft.events.append(event)
    if not draft.events:
        draft.events.append(
            EventDraft(
                ip=ip,
                category="blocklisted",
                found_in={"ip": "data.ipAddress"},
                details={"score": document.get("abuseConfidenceScore")},
            )
        )


def _is_notification(message: Message) -> bool:
    letter = message.letter[:100_000]
    sender = (mailbox(message.header("From"))[1] or "").lower()
    return sender.endswith("abuseipdb.com") and any(
        squeezed(label.name) in ("ip", "ipaddress", "reportedip") for label in read_labels(letter)
    )


def _read_letter(message: Message, draft: ReportDraft) -> None:
    draft.experimental = True
    for label in read_labels(message.letter[:100_000]):
        key = squeezed(label.name)
        if key in ("ip", "ipaddress", "reportedip") and (ip := normal_ip(label.value)):
            draft.events.append(EventDraft(ip=ip, found_in={"ip": f"letter line {label.line}: {label.name}"}))
        elif draft.events and key in ("date", "reportedat", "timestamp", "time") and draft.events[-1].time_as_written is None:
            _complete(draft.events[-1], [], label.value, f"letter line {label.line}: {label.name}", draft)
        elif draft.events and key in ("categories", "category", "comment", "reports"):
            draft.events[-1].details[key] = label.value[:1024]
