"""Bringing the database's tables up to date, as the owner's role."""

from typing import Any

import psycopg

from tipstaff.project import connections, environment, roles


def setup_django(*, role: str = "app") -> None:
    """Load Django so that it connects as ``role`` (app or owner). Once per program."""
    import django

    environment.change("database_role", role)
    environment.default_settings_module()
    django.setup()


def migrate(*, verbosity: int = 1) -> None:
    """Apply all migrations on the default connection, which must be the owner's, then set the application's rights."""
    from django.core.management import call_command
    from django.db import connection

    # run_syncdb makes the tables of an app whose first migration is not written yet; with all written it does nothing.
    call_command("migrate", interactive=False, run_syncdb=True, verbosity=verbosity)
    connection.ensure_connection()
    native: psycopg.Connection[Any] = connection.connection
    roles.grant(native, app=connections.parts(connections.app_url())["user"])
