"""The program that receives: datagrams → flows → customers → counters → the ring. Needs neither Django nor a database.

Started as ``python -m tipstaff.sensors.traffic.receiver SETTINGS.json``. It reads what the operator decided (exporters,
prefixes) from files that are replaced under it, and writes what it sees into ``receiver.json`` every second.
"""

import json
import logging
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError
from tipstaff.sensors.traffic import ring as R
from tipstaff.sensors.traffic.counting import Hosts, count_hosts
from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders.decoder import Decoder, Policy
from tipstaff.sensors.traffic.decoders.layout import REASONS, Columns
from tipstaff.sensors.traffic.detection import configuration
from tipstaff.sensors.traffic.detection.engine import Detection
from tipstaff.sensors.traffic.detection.evidence import Block
from tipstaff.sensors.traffic.detection.spool import Spool
from tipstaff.sensors.traffic.prefixes import PrefixTable, attribute, name_exporters, nothing
from tipstaff.sensors.traffic.records import address_text
from tipstaff.sensors.traffic.ring import Ring
from tipstaff.sensors.traffic.sockets import AT_ONCE, Inlet
from tipstaff.sensors.traffic.warming import settle, warm

log = logging.getLogger("tipstaff.flows")
SLOTS, SLOT_FLOWS = 12, 65_536
LONGEST_SLEEP, SHORTEST_SLEEP, BURST = 0.050, 0.001, 20e6  # seconds between looks at the sockets; bytes a second that always fit
COST = 2500  # bytes of the receive buffer that the system counts for a datagram
LOOK, TELL, HAND_OVER = 0.5, 1.0, 1.0  # seconds between looks at files, reports, and publications
FORGET = 600.0
TOGETHER = 32_768  # flows that may wait, within their second, to be counted together: after each sleep all caches are cold
STAGES = ("receive", "decode", "attribute", "count", "detect", "hand over")


@dataclass
class Settings:
    """What the receiver is started with; all of it plain, so that it travels as JSON."""

    directory: str  # where the files that it reads and writes are
    listen: list[tuple[str, int]]
    hosts: int = 1_000_000  # active addresses that are counted
    ring: int = -1  # descriptor of the ring's memory, -1 without an archive
    slots: int = SLOTS
    strangers_count: bool = False  # whether flows of exporters that nobody confirmed count
    tunnels: int = 0

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Settings":
        known = json.loads(path.read_text())
        return cls(**(known | {"listen": [(str(host), int(port)) for host, port in known["listen"]]}))


@dataclass
class Watched:
    """A file that others replace: read again in a thread of its own, so that receiving goes on meanwhile."""

    path: Path
    stamp: int = 0
    fresh: Any = None
    busy: bool = False

    def look(self, read: Any) -> None:
        try:
            stamp = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if stamp != self.stamp and not self.busy:
            self.busy, self.stamp = True, stamp
            threading.Thread(target=self._read, args=(read,), daemon=True).start()

    def begin(self, read: Any) -> None:
        """Read it before anything else happens, where it is there."""
        if self.path.exists():
            self.stamp = self.path.stat().st_mtime_ns
            self._read(read)

    def _read(self, read: Any) -> None:
        try:
            self.fresh = read(self.path)
        except InputError as error:
            log.error("%s; what was known before stays in force", error)
        except (OSError, ValueError, KeyError, TypeError):
            log.exception("cannot read %s; what was known before stays in force", self.path)
        finally:
            self.busy = False

    def take(self) -> Any:
        fresh, self.fresh = self.fresh, None
        return fresh


