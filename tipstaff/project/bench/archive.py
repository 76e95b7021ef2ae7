"""Questions over an archive of made-up flows: corroboration of a complaint, and the top talkers of everything."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tipstaff.project.bench import flow_traffic
from tipstaff.project.bench.flows import scratch
from tipstaff.sensors.traffic.archive import asking, compacting, corroborating, files, thinning
from tipstaff.sensors.traffic.archive.parquet import Encoder
from tipstaff.sensors.traffic.archive.unfinished import Unfinished
from tipstaff.sensors.traffic.corroboration import Claim, Verdict
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


PER_FILE = 1_000_000  # flows in a compacted file


def fill(root: Path, flows: int, days: int) -> None:
    """Compacted files of that many flows in all with their samples, spread evenly over that many days.

    The first is compacted by the product; the others have the same flows at other times, and only those are encoded anew.
    """
    files.make_room(root)
    columns = sample(PER_FILE // 2)
    for number in range(2):
        name = f"{files.stamp(int(BEGAN.timestamp() * 1000))}-{number:06d}.parquet"
        files.write(root / "fresh" / name, columns)
    compacting.compact(root, files.stored(root, "fresh"))
    (first,) = files.stored(root, "hours")
    thinning.thin(first.path, root / "thin" / first.path.name)
    whole = Copied(first.path)
    thin = pq.ParquetFile(root / "thin" / first.path.name).read()
    steps = max(1, flows // PER_FILE)
    for number in range(1, steps):
        at = BEGAN + timedelta(days=days) * number / steps
        shift = int((at - BEGAN).total_seconds() * 1000)
        name = f"{at:%Y%m%d%H}-{number:06d}.parquet"
        whole.write(root / "hours" / name, shift)
        later = thin.set_column(thin.column_names.index("ended"), "ended", pa.array(thin.column("ended").to_numpy() + shift))
        files.write_table(root / "thin" / name, later, group=1 << 20, notes={"watched": thinning.watched(later)})


class Copied:
    """A compacted file, encoded once, to be written with other times."""

    def __init__(self, path: Path) -> None:
        source = compacting.Columns([path])
        self.rows, self.ended = source.count, source["ended"]
        self.kinds = {name: source[name].dtype for name in source.sources[0].schema_arrow.names}
        encoder = Encoder(1)
        self.groups = [
            {name: encoder.encode(source[name][begin : begin + files.ROW_GROUP]) for name in self.kinds if name != "ended"}
            for begin in range(0, self.rows, files.ROW_GROUP)
        ]

    def write(self, path: Path, shift: int) -> None:
        """The same flows, ``shift`` ms later."""
        made = Unfinished(path)
        for number, chunks in enumerate(self.groups):
            ended = self.ended[number * files.ROW_GROUP : (number + 1) * files.ROW_GROUP] + shift
            made.output.begin(self.kinds, len(ended))
            for name, (pages, chunk) in {**chunks, "ended": made.output.encoder.encode(ended)}.items():
                made.output.put(name, pages, chunk)
        made.finish()


def timed(question: Callable[[], object], times: int = 5) -> float:
    """The median time in ms."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        question()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


@click.command()
@click.option(
    "--rows", default=10_000_000, show_default=True, help="Flows in the archive; 1000000000 with --days 30 takes a while to fill."
)
@click.option("--days", default=1, show_default=True, help="Over how many days they are spread.")
@click.option("--json", "_json", is_flag=True, help="The output is JSON either way.")
def archive(rows: int, days: int, _json: bool) -> None:
    """Fill an archive (untimed), then corroborate a complaint that is right, one about nothing, and ask for the top talkers.

    `corroborate_ms` is the slower of the two complaints: about nothing, every usual time zone is tried. `top_ms` is what the
    Traffic screen asks of so many flows, `top_exact_ms` counts every one.
    """
    with scratch() as folder:
        fill(folder, rows, days)
        store = asking.Archive(folder)
        middle = BEGAN + timedelta(days=days) / 2
        always = asking.Span(BEGAN - timedelta(days=1), BEGAN + timedelta(days=days + 1))
        host, right = a_claim(store, asking.Span(middle - timedelta(hours=1), middle + timedelta(hours=1)))
        nothing = replace(right, peer="192.0.2.123")
        if corroborating.ask(store, host, right).verdict is not Verdict.SEEN:
            raise click.ClickException("the archive did not find a flow that it holds")
        found = {
            "flows": rows, "days": days,
            "corroborate_seen_ms": timed(lambda: corroborating.ask(asking.Archive(folder), host, right)),
            "corroborate_nothing_ms": timed(lambda: corroborating.ask(asking.Archive(folder), host, nothing)),
        }  # fmt: skip
        found["corroborate_ms"] = max(found["corroborate_seen_ms"], found["corroborate_nothing_ms"])
        exact = store.rows(always) <= thinning.EXACT_ROWS
        asked = store if exact else asking.Archive(folder, thin=True)
        found["top_ms"] = timed(lambda: asked.top("local", always, count=10), 3)
        found["top_exact_ms"] = timed(lambda: store.top("local", always, count=10), 3)
        found["bytes"] = sum(one.size for one in files.stored(folder, *files.FOLDERS))
    click.echo(json.dumps({name: round(value, 1) if isinstance(value, float) else value for name, value in found.items()}))


def a_claim(store: asking.Archive, span: asking.Span) -> tuple[str, Claim]:
    """A complaint about a flow that the archive holds: one that left a host of ours in that time."""
    for number in range(256):
        host = f"{flow_traffic.LOCAL >> 24}.{flow_traffic.LOCAL >> 16 & 255}.7.{number}"
        for row in store.flows_of(host, span, limit=1, where="direction out").as_objects():
            return host, Claim(row["end"], row["end"], peer=row["peer"], peer_port=row["peer_port"], packets=10_000_000)
    raise click.ClickException("no host of the archive sent anything in that time; give more rows")
