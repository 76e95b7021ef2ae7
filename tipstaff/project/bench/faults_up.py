"""A real ``tipstaff up`` that is killed part by part, and started by itself again, while everything pours in."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tipstaff.kernel.errors import TipstaffError
from tipstaff.project import environment, processes
from tipstaff.project.commands.running import free_port
from tipstaff.project.processes import wait_until

PATIENCE = 120.0  # seconds for a start, and for a part to come back
PAUSES = (1.5, 6.0)  # seconds between two kills: from, to
#: Programs below a child that die by themselves too: what is shown → the child, and words of the command.
BELOW = {"web-worker": ("web", ""), "database-backend": ("database", "tipstaff")}


@dataclass
class Up:
    """``tipstaff up`` with every part that it knows, in a state directory of its own."""

    state: Path
    smarthost: str
    port: int = field(default_factory=free_port)
    smtp_port: int = field(default_factory=free_port)
    flow_port: int = field(default_factory=free_port)

    def start(self) -> None:
        given = environment.for_children()
        settings = {name: value for name, value in given.items() if not name.startswith(("DATABASE_", "TIPSTAFF_"))} | {
            "TIPSTAFF_STATE": str(self.state), "TIPSTAFF_LISTEN": f"127.0.0.1:{self.port}", "TIPSTAFF_WORKERS": "2",
            "TIPSTAFF_SMTP_LISTEN": f"127.0.0.1:{self.smtp_port}", "TIPSTAFF_FLOW_LISTEN": f"127.0.0.1:{self.flow_port}",
            "TIPSTAFF_SENDING": "on", "TIPSTAFF_SMARTHOST": self.smarthost, "TIPSTAFF_SMARTHOST_TLS": "off",
            "TIPSTAFF_MAIL_PER_HOUR": "1000000", "TIPSTAFF_MAIL_PER_RECIPIENT": "1000000",
        }  # fmt: skip
        ending_with_us = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        command = [*ending_with_us, sys.executable, "-m", "tipstaff.project.cli", "up"]
        with (self.state.parent / "up.out").open("wb") as out:
            self.supervisor = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=settings, start_new_session=True
            )
        if not wait_until(lambda: self._is_ready() or self.supervisor.poll() is not None, PATIENCE) or self.supervisor.poll():
            raise TipstaffError(f"it did not start:\n{self.said()[-3000:]}")

    def _is_ready(self) -> bool:
        return self.answers() and processes.answers("127.0.0.1", self.smtp_port)

    def answers(self) -> bool:
        """Whether the web server does."""
        return processes.answers("127.0.0.1", self.port)

    def said(self) -> str:
        return (self.state.parent / "up.out").read_text(errors="replace")

    def children(self) -> dict[str, int | None]:
        """Every child by name, with its process where it has one now; nothing while the list is being written."""
        with suppress(OSError, ValueError):
            known = json.loads((self.state / "status.json").read_text())
            return {child["name"]: child["pid"] for child in known["children"]}
        return {}

    def stop(self) -> None:
        """End it as an operator does; what does not end is killed."""
        if self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            try:
                self.supervisor.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
                self.supervisor.wait()


class Killer:
    """Draws from a shuffled deck of every part, so that each dies as often as any other, at moments nobody foresees."""

    def __init__(self, up: Up, chance: random.Random) -> None:
        self.up, self.chance, self.deck = up, chance, list[str]()
        self.killed: Counter[str] = Counter()

    def kill(self, count: int) -> None:
        """So many kills, with pauses between them. Raises TipstaffError when no part comes back to be killed."""
        for _ in range(count):
            time.sleep(self.chance.uniform(*PAUSES))
            if not wait_until(self._kill_one, PATIENCE, step=0.1):
                raise TipstaffError(f"{', '.join(self.deck)} did not come back within {PATIENCE:.0f} s:\n{self.up.said()[-3000:]}")

    def _kill_one(self) -> bool:
        """The first of the deck that lives; the others stay in it for the next time."""
        if not self.deck:
            self.deck = sorted([*self.up.children(), *BELOW])
            self.chance.shuffle(self.deck)
        for name in self.deck:
            if self._strike(name):
                self.deck.remove(name)
                self.killed[name] += 1
                return True
        return False

    def _strike(self, name: str) -> bool:
        """Kill it if it is at work; whether it was. The web is when it answers: it takes a while to start."""
        if name.startswith("web") and not self.up.answers():
            return False
        try:
            found = self._find(name)
            if found is None or found.status() == psutil.STATUS_ZOMBIE:
                return False
            os.kill(found.pid, signal.SIGKILL)
        except (psutil.Error, ProcessLookupError):
            return False
        return True

    def _find(self, name: str) -> psutil.Process | None:
        child, words = BELOW.get(name, (name, ""))
        pid = self.up.children().get(child)
        if pid is None:
            return None
        parent = psutil.Process(pid)
        if name not in BELOW:
            return parent
        below = [one for one in parent.children() if words in " ".join(one.cmdline())]
        return self.chance.choice(below) if below else None
