"""Spreadsheets as rows of text: what encoding, which delimiter, on which line a row begins. Pure."""

import csv
from collections import Counter
from collections.abc import Iterator
from typing import Any

DELIMITERS = ",;\t|"
csv.field_size_limit(1 << 20)


def decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return content.decode("utf-16", "replace")
        return content.decode("cp1252", "replace")


def delimiter(text: str) -> str:
    """The sign that the heading has most of, outside quotes."""
    heading = "".join(part for place, part in enumerate(text.lstrip().partition("\n")[0].split('"')) if place % 2 == 0)
    counts = Counter(sign for sign in heading if sign in DELIMITERS)
    return counts.most_common(1)[0][0] if counts else ","


def numbered(lines: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold anything, each with the line on which it begins."""
    before = 0
    for row in lines:
        if any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#"):
            yield before + 1, row
        before = lines.line_num
