"""Carries archived files to ClickHouse. The files are the spool: each goes only when the cluster has its rows.

Started as ``python -m tipstaff.sensors.traffic.archive.shipping SETTINGS.json`` beside the writer, where a cluster is configured.
A file that is sent again after a failure adds nothing: its name is the token by which the cluster knows it.
"""

import json
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tipstaff.kernel.errors import Refused
from tipstaff.sensors.traffic import ring as R
from tipstaff.sensors.traffic.archive import compacting, files
from tipstaff.sensors.traffic.archive.clickhouse import EVER, Cluster, Http, Schema
from tipstaff.sensors.traffic.archive.files import Stored
from tipstaff.sensors.traffic.archive.keeping import Holds
from tipstaff.sensors.traffic.archive.writer import Settings

log = logging.getLogger("tipstaff.flows")
PAUSE, LONGEST_PAUSE = 1.0, 30.0
DAY = 86_400


@dataclass
class Shipper:
    """Sends what lies in ``fresh`` to a cluster, the oldest first."""

    root: Path
    cluster: Cluster
    keep_hours: int
    schema: Schema
    held: Holds | None = None
    told: Holds | None = None  # what the cluster was last told of holds
    prefix: str = field(default_factory=lambda: os.uname().nodename)

    def step(self) -> int:
        """Send everything that is there but a sample's; how many files. Raises Refused where the cluster is away."""
        self.held = Holds.read(self.root)
        self.tell_holds()
        return sum(self.ship(one) for one in files.stored(self.root, "fresh") if not one.path.name.endswith(files.SAMPLE))

    def ship(self, one: Stored) -> int:
        """One file, then it may go. What cannot be read is set aside, so that it stops nothing."""
        try:
            table = pq.ParquetFile(one.path, pre_buffer=False).read(use_threads=False)
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            log.exception("%s cannot be read and is set aside", one.path.name)
            one.path.replace(one.path.with_suffix(".unreadable"))
            return 0
        columns = compacting.turned({name: table.column(name).to_numpy() for name in table.column_names})
        self.cluster.write(columns, token=f"{self.prefix}/{one.path.name}", keep_until=self.until(columns), filed=one.at.date())
        one.path.unlink(missing_ok=True)
        return 1

    def until(self, columns: dict[str, NDArray[Any]]) -> NDArray[np.uint32]:
        """Until when each row is kept; for ever where a hold says so, or where nobody told us of holds."""
        ends = columns["ended"] // 1000 + self.keep_hours * 3600
        if self.held is None or self.held.everything:
            ends = np.full(len(ends), int(EVER.timestamp()))
        elif self.held.customers:
            held = np.isin(columns["customer"], self.held.customers) | np.isin(columns["peer_customer"], self.held.customers)
            ends = np.where(held, int(EVER.timestamp()), ends)
        return np.clip(ends, 0, 0xFFFFFFFF).astype(np.uint32)

    def tell_holds(self) -> None:
        """Correct what is there already when a hold was made or released; the cluster does it in the background."""
        if self.held is None or self.held == self.told:
            return
        self.cluster.server.run(hold_statement(self.held, self.keep_hours, self.schema))
        self.told = self.held


def hold_statement(held: Holds, keep_hours: int, schema: Schema) -> str:
    """What sets every row's time anew; customers are numbers of ours."""
    ever = int(EVER.timestamp())
    listed = ", ".join(str(int(one)) for one in held.customers)
    own = f"customer IN ({listed}) OR peer_customer IN ({listed})" if listed else "false"
    until = f"toDateTime(if({'true' if held.everything else own}, {ever}, intDiv(ended, 1000) + {keep_hours * 3600}))"
    where = f"ON CLUSTER {schema.cluster} " if schema.cluster else ""
    return f"ALTER TABLE {schema.database}.flows_local {where}UPDATE keep_until = {until} WHERE keep_until != {until}"


def run(shipper: Shipper, stop: threading.Event) -> None:
    """Until ``stop``; while the cluster is away the files wait, and it is asked ever less often."""
    pause = PAUSE
    while not stop.wait(pause):
        try:
            shipper.step()
            pause = PAUSE
        except Refused as away:
            if pause == PAUSE:
                log.warning("flows wait on disk: %s", away)
            pause = min(pause * 2, LONGEST_PAUSE)


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    R.end_with_parent()
    stop = threading.Event()
    for sent in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sent, lambda *_: stop.set())
    settings = Settings.read(Path(arguments[0]))
    where = json.loads((Path(settings.root).parent / "clickhouse.json").read_text())
    schema = Schema(where["database"], where["cluster"])
    cluster = Cluster(Http(where["url"]), database=where["database"])
    run(Shipper(Path(settings.root), cluster, settings.keep_hours, schema), stop)


if __name__ == "__main__":
    main(sys.argv[1:])
