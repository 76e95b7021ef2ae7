"""What ``tipstaff doctor`` asks the database."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg

from tipstaff.kernel.clock import now
from tipstaff.project import connections, environment, roles
from tipstaff.project.checkup import FAIL, OK, WARN, Finding
from tipstaff.project.state import is_running

LOWEST = 15
SAFE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


def database() -> Iterator[Finding]:
    """Every finding about the database that the application's role connects to."""
    try:
        connection = psycopg.connect(connections.app_url(), connect_timeout=5, autocommit=True)
    except psycopg.OperationalError as error:
        yield _unreachable(error)
        return
    with connection:
        for check in (_version, _safety, _clock, _tables, _rights, _owner, _record, _sources, _inventory):
            yield from check(connection)


def _unreachable(error: Exception) -> Finding:
    reason = str(error).strip().splitlines()[0]
    if not connections.is_external() and not is_running(environment.state_directory()):
        return Finding(WARN, "database", "does not run", "`tipstaff up` starts it; run doctor again then")
    advice = "check DATABASE_URL and that the server runs" if connections.is_external() else "see STATE/log/postgres.log"
    return Finding(FAIL, "database", f"cannot be reached: {reason}", advice)


def _value(connection: psycopg.Connection, query: str, *values: object) -> Any:
    row = connection.execute(query, values).fetchone()  # type: ignore[call-overload]
    return row[0] if row else None


def _version(connection: psycopg.Connection) -> Iterator[Finding]:
    number = connection.info.server_version // 10000
    text = f"PostgreSQL {number}, role {connection.info.user}"
    if number < LOWEST:
        yield Finding(FAIL, "database", text, f"Tipstaff needs {LOWEST} or later")
    else:
        yield Finding(OK, "database", text)


def _safety(connection: psycopg.Connection) -> Iterator[Finding]:
    found = {name: _value(connection, "SELECT current_setting(%s)", name) for name in SAFE}
    if wrong := [f"{name}={value}" for name, value in found.items() if value != SAFE[name]]:
        yield Finding(FAIL, "durability", ", ".join(wrong), "switch them on: what was accepted could be lost")
    else:
        yield Finding(OK, "durability", ", ".join(f"{name}={value}" for name, value in found.items()))


def _clock(connection: psycopg.Connection) -> Iterator[Finding]:
    apart = abs((_value(connection, "SELECT clock_timestamp()") - now()).total_seconds())
    level = FAIL if apart > 5 else WARN if apart > 1 else OK
    advice = "let both machines keep their clocks by NTP" if level != OK else ""
    yield Finding(level, "clocks", f"the database's and ours are {apart:.1f} s apart", advice)


def _tables(connection: psycopg.Connection) -> Iterator[Finding]:
    if _value(connection, "SELECT to_regclass('django_migrations')") is None:
        yield Finding(FAIL, "tables", "there are none", "run `tipstaff db migrate`")
        return
    count = _value(connection, "SELECT count(*) FROM django_migrations")
    waiting = _waiting_migrations()
    if newer := _newer():
        yield Finding(FAIL, "tables", newer, "parts of this version refuse to start")
    elif waiting:
        yield Finding(FAIL, "tables", f"{waiting} migrations are not applied", "run `tipstaff db migrate`")
    else:
        yield Finding(OK, "tables", f"current, {count} migrations")


_UNSEALED = """
    SELECT count(*), extract(epoch FROM now() - min(e.at)) FROM audit_entry e
    WHERE e.at > now() - interval '1 day' AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.entry_id = e.id)
"""


def _record(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether the sealer keeps up: an entry waits a second, not a minute."""
    if _value(connection, "SELECT to_regclass('audit_seal')") is None:
        return
    row = connection.execute(_UNSEALED).fetchone()
    count, oldest = row if row else (0, None)
    if count and oldest and oldest > 60:
        text = f"{count} entries are not sealed, the oldest for {oldest / 60:.0f} minutes"
        yield Finding(WARN, "record", text, "a worker seals them; does one run? `tipstaff audit seal` does it now")
    else:
        yield Finding(OK, "record", f"{count} entries wait for their seals" if count else "every entry is sealed")


def _sources(connection: psycopg.Connection) -> Iterator[Finding]:
    if not _waiting_migrations():
        yield from sources()


def sources() -> Iterator[Finding]:
    """Every way in that is late, fails, or has a mail that it cannot hand out."""
    from tipstaff.intake import queries

    moment = now()
    found = queries.health(now=moment, midnight=moment.replace(hour=0, minute=0, second=0, microsecond=0))
    bad = [one for one in found if one.tone in ("warn", "bad")]
    for one in bad:
        text = f"{one.source.name}: {one.owed or one.word}" + (f": {one.source.last_error}" if one.word == "failing" else "")
        yield Finding(WARN, "sources", text, _advice(one.owed, one.source.name))
    if found and not bad:
        yield Finding(OK, "sources", f"{len(found)}, none late or failing")


def _inventory(connection: psycopg.Connection) -> Iterator[Finding]:
    if not _waiting_migrations():
        yield from inventory()


def inventory() -> Iterator[Finding]:
    """Every source of who holds which address that failed, or whose last word is older than it may be."""
    from tipstaff.accounts.queries import freshness

    found = freshness(now())
    late = [one for one in found if one.late]
    for one in late:
        told = f"the last word is {one.lag // timedelta(hours=1)} h old" if one.lag is not None else "has said nothing yet"
        text = f"{one.source.name}: {one.source.last_error or told}"
        yield Finding(WARN, "inventory", text, "import again: what is newer than its last word is provisional")
    if found and not late:
        yield Finding(OK, "inventory", f"{len(found)} sources, none late or failing")


def _advice(owed: str, name: str) -> str:
    if owed:
        return "open the mail with a mail program: a copy of it in the mailbox is taken; deleting it ends the asking"
    return f"`tipstaff source test {name}` tries it"


def _newer() -> str:
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    from tipstaff.project.database import newer_than_ours

    return newer_than_ours(MigrationLoader(connection))


def _waiting_migrations() -> int:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _rights(connection: psycopg.Connection) -> Iterator[Finding]:
    """The journal of what people did must be out of the application's reach once written."""
    loose = [
        table for table in roles.append_only_tables(connection)
        if _value(connection, "SELECT has_table_privilege(%s, 'UPDATE, DELETE, TRUNCATE')", table)
    ]  # fmt: skip
    if _value(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        advice = "give DATABASE_URL an ordinary role"
        yield Finding(FAIL, "rights", "the application is a superuser of the database", advice)
    elif loose:
        advice = "use two roles (DATABASE_URL, DATABASE_OWNER_URL) and run `tipstaff db migrate`"
        yield Finding(FAIL, "rights", f"the application may change {', '.join(loose)}", advice)
    else:
        yield Finding(OK, "rights", "the application may add to the journal, not change it")


def _owner(connection: psycopg.Connection) -> Iterator[Finding]:
    if connections.is_external() and not environment.get("database_owner_url"):
        advice = "set DATABASE_OWNER_URL to the role that owns the tables"
        yield Finding(WARN, "owner", "migrations would run as the application's role", advice)
