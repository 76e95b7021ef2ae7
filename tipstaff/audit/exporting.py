"""The record as files that a court can check without us: lines of JSON, a manifest, and the script that checks them."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tipstaff.audit import chain
from tipstaff.audit.chain import START, Head, Link
from tipstaff.audit.models import Seal
from tipstaff.audit.reading import LAST, links
from tipstaff.kernel.errors import InputError, Problem

LINES, MANIFEST, SCRIPT = "audit.jsonl", "manifest.json", "verify_audit.py"
_SCRIPT = Path(__file__).with_name(SCRIPT)


@dataclass(frozen=True)
class Exported:
    """How many entries were written, and the end of the chain in the file."""

    count: int
    head: Head


def export(directory: Path, *, now: datetime, first: int = 1, last: int = LAST) -> Exported:
    """Write the seals ``first`` to ``last`` with their entries into a new or empty directory. Raises InputError."""
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise InputError(Problem(str(directory), "is not empty", "name a new directory"))
    after = _before(first)
    head, count, total = after, 0, hashlib.sha256()
    with (directory / LINES).open("wb") as handle:
        for one in links(first - 1, last):
            line = chain.canonical(_as_json(one)) + b"\n"
            total.update(line)
            handle.write(line)
            head, count = Head(one.number, one.chained), count + 1
    manifest = {
        "format": "tipstaff audit export 1", "made_at": chain.written(now), "file": LINES, "sha256": total.hexdigest(),
        "count": count, "after": vars(after), "head": vars(head), "how": "python3 verify_audit.py . ; docs/audit.md",
    }  # fmt: skip
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    (directory / SCRIPT).write_bytes(_SCRIPT.read_bytes())
    return Exported(count, head)


def _before(first: int) -> Head:
    if first <= 1:
        return START
    row = Seal.objects.filter(number=first - 1).values_list("number", "chained").first()
    if row is None:
        raise InputError(Problem("--from", f"there is no number {first - 1} before it", "begin at 1, or within the chain"))
    return Head(row[0], bytes(row[1]).hex())


def _as_json(one: Link) -> dict[str, Any]:
    return {
        "number": one.number, "entry_id": one.entry_id, "sealed_at": one.sealed_at, "digest": one.digest,
        "previous": one.previous, "chained": one.chained, "entry": one.entry,
    }  # fmt: skip
