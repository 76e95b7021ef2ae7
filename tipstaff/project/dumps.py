"""Writing a database to a file and reading it back, with PostgreSQL's own programs."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tipstaff.kernel.errors import Refused, TipstaffError
from tipstaff.project import connections, environment, roles
from tipstaff.project.postgres import MAJOR, Cluster, wheel_binaries
from tipstaff.project.state import lock_state

PREAMBLE = 8192  # bytes at the start of a dump within which its settings stand
TOO_NEW = b"SET transaction_timeout = 0;\n"  # PostgreSQL 15 and 16 do not know it


def program(name: str) -> str:
    """pg_dump, pg_restore or psql: the wheel's, which reads every server from 15 to its own version, else the system's."""
    try:
        return str(wheel_binaries(MAJOR) / name)
    except TipstaffError:
        if found := shutil.which(name):
            return found
        raise


def dump(address: str, file: Path) -> None:
    """Write the database at ``address`` (the owner's URL), as of one moment, to ``file`` in PostgreSQL's custom format."""
    _call([program("pg_dump"), "--format=custom", "--no-owner", f"--file={file}", f"--dbname={address}"])


def load(address: str, file: Path, app: str = connections.APP) -> None:
    """Read ``file`` into the empty database at ``address`` (the owner's URL), all or nothing, and set ``app``'s rights."""
    with psycopg.connect(address) as connection:
        if tables := count_tables(connection):
            raise Refused(f"the database already holds {tables} tables: restore into an empty state or database")
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [connections.APP]).fetchone()
    _replay(address, file, [] if known else ["--no-acl"])
    with psycopg.connect(address) as connection:
        roles.grant(connection, app=app)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _replay(address: str, file: Path, rights: list[str]) -> None:
    """Run the dump as one transaction of SQL. Not by pg_restore itself: that speaks to no older server than its own."""
    script = [program("pg_restore"), "--no-owner", *rights, "--file=-", str(file)]
    run = [program("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={address}"]
    with tempfile.TemporaryFile() as said, subprocess.Popen(script, stdout=subprocess.PIPE, stderr=said) as reader:
        with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as writer:
            assert reader.stdout is not None and writer.stdin is not None
            try:
                writer.stdin.write(b"BEGIN;\n" + reader.stdout.read(PREAMBLE).replace(TOO_NEW, b""))
                shutil.copyfileobj(reader.stdout, writer.stdin)
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


def count_tables(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _call(command: list[str]) -> None:
    made = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if made.returncode:
        raise TipstaffError(f"{Path(command[0]).name} failed: {made.stderr.strip()}")


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
