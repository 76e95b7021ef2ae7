"""cyscon C-SIRT: a YAML attachment of its own shape (uri, ip, first_seen, signature …), and the same facts as lines in the letter.

Source: captured mails. The time of the act is when the content was last seen; a time without a zone stays a span. Links to the
sender's own pages (``feedback_url``, the FAQ) are not accused.
"""

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.contradictions import named
from tipstaff.intake.reading.indicators import host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.labels import read_labels, squeezed, value_of
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.plain_yaml import Fields, read_mappings
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError

name = "cyscon"
experimental = False

_FIELDS = (
    "uri",
    "asn",
    "country",
    "domain",
    "ip",
    "file_sha256",
    "file_md5",
    "first_seen",
    "last_seen",
    "last_scan",
    "signature",
    "feedback_url",
)
_TICKET = pattern(r"\[(CSIRT#\d{6,24})\]")
_BLOCK = pattern(r"(?s)#\s*begin logs\s*\n(.+?)#\s*end logs")
_KINDS = (
    ("PHISH", "phishing"),
    ("SPAM", "spam"),
    ("BOT", "compromised"),
    ("C2", "c2"),
    ("DEFAC", "compromised"),
    ("FRAUD", "fraud_site"),
)


def claims(message: Message) -> Confidence:
    if _reports(message):
        return Confidence.CERTAIN
    return (
        Confidence.CERTAIN
        if _TICKET.search(message.header("Subject")) and _BLOCK.search(message.letter[:100_000])
        else Confidence.NONE
    )


def parse(message: Message) -> list[ReportDraft]:
    """One draft; an event for each YAML report, or the block between ``begin logs`` and ``end logs`` where no YAML can be read."""
    events = [_event(fields, place) for fields, place in _reports(message)] or _from_letter(message)
    if not events:
        raise ParseError("letter", "neither the YAML attachment nor the log block can be read", "read it by hand")
    sender = mailbox(message.header("From"))
    ticket = _TICKET.search(message.header("Subject")) or _TICKET.search(message.letter[:100_000])
    category = _category(events[0].report_type)
    draft = ReportDraft(
        format="cyscon",
        reporter=Reporter(sender[0], (sender[1] or "").lower() or None, "cyscon"),
        category=category,
        category_from="structure",
        report_type=events[0].report_type,
        external_id=ticket.group(1) if ticket else None,
        xarf=xarf_of(category),
        subject=message.header("Subject") or None,
        events=events,
    )
    for event in events:
        event.category = None if _category(event.report_type) == category else _category(event.report_type)
        if event.occurred_at is None:
            draft.warnings.append(
                "the report's time cannot be read"
                if event.time_as_written is None
                else f"{event.time_as_written!r} is no exact time"
            )
        if not (event.ip or event.url or event.domain):
            draft.needs.append("a report names neither address nor URL")
    return [draft]


def _reports(message: Message) -> list[tuple[Fields, str]]:
    found = []
    for part in message.parts:
        if part.content_type == "text/html" or ("last_s" not in part.text[:65_536] and "first_seen" not in part.text[:65_536]):
            continue
        for fields in read_mappings(part.text):
            if (
                fields.has(*_FIELDS) >= 4
                and fields.has("uri", "ip")
                and fields.has("signature", "first_seen", "last_seen")
                and not fields.has("Report-Type")
            ):
                found.append((fields, f"part {part.where}{' ' + part.filename if part.filename else ''}"))
    return found


def _event(fields: Fields, place: str) -> EventDraft:
    event = _facts(fields.get("ip"), fields.get("uri", "url"), fields.get("domain"), place)
    event.report_type = fields.get("signature") or None
    seen, first = fields.get("last_seen", "last_scan"), fields.get("first_seen")
    name_of = "last_seen" if fields.get("last_seen") else "last_scan" if seen else "first_seen"
    _read_seen(event, seen or first, f"{place}: {name_of}")
    start = read_time(first) if first else None
    if start and start.at and event.occurred_at and start.at < event.occurred_at:
        event.earliest = start.at
    event.details = {key: value for key, value in fields.pairs if key.lower() not in ("ip", "uri", "domain") and value}
    return event


def _facts(ip: str, url: str, domain: str, place: str) -> EventDraft:
    event = EventDraft(ip=normal_ip(ip), url=normal_url(url), domain=normal_domain(domain))
    if event.url and event.domain is None:
        event.domain = normal_domain(host_of(event.url))
    if event.url and event.ip is None:
        event.ip = normal_ip(host_of(event.url))
    event.identity = (event.url,) if event.url else ()
    event.found_in = {key: place for key, value in (("ip", event.ip), ("url", event.url), ("domain", event.domain)) if value}
    return event


def _read_seen(event: EventDraft, written: str, place: str) -> None:
    moment = read_time(written) if written else None
    if moment:
        event.occurred_at, event.earliest, event.latest = moment.at, moment.earliest, moment.latest
        event.time_as_written, event.found_in["occurred_at"] = written, place


def _from_letter(message: Message) -> list[EventDraft]:
    events = []
    for match in _BLOCK.finditer(message.letter[:200_000]):
        labels = read_labels(match.group(1))
        event = _facts(value_of(labels, "IP", "IP address"), value_of(labels, "URL", "URI"), value_of(labels, "Domain"), "letter")
        rivals = named((f"letter: {label.name}", label.value) for label in labels if squeezed(label.name) in ("ip", "ipaddress"))
        if len(rivals) > 1:  # which of them is meant, a person says
            event.ip = None
            event.details["sources"] = list(rivals)
        event.report_type = value_of(labels, "Result", "Signature") or None
        _read_seen(event, value_of(labels, "Tested on", "Last seen", "First seen"), "letter")
        events.append(event)
    return events


def _category(signature: str | None) -> str:
    low = (signature or "").upper()
    return next((code for word, code in _KINDS if word in low), "malware")
