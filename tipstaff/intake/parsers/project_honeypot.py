"""Project Honey Pot monitor reports: addresses under headings, with the time of each act in the paid form.

Source: captured mails of both forms. The free form gives only a period (month/day/year): no time is known then. ``none`` lists
accuse nobody, and the counters at the head are not used. Addresses under ``Other Potentially Suspicious`` are kept apart
as ``other``.
"""

from datetime import UTC, datetime, timedelta

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError

name = "project_honeypot"
experimental = False

MAX_LETTER = 400_000
MAX_EVENTS = 20_000
_HEADING = pattern(r"(?i)^\s*(?:IPs Engaged In (.{3,60}?)|(Other Potentially Suspicious) IPs) On Your Network\s*:")
_PERIOD = pattern(r"(?i)Report Date Range\s*:\s*(\d{1,2})/(\d{1,2})/(\d{4})\s*-\s*(\d{1,2})/(\d{1,2})/(\d{4})")
_ADDRESS = pattern(r"^\s*([0-9a-fA-F:.]{3,45})(?:\s+\(([A-Z ,/]{1,12})\))?\s*$")
_DETAIL = pattern(r"^\s{2,}-\s+(.{3,300})$")
_KINDS = (
    ("harvest", "scraping"),
    ("comment", "spam_support"),
    ("dictionary", "spam"),
    ("email spam", "spam"),
    ("rule", "intrusion"),
)


def claims(message: Message) -> Confidence:
    letter = message.letter[:MAX_LETTER]
    return (
        Confidence.CERTAIN
        if "Honey Pot" in letter and any("On Your Network" in line and _HEADING.match(line) for line in letter.split("\n"))
        else Confidence.NONE
    )


def parse(message: Message) -> list[ReportDraft]:
    """One draft; an event for each time of each address, or one without a time for an address that has none."""
    letter = message.letter[:MAX_LETTER]
    if not _PERIOD.search(letter) and not any("On Your Network" in line and _HEADING.match(line) for line in letter.split("\n")):
        raise ParseError("letter", "the headings of a monitor report are missing", "read it by hand")
    sender = mailbox(message.header("From"))
    draft = ReportDraft(
        format="projecthoneypot",
        reporter=Reporter(sender[0], (sender[1] or "").lower() or None, "Project Honey Pot"),
        subject=message.header("Subject") or None,
        external_id=None,
        feed="projecthoneypot-monitor",
    )
    _read_lines(letter, draft)
    if len(message.letter) > MAX_LETTER:
        draft.warnings.append(f"the letter is longer than {MAX_LETTER} characters; the rest was left out")
    draft.category = next((event.category for event in draft.events if event.category not in (None, "other")), None)
    draft.category_from = "structure" if draft.category else None
    draft.xarf = xarf_of(draft.category)
    for event in draft.events:
        event.category = None if event.category == draft.category else event.category
    if len(draft.events) >= MAX_EVENTS:
        draft.warnings.append(f"more than {MAX_EVENTS} events; the rest was left out")
    return [draft]


def _read_lines(letter: str, draft: ReportDraft) -> None:
    earliest, latest, written = _period(letter)
    section, pending = "", None
    for number, line in enumerate(letter.split("\n"), 1):
        if not line.strip():
            continue
        heading = _HEADING.match(line)
        address = _ADDRESS.match(line) if section else None
        detail = _DETAIL.match(line) if section else None
        if heading:
            section, pending = (heading.group(1) or heading.group(2)).strip(), None
        elif line.startswith("-----"):
            section, pending = "", None
        elif address and (ip := normal_ip(address.group(1))):
            pending = EventDraft(
                ip=ip,
                report_type=section.lower(),
                category=_category(section),
                earliest=earliest,
                latest=latest,
                time_as_written=written,
                row=number,
                found_in={"ip": f"letter line {number}"},
            )
            draft.events.append(pending)
        elif detail and pending is not None:
            pending = _read_detail(detail.group(1), number, pending, draft)
        if len(draft.events) >= MAX_EVENTS:
            return


def _read_detail(text: str, number: int, event: EventDraft, draft: ReportDraft) -> EventDraft:
    """A time begins a further event of the same address; Subject and From belong to the event above them."""
    moment = read_time(text)
    if moment is not None:
        if event.occurred_at is not None:
            event = EventDraft(
                ip=event.ip,
                report_type=event.report_type,
                category=event.category,
                row=number,
                found_in={"ip": event.found_in["ip"]},
            )
            draft.events.append(event)
        event.occurred_at, event.earliest, event.latest, event.time_as_written = moment.at, moment.earliest, moment.latest, text
        event.found_in["occurred_at"] = f"letter line {number}"
        if moment.at is None:
            draft.warnings.append(f"letter line {number}: {text[:60]!r}: {moment.note}")
    else:
        label, _, value = text.partition(":")
        if value.strip():
            event.details[label.strip().lower()[:40]] = value.strip()[:300]
    return event


def _period(letter: str) -> tuple[datetime | None, datetime | None, str | None]:
    """The report's period, widened by the zones in which it may have been meant."""
    match = _PERIOD.search(letter)
    if not match:
        return None, None, None
    month, day, year, month2, day2, year2 = map(int, match.groups())
    try:
        start, end = datetime(year, month, day, tzinfo=UTC), datetime(year2, month2, day2, tzinfo=UTC)
    except ValueError:
        return None, None, match.group(0).partition(":")[2].strip()
    if not (1980 < start.year <= end.year < 2100) or end < start:
        return None, None, match.group(0).partition(":")[2].strip()
    return start - timedelta(hours=14), end + timedelta(hours=36) - timedelta(seconds=1), match.group(0).partition(":")[2].strip()


def _category(section: str) -> str:
    low = section.lower()
    return next((code for word, code in _KINDS if word in low), "other")
