"""abuse.ch: URLhaus, Feodo Tracker and ThreatFox, as the published feeds (CSV, ThreatFox also JSON) and as notices by mail.

Sources: the feeds' published headers (URLhaus per-network feed and dump, Feodo Tracker block list, ThreatFox export; times are
UTC, as the headers say), and for mails the labels that abusix's URLhaus parser reads (``URL:``, ``Proof:``, ``IP address:``,
``Port:``, ``Malware:``, ``First seen:``). No mail was captured: drafts from mail are experimental, and a time without a zone
stays open there.
"""

import csv
import io
from collections.abc import Iterator

import orjson

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import find_addresses, host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.labels import Label, read_labels, squeezed, value_of
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError
from tipstaff.kernel.text import port_of

name = "abuse_ch"
experimental = False

MAX_ROWS = 200_000
# The header's squeezed names → feed and our category. The time column stands first in all but the dump.
_FEEDS = {
    ("dateaddedutc", "url", "urlstatus", "threat", "host", "ipaddress", "asnumber", "country"): ("urlhaus", "malware"),
    ("id", "dateadded", "url", "urlstatus", "lastonline", "threat", "tags", "urlhauslink", "reporter"): ("urlhaus", "malware"),
    ("firstseenutc", "dstip", "dstport", "c2status", "lastonline", "malware"): ("feodotracker", "c2"),
    (
        "firstseenutc",
        "iocid",
        "iocvalue",
        "ioctype",
        "threattype",
        "fkmalware",
        "malwarealias",
        "malwareprintable",
        "lastseenutc",
        "confidencelevel",
        "reference",
        "tags",
        "anonymous",
        "reporter",
    ): ("threatfox", "c2"),
}
_THREATS = {
    "botnetcc": "c2",
    "payloaddelivery": "malware",
    "payload": "malware",
    "malwaredownload": "malware",
    "phishing": "phishing",
    "cryptocurrencyscam": "fraud_site",
}
#: ThreatFox's JSON calls columns otherwise than its CSV does.
_OF_JSON = {"ioc": "iocvalue", "first_seen": "firstseenutc", "last_seen": "lastseenutc", "malware": "fkmalware"}
#: What of an entry in JSON is read; other keys are the sender's invention, and as many as he likes.
_COLUMNS = (
    *dict.fromkeys(column for columns in _FEEDS for column in columns),
    "malware", "threattypedesc", "ioctypedesc", "malwaremalpedia",
)  # fmt: skip
_SUBJECT = pattern(r"(?i)malware distribution|active botnet|botnet c(?:&|2|ommand)|urlhaus|feodo ?tracker|threatfox")
_FORTHRIGHT = pattern(
    r"(?i)\b(?:urlhaus|feodotracker|threatfox|abuse)\.ch\b|urlhaus\.abuse\.ch|feodotracker\.abuse\.ch|threatfox\.abuse\.ch"
)


def claims(message: Message) -> Confidence:
    if any(True for _ in _tables(message)):
        return Confidence.CERTAIN
    return Confidence.CERTAIN if message.kind == "mail" and _is_notice(message) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """A draft for each feed, with an event for each row; or one for a notice by mail."""
    drafts = []
    for place, feed, category, columns, rows in _tables(message):
        draft = ReportDraft(
            format=f"abuse.ch-{feed}",
            reporter=Reporter(None, None, "abuse.ch"),
            category=category,
            category_from="structure",
            xarf=xarf_of(category),
            report_type=feed,
            feed=feed,
            subject=message.header("Subject") or None,
        )
        for number, row in rows:
            _read_row(dict(zip(columns, row, strict=False)), f"{place} line {number}", number, draft)
        drafts.append(draft)
    if not drafts and message.kind == "mail" and _is_notice(message):
        drafts.append(_from_letter(message))
    if not any(draft.events for draft in drafts):
        raise ParseError("document", "no row names an address or URL", "send the feed as abuse.ch publishes it")
    return drafts


def _tables(message: Message) -> Iterator[tuple[str, str, str, tuple[str, ...], list[tuple[int, list[str]]]]]:
    """Part, feed, category, column names and numbered rows of every feed; the header may be a comment line (``# …``)."""
    yield from _answers(message)
    for part in message.parts:
        head = part.content[:8_000]
        if b"," not in head or not (b"utc" in (low := head.lower()) or b"urlhaus_link" in low):
            continue
        lines = part.text.split("\n")
        for index, line in enumerate(lines[:40]):
            columns = tuple(squeezed(cell) for cell in line.lstrip("# \ufeff").split(",")) if "," in line else ()
            if columns in _FEEDS:
                yield part.where, *_FEEDS[columns], columns, list(_rows(lines[index + 1 :], index + 2))
                break


def _answers(message: Message) -> Iterator[tuple[str, str, str, tuple[str, ...], list[tuple[int, list[str]]]]]:
    """As ``_tables``, of ThreatFox's JSON: the API's answer (``data``), or the export, a list of entries under each number."""
    for part in message.parts:
        if b'"ioc_type"' not in part.content[:8_000]:
            continue
        try:
            document = orjson.loads(part.content)
        except ValueError:
            continue
        groups = document.get("data") if isinstance(document, dict) and "data" in document else document
        groups = list(groups.values()) if isinstance(groups, dict) else groups if isinstance(groups, list) else []
        entries = [
            entry for group in groups for entry in (group if isinstance(group, list) else [group]) if isinstance(entry, dict)
        ]
        found = [{_OF_JSON.get(key, squeezed(key)): _plain(value) for key, value in entry.items()} for entry in entries[:MAX_ROWS]]
        found = [entry for entry in found if entry.get("iocvalue") and entry.get("ioctype")]
        named = {key for entry in found for key in entry}
        columns = tuple(column for column in _COLUMNS if column in named)
        rows = [(number, [entry.get(key, "") for key in columns]) for number, entry in enumerate(found, 1)]
        if rows:
            yield part.where, "threatfox", "c2", columns, rows


