"""Files, folders, mailboxes on disk and standard input as submissions; and the drop folder.

A mail, a feed, an archive is one submission each; an mbox and a maildir are one for each mail in them. What identifies a
file is its path, its time of change and its bytes: received twice, it is one submission.
"""

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from tipstaff.intake.reading.open import begins_mail, looks_like_mail
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.spool import Accepted, Spool, accepted
from tipstaff.kernel.errors import InputError, Problem

SOURCE = "files"
MAX_FILE = 512_000_000  # bytes of one submission
MAX_MAIL = 64_000_000  # bytes of one mail in an mbox
MOST, MOST_BYTES = 200, 64 << 20  # submissions and bytes that are made durable together
RENAMED = 5  # times that a mail of a maildir is looked for again
UNFINISHED = (".part", ".tmp", ".new", ".filepart", ".crdownload", ".swp")
MAILDIR = ("cur", "new", "tmp")
_FROM_LINE = pattern(rb"^From [^\r\n]{1,200}\d{2}:\d{2}(?::\d{2})?[^\r\n]{1,60}\r?\n?$")


class NoRoom(InputError):
    """The spool cannot be written; whatever was to be received stays where it is."""


@dataclass(frozen=True)
class Found:
    """One submission found in a file: its bytes, its name for a person, and what identifies it."""

    content: bytes
    filename: str
    ref: str


@dataclass(frozen=True)
class Taken:
    """A file and the submissions made of it; or why none was."""

    path: str
    items: tuple[Accepted, ...] = ()
    problem: Problem | None = None


