"""The doctor finds what is wrong, says what to do, and is silent about what is well."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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
