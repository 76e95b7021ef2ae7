"""X-ARF 0.1 and 0.2 reports inside a mail: where they stand, and what their fields mean. Pure.

Sources: the X-ARF 0.1/0.2 schemas (abuse, fraud, info: mandatory Reported-From, Category, Report-Type, User-Agent, Report-ID,
Date, Source-Type, Source, Attachment, Schema-URL), and what senders really write. In an attack report ``Port`` is the port
that was attacked; where the source is a URL it is the port of the accused server.
"""

from dataclasses import dataclass

from tipstaff.intake.drafts import EventDraft
from tipstaff.intake.message import HEAD, Message, Part
from tipstaff.intake.reading.contradictions import named
from tipstaff.intake.reading.indicators import find_mailboxes, host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.marks import X_ARF
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.plain_yaml import Fields, read_mappings
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import of_x_arf

MAX_COUNT = 10_000_000
_NAMES = (
    "Reported-From",
    "Category",
    "Report-Type",
    "User-Agent",
    "Report-ID",
    "Date",
    "Source-Type",
    "Source",
    "Schema-URL",
    "Attachment",
    "Version",
    "Occurrences",
    "Service",
)
_HINT = pattern(r"(?mi)^[ \t]{0,4}(?:Reported-From|Report-ID|Report-Type|Source-Type|Schema-URL)[ \t]*:")
_QUOTED_HINT = pattern(r"(?mi)^>[> \t]{0,8}(?:Reported-From|Report-ID|Report-Type|Source-Type|Schema-URL)[ \t]*:")
_BEGIN = pattern(
    r"(?mi)^(?:---[ \t]*\n)?(?:Reported-From|Category|Report-Type|User-Agent|Report-ID|Date|Source-Type|Source|Attachment"
    r"|Version)[ \t]*:"
)
_USED = ("Source", "Source-Type", "Date", "Report-Type", "Reported-From", "Attachment", "Occurrences")
_ADDRESSES = ("Source-IP", "IP", "IP-Address", "Source-IP-Address", "Src-IP")
_STATE_SOURCE = frozenset(name.lower() for name in ("Source", *_ADDRESSES))
_SPACED_SCHEME = pattern(r"(?i)^([a-z]{3,6}):\s+//")
_IP_WITH_PORT = pattern(r"^(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):(\d{1,5})$")
_MASKED = pattern(r"^[0-9]{1,3}(?:\.[0-9xX*]{1,4}){1,5}$|^[0-9a-fA-F:xX*]+:[0-9a-fA-F:xX*]*$")
_WEB_GROUPS = {"phishing", "malware", "fraud", "copyright", "brand_infringement", "exposed_data", "remote_compromise"}
_PROTOCOLS = ("tcp", "udp", "icmp", "sctp", "gre")


@dataclass(slots=True)
class Found:
    """One X-ARF report and the part it stands in."""

    fields: Fields
    part: Part
    number: int  # of the report inside its part, from 1

    @property
    def inline(self) -> bool:
        """Whether the report is written into a letter, among other words."""
        return self.part.filename is None and not self.part.attachment and "\n\n" in self.part.text.strip()

    @property
    def where(self) -> str:
        more = f", report {self.number}" if self.number > 1 else ""
        return f"part {self.part.where}{' ' + self.part.filename if self.part.filename else ''}{more}"


def find_reports(message: Message) -> list[Found]:
    """Every X-ARF report in ``message``, told by its fields and not by names of parts; the same text is read once."""
    return message.once(_find_reports)


def _find_reports(message: Message) -> list[Found]:
    found: list[Found] = []
    if not message.may_say(*X_ARF):
        return found
    seen: set[tuple] = set()
    answers = bool(message.header("in-reply-to")) or message.header("subject")[:3].lower() == "re:"  # and quotes what it answers
    for part in message.parts:
        if (
            part.content_type in ("text/html", "message/rfc822")
            or (b"\0" in part.content[:4096] and "\0" in part.content[:4096].decode(_wide(part), "replace"))
            or (message.said is None and not any(word in part.head for word in ("report", "source-type", "schema-url")))
            or not _HINT.search((text := part.text if answers else _unquoted(part.text))[:HEAD])
        ):
            continue
        for number, fields in enumerate(_reports(text), 1):
            mark = tuple(fields.pairs)
            if mark not in seen:
                seen.add(mark)
                found.append(Found(fields, part, number))
    return found


def _unquoted(text: str) -> str:
    """The text without the marks of a quotation, where the fields of a report stand only behind such marks."""
    if "\n>" not in text[:HEAD] or _HINT.search(text[:HEAD]) or not _QUOTED_HINT.search(text[:HEAD]):
        return text
    return "\n".join(line.lstrip("> ") if line.startswith(">") else line for line in text.split("\n"))


def _wide(part: Part) -> str:
    """The charset whose letters have NUL bytes in them, where the part is written in it; else latin-1."""
    return (
        "utf-16"
        if (part.charset or "").lower().startswith("utf-16") or part.content[:2] in (b"\xff\xfe", b"\xfe\xff")
        else "latin-1"
    )


def mentions(message: Message, word: str) -> bool:
    """Whether any text part says ``word`` (lower case) near its beginning: cheap to ask before looking closer."""
    return message.may_say(word) and any(word in part.head for part in message.parts)


def _reports(text: str) -> list[Fields]:
    found = list(filter(is_report, read_mappings(text)))
    start = None if found else _BEGIN.search(text)  # the report is written into a letter
    return list(filter(is_report, read_mappings(text[start.start() :]))) if start and start.start() else found


