"""The switch that turns a skipped suite into a failed one does so, in a run of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPING = """
import pytest

@pytest.mark.skipif(True, reason="no router here")
def test_marked() -> None: ...

def test_at_run_time() -> None:
    pytest.skip("no router here")

def test_that_needs_what_nobody_can_install() -> None:
    pytest.skip("not part of the project: a file beside the checkout")
"""


@pytest.mark.parametrize(("required", "word"), [("1", "1 failed, 1 skipped, 1 error"), ("", "3 skipped")])
def test_a_skip_is_a_failure_where_everything_must_run(tmp_path: Path, required: str, word: str) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPPING)
    (tmp_path / "conftest.py").write_text("from tests.unskipped import pytest_runtest_makereport  # noqa: F401\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django", "-c", "/dev/null", str(tmp_path)]
    environment = os.environ | {"TIPSTAFF_REQUIRE_SERVERS": required, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert word in done.stdout, done.stdout + done.stderr
