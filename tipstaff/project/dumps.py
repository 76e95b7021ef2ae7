"""Writing a database to a file and reading it back, with PostgreSQL's own programs."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psycopg

from tipstaff.kernel.errors import Refused, TipstaffError
from tipstaff.kernel.progress import Progress, unseen
from tipstaff.project import connections, environment, roles
from tipstaff.project.postgres import MAJOR, Cluster, wheel_binaries
from tipstaff.project.state import lock_state

PREAMBLE = 8192  # bytes at the start of a dump within which its settings stand
PIECE = 1 << 20  # bytes
LOOK = 0.05  # seconds between looks at a dump that is being written
TOO_NEW = b"SET transaction_timeout = 0;\n"  # PostgreSQL 15 and 16 do not know it


def program(name: str) -> str:
    """pg_dump, pg_restore or psql: the wheel's, which reads every server from 15 to its own version, else the system's."""
    try:
        return str(wheel_binaries(MAJOR) / name)
    except TipstaffError:
        if found := shutil.which(name):
            return found
        raise


def dump(address: str, file: Path, progress: Progress = unseen) -> None:
    """Write the database at ``address`` (the owner's URL), as of one moment, to ``file`` in PostgreSQL's custom format."""
    command = [program("pg_dump"), "--format=custom", "--no-owner", f"--file={file}", f"--dbname={address}"]
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said) as writer:
        while writer.poll() is None:
            progress("Writing the database, bytes", file.stat().st_size if file.exists() else 0)
            time.sleep(LOOK)
        if writer.returncode:
            said.seek(0)
            raise TipstaffError(f"pg_dump failed: {said.read().decode('utf-8', 'replace').strip()}")


def load(address: str, file: Path, app: str = connections.APP, progress: Progress = unseen) -> None:
    """Read ``file`` into the empty database at ``address`` (the owner's URL), all or nothing, and set ``app``'s rights."""
    with psycopg.connect(address) as connection:
        if tables := count_tables(connection):
            raise Refused(f"the database already holds {tables} tables: restore into an empty state or database")
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [connections.APP]).fetchone()
    _replay(address, file, [] if known else ["--no-acl"], progress)
    progress("Counting its rows", 0)
    with psycopg.connect(address) as connection:
        roles.grant(connection, app=app)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _replay(address: str, file: Path, rights: list[str], progress: Progress) -> None:
    """Run the dump as one transaction of SQL. Not by pg_restore itself: that speaks to no older server than its own."""
    script = [program("pg_restore"), "--no-owner", *rights, "--file=-", str(file)]
    run = [program("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={address}"]
    with tempfile.TemporaryFile() as said, subprocess.Popen(script, stdout=subprocess.PIPE, stderr=said) as reader:
        with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as writer:
            assert reader.stdout is not None and writer.stdin is not None
            try:
                writer.stdin.write(b"BEGIN;\n" + reader.stdout.read(PREAMBLE).replace(TOO_NEW, b""))
                _copy(reader.stdout, writer.stdin, progress)
                if reader.wait() == 0:  # a script that breaks off would be committed by its end otherwise
                    writer.stdin.write(b"COMMIT;\n")
            except BrokenPipeError:
                reader.kill()  # psql stopped at an error, which it has told
            finally:
                with suppress(BrokenPipeError):
                    writer.stdin.close()
        if reader.wait() or writer.wait():
            said.seek(0)
            raise TipstaffError(f"the dump cannot be restored: {said.read().decode('utf-8', 'replace').strip()[-2000:]}")


def _copy(source: IO[bytes], into: IO[bytes], progress: Progress) -> None:
    copied = 0
    while piece := source.read(PIECE):
        into.write(piece)
        copied += len(piece)
        progress("Reading the database, bytes", copied)


def count_tables(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')"
    ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def owners_database(state: Path, *, must_be_stopped: bool = False) -> Iterator[str]:
    """The owner's URL of a database that runs: an external one, the running instance's, or one started for the block.

    With ``must_be_stopped`` a running instance is refused, and nobody can start one during the block.
    """
    lock = None
    try:
        lock = lock_state(state)
    except Refused:
        if must_be_stopped:
            raise
    try:
        if lock is None or connections.is_external():
            yield connections.owner_url()
            return
        cluster = Cluster(state)
        cluster.start()
        try:
            yield cluster.url(connections.OWNER)
        finally:
            cluster.stop()
    finally:
        if lock is not None:
            lock.release()


def application_role() -> str:
    """The role that ``DATABASE_URL`` names, or the embedded database's."""
    external = environment.get("database_url")
    return str(connections.parts(external)["user"]) if external else connections.APP
