"""Google Safe Browsing alerts for network administrators: XML in the text of a mail, one ``url_info`` for each URL.

Source: captured mails; ``notification_message@date`` is only a day, so no time is known, and the mail does not explain the list
types.
A row without ``ip`` accuses the address that is the host of its URL; an IPv6 host without brackets is read where its last group
must be a port (nine groups), with a warning.
"""

from datetime import timedelta
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.times import Moment, read_time
from tipstaff.kernel.errors import ParseError
from tipstaff.kernel.text import port_of

name = "google_safe_browsing"
experimental = False

MAX_XML = 4_000_000
MAX_ROWS = 50_000
_BEGIN, _END = "<notification_message", "</notification_message>"


def claims(message: Message) -> Confidence:
    return Confidence.CERTAIN if any(True for _ in _xml(message)) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft for each notification in the mail; an event for each URL, without a time."""
    drafts = []
    for place, text in _xml(message):
        try:
            root = fromstring(text, forbid_dtd=True)
        except (XmlError, DefusedXmlException, ValueError) as error:
            raise ParseError(
                place, f"the XML cannot be read: {str(error)[:120] or type(error).__name__}", "read it by hand"
            ) from None
        drafts.append(_draft(root, message, place))
    if not drafts:
        raise ParseError("letter", "no notification_message can be found", "read it by hand")
    return drafts


def _xml(message: Message):
    for part in message.parts:
        text = part.text[:MAX_XML]
        start = text.find(_BEGIN)
        end = text.find(_END, start)
        if start >= 0 and end >= 0 and "url_info" in text[start:end]:
            yield f"part {part.where}", text[start : end + len(_END)]


def _draft(root: Element, message: Message, place: str) -> ReportDraft:
    sender = mailbox(message.header("From"))
    asn, day = root.get("asn", ""), root.get("date", "")
    moment = read_time(day)
    draft = ReportDraft(
        format="google-safebrowsing",
        reporter=Reporter(sender[0], (sender[1] or "").lower() or None, "Google Safe Browsing"),
        category="malware",
        category_from="structure",
        report_type="unsafe-url",
        xarf={"category": "content", "type": "malware"},
        subject=message.header("Subject") or None,
    )
    for listing in root.iter("list"):
        for row in listing.iter("url_info"):
            if len(draft.events) >= MAX_ROWS:
                draft.warnings.append(f"more than {MAX_ROWS} rows; the rest was left out")
                return draft
            number = len(draft.events) + 1
            draft.events.append(_event(row, listing.get("type", ""), asn, _Day(day, moment), f"{place}: url_info {number}", draft))
    if draft.events:
        draft.warnings.insert(0, "the report gives a day, not a time; whether a URL spreads malware or deceives is not said")
    return draft


class _Day:
    """The notification's day: as written, and its bounds."""

    def __init__(self, written: str, moment: Moment | None) -> None:
        self.written = written or None
        self.earliest = moment.earliest if moment else None
        self.latest = moment.latest if moment else None
        if moment and moment.at and self.earliest is None:
            self.earliest, self.latest = moment.at - timedelta(hours=14), moment.at + timedelta(hours=12)


def _event(row: Element, kind: str, asn: str, day: _Day, place: str, draft: ReportDraft) -> EventDraft:
    written = (row.get("url") or "").strip()
    stated = row.get("ip")
    event = EventDraft(
        ip=normal_ip(stated),
        url=None if _is_bare_ipv6(written) else normal_url(written),
        time_as_written=day.written,
        earliest=day.earliest,
        latest=day.latest,
    )
    event.found_in = {"occurred_at": f"{place.rpartition(':')[0]}: date"}
    host = host_of(event.url) if event.url else None
    if event.url is None:
        _read_bare_ipv6(event, written, place, draft)
    elif normal_ip(host):
        event.ip = event.ip or normal_ip(host)
        event.port = _port(event.url)
    else:
        event.domain, event.found_in["domain"] = normal_domain(host), f"{place}: url"
    if event.url:
        event.found_in["url"] = f"{place}: url"
    if event.ip:
        event.found_in["ip"] = f"{place}: {'ip' if normal_ip(stated) else 'url'}"
    if event.port:
        event.found_in["port"] = f"{place}: url"
    event.identity = (event.url or written,)
    event.details |= {"list_type": kind, "asn": asn, **({} if event.url else {"url_as_written": written[:2048]})}
    return event


def _is_bare_ipv6(written: str) -> bool:
    authority = written.partition("://")[2].partition("/")[0]
    return authority.count(":") > 1 and "[" not in authority and "@" not in authority


def _read_bare_ipv6(event: EventDraft, written: str, place: str, draft: ReportDraft) -> None:
    """``http://a:b:c:d:e:f:g:h:port/…``: nine groups can only be an address and a port; fewer stay unread."""
    scheme, _, rest = written.partition("://")
    authority, slash, path = rest.partition("/")
    groups = authority.split(":")
    ip = normal_ip(":".join(groups[:8])) if len(groups) == 9 and "" not in groups and groups[8].isdecimal() else None
    if ip and port_of(groups[8]):
        event.ip = event.ip or ip
        event.port = port_of(groups[8])
        event.details["url_read_as"] = normal_url(f"{scheme}://[{ip}]:{groups[8]}{slash}{path}")  # what was written is no URL
        draft.warnings.append(f"{place}: the URL's IPv6 host has no brackets; its ninth group was read as the port")
    else:
        draft.warnings.append(f"{place}: {written[:80]!r} is no URL")


def _port(url: str) -> int | None:
    authority = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    port = authority.rpartition(":")[2] if not authority.endswith("]") and ":" in authority else ""
    return port_of(port)
