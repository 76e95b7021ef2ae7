"""The spool: what was accepted lies here, fsynced, until the database has it. Works while the database is away.

One file each, ``ID.msg``: a line of JSON (the envelope), then the bytes as received. A file appears whole or not at all.
"""

import errno
import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
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
PASSING = (errno.EIO, errno.EACCES)  # a disk that stumbles, an owner who is wrong: the file may be whole and is tried again
AGAIN = 60.0  # seconds until then
AHEAD = 10_000  # names that one look at the directory remembers: a long queue is not looked through again for every batch


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

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the content: asked for by the evidence, and by who reads it."""
        return hashlib.sha256(self.content).digest()


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


def _bytes_of(place: str, room: int | None) -> bytes | None:
    """All bytes of a file; None where they are more than ``room``."""
    with open(place, "rb", buffering=0) as handle:  # noqa: PTH123 - half of what a Path costs, for every mail
        if room is not None and os.fstat(handle.fileno()).st_size > room:
            return None
        return handle.read()


class Spool:
    """A directory of accepted submissions. ``put`` returns when they are on the disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ahead: list[str] = []  # names still to be taken, the next one last
        self._later: dict[str, float] = {}  # names that could not be read, and when they are tried again
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
        for name in self._names()[:most]:
            path = self.directory / name
            try:
                size += path.stat().st_size
            except FileNotFoundError:
                continue  # another worker took it
            if chosen and size > most_bytes:
                break
            chosen.append(path)
        return chosen

    def _names(self) -> list[str]:
        with os.scandir(self.directory) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(SUFFIX))

    def read(self, paths: Sequence[Path]) -> Iterator[Accepted]:
        for path in paths:
            with suppress(FileNotFoundError):
                item = self._opened(path.name, path.read_bytes())
                if item is not None:
                    yield item

    def take(self, *, most: int, most_bytes: int) -> list[Accepted]:
        """What waits, as ``waiting`` and ``read`` give it, for the one who takes it away with ``done``.

        What came since the last look at the directory comes after what that look saw; what cannot be read now, AGAIN seconds later.
        """
        if taken := self._next(most, most_bytes):
            return taken
        moment = time.monotonic()
        self._later = {name: at for name, at in self._later.items() if at > moment}
        self._ahead = [name for name in self._names() if name not in self._later][:AHEAD][::-1]
        return self._next(most, most_bytes)

    def _next(self, most: int, most_bytes: int) -> list[Accepted]:
        taken: list[Accepted] = []
        put_off: list[str] = []
        place, size = str(self.directory), 0
        while self._ahead and len(taken) < most:
            try:
                raw = _bytes_of(f"{place}/{self._ahead[-1]}", most_bytes - size if taken else None)
                if raw is None:
                    break
                size += len(raw)
                if (item := self._opened(self._ahead[-1], raw)) is not None:
                    taken.append(item)
            except FileNotFoundError:
                pass  # another worker took it
            except IsADirectoryError:
                self._set_aside(self._ahead[-1])
            except OSError as error:
                if error.errno not in PASSING:
                    raise
                put_off.append(self._ahead[-1])
            self._ahead.pop()
        if put_off:
            self._later |= dict.fromkeys(put_off, time.monotonic() + AGAIN)
            log.error("%d spool files cannot be read now, %s among them; they are tried again", len(put_off), put_off[0])
        return taken

    def _opened(self, name: str, raw: bytes) -> Accepted | None:
        """What a file holds; None where nobody can read it, and then it is set aside."""
        head, _, content = raw.partition(b"\n")
        try:
            return _item(head, content)
        except (ValueError, TypeError, KeyError, AttributeError):
            self._set_aside(name)
            return None

    def _set_aside(self, name: str) -> None:
        """One file that nobody can read keeps no other from being taken; one that went to another worker is nobody's loss."""
        path = self.directory / name
        with suppress(FileNotFoundError):
            path.replace(path.with_suffix(BROKEN))
            log.error("spool file %s cannot be read; it is set aside as %s", name, BROKEN, exc_info=True)

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