def is_report(fields: Fields) -> bool:
    """Whether a mapping is an X-ARF report: a source or a type, and at least three of the standard's fields in all."""
    return (
        bool(fields.has("Source", "Report-Type"))
        and fields.has(*_NAMES) >= 3
        and bool(fields.get("Source") or fields.get("Report-ID"))
    )


def event_of(found: Found) -> EventDraft:
    """The event that one report states. Values that are not there stay None: nothing is taken from the letter or the headers."""
    fields = found.fields
    event = EventDraft(report_type=fields.get("Report-Type") or None)
    category, pair = of_x_arf(fields.get("Report-Type"), fields.get("Category"))
    if category is None:
        category, pair = of_x_arf(fields.get("Service"))
    event.category = category
    web = bool(pair and pair["type"] in _WEB_GROUPS)
    _read_source(found, event, web=web)
    _read_date(found, event)
    _read_ports(found, event, web=web)
    count = fields.get("Occurrences", "Count")
    if count.isdecimal() and len(count) < 9 and 0 < int(count) <= MAX_COUNT:
        event.count = int(count)
    protocol = fields.get("Protocol", "Source-Protocol", "Transport-Protocol").lower()
    event.protocol = protocol if protocol in _PROTOCOLS else None
    event.details = {key: value for key, value in fields.pairs if key not in _USED and value}
    event.identity = tuple(filter(None, (fields.get("Service"), event.url)))
    return event


def _read_source(found: Found, event: EventDraft, *, web: bool) -> None:
    place = f"{found.where}: Source"
    written = found.fields.get("Source")
    text = _SPACED_SCHEME.sub(r"\1://", written)
    pair = _IP_WITH_PORT.match(text)
    if ip := normal_ip(pair.group(1) if pair else text):
        event.ip, event.found_in["ip"] = ip, place
        if pair and 0 < int(pair.group(2)) < 65536:
            event.port, event.found_in["port"] = int(pair.group(2)), place
    elif url := normal_url(text):
        _read_url(event, url, place)
    elif mailboxes := find_mailboxes(text):
        event.mailbox, event.found_in["mailbox"] = mailboxes[0].value, place
        event.domain = normal_domain(mailboxes[0].value.rpartition("@")[2])
    elif not _MASKED.match(text) and (domain := normal_domain(text)):
        event.domain, event.found_in["domain"] = domain, place
    for name in _ADDRESSES:
        if event.ip is None and (ip := normal_ip(found.fields.get(name))):
            event.ip, event.found_in["ip"] = ip, f"{found.where}: {name}"
    for name in (
        "Download-Link",
        "Source-URL",
        "Source-URI",
        "Phishing-URL",
        *(("URI", "URL") if web else ()),
    ):  # else the victim's
        if event.url is None and (url := normal_url(_SPACED_SCHEME.sub(r"\1://", found.fields.get(name)))):
            _read_url(event, url, f"{found.where}: {name}")
    stated = normal_domain(found.fields.get("Domain", "Source-Domain"))
    if stated:
        event.domain, event.found_in["domain"] = stated, f"{found.where}: Domain"


def named_in(found: Found) -> dict[str, str]:
    """Every address that a field states as the source, also where a field stands twice."""
    asked = _STATE_SOURCE - {"ip", "ip-address"} if found.inline else _STATE_SOURCE  # prose around it says "IP" of anybody
    pairs = [(name, _IP_WITH_PORT.sub(r"\1", value)) for name, value in found.fields.pairs if name.lower() in asked]
    return named((f"{found.where}: {name}", value) for name, value in pairs)


def _read_url(event: EventDraft, url: str, place: str) -> None:
    event.url, event.found_in["url"] = url, place
    host = host_of(url) or ""
    if ip := normal_ip(host):
        if event.ip is None:
            event.ip, event.found_in["ip"] = ip, place
    elif event.domain is None and (domain := normal_domain(host)):
        event.domain, event.found_in["domain"] = domain, place


def _read_date(found: Found, event: EventDraft) -> None:
    # In a letter with a summary, Date is when the letter was made; a report of its own has the incident's time there.
    first = ("Last-Seen",) if found.inline else ()
    for name in (*first, "Date", "Source-Date", "Incident-Date", "First-Seen", "Timestamp"):
        written = found.fields.get(name)
        moment = read_time(written) if written else None
        if moment is None:
            continue
        event.occurred_at, event.time_as_written = moment.at, written
        event.earliest, event.latest = moment.earliest, moment.latest
        event.found_in["occurred_at"] = f"{found.where}: {name}"
        return
    event.time_as_written = found.fields.get("Date") or None


def _read_ports(found: Found, event: EventDraft, *, web: bool) -> None:
    names = ["Source-Port", "Src-Port", "SourcePort"]
    if web or event.url:
        names += ["Download-Port", "Port"]
    for name in names:
        text = found.fields.get(name)
        if event.port is None and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536:
            event.port, event.found_in["port"] = int(text), f"{found.where}: {name}"


def doubts_of(found: Found, event: EventDraft) -> tuple[list[str], list[str]]:
    """Warnings, and reasons for a person, about one event: an impossible source, a missing source, an unreadable time."""
    warnings, needs = [], []
    source = found.fields.get("Source")
    if not (event.ip or event.url or event.domain or event.mailbox):
        needs.append(f"{found.where}: Source {source[:60]!r} names no address" if source else f"{found.where}: Source is missing")
    elif event.ip is None and _MASKED.match(source):
        needs.append(f"{found.where}: Source {source[:60]!r} is not one address")
    written = found.fields.get("Date")
    if event.occurred_at is None and not written:
        warnings.append(f"{found.where}: no Date")
    elif event.occurred_at is None:
        moment = read_time(written)
        warnings.append(f"{found.where}: Date {written[:60]!r}: {moment.note if moment else 'cannot be read as a time'}")
    return warnings, needs
