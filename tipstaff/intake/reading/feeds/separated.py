"""Separated values as machines really write them: delimiter told by the header, bad rows told apart and never shifted.

RFC 4180 is the ground; feeds add a byte-order mark, semicolons, comments, NULs, stray quotes and cut lines.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from tipstaff.intake.reading.charsets import decode, plain_ends
from tipstaff.kernel.errors import ParseError

DELIMITERS = ",;\t|"
LONGEST_HEADER = 256 * 1024  # bytes of the first line
MOST_COLUMNS = 2_000
LONGEST_RECORD = 1024 * 1024  # characters of one record; longer ones are listed as bad
MOST_MISFITS = 20_000  # rows that do not fit, after which a file with more of them than of others is given up
MOST_LINES = 200  # lines that one quoted value may span
FEW = 500  # rows up to which every column of every row is kept
_BLOCK = 512 * 1024  # bytes looked at together
_NAME = re.compile(r"[^a-z0-9.]+")
_NEWLINES = re.compile(rb"\n+")
_TELLS_DELIMITER = re.compile(r"(?i)\ufeff?\"?sep=.\"?[,;\t ]*$")  # what Excel writes above a table
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Head:
    """What the first lines say: column names in their normal form, the delimiter, and where the rows begin."""

    header: tuple[str, ...]
    delimiter: str
    text: bytes = field(repr=False)  # UTF-8 or nearly, newlines as \n
    start: int = 0  # where the first row begins in ``text``

    @property
    def few(self) -> bool:
        """Few enough rows to keep every column."""
        return len(self.text) - self.start <= 4_000_000 and self.text.count(b"\n", self.start) <= FEW


@dataclass(slots=True)
class Rows:
    """Columns of text (empty where nothing stands), the number of each row counted from 1, and what was wrong."""

    frame: pl.DataFrame
    numbers: pl.Series  # Int32
    problems: list[tuple[int, str]] = field(default_factory=list)  # (row, what)
    refused: int = 0  # rows left out of the frame; each is among the problems


def normal_name(name: str) -> str:
    """A column name in lower case with single underscores: ``Source IP`` → ``source_ip``."""
    return _NAME.sub("_", name.strip().strip("\ufeff\"'#").strip().lower()).strip("_")


def normal_header(names: Iterable[str]) -> tuple[str, ...]:
    """Normal column names, each one once: a second ``ip`` becomes ``ip_2``, a nameless column ``column_7``."""
    seen: dict[str, int] = {}
    header = []
    for number, name in enumerate(names, 1):
        plain = normal_name(name) or f"column_{number}"
        seen[plain] = seen.get(plain, 0) + 1
        header.append(plain if seen[plain] == 1 else f"{plain}_{seen[plain]}")
    return tuple(header)


def read_head(content: bytes, charset: str | None = None) -> Head | None:
    """The head of separated values, or None where the first lines are nothing of the kind.

    Raises ParseError where a first line is too long or names too many columns to be one.
    """
    text = _plain_bytes(content, charset)
    line, start = _header_line(text)
    if line is None:
        return None
    delimiter = max(DELIMITERS, key=lambda mark: _outside(line, mark))
    if not _outside(line, delimiter):
        return None
    if _outside(line, delimiter) >= MOST_COLUMNS:
        raise ParseError("line 1", f"the header names more than {MOST_COLUMNS} columns", "check that this is the right file")
    names = next(csv.reader([line], delimiter=delimiter))
    while names and not names[-1].strip():  # a delimiter at the end of the header line
        names.pop()
    return Head(normal_header(names), delimiter, text, start)


def _plain_bytes(content: bytes, charset: str | None) -> bytes:
    if content.startswith(_UTF16) or (len(content) <= 1_000_000 and not content.isascii()):
        content = decode(content, charset).encode("utf-8", "replace")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content:  # every second byte: UTF-16 without its mark; a few: torn values, which must not grow together
        content = content.replace(b"\0", b"" if content.count(b"\0") * 3 > len(content) else b" ")
    content = plain_ends(content)
    return content.replace(b"\r", b"\n") if b"\r" in content else content


def _header_line(text: bytes) -> tuple[str | None, int]:
    """The header line and where the next one starts; comment lines before it are passed over."""
    start, commented = 0, None
    while start < min(len(text), LONGEST_HEADER):
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        if end - start > LONGEST_HEADER:
            raise ParseError("line 1", f"the first line is longer than {LONGEST_HEADER} bytes", "check that this is the right file")
        line = text[start:end].decode("utf-8", "replace")
        following = min(end + 1, len(text))
        if line.startswith("#"):
            commented = (line.lstrip("# "), following)
        elif line.strip() and not _TELLS_DELIMITER.match(line):
            return commented if commented and _is_header_of(commented[0], line) else (line, following)
        start = following
    return None, 0


def _is_header_of(comment: str, line: str) -> bool:
    """Whether a comment line right above the first row names that row's columns."""
    return any(_outside(comment, mark) and _outside(comment, mark) == _outside(line, mark) for mark in DELIMITERS)


