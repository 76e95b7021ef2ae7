"""The README's two commands, as far as they can be tested from inside what they installed."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run", ROOT / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_needs_nothing_but_the_standard_library() -> None:
    imported = set(re.findall(r"^(?:from|import) (\w+)", (ROOT / "run.py").read_text(), re.MULTILINE))
    assert imported <= sys.stdlib_module_names


def test_without_a_word_it_says_what_it_can_do() -> None:
    said = subprocess.run([sys.executable, "run.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "python3 run.py demo" in said.stderr and "python3 run.py test" in said.stderr


def test_an_old_python_is_refused_by_name(run: ModuleType, monkeypatch, capsys) -> None:
    monkeypatch.setattr(run, "LOWEST", (9, 9))
    assert run.main(["test"]) == 2
    assert "Python 9.9 or later is needed" in capsys.readouterr().err


def test_installing_again_starts_nothing(run: ModuleType, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    for name, value in (("VENV", tmp_path), ("PYTHON", tmp_path / "bin" / "python"), ("STAMP", tmp_path / "installed-from")):
        monkeypatch.setattr(run, name, value)
    calls: list[list[str]] = []

    def call(command: list[str], **_: object) -> "subprocess.CompletedProcess[bytes]":
        calls.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(run.subprocess, "run", call)
    run.install()
    assert ["--require-hashes" in command for command in calls][-2:] == [True, False] and "--no-deps" in calls[-1]
    calls.clear()
    run.install()
    assert calls == []


def test_a_changed_lock_file_installs_again(run: ModuleType, monkeypatch, tmp_path: Path) -> None:
    before = run.wanted()
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "requirements.lock").write_text("other")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    assert run.wanted() != before


def test_a_failed_installation_is_told_and_not_remembered(run: ModuleType, monkeypatch, tmp_path: Path, capsys) -> None:
    def fail() -> None:
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(run, "install", fail)
    assert run.main(["test"]) == 2
    assert "installing failed" in capsys.readouterr().err


def test_a_failed_check_fails_the_whole(run: ModuleType, monkeypatch) -> None:
    monkeypatch.setattr(run, "check", lambda name, command, environment: name != "lint")
    monkeypatch.setattr(run.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0))
    assert run.test([]) == 1
    monkeypatch.setattr(run, "check", lambda name, command, environment: True)
    assert run.test([]) == 0
