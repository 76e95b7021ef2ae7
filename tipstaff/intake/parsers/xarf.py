"""XARF: v4 (all 32 types, schemas of the specification) and v1–v3, as a document, a list, one a line, or inside a mail.

Sources: XARF specification 4.2 and its schemas; the v1–v3 schemas and samples of abusix/xarf; the v3 samples of xarf-spec.
An invalid document is refused with the field named: ``validate`` is what the HTTP API asks as well.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading.contradictions import leave_to_a_person
from tipstaff.intake.reading.indicators import host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.repeated_keys import Repeating, may_say_more, with_repeats
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.reading.xarf_legacy import Legacy, examine_legacy, flatten, is_legacy
from tipstaff.intake.reading.xarf_v4 import Findings, address_of, examine_v4
from tipstaff.intake.taxonomy import category_of_xarf, of_legacy_xarf
from tipstaff.kernel.errors import ParseError, Problem

name = "xarf"
experimental = False

MAX_DOCUMENTS = 10_000  # documents of one part
MAX_REFUSED = 100  # refusals that are told one by one
_MARKS = (b'"xarf_version"', b'"ReporterInfo"', b'"reporterinfo"')
_CORE = frozenset(
    (
        "xarf_version",
        "report_id",
        "timestamp",
        "reporter",
        "sender",
        "source_identifier",
        "source_port",
        "category",
        "type",
        "evidence",
        "description",
        "_internal",
    )
)
_IDENTITY = ("url", "infringing_url", "cve_id", "service", "malware_family", "work_title", "newsgroup", "smtp_from")
_WORK = {"work_title": "work", "work_identifier": "work_identifier", "rights_holder": "claimant", "work_category": "work_category"}
_ALSO_SOURCE = frozenset(("source_ip", "sourceIp", "SourceIp", "SourceIP", "ip", "ip_address", "attacker_ip"))  # none of XARF v4's
_VICTIMS = frozenset(("destination_ip", "target_ip", "DestinationIp", "DestinationIP", "TargetIp"))  # details of the attacked side
_HOSTED = ("vulnerability",)  # categories whose service_port is a port of the accused host
_NOT_XARF = Problem("document", "is neither XARF v4 (xarf_version) nor v1–v3 (ReporterInfo and Report)", "send one XARF object")


def claims(message: Message) -> Confidence:
    return Confidence.CERTAIN if any(_has_xarf(part) for part in message.parts) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft for each document. An invalid one becomes a draft without events for a person, with the field and what to do: it is
    refused, and no other parser guesses at it. ParseError only where the JSON itself cannot be read."""
    drafts, refused = [], []
    for part in message.parts:
        if not _has_xarf(part):
            continue
        for number, document in enumerate(_documents(part), 1):
            place = _place(message, part, number)
            findings = examine(document)
            if findings.problems:
                refused.append((place, findings.problems))
            else:
                drafts.append(draft_of(document, findings.doubts, place))
    told = [_refused(place, problems) for place, problems in refused[:MAX_REFUSED]]
    if len(refused) > MAX_REFUSED:
        told[-1].needs.append(f"and {len(refused) - MAX_REFUSED} more invalid documents")
    return drafts + told


def validate(document: Any) -> list[Problem]:
    """Why a document is refused: each field, what is wrong and what to do; empty where it is valid XARF of any version."""
    return list(examine(document).problems)


def examine(document: Any) -> Findings:
    """Problems (they refuse) and doubts (they are told) of a document of any version."""
    if isinstance(document, Repeating):
        return Findings(tuple(Problem(name[:200], "stands twice in one object", "write it once") for name in document.twice))
    if isinstance(document, dict):
        if "xarf_version" in document:
            return examine_v4(document)
        if is_legacy(document):
            return examine_legacy(document)
    return Findings((_NOT_XARF,))


def loads(content: bytes) -> Any:
    """The JSON value as ``examine`` wants it: what says a thing twice is marked. ValueError where it is not JSON."""
    value = orjson.loads(content)
    return with_repeats(content) if may_say_more(content, value) else value


def read_document(content: bytes) -> tuple[ReportDraft | None, list[Problem]]:
    """The fast path for one JSON document: the draft, or the problems that refuse it."""
    try:
        document = loads(content)
    except ValueError as error:
        return None, [Problem("document", f"is not JSON: {str(error)[:120]}", "send one JSON object in UTF-8")]
    findings = examine(document)
    if findings.problems:
        return None, list(findings.problems)
    return draft_of(document, findings.doubts), []


def draft_of(document: dict, doubts: tuple[Problem, ...] = (), place: str = "") -> ReportDraft:
    """The draft of a valid document. ``place`` is put before the names of fields in ``found_in``."""
    draft = _draft_v4(document, place) if "xarf_version" in document else _draft_legacy(document, place)
    draft.warnings += [f"doubtful: {doubt}" for doubt in doubts]
    _doubt_ends(draft, document)
    return draft


