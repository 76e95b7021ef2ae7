# ruff: noqa: SIM905 - patterns and lists of words read better whole
"""Tables in letters: which column of addresses is the source's, which the target's, and where the ports stand."""

import re
from bisect import bisect_left, bisect_right

from tipstaff.intake.reading.indicators import find_addresses
from tipstaff.intake.reading.phrases import Hit
from tipstaff.intake.reading.roles import READ_ZONES, ROLES
from tipstaff.intake.reading.sections import Line

#: Words that head columns; a line of such words is a heading.
_COLUMN_NAMES = frozenset(
    (
        "#|url|urls|uri|link|domain|domains|threat|threats|status|tag|tags|malware|brand|volume|subject|sample|target|victim|reporter|aantal|addr|addr:port|address|anzahl|as|asn|attempts|bytes|cc|cet|count|country|czas|data|date|date/heure|"
        "datum|destination|dport|dpt|dst|dstport|duration|events|fecha|first|flags|flows|gmt|heure|hits|hora|"
        "horodatage|host|hostname|id|ip|ips|last|liczba|name|no|nombre|nr|ora|packets|pkts|poort|port|porta|porte|"
        "ports|proto|protocol|protokoll|puerto|puertos|quell-ip|quellport|reason|seen|service|source|sport|spt|src|"
        "srcport|tijd|tijdstip|time|timestamp|tos|type|uhrzeit|user|utc|zeit|zeitstempel|ziel-ip|zielport|время|дата|"
        "количество|порт|ポート|件数|日時|日期|时间|時刻|次数|端口"
    ).split("|")
)
#: Headings of the accused side's port.
SOURCE_PORTS = frozenset(
    (
        "bronpoort|port source|port źródłowy|porta de origem|porta origine|porta sorgente|puerto de origen|"
        "puerto origen|quell-port|quellport|source port|source_port|sourceport|sport|spt|src port|src_port|srcport|"
        "порт источника|源端口|送信元ポート"
    ).split("|")
)
#: Headings of a port that do not say whose.
PLAIN_PORTS = frozenset(("infringer port|ip port|poort|port|porta|ports|puerto|порт|ポート|端口").split("|"))


_WORD = re.compile(r"\S+")
_END = (".", ":", "!", "?")


def columns_of(lines: list[Line], cues: list[Hit]) -> dict[int, list[tuple]]:
    """For each line of a table, by number: its heading's cells as (start, end, role, strength, words, style).

    ``style`` is the mark between cells, or ``columns``, where start and end count characters, else cells.
    """
    tables: dict[int, list] = {}
    heading: list | None = None
    style = ""
    naming = sorted((hit for hit in cues if hit.value.kind.endswith("_before")), key=lambda hit: hit.start)
    headed = {line.number for line in _lines_with(naming, lines)}
    for line in lines:
        if heading is None and line.number not in headed:
            continue
        if not line.text.strip() or line.zone not in READ_ZONES:
            if line.text.strip() or (heading is not None and tables and line.number - 1 in tables):
                heading = None
            continue
        if heading is not None and any(c.isdigit() for c in line.text) and find_addresses(line.text[:400]):
            if style != "columns" and line.text.count(style) < 1:
                heading = None
                continue
            tables[line.number] = heading
            continue
        roles = _heading(line, naming)
        if roles is not None:
            heading, style = roles
        elif line.text.strip(" |+-=\t"):
            heading = None
    return tables


def _lines_with(hits: list[Hit], lines: list[Line]) -> list[Line]:
    """The lines in which ``hits`` begin."""
    return [lines[max(0, bisect_right(lines, hit.start, key=lambda line: line.start) - 1)] for hit in hits] if lines else []


