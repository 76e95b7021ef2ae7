"""The doctor finds what is wrong, says what to do, and is silent about what is well."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.powerless import powerless
from tests.project.instances import ROOT
from tipstaff.project import checkup
from tipstaff.project.commands.running import free_port


def doctor(**environment: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Exit code, and the findings by what they are about."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "TIPSTAFF_"))}
    ours |= {"TIPSTAFF_LISTEN": f"127.0.0.1:{free_port()}", "TIPSTAFF_SMTP_LISTEN": "off"}
    made = subprocess.run(
        [sys.executable, "-m", "tipstaff.project.cli", "doctor", "--json"],
        env=ours | environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    found: dict[str, list[dict[str, str]]] = {}
    for line in made.stdout.splitlines():
        finding = json.loads(line)
        found.setdefault(finding["what"], []).append(finding)
    assert found, made.stderr
    return made.returncode, found


def test_a_healthy_instance_has_no_failure(database_url: str, tmp_path: Path) -> None:
    code, found = doctor(DATABASE_URL=database_url, TIPSTAFF_STATE=str(tmp_path))
    failed = [finding for findings in found.values() for finding in findings if finding["level"] == "fail"]
    # The throwaway database of the tests runs without fsync, and the doctor must say so.
    assert {finding["what"] for finding in failed} <= {"durability"}
    assert found["rights"][0]["level"] == "ok" and found["tables"][0]["level"] == "ok"
    assert code == (1 if failed else 0)


def test_an_application_that_is_administrator_fails(administrator_url: str, tmp_path: Path) -> None:
    code, found = doctor(DATABASE_URL=administrator_url, TIPSTAFF_STATE=str(tmp_path))
    assert code == 1
    assert found["rights"][0]["level"] == "fail" and "superuser" in found["rights"][0]["found"]
    assert found["tables"][0]["level"] == "fail" and "tipstaff db migrate" in found["tables"][0]["advice"]


def test_an_application_that_owns_the_journal_fails(owner_url: str, tmp_path: Path) -> None:
    code, found = doctor(DATABASE_URL=owner_url, TIPSTAFF_STATE=str(tmp_path))
    assert code == 1
    assert found["rights"][0]["level"] == "fail" and "audit_entry" in found["rights"][0]["found"]


def test_a_database_that_is_away_fails_with_advice(tmp_path: Path) -> None:
    away = f"postgresql://tipstaff_app@/tipstaff?host={tmp_path}"
    code, found = doctor(DATABASE_URL=away, TIPSTAFF_STATE=str(tmp_path))
    assert code == 1
    assert "cannot be reached" in found["database"][-1]["found"] and "DATABASE_URL" in found["database"][-1]["advice"]


def test_a_taken_port_and_a_spool_that_cannot_be_used_fail(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, found = doctor(TIPSTAFF_STATE=str(tmp_path), TIPSTAFF_LISTEN=f"127.0.0.1:{port}", TIPSTAFF_DEBUG="1")
    assert found["ports"][0]["level"] == "fail" and "TIPSTAFF_LISTEN" in found["ports"][0]["advice"]
    assert found["debug"][0]["level"] == "fail"


def test_an_open_key_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIPSTAFF_STATE", str(tmp_path))
    (tmp_path / "evidence.key").write_text("secret")
    (tmp_path / "evidence.key").chmod(0o644)
    assert [finding.level for finding in checkup.state_directory()] == ["ok", "fail"]


def test_what_was_accepted_and_cannot_be_read_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIPSTAFF_STATE", str(tmp_path))
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "1.msg").touch()
    assert [(one.level, one.found) for one in checkup.spool()] == [("ok", "1 accepted and waiting")]
    (tmp_path / "spool" / "1.msg").rename(tmp_path / "spool" / "1.broken")
    waiting, broken = checkup.spool()
    assert (waiting.level, broken.level) == ("ok", "fail") and "1 accepted that nobody can read" in broken.found


def test_what_was_accepted_and_belongs_to_somebody_else_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spool").mkdir()
    for name in ("1.msg", "2.msg", "3.msg"):
        (tmp_path / "spool" / name).touch()
    (tmp_path / "spool" / "1.msg").chmod(0)
    (tmp_path / "spool" / "2.msg").chmod(0)
    with powerless(tmp_path) as state:
        monkeypatch.setattr(checkup.environment, "state_directory", lambda: state)
        waiting, shut = checkup.spool()
    assert (waiting.found, shut.level, shut.found) == ("3 accepted and waiting", "fail", "2 of those cannot be read")


def test_a_full_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIPSTAFF_STATE", str(tmp_path))
    usage = type("Usage", (), {"free": 10**8, "total": 10**12, "used": 0})
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda path: usage)
    assert next(checkup.disk()).level == "fail"


def test_a_port_that_a_flag_chose_is_no_reason_to_worry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = [{"name": "web", "state": "up", "note": "http://127.0.0.1:18700"}, {"name": "intake", "state": "ended", "note": ""}]
    (tmp_path / "status.json").write_text(json.dumps({"children": children}))
    monkeypatch.setenv("TIPSTAFF_STATE", str(tmp_path))
    monkeypatch.setattr(checkup, "is_running", lambda state: True)
    monkeypatch.setattr(checkup.processes, "answers", lambda host, port: False)
    web, intake = checkup.ports()
    assert (web.level, intake.level) == (checkup.OK, checkup.WARN)
    assert "http://127.0.0.1:18700" in web.found


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A `tipstaff up` that says of its intake what is given; None: it has none. Nothing answers anywhere."""

    def told(note: str | None) -> None:
        children = [{"name": "web", "state": "up", "note": "http://127.0.0.1:8700"}]
        children += [{"name": "intake", "state": "up", "note": note}] if note is not None else []
        (tmp_path / "status.json").write_text(json.dumps({"children": children}))
        monkeypatch.setenv("TIPSTAFF_STATE", str(tmp_path))
        monkeypatch.setattr(checkup, "is_running", lambda state: True)
        monkeypatch.setattr(checkup.processes, "answers", lambda host, port: port == 8700)

    return told


