"""Findings on their way to the desk: one JSON document per file, named by time, written by a thread of its own.

A document is complete when it has its name; it stays until whoever takes it deletes it. While the disk takes nothing,
documents wait in memory, MOST of them, and the loss beyond is counted.
"""

import json
import logging
import os
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

from tipstaff.kernel.errors import InputError
from tipstaff.sensors.traffic.detection.findings import Finding, from_json

log = logging.getLogger("tipstaff.flows")
MOST = 10_000
RETRY = 1.0


class Spool:
    """``directory/*.json``, sortable by name: time of writing (ms since 1970), a running number, the finding's id."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory.parent / "detection.state"
        self.waiting: deque[tuple[str, str]] = deque()
        self.lost = self.written = self.number = 0
        self.latest_state: list[str] | None = None
        self._wake = threading.Condition()
        self._stop = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def emit(self, finding: Finding, moment: int) -> None:
        """Hand over a document; ``moment`` is now in ms."""
        self.number += 1
        name = f"{moment:015d}-{self.number % 1_000_000:06d}-{finding.id}.json"
        with self._wake:
            if len(self.waiting) >= MOST:
                self.waiting.popleft()
                self.lost += 1
            self.waiting.append((name, finding.to_json()))
            self._wake.notify()

    def remember(self, texts: list[str]) -> None:
        """The findings that are open, as JSON, for the next start; the latest replace what was not written yet. Written after the
        documents before them."""
        with self._wake:
            self.latest_state = texts
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self.waiting and self.latest_state is None and not self._stop:
                    self._wake.wait()
                if not self.waiting and self.latest_state is None:
                    return
                documents, state = list(self.waiting), self.latest_state
                self.latest_state = None
            if not self._write(documents, state):
                with self._wake:
                    self.latest_state = state if self.latest_state is None else self.latest_state
                    if self._stop:
                        return
                    self._wake.wait(RETRY)

    def _write(self, documents: list[tuple[str, str]], state: list[str] | None) -> bool:
        try:
            for name, text in documents:
                self._whole(self.directory / name, text)
                with self._wake:
                    self.written += 1
                    if self.waiting and self.waiting[0][0] == name:
                        self.waiting.popleft()
            if state is not None:
                self._whole(self.state, state_of(state))
        except OSError as error:
            log.warning("cannot write findings into %s: %s", self.directory, error)
            return False
        return True

    def _whole(self, path: Path, text: str) -> None:
        """Beside, then renamed, then on the disk for good."""
        fresh = path.with_name(path.name + ".new")
        with fresh.open("w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """See everything written that the disk takes."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(30)

    def left_open(self) -> list[Finding]:
        """The findings that were open when the last engine ended: by its own word, and by documents that nobody took yet."""
        texts: list[str] = []
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self.state.read_text())["open"]
            texts += [one if isinstance(one, str) else json.dumps(one) for one in kept]  # earlier, texts were written
        texts += [_text(path) for path in sorted(self.directory.glob("*.json"))]
        found: dict[str, Finding] = {}
        for text in texts:
            try:
                one = from_json(text)
            except (InputError, TypeError):
                continue
            if one.id not in found or one.last_at >= found[one.id].last_at:
                found[one.id] = one
        return [one for one in found.values() if one.ended_at is None]


def state_of(texts: list[str]) -> str:
    """The file of what is open; put together from what is JSON already, as hundreds may be open and change each second."""
    return f'{{"open":[{",".join(texts)}]}}'


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
