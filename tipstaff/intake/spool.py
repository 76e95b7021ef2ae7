"""The spool: what was accepted lies here, fsynced, until the database has it. Works while the database is away.

One file each, ``ID.msg``: a line of JSON (the envelope), then the bytes as received. A file appears whole or not at all.
"""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from tipstaff.evidence.stores import sync_directory
from tipstaff.kernel.ids import derived_id, new_id
from tipstaff.kernel.text import storable, storable_document

log = logging.getLogger(__name__)
SUFFIX = ".msg"
BROKEN = ".broken"
LONGEST_REFERENCE = 500


@dataclass(frozen=True)
class Accepted:
    """One accepted submission. ``source_ref`` is unique within the source; the id follows from both, so that the same
    acceptance seen twice (a mailbox read again, a request sent again) is one submission."""

    id: UUID
    source: str
    kind: str  # kind of the source: smtp, imap, files, api, pull, form
    source_ref: str
    received_at: datetime
    content: bytes
    filename: str = ""
    envelope: dict[str, Any] = field(default_factory=dict)


def accepted(
    *, source: str, kind: str, content: bytes, now: datetime, ref: str = "", filename: str = "", **envelope: Any
) -> Accepted:
    """An acceptance: with ``ref`` the id is derived from (source, ref), without it every call is a new submission."""
    number = derived_id(source, ref) if ref else new_id(now)
    return Accepted(
        number,
        storable(source),
        kind,
        reference(ref) if ref else str(number),
        now,
        content,
        storable(filename)[:1000],
        storable_document(envelope),
    )


def reference(ref: str) -> str:
    """``ref`` as a column with a unique index takes it: what is too long ends in its digest."""
    clean = storable(ref)
    return clean if clean == ref and len(ref) <= LONGEST_REFERENCE else f"{clean[:LONGEST_REFERENCE]}…{derived_id(ref)}"


def _item(head: bytes, content: bytes) -> Accepted:
    values = orjson.loads(head)
    values |= {"id": UUID(values["id"]), "received_at": datetime.fromisoformat(values["received_at"]), "content": content}
    return Accepted(**values)


class Spool:
    """A directory of accepted submissions. ``put`` returns when they are on the disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, items: Sequence[Accepted]) -> None:
        """Write all, then make the names durable with one fsync of the directory.

        On failure nothing stays that would be taken twice when it is sent again. What has a reference may stay: sent again it
        is the same submission, and its file may be one that somebody was told of before.
        """
        written: list[Path] = []
        try:
            for item in items:
                path = self._write(item)
                if item.source_ref == str(item.id):
                    written.append(path)
            sync_directory(self.directory)
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise

    def _write(self, item: Accepted) -> Path:
        path = self.directory / f"{item.id}{SUFFIX}"
        if path.exists():
            return path  # accepted before: what was said to be kept is not written over
        fresh = self.directory / f"{item.id}.{os.getpid()}.{threading.get_ident()}.new"
        head = asdict(item) | {"content": None}
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(orjson.dumps(head) + b"\n")
                handle.write(item.content)
                handle.flush()
                os.fdatasync(handle.fileno())
            fresh.rename(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        return path

    def waiting(self, *, most: int = 1000, most_bytes: int = 64 << 20) -> list[Path]:
        """Paths of accepted submissions, in the order of their names, at most so many and so large."""
        chosen: list[Path] = []
        size = 0
        with os.scandir(self.directory) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(SUFFIX))
        for name in names[:most]:
            path = self.directory / name
            try:
                size += path.stat().st_size
            except FileNotFoundError:
                continue  # another worker took it
            if chosen and size > most_bytes:
                break
            chosen.append(path)
        return chosen

    def read(self, paths: Sequence[Path]) -> Iterator[Accepted]:
        for path in paths:
            try:
                with path.open("rb", buffering=0) as handle:
                    head, _, content = handle.read().partition(b"\n")
            except FileNotFoundError:
                continue
            try:
                item = _item(head, content)
            except (ValueError, TypeError, KeyError):
                log.exception("spool file %s cannot be read; it is set aside as %s", path.name, BROKEN)
                path.replace(path.with_suffix(BROKEN))
                continue
            yield item

    def done(self, items: Sequence[Accepted]) -> None:
        """Forget what the database has committed."""
        place = str(self.directory)
        for item in items:
            with suppress(FileNotFoundError):
                os.unlink(f"{place}/{item.id}{SUFFIX}")  # noqa: PTH108 - a third of what a Path costs, for every mail

    def holds(self, number: UUID) -> bool:
        """Whether that submission waits here."""
        return (self.directory / f"{number}{SUFFIX}").exists()

    def count(self) -> int:
        with os.scandir(self.directory) as entries:
            return sum(entry.name.endswith(SUFFIX) for entry in entries)

    def is_empty(self) -> bool:
        """Whether nothing waits; looks no further than the first file."""
        with os.scandir(self.directory) as entries:
            return not any(entry.name.endswith(SUFFIX) for entry in entries)

    def clear_remains(self, *, older_than: datetime) -> int:
        """Remove half-written files of a killed acceptor; nobody was told that they were accepted."""
        gone = 0
        for path in self.directory.glob("*.new"):
            try:
                old = path.stat().st_mtime < older_than.timestamp()
            except FileNotFoundError:
                continue  # it was whole a moment later
            if old:
                path.unlink(missing_ok=True)
                gone += 1
        return gone
