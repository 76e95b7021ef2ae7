"""The local outbox: a directory on this machine in the place of a mail server, for demos and trials. Nothing leaves.

A message that went there counts as sent, and every try says where it went: the desk shows it, any mail program opens the file.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import re2

from tipstaff.correspondence.smarthost import Answer, Outcome

NAME = "local outbox"
KEPT = "kept in the local outbox on this machine; nothing was sent"
_UNFIT = re2.compile(r"[^A-Za-z0-9@._-]+")


class LocalOutbox:
    """Takes messages as ``smarthost.Connection`` does. ``clock`` dates the files."""

    server, is_open = NAME, True

    def __init__(self, directory: Path, clock: Callable[[], datetime]) -> None:
        self.directory, self.clock = directory, clock

    def send(self, sender: str, recipient: str, content: bytes, before_handing: Callable[[], None]) -> Answer:
        """Write one message as a file of its own; a half-written one is never seen under its name."""
        name = f"{self.clock():%Y%m%dT%H%M%S.%f}-{_UNFIT.sub('_', recipient)[:80]}"
        unfinished = self.directory / f".{name}"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # the links in them are somebody's
            unfinished.write_bytes(content)
            before_handing()
            unfinished.replace(self._free(name))
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            return Answer(Outcome.LATER, "content", 0, f"the local outbox cannot be written: {error.strerror or error}")
        return Answer(Outcome.SENT, "content", 0, KEPT)

    def _free(self, name: str) -> Path:
        """A name that no earlier message of the same moment has."""
        found, more = self.directory / f"{name}.eml", 1
        while found.exists():
            more += 1
            found = self.directory / f"{name}-{more}.eml"
        return found

    def close(self) -> None:
        """Nothing is held open."""
