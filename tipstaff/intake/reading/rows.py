# ruff: noqa: E501 - lists of words read better whole
"""Rows of evidence that no program's grammar explains: tables under a heading, JSON over several lines, pairs of sockets.

A heading names its columns in any of the languages; a row is read only where its cells fit the heading, so nothing is guessed.
"""

import json
from collections.abc import Iterator
from datetime import datetime

from tipstaff.intake.reading.indicators import normal_ip, refang
from tipstaff.intake.reading.loglines import LogLine, from_fields, may_be_log_line, time_of
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.row_headings import NAMED, Heading, heading_of, heads, split
from tipstaff.intake.reading.sections import Line, Zone
from tipstaff.intake.reading.times import Moment, read_time

MAX_ROWS = 5_000
MAX_OBJECT = 60  # lines of a JSON object that is put together
_PAIR = pattern(
    r"(?:^|[\s\[(=])(?P<src>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\])[:/](?P<sport>\d{1,5})(?:[\s,;]+|\s+(?:to|dst|an|vers|a|naar|do|для)\s+)(?P<dst>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\])[:/](?P<dport>\d{1,5})(?:[^\d.:]|$)"
)
_ALLOWED = pattern(
    r"(?i)(?:^|[\s;,|\t\"=])(?:allow(?:ed)?|accept(?:ed)?|permit(?:ted)?|pass(?:ed)?|success(?:ful)?|consentito|permitido|permesso|autorisé|erlaubt|zugelassen|toegestaan|zezwolono|dozwolone|разрешено|允许|許可)(?:[\s;,|\t\"]|$)"
)
_OPENS = pattern(r"^[^{}\"]{0,40}\{\s*$|^\s*\{\s*\"[^{}]*$")


def rows_of(lines: list[Line], zone: str | None, reference: datetime | None) -> Iterator[tuple[Line, LogLine]]:
    """Each row that names who came, with its line. ``zone`` and ``reference`` as for ``read_log_line``."""
    heading: Heading | None = None
    may_head = heads(lines)
    index = read = 0
    while index < len(lines) and read < MAX_ROWS:
        line = lines[index]
        index += 1
        if heading is None and not line.may_log and line.number not in may_head:
            continue
        text = line.text.lstrip("> ")
        if text.startswith("{") and line.zone is not Zone.LOG:
            records, behind = _object(lines, index - 1)
            if records:
                read, index = read + len(records), behind
                yield from ((line, entry) for entry in records)
                continue
        if line.zone in (Zone.LOG, Zone.HEADERS, Zone.FORWARD, Zone.WHOIS, Zone.TRACE) or not text.strip(" -=+|\t:"):
            continue
        if not _has_address(text):
            found, index = _object(lines, index - 1) if "{" in text else ([], index)
            if found:
                read += len(found)
                yield from ((line, entry) for entry in found)
                continue
            heading = (heading_of(text) if line.number in may_head else None) or (
                heading if heading is not None and _is_rule(text) else None
            )
            continue
        row = (_row(text, heading, zone, reference) if heading is not None else None) or _pair(text, zone, reference)
        if row is not None:
            read += 1
            yield line, row


def _has_address(text: str) -> bool:
    if not may_be_log_line(text):
        return False
    return any(c.isdigit() for c in text) and any(
        _cell_ip(word) for word in text.replace("|", " ").replace(",", " ").replace(";", " ").split()[:40]
    )


def _cell_ip(cell: str) -> str | None:
    """The address of a cell that holds nothing else (a port or a prefix length of one host may stand behind it)."""
    cell = refang(cell.strip(" \t\"'`()<>*"))
    if not cell or not (cell[0].isdigit() or ":" in cell or cell[0] == "["):
        return None
    return normal_ip(cell.strip("[]")) or normal_ip(cell.partition("/32")[0]) or (_socket(cell) or (None, ""))[0]


def _socket(cell: str) -> tuple[str, str] | None:
    host, _, port = cell.rpartition(":")
    ip = normal_ip(host.strip("[]")) if port.isdigit() and (host.count(".") == 3 or host[:1] == "[") else None
    return (ip, port) if ip else None


def _is_rule(text: str) -> bool:
    return not any(c.isalnum() for c in text)


def _is_sentence(text: str) -> bool:
    """What is written below a table, rather than a row of it."""
    return text.rstrip().endswith((".", "!", "?", ":")) and sum(word.isalpha() for word in text.split()) >= 4


def _row(text: str, heading: Heading, zone: str | None, reference: datetime | None) -> LogLine | None:
    style, roles = heading
    cells = split(text.strip(), style)
    if "day" in roles:  # its times are in UTC by its definition
        zone = zone or "UTC"
    if style == " " and len(cells) == len(roles) + 1 and "time" in roles:  # a date and a clock under one name
        at = roles.index("time")
        cells = [*cells[:at], f"{cells[at]} {cells[at + 1]}", *cells[at + 2 :]]
    if len(cells) != len(roles):
        return None if _is_sentence(text) else _by_sockets(text, roles, zone, reference)
    fields: dict[str, str] = {}
    for role, cell in zip(roles, cells, strict=True):
        if role:
            fields.setdefault(role, cell.strip(" \"'`*"))
    return _line(fields, text, zone, reference)


