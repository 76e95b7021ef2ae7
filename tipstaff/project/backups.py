"""One file that holds everything: the database, the evidence, the spool and the keys that open them.

The database is dumped as of one moment while the desk works on. Evidence packs never change once written, and are copied
both before and after the dump: a pack that the dump speaks of was there on one of the two occasions. The spool is copied
first: what it holds may be in the dump too, and is then recognised by its id. The end of the record's chain is in the
manifest, and the heads kept of it lie beside: what a restored record lacks of them is said.
"""

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import psycopg

from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.kernel.progress import Progress, unseen
from tipstaff.project import connections, dumps, environment, heads
from tipstaff.project.postgres import make_state

FORMAT = 1
ENDS = """SELECT pack, max("offset" + length) FROM evidence_blob WHERE wrapped_key IS NOT NULL AND stored_at <= %s GROUP BY pack"""
MANIFEST, DUMP, SUMS = "manifest.json", "database.dump", "sums.json"
TREES = ("evidence", "spool")
KEYS = ("secret.key", "evidence.key", "tipstaff.toml")


def write(file: Path, state: Path, *, now: datetime, keys: bool = True, progress: Progress = unseen) -> dict[str, Any]:
    """Write a backup of the instance in ``state`` to ``file``, which appears whole or not at all; its manifest, and under
    ``lacking`` the packs of evidence that the database speaks of and the store has not.

    Without ``keys`` the file tells nothing by itself: evidence stays encrypted, and a restore needs the keys beside it.
    """
    if file.exists():
        raise InputError(Problem(str(file), "already exists", "choose another name; a backup never replaces one"))
    if not connections.is_external() and not (state / "postgres").exists():
        raise InputError(Problem(str(state), "holds no database", "name the state directory with --state"))
    manifest = {
        "format": FORMAT, "tipstaff": version("tipstaff"), "made_at": now.isoformat(), "keys": keys,
        "evidence": environment.get("evidence_store") or "in this file",
    }  # fmt: skip
    partial = file.with_name(file.name + ".partial")
    with dumps.owners_database(state) as address, tempfile.TemporaryDirectory(dir=file.absolute().parent) as scratch:
        end = heads.of(address)
        manifest["record"] = heads.told(end)
        (Path(scratch) / heads.NAME).write_text(heads.gathered(state, end, now), encoding="utf-8")
        descriptor = _new_file(partial)
        try:
            with os.fdopen(descriptor, "wb") as out:
                sums = _write_all(out, state, address, Path(scratch) / DUMP, manifest, progress)
                out.flush()
                os.fsync(out.fileno())
            partial.rename(file)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        lacking = [] if environment.get("evidence_store") else _lacking(address, state, sums, now)
    return manifest | {"lacking": lacking}


def _lacking(address: str, state: Path, sums: Mapping[str, str], now: datetime) -> list[str]:
    """Packs of evidence that the database spoke of at ``now`` and the backup has not, or has not whole."""
    with psycopg.connect(address) as connection:
        ends = connection.execute(ENDS, [now]).fetchall()
    return sorted(pack for pack, end in ends if f"evidence/{pack}" not in sums or _is_short(state / "evidence" / pack, end))


def _is_short(pack: Path, end: int) -> bool:
    """Whether a pack ends before its last piece; one that expired since it was copied is not judged."""
    return pack.exists() and pack.stat().st_size < end


