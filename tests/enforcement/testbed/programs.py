"""One real server as a child of the tests: started, killed, started again, and gone when they are."""

import shutil
import signal
import subprocess
from pathlib import Path


def found(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


class Program:
    """A server that stays in the foreground; what it says goes to ``directory/NAME.log``."""

    def __init__(self, directory: Path, *command: str) -> None:
        self.directory, self.command = directory, command
        self.child: subprocess.Popen | None = None

    def start(self) -> None:
        assert self.child is None
        with self.log.open("ab") as out:
            self.child = subprocess.Popen(
                # Not by preexec_fn: that forks, and gRPC's threads of other tests take a fork badly.
                ["setpriv", "--pdeathsig", "KILL", found(self.command[0]) or self.command[0], *self.command[1:]],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        return self.directory / f"{self.command[0]}.log"

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def kill(self, sent: signal.Signals = signal.SIGKILL) -> None:
        if self.child is not None:
            self.child.send_signal(sent)
            self.child.wait(10)
            self.child = None
