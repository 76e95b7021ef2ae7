"""Heads of the chain kept outside the database: what shows that its end was cut off, or all of it written anew."""

import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings

from tipstaff.audit import chain
from tipstaff.audit.chain import Head
from tipstaff.kernel.errors import InputError, Problem

NAME = "audit-heads.jsonl"


def default_path() -> Path:
    """The file in the state directory to which the sealer adds a head each hour."""
    return Path(settings.STATE) / NAME


def line_of(head: Head, now: datetime) -> str:
    """One head as one line of JSON: its moment, number and sum."""
    return json.dumps({"at": chain.written(now), "number": head.number, "chained": head.chained})


def keep(head: Head, *, now: datetime, path: Path | None = None) -> None:
    """Add a head to the file and sync it; nothing where nothing is sealed yet."""
    if head.number == 0:
        return
    path = path or default_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        torn = handle.tell() and handle.seek(-1, os.SEEK_END) >= 0 and handle.read(1) != b"\n"  # killed while writing
        handle.write((b"\n" if torn else b"") + line_of(head, now).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def read(paths: Iterable[Path]) -> Iterator[Head]:
    """The heads in these files, each a line of JSON; a file may also be an export's manifest. A torn line is passed over."""
    for path in paths:
        for line in _lines(path):
            head = line.get("head", line)
            if isinstance(head, dict) and isinstance(head.get("number"), int) and isinstance(head.get("chained"), str):
                yield Head(head["number"], head["chained"])


def _lines(path: Path) -> Iterator[dict[str, object]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be read: {error.strerror}", "name a file of heads or a manifest")) from error
    for part in [text] if text.lstrip().startswith("{\n") else text.splitlines():
        try:
            found = json.loads(part)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
