"""IODEF incident documents (RFC 5070, RFC 7970): in a mail, beside a letter, or alone, whoever sends them.

Accused are the systems of category ``source``, and of version 2's ``watchlist-source`` and ``infrastructure``; targets, sensors and
hops in between are not. The act's time is the event's own StartTime, else its DetectTime, else its EndTime; ReportTime is none.
DTDs and entities are refused. Sources: both RFCs, and a captured mail of an exchange that fills empty fields.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading.indicators import find_mailboxes, host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import Moment, read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError
from tipstaff.kernel.text import port_of

name = "iodef"
experimental = False

MAX_XML = 2_000_000
MAX_DEPTH = 50
MAX_INCIDENTS = 1_000
MAX_EVENTS = 10_000  # and so many EventData elements
_ROOT = "iodef-document"
_ACCUSED = frozenset(("source", "watchlist-source", "infrastructure"))
_ADDRESSES = frozenset(("ipv4-addr", "ipv6-addr"))
_TIMES = ("StartTime", "DetectTime", "EndTime")
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "58": "icmpv6", "132": "sctp"}
#: What the references, the description and the impact say, first that fits.
_KINDS = (
    (("phish",), "phishing"), (("command and control", "c&c", "c2-server", "botnet controller"), "c2"),
    (("malware url", "malware distribution"), "malware"), (("spam",), "spam"),
    (("ddos", "denial of service", "dos attack", "dos-attack"), "ddos_origin"),
    (("brute", "login", "honeypot", "sql injection"), "intrusion"),
    (("botnet", "bot ", "infect", "sinkhole", "drone"), "compromised"),
    (("portscan", "port scan", "scanning", "recon"), "scan"),
    (("open ", "accessible", "vulnerab", "resolver", "amplif", "misconfiguration", "exposed"), "vulnerable"),
)  # fmt: skip
#: By its capitals: "dos" is Portuguese for "of the".
_DOS = pattern(r"\bDoS\b")


class _Stated(NamedTuple):
    """A time that ``owner`` states in its element ``tag``."""

    moment: Moment
    written: str
    owner: str
    tag: str


def claims(message: Message) -> Confidence:
    return Confidence.CERTAIN if any(_is_document(part) for part in message.parts) else Confidence.NONE


def _is_document(part: Part) -> bool:
    return part.content_type != "text/html" and _ROOT in part.head and part.text.lstrip("\ufeff \t\r\n").startswith("<")


def parse(message: Message) -> list[ReportDraft]:
    """One draft for each Incident; unreadable XML: ParseError."""
    drafts: list[ReportDraft] = []
    for part in filter(_is_document, message.parts):
        text = part.text.lstrip("\ufeff \t\r\n")
        try:
            root = fromstring(_undeclared(text[:MAX_XML]), forbid_dtd=True)
        except (XmlError, DefusedXmlException, ValueError, RecursionError) as error:
            why = str(error)[:120] or type(error).__name__
            raise ParseError(f"part {part.where}", f"the IODEF document cannot be read: {why}", "read it by hand") from error
        if _is_too_deep(root):
            raise ParseError(f"part {part.where}", f"the IODEF document nests deeper than {MAX_DEPTH} levels", "read it by hand")
        incidents = _all(root, "Incident")
        drafts += [_draft(incident, part, message) for incident in islice(incidents, MAX_INCIDENTS)]
        if next(incidents, None) is not None:
            drafts[-1].warnings.append(f"more than {MAX_INCIDENTS} incidents; the rest was left out")
    if not drafts:
        raise ParseError(
            message.where or "message", "the IODEF document holds no Incident", "ask the sender for the whole document"
        )
    return drafts


def _undeclared(text: str) -> str:
    """The document without its declaration: its encoding is of the bytes, which are decoded by now."""
    return text.partition("?>")[2] if text.startswith("<?xml") else text


def _draft(incident: Element, part: Part, message: Message) -> ReportDraft:
    sent = read_time(_text(incident, "ReportTime") or _text(incident, "GenerationTime"))
    draft = ReportDraft(
        format=name,
        reporter=_creator(incident),
        external_id=_text(incident, "IncidentID") or None,
        report_type=_text(incident, "ReferenceName") or None,
        subject=message.header("Subject") or None,
        description=(_text(incident, "Description") or message.letter[:10_000].strip())[:2_000] or None,
        reported_at=sent.at if sent else None,
    )
    draft.category = _category(incident)
    draft.category_from = "structure" if draft.category else None
    draft.xarf = xarf_of(draft.category)
    _read_systems(incident, f"part {part.where}", draft)
    if not draft.events:
        draft.needs.append("no system in it is named as the source")
        draft.disposition = Disposition.NEEDS_A_PERSON
    return draft


def _read_systems(incident: Element, place: str, draft: ReportDraft) -> None:
    """Add the events of every accused System to ``draft``, each with the time of the nearest EventData around it."""
    common = _stated(incident, "Incident")
    times: dict[Element, _Stated | None] = {}
    for system, owner in _systems(incident, draft):
        if not _is_accused(system):
            continue
        if owner not in times:
            times[owner] = time = _stated(owner, "EventData") or common
            if time and time.moment.at is None:
                draft.warnings.append(f"{place}: {time.tag} {time.written[:60]!r} does not fix a moment")
        draft.events += _events(system, times[owner], place, draft)
        if len(draft.events) > MAX_EVENTS:
            del draft.events[MAX_EVENTS:]
            draft.warnings.append(f"more than {MAX_EVENTS} events; the rest was left out")
            return


def _systems(incident: Element, draft: ReportDraft) -> Iterator[tuple[Element, Element]]:
    """Each System within an EventData with the nearest one around it, in the document's order; one walk over ``incident``."""
    seen = 0
    waiting: list[tuple[Element, Element | None]] = [(incident, None)]
    while waiting:
        element, owner = waiting.pop()
        tag = _tag(element)
        if tag == "EventData":
            owner, seen = element, seen + 1
            if seen > MAX_EVENTS:
                draft.warnings.append(f"more than {MAX_EVENTS} EventData elements; the rest was left out")
                return
        elif tag == "System" and owner is not None:
            yield element, owner
        waiting += [(child, owner) for child in reversed(element)]


