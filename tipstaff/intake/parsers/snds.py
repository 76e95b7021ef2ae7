"""Microsoft SNDS (Smart Network Data Services): the activity table and the list of blocked addresses, as CSV without a heading.

Columns as its FAQ lists them. Rows without a fault of ours (green, no trap hits, not blocked) make no event.
Its times name no zone, so they bound the event unless the operator has set one for this source.
"""

import csv

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading.indicators import normal_domain, normal_ip
from tipstaff.intake.reading.times import Moment, read_time
from tipstaff.kernel.errors import ParseError

name = "snds"
experimental = False

MAX_ROWS = 200_000
_RESULTS = {"GREEN", "YELLOW", "RED"}
_HEADINGS = ("ip address", "ipaddress", "ip")


def claims(message: Message) -> Confidence:
    """A part whose first rows have SNDS's columns: an address and a traffic light, or a range and Yes or No."""
    part = _part(message)
    return Confidence.CERTAIN if part is not None else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    part = _part(message)
    if part is None:
        raise ParseError("file", "no SNDS table in it")
    draft = ReportDraft(
        format="snds", category="spam", category_from="structure", reporter=Reporter(organisation="Microsoft SNDS"), feed="snds"
    )
    draft.xarf = {"category": "messaging", "type": "spam"}
    draft.report_type = "activity" if _is_activity(_rows(part, 5)) else "blocked"
    if draft.report_type == "blocked":
        draft.category, draft.xarf = "blocklisted", {"category": "reputation", "type": "blocklist"}
    for number, row in enumerate(_rows(part, MAX_ROWS), 1):
        event = (
            _activity(row, number, message.hints.zone, part)
            if draft.report_type == "activity"
            else _blocked(row, number, part, draft)
        )
        if event is not None:
            draft.events.append(event)
    if not draft.events:
        draft.needs.append("the table names no address with a fault")
    return [draft]


def _part(message: Message) -> Part | None:
    for part in message.parts:
        if part.content_type in ("text/csv", "text/plain", "application/octet-stream", "application/vnd.ms-excel") and _fits(part):
            return part
    return None


def _fits(part: Part) -> bool:
    if part.content.count(b",", 0, 2_000) < 3:
        return False
    rows = _rows(part, 5)
    return bool(rows) and (_is_activity(rows) or all(_is_blocked(row) for row in rows))


def _rows(part: Part, limit: int) -> list[list[str]]:
    text = part.text if limit > 10 else part.text[:8_000]
    rows = []
    try:
        for row in csv.reader(text.split("\n")):
            if row and any(row) and row[0].strip().lower() not in _HEADINGS and row[0].strip().lower() != "first ip":
                rows.append([cell.strip() for cell in row])
            if len(rows) >= limit:
                break
    except csv.Error as error:
        if limit > 10:
            raise ParseError(f"part {part.where}", f"the CSV is broken after row {len(rows)} ({error})") from error
    return rows


def _is_activity(rows: list[list[str]]) -> bool:
    return all(len(row) >= 11 and normal_ip(row[0]) and row[6].upper() in _RESULTS for row in rows)


def _is_blocked(row: list[str]) -> bool:
    return (
        3 <= len(row) <= 6 and normal_ip(row[0]) is not None and normal_ip(row[1]) is not None and row[2].lower() in ("yes", "no")
    )


def _activity(row: list[str], number: int, zone: str | None, part: Part) -> EventDraft | None:
    ip = normal_ip(row[0]) if len(row) >= 11 else None
    traps = int(row[10]) if len(row) >= 11 and row[10].isdecimal() else 0
    if ip is None or (row[6].upper() == "GREEN" and not traps):
        return None
    event = EventDraft(ip=ip, count=1, row=number, protocol="tcp", found_in={"ip": f"part {part.where}, row {number}, column 1"})
    event.details = {
        "filter_result": row[6],
        "complaint_rate": row[7],
        "trap_hits": traps,
        "recipients": row[5],
        "commands": row[4],
    }
    if len(row) > 11:
        event.details["sample_helo"] = row[11][:200]
        event.domain = normal_domain(row[11])
    _bound(event, read_time(row[1], zone=zone), read_time(row[2], zone=zone), f"{row[1]} - {row[2]}")
    event.identity = (row[1], row[2])
    return event


def _bound(event: EventDraft, start: Moment | None, end: Moment | None, written: str) -> None:
    """A period is no moment: the event happened somewhere within it."""
    if start is None or end is None:
        return
    event.time_as_written = written
    event.earliest, event.latest = start.earliest, end.latest


def _blocked(row: list[str], number: int, part: Part, draft: ReportDraft) -> EventDraft | None:
    if not _is_blocked(row) or row[2].lower() != "yes":
        return None
    first, last = normal_ip(row[0]), normal_ip(row[1])
    if first != last:
        draft.warnings.append(f"row {number}: the range {first} to {last} is blocked; a range accuses no single address")
        return None
    return EventDraft(
        ip=first,
        row=number,
        found_in={"ip": f"part {part.where}, row {number}, column 1"},
        details={"reason": row[3][:500] if len(row) > 3 else ""},
        identity=("blocked",),
    )
