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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tipstaff.kernel.clock import now
from tipstaff.sensors.traffic import ring as R
from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.ring import Ring

log = logging.getLogger("tipstaff.flows")
MOST, OLDEST = 500_000, 10.0  # flows in a fresh file, seconds until it is written
STEP = 0.05
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
    """Collects slots until a file is worth writing."""

    settings: Settings
    ring: Ring
    parts: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    flows: int = 0
    since: float = 0.0
    number: int = 0
    resting_until: float = 0.0

    def __post_init__(self) -> None:
        self.root = Path(self.settings.root)
        files.make_room(self.root)
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
        """Take one slot, write when it is time; whether there was anything to do."""
        self.ring.head[R.BEAT] = int(now().timestamp() * 1000)
        slot = self.ring.oldest()
        if slot is not None:
            count = int(slot.numbers[R.ROWS])
            c = slot.columns
            self.parts.append(
                {name: column.copy() for name, column in files.arrays(c.narrow, c.wide, slot.customers, count).items()}
            )
            self.ring.release(slot)
            self.since = self.since if self.flows else time.monotonic()
            self.flows += count
        if self.flows >= MOST or (self.flows and time.monotonic() - self.since > OLDEST):
            self.flush()
        return slot is not None

    def flush(self) -> None:
        """Write what was collected; where the disk refuses, it is dropped and counted, and the next try comes later."""
        parts, flows, self.parts, self.flows = self.parts, self.flows, [], 0
        if not flows:
            return
        try:
            if time.monotonic() < self.resting_until:
                raise OSError("waiting after a failure")
            self.number += 1
            path = self.root / "fresh" / f"{files.stamp(int(now().timestamp() * 1000))}-{self.number:06d}.parquet"
            files.write_table(path, joined(parts))
            self.ring.head[R.ARCHIVED] += flows
        except (OSError, pa.ArrowException) as error:
            if time.monotonic() >= self.resting_until:
                log.warning("cannot write the archive, %d flows dropped: %s", flows, error)
                self.resting_until = time.monotonic() + RETRY
            self.ring.head[R.DROPPED] += flows


def joined(parts: list[dict[str, NDArray[Any]]]) -> pa.Table:
    """One table of several; what only some have (IPv6) is zero in the others."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    tables = []
    for part in parts:
        length = len(part["src"])
        tables.append(pa.table({name: part[name] if name in part else np.zeros(length, np.uint64) for name in names}))
    return pa.concat_tables(tables)


def run(writer: Writer, stop: threading.Event) -> None:
    """Until ``stop``, then write what is left."""
    while not stop.is_set():
        if not writer.step():
            time.sleep(STEP)
    while writer.step():
        pass
    writer.flush()


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    R.end_with_parent()
    pa.set_cpu_count(1)
    stop = threading.Event()
    for sent in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sent, lambda *_: stop.set())
    settings = Settings.read(Path(arguments[0]))
    writer = Writer(settings, Ring(settings.ring, settings.slots, settings.capacity))
    print("ready", flush=True)
    run(writer, stop)


if __name__ == "__main__":
    main(sys.argv[1:])
