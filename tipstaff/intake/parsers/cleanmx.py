"""clean-mx: a table of offending URLs in the letter (``|date |id |virusname |ip |domain |Url|``), any number of rows.

Source: captured mails. Columns are found by the names in the table's head. The row's date is when the content was found; the
letter's ``status: As of`` is the time of the mail. Mails of clean-mx that carry an X-ARF part instead are read as X-ARF.
"""

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError

name = "cleanmx"
experimental = False

MAX_ROWS = 10_000
_SUBJECT = pattern(r"(?i)\[(clean-mx-([a-z_]+)-(\d{3,20}))\]")
_KINDS = {
    "viruses": "malware",
    "virus": "malware",
    "phishing": "phishing",
    "portals": "compromised",
    "spamvertized": "spam_support",
    "spamvertised": "spam_support",
}
_NAMED = (
    ("phish", "phishing"),
    ("spamvert", "spam_support"),
    ("defaced", "compromised"),
    ("rfi", "compromised"),
    ("hack", "compromised"),
)


def claims(message: Message) -> Confidence:
    if not _SUBJECT.search(message.header("Subject")[:500]) and "clean-mx" not in message.letter[:200_000].lower():
        return Confidence.NONE
    return Confidence.CERTAIN if any(True for _ in _rows(message.letter)) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft; an event for each row of the table."""
    subject = message.header("Subject")
    ticket = _SUBJECT.search(subject[:500])
    sender = mailbox(message.header("From"))
    category = _KINDS.get(ticket.group(2).lower(), "malware") if ticket else "malware"
    draft = ReportDraft(
        format="cleanmx",
        reporter=Reporter(sender[0], (sender[1] or "").lower() or None, "clean-mx"),
        category=category,
        category_from="structure",
        report_type=ticket.group(2).lower() if ticket else None,
        external_id=ticket.group(1) if ticket else None,
        xarf=xarf_of(category),
        subject=subject or None,
    )
    for number, row in _rows(message.letter):
        draft.events.append(_event(number, row, category, draft))
        if len(draft.events) >= MAX_ROWS:
            draft.warnings.append(f"more than {MAX_ROWS} rows; the rest was left out")
            break
    if not draft.events:
        raise ParseError("letter", "no row of the table can be read", "read it by hand")
    return [draft]


def _rows(letter: str):
    """Line number and the row as {column in lower case: text}, for each row under a head that names ip and url or domain."""
    columns: list[str] = []
    for number, line in enumerate(letter[:1_000_000].split("\n"), 1):
        if not line.startswith("|") or line.count("|") < 3:
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        low = [cell.lower() for cell in cells]
        if "ip" in low and ("url" in low or "domain" in low):
            columns = low
        elif columns and len(cells) >= len(columns):
            if len(cells) > len(columns):  # a bar inside the URL, which stands last
                cells[len(columns) - 1 :] = ["|".join(cells[len(columns) - 1 :])]
            twice = {name for name in columns if len({cell for one, cell in zip(columns, cells, strict=True) if one == name}) > 1}
            yield number, {name: cell for name, cell in zip(columns, cells, strict=True) if name not in twice}


def _event(number: int, row: dict[str, str], category: str, draft: ReportDraft) -> EventDraft:
    place = f"letter line {number}"
    url = normal_url(row.get("url"))
    event = EventDraft(ip=normal_ip(row.get("ip")), url=url, domain=normal_domain(row.get("domain")), row=number)
    event.domain = event.domain or (normal_domain(host_of(url)) if url else None)
    moment = read_time(row.get("date") or row.get("first seen"))
    if moment:
        event.occurred_at, event.earliest, event.latest, event.time_as_written = (
            moment.at,
            moment.earliest,
            moment.latest,
            moment.as_written,
        )
        event.found_in["occurred_at"] = f"{place}: date"
    for key, value in (("ip", event.ip), ("url", url), ("domain", event.domain)):
        if value:
            event.found_in[key] = f"{place}: {key}"
    malware = row.get("virusname", "")
    own = next((code for word, code in _NAMED if word in malware.lower()), category)
    event.category = own if own != category else None
    event.identity = tuple(filter(None, (url, malware)))
    event.details = {key: value for key, value in row.items() if key not in ("ip", "url", "domain", "date") and value}
    if event.ip is None:
        draft.warnings.append(f"{place}: {row.get('ip', '')[:60]!r} is no address")
    if moment is None or moment.at is None:
        draft.warnings.append(f"{place}: {row.get('date', '')[:60]!r} is no exact time")
    return event