def _new_file(path: Path) -> int:
    """A descriptor of a file of our own that only we read: neither a link nor a file that somebody laid there is written to."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def _write_all(
    out: IO[bytes], state: Path, address: str, dumped: Path, manifest: dict[str, Any], progress: Progress
) -> dict[str, str]:
    """The sum of each member."""
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        scratch = dumped.with_name(MANIFEST)
        scratch.write_text(json.dumps(manifest))
        _add(archive, scratch, MANIFEST, sums)
        _add(archive, dumped.with_name(heads.NAME), heads.NAME, sums)
        for tree in reversed(TREES):  # the spool first
            _add_tree(archive, state, tree, sums, progress)
        dumps.dump(address, dumped, progress)
        _add(archive, dumped, DUMP, sums)
        _add_tree(archive, state, "evidence", sums, progress)
        for name in KEYS if manifest["keys"] else ():
            if (state / name).exists():
                _add(archive, state / name, name, sums)
        scratch.write_text(json.dumps(sums))
        _add(archive, scratch, SUMS, {})
    return sums


def _add_tree(archive: tarfile.TarFile, state: Path, tree: str, sums: dict[str, str], progress: Progress) -> None:
    paths = sorted((state / tree).rglob("*"))
    for number, path in enumerate(paths, 1):
        progress(f"Copying {tree}", number, len(paths))
        name = path.relative_to(state).as_posix()
        if name not in sums and not path.name.startswith(".") and path.suffix not in {".new", ".partial"} and path.is_file():
            try:
                _add(archive, path, name, sums)
            except FileNotFoundError:
                continue  # expired or handed on in this moment


def _add(archive: tarfile.TarFile, path: Path, name: str, sums: dict[str, str]) -> None:
    with path.open("rb") as handle:
        sums[name] = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0)
        archive.addfile(archive.gettarinfo(arcname=name, fileobj=handle), handle)


def read(file: Path, state: Path, progress: Progress = unseen) -> dict[str, Any]:
    """Restore ``file`` into the empty ``state`` (and the empty external database, if one is named); its manifest, and under
    ``missing`` what the restored record lacks of the heads that were kept of it.

    Every sum is checked before anything is written. Raises InputError for a damaged file, Refused where something is.
    """
    manifest = check(file, progress)
    make_state(state)
    if taken := [name for name in (*TREES, "evidence.key") if _holds_something(state / name)]:
        raise Refused(f"{state} already holds {', '.join(taken)}: restore into an empty state directory")
    with dumps.owners_database(state, must_be_stopped=True) as address, tempfile.TemporaryDirectory(dir=state) as scratch:
        _extract(file, Path(scratch), {DUMP, heads.NAME}, progress)
        brought = Path(scratch) / heads.NAME
        dumps.load(address, Path(scratch) / DUMP, dumps.application_role(), progress)
        _extract(file, state, {*TREES, *KEYS}, progress)
        if brought.exists():  # a backup of an older Tipstaff has none
            heads.merge(state, brought.read_text(encoding="utf-8"))
        manifest["missing"] = heads.missing(address, manifest, state)
    return manifest


def _extract(file: Path, into: Path, wanted: set[str], progress: Progress = unseen) -> None:
    """Write the members at or below the ``wanted`` names. Plain files inside ``into`` only, closed to others."""
    with tarfile.open(file) as archive:
        for member, handle in _members(archive, file, "Restoring", progress):
            parts = Path(member.name).parts
            if parts[0] not in wanted:
                continue
            path = into.joinpath(*parts)
            if path.exists() and parts[0] in KEYS:
                continue  # settings and keys that were put there for this instance on purpose
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                shutil.copyfileobj(handle, out)
                out.flush()
                os.fsync(out.fileno())


def _holds_something(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def check(file: Path, progress: Progress = unseen) -> dict[str, Any]:
    """The manifest of a backup whose every member has the sum written at its end."""
    try:
        found, sums, manifest = {}, None, None
        with tarfile.open(file) as archive:
            for member, handle in _members(archive, file, "Checking", progress):
                if member.name in found:
                    raise InputError(Problem(f"{file}: {member.name}", "is in it twice", "do not trust this file"))
                if member.name == SUMS:
                    sums = json.load(handle)
                    continue
                found[member.name] = hashlib.file_digest(handle, "sha256").hexdigest()
                if member.name == MANIFEST:
                    handle.seek(0)
                    manifest = json.load(handle)
    except (tarfile.TarError, ValueError, OSError) as error:
        raise InputError(Problem(str(file), f"cannot be read: {error}", "is it a file that `tipstaff backup` made?")) from error
    if not isinstance(sums, dict) or not isinstance(manifest, dict):
        raise InputError(Problem(str(file), "is incomplete: its end is missing", "use another backup"))
    if manifest.get("format") != FORMAT:
        raise InputError(Problem(f"{file}: {MANIFEST}", f"format {manifest.get('format')} is unknown", "use a newer Tipstaff"))
    if damaged := sorted(name for name in sums.keys() | found.keys() if sums.get(name) != found.get(name)):
        raise InputError([Problem(f"{file}: {name}", "is damaged", "use another backup") for name in damaged[:20]])
    return dict(manifest)


def _members(archive: tarfile.TarFile, file: Path, what: str, progress: Progress) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """Plain files below one place, which is all that a backup holds. Raises InputError for anything else."""
    whole = file.stat().st_size
    for member in archive:
        progress(what, member.offset, whole)
        parts = Path(member.name).parts
        if not member.isfile():
            raise InputError(Problem(f"{file}: {member.name}", "is no plain file", "do not trust this file"))
        if not parts or parts[0] == "/" or ".." in parts or member.name != "/".join(parts):
            raise InputError(Problem(f"{file}: {member.name}", "leads outside the state directory", "do not trust this file"))
        yield member, archive.extractfile(member)


def describe(manifest: dict[str, Any]) -> str:
    """A manifest in one line."""
    keys = "with its keys: guard it like the desk itself" if manifest["keys"] else "without its keys: keep those apart"
    where = "" if manifest["evidence"] == "in this file" else f"; evidence stays in {manifest['evidence']}"
    end = manifest.get("record")
    record = (
        "" if end is None else f"; the record sealed to {end['number']}" + (f" {end['chained'][:16]}…" if end["number"] else "")
    )
    return f"made {manifest['made_at']} by Tipstaff {manifest['tipstaff']}, {keys}{where}{record}"