def _by_sockets(text: str, roles: list[str], zone: str | None, reference: datetime | None) -> LogLine | None:
    """A row whose cells do not match one by one: its addresses stand in the heading's order, if there are as many."""
    ips = [word for word in text.replace("|", " ").replace(",", " ").replace(";", " ").split() if _cell_ip(word)]
    order = [role for role in roles if role in ("src", "dst")]
    return _line(dict(zip(order, ips, strict=True)), text, zone, reference) if len(ips) == len(order) else None


def _line(fields: dict[str, str], text: str, zone: str | None, reference: datetime | None) -> LogLine | None:
    src = _cell_ip(fields.get("src", ""))
    if src is None:
        return None
    dst = _cell_ip(fields.get("dst", ""))
    sport = (
        fields.get("sport")
        or fields.get("own port")
        or fields.get("psport", "").rpartition("/")[2]
        or (_socket(fields["src"]) or ("", ""))[1]
    )
    dport = fields.get("dport") or (_socket(fields.get("dst", "")) or ("", ""))[1]
    return LogLine(
        src,
        _number(sport),
        dst,
        _number(dport),
        _epoch(fields.get("time", ""))
        or time_of(
            refang(f"{fields['day']} {fields['clock']}" if "day" in fields and "clock" in fields else text), zone, reference
        ),
        "listing" if "own port" in fields else "table",
        fields.get("proto", "").lower() or None,
        bool(_ALLOWED.search(text)),
    )


def _epoch(text: str) -> Moment | None:
    text = text.strip()
    return read_time(text) if text.replace(".", "", 1).isdigit() and 10 <= len(text.partition(".")[0]) <= 13 else None


def _pair(text: str, zone: str | None, reference: datetime | None) -> LogLine | None:
    """``TIME … A:54001 B:445``: the ephemeral port is who came; without a time, or where both could be, nothing is said."""
    match = _PAIR.search(text)
    if match is None:
        return None
    sport, dport = _number(match["sport"]), _number(match["dport"])
    src, dst = normal_ip(match["src"].strip("[]")), normal_ip(match["dst"].strip("[]"))
    moment = time_of(text, zone, reference)
    if not (src and dst and sport and dport and moment is not None and sport > 1_023 and dport < sport):
        return None
    return LogLine(src, sport, dst, dport, moment, "pair")


def _number(text: str) -> int | None:
    text = text.partition("/")[0].strip()
    return int(text) if text.isdecimal() and 0 < int(text) < 65_536 else None


def _object(lines: list[Line], index: int) -> tuple[list[LogLine], int]:
    """The records of a JSON object written over several lines, and the index behind it."""
    first = lines[index].text.lstrip("> ")
    if not (first.startswith("{") or _OPENS.match(first)):
        return [], index + 1
    depth, text = 0, ""
    for at in range(index, min(len(lines), index + MAX_OBJECT)):
        piece = lines[at].text.lstrip("> ")
        text += piece + "\n"
        depth += piece.count("{") - piece.count("}")
        if depth <= 0:
            return _from_object(text[text.find("{") :]), at + 1
    return [], index + 1


def _from_object(text: str) -> list[LogLine]:
    try:
        value = json.loads(text.rstrip().rstrip(","))
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    whole = from_fields({str(key): one for key, one in _flat(value, 0)})
    return [whole] if whole is not None else [entry for record in _records(value) if (entry := from_fields(record)) is not None]


def _records(value: dict) -> Iterator[dict[str, str]]:
    """The rows of a list inside an object (``evidence``, ``events``): there a bare ``ip`` is the reported one where a time stands beside it."""
    for one in value.values():
        for item in one[:MAX_ROWS] if isinstance(one, list) else ():
            fields = {str(key).lower(): scalar for key, scalar in _flat(item, 0)} if isinstance(item, dict) else {}
            address = next((fields[key] for key in ("ip", "ip_address", "address", "ipv4", "ipv6") if key in fields), None)
            if address and any(NAMED.get(key) == "time" for key in fields) and "src" not in fields:
                fields = {"src": address, "sport": fields.get("port", ""), "proto": fields.get("proto", "tcp")} | fields
            if fields:
                yield fields


def _flat(value: dict, depth: int) -> Iterator[tuple[str, str]]:
    """The scalars of an object, those inside as ``source.ip`` and ``ip``-like names joined by dots."""
    for key, one in value.items():
        if isinstance(one, dict) and depth < 3:
            yield from ((f"{key}.{inner}", scalar) for inner, scalar in _flat(one, depth + 1))
        elif isinstance(one, str | int | float):
            yield str(key), str(one)[:200]
