"""Questions over an archive of made-up flows: one host's hour (corroboration) and the top talkers of everything."""

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np

from tipstaff.project.bench import flow_traffic
from tipstaff.project.bench.flows import scratch
from tipstaff.sensors.traffic.archive import asking, compacting, files
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.decoder import Decoder, Policy, gather
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.prefixes import attribute

BEGAN = datetime(2026, 2, 1, tzinfo=UTC)
MAPPED = bytes(10) + b"\xff\xff\x7f\x00\x00\x01"


class Once:
    """Columns that everything fits into."""

    def __init__(self, rows: int) -> None:
        self.columns = Columns.room(rows)

    def full(self, rows: int) -> int:
        raise OverflowError(rows)


def sample(rows: int) -> dict[str, Any]:
    """The archive's columns of one round of made-up NetFlow 9, decoded and attributed by the product itself."""
    export = flow_traffic.v9(flow_traffic.traffic(), int(BEGAN.timestamp()))
    sink, decoder, p = Once(flow_traffic.RECORDS + 1000), Decoder(strangers=Policy(number=1)), flow_traffic.prefix_table()
    ends = np.cumsum(export.lens)
    count = 0
    for first in range(0, len(export.lens), 500):
        parts = [export.content[ends[i] - export.lens[i] : ends[i]].tobytes() for i in range(first, min(first + 500, len(ends)))]
        count = decoder.decode(gather([(part, MAPPED, 1, int(BEGAN.timestamp() * 1000)) for part in parts]), sink, count)
    c = sink.columns
    customers = np.zeros((2, c.capacity), np.int32)
    attribute(c.narrow, c.wide, customers, 0, count, p.top, p.pages, p.hi, p.lo, p.leaf, p.customer, p.since, p.before)
    c.narrow[L.SESSION, :count] = 1
    return {name: column.copy() for name, column in files.arrays(c.narrow, c.wide, customers, min(count, rows)).items()}


def fill(root: Path, flows: int, days: int) -> None:
    """Compacted files of that many flows in all, spread evenly over that many days; every file has other times."""
    files.make_room(root)
    columns, written, per = sample(500_000), 0, 500_000
    steps = max(1, flows // per)
    for number in range(steps):
        at = BEGAN + timedelta(days=days) * number / steps
        shift = int((at - BEGAN).total_seconds() * 1000)
        part = columns | {"ended": columns["ended"] + shift}
        name = f"{files.stamp(int(at.timestamp() * 1000))}-{number:06d}.parquet"
        files.write(root / "fresh" / name, part)
        if number % 2 or number == steps - 1:
            compacting.compact(root, files.stored(root, "fresh"))
        written += per


def timed(question: Callable[[], object], times: int = 5) -> float:
    """The median time in ms."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        question()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


@click.command()
@click.option("--rows", default=10_000_000, show_default=True, help="Flows in the archive.")
@click.option("--days", default=1, show_default=True, help="Over how many days they are spread.")
@click.option("--json", "_json", is_flag=True, help="The output is JSON either way.")
def archive(rows: int, days: int, _json: bool) -> None:
    """Fill an archive, then look for one host around one moment, and for the top talkers of all of it."""
    with scratch() as folder:
        fill(folder, rows, days)
        store = asking.Archive(folder)
        host = f"{flow_traffic.LOCAL >> 24}.{flow_traffic.LOCAL >> 16 & 255}.7.7"
        middle = BEGAN + timedelta(days=days) / 2
        around = asking.Span(middle - timedelta(minutes=30), middle + timedelta(minutes=30))
        always = asking.Span(BEGAN - timedelta(days=1), BEGAN + timedelta(days=days + 1))
        corroborate = timed(lambda: store.flows_of(host, around, limit=1000))
        top = timed(lambda: store.top("local", always, count=10), 3)
        size = sum(one.size for one in files.stored(folder))
    click.echo(json.dumps({"flows": rows, "corroborate_ms": round(corroborate, 1), "top_ms": round(top, 1), "bytes": size}))
