"""ACNS 2.0 copyright notices (versions 1.0 to 1.3): XML inside a letter, clear-signed or not, beside it, or alone.

Sources: the ACNS index and its two namespaces (movielabs.com/ACNS up to 1.1, acns.net/ACNS from 1.2), captured notices of two
agents. DTDs and entities are refused. An address that cannot exist is flagged and goes to a person; it is never read as another
one. The same XML in the letter and attached is one event; several Items of one Source are one event that lists its works.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import HEAD, Message
from tipstaff.intake.reading.acns_elements import elements_512
from tipstaff.intake.reading.contradictions import leave_to_a_person, named
from tipstaff.intake.reading.indicators import find_mailboxes, host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.letters import html_to_text
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.kernel.errors import ParseError

name = "acns"
experimental = False

_ADDRESSES = ("IP_Address", "IPAddress")
MAX_XML = 2_000_000
MAX_NOTICE = 500_000  # characters of one notice
MAX_NOTICES = 2_000
_NAMESPACES = ("acns.net/acns", "movielabs.com/acns")
_START = pattern(r"<(?:[A-Za-z0-9_-]{1,20}:)?(Infringement|CounterNotice|NoticeAck|StatusUpdate|StatusRequest)[\s>]")
_NOT_NOTICES = {
    "NoticeAck": Disposition.NOT_A_REPORT,
    "StatusRequest": Disposition.NEEDS_A_PERSON,
    "CounterNotice": Disposition.COUNTER_NOTICE,
}
_KINDS = (
    ("p2p", "p2p"),
    ("torrent", "p2p"),
    ("edonkey", "p2p"),
    ("emule", "p2p"),
    ("gnutella", "p2p"),
    ("kad", "p2p"),
    ("usenet", "usenet"),
    ("nntp", "usenet"),
    ("cyberlocker", "cyberlocker"),
    ("linking", "link_site"),
    ("ugc", "ugc_platform"),
)


def claims(message: Message) -> Confidence:
    return Confidence.CERTAIN if any(True for _ in _documents(message)) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft for each notice (Case ID and Source); unreadable XML: ParseError."""
    drafts: dict[tuple, ReportDraft] = {}
    problem = None
    elements = elements_512(message.letter)
    for number, (place, text, kind) in enumerate(_documents(message)):
        if number >= MAX_NOTICES:
            break
        try:
            if len(text) > MAX_NOTICE:
                raise ValueError(f"one notice of {len(text)} characters")
            root = fromstring(text, forbid_dtd=True)
        except (XmlError, DefusedXmlException, ValueError, RecursionError) as error:
            problem = ParseError(
                place, f"the ACNS XML cannot be read: {str(error)[:120] or type(error).__name__}", "read the letter by hand"
            )
            continue
        draft = _draft(_without_namespaces(root), kind, message, place)
        if draft.copyright is not None:
            draft.copyright["elements"] = elements
        sources = [
            (event.ip, event.port, event.time_as_written, event.url, event.details.get("source_as_written"))
            for event in draft.events
        ]
        mark = (draft.external_id, draft.disposition, *sources)
        drafts.setdefault(mark, draft)
    if not drafts:
        raise problem or ParseError("letter", "no ACNS notice can be found", "read the letter by hand")
    return list(drafts.values())


def _documents(message: Message) -> Iterator[tuple[str, str, str]]:
    """Place, XML text and root name of every ACNS document in the message."""
    for part in message.parts:
        text = part.text[:MAX_XML]
        if "<" not in text:
            continue
        low = part.head if len(text) <= HEAD else text.lower()
        if part.content_type == "text/html":
            if "&lt;" not in low or not any(space in low for space in _NAMESPACES):
                continue
            text = html_to_text(text)  # the XML as a person sees it there
            low = text.lower()
        if not any(space in low for space in _NAMESPACES):
            continue
        position = 0
        for match in _START.finditer(text):  # one pass: a search from a position costs the whole text each time
            if match.start() < position:
                continue
            opening = text[match.start() : match.end()].strip("<> \t\n")
            end = text.find(f"</{opening}>", match.end())
            if end < 0:
                yield f"part {part.where}", text[match.start() : match.start() + 1000], match.group(1)
                break
            stop = end + len(opening) + 3
            yield f"part {part.where}", _undashed(text[match.start() : stop]), match.group(1)
            position = stop


def _undashed(text: str) -> str:
    """Dash-escapes of a clear-signed text (RFC 9580 section 7.2) undone."""
    return text.replace("\n- ", "\n") if "\n- <" in text or "\n- -" in text else text