def _is_accused(system: Element) -> bool:
    return (system.get("category") or "").strip().lower() in _ACCUSED and (system.get("spoofed") or "").strip().lower() != "yes"


def _events(system: Element, time: _Stated | None, place: str, draft: ReportDraft) -> list[EventDraft]:
    """An event for each address of an accused system; for its URL or name, where it has no address."""
    service = next(_all(system, "Service"), None)
    base = EventDraft(port=_port(service), protocol=_protocol(service))
    if time:
        base.occurred_at, base.time_as_written = time.moment.at, time.written
        base.found_in["occurred_at"] = f"{place}: {time.owner}/{time.tag}"
        if time.moment.at is None:
            base.earliest, base.latest = time.moment.earliest, time.moment.latest
    ips = []
    for address in _all(system, "Address"):
        kind, written = (address.get("category") or "ipv4-addr").strip().lower(), "".join(address.itertext()).strip()
        if kind in _ADDRESSES and written:
            if ip := normal_ip(written):
                ips.append(ip)
            else:
                draft.needs.append(f"{place}: {written[:60]!r} is no address")
        elif (address.get("ext-category") or "").strip().lower() == "url" and "://" in written:
            base.url = normal_url(written)
    base.url = base.url or next((url for one in _all(system, "URL") if (url := normal_url("".join(one.itertext()).strip()))), None)
    base.domain = normal_domain(host_of(base.url) or "") if base.url else None
    base.identity = (base.url,) if base.url else ()
    if not ips and not base.url:
        return []
    found = []
    for ip in dict.fromkeys(ips) or [None]:
        event = EventDraft(
            ip=ip, port=base.port, protocol=base.protocol, url=base.url, domain=base.domain, identity=base.identity,
            occurred_at=base.occurred_at, time_as_written=base.time_as_written, earliest=base.earliest, latest=base.latest,
        )  # fmt: skip
        event.found_in = base.found_in | ({"ip": f"{place}: System/Node/Address"} if ip else {})
        found.append(event)
    return found


def _stated(element: Element, owner: str) -> _Stated | None:
    """The time of the act that ``element`` itself states, not what lies deeper in it."""
    for tag in _TIMES:
        written = next((" ".join((one.text or "").split()) for one in element if _tag(one) == tag), "")
        if written and (moment := read_time(written)):
            return _Stated(moment, written, owner, tag)
    return None


def _port(service: Element | None) -> int | None:
    return port_of(_text(service, "Port")) if service is not None else None


def _protocol(service: Element | None) -> str | None:
    return None if service is None else _PROTOCOLS.get(service.get("ip_protocol") or service.get("ip-protocol") or "")


def _creator(incident: Element) -> Reporter:
    contact = next((one for one in _all(incident, "Contact") if one.get("role") == "creator"), None)
    if contact is None:
        return Reporter()
    boxes = find_mailboxes(_text(contact, "Email") or _text(contact, "EmailTo"))
    return Reporter(None, boxes[0].value.lower() if boxes else None, _text(contact, "ContactName") or None)


def _category(incident: Element) -> str | None:
    said = [_DOS.sub("denial of service", _text(incident, tag)) for tag in ("ReferenceName", "Description")]
    types = [one.get("type") or "" for tag in ("Impact", "SystemImpact", "IncidentCategory") for one in _all(incident, tag)]
    said += ["denial of service" if one.strip().lower() == "dos" else one for one in types]
    low = " ".join(("", *said, "")).lower()
    return next((category for words, category in _KINDS if any(word in low for word in words)), None)


def _is_too_deep(root: Element) -> bool:
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for one in level for child in one]
    return bool(level)


def _all(element: Element, tag: str) -> Iterator[Element]:
    return (one for one in element.iter() if _tag(one) == tag)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _text(element: Element, tag: str) -> str:
    """The first text of that name below ``element``, blanks squeezed."""
    found = next(_all(element, tag), None)
    return " ".join("".join(found.itertext()).split())[:2_000] if found is not None else ""
