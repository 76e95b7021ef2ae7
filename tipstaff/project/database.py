"""Bringing the database's tables up to date, as the owner's role."""

import time
from typing import Any

import psycopg

from tipstaff.kernel.errors import InputError, Problem, TipstaffError
from tipstaff.project import connections, environment, migrating, roles


def setup_django(*, role: str = "app") -> None:
    """Load Django so that it connects as ``role`` (app or owner). Once per program."""
    import django

    environment.change("database_role", role)
    environment.default_settings_module()
    django.setup()


def migrate(*, verbosity: int = 1) -> None:
    """Apply all migrations on the default connection, which must be the owner's, then set the application's rights."""
    from django.core.management import call_command
    from django.db import DatabaseError, connection

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
        time.sleep(0.5)


def _trouble() -> str | None:
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        connection.close()
        return str(error).strip()
    if waiting:
        return f"{len(waiting)} migrations are not applied, {waiting[0][0]} first: run `tipstaff db migrate`"
    return None
