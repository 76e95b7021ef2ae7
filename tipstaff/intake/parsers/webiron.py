"""WebIron abuse reports: X-ARF parts (base64 attachments with Python tags in their YAML), or labelled lines in the letter.

Source: captured mails of both kinds. ``Port``, ``Targeted URL`` and ``Targeted Range`` are the attacked side's. Each ``Issue``
under an ``Offending IP`` is one event; the HTML part repeats the letter and is not read again.
"""

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.intake.reading.labels import Label, read_labels, squeezed
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.reading.x_arf_drafts import drafts_of
from tipstaff.intake.reading.x_arf_fields import Found, find_reports, mentions
from tipstaff.kernel.errors import ParseError
from tipstaff.kernel.text import port_of

name = "webiron"
experimental = False

MAX_LETTER = 100_000
MAX_EVENTS = 5_000
_SOURCES = ("offendingip", "offendingsourceip")
_KEPT = {
    "issue": "issue",
    "blocktype": "block_type",
    "service": "service",
    "botfingerprint": "bot_fingerprint",
    "useragent": "user_agent",
    "targetedrange": "victim_range",
    "targetedurl": "victim_url",
    "port": "victim_port",
    "reportid": "report_id",
}
_LOGIN = pattern(r"(?i)wp-login|/login|xmlrpc|administrator|brute")
_ABOUT_A_BOTNET = pattern(r"(?i)\bbot\s?net|botware")


def claims(message: Message) -> Confidence:
    return Confidence.CERTAIN if _reports(message) or _is_letter(message) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft: an event for each X-ARF part, else one for each issue of the letter."""
    reports = _reports(message)
    sender = mailbox(message.header("From"))
    if reports:
        draft = drafts_of(reports, message, "webiron")[0]
        if draft.category is None:
            draft.category, draft.category_from = "intrusion", "structure"
    else:
        draft = _from_letter(message)
    draft.reporter = Reporter(sender[0], draft.reporter.email or (sender[1] or "").lower() or None, "WebIron")
    return [draft]


def _reports(message: Message) -> list[Found]:
    if not mentions(message, "webiron"):
        return []
    return [
        found
        for found in find_reports(message)
        if found.fields.get("Reported-From").strip("<> ").lower().endswith("webiron.com")
        or "webiron" in found.fields.get("User-Agent").lower()
    ]


def _is_letter(message: Message) -> bool:
    letter = message.letter[:MAX_LETTER]
    return "webiron" in letter.lower() and any(squeezed(label.name) in _SOURCES for label in read_labels(letter))


def _from_letter(message: Message) -> ReportDraft:
    events = _events(read_labels(message.letter[:MAX_LETTER]))
    if not events:
        raise ParseError("letter", "no offending address with an issue can be found", "read it by hand")
    draft = ReportDraft(
        format="webiron", events=events[:MAX_EVENTS], subject=message.header("Subject") or None, report_type="web-attack"
    )
    draft.category, draft.category_from, draft.xarf = (
        "intrusion",
        "structure",
        {"category": "connection", "type": "vulnerability_scan"},
    )
    if all(_LOGIN.search(str(event.details.get("victim_url", ""))) for event in events):
        draft.xarf = {"category": "connection", "type": "login_attack"}
    elif all(_ABOUT_A_BOTNET.search(str(event.details.get("issue", ""))) for event in events):
        draft.xarf = {"category": "connection", "type": "scraping"}
        draft.category = "scraping"
    if len(message.letter) > MAX_LETTER:
        draft.warnings.append(f"the letter is longer than {MAX_LETTER} characters; the rest was left out")
    draft.external_id = next((str(event.details["report_id"]) for event in events if "report_id" in event.details), None)
    draft.warnings += ["an issue has no readable time"] if any(event.occurred_at is None for event in events) else []
    draft.needs += ["an offending address cannot be read"] if any(event.ip is None for event in events) else []
    return draft


def _events(labels: list[Label]) -> list[EventDraft]:
    events: list[EventDraft] = []
    source: Label | None = None
    current: EventDraft | None = None
    for label in labels:
        key = squeezed(label.name)
        if key in _SOURCES:
            source, current = label, None
        elif source is None:
            continue
        elif current is None or (key == "issue" and "issue" in current.details) or (key == "time" and current.time_as_written):
            current = _started(source)
            events.append(current)
        if current is not None and key not in _SOURCES:
            _read_label(current, key, label)
    return [event for event in events if event.details or event.time_as_written]


def _started(source: Label) -> EventDraft:
    stated = {ip for word in source.value.replace(",", " ").split()[:20] if (ip := normal_ip(word))}
    event = EventDraft(ip=stated.pop() if len(stated) == 1 else None)
    if event.ip:
        event.found_in["ip"] = f"letter line {source.line}: {source.name}"
    return event


def _read_label(event: EventDraft, key: str, label: Label) -> None:
    if key == "time" and (moment := read_time(label.value)):
        event.occurred_at, event.earliest, event.latest = moment.at, moment.earliest, moment.latest
        event.time_as_written, event.found_in["occurred_at"] = label.value, f"letter line {label.line}: {label.name}"
    elif key in ("sourceport", "offendingport") and (port := port_of(label.value)):
        event.port, event.found_in["port"] = port, f"letter line {label.line}: {label.name}"
    elif key in _KEPT and label.value:
        event.details[_KEPT[key]] = label.value
        if key == "targetedurl":
            event.identity = (label.value,)
