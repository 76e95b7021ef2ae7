"""One throwaway PostgreSQL for a whole test run; a database of its own for each worker.

Tests connect as the application's role, as the product does, so a missing right shows. Nothing starts before the first
test that asks for a database. ``TEST_DATABASE_URL`` (an administrator's) names another server, such as PostgreSQL 15.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

from tests import scheduling
from tests.unskipped import pytest_runtest_makereport  # noqa: F401 - a hook, for all tests
from tipstaff.project import connections, database, roles
from tipstaff.project.connections import ADMINISTRATOR, APP, OWNER

TEMPLATE = f"tipstaff_test_{os.environ.get('PYTEST_XDIST_TESTRUNUID', str(os.getpid()))[:12]}"

# Neither the time of one example nor that of making it fails a test: both are the machine's, not ours.
hypothesis.settings.register_profile("steady", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    """The controller of parallel workers starts the server and hands its address down; workers only use it."""
    if os.environ.get("TEST_DATABASE_URL") or hasattr(config, "workerinput"):
        return
    if getattr(config.option, "numprocesses", None) and not config.option.collectonly:
        _start(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    scheduling.ordered(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Whole files to a worker; another way of sharing out that somebody asks for stays."""
    return scheduling.InRuns(config, log) if config.getoption("dist", "no") == "load" else None


def pytest_unconfigure(config: pytest.Config) -> None:
    running = getattr(config, "throwaway", None)
    if running is not None:
        running.stop()
        shutil.rmtree(running.state, ignore_errors=True)


def _start(config: pytest.Config) -> str:
    from tipstaff.project.postgres import Cluster

    state = Path(tempfile.mkdtemp(prefix="tipstaff-test-", dir="/tmp"))
    state.chmod(0o711)
    cluster = Cluster(state, durable=False)
    config.throwaway = cluster  # type: ignore[attr-defined]
    cluster.start()
    return cluster.url(ADMINISTRATOR, "postgres")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(report):
    """What a worker tells the controller must be encodable: hostile text in a log or a failure may hold a lone surrogate."""
    return _encodable((yield))


def _encodable(value):
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_encodable(one) for one in value)
    return value


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    cluster = getattr(node.config, "throwaway", None)
    if cluster is not None:
        node.workerinput["database_url"] = cluster.url(ADMINISTRATOR, "postgres")


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory for the run, so that no test reads or writes that of the person who runs it."""
    from django.conf import settings

    directory = tmp_path_factory.mktemp("state")
    os.environ["TIPSTAFF_STATE"] = str(directory)
    settings.STATE, settings.SPOOL = directory, directory / "spool"
    return directory


@pytest.fixture(scope="session")
def administrator_url(request: pytest.FixtureRequest) -> str:
    """URL of the test server for its administrator."""
    given = os.environ.get("TEST_DATABASE_URL")
    handed = getattr(request.config, "workerinput", {}).get("database_url")
    return given or handed or _start(request.config)


@pytest.fixture(scope="session")
def template_database(administrator_url: str, django_db_blocker) -> str:
    """Name of a migrated database; made by whichever worker comes first, copied by all."""
    with (Path(tempfile.gettempdir()) / f"{TEMPLATE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with psycopg.connect(administrator_url, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
                return TEMPLATE
            roles.create_roles(connection, connections.parts(administrator_url)["password"])
            roles.create_database(connection, TEMPLATE + "_new")
        with django_db_blocker.unblock():
            _point_django_at(connections.with_changes(administrator_url, user=OWNER, database=TEMPLATE + "_new"))
            database.migrate(verbosity=0)
            _disconnect_django()
        with psycopg.connect(administrator_url, autocommit=True) as connection:
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(TEMPLATE + "_new"), sql.Identifier(TEMPLATE)))
    return TEMPLATE


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, administrator_url: str, template_database: str, django_db_blocker):
    """Replaces pytest-django's: a copy of the migrated template, used as the application's role."""
    name = f"{template_database}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with psycopg.connect(administrator_url, autocommit=True) as connection:
        roles.create_database(connection, name, template=template_database)
    with django_db_blocker.unblock():
        _point_django_at(connections.with_changes(administrator_url, user=APP, database=name))
        _flush_as_owner(connections.with_changes(administrator_url, user=OWNER, database=name))
    yield
    with django_db_blocker.unblock():
        _disconnect_django()
    if os.environ.get("TEST_DATABASE_URL"):
        with psycopg.connect(administrator_url, autocommit=True) as connection:
            for database_name in (name, template_database):
                drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database_name))
                connection.execute(drop)


def _point_django_at(address: str) -> None:
    from django.db import connection

    _disconnect_django()
    connection.settings_dict.update(connections.django_settings(address))
    connection.settings_dict["CONN_MAX_AGE"] = 0


def _disconnect_django() -> None:
    from django.db import connections as django_connections

    django_connections.close_all()


def _flush_as_owner(address: str) -> None:
    """Tests with real transactions empty the tables afterwards, which the application's role rightly may not."""
    from django.db.backends.postgresql.operations import DatabaseOperations

    def execute_sql_flush(self, sql_list) -> None:
        with psycopg.connect(address) as connection:
            for statement in sql_list:
                connection.execute(statement)
            connection.execute("TRUNCATE reports_event")  # Django does not manage it, and so does not list it

    DatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign]


@pytest.fixture
def app(transactional_db) -> Iterator[psycopg.Connection]:
    """A connection of its own as the application's role; what it commits is emptied after the test."""
    with psycopg.connect(_as_role(APP)) as connection:
        yield connection


@pytest.fixture
def owner(transactional_db) -> Iterator[psycopg.Connection]:
    """A connection of its own as the owner's role."""
    with psycopg.connect(_as_role(OWNER)) as connection:
        yield connection


@pytest.fixture
def database_url(transactional_db) -> str:
    """URL of this test's database for the application's role, for programs that the test starts."""
    return _as_role(APP)


@pytest.fixture
def owner_url(transactional_db) -> str:
    """The same for the owner's role."""
    return _as_role(OWNER)


def _as_role(role: str) -> str:
    from django.db import connection

    known = connection.settings_dict
    return connections.url(
        user=role,
        database=str(known["NAME"]),
        host=str(known["HOST"]),
        port=int(known["PORT"]) if known["PORT"] else None,
        password=str(known["PASSWORD"]),
    )


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 120_000  # milliseconds a page may take on a busy machine; what happens sooner is seen at once


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """One browser for the whole run: playwright's loop belongs to the thread, so there cannot be a second."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright's loop runs in this thread
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS, timeout=PATIENCE)
        make = browser.new_context

        def patient(**options):
            context = make(**options)
            context.set_default_timeout(PATIENCE)
            return context

        browser.new_context = patient  # type: ignore[method-assign]
        yield browser
        browser.close()
