"""Flow reception: prebuilt datagrams over loopback UDP; CPU-seconds of the whole receiver tree per million flows."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil

from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import TipstaffError
from tipstaff.project import processes
from tipstaff.project.bench import flow_traffic
from tipstaff.project.bench.flow_peers import PEERS, Peer
from tipstaff.project.bench.throwaway import proportional_mb
from tipstaff.project.commands.running import free_port
from tipstaff.sensors.traffic import receiver, ring
from tipstaff.sensors.traffic.archive import compacting, files, writer

SETTLE = 15.0  # seconds that the archive may take to catch up after the last datagram


@dataclass
class Run:
    """Figures of one run."""

    cpu: float
    flows: int
    lost: int
    pss_mb: float
    buffer_bytes: int
    ready_s: float
    stages: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    octets_equal: bool | None = None
    bytes_per_flow: float = 0.0
    compact_cpu: float = 0.0
    pause: float = 0.0
    dropped: int = 0


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tipstaff-flows-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(words: list[str], fds: tuple[int, ...] = ()) -> "subprocess.Popen[str]":
    """A program of ours that says when it is ready."""
    child = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, pass_fds=fds)
    assert child.stdout is not None
    if "ready" not in child.stdout.readline():
        raise TipstaffError(f"{words[0]} did not start")
    return child


def cpu_of(pids: list[int]) -> float:
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


class Bed:
    """The receiver, with or without its archive, on a port of its own."""

    def __init__(self, folder: Path, port: int, archive: bool, hosts: int = 1_000_000) -> None:
        self.folder, self.archive = folder, archive
        self.fd = ring.make_memory("tipstaff-bench") if archive else -1
        settings = receiver.Settings(str(folder), [("127.0.0.1", port)], hosts, self.fd, strangers_count=True)
        settings.write(folder / "receiver.settings")
        self.ring = ring.Ring(self.fd, settings.slots, receiver.SLOT_FLOWS) if archive else None
        began = time.monotonic()
        fds = (self.fd,) if archive else ()
        self.children = [start(["tipstaff.sensors.traffic.receiver", str(folder / "receiver.settings")], fds)]
        self.ready_s = time.monotonic() - began
        if archive:
            kept = writer.Settings(str(folder / "archive"), self.fd, settings.slots, receiver.SLOT_FLOWS)
            kept.write(folder / "writer.settings")
            self.children.append(start(["tipstaff.sensors.traffic.archive.writer", str(folder / "writer.settings")], fds))
        self.pids = [child.pid for child in self.children]

    def report(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "receiver.json").read_text())
        except FileNotFoundError:
            return {"flows": 0}
        return found

    def settle(self, flows: int) -> None:
        """Wait until everything has arrived and, with an archive, been written."""
        seen, grown = -1, time.monotonic()
        while self.report()["flows"] < flows and time.monotonic() - grown < 4.0:
            if self.report()["flows"] > seen:  # a busy machine takes its time
                seen, grown = self.report()["flows"], time.monotonic()
            time.sleep(0.2)
        if self.ring is not None:
            head = self.ring.head
            processes.wait_until(lambda: int(head[ring.ARCHIVED] + head[ring.LOST] + head[ring.DROPPED]) >= flows, SETTLE, 0.2)

    def close(self) -> None:
        for child in self.children:
            child.terminate()
            child.wait(30)


def measure(folder: Path, kind: str, rate: float, seconds: float, archive: bool, export: flow_traffic.Export) -> Run:
    """One run of ours."""
    port = free_port()
    bed = Bed(folder, port, archive)
    try:
        feed = Feed(
            folder / f"{kind}.npz",
            port,
            rate / flow_traffic.PER_DATAGRAM[kind],
            int(rate * seconds / flow_traffic.PER_DATAGRAM[kind]),
        )
        before = cpu_of(bed.pids)
        sent = feed.run()
        truth = told(export, sent)
        bed.settle(truth["flows"])
        run = Run(cpu_of(bed.pids) - before, truth["flows"], 0, proportional_mb(bed.pids), 0, bed.ready_s)
    finally:
        bed.close()
    report = bed.report()
    run.lost, run.buffer_bytes = truth["flows"] - report["flows"], report["buffer_bytes"]
    run.pause = report["longest_pause"]
    run.dropped = report["dropped_datagrams"]
    run.stages = {name: spent / run.flows * 1e6 for name, spent in report["cpu_seconds"].items()}
    if archive:
        run.lost += report["archive"]["lost"] + report["archive"]["dropped"]
        check_archive(folder / "archive", truth, run)
    return run


class Feed:
    """The sender, ready to go."""

    def __init__(self, path: Path, port: int, rate: float, datagrams: int) -> None:
        words = ["tipstaff.project.bench.flow_sender", str(path), str(port), str(rate), str(datagrams)]
        self.child = start(words)

    def run(self) -> int:
        """Send everything; how many datagrams that were."""
        out, _ = self.child.communicate("\n", timeout=600)
        return int(json.loads(out)["sent"])


def told(export: flow_traffic.Export, datagrams: int) -> dict[str, int]:
    """What that many datagrams of an export, sent round and round, told."""
    rounds, rest = divmod(datagrams, len(export.lens))
    columns = {"flows": export.flows, "octets": export.octets, "packets": export.packets}
    return {name: int(column.sum()) * rounds + int(column[:rest].sum()) for name, column in columns.items()}


def check_archive(root: Path, truth: dict[str, int], run: Run) -> None:
    """Rows and byte sums read back, as they came and after compaction, against the truth; and what compaction costs."""
    fresh = files.stored(root, "fresh")
    rows, octets = read_back(root, "fresh")
    run.rows, run.octets_equal = rows, octets == truth["octets"]
    run.bytes_per_flow = sum(one.size for one in fresh) / max(rows, 1)
    began = time.process_time()
    compacted = compacting.compact(root, fresh)
    run.compact_cpu = (time.process_time() - began) / max(compacted, 1) * 1e6
    run.octets_equal &= read_back(root, "hours") == (rows, octets)


def read_back(root: Path, kind: str) -> tuple[int, int]:
    """Flows and bytes, unscaled, in the files of a kind; flows with two local ends once."""
    import duckdb

    once = "WHERE twin = 0" if kind == "hours" else ""
    query = f"SELECT count(*), sum(bytes)::HUGEINT FROM read_parquet('{root / kind}/*.parquet', union_by_name=true) {once}"  # noqa: S608
    row = duckdb.connect().execute(query).fetchone()
    return (int(row[0]), int(row[1] or 0)) if row else (0, 0)


def measure_peer(folder: Path, peer: Peer, kind: str, rate: float, seconds: float) -> float:
    """CPU-seconds per million flows of somebody else's collector on the same datagrams, net of its idling."""
    port = free_port()
    total = int(rate * seconds / flow_traffic.PER_DATAGRAM[kind])
    with peer.running(folder, kind, port) as pids:
        idle = cpu_of(pids)
        time.sleep(2)
        idle = (cpu_of(pids) - idle) / 2
        feed = Feed(folder / f"{kind}.npz", port, rate / flow_traffic.PER_DATAGRAM[kind], total)
        before = cpu_of(pids)
        feed.run()
        time.sleep(2)
        spent = cpu_of(pids) - before - idle * (seconds + 2)
    return spent / (total * flow_traffic.PER_DATAGRAM[kind]) * 1e6


