"""The loop around flow reception: starts the receiver and the archive, tells them what the desk knows, writes down what they see.

Reception goes on while the database is away: the receiver's files hold what was known last.
"""

import json
import logging
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from tipstaff.attribution import snapshot
from tipstaff.kernel import heartbeat
from tipstaff.kernel.clock import now
from tipstaff.sensors.traffic import queries, receiver, ring, services, tables
from tipstaff.sensors.traffic.archive import writer
from tipstaff.sensors.traffic.records import address_text

log = logging.getLogger(__name__)
STEP, BEAT, KEEP, RETRY = 1.0, 5.0, 60.0, 2.0
AWAY = (OperationalError, InterfaceError)
MODULE = "tipstaff.sensors.traffic"


@dataclass
class Program:
    """One child, started again when it ends."""

    words: list[str]
    fds: tuple[int, ...]
    running: "subprocess.Popen[bytes] | None" = None
    not_before: float = 0.0
    restarts: int = -1

    def watch(self) -> None:
        """Start it where it does not run."""
        if self.running is not None and self.running.poll() is not None:
            log.warning("%s ended with %s", self.words[0], self.running.returncode)
            self.running, self.not_before = None, time.monotonic() + RETRY
        if self.running is None and time.monotonic() >= self.not_before:
            self.running = subprocess.Popen([sys.executable, "-m", *self.words], pass_fds=self.fds, stdin=subprocess.DEVNULL)
            self.restarts += 1

    def stop(self) -> None:
        if self.running is not None and self.running.poll() is None:
            self.running.terminate()
            try:
                self.running.wait(15)
            except subprocess.TimeoutExpired:
                self.running.kill()
                self.running.wait()


@dataclass
class Flows:
    """Everything that ``tipstaff run flows`` keeps going."""

    root: Path
    listen: list[tuple[str, int]]
    options: dict[str, Any]
    programs: list[Program] = field(default_factory=list)
    version: int = -1
    next_change: int | None = None
    told: str = ""
    keeper: "subprocess.Popen[bytes] | None" = None
    due: dict[str, float] = field(default_factory=dict)
    began_at: datetime = field(default_factory=now)

    def prepare(self) -> None:
        """The files and the shared memory, then the programs."""
        self.root.mkdir(parents=True, exist_ok=True)
        fd = ring.make_memory("tipstaff-flows")
        plain = receiver.Settings(str(self.root), self.listen, int(self.options["hosts"]), fd)
        plain.write(self.root / "receiver.settings")
        cluster = self.options.get("clickhouse", {})
        kept = writer.Settings(
            str(self.root / "archive"),
            fd,
            plain.slots,
            receiver.SLOT_FLOWS,
            **self.options["archive"],
            spool=bool(cluster.get("url")),
        )
        kept.write(self.root / "writer.settings")
        self.programs = [
            Program([f"{MODULE}.receiver", str(self.root / "receiver.settings")], (fd,)),
            Program([f"{MODULE}.archive.writer", str(self.root / "writer.settings")], (fd,)),
        ]
        if kept.spool:
            self._prepare_cluster(cluster)

    def _prepare_cluster(self, cluster: dict[str, str]) -> None:
        """Where the flows go; the file names a password, so that only we may read it."""
        path = self.root / "clickhouse.json"
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(json.dumps(cluster))
        self.programs.append(Program([f"{MODULE}.archive.shipping", str(self.root / "writer.settings")], ()))

    def step(self) -> None:
        """One look at everything."""
        for program in self.programs:
            program.watch()
        self._every("keep", KEEP, self._keep)
        try:
            self._tell_prefixes()
            self._tell_exporters()
            self._every("report", 2.0, self._note_exporters)
            self._every("holds", 30.0, self._tell_holds)
            self._every("beat", BEAT, self._beat)
        except AWAY as error:
            log.warning("database away, reception goes on with what is known: %s", error)
            connection.close()

    def _every(self, name: str, seconds: float, work: Any) -> None:
        if time.monotonic() >= self.due.get(name, 0.0):
            self.due[name] = time.monotonic() + seconds
            work()

    def _tell_prefixes(self) -> None:
        """A new table when the inventory has changed, or a tenancy has begun or ended by itself."""
        at = snapshot.micros(now())
        if snapshot.version() == self.version and (self.next_change is None or at < self.next_change):
            return
        known = snapshot.build()
        tables.from_assignments(known.table, at, known.version).save(self.root / "prefixes.npz")
        self.version, self.next_change = known.version, tables.next_change(known.table, at)

    def _tell_exporters(self) -> None:
        text = json.dumps(queries.policies())
        if text != self.told:
            receiver.write_whole(self.root / "exporters.json", text)
            self.told = text

    def _tell_holds(self) -> None:
        (self.root / "archive").mkdir(exist_ok=True)
        receiver.write_whole(self.root / "archive" / "holds.json", json.dumps(queries.held()))

    def _report(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.root / "receiver.json").read_text())
        except (OSError, ValueError):
            return {"sessions": [], "flows": 0, "archive": {}}
        return found

    def _note_exporters(self) -> None:
        streams: dict[str, list[dict[str, Any]]] = {}
        for session in self._report()["sessions"]:
            streams.setdefault(address_text(bytes.fromhex(session["exporter"])), []).append(session)
        if streams:
            services.note_seen(streams=streams, now=now())

    def _beat(self) -> None:
        heartbeat.beat(name="flows", line=line_of(self._report(), self.listen), now=now(), started_at=self.began_at)

    def _keep(self) -> None:
        """Compact and clear up, in a program of its own that takes the processor last."""
        if self.keeper is None or self.keeper.poll() is not None:
            words = [sys.executable, "-m", f"{MODULE}.archive.keeping", str(self.root / "writer.settings")]
            self.keeper = subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """The receiver first, so that the archive writes what it still had."""
        for program in self.programs:
            program.stop()
        if self.keeper is not None and self.keeper.poll() is None:
            self.keeper.terminate()
            self.keeper.wait()


def line_of(report: dict[str, Any], listen: list[tuple[str, int]]) -> str:
    """Reception in one line, with what each stage lost."""
    ports = ", ".join(f"{host}:{port}" for host, port in listen)
    if "began_at" not in report:
        return f"{ports}: starting; the first start compiles for about 20 s"
    lost = sum(session["lost"] for session in report["sessions"])
    undecodable = sum(session["undecodable"] for session in report["sessions"])
    kept = report["archive"]
    here = f"{report['flows']} flows of {len(report['sessions'])} streams, {report['dropped_datagrams']} datagrams dropped here"
    away = f"{lost} lost on the way, {undecodable} undecodable"
    found = report.get("detection") or {"open": 0, "longest_pause": 0, "not_followed": 0}
    detection = f"detection: {found['open']} open, {found['not_followed']} not followed, at most {found['longest_pause']} s a turn"
    return f"{ports}: {here}, {away}; archive: {kept['waiting']} waiting, {kept['lost'] + kept['dropped']} lost; {detection}"


def run(stop: threading.Event) -> None:
    """Until ``stop``. Does nothing where no port is configured."""
    if not settings.FLOWS["listen"]:
        stop.wait()
        return
    flows = Flows(settings.STATE / "flows", settings.FLOWS["listen"], settings.FLOWS)
    flows.prepare()
    try:
        while not stop.wait(STEP):
            close_old_connections()
            flows.step()
    finally:
        flows.stop()