def _plain(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def _rows(lines: list[str], first: int) -> Iterator[tuple[int, list[str]]]:
    kept = [(number, line) for number, line in enumerate(lines, first) if line.strip() and not line.startswith("#")][:MAX_ROWS]
    reader = csv.reader(io.StringIO("\n".join(line for _, line in kept)), skipinitialspace=True)
    try:
        for row in reader:
            yield kept[min(reader.line_num, len(kept)) - 1][0], row
    except csv.Error as error:
        raise ParseError(
            f"line {first + reader.line_num}", f"the CSV cannot be read: {error}", "send the feed as abuse.ch publishes it"
        ) from None


def _read_row(row: dict[str, str], place: str, number: int, draft: ReportDraft) -> None:
    kind, value = squeezed(row.get("ioctype", "")), row.get("iocvalue", "").strip()
    host, _, port = value.rpartition(":") if kind == "ipport" else ("", "", "")
    url = normal_url(row.get("url") or (value if kind == "url" else ""))
    event = EventDraft(ip=normal_ip(row.get("ipaddress") or row.get("dstip") or host), url=url, row=number)
    stated = row.get("dstport") or port
    event.port = port_of(stated)
    event.domain = normal_domain(row.get("host") or (value if kind == "domain" else "") or (host_of(url) if url else ""))
    event.ip = event.ip or (normal_ip(host_of(url)) if url else None)
    if not (event.ip or event.url or event.domain):
        return  # hashes and the like accuse no address
    column = next((one for one in ("dateaddedutc", "dateadded", "firstseenutc") if row.get(one)), None)
    moment = read_time(row[column], zone="UTC") if column else None
    if moment and column:
        event.occurred_at, event.earliest, event.latest, event.time_as_written = (
            moment.at,
            moment.earliest,
            moment.latest,
            row[column],
        )
        event.found_in["occurred_at"] = f"{place}: {column}"
    own = _THREATS.get(squeezed(row.get("threattype") or row.get("threat") or ""))
    event.category = own if own and own != draft.category else None
    event.identity = tuple(filter(None, (url, row.get("malware"), row.get("fkmalware"))))
    event.details = {key: text for key, text in row.items() if text and key not in ("url", "host", "ipaddress", "dstip", "dstport")}
    for key, found in (("ip", event.ip), ("url", event.url), ("domain", event.domain), ("port", event.port)):
        if found:
            event.found_in[key] = f"{place}"
    draft.events.append(event)


def _is_notice(message: Message) -> bool:
    letter = message.letter[:100_000]
    if not _SUBJECT.search(message.header("Subject")[:500]) or not _FORTHRIGHT.search(f"{message.header('From')}\n{letter}"):
        return False
    labels = read_labels(letter)
    return bool(value_of(labels, "URL", "Malware URL") or (value_of(labels, "IP address") and value_of(labels, "Malware", "Port")))


def _from_letter(message: Message) -> ReportDraft:
    labels = read_labels(message.letter[:200_000])
    display, email = mailbox(message.header("From"))
    url = normal_url(value_of(labels, "URL", "Malware URL"))
    category = "malware" if url else "c2"
    draft = ReportDraft(
        format="abuse.ch-notice",
        reporter=Reporter(display, (email or "").lower() or None, "abuse.ch"),
        category=category,
        category_from="structure",
        xarf=xarf_of(category),
        report_type="malware-url" if url else "botnet-controller",
        subject=message.header("Subject") or None,
        experimental=True,
    )
    for label in labels:
        if url and squeezed(label.name) in ("url", "malwareurl") and (one := normal_url(label.value)):
            draft.events.append(_letter_event(one, labels, label, message))
    if not url:
        draft.events.append(_letter_event(None, labels, None, message))
    if all(event.occurred_at is None for event in draft.events):
        draft.warnings.append("the notice states no exact time")
    return draft


def _letter_event(url: str | None, labels: list[Label], label: Label | None, message: Message) -> EventDraft:
    stated = normal_ip(value_of(labels, "IP address", "IP", "Host IP"))
    in_subject = [found.value for found in find_addresses(message.header("Subject")[:500])]
    ip = stated or (normal_ip(host_of(url)) if url else None) or (in_subject[0] if len(in_subject) == 1 else None)
    event = EventDraft(ip=ip, url=url, domain=normal_domain(host_of(url)) if url else None, identity=(url,) if url else ())
    port = port_of(value_of(labels, "Port"))
    if url is None and port:
        event.port, event.found_in["port"] = port, "letter: Port"
    seen = next(
        (
            one
            for name_of in ("lastseen", "dateadded", "dateaddedutc", "firstseen", "firstseenutc", "timestamp")
            for one in labels
            if squeezed(one.name) == name_of and one.value
        ),
        None,
    )
    moment = read_time(seen.value, zone="UTC" if "utc" in seen.name.lower() else None) if seen else None
    if seen and moment:
        event.occurred_at, event.earliest, event.latest, event.time_as_written = (
            moment.at,
            moment.earliest,
            moment.latest,
            seen.value,
        )
        event.found_in["occurred_at"] = f"letter line {seen.line}: {seen.name}"
    if ip:
        event.found_in["ip"] = "letter: IP address" if stated else "letter: URL" if url and ip == host_of(url) else "Subject"
    if label:
        event.found_in["url"] = f"letter line {label.line}: {label.name}"
    event.details = {
        key: text for key, text in (("malware", value_of(labels, "Malware")), ("proof", value_of(labels, "Proof"))) if text
    }
    return event
