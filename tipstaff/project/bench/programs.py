"""Workers as programs of their own, the way that ``tipstaff up`` starts them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from tipstaff.project import environment

LOOK = 0.02  # seconds between looks at what is left


@contextmanager
def started(count: int) -> Iterator[list[psutil.Process]]:
    """``count`` workers, up and idle; they end with the block."""
    with ExitStack() as stack:
        hands = [stack.enter_context(_worker()) for _ in range(count)]
        _ready(count)
        yield hands


@contextmanager
def _worker() -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "tipstaff.project.cli", "run", "worker"]
    child = subprocess.Popen(command, env=environment.for_children(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait(timeout=30)


def _ready(workers: int) -> None:
    """Wait until each worker has given its first sign of life, and a moment for what it does next."""
    from tipstaff.kernel.models import Heartbeat

    until = time.perf_counter() + 60
    while Heartbeat.objects.filter(name="worker").count() < workers:
        if time.perf_counter() > until:
            raise RuntimeError("the workers did not start within a minute")
        time.sleep(0.1)
    time.sleep(1)