def mail_line() -> str:
    (found,) = [finding.found for finding in checkup.reachable_by_others() if finding.what == "mail"]
    return found


@pytest.mark.parametrize(
    ("note", "setting", "said"),
    [
        ("SMTP off", "127.0.0.1:8725", "no mail is taken by SMTP"),
        ("SMTP off, LMTP 127.0.0.1:24", "127.0.0.1:8725", "no mail is taken by SMTP"),
        (None, "127.0.0.1:8725", "no mail is taken by SMTP"),
        ("SMTP 127.0.0.1:2525", "off", "listens on 127.0.0.1:2525, for this machine only"),
        ("SMTP [::1]:2525", "127.0.0.1:8725", "listens on [::1]:2525, for this machine only"),
    ],
)
def test_the_mail_line_says_what_up_was_told(running, monkeypatch, note, setting, said):
    monkeypatch.setenv("TIPSTAFF_SMTP_LISTEN", setting)
    running(note)
    assert said in mail_line()
    _, intake = checkup.ports()
    assert intake.level == checkup.OK and ("off" in intake.found or "2525" in intake.found)


def test_without_up_the_mail_line_says_what_is_set(tmp_path, monkeypatch):
    monkeypatch.setenv("TIPSTAFF_STATE", str(tmp_path))
    monkeypatch.setenv("TIPSTAFF_SMTP_LISTEN", "127.0.0.1:2525")
    assert "listens on 127.0.0.1:2525" in mail_line()
    monkeypatch.setenv("TIPSTAFF_INTAKE", "off")
    assert "no mail is taken" in mail_line()
    monkeypatch.setenv("TIPSTAFF_INTAKE", "on")
    monkeypatch.setenv("TIPSTAFF_SMTP_LISTEN", "192.0.2.1:25")
    assert not [finding for finding in checkup.reachable_by_others() if finding.what == "mail"]