@dataclass
class Receiver:
    """One pass over each batch; every stage is a function over columns and has a time of its own."""

    settings: Settings
    inlet: Inlet
    decoder: Decoder
    hosts: Hosts
    detection: Detection
    ring: Ring | None = None
    prefixes: PrefixTable = field(default_factory=nothing)
    pos: int = 0
    settled: int = 0
    arrived: int = 0  # the second that columns behind those came in
    flows: int = 0
    published: float = 0.0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    began_at: str = ""
    lag: float = 0.0
    handed: list[Block] = field(default_factory=list)  # slots of this second that were published

    def __post_init__(self) -> None:
        if self.ring is not None:
            self.ring.recover()
        slot = self.ring.next_free() if self.ring else None
        self.slot = slot
        self.columns = slot.columns if slot else Columns.room(SLOT_FLOWS)
        self.customers = slot.customers if slot else np.zeros((2, self.columns.capacity), np.int32)
        self.began_at = now().isoformat()
        directory = Path(self.settings.directory)
        self.files = {name: Watched(directory / name) for name in READERS}

    def step(self, moment: int, waiting: int = 0) -> int:
        """Receive and treat what waits; ``moment`` is now in ms. How many datagrams there were.
        ``waiting``: so many flows may be counted later, together with more of their second; see ``turn``."""
        total = 0
        for number in range(len(self.inlet.sockets)):
            began = time.thread_time()
            batch = self.inlet.receive(number, moment)
            self.seconds["receive"] += time.thread_time() - began
            if batch.n:
                self.turn(moment)
                between, before = time.thread_time(), self._later()
                self.pos = self.decoder.decode(batch, self, self.pos)
                self.seconds["decode"] += time.thread_time() - between - (self._later() - before)
                if self.pos - self.settled > waiting:
                    self._settle(self.pos)
                total += batch.n
        return total

    def _later(self) -> float:
        """Seconds spent after decoding, also in the middle of it when the columns were full."""
        return sum(self.seconds[stage] for stage in STAGES[2:])

    def _settle(self, count: int) -> None:
        """Attribute and count the columns that were decoded since the last time, all of one second."""
        if count == self.settled:
            return
        began = time.thread_time()
        p, c = self.prefixes, self.columns
        name_exporters(c.narrow, self.decoder.sessions.state[:, S.EXPORTER], self.settled, count)
        attribute(
            c.narrow, c.wide, self.customers, self.settled, count,
            p.top, p.pages, p.hi, p.lo, p.leaf, p.customer, p.since, p.before,
        )  # fmt: skip
        between = time.thread_time()
        self.seconds["attribute"] += between - began
        count_hosts(c.narrow, c.wide, self.customers, self.settled, count, self.hosts, self.arrived)
        after = time.thread_time()
        self.seconds["count"] += after - between
        self.detection.note(c.narrow, c.wide, self.customers, self.settled, count, self.arrived)
        self.seconds["detect"] += time.thread_time() - after
        self.flows += count - self.settled
        self.settled = count

    def turn(self, moment: int) -> None:
        """Let the detection judge the second that is over, also when nothing came in it; what came in it is counted first."""
        second = moment // 1000
        if second != self.arrived:
            self._settle(self.pos)
            self.arrived = second
        if second > self.detection.second:
            began = time.thread_time()
            self.detection.turn(
                second, lambda: [(self.columns.narrow, self.columns.wide, self.customers, self.settled), *self.handed]
            )
            self.handed.clear()
            self.seconds["detect"] += time.thread_time() - began

    def full(self, rows: int) -> int:
        """The columns are full: settle them and go on in the next slot."""
        self.hand_over(rows)
        return 0

    def hand_over(self, rows: int) -> None:
        """Publish the slot; without a free one, the flows in it are lost to the archive, and counted."""
        self._settle(rows)
        began = time.thread_time()
        self.pos = self.settled = 0
        self.published = time.monotonic()
        if self.ring is None or not rows:
            return
        following = self.ring.next_free()
        if following is None or self.slot is None:
            self.ring.head[R.PUBLISHED] += rows
            self.ring.head[R.LOST] += rows
        else:
            self.handed.append((self.columns.narrow, self.columns.wide, self.customers, rows))
            self.ring.publish(self.slot, rows)
            self.slot, self.columns, self.customers = following, following.columns, following.customers
            # What is written into from now on is at hand no more; the archive only reads.
            self.handed = [block for block in self.handed if block[2] is not self.customers]
        self.seconds["hand over"] += time.thread_time() - began

    def look(self) -> None:
        """Take over what the operator changed, once it has been read; what came before is counted as things were."""
        self._settle(self.pos)
        for name, read in READERS.items():
            self.files[name].look(read)
        if (table := self.files["prefixes.npz"].take()) is not None:
            self.prefixes = table
        if (policies := self.files["exporters.json"].take()) is not None:
            self.decoder.configure(policies)
            self.detection.name_exporters({policy.number: address_text(address) for address, policy in policies.items()})
        if (told := self.files["detection.toml"].take()) is not None:
            self.detection.configure(told)
        if (listed := self.files["listed.txt"].take()) is not None:
            self.detection.watch(listed=listed)
        if (blocked := self.files["blocked.json"].take()) is not None:
            self.detection.watch(blocked=blocked)

    def report(self) -> dict[str, Any]:
        """Everything that others may want to know, as of now."""
        sessions = self.decoder.sessions
        head = self.ring.head if self.ring else np.zeros(8, np.int64)
        return {
            "at": now().isoformat(), "began_at": self.began_at, "flows": self.flows, "dropped_datagrams": self.inlet.dropped,
            "buffer_bytes": self.inlet.buffer_bytes, "refused": dict(zip(REASONS, sessions.refused.tolist(), strict=True)),
            "hosts": int(self.hosts.tally[0]), "uncounted": int(self.hosts.tally[1]), "cpu_seconds": self.seconds,
            "prefixes_version": int(self.prefixes.version[0]), "longest_pause": round(self.lag, 4),
            "archive": {
                "published": int(head[R.PUBLISHED]), "lost": int(head[R.LOST]), "archived": int(head[R.ARCHIVED]),
                "dropped": int(head[R.DROPPED]), "waiting": self.ring.waiting if self.ring else 0,
            },
            "detection": self.detection.report(),
            "sessions": [session_report(self.decoder, number) for number in range(len(sessions))],
        }  # fmt: skip


