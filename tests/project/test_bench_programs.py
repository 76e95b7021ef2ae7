"""The workers of a benchmark: the clock waits until they rest."""

import subprocess
import sys

import psutil
import pytest

from tipstaff.project.bench import programs


@pytest.mark.parametrize(("does", "rests"), [("while True: pass", False), ("import time; time.sleep(600)", True)])
def test_who_still_builds_something_does_not_rest_yet(does, rests) -> None:
    child = subprocess.Popen([sys.executable, "-c", f"print(flush=True)\n{does}"], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None and child.stdout.readline()
        assert programs._rests(psutil.Process(child.pid)) is rests
    finally:
        child.kill()
        child.communicate()
