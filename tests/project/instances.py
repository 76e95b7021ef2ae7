"""A whole Tipstaff of one's own, for tests that kill parts of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tipstaff.project.commands.running import free_port
from tipstaff.project.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0  # seconds for what a machine that others load must do; what happens sooner is seen at once


@dataclass
class Instance:
    """``tipstaff up`` in a state directory; ``prefix`` runs it as somebody else."""

    state: Path
    prefix: tuple[str, ...] = (sys.executable,)
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    smtp_port: int = field(default_factory=free_port)

    def start(self, *words: str) -> "Instance":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "TIPSTAFF_"))}
        environment |= {"TIPSTAFF_LISTEN": f"127.0.0.1:{self.port}", "TIPSTAFF_SMTP_LISTEN": f"127.0.0.1:{self.smtp_port}"}
        self.output = self.state.parent / f"{self.state.name[:20]}.out"
        with self.output.open("w") as out:
            self.supervisor = subprocess.Popen(
                [*self.prefix, "-m", "tipstaff.project.cli", *(words or ("up", "--state", str(self.state)))],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=environment | self.environment,
                cwd="/",
                start_new_session=True,
            )
        return self

    def ready(self, timeout: float = PATIENCE) -> "Instance":
        # An instance that was killed a moment ago may still answer on the same port: wait for this one's own word.
        def happened() -> bool:
            return ("web        up" in self.said() and self.answers()) or self.supervisor.poll() is not None

        assert wait_until(happened, timeout), self.said()
        assert self.supervisor.poll() is None, self.said()
        return self

    def said(self) -> str:
        return self.output.read_text()

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
        except urllib.error.HTTPError:
            return True  # an error page is an answer of the web server
        except OSError:
            return False
        return True

    def children(self) -> dict[str, int | None]:
        known = json.loads((self.state / "status.json").read_text())
        return {child["name"]: child["pid"] for child in known["children"]}

    def processes(self) -> list[psutil.Process]:
        """Every live process that works in or for this state directory, whoever its parent is by now."""
        return [found for found in psutil.process_iter() if self._is_ours(found)]

    def _is_ours(self, found: psutil.Process) -> bool:
        try:
            if found.status() == psutil.STATUS_ZOMBIE:
                return False
            named = found.environ().get("TIPSTAFF_STATE") == str(self.state) or str(self.state) in found.cmdline()
            return named or Path(found.cwd()).is_relative_to(self.state)
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError, ProcessLookupError):
            return False

    def stop(self) -> int:
        """Ask for a clean end; the exit code."""
        if self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
        return self.supervisor.wait(PATIENCE)

    def gone(self, timeout: float = PATIENCE) -> bool:
        return wait_until(lambda: not self.processes(), timeout)

    def kill_everything(self) -> None:
        """Whatever a failed test left of this one instance."""
        deadline = time.monotonic() + 60
        while (left := self.processes()) and time.monotonic() < deadline:
            for found in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    found.kill()
            time.sleep(0.1)
        if self.supervisor.poll() is None:
            self.supervisor.kill()
            self.supervisor.wait()
