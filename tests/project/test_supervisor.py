"""How the supervisor treats a child that cannot live."""

import subprocess
import sys
import time
from itertools import pairwise

from tipstaff.project.children import Child
from tipstaff.project.processes import wait_until
from tipstaff.project.supervisor import LONGEST_PAUSE, Watched, how_it_ended


def failing() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], start_new_session=True)


def ended(watched: Watched) -> int:
    for _ in range(1000):
        if (code := watched.ended()) is not None:
            return code
        time.sleep(0.02)
    raise AssertionError("it lives on")


def test_a_child_that_keeps_failing_is_tried_less_and_less_often() -> None:
    watched = Watched(Child("broken", ()), failing)
    pauses = []
    for _ in range(4):
        watched.begin()
        assert ended(watched) == 3
        pauses.append(watched.not_before - time.monotonic())
    assert all(later > earlier * 1.5 for earlier, later in pairwise(pauses))
    assert watched.restarts == 3


def test_the_pause_has_an_end() -> None:
    watched = Watched(Child("broken", ()), failing, pause=LONGEST_PAUSE)
    watched.begin()
    assert wait_until(lambda: watched.ended() is not None, 60)
    assert watched.pause == LONGEST_PAUSE


def test_a_child_that_does_not_stop_is_killed() -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"

    def deaf() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)

    watched = Watched(Child("deaf", (), grace=0.3), deaf)
    watched.begin()
    assert watched.running is not None and watched.running.stdout is not None
    assert watched.running.stdout.readline() == b"up\n"
    watched.ask_to_stop()
    assert watched.finish(time.monotonic() + 0.3) is False
    assert watched.running is None


def test_an_end_is_told_in_words() -> None:
    assert how_it_ended(-9) == "killed by SIGKILL" and how_it_ended(2) == "exit code 2"
