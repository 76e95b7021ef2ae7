"""IODEF incident documents (RFC 5070, RFC 7970): in a mail, beside a letter, or alone, whoever sends them.

Accused are the systems of category ``source``, and of version 2's ``watchlist-source`` and ``infrastructure``; targets, sensors and
hops in between are not. The act's time is the event's own StartTime, else its DetectTime, else its EndTime; ReportTime is none.
DTDs and entities are refused. Sources: both RFCs, and a captured mail of an exchange that fills empty fields.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading.indicators import find_mailboxes, host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError

name = "iodef"
experimental = False

MAX_XML = 2_000_000
MAX_EVENTS = 10_000
_ROOT = "iodef-document"
_ACCUSED = frozenset(("source", "watchlist-source", "infrastructure"))
_ADDRESSES = frozenset(("ipv4-addr", "ipv6-addr"))
_TIMES = ("StartTime", "DetectTime", "EndTime")
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "58": "icmpv6", "132": "sctp"}
#: What the references, the description and the impact say, first that fits.
_KINDS = (
    (("phish",), "phishing"), (("command and control", "c&c", "c2-server", "botnet controller"), "c2"),
    (("malware url", "malware distribution"), "malware"), (("spam",), "spam"),
    (("ddos", "denial of service", " dos "), "ddos_origin"), (("brute", "login", "honeypot", "sql injection"), "intrusion"),
    (("botnet", "bot ", "infect", "sinkhole", "drone"), "compromised"),
    (("portscan", "port scan", "scanning", "recon"), "scan"),
    (("open ", "accessible", "vulnerab", "resolver", "amplif", "misconfiguration", "exposed"), "vulnerable"),
)  # fmt: skip


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
        drafts += [_draft(incident, part, message) for incident in _all(root, "Incident")]
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
        description=(_text(incident, "Description") or message.letter.strip())[:2_000] or None,
        reported_at=sent.at if sent else None,
    )
    draft.category = _category(incident)
    draft.category_from = "structure" if draft.category else None
    draft.xarf = xarf_of(draft.category)
    for data in _all(incident, "EventData"):
        if len(draft.events) >= MAX_EVENTS:
            draft.warnings.append(f"more than {MAX_EVENTS} events; the rest was left out")
            break
        nested = {id(one) for inner in _all(data, "EventData") if inner is not data for one in inner.iter()}
        systems = (one for one in _all(data, "System") if id(one) not in nested)
        for system in systems:
            draft.events += _events(system, data, incident, f"part {part.where}", draft)
    if not draft.events:
        draft.needs.append("no system in it is named as the source")
        draft.disposition = Disposition.NEEDS_A_PERSON
    return draft


def _events(system: Element, data: Element, incident: Element, place: str, draft: ReportDraft) -> list[EventDraft]:
    """An event for each address of an accused system; for its URL or name, where it has no address."""
    if (system.get("category") or "").strip().lower() not in _ACCUSED or (system.get("spoofed") or "").strip().lower() == "yes":
        return []
    service = next(_all(system, "Service"), None)
    base = EventDraft(port=_port(service), protocol=_protocol(service))
    _give_time(base, data, incident, place, draft)
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


def _give_time(event: EventDraft, data: Element, incident: Element, place: str, draft: ReportDraft) -> None:
    for element, owner in ((data, "EventData"), (incident, "Incident")):
        for tag in _TIMES:
            written = next((" ".join((one.text or "").split()) for one in element if _tag(one) == tag), "")
            moment = read_time(written) if written else None
            if moment is None:
                continue
            event.occurred_at, event.time_as_written = moment.at, written
            event.found_in["occurred_at"] = f"{place}: {owner}/{tag}"
            if moment.at is None:
                event.earliest, event.latest = moment.earliest, moment.latest
                draft.warnings.append(f"{place}: {tag} {written[:60]!r} does not fix a moment")
            return


def _port(service: Element | None) -> int | None:
    written = _text(service, "Port") if service is not None else ""
    return int(written) if written.isascii() and written.isdecimal() and 0 < int(written[:6]) < 65_536 else None


def _protocol(service: Element | None) -> str | None:
    return None if service is None else _PROTOCOLS.get(service.get("ip_protocol") or service.get("ip-protocol") or "")


def _creator(incident: Element) -> Reporter:
    contact = next((one for one in _all(incident, "Contact") if one.get("role") == "creator"), None)
    if contact is None:
        return Reporter()
    boxes = find_mailboxes(_text(contact, "Email") or _text(contact, "EmailTo"))
    return Reporter(None, boxes[0].value.lower() if boxes else None, _text(contact, "ContactName") or None)


def _category(incident: Element) -> str | None:
    said = [_text(incident, tag) for tag in ("ReferenceName", "Description")]
    said += [one.get("type") or "" for tag in ("Impact", "SystemImpact", "IncidentCategory") for one in _all(incident, tag)]
    low = " ".join(("", *said, "")).lower()
    return next((category for words, category in _KINDS if any(word in low for word in words)), None)


def _all(element: Element, tag: str) -> Iterator[Element]:
    return (one for one in element.iter() if _tag(one) == tag)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _text(element: Element, tag: str) -> str:
    """The first text of that name below ``element``, blanks squeezed."""
    found = next(_all(element, tag), None)
    return " ".join("".join(found.itertext()).split())[:2_000] if found is not None else ""
