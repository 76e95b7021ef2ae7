"""From the detectors' folder into the spool: each document once, whatever happens in between."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.intake.samples import OWN
from tipstaff.intake.sources import findings
from tipstaff.intake.spool import Spool

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
SCAN = (OWN / "parsers" / "flow_finding" / "scan.json").read_bytes()
ENDED = (OWN / "parsers" / "flow_finding" / "scan-ended.json").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "findings"
    made.mkdir()
    return made


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def waiting(spool: Spool) -> list:
    return list(spool.read(spool.waiting()))


def test_a_document_is_one_submission_of_our_own_telemetry(folder, spool) -> None:
    (folder / "a.json").write_bytes(SCAN)
    assert findings.take(folder, spool, now=NOW) == 1
    (item,) = waiting(spool)
    assert (item.source, item.kind, item.content) == ("own flow telemetry", "sensor", SCAN)
    assert not list(folder.glob("*.json")) and not list((folder / "taken").iterdir())


def test_the_same_words_are_the_same_submission_and_newer_words_another(folder, spool) -> None:
    for content in (SCAN, SCAN, ENDED):
        (folder / "a.json").write_bytes(content)
        findings.take(folder, spool, now=NOW)
    assert len(waiting(spool)) == 2


def test_what_a_killed_taker_had_claimed_is_taken_by_the_next(folder, spool) -> None:
    died = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    (folder / "taken").mkdir()
    (folder / "taken" / f"a.{died.stdout.strip()}.abc.json").write_bytes(SCAN)
    (folder / "taken" / f"b.{os.getppid()}.abc.json").write_bytes(ENDED)
    assert findings.take(folder, spool, now=NOW) == 1, "what a living process holds is its own"
    assert [item.content for item in waiting(spool)] == [SCAN]


def test_a_spool_that_cannot_be_written_loses_nothing(folder, spool, monkeypatch) -> None:
    (folder / "a.json").write_bytes(SCAN)

    def full(items) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(spool, "put", full)
        with pytest.raises(OSError, match="space"):
            findings.take(folder, spool, now=NOW)
    assert findings.take(folder, spool, now=NOW) == 1 and len(waiting(spool)) == 1


def test_what_is_no_finding_is_put_aside_and_the_rest_goes_on(folder, spool) -> None:
    (folder / "a.json").write_bytes(b'{"id": 1}')
    (folder / "b.json").write_bytes(b"\xff")
    (folder / "c.json").write_bytes(SCAN)
    assert findings.take(folder, spool, now=NOW) == 1
    assert len(list((folder / "refused").iterdir())) == 2
    assert findings.take(folder / "missing", spool, now=NOW) == 0
