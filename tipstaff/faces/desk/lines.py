"""A pasted list: one address, host or URL a line, with a time where there is one. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import re2

MOST = 500
_TIME = re2.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)\s?(Z|UTC|[+-]\d{2}:?\d{2})?)?")


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says; ``problem`` when it says nothing we can use."""

    number: int
    text: str
    subject: str = ""
    address: str = ""
    at: datetime | None = None
    dated: bool = False
    problem: str = ""


def read(text: str) -> Iterator[Line]:
    """The lines that are not empty and no comment, at most 500."""
    for number, written in enumerate(text.splitlines()[:MOST], 1):
        line = written.strip()
        if line and not line.startswith("#"):
            yield _line(number, line[:500])


def _line(number: int, text: str) -> Line:
    moment, dated = _moment(text)
    words = _TIME.sub(" ", text).replace(",", " ").replace(";", " ").replace("[.]", ".").split()
    for word in words:
        subject = _subject(word)
        if subject:
            return Line(number, text, subject[0], subject[1], moment, dated)
    return Line(number, text, problem="there is no address, host or URL in it")


def _subject(word: str) -> tuple[str, str] | None:
    """(what it is about, its address or '')."""
    host = word
    if "://" in word:
        try:
            host = urlsplit(word.replace("hxxp", "http", 1)).hostname or ""
        except ValueError:
            return None
    host = host.strip("[]()<>\"'").rstrip(".")
    try:
        address = str(ip_address(host.partition("%")[0]))
        return address, address
    except ValueError:
        pass
    labels = host.lower().split(".")
    fits = len(labels) > 1 and all(label and label.replace("-", "").isalnum() for label in labels) and labels[-1].isalpha()
    return (host.lower(), "") if fits else None


def _moment(text: str) -> tuple[datetime | None, bool]:
    """(moment in UTC or None, whether a time of day is written)."""
    found = _TIME.search(text)
    if not found or not found.group(2):
        return None, bool(found)
    zone = found.group(3)
    if not zone:
        return None, True
    offset = "+00:00" if zone in {"Z", "UTC"} else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        return datetime.fromisoformat(f"{found.group(1)}T{found.group(2)}{offset}").astimezone(UTC), True
    except ValueError:
        return None, True