def _without_namespaces(root: Element) -> Element:
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def _draft(root: Element, kind: str, message: Message, place: str) -> ReportDraft:
    draft = ReportDraft(
        format="acns",
        category="copyright",
        category_from="structure",
        report_type=kind,
        external_id=_text(root, "Case/ID") or None,
        reporter=_complainant(root),
        subject=message.header("Subject") or None,
        xarf={"category": "copyright", "type": "copyright"},
    )
    if kind != "Infringement":
        return _other_document(draft, root, kind)
    for source in root.findall("Source") or [root]:
        draft.events.append(_event(source, root, place, draft))
        stated = [
            (f"{place}: Source/{tag}", " ".join((one.text or "").split())) for tag in _ADDRESSES for one in source.iterfind(tag)
        ]
        if len(rivals := named(stated)) > 1:
            leave_to_a_person(draft, len(draft.events) - 1, rivals)
    works = [_work(item) for item in root.iterfind("Content/Item")][:200]
    draft.copyright = {
        "works": works,
        "work": next((work["title"] for work in works if work.get("title")), None),
        "claimant": _text(root, "Complainant/Entity") or None,
        "deja_vu": _text(root, "Source/Deja_Vu") or None,
        "severity": _text(root, "Case/Severity") or None,
        "status": _text(root, "Case/Status") or None,
    }
    base = " ".join(
        [_text(root, "Source/Type"), *(_attribute(root, "Source/SubType", key) for key in ("BaseType", "Protocol"))]
    ).lower()
    draft.xarf = {"category": "copyright", "type": next((exact for word, exact in _KINDS if word in base), "copyright")}
    draft.description = _text(root, "Notes")[:2000] or None
    if draft.needs:
        draft.disposition = Disposition.NEEDS_A_PERSON
    return draft


def _other_document(draft: ReportDraft, root: Element, kind: str) -> ReportDraft:
    """Counter-notices, acknowledgements and status traffic of an earlier notice: no new accusation."""
    draft.disposition = _NOT_NOTICES.get(kind, Disposition.NEEDS_A_PERSON)
    draft.external_id = draft.external_id or _text(root, ".//ID") or None
    if draft.disposition is Disposition.NEEDS_A_PERSON:
        draft.needs.append(f"ACNS {kind} about case {draft.external_id or 'without a number'}")
    return draft


def _event(source: Element, root: Element, place: str, draft: ReportDraft) -> EventDraft:
    written = _text(source, "IP_Address") or _text(source, "IPAddress")
    event = EventDraft(ip=normal_ip(written), report_type=_text(source, "Type") or None)
    if event.ip:
        event.found_in["ip"] = f"{place}: Source/IP_Address"
    elif written:
        draft.needs.append(f"{place}: Source/IP_Address {written[:60]!r} is not an address")
        event.details["source_as_written"] = written[:200]
    port = _text(source, "Port")
    if port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536:
        event.port, event.found_in["port"] = int(port), f"{place}: Source/Port"
    _read_stamp(event, source, root, place, draft)
    _read_locations(event, source, root, place)
    for label in ("UserName", "DNS_Name", "MAC_Address", "Number_Files", "Deja_Vu"):
        if _text(source, label):
            event.details[label] = _text(source, label)[:300]
    if event.ip is None and not (event.url or event.domain or draft.needs):
        draft.needs.append(f"{place}: Source names no address")
    event.identity = tuple(value for value in (_text(root, "Content/Item/Hash").lower(), event.url) if value)
    return event


def _read_stamp(event: EventDraft, source: Element, root: Element, place: str, draft: ReportDraft) -> None:
    stamp, where = _text(source, "TimeStamp"), "Source/TimeStamp"
    if not stamp:
        stamp, where = _text(root, "Content/Item/TimeStamp"), "Content/Item/TimeStamp"
    moment = read_time(stamp) if stamp else None
    if moment:
        event.occurred_at, event.earliest, event.latest, event.time_as_written = moment.at, moment.earliest, moment.latest, stamp
        event.found_in["occurred_at"] = f"{place}: {where}"
    if moment is None or moment.at is None:
        draft.warnings.append(f"{place}: {where} {stamp[:60]!r} {moment.note if moment else 'is no time'}")


def _read_locations(event: EventDraft, source: Element, root: Element, place: str) -> None:
    for where, written in (
        ("Source/URL", _text(source, "URL")),
        ("Source/URL_Base", _text(source, "URL_Base")),
        ("Content/Item/URL", _text(root, "Content/Item/URL")),
    ):
        url = normal_url(written) if written else None  # agents also write words such as "incoming"
        if url and event.url is None:
            event.url, event.found_in["url"] = url, f"{place}: {where}"
            event.domain = normal_domain(host_of(url))
            if event.domain:
                event.found_in["domain"] = event.found_in["url"]
    urls = [url for item in root.iterfind("Content/Item") if (url := normal_url(_text(item, "URL")))]
    if len(urls) > 1:
        event.details["urls"] = urls[:500]


def _work(item: Element) -> dict[str, str]:
    fields = {
        "title": "Title",
        "artist": "Artist",
        "file_name": "FileName",
        "file_size": "FileSize",
        "hash": "Hash",
        "url": "URL",
        "at": "TimeStamp",
        "type": "Type",
    }
    work = {key: _text(item, tag)[:500] for key, tag in fields.items() if _text(item, tag)}
    kind = _attribute(item, "Hash", "Type")
    return work | ({"hash_type": kind} if kind else {})


def _complainant(root: Element) -> Reporter:
    boxes = find_mailboxes(_text(root, "Complainant/Email"))
    return Reporter(
        _text(root, "Complainant/Contact") or None,
        boxes[0].value.lower() if boxes else None,
        _text(root, "Complainant/Entity") or None,
    )


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    return " ".join((found.text or "").split()) if found is not None else ""


def _attribute(element: Element, path: str, attribute: str) -> str:
    found = element.find(path)
    return (found.get(attribute) or "") if found is not None else ""