def _heading(line: Line, naming: list[Hit]):
    """``naming``: cues of the kinds ``…_before``, by their start. A line that holds none of them names no column of addresses."""
    text = line.text
    at = bisect_left(naming, line.start, key=lambda hit: hit.start)
    if len(text) > 300 or at == len(naming) or naming[at].start > line.end or text.rstrip().endswith(_END):
        return None
    inside = []
    while at < len(naming) and naming[at].start <= line.end:
        inside += [naming[at]] if naming[at].end <= line.end else []
        at += 1
    if not inside or find_addresses(text):
        return None
    style = next((mark for mark in ("|", "\t", ";", ",") if mark in text), "columns")
    cells = (
        _cells(text, style)
        if style != "columns"
        else _named_cells(text, [(hit.start - line.start, hit.end - line.start) for hit in inside])
    )
    if len(cells) < 2 or (style == "columns" and not _is_heading(text, cells, inside, line.start)):
        return None
    named = []
    for number, (start, end) in enumerate(cells):
        words = text[start:end].strip()
        own = [hit for hit in inside if line.start + start <= hit.start and hit.end <= line.start + end]
        best = max(own, key=lambda hit: (hit.end - hit.start, hit.value.strength), default=None)
        covers = best is not None and (best.end - best.start) >= 0.5 * len(words)
        named.append(
            (
                number if style != "columns" else start,
                number if style != "columns" else end,
                ROLES[best.value.kind] if covers and best else None,
                best.value.strength if covers and best else 0,
                words,
                style,
            )
        )
    return (named, style) if any(cell[2] for cell in named) else None


def _is_heading(text: str, cells: list[tuple[int, int]], inside: list[Hit], start: int) -> bool:
    """Whether a line of words is the heading of a table and no sentence that was wrapped."""
    covered = {(hit.start - start, hit.end - start) for hit in inside}
    known = sum((cell in covered) or text[cell[0] : cell[1]].lower().strip("()[]:.,") in _COLUMN_NAMES for cell in cells)
    return known >= 0.75 * len(cells)


def _named_cells(text: str, names: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The words of a heading whose columns are set by blanks; words that make up a known name belong together."""
    cells: list[tuple[int, int]] = []
    for start, end in _spaced_cells(text):
        whole = next(((first, last) for first, last in names if first <= start and end <= last), (start, end))
        if not cells or whole != cells[-1]:
            cells.append(whole)
    return cells


def _cells(text: str, style: str) -> list[tuple[int, int]]:
    cells, start = [], 0
    for piece in text.split(style):
        cells.append((start, start + len(piece)))
        start += len(piece) + 1
    return cells


def _spaced_cells(text: str) -> list[tuple[int, int]]:
    """The words of a line as (start, end)."""
    return [match.span() for match in _WORD.finditer(text)]


def cell_of(line: Line, start: int, end: int, columns):
    """The heading's cell above ``line.text[start:end]``, or None where the line is in no table or under no cell."""
    heading = columns.get(line.number)
    if heading is None:
        return None
    if heading[0][5] != "columns":
        index = line.text[:start].count(heading[0][5])
        return next((cell for cell in heading if cell[0] == index), None)
    over = [(min(end, cell[1]) - max(start, cell[0]), cell) for cell in heading]
    best = max(over, key=lambda pair: pair[0])
    return best[1] if best[0] > -3 else None


def port_in_row(line: Line, heading, names: frozenset[str]) -> int | None:
    """The number in the table's column of that name, on this row."""
    column = next((cell for cell in heading if cell[4].lower().strip() in names), None)
    if column is None:
        return None
    text, style = line.text, column[5]
    if style != "columns":
        pieces = text.split(style)
        value = pieces[column[0]].strip(" \"'") if column[0] < len(pieces) else ""
    else:
        value = next(
            (
                text[start:end]
                for start, end in _spaced_cells(text)
                if start < column[1] and end > column[0] and text[start:end].isdigit()
            ),
            "",
        )
    return port_number(value[:6])


def port_number(text: str) -> int | None:
    """1 to 65535, or None."""
    return int(text) if text.isdecimal() and 0 < int(text) < 65_536 else None