def _outside(line: str, mark: str) -> int:
    """How often ``mark`` stands outside quotes."""
    return line.count(mark) if '"' not in line else sum(piece.count(mark) for piece in line.split('"')[::2])


def read_rows(head: Head, columns: Iterable[str]) -> Rows:
    """The rows of ``columns`` (all columns where the rows are few); rows that do not fit the header are told, not shifted."""
    columns, few = set(columns), head.few
    wanted = [name for name in head.header if few or name in columns]
    runs = [(False, head.start, len(head.text))] if few or not wanted else _runs(head)
    found = [_run(head, wanted, *run) for run in runs]
    if len(found) == 1:
        return found[0][0]
    whole, before = Rows(pl.DataFrame(schema=dict.fromkeys(wanted, pl.String)), pl.Series(dtype=pl.Int32)), 0
    for rows, records in found:
        whole.problems += [(number + before, what) for number, what in rows.problems]
        whole.refused += rows.refused
        whole.numbers.append(rows.numbers + before)
        before += records
    whole.frame = pl.concat([whole.frame, *(rows.frame for rows, _ in found)])
    return whole


def _runs(head: Head) -> list[tuple[bool, int, int]]:
    """The rows cut into runs that are plain to read and runs to be read with care, each ending at a newline."""
    runs: list[tuple[bool, int, int]] = []
    start, text = head.start, head.text
    while start < len(text):
        end = text.rfind(b"\n", start, start + _BLOCK) + 1 or text.find(b"\n", start) + 1 or len(text)
        plain = _is_aligned(np.frombuffer(text, np.uint8, end - start, start), ord(head.delimiter), len(head.header))
        if runs and runs[-1][0] == plain:
            runs[-1] = (plain, runs[-1][1], end)
        else:
            runs.append((plain, start, end))
        start = end
    return runs


def _run(head: Head, wanted: list[str], plain: bool, start: int, end: int) -> tuple[Rows, int]:
    """The rows of one run and how many records it holds."""
    frame = _fast(head, wanted, head.text[start:end]) if plain else None
    if frame is not None:
        return Rows(frame, pl.int_range(1, len(frame) + 1, dtype=pl.Int32, eager=True)), len(frame)
    return _carefully(head, wanted, start, end)


def _is_aligned(letters: np.ndarray, delimiter: int, width: int) -> bool:
    """Whether every line is one record of exactly ``width`` fields, no newline standing inside quotes."""
    marks = letters[(letters == 10) | (letters == delimiter) | (letters == 34)]
    quotes = marks == 34
    outside = marks[(np.bitwise_xor.accumulate(quotes.view(np.uint8)) == 0) & ~quotes]
    newlines = int(np.count_nonzero(outside == 10))
    last = bool(len(letters)) and letters[-1] != 10  # the file's last line may lack its newline
    if (newlines + last) * width != len(outside) + last or newlines != int(np.count_nonzero(letters == 10)):
        return False
    return bool((outside[width - 1 :: width] == 10).all()) and bool(letters[0] != 10)


