"""FastNetMon: the JSON of its web callback, notify script and Redis entries, and the text that its notify script gets or mails.

Sources: "FastNetMon JSON formats" and the example documents of its notify scripts (Advanced); ``serialize_attack_description`` of
the Community edition for the text. Neither states a time: it is sent when the attack is seen, so the event lies within the
minutes before it was received. An attack towards a host of ours makes that host a victim, never an accused.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import orjson

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.taxonomy import as_pair
from tipstaff.kernel.errors import ParseError

name = "fastnetmon"
experimental = False

AGO = timedelta(minutes=10)  # between an attack and its report
CATEGORY, XARF, RECORDED = "ddos_origin", "connection/ddos", "threat_intel"
DIRECTIONS = {"incoming": "in", "outgoing": "out"}
ENDS = ("unban",)
MOST = 100_000  # characters of the text that are read
_LINE = pattern(r"(?m)^[ \t]*([A-Z][A-Za-z ]{1,40}):[ \t]*([^\r\n]{1,200}?)[ \t]*\r?$")
_NUMBER = pattern(r"^(\d{1,18})(?: (mbps|packets per second|flows per second))?$")
_TELLING = ("Attack type", "Initial attack power", "Attack direction")


def claims(message: Message) -> Confidence:
    """CERTAIN for its JSON; STRUCTURE for its text, on its own or as a mail."""
    if message.kind == "json":
        return Confidence.CERTAIN if b'"attack_details"' in message.raw and _object(message.raw) else Confidence.NONE
    if message.kind in ("text", "mail", "unknown") and all(f"{words}:" in message.letter[:MOST] for words in _TELLING):
        return Confidence.STRUCTURE
    return Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft: the host, which way, the figures as stated."""
    if message.kind == "json":
        document = _object(message.raw)
        if document is None:
            raise ParseError("FastNetMon", "is no document with attack_details", "send what its web callback sends")
        return [_draft(message, document, document["attack_details"], "ip")]
    values: dict[str, str] = dict(found.groups() for found in _LINE.finditer(message.letter[:MOST]))
    details = {words.lower().replace(" ", "_"): _figure(value) for words, value in values.items() if words != "IP"}
    return [_draft(message, {"ip": values.get("IP", ""), "action": "ban"}, details, "line IP")]


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("attack_details"), dict) and "action" in found else None


def _figure(text: str) -> Any:
    """A number of the text as it would stand in the JSON; traffic is in megabits there and in bytes a second here."""
    found = _NUMBER.match(text)
    if found is None:
        return text
    number = int(found.group(1))
    return number * 125_000 if found.group(2) == "mbps" else number


def _draft(message: Message, document: dict[str, Any], details: dict[str, Any], place: str) -> ReportDraft:
    direction = DIRECTIONS.get(_text(details, "attack_detection_threshold_direction") or _text(details, "attack_direction"), "")
    ended = _text(document, "action") in ENDS
    address = normal_ip(_text(document, "ip"))
    kind = _text(details, "attack_type") or "unknown"
    draft = ReportDraft(
        format="fastnetmon", reporter=Reporter(name="FastNetMon"), category=RECORDED if direction == "in" else CATEGORY,
        category_from="structure: attack direction", report_type=kind, external_id=_text(details, "attack_uuid") or None,
        xarf=as_pair(XARF), description=_words(document, details, direction), automated=True, victim=direction == "in",
    )  # fmt: skip
    draft.subject = draft.description
    if ended and direction != "in":
        draft.disposition = Disposition.NOT_A_REPORT
        draft.warnings.append("it says that the attack is over")
        return draft
    if address is None or not direction:
        missing = "the address" if address is None else "which way the attack went"
        draft.disposition, draft.victim = Disposition.NEEDS_A_PERSON, False
        draft.needs.append(f"{missing} is not stated" + _group(document))
        return draft
    draft.events.append(_event(message, document, details, address, direction, place, ended))
    return draft


def _event(
    message: Message, document: dict[str, Any], details: dict[str, Any], address: str, direction: str, place: str, ended: bool
) -> EventDraft:
    received = message.hints.received_at
    number = _text(details, "attack_uuid") or hashlib.sha256(message.raw).hexdigest()[:16]
    figures = {key: value for key, value in details.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    finding = {
        "id": number, "detector": "FastNetMon", "kind": _text(details, "attack_type") or "unknown", "direction": direction,
        "subject": {"kind": "address", "value": address}, "figures": figures, "words": _words(document, details, direction),
        "last_at": _stamp(received), "ended_at": _stamp(received) if ended else None,
    }  # fmt: skip
    return EventDraft(
        ip=address,
        protocol=_text(details, "attack_protocol") or None,
        earliest=received - AGO if received else None,
        latest=received,
        identity=(number, _text(document, "action")),
        details={"finding": finding, "severity": _text(details, "attack_severity")},
        found_in={"ip": place},
    )


def _words(document: dict[str, Any], details: dict[str, Any], direction: str) -> str:
    way = {"in": "towards", "out": "from"}.get(direction, "at")
    where = _text(document, "ip") or _text(document, "hostgroup_name") or "an unnamed host"
    power = details.get("peak_attack_power") or details.get("initial_attack_power") or 0
    strength = f", peak {power:,} packets/s" if isinstance(power, int) else ""
    return f"FastNetMon: {_text(details, 'attack_type') or 'an'} attack {way} {where}{strength}"[:500]


def _group(document: dict[str, Any]) -> str:
    group = _text(document, "hostgroup_name")
    return f": it speaks of the host group {group}" if group else ""


def _stamp(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _text(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    return value.strip()[:200] if isinstance(value, str) else ""
