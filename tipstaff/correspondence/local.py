"""The local outbox: a directory on this machine in the place of a mail server, for demos and trials. Nothing leaves.

A message that went there counts as sent, and every try says where it went: the desk shows it, any mail program opens the file.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import re2

from tipstaff.correspondence.smarthost import Answer, Outcome
from tipstaff.evidence.stores import sync_directory

NAME = "local outbox"
KEPT = "kept in the local outbox on this machine; nothing was sent"
_UNFIT = re2.compile(r"[^A-Za-z0-9@._-]+")


def _write(path: Path, content: bytes) -> None:
    """A new file for our account alone, on the disk when this returns. A link that lies there is not followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


class LocalOutbox:
    """Takes messages as ``smarthost.Connection`` does. ``clock`` dates the files."""

    server, is_open = NAME, True

    def __init__(self, directory: Path, clock: Callable[[], datetime]) -> None:
        self.directory, self.clock = directory, clock

    def send(self, sender: str, recipient: str, content: bytes, before_handing: Callable[[], None]) -> Answer:
        """Write one message as a file of its own; a half-written one is never seen under its name."""
        name = f"{self.clock():%Y%m%dT%H%M%S.%f}-{_UNFIT.sub('_', recipient)[:80]}"
        unfinished = self.directory / f".{name}.{os.getpid()}"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # the links in them are somebody's
            _write(unfinished, content)
            before_handing()
            self._name(unfinished, name)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            return Answer(Outcome.LATER, "content", 0, f"the local outbox cannot be written: {error.strerror or error}")
        return Answer(Outcome.SENT, "content", 0, KEPT)

    def _name(self, unfinished: Path, name: str) -> None:
        """Give it a name that no earlier message of the same moment has, also of another program's."""
        found, more = self.directory / f"{name}.eml", 1
        while True:
            try:
                found.hardlink_to(unfinished)
                break
            except FileExistsError:
                more += 1
                found = self.directory / f"{name}-{more}.eml"
        unfinished.unlink()
        sync_directory(self.directory)

    def close(self) -> None:
        """Nothing is held open."""