def session_report(decoder: Decoder, number: int) -> dict[str, Any]:
    """One stream of datagrams: who, how much, what is missing, what the sampling rate is and who said so."""
    row, stream = decoder.sessions.state[number], decoder.streams[number]
    policy = decoder.policies.get(stream.exporter, decoder.strangers)
    force = decoder.samplers.in_force(stream.exporter, stream.domain, policy.rate)
    in_header = int(row[S.HEADER_RATE])
    whys = {why: int(count) for why, count in zip(REASONS, row[S.WHY :], strict=True) if count}
    columns = ("domain", S.DOMAIN), ("port", S.PORT), ("datagrams", S.DATAGRAMS), ("received", S.RECEIVED), ("decoded", S.DECODED)
    more = ("undecodable", S.UNDECODABLE), ("lost", S.LOST), ("reordered", S.REORDERED), ("restarts", S.RESTARTS)
    rest = ("options", S.OPTIONS), ("unscaled", S.UNSCALED), ("skew_ms", S.SKEW), ("seen", S.SEEN)
    return {name: int(row[column]) for name, column in (*columns, *more, *rest)} | {
        "exporter": stream.exporter.hex(), "kind": stream.version, "counts": bool(row[S.COUNTS]), "whys": whys,
        "templates": len(decoder.templates.own.get(number, {})), "rate": in_header or force.unnamed,
        "samplers": {str(sampler): rate for sampler, rate in force.samplers.items()},
        "rate_source": "in each datagram" if in_header else force.source,
    }  # fmt: skip


def read_policies(path: Path) -> dict[bytes, Policy]:
    """The operator's word on each exporter, by address."""
    rows = json.loads(path.read_text())
    return {bytes.fromhex(row["address"]): Policy(bool(row["counts"]), int(row["rate"]), int(row["number"])) for row in rows}


#: The files that others replace, and how each is read.
READERS: dict[str, Callable[[Path], Any]] = {
    "prefixes.npz": PrefixTable.load, "exporters.json": read_policies,
    "detection.toml": lambda path: configuration.read(path.read_text()),
    "listed.txt": lambda path: configuration.read_list(path.read_text()),
    "blocked.json": lambda path: configuration.read_blocked(path.read_text()),
}  # fmt: skip


