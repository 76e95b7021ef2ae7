"""The program that archives: takes filled slots from the ring, writes Parquet, compacts and rolls up. Never waited for.

Started as ``python -m tipstaff.sensors.traffic.archive.writer SETTINGS.json``. What it took and could not write is counted
as dropped; what it had taken when it was killed is found by the one that comes after it and counted too.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.kernel.clock import now
from tipstaff.sensors.traffic import ring as R
from tipstaff.sensors.traffic.archive import columns
from tipstaff.sensors.traffic.archive.frames import QUICK
from tipstaff.sensors.traffic.archive.unfinished import BOUNDED, REPEATING, Unfinished
from tipstaff.sensors.traffic.ring import Ring, Slot

log = logging.getLogger("tipstaff.flows")
MOST, OLDEST = 500_000, 10.0  # flows in a fresh file, seconds until it is written
STEP = 0.05
TOGETHER = 32_768  # flows that are worth a group of rows
RETRY = 5.0  # seconds after a write that failed


@dataclass
class Settings:
    """What the archive's program is started with."""

    root: str
    ring: int
    slots: int
    capacity: int
    keep_hours: int = 24 * 30
    keep_minutes_hours: int = 24 * 180
    keep_coarse_hours: int = 24 * 730
    most_bytes: int = 0  # 0: as much as there is
    spool: bool = False  # a cluster keeps the flows: files only wait here until it has them
    memory: str = "256MB"

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Settings":
        return cls(**json.loads(path.read_text()))


@dataclass
class Writer:
    """Writes slots into a file in the making, each a group of rows; small ones wait to be written together."""

    settings: Settings
    ring: Ring
    made: Unfinished | None = None
    parts: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    kept: int = 0  # flows in ``parts``
    flows: int = 0  # in ``made`` and ``parts``
    since: float = 0.0
    number: int = 0
    resting_until: float = 0.0
    finishing: "Finishing | None" = None

    def __post_init__(self) -> None:
        self.root = Path(self.settings.root)
        columns.make_room(self.root)
        self.number = os.getpid() % 1000 * 1000
        self.count_lost()

    def count_lost(self) -> None:
        """What a writer before us had taken out of the ring and did not write."""
        head = self.ring.head
        gone = int(head[R.PUBLISHED] - head[R.LOST] - head[R.ARCHIVED] - head[R.DROPPED]) - self.ring.waiting
        if gone > 0:
            log.warning("%d flows were lost when the archive ended", gone)
            head[R.DROPPED] += gone

    def step(self) -> bool:
        """Take one slot, finish the file when it is time; whether there was anything to do."""
        self.ring.head[R.BEAT] = int(now().timestamp() * 1000)
        slot = self.ring.oldest()
        if slot is not None:
            self.take(slot)
            self.ring.release(slot)
        if self.flows >= MOST or (self.flows and time.monotonic() - self.since > OLDEST):
            self.flush()
        self.settle()
        return slot is not None

    def take(self, slot: Slot) -> None:
        """Write a slot's flows straight from the shared memory, or keep them for a while where they are few."""
        count = int(slot.numbers[R.ROWS])
        c = slot.columns
        found = columns.arrays(c.narrow, c.wide, slot.customers, count)
        self.since = self.since if self.flows else time.monotonic()
        self.flows += count
        if self.parts or count < TOGETHER:
            self.parts.append({name: column.copy() for name, column in found.items()})
            self.kept += count
            if self.kept >= TOGETHER:
                self.write_kept()
        else:
            self.write(found)

    def write_kept(self) -> None:
        parts, self.parts, self.kept = self.parts, [], 0
        if parts:
            self.write(joined(parts))

    def write(self, found: dict[str, NDArray[Any]]) -> None:
        """A group of rows; where the disk refuses, the whole file is given up."""
        if self.resting_until > time.monotonic():
            return self.drop(None)
        try:
            if self.made is None:
                self.number += 1
                name = f"{columns.stamp(int(now().timestamp() * 1000))}-{self.number:06d}.parquet"
                self.made = Unfinished(self.root / "fresh" / name, level=QUICK, bounded=(*BOUNDED, *REPEATING))
            self.made.output.add(found)
        except OSError as error:
            self.drop(error)

    def flush(self) -> None:
        """Finish the file, in a thread of its own: a disk that is slow to sync holds no slot."""
        self.write_kept()
        self.settle(wait=True)
        if self.made is not None:
            self.finishing = Finishing(self.made, self.flows)
            self.made, self.flows = None, 0

    def settle(self, *, wait: bool = False) -> None:
        """Count what was finished meanwhile; with ``wait``, see it through."""
        done = self.finishing
        if done is None or (done.thread.is_alive() and not wait):
            return
        done.thread.join()
        self.finishing = None
        self.ring.head[R.DROPPED if done.error else R.ARCHIVED] += done.flows
        if done.error:
            self.rest(done.flows, done.error)

    def drop(self, error: OSError | None) -> None:
        """Give up what was collected, and count it; the next try comes later."""
        flows, self.flows, self.parts, self.kept = self.flows, 0, [], 0
        made, self.made = self.made, None
        with suppress(OSError):
            if made is not None:
                made.give_up()
        self.ring.head[R.DROPPED] += flows
        if error is not None:
            self.rest(flows, error)

    def rest(self, flows: int, error: Exception) -> None:
        log.warning("cannot write the archive, %d flows dropped: %s", flows, error)
        self.resting_until = time.monotonic() + RETRY


class Finishing:
    """A file on its way to the disk."""

    def __init__(self, made: Unfinished, flows: int) -> None:
        self.flows = flows
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, args=(made,))
        self.thread.start()

    def _run(self, made: Unfinished) -> None:
        try:
            made.finish()
        except Exception as error:  # whatever it is: these flows are not in the archive, and are counted so
            self.error = error


def joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The columns of several; what only some have (IPv6) is zero in the others."""
    kinds = {name: column.dtype for part in parts for name, column in part.items()}
    lengths = [len(part["src"]) for part in parts]
    return {
        name: np.concatenate(
            [part[name] if name in part else np.zeros(length, kind) for part, length in zip(parts, lengths, strict=True)]
        )
        for name, kind in kinds.items()
    }


def run(writer: Writer, stop: threading.Event) -> None:
    """Until ``stop``, then write what is left."""
    while not stop.is_set():
        if not writer.step():
            time.sleep(STEP)
    while writer.step():
        pass
    writer.flush()
    writer.settle(wait=True)


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    R.end_with_parent()
    stop = threading.Event()
    for sent in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sent, lambda *_: stop.set())
    settings = Settings.read(Path(arguments[0]))
    writer = Writer(settings, Ring(settings.ring, settings.slots, settings.capacity))
    print("ready", flush=True)
    run(writer, stop)


if __name__ == "__main__":
    main(sys.argv[1:])
