"""Bringing the database's tables up to date, as the owner's role."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tipstaff.kernel.errors import InputError, Problem, Refused, TipstaffError
from tipstaff.project import connections, environment, migrating, roles

TURN = 0x6D6967  # 'mig': the advisory lock of whoever migrates
STEP = 0.5  # seconds between looks


def setup_django(*, role: str = "app") -> None:
    """Load Django so that it connects as ``role`` (app or owner). Once per program."""
    import django

    environment.change("database_role", role)
    environment.default_settings_module()
    django.setup()


def migrate(*, verbosity: int = 1) -> None:
    """Apply all migrations on the default connection, which must be the owner's, then set the application's rights.

    Several hosts may start at once: one works, the others wait and find it done. Raises Refused for tables of a newer version.
    """
    with alone():
        _migrate(verbosity)


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else migrates this database meanwhile. Ends with the connection, however that ends."""
    from django.db import connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [TURN])
            while cursor.fetchone() != (True,):
                time.sleep(STEP)
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [TURN])
        yield
    finally:
        connection.close()


def _migrate(verbosity: int) -> None:
    from django.core.management import call_command
    from django.db import DatabaseError, connection
    from django.db.migrations.loader import MigrationLoader

    if newer := newer_than_ours(MigrationLoader(connection)):
        raise Refused(newer)
    # run_syncdb makes the tables of an app whose first migration is not written yet; with all written it does nothing.
    try:
        with migrating.adding_quickly():
            call_command("migrate", interactive=False, run_syncdb=True, verbosity=verbosity)
    except DatabaseError as error:
        if "permission denied" not in str(error):
            raise
        advice = "name the role that owns the database in DATABASE_OWNER_URL"
        raise InputError(Problem("DATABASE_OWNER_URL", f"this role may not make tables: {error}", advice)) from error
    connection.ensure_connection()
    native: psycopg.Connection[Any] = connection.connection
    roles.grant(native, app=connections.parts(connections.app_url())["user"])


def wait_until_usable(*, timeout: float) -> None:
    """Return when the database answers and its tables are those of this version. Raises TipstaffError after ``timeout``.

    A part on another host may be started before the database, and must not work on tables it does not know.
    """
    deadline = time.monotonic() + timeout
    while (trouble := _trouble()) is not None:
        if time.monotonic() > deadline:
            raise TipstaffError(f"the database is not usable after {timeout:.0f} s: {trouble}")
        time.sleep(STEP)


def _trouble() -> str | None:
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        connection.close()
        return str(error).strip()
    if newer := newer_than_ours(executor.loader):
        return newer
    if waiting:
        return f"{len(waiting)} migrations are not applied, {waiting[0][0]} first: run `tipstaff db migrate`"
    return None


def newer_than_ours(loader: Any) -> str:
    """What is wrong where a newer version was here before: it may have filled columns of which this one knows nothing."""
    here = set(loader.disk_migrations)
    for migration in loader.disk_migrations.values():
        here.update(migration.replaces)
    unknown = sorted(key for key in loader.applied_migrations if key[0] in loader.migrated_apps and key not in here)
    if not unknown:
        return ""
    names = ", ".join(".".join(key) for key in unknown[:3])
    return f"a newer Tipstaff has changed these tables ({names}): run that version, or restore a backup of before with this one"
