"""A database for one benchmark: our embedded PostgreSQL with fsync on, gone afterwards; and what it all cost."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tipstaff.project import database, environment


@contextmanager
def instance() -> Iterator[Any]:
    """A migrated throwaway instance; Django speaks to it as the application's role. Yields the cluster."""
    from tipstaff.project.postgres import Cluster

    state = Path(tempfile.mkdtemp(prefix="tipstaff-bench-"))
    state.chmod(0o711)
    environment.choose_state(str(state))
    cluster = Cluster(state)
    cluster.start()
    try:
        _migrate(state)
        database.setup_django()
        from django.conf import settings

        settings.STATE, settings.SPOOL = state, state / "spool"
        yield cluster
    finally:
        from django.db import connections

        connections.close_all()
        cluster.stop()
        shutil.rmtree(state, ignore_errors=True)


def _migrate(state: Path) -> None:
    """Migrate as the owner in a program of its own: this one stays the application."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "tipstaff.project.cli", "db", "migrate"]
    subprocess.run(command, check=True, env=environment.for_children(), capture_output=True)


@dataclass
class Meter:
    """CPU-seconds of this process, of those beside it and of PostgreSQL with all its children, and the wall time since it began."""

    cluster: Any
    beside: Sequence[psutil.Process] = ()  # our programs that work with this one, as workers do
    takes_part: bool = True  # False where this process only looks on until the others are done
    began: float = field(default_factory=time.perf_counter)
    cpu: float = 0.0
    wall: float = 0.0

    def __post_init__(self) -> None:
        self._at = self._cpu()

    def _cpu(self) -> float:
        own = sum(os.times()[:4]) if self.takes_part else 0.0
        server = psutil.Process(self.cluster.server.pid)
        return (
            own
            + sum(sum(process.cpu_times()[:4]) for process in [server])
            + sum(sum(child.cpu_times()[:2]) for child in (*server.children(), *self.beside))
        )

    def running(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.began

    def stop(self) -> "Meter":
        self.wall, self.cpu = time.perf_counter() - self.began, self._cpu() - self._at
        return self


def proportional_mb(pids: list[int]) -> float:
    """Proportional set size of these processes in MB."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
            continue
    return round(total / 1e6, 1)


def postgres_mb(cluster: Any) -> float:
    """Proportional set size of the database server in MB; shared buffers are counted once."""
    server = psutil.Process(cluster.server.pid)
    return proportional_mb([server.pid, *[child.pid for child in server.children(recursive=True)]])


@contextmanager
def as_owner(cluster: Any) -> Iterator[Any]:
    """A psycopg connection as the owner, for preloading."""
    import psycopg

    from tipstaff.project.connections import OWNER

    with psycopg.connect(cluster.url(OWNER), autocommit=True) as connection:
        yield connection