def _fast(head: Head, wanted: list[str], text: bytes) -> pl.DataFrame | None:
    try:
        frame = pl.read_csv(
            text, has_header=False, new_columns=list(head.header), columns=[head.header.index(name) for name in wanted],
            separator=head.delimiter, infer_schema=False, encoding="utf8-lossy", empty_string_is_null=False,
        )  # fmt: skip
    except (pl.exceptions.PolarsError, ValueError):
        return None
    frame.columns = wanted
    return frame.fill_null("")


def _carefully(head: Head, wanted: list[str], start: int, end: int) -> tuple[Rows, int]:
    """Record by record: slower, and it goes on after a broken one."""
    width, places = len(head.header), [head.header.index(name) for name in wanted]
    kept: list[list[str]] = []
    rows = Rows(pl.DataFrame(), pl.Series(dtype=pl.Int32))
    numbers: list[int] = []
    number = 0
    for number, record in enumerate(_records(head, start, end), 1):
        if len(rows.problems) > max(MOST_MISFITS, len(numbers) // 2):
            rows.problems.append((number, "and what follows was not read: too few rows fit the header"))
            break
        if isinstance(record, str):
            rows.problems.append((number, record))
            continue
        if len(record) > width and any(value.strip() for value in record[width:]):
            rows.problems.append((number, f"has {len(record)} fields where the header names {width}"))
            continue
        if len(record) < width:
            rows.problems.append(
                (number, f"has {len(record)} fields where the header names {width}; what is missing counts as empty")
            )
            record += [""] * (width - len(record))
        kept.append([record[place].strip() for place in places])
        numbers.append(number)
    rows.refused = sum("counts as empty" not in what for _, what in rows.problems)
    rows.frame = pl.DataFrame(kept, schema=dict.fromkeys(wanted, pl.String), orient="row")
    rows.numbers = pl.Series(numbers, dtype=pl.Int32)
    return rows, number


def _records(head: Head, start: int, end: int) -> Iterator[list[str] | str]:
    """Each record's fields, or in words why a line is none."""
    lines = _lines(head.text, start, end)
    waiting: list[str] = []
    while True:
        line = waiting.pop() if waiting else next(lines, None)
        if line is None:
            return
        if not line.strip():
            continue
        if len(line) > LONGEST_RECORD:
            yield f"is longer than {LONGEST_RECORD} characters"
        elif '"' not in line:
            yield line.split(head.delimiter)
        else:
            yield _quoted_record(line, lines, waiting, head.delimiter)


def _quoted_record(line: str, lines: Iterator[str], waiting: list[str], delimiter: str) -> list[str] | str:
    """The fields of a record that may go on over further lines; those that turn out to be others' wait their turn."""
    taken, size = [line], len(line)
    while True:
        try:
            return next(csv.reader(["\n".join(taken)], delimiter=delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end" not in str(error):
                break
        following = (waiting.pop() if waiting else next(lines, None)) if len(taken) < MOST_LINES else None
        if following is None:
            break
        taken.append(following)
        size += len(following)
        if size > LONGEST_RECORD // 8:
            break
    waiting += reversed(taken[1:])
    if len(taken) > 1 or _is_open(line, delimiter):
        return "opens a quotation mark and never closes it"
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except (csv.Error, StopIteration):
        return "cannot be split into fields"


def _is_open(line: str, delimiter: str) -> bool:
    """Whether a quoted value begins in the line and does not end in it."""
    try:
        next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _lines(text: bytes, start: int, end: int) -> Iterator[str]:
    """The lines; empty ones that follow one another as one, of as many newlines as stand between them."""
    while start < end:
        if text[start] == 10:
            behind = min(end, _NEWLINES.match(text, start).end())  # type: ignore[union-attr]
            yield "\n" * (behind - start - 1)  # a quoted value may hold them
            start = behind
            continue
        newline = text.find(b"\n", start, end)
        newline = end if newline < 0 else newline
        yield text[start:newline].decode("utf-8", "replace")
        start = newline + 1
