"""The arithmetic of the record: what is hashed, how seals hang together, and what is wrong with a series of them. Pure.

An entry's digest is SHA-256 over its canonical JSON: keys sorted, no spaces, UTF-8 as it is (not escaped). A seal's
``chained`` is SHA-256 over five lines of ASCII, each ended by a line feed: number, entry id, time of sealing, digest and the
``chained`` of the seal before. docs/verify_audit.py does the same without us.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: What the first seal hangs on.
GENESIS = hashlib.sha256(b"tipstaff-audit-chain-1").hexdigest()
FIELDS = ("id", "at", "actor", "action", "subject", "reason", "detail")


def written(moment: datetime) -> str:
    """A moment as it is hashed: UTC, six decimals, ``2026-01-31T08:00:00.000000Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def content(*, id: int, at: datetime, actor: str, action: str, subject: str, reason: str, detail: Any) -> dict[str, Any]:
    """An entry as it is hashed and exported."""
    return {
        "id": id, "at": written(at), "actor": actor, "action": action, "subject": subject, "reason": reason, "detail": detail,
    }  # fmt: skip


def canonical(entry: Mapping[str, Any]) -> bytes:
    """The bytes that an entry's digest covers."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def digest_of(entry: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical entry, in hexadecimal."""
    return hashlib.sha256(canonical(entry)).hexdigest()


def chained(*, number: int, entry_id: int, sealed_at: str, digest: str, previous: str) -> str:
    """What the next seal hangs on, in hexadecimal."""
    return hashlib.sha256(f"{number}\n{entry_id}\n{sealed_at}\n{digest}\n{previous}\n".encode("ascii", "replace")).hexdigest()


@dataclass(frozen=True)
class Link:
    """One seal as stored, with its entry as stored; no entry where there is none any more."""

    number: int
    entry_id: int
    sealed_at: str
    digest: str
    previous: str
    chained: str
    entry: Mapping[str, Any] | None


@dataclass(frozen=True)
class Head:
    """The end of the chain at some moment: what an anchor keeps elsewhere."""

    number: int
    chained: str


START = Head(0, GENESIS)


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was sealed: at which number, which entry, and what."""

    number: int
    entry_id: int | None
    kind: str  # changed, missing, gap, order, seal, cut, rewritten
    what: str


@dataclass
class Examined:
    """What a walk along the chain found."""

    head: Head = START
    count: int = 0
    faults: list[Fault] = field(default_factory=list)


def link(entries: Iterable[Mapping[str, Any]], after: Head, sealed_at: datetime) -> Iterator[Link]:
    """Seals for these entries, in this order, hanging on ``after``."""
    moment, number, previous = written(sealed_at), after.number, after.chained
    for entry in entries:
        number += 1
        digest = digest_of(entry)
        end = chained(number=number, entry_id=entry["id"], sealed_at=moment, digest=digest, previous=previous)
        yield Link(number, entry["id"], moment, digest, previous, end, entry)
        previous = end


def examine(links: Iterable[Link], anchors: Iterable[Head] = (), after: Head = START) -> Examined:
    """Walk along the chain, in the order of numbers, and beside heads that were kept elsewhere.

    After a fault it goes on from what is stored, so that one change is told once, where it is.
    """
    kept: dict[int, set[str]] = {}
    for anchor in anchors:
        kept.setdefault(anchor.number, set()).add(anchor.chained)
    found = Examined(head=after)
    for one in links:
        found.faults += _faults(one, found.head)
        if other := kept.pop(one.number, set()) - {one.chained}:
            text = f"an anchor kept elsewhere says {sorted(other)[0][:16]}…, the chain {one.chained[:16]}…"
            found.faults.append(Fault(one.number, one.entry_id, "rewritten", text))
        found.head = Head(one.number, one.chained)
        found.count += 1
    for number in sorted(number for number in kept if number > found.head.number):
        text = f"an anchor kept elsewhere has number {number}; the chain ends at {found.head.number}"
        found.faults.append(Fault(number, None, "cut", text))
    return found


def _faults(one: Link, before: Head) -> Iterator[Fault]:
    due = before.number + 1
    if one.number > due:
        yield Fault(due, None, "gap", f"of {due} to {one.number - 1} there is no seal")
    elif one.number < due:
        yield Fault(one.number, one.entry_id, "order", f"number {one.number} stands where {due} is due")
    elif one.previous != before.chained:
        yield Fault(one.number, one.entry_id, "order", "does not hang on the seal before it")
    end = chained(
        number=one.number, entry_id=one.entry_id, sealed_at=one.sealed_at, digest=one.digest, previous=one.previous
    )  # fmt: skip
    if end != one.chained:
        yield Fault(one.number, one.entry_id, "seal", "the seal itself was changed: its sum is not that of its parts")
    if one.entry is None:
        yield Fault(one.number, one.entry_id, "missing", f"entry {one.entry_id} is sealed and no longer there")
    elif one.entry["id"] != one.entry_id or digest_of(one.entry) != one.digest:
        yield Fault(one.number, one.entry_id, "changed", f"entry {one.entry_id} is not what was sealed")
