"""Carrying an embedded database over to the PostgreSQL major version that this Tipstaff runs."""

from dataclasses import dataclass
from pathlib import Path

from tipstaff.kernel.errors import InputError, Problem
from tipstaff.kernel.progress import Progress, unseen
from tipstaff.project import connections, dumps
from tipstaff.project.postgres import MAJOR, Cluster, wheel_binaries
from tipstaff.project.state import lock_state


@dataclass(frozen=True)
class Upgraded:
    """From which version to which, and where the old files are kept."""

    before: int
    after: int
    kept: Path


def upgrade(state: Path, progress: Progress = unseen) -> Upgraded | None:
    """Dump with the old server, restore with the new one, keep the old files aside; None when there is nothing to do.

    A failure puts the old files back. Raises InputError when the old version's programs are not in the installed wheel.
    """
    version = state / "postgres" / "PG_VERSION"
    if not version.exists():
        raise InputError(Problem(str(state), "holds no embedded database", "name the state directory with --state"))
    before = int(version.read_text())
    if before == MAJOR:
        return None
    _old_programs(state, before)
    lock = lock_state(state)
    try:
        return _carry_over(state, before, progress)
    finally:
        lock.release()


def _old_programs(state: Path, before: int) -> None:
    try:
        wheel_binaries(before)
    except InputError as error:
        advice = "run `tipstaff backup` with the older Tipstaff, then `tipstaff restore` with this one into an empty state"
        raise InputError(Problem(str(state), f"PostgreSQL {before} is no longer part of Tipstaff", advice)) from error


def _carry_over(state: Path, before: int, progress: Progress) -> Upgraded:
    dumped, kept = state / "upgrade.dump", state / f"postgres-{before}-kept"
    if kept.exists():
        raise InputError(Problem(str(kept), "is left from an earlier upgrade", "move it away first"))
    try:
        old = Cluster(state, major=before)
        old.start()
        try:
            dumps.dump(old.url(connections.OWNER), dumped, progress)
        finally:
            old.stop()
        old.files.rename(kept)
        try:
            _fill_new(state, dumped, progress)
        except BaseException:
            _put_back(old.files, kept)
            raise
    finally:
        dumped.unlink(missing_ok=True)
    return Upgraded(before, MAJOR, kept)


def _fill_new(state: Path, dumped: Path, progress: Progress) -> None:
    new = Cluster(state)
    new.start()
    try:
        dumps.load(new.url(connections.OWNER), dumped, progress=progress)
    finally:
        new.stop()


def _put_back(files: Path, kept: Path) -> None:
    if files.exists():
        files.rename(files.with_name("postgres-failed"))
    kept.rename(files)
