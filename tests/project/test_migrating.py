"""Quick migrations make the same tables as Django's own way, of which they leave out the most."""

import subprocess
import threading

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import AddField, AlterField, CreateModel, Migration, RunPython, RunSQL
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from tipstaff.kernel.errors import Refused, TipstaffError
from tipstaff.project import connections, database, roles
from tipstaff.project.connections import OWNER
from tipstaff.project.migrating import adding_quickly, only_adds
from tipstaff.project.postgres import MAJOR, wheel_binaries


def tables(address: str) -> list[str]:
    """Everything but rows and rights, as pg_dump says it: names, order and types of all there is."""
    command = [wheel_binaries(MAJOR) / "pg_dump", "--schema-only", "--no-privileges", "--no-owner", "--restrict-key=x", address]
    dumped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert dumped.returncode == 0, dumped.stderr
    return dumped.stdout.splitlines()


@pytest.fixture
def djangos_own(administrator_url, template_database, django_db_setup, django_db_blocker):
    """A database that Django migrated without us."""
    name, kept = f"{template_database}_own", dict(connection.settings_dict)
    with psycopg.connect(administrator_url, autocommit=True) as administrator:
        roles.create_database(administrator, name)
    address = connections.with_changes(administrator_url, user=OWNER, database=name)
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict.update(connections.django_settings(address))
        try:
            call_command("migrate", interactive=False, run_syncdb=True, verbosity=0)
        finally:
            connection.close()
            connection.settings_dict.update(kept)
    yield address
    with psycopg.connect(administrator_url, autocommit=True) as administrator:
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.slow
def test_the_tables_are_those_that_django_makes_in_its_own_way(administrator_url, template_database, djangos_own) -> None:
    ours = tables(connections.with_changes(administrator_url, user=OWNER, database=template_database))
    assert len(ours) > 4000
    assert ours == tables(djangos_own)


def migration(*operations: object) -> Migration:
    made = Migration("0001", "accounts")
    made.operations = list(operations)
    return made


def test_only_what_adds_is_quick() -> None:
    assert only_adds(migration(CreateModel("A", []), AddField("a", "b", None), RunSQL("SELECT 1")))
    assert not only_adds(migration(CreateModel("A", []), AlterField("a", "b", None)))
    assert not only_adds(migration(RunPython(RunPython.noop)))
    assert not only_adds(migration(RunSQL("SELECT 1", state_operations=[CreateModel("A", [])])))


def test_django_is_left_as_it_was() -> None:
    before = Migration.apply, ProjectState._find_reload_model
    with pytest.raises(LookupError), adding_quickly():
        assert Migration.apply is not before[0]
        raise LookupError
    assert (Migration.apply, ProjectState._find_reload_model) == before


def test_of_several_hosts_that_start_at_once_one_migrates_and_the_others_wait(owner: psycopg.Connection, monkeypatch) -> None:
    waits, done = threading.Event(), threading.Event()
    monkeypatch.setattr(database.time, "sleep", lambda _: waits.set())

    def other_host() -> None:
        with database.alone():
            done.set()

    owner.execute("SELECT pg_advisory_lock(%s)", [database.TURN])
    host = threading.Thread(target=other_host)
    host.start()
    assert waits.wait(60) and not done.is_set()
    owner.close()  # killed in the middle
    assert done.wait(60)
    host.join(60)


@pytest.mark.django_db
def test_tables_of_a_newer_version_are_refused(monkeypatch) -> None:
    database.wait_until_usable(timeout=60)
    MigrationRecorder(connection).record_applied("an_app_of_old", "0002_that_we_have_no_more")
    database.wait_until_usable(timeout=60)
    MigrationRecorder(connection).record_applied("cases", "0999_of_tomorrow")
    with pytest.raises(TipstaffError, match=r"newer Tipstaff.*cases\.0999_of_tomorrow"):
        database.wait_until_usable(timeout=0)
    monkeypatch.setattr(database, "alone", lambda: connection.cursor())
    with pytest.raises(Refused, match="newer Tipstaff"):
        database.migrate(verbosity=0)


def test_rights_are_given_whole_or_not_at_all(owner: psycopg.Connection, monkeypatch) -> None:
    """Killed between what is given and what is taken back, the application must not be left with a record that it may change."""

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    owner.autocommit = True
    may = "SELECT has_table_privilege('tipstaff_app', 'audit_entry', 'UPDATE, DELETE')"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(roles, "append_only_tables", killed)
        roles.grant(owner)
    left = owner.execute(may).fetchone()
    roles.grant(owner)
    assert (left, owner.execute(may).fetchone()) == ((False,), (False,))