def files_under(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named and those below folders, in order; hidden and unfinished ones are left out. A maildir is one path."""
    for path in paths:
        if path.is_dir() and not is_maildir(path):
            inner = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
            yield from files_under(entry for entry in inner if entry.is_dir() or not entry.name.endswith(UNFINISHED))
        else:
            yield path


def is_maildir(path: Path) -> bool:
    return all((path / name).is_dir() for name in MAILDIR)


def found_in(path: Path) -> Iterator[Found]:
    """The submissions in a file or a maildir. Raises InputError naming the file that cannot be read."""
    try:
        if path.is_dir():
            yield from _maildir(path)
        else:
            yield from _file(path)
    except (OSError, EOFError, zlib.error) as error:
        advice = "check that it exists, is a whole file and may be read by this account"
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(Problem(str(path), f"cannot be read: {reason}", advice)) from error


def _maildir(path: Path) -> Iterator[Found]:
    """Readers of mail move mails from ``new`` to ``cur`` and rename them meanwhile: what is before the colon of a name stays."""
    seen: set[str] = set()
    for folder in ("new", "cur"):  # nothing moves from cur to new: what leaves new before its turn is found in cur
        for mail in sorted((path / folder).iterdir()):
            unique = mail.name.partition(":")[0]
            if unique in seen or mail.name.startswith(".") or mail.is_dir():
                continue
            seen.add(unique)
            if (content := _moved(path, unique, mail)) is not None:
                yield Found(content, unique, f"{path.resolve()}/{unique}")


def _moved(maildir: Path, unique: str, mail: Path) -> bytes | None:
    """The bytes of a mail, also when it was renamed since it was listed; None when it is gone for good."""
    for _ in range(RENAMED):
        try:
            return _whole(mail)
        except FileNotFoundError:
            here = (each for folder in ("new", "cur") for each in (maildir / folder).iterdir())
            found = next((each for each in here if each.name.partition(":")[0] == unique), None)
            if found is None:
                return None
            mail = found
    raise OSError(f"{unique} is renamed again and again")


def _file(path: Path) -> Iterator[Found]:
    state, where = path.stat(), str(path.resolve())
    if opened := _mbox(path):
        with opened:
            for number, mail in enumerate(split_mbox(opened), 1):
                yield Found(mail, f"{path.name}#{number}", f"{where}#{number}@{_digest(mail)}")
    elif path.is_file():
        content = _whole(path)
        yield Found(content, path.name, f"{where}@{state.st_mtime_ns}:{_digest(content)}")
    else:
        raise OSError("is neither a file nor a folder")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _whole(path: Path) -> bytes:
    if path.stat().st_size > MAX_FILE:
        advice = "split it: each part should be a whole file of its kind"
        raise InputError(Problem(str(path), f"is larger than {MAX_FILE} bytes", advice))
    return path.read_bytes()


def _mbox(path: Path) -> BinaryIO | None:
    """The file opened as an mbox (RFC 4155), packed with gzip or not; None where it is none."""
    with path.open("rb") as raw:
        packed = raw.read(3) == b"\x1f\x8b\x08"
    stream: BinaryIO = gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[assignment]  # noqa: SIM115 - the caller closes it
    try:
        if _is_mbox(stream):
            stream.seek(0)
            return stream
    except (OSError, EOFError, zlib.error):
        if not packed:
            stream.close()
            raise
    stream.close()
    return None


def _is_mbox(stream: BinaryIO) -> bool:
    return bool(_FROM_LINE.match(stream.readline(400))) and looks_like_mail(stream.read(4000))


def split_mbox(stream: BinaryIO) -> Iterator[bytes]:
    """The mails of an mbox: each begins with a ``From `` line after an empty one and before a header. ``>From `` stays as it was
    written."""
    mail: list[bytes] = []
    size, blank, inside, after = 0, True, False, b""
    while line := after or stream.readline(1 << 20):
        after = b""
        if blank and line.startswith(b"From ") and _FROM_LINE.match(line) and begins_mail(after := stream.readline(1 << 20)):
            if inside:
                yield _mail(mail)
            mail, size, inside, blank = [], 0, True, False
            continue
        blank = line in (b"\n", b"\r\n")
        size += len(line)
        if size > MAX_MAIL:
            advice = "take this mail out of the mbox"
            raise InputError(Problem("mbox", f"holds a mail of more than {MAX_MAIL} bytes", advice))
        mail.append(line)
    if inside:
        yield _mail(mail)


def _mail(lines: list[bytes]) -> bytes:
    if lines and lines[-1] in (b"\n", b"\r\n"):
        lines.pop()  # the empty line belongs to the mbox
    return b"".join(lines)


def receive(paths: Iterable[Path], spool: Spool, *, source: str = SOURCE, now: datetime) -> Iterator[Taken]:
    """Put every file into the spool, telling for each what was made of it. One that cannot be read costs no other.

    Raises NoRoom when the spool takes nothing more.
    """
    for path in paths:
        items: list[Accepted] = []
        problem = None
        try:
            items.extend(put_all(found_in(path), spool, source=source, now=now))
        except NoRoom:
            raise
        except InputError as error:
            problem = error.problems[0]
        yield Taken(str(path), tuple(items), problem)


def put_all(found: Iterable[Found], spool: Spool, *, source: str, now: datetime) -> Iterator[Accepted]:
    """Accept what was found, in groups that are made durable together."""
    group: list[Accepted] = []
    size = 0
    for one in found:
        group.append(accepted(source=source, kind=SOURCE, content=one.content, now=now, ref=one.ref, filename=one.filename))
        size += len(one.content)
        if len(group) >= MOST or size >= MOST_BYTES:
            yield from _put(group, spool)
            group, size = [], 0
    yield from _put(group, spool)


def _put(group: Sequence[Accepted], spool: Spool) -> Sequence[Accepted]:
    if group:
        try:
            spool.put(group)
        except OSError as error:
            advice = "make room on its disk, then receive the same files again: nothing is taken twice"
            raise NoRoom(Problem(str(spool.directory), f"the spool cannot be written: {error.strerror}", advice)) from error
    return group


def receive_stream(stream: BinaryIO, spool: Spool, *, filename: str, now: datetime, source: str = SOURCE) -> Taken:
    """Standard input as a submission; an mbox as its mails."""
    content = stream.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        return Taken("-", problem=Problem("standard input", f"is longer than {MAX_FILE} bytes", "send it as a file, in parts"))
    named = [(content, filename)]
    if _is_mbox(io.BytesIO(content)):
        named = [(mail, f"{filename}#{number}") for number, mail in enumerate(split_mbox(io.BytesIO(content)), 1)]
    items = [accepted(source=source, kind=SOURCE, content=mail, now=now, filename=name) for mail, name in named]
    _put(items, spool)
    return Taken("-", tuple(items))


def sweep_folder(folder: Path, spool: Spool, *, source: str, settled_before: datetime, now: datetime) -> list[Taken]:
    """Take what lies in a drop folder: each file goes to ``done/`` once the spool has it on disk, or to ``failed/``.

    Only files that have not changed since ``settled_before``: younger ones may still be written. Links are left alone.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        advice = "create it, and let this account read it and write to it"
        raise InputError(Problem(str(folder), f"cannot be read: {error.strerror}", advice)) from error
    taken = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name.endswith(UNFINISHED) or not entry.is_file(follow_symlinks=False):
            continue
        if entry.stat(follow_symlinks=False).st_mtime <= settled_before.timestamp():
            one = next(receive([Path(entry.path)], spool, source=source, now=now))
            _put_away(Path(entry.path), "failed" if one.problem else "done", spool)
            taken.append(one)
    return taken


def _put_away(path: Path, where: str, spool: Spool) -> None:
    """Move a file below its folder; a name that is taken there gets a number."""
    folder = path.parent / where
    try:
        folder.mkdir(exist_ok=True)
        target, number = folder / path.name, 1
        while target.exists():
            number += 1
            target = folder / f"{number}-{path.name}"
        path.rename(target)
    except OSError as error:
        raise InputError(
            Problem(str(folder), f"cannot take {path.name}: {error.strerror}", "let this account write there")
        ) from error