def _doubt_ends(draft: ReportDraft, document: dict) -> None:
    """A source that is nothing, or the victim itself: whoever wrote the document mixed something up."""
    event = draft.events[0]
    if not (event.ip or event.domain or event.url or event.mailbox):
        stated = str(document.get("source_identifier") or "")[:60]
        draft.disposition = Disposition.NEEDS_A_PERSON
        draft.needs.append(f"the source {stated!r} is no address, domain, URL or mailbox")
    for name in () if _ALSO_SOURCE.isdisjoint(event.details) else sorted(_ALSO_SOURCE & event.details.keys()):
        rival = normal_ip(stated) if isinstance(stated := event.details[name], str) else None
        if rival and event.ip and rival != event.ip:
            draft.experimental = True
            draft.warnings.append(f"doubtful: {event.found_in['ip']} names {event.ip}, {name} names {rival}")
    if event.ip is None or _VICTIMS.isdisjoint(event.details):
        return
    if event.ip in {address_of(victim) for name in _VICTIMS if isinstance(victim := event.details.get(name), str)}:
        draft.experimental = True
        draft.warnings.append(f"doubtful: it names {event.ip} as the source and as the destination")


def _draft_v4(document: dict, place: str) -> ReportDraft:
    category, kind = document["category"], document["type"]
    reporter, sender = document["reporter"], document["sender"]
    ours = _our_category(document, category, kind)
    event = _event_v4(document, category, kind, place)
    if sender != reporter:
        event.details["sender"] = sender
    draft = ReportDraft(
        format="xarf-4",
        reporter=Reporter(None, reporter["contact"], reporter["org"]),
        category=ours,
        category_from="structure",
        report_type=kind,
        external_id=document["report_id"],
        xarf={"category": category, "type": kind},
        events=[event],
        description=document.get("description"),
        sealed=ours == "csam",
    )
    if category == "copyright":
        draft.copyright = {ours: document[key] for key, ours in _WORK.items() if key in document}
    if isinstance(document.get("legacy_version"), str):
        draft.warnings.append("converted from XARF v3 by its sender")
    return draft


def _our_category(document: dict, category: str, kind: str) -> str | None:
    """The table's category; a botnet report that names another host as the controller accuses a bot, not a controller."""
    controller = document.get("c2_server")
    if kind == "botnet" and controller and controller != document["source_identifier"]:
        return "compromised"
    return category_of_xarf(category, kind)


def _event_v4(document: dict, category: str, kind: str, place: str) -> EventDraft:
    source, stamp = document["source_identifier"].strip(), document["timestamp"]
    event = EventDraft(
        ip=address_of(source),
        occurred_at=_utc(stamp),
        time_as_written=stamp,
        earliest=_utc(document.get("first_seen")),
        latest=_utc(document.get("last_seen")),
        report_type=kind,
        details={key: value for key, value in document.items() if key not in _CORE},
    )
    if event.earliest and event.latest and event.latest < event.earliest:
        event.earliest = event.latest = None  # a span that ends before it begins bounds nothing
    found = event.found_in
    found["occurred_at"] = f"{place}timestamp"
    for field in ("url", "infringing_url"):
        stated = document.get(field)  # a type that does not know the field says nothing about what stands in it
        if isinstance(stated, str) and event.url is None and (url := normal_url(stated)):
            event.url, found["url"] = url, f"{place}{field}"
    if event.ip:
        found["ip"] = f"{place}source_identifier"
        _name_domain(event, document, place)
    else:
        _name_source(event, source, place)
    _number_port(event, document, category, place)
    event.identity = tuple([str(document[key]) for key in _IDENTITY if key in document])
    event.mailbox = document.get("compromised_account") if isinstance(document.get("compromised_account"), str) else None
    return event


def _name_source(event: EventDraft, source: str, place: str) -> None:
    where = f"{place}source_identifier"
    if "://" in source and (url := normal_url(source)):
        event.url = event.url or url
        host = host_of(url) or ""
        event.ip, event.domain = normal_ip(host), normal_domain(host)
        event.found_in.setdefault("url", where)
        if event.ip:
            event.found_in["ip"] = where
    elif "@" in source:
        event.mailbox, event.found_in["mailbox"] = source, where
        event.domain = normal_domain(source.rpartition("@")[2])
    else:
        event.domain = normal_domain(source)
    if event.domain:
        event.found_in["domain"] = where


def _name_domain(event: EventDraft, document: dict, place: str) -> None:
    stated = document.get("domain")
    event.domain = normal_domain(stated) if isinstance(stated, str) else None
    if event.domain:
        event.found_in["domain"] = f"{place}domain"
    elif event.url and (host := host_of(event.url)) and "." in host and address_of(host) is None:
        event.domain, event.found_in["domain"] = host, event.found_in["url"]


def _number_port(event: EventDraft, document: dict, category: str, place: str) -> None:
    for field in ("source_port", *(("service_port", "port") if category in _HOSTED else ())):
        port = document.get(field)
        if isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536:
            event.port, event.found_in["port"] = port, f"{place}{field}"
            break
    protocol = document.get("protocol")
    event.protocol = protocol.lower() if isinstance(protocol, str) and protocol.lower() in ("tcp", "udp", "icmp", "sctp") else None


