"""Rehearsals: the whole life of a case in seconds, under both packs, and nothing left behind."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tipstaff.kernel.errors import InputError
from tipstaff.project.commands.rehearse import duration
from tipstaff.project.rehearsing import prepared
from tipstaff.project.rehearsing.behaviours import BEHAVIOURS

COMPLAINT = """From: Rita <rita@reporter.example>
To: abuse@provider.example
Subject: brute force from 192.0.2.7
Date: Sun, 22 Nov 2026 01:00:00 +0000

Your host 192.0.2.7 attacks our ssh server, times are UTC:

Nov 22 00:41:09 web1 sshd[811]: Failed password for root from 192.0.2.7 port 40112 ssh2
Nov 22 00:41:12 web1 sshd[811]: Failed password for root from 192.0.2.7 port 40112 ssh2
"""


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A directory with one complaint, and the state beside which the prepared database is kept.

    Not pytest's own: root's database runs as an account that must be able to reach it.
    """
    place = Path(tempfile.mkdtemp(prefix="tipstaff-test-rehearsal-"))
    place.chmod(0o755)
    (place / "complaint.eml").write_text(COMPLAINT)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def rehearse(place: Path, *words: str) -> tuple[list[dict], subprocess.CompletedProcess]:
    program = [sys.executable, "-m", "tipstaff.project.cli", "--state", str(place / "state")]
    command = [*program, "rehearse", str(place / "complaint.eml"), "--json", *words]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return [json.loads(line) for line in made.stdout.splitlines()], made


def states(lines: list[dict]) -> list[str]:
    return [line["text"].partition(":")[0] for line in lines if line["kind"] == "state"]


@pytest.mark.slow
def test_silence_ends_in_termination_where_the_policy_says_will(place):
    lines, made = rehearse(place, "--policy", "dedicated-hosting", "--until", "12d")
    assert made.returncode == 0, made.stderr
    wanted = ["TICKETED", "DISCONNECT_PENDING", "DISCONNECTED", "TERMINATION_PENDING", "TERMINATED"]
    assert [state for state in states(lines) if state in wanted] == wanted
    moved = [line for line in lines if line["kind"] == "state" and line["text"].startswith("DISCONNECT")]
    assert all(line["clause"] for line in moved), "each step names its clause"
    orders = [line["text"].split(":")[0] for line in lines if line["kind"] == "order"]
    assert orders[:4] == ["order proposed", "order approved", "order applying", "order verified"]
    letters = [line for line in lines if line["kind"] == "letter"]
    assert any("Final warning" in one["text"] and "192.0.2.7" in one["letter"] for one in letters)
    assert not any("rita@reporter.example" in one["letter"] for one in letters), "nobody learns who complained"
    clocks = [line["text"] for line in lines if line["kind"] == "clock"]
    assert any(text.startswith("clock resolve until 1d") for text in clocks)
    assert not list(Path(place / "state").glob("postgres")), "the throwaway database is gone"


@pytest.mark.slow
def test_where_the_policy_says_may_nothing_follows_that_nobody_decided(place):
    lines, made = rehearse(place, "--policy", "managed-services", "--desk", "mild")
    assert made.returncode == 0, made.stderr
    assert set(states(lines)) <= {"1 event from 1 report (log-excerpt); a person decides", "TICKETED"}
    assert not [line for line in lines if line["kind"] == "order"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "ends"),
    [("fixes", "RESOLVED"), ("returns", "RECONNECTED"), ("disputes", "CLOSED_FALSE"), ("repeats", "RESOLVED")],
)
def test_how_the_customer_answers_decides_the_end(place, behaviour, ends):
    lines, made = rehearse(place, "--policy", "dedicated-hosting", "--customer", behaviour)
    assert made.returncode == 0, made.stderr
    assert states(lines)[-1] == ends
    if behaviour == "returns":
        assert "order reverted" in {line["text"].split(":")[0] for line in lines}
    if behaviour == "repeats":
        assert {line["case"] for line in lines if line["case"]} == {1, 2}, "it happens again once"


@pytest.mark.slow
def test_an_appeal_that_succeeds_undoes_the_measure_and_credits_the_minutes(place):
    lines, made = rehearse(place, "--policy", "dedicated-hosting", "--customer", "appeals", "--until", "3d")
    assert made.returncode == 0, made.stderr
    assert any("creditable" in line["text"] for line in lines) and any("order reverted" in line["text"] for line in lines)
    decided = next(line for line in lines if line["text"].startswith("ACKNOWLEDGED: the measure was wrong"))
    approved = {line["by"] for line in lines if line["text"].startswith("approved")}
    assert decided["by"] not in approved, "nobody decides on his own act"


@pytest.mark.slow
def test_each_address_may_have_its_own_customer_and_bad_words_are_refused(place):
    lines, made = rehearse(place, "--customer", "203.0.113.9=fixes")
    assert made.returncode != 0 and "203.0.113.9 is not accused" in made.stderr and not lines
    _, made = rehearse(place, "--policy", "no-such-pack")
    assert "there is no 'no-such-pack'" in made.stderr and "dedicated-hosting" in made.stderr
    _, made = rehearse(place, "--customer", "grumpy")
    assert "'grumpy' is no behaviour" in made.stderr and "silent: never answers" in made.stderr


def test_lengths_of_time():
    assert (
        duration("36h") == timedelta(hours=36)
        and duration("1w 2d") == timedelta(days=9)
        and duration("90m") == timedelta(minutes=90)
    )
    for wrong in ("", "10", "ten days", "10y", "d10"):
        with pytest.raises(InputError, match="--until"):
            duration(wrong)


def test_another_migration_makes_another_database(monkeypatch, tmp_path):
    before = prepared.digest()
    assert prepared.digest() == before
    (tmp_path / "app" / "migrations").mkdir(parents=True)
    (tmp_path / "app" / "migrations" / "0001_initial.py").write_text("")
    monkeypatch.setattr("tipstaff.__path__", [str(tmp_path)])
    assert prepared.digest() != before


def test_every_behaviour_answers_in_states_that_exist():
    from tipstaff.cases.states import State

    known = {str(state) for state in State}
    for behaviour in BEHAVIOURS.values():
        assert all(answer.state in known for answer in behaviour.answers) and behaviour.meaning
