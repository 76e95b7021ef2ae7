"""A throwaway database that is there at once: a migrated cluster is kept beside the state, and copied for each use.

The copy is of files that no server has open, so it is a cluster like any other (PostgreSQL manual, 25.2). The kept one is
named by a digest of PostgreSQL's version and of every migration: another version of the product makes another.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tipstaff
from tipstaff.kernel.errors import TipstaffError
from tipstaff.project import environment
from tipstaff.project.postgres import MAJOR, Cluster

KEPT = "rehearsal"  # the folder beside the state in which the prepared cluster is kept


@contextmanager
def throwaway(kept: Path) -> Iterator[Cluster]:
    """A started, migrated cluster in a directory of its own that is gone afterwards; this process's state points to it.

    ``kept``: where the prepared one is, or is made. Nothing is synced to disk: what is rehearsed needs not survive.
    """
    state = Path(tempfile.mkdtemp(prefix="tipstaff-rehearsal-"))
    state.chmod(0o711)
    environment.choose_state(str(state))
    cluster = Cluster(state, durable=False)
    try:
        _copy(_prepared(kept), state)
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(state, ignore_errors=True)


def _prepared(kept: Path) -> Path:
    """The prepared cluster's state, made by the first who needs it; older ones are removed."""
    kept.mkdir(parents=True, exist_ok=True)
    kept.chmod(0o711)
    wanted = kept / digest()
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (wanted / "ready").exists():
            for old in kept.iterdir():
                if old.is_dir():
                    shutil.rmtree(old, ignore_errors=True)
            _make(wanted)
            (wanted / "ready").touch()
    return wanted


def _make(state: Path) -> None:
    state.mkdir(mode=0o711)
    cluster = Cluster(state, durable=False)
    cluster.start()
    try:
        command = [sys.executable, "-m", "tipstaff.project.cli", "--state", str(state), "db", "migrate"]
        made = subprocess.run(command, capture_output=True, text=True, check=False, env=environment.for_children())
        if made.returncode:
            raise TipstaffError(f"the throwaway database cannot be made: {made.stderr.strip()[-500:]}")
    finally:
        cluster.stop()


def _copy(source: Path, into: Path) -> None:
    """The database's files with their owners; nothing else of the state."""
    if program := shutil.which("cp"):  # two thousand files, a tenth of the time
        into.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([program, "-a", str(source / "postgres"), str(into / "postgres")], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["cp failed"])[-1]
            raise TipstaffError(f"the prepared database cannot be copied to {into}: {reason}")
        return
    shutil.copytree(source / "postgres", into / "postgres", symlinks=True)
    if os.geteuid() == 0:
        for path in (source / "postgres", *(source / "postgres").rglob("*")):
            found = path.lstat()
            os.chown(into / path.relative_to(source), found.st_uid, found.st_gid, follow_symlinks=False)


def digest() -> str:
    """Changes with PostgreSQL's major version and with any migration."""
    found = hashlib.blake2b(str(MAJOR).encode(), digest_size=10)
    root = Path(tipstaff.__path__[0])
    for path in sorted(root.rglob("migrations/*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
