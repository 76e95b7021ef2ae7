"""``tipstaff up``: one program that keeps the database, the web server, the workers and the intake running.

A plain loop in one thread. Children live in sessions of their own, so that whatever a dead child left behind can be
ended as a group; the kernel ends them when the supervisor itself is killed. A child that ends is started again, at once
the first time and then after growing pauses.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import TipstaffError
from tipstaff.project import connections, environment, processes
from tipstaff.project.children import Child, children, ours
from tipstaff.project.postgres import Cluster, DatabaseDown, make_state
from tipstaff.project.state import ensure_secret, lock_state

FIRST_PAUSE, LONGEST_PAUSE, SETTLED = 0.2, 30.0, 30.0  # seconds
STEP = 0.1
LOGS_EVERY = 60.0


@dataclass
class Watched:
    """A child and what became of it so far."""

    child: Child
    start: Callable[[], "subprocess.Popen[bytes]"]
    stop_signal: signal.Signals = signal.SIGTERM
    running: "subprocess.Popen[bytes] | None" = None
    began: float = 0.0
    pause: float = FIRST_PAUSE
    not_before: float = 0.0
    restarts: int = -1
    log_from: int = 0
    state: str = "waiting"

    def begin(self) -> None:
        self.running = self.start()
        self.began = time.monotonic()
        self.restarts += 1
        self.state = "up"

    def ended(self) -> int | None:
        """The exit code when the child has just ended; its stragglers are killed and a pause is set."""
        if self.running is None or (code := self.running.poll()) is None:
            return None
        processes.kill_group(self.running.pid)
        self.running = None
        if time.monotonic() - self.began > SETTLED:
            self.pause = FIRST_PAUSE
        self.not_before = time.monotonic() + self.pause
        self.state = "restarting"
        self.pause = min(self.pause * 2, LONGEST_PAUSE)
        return code

    def ask_to_stop(self) -> None:
        if self.running is not None and self.running.poll() is None:
            self.running.send_signal(self.stop_signal)

    def finish(self, deadline: float) -> bool:
        """Wait for the end until ``deadline`` (monotonic), then kill. False when it had to be killed."""
        if self.running is None:
            return True
        try:
            self.running.wait(max(0.0, deadline - time.monotonic()))
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            processes.kill_group(self.running.pid)
            self.running.wait()
            self.running, self.state = None, "stopped"


@dataclass
class Supervisor:
    """Runs until it is told to stop. ``first`` are commands to run once after the migration, before the children."""

    state: Path
    first: Sequence[Sequence[str]] = ()
    out: TextIO = field(default_factory=lambda: sys.stdout)
    announce: Callable[[], None] = lambda: None
    stopping: bool = False
    announced: bool = False
    told: str = ""
    logs_due: float = 0.0

    def run(self) -> None:
        """Start everything, watch it, and stop it cleanly on SIGTERM or SIGINT. Raises TipstaffError when it cannot start."""
        make_state(self.state)
        lock = lock_state(self.state)
        ensure_secret(self.state)
        for sent in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sent, self._stop)
        self.database: Watched | None = None
        self.watched: list[Watched] = []
        try:
            self._start_database()
            self._migrate()
            if not self.stopping:
                self._start_children()
            while not self.stopping:
                self._look()
                time.sleep(STEP)
        finally:
            self._stop_all()
            lock.release()

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _start_database(self) -> None:
        if connections.is_external():
            self._say("database", "external", "DATABASE_URL")
            return
        self.cluster = Cluster(self.state)
        child = Child("database", (), "PostgreSQL, embedded", grace=60)
        self.database = Watched(child, self._begin_database, signal.SIGINT)
        self.database.begin()
        self._say_up(self.database)

    def _begin_database(self) -> "subprocess.Popen[bytes]":
        self.cluster.start(wanted=lambda: not self.stopping)
        server = self.cluster.server
        assert server is not None
        return server

    def _migrate(self) -> None:
        self._say("tables", "checking")
        self._once(ours("db", "migrate"))
        for command in self.first:
            self._say(command[-1], "loading", "once, some minutes on a busy machine")
            self.told += self._once(command)
        self._say("tables", "current")

    def _once(self, command: Sequence[str]) -> str:
        """Run a command to its end; what it printed. Raises TipstaffError when it failed, unless we are to stop anyway."""
        made = subprocess.run(
            command,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            preexec_fn=processes.dies_with_parent(signal.SIGTERM),
        )
        if made.returncode and not self.stopping:
            tail = "\n".join(made.stdout.strip().splitlines()[-8:])
            raise TipstaffError(f"`{' '.join(command[3:])}` failed:\n{tail}")
        return made.stdout

    def _environment(self) -> dict[str, str]:
        return environment.for_children() | {"TIPSTAFF_STATE": str(self.state), "PYTHONUNBUFFERED": "1"}

    def _start_children(self) -> None:
        self.watched = [Watched(child, self._starter(child)) for child in children()]
        for one in self.watched:
            one.begin()
            self._say_up(one)

    def _starter(self, child: Child) -> Callable[[], "subprocess.Popen[bytes]"]:
        def start() -> "subprocess.Popen[bytes]":
            log = processes.open_log(self.log(child.name))
            try:
                return subprocess.Popen(
                    child.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment(),
                    start_new_session=True,
                    preexec_fn=processes.dies_with_parent(signal.SIGTERM),
                )
            finally:
                os.close(log)

        return start

    def log(self, name: str) -> Path:
        return self.state / "log" / f"{name}.log"

    def _look(self) -> None:
        if not self.announced and processes.answers(*(environment.address("listen") or ("127.0.0.1", 0))):
            self.announced = True
            self.out.write(self.told)
            self.announce()
        if time.monotonic() > self.logs_due:
            self.logs_due = time.monotonic() + LOGS_EVERY
            for log in (self.state / "log").glob("*.log"):
                processes.shorten_log(log)
        for one in [*filter(None, [self.database]), *self.watched]:
            if (code := one.ended()) is not None:
                why = processes.reason_in_log(self.log(one.child.name), one.log_from) if code > 0 else ""
                self._say(
                    one.child.name, "ended", f"{how_it_ended(code)}; again in {one.not_before - time.monotonic():.1f} s  {why}"
                )
            if one.running is None and time.monotonic() >= one.not_before and not self.stopping:
                self._begin_again(one)

    def _begin_again(self, one: Watched) -> None:
        one.log_from = processes.log_size(self.log(one.child.name))
        try:
            one.begin()
            self._say_up(one)
        except (DatabaseDown, OSError) as error:
            one.not_before = time.monotonic() + one.pause
            one.pause = min(one.pause * 2, LONGEST_PAUSE)
            self._say(one.child.name, "down", str(error))

    def _stop_all(self) -> None:
        for one in self.watched:
            one.ask_to_stop()
        for one in self.watched:
            clean = one.finish(time.monotonic() + one.child.grace)
            self._say(one.child.name, "stopped" if clean else "killed")
        if self.database is not None and self.database.running is not None:
            self.database.ask_to_stop()
            clean = self.database.finish(time.monotonic() + self.database.child.grace)
            self.cluster.forget_socket()
            self._say("database", "stopped" if clean else "killed")
        self._write_status()

    def _say_up(self, one: Watched) -> None:
        assert one.running is not None
        again = f", restart {one.restarts}" if one.restarts else ""
        self._say(one.child.name, "up", f"pid {one.running.pid}{again}  {one.child.note}")

    def _say(self, name: str, state: str, detail: str = "") -> None:
        self.out.write(f"{now():%H:%M:%S}  {name:<10} {state:<9} {detail}".rstrip() + "\n")
        self.out.flush()
        self._write_status()

    def _write_status(self) -> None:
        everyone = [*filter(None, [self.database]), *self.watched]
        lines = [status_of(one) for one in everyone]
        fresh = self.state / "status.json.new"
        fresh.write_text(json.dumps({"supervisor": os.getpid(), "children": lines}))
        fresh.replace(self.state / "status.json")


def status_of(one: Watched) -> dict[str, Any]:
    """A child's line in ``STATE/status.json``, which ``tipstaff status`` prints."""
    return {
        "name": one.child.name,
        "state": one.state,
        "pid": one.running.pid if one.running else None,
        "restarts": max(one.restarts, 0),
        "note": one.child.note,
    }


def how_it_ended(code: int) -> str:
    """An exit code of Popen in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
