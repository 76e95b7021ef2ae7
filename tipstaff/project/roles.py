"""The two roles, and which table each may do what with.

``tipstaff_owner`` owns every table and only migrates. ``tipstaff_app`` works: it reads and writes rows, and may add to
and read the audit journal but never change it. The one list of such tables is APPEND_ONLY.
"""

import psycopg
from psycopg import sql

from tipstaff.project.connections import APP, OWNER

# SQL patterns (LIKE) of tables that the application may only add to and read.
APPEND_ONLY = ("audit\\_%", "evidence\\_opening%", "enforcement\\_orderentry%", "enforcement\\_credit%", "consent\\_permituse%",
               "pipeline\\_shadowreport%", "accounts\\_contractterms%")  # fmt: skip

_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname LIKE ANY (%s)
    UNION
    SELECT child.relname FROM pg_inherits i
    JOIN pg_class child ON child.oid = i.inhrelid JOIN pg_class parent ON parent.oid = i.inhparent
    WHERE parent.relname LIKE ANY (%s)
"""


def create_roles(connection: psycopg.Connection, password: str = "") -> None:
    """Make both roles where they are missing; ``connection`` is an administrator's. A password only for TCP."""
    for role in (OWNER, APP):
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if not known:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        if password:
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
            connection.execute(statement)


def create_database(connection: psycopg.Connection, name: str, template: str = "") -> None:
    """Make the database ``name`` where it is missing: the owner's, and closed to everybody but the two roles."""
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        return
    words = {"name": sql.Identifier(name), "owner": sql.Identifier(OWNER), "app": sql.Identifier(APP)}
    source = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
    connection.execute(sql.SQL("CREATE DATABASE {name} OWNER {owner}").format(**words) + source)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {name} FROM PUBLIC").format(**words))
    connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {app}").format(**words))


def grant(connection: psycopg.Connection, app: str = APP) -> None:
    """Give the role ``app`` its rights on every table, partition and sequence; run by the owner after a migration.

    Default privileges cover what the owner creates later (partitions by month); APPEND_ONLY is narrowed afterwards.
    Does nothing where one role serves both purposes, which an external database may choose and ``doctor`` reports.
    """
    row = connection.execute("SELECT current_user = %s", [app]).fetchone()
    if row and row[0]:
        return
    with connection.transaction():  # nobody sees what is given before it is narrowed, nor does it stay when we are killed
        _give(connection, app)


def _give(connection: psycopg.Connection, app: str) -> None:
    role = sql.Identifier(app)
    for statement in (
        "GRANT USAGE ON SCHEMA public TO {app}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {app}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {app}",
    ):
        connection.execute(sql.SQL(statement).format(app=role))
    for table in append_only_tables(connection):
        narrow = sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {app}")
        connection.execute(narrow.format(table=sql.Identifier("public", table), app=role))


def append_only_tables(connection: psycopg.Connection) -> list[str]:
    """Names of the tables, partitions included, that APPEND_ONLY covers."""
    found = connection.execute(_TABLES, [list(APPEND_ONLY), list(APPEND_ONLY)]).fetchall()
    return sorted(name for (name,) in found)
