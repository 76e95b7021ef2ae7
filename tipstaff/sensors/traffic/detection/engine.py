"""Detection within the receiver: notes contacts behind the counters, and once a second asks every detector.

State is arrays of fixed size. Nothing here waits for a disk: documents are written by the spool's thread. What did not fit
anywhere is counted, and reported with the time that detection takes and its longest pause.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.detection import contacts as K
from tipstaff.sensors.traffic.detection import evidence, looking, places, rating, sweeps, tracks
from tipstaff.sensors.traffic.detection.configuration import Configuration
from tipstaff.sensors.traffic.detection.configuration import read as read_configuration
from tipstaff.sensors.traffic.detection.detectors import foreign_source, uplink_share
from tipstaff.sensors.traffic.detection.findings import Finding
from tipstaff.sensors.traffic.detection.lasting import Evidence, Findings
from tipstaff.sensors.traffic.detection.learned import Baselines
from tipstaff.sensors.traffic.detection.sightings import Flows, Sighting
from tipstaff.sensors.traffic.detection.spool import Spool
from tipstaff.sensors.traffic.detection.suspects import Suspects
from tipstaff.sensors.traffic.detection.thresholds import Network
from tipstaff.sensors.traffic.detection.tracks import Tracks
from tipstaff.sensors.traffic.detection.watching import Watchlists, ranges_of

log = logging.getLogger("tipstaff.flows")
MOST_A_SECOND, MOST_SECONDS = 200, 0.03  # sightings of a family in one second, and time for them; the rest comes in the next
KEEP = 600  # seconds between writings of what was learned
Blocks = Callable[[], list[evidence.Block]]


class Detection:
    """Fed with columns by the receiver. ``emit`` takes each document with the time in ms; see ``spool``."""

    def __init__(self, hosts: C.Hosts, configuration: Configuration | None = None, spool: Spool | None = None) -> None:
        self.hosts, self.spool = hosts, spool
        self.contacts, self.watched, self.recent = K.Contacts(), Watchlists(), evidence.Recent()
        self.follow = Tracks(hosts)
        self.rates = rating.Rates(self.follow, Baselines())
        self.findings, self.suspects, self.shares = Findings(), Suspects(), uplink_share.Shares()
        self.sweeps, self.swept = sweeps.Sweeps(), False
        self.exporters: dict[int, str] = {}
        self.published: deque[evidence.Block] = deque(maxlen=8)
        self.second = self.kept_at = 0
        self.pause, self.delayed = 0.0, 0
        self.emitted: list[Finding] = []  # without a spool, documents stay here
        self.dirty = False
        self.configuration = configuration or read_configuration()
        hosts.ports[:] = looking.port_marks()
        self.configure(self.configuration)

    def configure(self, configuration: Configuration) -> None:
        """Take over what the operator decided; counters and open findings stay."""
        self.configuration = configuration
        looking.mark(self.contacts, configuration.thresholds)
        self.swept = any(configuration.thresholds.least(name) < math.inf for name in sweeps.LIMITS)
        places.marks(self.hosts, configuration.thresholds)
        self._rewatch()

    def name_exporters(self, addresses: Mapping[int, str]) -> None:
        """By the numbers that flows carry."""
        if dict(addresses) != self.exporters:
            self.exporters = dict(addresses)
            self._rewatch()

    def watch(self, *, listed: list[Network] | None = None, blocked: list[Network] | None = None) -> None:
        """Replace the lists."""
        if listed is not None:
            self.watched.listed = ranges_of(listed)
        if blocked is not None:
            self.watched.blocked = ranges_of(blocked)
        self.watched.arrange()

    def _rewatch(self) -> None:
        numbers = {address: number for number, address in self.exporters.items()}
        self.watched.interfaces = self.configuration.interfaces_by_number(numbers)
        self.watched.uplinks = self.configuration.uplinks_by_number(numbers)
        self.watched.arrange()

    def start(self, second: int) -> None:
        """Go on with the findings that were open, and with what was learned; then write."""
        if self.spool is None:
            return
        self.spool.start()
        self.findings.restore(self.spool.left_open(), 90, second)
        try:
            self.rates.baselines.load(self._learned())
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError) as error:
            log.warning("cannot read what was learned, beginning anew: %s", error)

    def _learned(self) -> Path:
        assert self.spool is not None
        return self.spool.directory.parent / "learned.npz"

    def note(
        self, narrow: NDArray[np.uint32], wide: NDArray[np.uint64], customers: NDArray[np.int32], first: int, last: int, second: int
    ) -> None:
        """Columns that were just counted."""
        K.note_contacts(narrow, wide, customers, first, last, self.hosts, self.contacts, self.watched, second)
        count = min(int(self.watched.suspects_count[0]), len(self.watched.suspects))
        if count:
            rows = self.watched.suspects[:count]
            self.suspects.take(narrow, wide, customers, rows, self.watched.interfaces, second)
            self.watched.suspects_count[0] = 0
        if self.swept:
            self.sweeps.take(narrow[:, first:last], wide[:, first:last], customers[:, first:last], second)
        self.recent.keep(narrow, wide, customers, first, last, second)

    def turn(self, second: int, blocks: Blocks) -> None:
        """``second`` begins: judge what came before it. Called before anything of it is counted; ``blocks``: flows at hand."""
        began = time.perf_counter()
        thresholds = self.configuration.thresholds
        self.rates.candidates(self.hosts, thresholds, self.findings, second, blocks)
        self.follow.turn(second)
        self.second = second
        gather = self._gather(blocks)
        for family in self._families(second):
            started = time.thread_time()  # not what other programs take of this processor
            for sighting in islice(family, MOST_A_SECOND):
                self._emit(self.findings.see(sighting, second, gather), second)
                if time.thread_time() - started > MOST_SECONDS:
                    self.delayed += 1  # reception comes first: what is over its limit still is in a second
                    break
        for ended in self.findings.end_quiet(second):
            self.rates.ended(ended.direction, ended.subject.kind, ended.subject.value, second)
            self._emit(ended, second)
        self.rates.forget(self.findings, second)
        self._keep(second)
        self.pause = max(self.pause * 0.99, time.perf_counter() - began)

    def _families(self, second: int) -> Iterator[Iterator[Sighting]]:
        """Each family of detectors has a time of its own, so that none takes another's."""
        thresholds = self.configuration.thresholds
        yield self.rates.look(thresholds, self.findings, second, tracks.HOST)
        yield self.rates.look(thresholds, self.findings, second, tracks.SUM)
        yield self.rates.learn(thresholds, self.findings, second)
        yield looking.sightings(self.contacts, thresholds, self.findings.open, second, self._watch)
        yield self.suspects.sightings(thresholds, second)
        if self.swept:
            yield self.sweeps.sightings(thresholds, second)
        if self.configuration.uplinks:
            busy = [one.customer for one in self.follow.by_row.values() if one.level == "customer"]
            uplink_share.assign(self.watched.uplinks, busy, self.shares.share)
            yield self.shares.look(self.configuration.uplinks, self.watched.uplinks, thresholds, second)

    def _watch(self, key: int, six: tuple[int, int]) -> None:
        """From now on count the answers that a host gets."""
        table = self.hosts.table
        place = key * C.GOLDEN % (1 << 64) >> 32
        at = C.find_row(
            table.rows, table.six, np.uint64(key), place * len(table.rows) >> 32, np.uint64(six[0]), np.uint64(six[1]), self.second,
            table.tally,
        )  # fmt: skip
        if at >= 0:
            table.rows[at, C.MOMENT] |= np.uint64(C.WATCHED)

    def _gather(self, blocks: Blocks) -> Callable[[Sighting], Evidence | None]:
        held: list[list[evidence.Block]] = []

        def gather(sighting: Sighting) -> Evidence | None:
            if not held:
                held.append(blocks())
            flows = evidence.flows_of(held[0], sighting.aim)
            if len(flows) < 20:
                more = evidence.flows_of([self.recent.block()], sighting.aim)
                flows = more if len(more) > len(flows) else flows
            if self._denied(sighting, flows):
                if sighting.key not in self.findings.open:  # nor do these seconds count later, when the flows are gone
                    self.rates.ended(sighting.direction, sighting.subject.kind, sighting.subject.value, self.second)
                return None
            end = sighting.aim.end
            return Evidence(
                sighting.customer, evidence.top_peers(flows, end), evidence.top_ports(flows, sighting.aim.port_end),
                evidence.samples(flows, self.exporters),
            )  # fmt: skip

        return gather

    def _denied(self, sighting: Sighting, flows: Flows) -> bool:
        """Whether a second look at the flows says otherwise: small answers, or a source that others use."""
        if sighting.confirm is not None and not sighting.confirm(flows, sighting.size):
            return True
        return sighting.direction == "out" and foreign_source.came_from_others(flows, sighting.customer, self.watched.interfaces)

    def _emit(self, finding: Finding | None, second: int) -> None:
        if finding is None:
            return
        self.dirty = True
        if self.spool is None:
            self.emitted.append(finding)
        else:
            self.spool.emit(finding, second * 1000)

    def _keep(self, second: int) -> None:
        """Remember what is open when it changed, and now and then what was learned."""
        if self.spool is None:
            return
        if self.dirty:
            self.spool.remember([one.text() for one in self.findings.open.values()])
            self.dirty = False
        if second - self.kept_at >= KEEP:
            first, self.kept_at = self.kept_at == 0, second
            if not first:
                written = self.rates.baselines.save()
                threading.Thread(target=self._write_learned, args=(written,), daemon=True).start()

    def _write_learned(self, content: bytes) -> None:
        path = self._learned()
        try:
            fresh = path.with_name(path.name + ".new")
            fresh.write_bytes(content)
            fresh.replace(path)
        except OSError as error:
            log.warning("cannot write %s: %s", path, error)

    def report(self) -> dict[str, Any]:
        """How detection itself does."""
        spool = self.spool
        return {
            "open": len(self.findings.open), "opened": self.findings.opened, "ended": self.findings.ended,
            "turned_away": self.findings.turned_away, "delayed": self.delayed, "longest_pause": round(self.pause, 4),
            "followed": len(self.follow.by_row), "not_followed": self.follow.refused,
            "unlisted": int(self.hosts.hot.counted[1] + self.hosts.hot_sums.counted[1]),
            "contacts": {name: fans.tally.tolist() for name, fans in zip(K.CONCERNS, self.contacts.fans, strict=True)},
            "suspects_left_out": int(self.watched.suspects_count[1]) + self.suspects.left_out + self.sweeps.left_out,
            "spool": {"waiting": len(spool.waiting), "written": spool.written, "lost": spool.lost} if spool else None,
        }  # fmt: skip

    def close(self) -> None:
        """See the spool through."""
        if self.spool is not None:
            self.spool.remember([one.text() for one in self.findings.open.values()])
            self._write_learned(self.rates.baselines.save())
            self.spool.close()