def write_whole(path: Path, text: str) -> None:
    """Write beside, then rename."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)


def build(settings: Settings) -> Receiver:
    """A receiver that is bound and ready."""
    inlet = Inlet(settings.listen)  # bound first: what arrives while kernels are loaded waits in the system's buffer
    warm()
    decoder = Decoder(strangers=Policy(counts=settings.strangers_count), tunnels=settings.tunnels)
    kept = Path(settings.directory) / "templates.json"
    if kept.exists():
        try:
            decoder.templates.load(iter(json.loads(kept.read_text())))
        except (OSError, ValueError, KeyError, TypeError):
            log.exception("cannot read %s; templates will be learned anew", kept)
    ring = Ring(settings.ring, settings.slots, SLOT_FLOWS) if settings.ring >= 0 else None
    hosts = Hosts(settings.hosts, secrets.randbits(63))
    detection = Detection(hosts, spool=Spool(Path(settings.directory) / "findings"))
    receiver = Receiver(settings, inlet, decoder, hosts, detection, ring)
    for name, read in READERS.items():
        receiver.files[name].begin(read)
    receiver.look()
    detection.start(int(now().timestamp()))
    return receiver


def run(receiver: Receiver, stop: threading.Event) -> None:
    """Until ``stop``: receive, now and then look at files, publish, report."""
    teller = Teller(receiver, Path(receiver.settings.directory))
    looked = told = forgot = time.monotonic()
    receiver.published = before = looked
    room, came = receiver.inlet.buffer_bytes, 0  # datagrams since the last sleep
    while not stop.is_set():
        began = time.monotonic()
        came += (got := receiver.step(int(now().timestamp() * 1000), TOGETHER))
        receiver.turn(int(now().timestamp() * 1000))
        if began - looked > LOOK:
            receiver.look()
            receiver.decoder.make_room(int(now().timestamp() * 1000))
            looked = began
        if began - receiver.published > HAND_OVER:
            receiver.hand_over(receiver.pos)
        if began - told > TELL:
            teller.tell()
            told = began
        if began - forgot > FORGET:
            receiver.decoder.forget_old(int(now().timestamp() * 1000))
            forgot = began
        receiver.lag = max(receiver.lag * 0.999, time.monotonic() - began)
        if got < AT_ONCE:
            time.sleep(min(pause_after(came, time.monotonic() - before, room), room / BURST))
            came, before = 0, began
    receiver.hand_over(receiver.pos)
    receiver.detection.close()
    teller.tell(wait=True)


def pause_after(got: int, seconds: float, room: int) -> float:
    """How long to sleep so that a fifth of the receive buffer fills meanwhile: large batches cost less."""
    a_second = max(got, 1) * COST / max(seconds, 1e-4)
    return min(LONGEST_SLEEP, max(SHORTEST_SLEEP, room / 5 / a_second))


class Teller:
    """Writes reports, and templates when they changed, in a thread of its own: a disk that is slow or full stops nothing."""

    def __init__(self, receiver: Receiver, directory: Path) -> None:
        self.receiver, self.directory = receiver, directory
        self.writing: threading.Thread | None = None

    def tell(self, *, wait: bool = False) -> None:
        """Begin to write, unless the last time is not done yet; with ``wait``, see it through."""
        if self.writing is not None and (wait or not self.writing.is_alive()):
            self.writing.join()
            self.writing = None
        if self.writing is None:
            templates = self.receiver.decoder.templates
            kept = list(templates.dump()) if templates.changed else None
            templates.changed = False
            self.writing = threading.Thread(target=self._write, args=(self.receiver.report(), kept), daemon=True)
            self.writing.start()
        if wait:
            self.writing.join()

    def _write(self, report: dict[str, Any], templates: list[dict[str, object]] | None) -> None:
        try:
            write_whole(self.directory / "receiver.json", json.dumps(report))
            if templates is not None:
                write_whole(self.directory / "templates.json", json.dumps(templates))
        except OSError as error:
            log.warning("cannot write into %s: %s", self.directory, error)
            self.receiver.decoder.templates.changed |= templates is not None


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    R.end_with_parent()
    stop = threading.Event()
    for sent in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sent, lambda *_: stop.set())
    receiver = build(Settings.read(Path(arguments[0])))
    settle(receiver.hosts, receiver.detection)
    print(f"ready, receive buffer {receiver.inlet.buffer_bytes} bytes", flush=True)
    run(receiver, stop)


if __name__ == "__main__":
    main(sys.argv[1:])
