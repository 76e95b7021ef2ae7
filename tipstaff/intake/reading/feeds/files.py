"""The files of rows inside a message: separated values or JSON, attached, unpacked or bare, each with its place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading.feeds.mapping import Mapping, guess_mapping
from tipstaff.intake.reading.feeds.separated import DELIMITERS, MOST_COLUMNS, Head, Rows, normal_header, read_head, read_rows
from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.intake.reading.open import json_documents
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.repeated_keys import Repeating, may_repeat, with_repeats
from tipstaff.intake.reading.walk import every_part
from tipstaff.kernel.errors import ParseError

TABLE_TYPES = (
    "text/csv",
    "text/tab-separated-values",
    "application/csv",
    "application/vnd.ms-excel",
    "text/comma-separated-values",
)
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".log")
MOST_LETTER = 1_000_000  # characters of a letter that are looked at for tables
MOST_INLINE = 20  # tables in one letter
MOST_TRIED = 500  # lines of a letter that are looked at as a header
_ADDRESS_WORD = pattern(
    r"(?i)(?:^|[^a-z])(?:ip|ipv[46]|addr\w*|adres\w*|src\w*|source\w*|attacker|offender|client|remote|host)(?:[^a-z]|$)"
)
GAP = 3  # empty lines that may stand between the rows of a table in a letter
_KEPT = "table_files"
MOST_KEYS = 60  # of the first object: looked for a second time in the text
MOST_DEPTH = 4  # nested JSON objects that become dotted columns


@dataclass(frozen=True)
class TableFile:
    """One file of rows. ``name`` is its file name as far as one is stated, ``where`` its place for a person."""

    name: str | None
    where: str
    header: tuple[str, ...]
    head: Head | None = None
    frame: pl.DataFrame | None = None

    def rows(self, columns: Iterable[str]) -> Rows:
        """The rows of these columns, or of all where the rows are few."""
        if self.head is not None:
            return read_rows(self.head, columns)
        assert self.frame is not None
        return Rows(self.frame, pl.int_range(1, len(self.frame) + 1, dtype=pl.Int32, eager=True))


def table_files(message: Message) -> list[TableFile]:
    """The files of rows in the message, in reading order; ParseError where one that says it is a table cannot be read.

    Every parser of feeds asks, so the answer is kept on the message.
    """
    known = message.__dict__.get(_KEPT)
    if known is None:
        try:
            known = _find_tables(message)
        except ParseError as error:
            known = error
        message.__dict__[_KEPT] = known
    if isinstance(known, ParseError):
        raise known
    return known


def _find_tables(message: Message) -> list[TableFile]:
    if message.kind != "mail":
        parts: Iterable[Part] = message.parts or [
            Part("application/octet-stream", message.raw, message.where or "1", message.hints.filename)
        ]
    else:
        parts = [part for part in every_part(message) if _may_be_table(part)]
    found = [table for part in parts if (table := _table(part, message)) is not None]
    return found if found or message.kind != "mail" else inline_tables(message.letter)


def inline_tables(letter: str, mapping: Mapping | None = None) -> list[TableFile]:
    """Tables written into a letter: a line of well-known column names, and lines with as many values below it.

    With a mapping the line names its columns of the accused and of the time.
    """
    if mapping is None and not _ADDRESS_WORD.search(letter[:MOST_LETTER]):
        return []
    lines = letter[:MOST_LETTER].split("\n")
    found: list[TableFile] = []
    at = tried = 0
    while at < len(lines) and len(found) < MOST_INLINE and tried < MOST_TRIED:
        likely = _may_name_columns(lines[at], mapping)
        tried += likely
        delimiter = _names_columns(lines[at], mapping) if likely else None
        rows, at = _rows_below(lines, at, delimiter) if delimiter else ([], at)
        head = read_head("\n".join(rows).encode()) if rows else None
        if head is not None:
            found.append(TableFile(None, f"letter, line {at - len(rows) + 2}", head.header, head))
        at += 1
    return found


def _may_name_columns(line: str, mapping: Mapping | None) -> bool:
    """A line of a few words between delimiters, one of which can mean an address."""
    separated = "," in line or ";" in line or "\t" in line or "|" in line  # DELIMITERS
    return separated and 3 <= len(line) <= 4_000 and (mapping is not None or (len(line) >= 6 and bool(_ADDRESS_WORD.search(line))))


def _names_columns(line: str, mapping: Mapping | None) -> str | None:
    """The delimiter of a line that names an address column and a time column, else None."""
    for delimiter in DELIMITERS:
        if 1 <= line.count(delimiter) <= 100:
            header = normal_header(line.rpartition("ormat:")[2].split(delimiter))
            if mapping is not None:
                if mapping.fits(header) and {*mapping.layout.time} <= {*header}:
                    return delimiter
                continue
            guess = guess_mapping(header)
            if guess and guess.layout.ip and guess.layout.time:
                return delimiter
    return None


def columns_of_addresses(letter: str) -> list[dict[str, set[str]]]:
    """For each table of a letter whose header says nothing that is known: its columns that hold addresses, with those.

    A header is a line without an address whose next line has as many values, one of them an address.
    """
    lines, found, at = letter[:MOST_LETTER].split("\n"), list[dict[str, set[str]]](), 0
    while at < len(lines) - 1 and len(found) < MOST_INLINE:
        delimiter = _heads_addresses(lines[at], lines[at + 1])
        rows, last = _rows_below(lines, at, delimiter) if delimiter else ([], at)
        if rows and delimiter:
            found.append(_addresses_by_column(rows, delimiter))
        at = last + 1
    return found


def _heads_addresses(line: str, below: str) -> str | None:
    for delimiter in DELIMITERS:
        width = line.count(delimiter)
        if 1 <= width <= 100 and below.count(delimiter) == width and len(line) <= 4_000:
            is_row = any(normal_ip(cell.strip()) for cell in below.split(delimiter))
            return delimiter if is_row and not any(normal_ip(cell.strip()) for cell in line.split(delimiter)) else None
    return None


def _addresses_by_column(rows: list[str], delimiter: str) -> dict[str, set[str]]:
    header = normal_header(rows[0].split(delimiter))
    found: dict[str, set[str]] = {}
    for row in rows[1:]:
        for name, cell in zip(header, row.split(delimiter), strict=False):
            if address := normal_ip(cell.strip()):
                found.setdefault(name, set()).add(address)
    return found


def _rows_below(lines: list[str], at: int, delimiter: str) -> tuple[list[str], int]:
    """The header with the rows below it (empty lines between are passed over), and the line where they end."""
    width = lines[at].count(delimiter)
    rows, last = [lines[at].rpartition("ormat:")[2]], at
    for number in range(at + 1, len(lines)):
        if lines[number].count(delimiter) >= width:
            rows.append(lines[number])
            last = number
        elif lines[number].strip() or (number - last > GAP):
            break
    return (rows, last) if len(rows) > 1 else ([], at)


def _may_be_table(part: Part) -> bool:
    name = (part.filename or "").lower()
    if part.content_type in TABLE_TYPES or (
        name.endswith(TABLE_ENDINGS) and (part.attachment or part.content_type != "text/plain")
    ):
        return True
    return part.attachment and part.content_type in ("text/plain", "application/octet-stream", "application/json")


def _table(part: Part, message: Message) -> TableFile | None:
    name = part.filename or (message.hints.filename if message.kind != "mail" else None)
    where = part.filename or part.where
    start = part.content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"{", b"["):
        frame = json_frame(part.content, where)
        return None if frame is None else TableFile(name, where, tuple(frame.columns), frame=frame)
    if start in (b"<", b"", b"-") or b"%PDF" in part.content[:8]:
        return None
    try:
        head = read_head(part.content, part.charset)
    except ParseError as error:
        raise ParseError(f"{where}, {error.problem.where}", error.problem.what, error.problem.advice) from None
    return None if head is None else TableFile(name, where, head.header, head)


def json_frame(content: bytes, where: str) -> pl.DataFrame | None:
    """Columns of text from a list of objects, objects a line, or a list inside one object; None where there are none."""
    try:
        documents = json_documents(content)
    except (ValueError, RecursionError):
        raise ParseError(where, "the JSON cannot be read", "check that the file is whole") from None
    rows: list[dict[str, str]] = []
    names: dict[str, None] = {}
    records = _records(documents)
    _refuse_repeats(content, records, where)
    for record in records:
        row = _flat(record) if len(record) <= MOST_COLUMNS else {}
        names.update(dict.fromkeys(row))
        if len(record) > MOST_COLUMNS or len(names) > MOST_COLUMNS:
            what = f"the objects have more than {MOST_COLUMNS} different keys"
            raise ParseError(where, what, "check that this is the right file")
        rows.append(row)
    if not names:
        return None
    columns = {plain: [row.get(name, "") for row in rows] for name, plain in zip(names, normal_header(names), strict=True)}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _refuse_repeats(content: bytes, records: list[dict[str, Any]], where: str) -> None:
    """ParseError where an object has a key twice: which of two addresses is accused, nobody can say."""
    keys = [key.encode() for key in list(records[0])[:MOST_KEYS] if key.isascii()] if records else []
    if not may_repeat(content, keys, len(records)):
        return
    twice = next((one.twice[0] for one in json_documents(content, with_repeats) if isinstance(one, Repeating)), None)
    if twice is not None:
        advice = "write each key once: nobody can say which of the two is meant"
        raise ParseError(where, f"{twice[:100]!r} stands twice in one object", advice)


def _records(documents: list[Any]) -> list[dict[str, Any]]:
    if len(documents) == 1 and isinstance(documents[0], dict):
        inner = [value for value in documents[0].values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        if len(inner) == 1:
            return [one for one in inner[0] if isinstance(one, dict)]
    return [one for one in documents if isinstance(one, dict)]


def _flat(record: dict[str, Any]) -> dict[str, str]:
    return dict(_leaves(record, "", 0))


def _leaves(record: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        if isinstance(value, dict) and depth < MOST_DEPTH:
            yield from _leaves(value, f"{prefix}{key}.", depth + 1)
        else:
            yield prefix + key, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.replace("\0", " ")
    return str(value) if isinstance(value, int | float) else orjson.dumps(value).decode()