def _utc(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        moment = read_time(text)  # a leap second, a time in lower case
        return moment.at if moment else None


def _draft_legacy(document: dict, place: str) -> ReportDraft:
    flat = flatten(document)
    category, pair = of_legacy_xarf(flat.kind, flat.subtype)
    if pair and pair["type"] == "botnet" and any(squeezed in ("c2server", "controller") for squeezed in map(_squeezed, flat.other)):
        category = "compromised"
    draft = ReportDraft(
        format=f"xarf-{flat.version}",
        reporter=_legacy_reporter(flat),
        category=category,
        category_from="structure" if category else None,
        report_type=flat.kind,
        external_id=flat.case_id,
        xarf=pair,
        description=flat.notes,
        sealed=category == "csam",
        events=[_legacy_event(flat, place)],
    )
    if len(flat.named) > 1:
        leave_to_a_person(draft, 0, {ip: f"{place}{where}" for ip, where in flat.named.items()})
    if category is None:
        draft.disposition = Disposition.NEEDS_A_PERSON
        draft.needs.append(f"XARF v{flat.version} has no type {flat.kind[:60]!r}")
    if category == "copyright":
        draft.copyright = {
            "work": flat.other.get("InfringedMaterial") or flat.other.get("WorkTitle"),
            "claimant": flat.behalf.get("ComplainantOrg"),
        }
    return draft


def _squeezed(key: str) -> str:
    return "".join(c for c in key.lower() if c.isalnum())


def _legacy_reporter(flat: Legacy) -> Reporter:
    low = {key.lower(): value for key, value in flat.reporter.items()}
    return Reporter(
        low.get("reportercontactname") or None,
        low.get("reporterorgemail") or low.get("reportercontactemail") or None,
        low.get("reporterorg") or None,
    )


def _legacy_event(flat: Legacy, place: str) -> EventDraft:
    moment = read_time(flat.date)
    first = read_time(flat.first_seen) if flat.first_seen else None
    event = EventDraft(
        ip=flat.ip,
        port=flat.port,
        url=flat.url,
        domain=flat.domain,
        mailbox=flat.mailbox,
        report_type=flat.kind,
        details=flat.other,
        occurred_at=moment.at if moment else None,
        time_as_written=flat.date,
        earliest=first.at if first else None,
        found_in={key: f"{place}{where}" for key, where in flat.found_in.items()},
    )
    if event.domain is None and event.url and (domain := normal_domain(host_of(event.url))):
        event.domain, event.found_in["domain"] = domain, event.found_in.get("url", "")
    if flat.behalf:
        event.details = event.details | {"on_behalf_of": flat.behalf}
    if event.ip is None and event.url and (ip := normal_ip(host_of(event.url))):
        event.ip, event.found_in["ip"] = ip, event.found_in["url"]
    event.identity = tuple(filter(None, (flat.url, str(flat.other.get("CVE") or ""), str(flat.other.get("MalwareName") or ""))))
    return event


def _refused(place: str, problems: tuple[Problem, ...]) -> ReportDraft:
    reasons = [f"invalid XARF: {place}{problem}" for problem in problems[:10]]
    return ReportDraft(format="xarf", disposition=Disposition.NEEDS_A_PERSON, needs=reasons)


def _has_xarf(part: Part) -> bool:
    head = part.content[:200_000]
    if b"{" not in head[:20_000] or not any(mark in head for mark in _MARKS):
        return False
    return b'"xarf_version"' in head or b'"Report"' in part.content or b'"report"' in part.content


def _documents(part: Part) -> Iterator[Any]:
    """The JSON values of a part: one, a list, one a line, or one inside a letter. ParseError where none can be read."""
    content = part.content.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not content.startswith((b"{", b"[")):
        start = content.find(b"\n{")
        content = content[start + 1 : content.rfind(b"}") + 1] if start >= 0 else content
    try:
        whole = loads(content)
        found = whole if isinstance(whole, list) else [whole]
    except ValueError as error:
        found = _lines(content, error, part)
    if len(found) > MAX_DOCUMENTS:
        raise ParseError(part.where, f"holds {len(found)} documents", f"send at most {MAX_DOCUMENTS} at once")
    yield from found


def _lines(content: bytes, error: ValueError, part: Part) -> list[Any]:
    lines = [line for line in content.split(b"\n") if line.strip()]
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(loads(line))
        except ValueError as inner:
            reason, at = (inner, f"line {number}") if number > 1 and found else (error, part.where)
            raise ParseError(
                at, f"is not JSON: {str(reason)[:120]}", "send one JSON object, a list of them, or one a line"
            ) from None
    return found


def _place(message: Message, part: Part, number: int) -> str:
    """How a field's place begins: nothing for a single document, the part of a mail, the number in a list."""
    place = f"part {part.where}: " if message.kind == "mail" else ""
    return f"{place}document {number}: " if number > 1 else place