def prepare(folder: Path, kind: str) -> flow_traffic.Export:
    """The table of prefixes and the datagrams, written where the programs find them."""
    flow_traffic.prefix_table().save(folder / "prefixes.npz")
    export = flow_traffic.FORMATS[kind](flow_traffic.traffic(), int(now().timestamp()))
    np.savez(folder / f"{kind}.npz", content=export.content, lens=export.lens, flows=export.flows)
    return export


def figures(runs: list[Run], archive: bool, peer: str, theirs: list[float]) -> dict[str, Any]:
    """What is printed: medians over the runs."""
    cpu = statistics.median(run.cpu / run.flows * 1e6 for run in runs)
    found: dict[str, Any] = {
        "cpu_s_per_million": round(cpu, 4), "lost": max(run.lost for run in runs), "flows": runs[0].flows,
        "bytes_per_flow": round(statistics.median(run.bytes_per_flow for run in runs), 1) if archive else None,
        "compact_cpu_s_per_million": round(statistics.median(run.compact_cpu for run in runs), 4) if archive else None,
        "pss_mb": statistics.median(run.pss_mb for run in runs),
        "ratio_to_peer": round(cpu / statistics.median(theirs), 3) if theirs else None,
    }  # fmt: skip
    found |= {"receive_buffer_bytes": runs[0].buffer_bytes, "runs": len(runs), "ready_s": round(runs[-1].ready_s, 2)}
    found |= {"longest_pause_s": max(run.pause for run in runs), "dropped_datagrams": max(run.dropped for run in runs)}
    found["stages"] = {name: round(statistics.median(run.stages[name] for run in runs), 4) for name in runs[0].stages}
    if archive:
        found["archive_equals_truth"] = all(run.rows == run.flows and run.octets_equal for run in runs)
    if peer:
        found["peer"] = {"name": peer, "cpu_s_per_million": round(statistics.median(theirs), 4) if theirs else "not installed"}
    return found


@click.command()
@click.option("--format", "kind", type=click.Choice(list(flow_traffic.FORMATS)), default="v9", show_default=True)
@click.option("--rate", type=float, default=300_000, show_default=True, help="Flows a second.")
@click.option("--seconds", type=float, default=10, show_default=True)
@click.option("--archive", is_flag=True, help="With the archive, read back and compacted afterwards.")
@click.option("--peer", type=click.Choice(list(PEERS)), help="Measure this collector on the same datagrams, in turn with ours.")
@click.option("--runs", default=5, show_default=True, help="Medians of so many.")
@click.option("--json", "_json", is_flag=True, help="The output is JSON either way.")
def flows(kind: str, rate: float, seconds: float, archive: bool, peer: str | None, runs: int, _json: bool) -> None:
    """Receive prebuilt datagrams over loopback UDP; CPU-seconds of the receiver with all its programs per million flows."""
    done: list[Run] = []
    theirs: list[float] = []
    other = PEERS[peer] if peer else None
    with scratch() as folder:
        export = prepare(folder, kind)
        for _ in range(runs):
            shutil.rmtree(folder / "archive", ignore_errors=True)
            for name in ("receiver.json", "templates.json"):
                (folder / name).unlink(missing_ok=True)
            done.append(measure(folder, kind, rate, seconds, archive, export))
            if other is not None and other.installed(kind):
                theirs.append(measure_peer(folder, other, kind, rate, seconds))
    click.echo(json.dumps(figures(done, archive, peer or "", theirs)))
