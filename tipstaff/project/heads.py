"""The end of the record's chain, carried in each backup, so that a restore can say what of the record is missing.

A head is read before the database is dumped: whatever the dump holds, it holds this far. The heads that the sealer keeps in
the state directory go into the backup as well, and those that lie there already when one restores stay: they may be newer
than the backup, and are what shows that later entries are gone.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from tipstaff.audit import anchors, chain
from tipstaff.audit.chain import Head

NAME = anchors.NAME
MOST = 20  # heads of which it is said one by one that they are missing


def of(address: str) -> Head:
    """The end of the chain in the database at ``address``; number 0 where nothing was sealed yet."""
    with psycopg.connect(address) as connection:
        if connection.execute("SELECT to_regclass('audit_seal')").fetchone() == (None,):
            return chain.START
        row = connection.execute("SELECT number, encode(chained, 'hex') FROM audit_seal ORDER BY number DESC LIMIT 1").fetchone()
    return Head(*row) if row else chain.START


def told(head: Head) -> dict[str, Any]:
    """A head as a manifest holds it."""
    return {"number": head.number, "chained": head.chained}


def gathered(state: Path, head: Head, now: datetime) -> str:
    """The heads kept in the state directory so far and this one, a line of JSON each."""
    kept = _text(state / NAME)
    return kept + (anchors.line_of(head, now) + "\n" if head.number else "")


def merge(state: Path, brought: str) -> None:
    """Put the heads of a backup before those that lie in the state directory already."""
    here = _text(state / NAME)
    known = set(here.splitlines())
    lines = [line for line in brought.splitlines() if line not in known] + here.splitlines()
    if lines:
        (state / NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _text(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return text if not text or text.endswith("\n") else text + "\n"


def missing(address: str, manifest: dict[str, Any], state: Path) -> list[str]:
    """What the restored database lacks of the heads in its manifest and in the state directory, a sentence each; none is well."""
    kept: dict[int, set[str]] = {}
    when: dict[int, str] = {}
    for line in _text(state / NAME).splitlines():
        for head, at in _heads(line):
            kept.setdefault(head.number, set()).add(head.chained)
            when[head.number] = at
    if (stated := manifest.get("record")) and stated["number"]:
        kept.setdefault(int(stated["number"]), set()).add(str(stated["chained"]))
    with psycopg.connect(address) as connection:
        query = "SELECT number, encode(chained, 'hex') FROM audit_seal WHERE number = ANY(%s)"
        there: dict[int, str] = dict(connection.execute(query, [list(kept)]).fetchall())
    end = of(address).number
    gone = sorted(number for number in kept if number not in there)
    faults = [_gone(number, end, when.get(number, "")) for number in gone[-MOST:]]
    other = sorted(number for number, sums in kept.items() if number in there and sums != {there[number]})
    return faults + [f"number {number} of the record is not what was kept of it: it was written anew" for number in other[:MOST]]


def _heads(line: str) -> list[tuple[Head, str]]:
    try:
        found = json.loads(line)
        return [(Head(int(found["number"]), str(found["chained"])), str(found.get("at", "")))]
    except (ValueError, KeyError, TypeError):
        return []  # a torn line


def _gone(number: int, end: int, at: str) -> str:
    since = f", kept at {at}," if at else ""
    if number > end:
        return f"head {number}{since} is not there: the record ends at {end}, its {number - end} entries after that are missing"
    return f"head {number}{since} is not there: the record has a hole"
