"""A dump of one database fills another, on every server version we support, and all of it or nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tipstaff.kernel.errors import Refused, TipstaffError
from tipstaff.project import connections, dumps, roles
from tipstaff.project.connections import APP, OWNER


@pytest.fixture
def pair(administrator_url: str, template_database: str) -> Iterator[tuple[str, str]]:
    """The owner's URLs of a migrated database and of an empty one."""
    names = [f"tipstaff_dump_{os.getpid()}_{number}" for number in (1, 2)]
    with psycopg.connect(administrator_url, autocommit=True) as connection:
        roles.create_database(connection, names[0], template=template_database)
        roles.create_database(connection, names[1])
        yield tuple(connections.with_changes(administrator_url, user=OWNER, database=name) for name in names)  # type: ignore[misc]
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fill(address: str) -> None:
    with psycopg.connect(address) as connection:
        connection.execute("INSERT INTO django_session VALUES ('alice', E'tab\\t and \\\\ and ü', now())")
        connection.execute("SELECT reports_ensure_partition('2026-11-05T00:00:00Z')")


def test_what_was_there_is_there_with_its_rights(pair: tuple[str, str], tmp_path: Path) -> None:
    fill(pair[0])
    dumps.dump(pair[0], tmp_path / "dump")
    dumps.load(pair[1], tmp_path / "dump")
    with psycopg.connect(connections.with_changes(pair[1], user=APP)) as app:
        assert app.execute("SELECT session_data FROM django_session").fetchall() == [("tab\t and \\ and ü",)]
        assert app.execute("SELECT count(*) FROM reports_event_2026_11").fetchone() == (0,)
        app.execute("SELECT reports_ensure_partition('2026-12-05T00:00:00Z')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("DELETE FROM audit_entry")


def test_a_database_that_holds_something_is_refused(pair: tuple[str, str], tmp_path: Path) -> None:
    dumps.dump(pair[0], tmp_path / "dump")
    with pytest.raises(Refused, match="already holds"):
        dumps.load(pair[0], tmp_path / "dump")


@pytest.mark.parametrize("kept", [0.3, 0.66, 0.9, 0.999])
def test_a_dump_that_breaks_off_leaves_nothing(pair: tuple[str, str], tmp_path: Path, kept: float) -> None:
    fill(pair[0])
    with psycopg.connect(pair[0]) as connection:
        connection.execute("INSERT INTO django_session SELECT n::text, md5(n::text), now() FROM generate_series(1, 20000) n")
    dumps.dump(pair[0], tmp_path / "dump")
    whole = (tmp_path / "dump").read_bytes()
    (tmp_path / "dump").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(TipstaffError, match="cannot be restored"):
        dumps.load(pair[1], tmp_path / "dump")
    with psycopg.connect(pair[1]) as owner:
        assert dumps.count_tables(owner) == 0
