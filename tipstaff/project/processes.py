"""What the operating system lets us promise about child programs: that they end with us, and that nothing outlives them."""

import ctypes
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1


def dies_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """A ``preexec_fn`` that has the kernel send ``sent`` when the starting thread ends; None without prctl."""
    if not sys.platform.startswith("linux"):
        return None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def set_parent_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(sent))
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return set_parent_death_signal


def follow_parent(sent: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to end this very program when its parent ends, for programs that others start (granian's workers)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sent))


def is_root() -> bool:
    return os.geteuid() == 0


def kill_group(group: int, sent: signal.Signals = signal.SIGKILL) -> bool:
    """Signal a whole process group; False when nobody was left in it."""
    try:
        os.killpg(group, sent)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def open_log(path: Path) -> int:
    """A descriptor that appends to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def shorten_log(path: Path, limit: int = 10_000_000) -> None:
    """Copy a log over ``limit`` bytes to ``.1`` and empty it, under the programs that go on appending to it."""
    if path.exists() and path.stat().st_size > limit:
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)


def log_size(path: Path) -> int:
    """Bytes a log holds by now."""
    return path.stat().st_size if path.exists() else 0


def reason_in_log(path: Path, since: int = 0) -> str:
    """The line that says most likely why a program ended: its last error, else its last line, from byte ``since`` on."""
    if not path.exists():
        return ""
    with path.open("rb") as handle:
        handle.seek(max(0, since, path.stat().st_size - 8192))
        lines = [line.strip() for line in handle.read().decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"tipstaff: |[\w.]*(?:Error|Exception|Refused|Down)\b", line)]
    return (errors or lines or [""])[-1][:200]


def answers(host: str, port: int, timeout: float = 1) -> bool:
    """Whether somebody accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except OSError:
        return False
    return True


def wait_until(happened: Callable[[], bool], timeout: float, step: float = 0.05) -> bool:
    """Whether ``happened()`` became true within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True
