"""Where settings come from, in which order, and how bad ones are refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.kernel.errors import InputError
from tipstaff.project import connections, environment, memory


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TIPSTAFF_STATE", str(tmp_path))
    for option in environment.OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    environment._settings_file.cache_clear()
    yield tmp_path
    environment._settings_file.cache_clear()


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(alone: Path, monkeypatch) -> None:
    assert environment.get("workers") == "1"
    (alone / "tipstaff.toml").write_text("workers = 3\n")
    environment._settings_file.cache_clear()
    assert environment.number("workers") == 3
    monkeypatch.setenv("TIPSTAFF_WORKERS", "2")
    assert environment.number("workers") == 2


def test_an_unknown_setting_is_named_with_its_file(alone: Path) -> None:
    (alone / "tipstaff.toml").write_text("workrs = 3\n")
    with pytest.raises(InputError, match=r"tipstaff\.toml: workrs: is not a setting \(known are .*workers"):
        environment.get("workers")


def test_a_file_that_is_not_toml_is_refused(alone: Path) -> None:
    (alone / "tipstaff.toml").write_text("workers: 3\n")
    with pytest.raises(InputError, match="is not valid TOML"):
        environment.get("workers")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:25", ("127.0.0.1", 25)), ("[::1]:25", ("::1", 25)), (":80", ("127.0.0.1", 80)), ("off", None)],
)
def test_addresses(alone: Path, monkeypatch, text: str, expected: object) -> None:
    monkeypatch.setenv("TIPSTAFF_LISTEN", text)
    assert environment.address("listen") == expected


@pytest.mark.parametrize("text", ["127.0.0.1", "host:smtp", "1.2.3.4:70000"])
def test_bad_addresses_name_the_variable(alone: Path, monkeypatch, text: str) -> None:
    monkeypatch.setenv("TIPSTAFF_LISTEN", text)
    with pytest.raises(InputError, match=r"TIPSTAFF_LISTEN.*HOST:PORT"):
        environment.address("listen")


NAMES = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=20)


@given(user=NAMES, password=NAMES, database=NAMES, port=st.integers(1, 65535))
def test_a_url_says_what_it_was_made_of(user: str, password: str, database: str, port: int) -> None:
    made = connections.url(user=user, database=database, host="/a b/c", port=port, password=password)
    found = connections.parts(made)
    assert (found["user"], found["password"], found["host"]) == (user, password, "/a b/c")
    assert (found["database"], found["port"]) == (database, str(port))


def test_an_ordinary_url_is_understood() -> None:
    found = connections.django_settings("postgresql://desk:s%40crt@db.example.net:5433/abuse?sslmode=require")
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == ("desk", "s@crt", "db.example.net", "5433")
    assert found["NAME"] == "abuse" and found["OPTIONS"]["sslmode"] == "require"


def test_another_database_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="DATABASE_URL: is not a PostgreSQL URL"):
        connections.parts("mysql://x@y/z")


@pytest.mark.parametrize("gigabytes", [1, 4, 24, 512])
def test_memory_follows_the_machine(tmp_path: Path, monkeypatch, gigabytes: int) -> None:
    monkeypatch.setattr(memory, "machine_bytes", lambda: gigabytes << 30)
    found = memory.postgres_settings(tmp_path)
    shared = int(found["shared_buffers"].removesuffix("MB"))
    assert 128 <= shared <= min(4096, gigabytes * 1024 // 4)


def test_children_give_memory_back_unless_somebody_said_otherwise(monkeypatch) -> None:
    monkeypatch.delenv("_RJEM_MALLOC_CONF", raising=False)
    assert environment.for_children()["_RJEM_MALLOC_CONF"].endswith("muzzy_decay_ms:0")
    monkeypatch.setenv("_RJEM_MALLOC_CONF", "narenas:1")
    assert environment.for_children()["_RJEM_MALLOC_CONF"] == "narenas:1"
