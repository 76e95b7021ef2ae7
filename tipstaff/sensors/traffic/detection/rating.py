"""From tracks to sightings: which rates are over their limits, static or learned, and which of them say the same thing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.detection import places, tracks
from tipstaff.sensors.traffic.detection.admission import Admission
from tipstaff.sensors.traffic.detection.detectors import known
from tipstaff.sensors.traffic.detection.detectors.rates import Rate, Weighed
from tipstaff.sensors.traffic.detection.evidence import Block
from tipstaff.sensors.traffic.detection.lasting import Findings
from tipstaff.sensors.traffic.detection.learned import Baselines
from tipstaff.sensors.traffic.detection.limits import Limits
from tipstaff.sensors.traffic.detection.sightings import Aim, Sighting
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.tracks import Track, Tracks
from tipstaff.sensors.traffic.detection.unlike import Unlike

SPREAD = 0.5  # a flood of which one host gets more is no carpet
MINUTE, WORTH = 60, 10  # of the floor of learned limits: who never has so much takes no room of who has
SPREADS = 8  # sums looked into in a second


@dataclass
class Rates:
    """Judges every track once a second."""

    follow: Tracks
    baselines: Baselines
    spreads: int = 0
    waiting: set[int] = field(default_factory=set)  # slots over their limits that have not had their turn

    def __post_init__(self) -> None:
        room = len(self.follow.hosts.series.base)
        self.limits, self.unlike = Limits(room), Unlike(room)
        self.admission = Admission(self.follow, self.limits)
        self.is_open: NDArray[np.bool_] = np.zeros((room, tracks.JUDGED), bool)  # by slot: metrics with an open finding
        self.earliest = np.zeros((room, tracks.JUDGED), np.int64)  # what is older was judged before, or is nobody's any more

    def candidates(
        self, hosts: C.Hosts, thresholds: Thresholds, findings: Findings, second: int, blocks: Callable[[], list[Block]]
    ) -> None:
        """Follow those of the last second's lists that come near any limit; who gave way is followed no longer."""
        gone = self.admission.candidates(hosts, thresholds, partial(self._with_finding, findings), second, blocks)
        self._forgotten(gone)

    def _with_finding(self, findings: Findings) -> NDArray[np.bool_]:
        """By slot, who has an open finding."""
        found = np.zeros(len(self.earliest), bool)
        for name, direction, kind, value in findings.open:
            if name in RATED or name == "unusual_traffic":
                track = self.follow.by_subject.get((direction, kind, value))
                if track is not None:
                    found[track.slot] = True
        return found

    def _forgotten(self, gone: Sequence[Track]) -> None:
        """These are followed no longer."""
        self.unlike.forget([track.slot for track in gone])
        self.waiting.difference_update(track.slot for track in gone)

    def look(self, thresholds: Thresholds, findings: Findings, second: int, table: int) -> Iterator[Sighting]:
        """Sightings of this second; to be asked of hosts before the sums that they are part of."""
        for track in self.follow.fresh:
            self.earliest[track.slot] = track.since - C.LENGTH
        self.limits.apply(thresholds, self.follow)
        self._note_open(findings)
        slots = self.limits.over(self.follow, table, self.is_open)
        rows = [track for slot in slots.tolist() if (track := self.follow.at[slot]) is not None]
        rows.sort(key=lambda track: (track.length == 0, track.slot))
        self.spreads = 0
        out = self._weigh(rows, second)
        fired = np.flatnonzero(out[:, :, tracks.FIRED].any(1)).tolist()
        fired.sort(key=lambda number: rows[number].slot not in self.waiting)  # who had no turn in the last second comes first
        self.waiting = {slot for slot in self.waiting if self.follow.table[slot] != table}
        self.waiting.update(rows[number].slot for number in fired)
        for number in fired:
            track = rows[number]
            yield from self._rates(track, self.limits.own[track.slot], out[number], findings, second)
            self.waiting.discard(track.slot)

    def _weigh(self, rows: Sequence[Track], second: int) -> NDArray[np.float64]:
        slots = np.array([one.slot for one in rows], np.int64)
        out = np.zeros((len(rows), tracks.JUDGED, 7))
        self.follow.unroll(slots)
        limits, ring = self.limits.values[slots], self.follow.hosts.series.seconds
        lasting = limits * self.limits.release[slots, None]
        limits = np.where(self.is_open[slots], lasting, limits)
        tracks.weigh(ring, slots, second, limits, lasting, self.limits.lasts[slots], self.earliest[slots], out)
        return out

    def _note_open(self, findings: Findings) -> None:
        """Which metrics have an open finding: they last as long as they are above their release."""
        self.is_open[:] = False
        for name, direction, kind, value in findings.open:
            if name in RATED and (track := self.follow.by_subject.get((direction, kind, value))) is not None:
                self.is_open[track.slot, METRICS_OF[name]] = True

    def _rates(
        self, track: Track, applied: Applied, out: NDArray[np.float64], findings: Findings, second: int
    ) -> Iterator[Sighting]:
        """What is over, in the order of the detectors; the general says nothing where the specific is open."""
        said = False
        for detector in known.RATES:
            if track.level not in detector.levels or not out[detector.metric, tracks.FIRED]:
                continue
            if detector.name in known.GENERAL and (said or self._explained(track, findings)):
                continue
            key = detector.name, track.direction, track.subject.kind, track.subject.value
            if track.table == tracks.SUM and key not in findings.open:
                self.spreads += 1
                if self.spreads > SPREADS:
                    continue
                if not self._is_spread(track, applied, detector, out[detector.metric], findings):
                    self.earliest[track.slot, detector.metric] = second  # also when what explains it is over
                    continue
            if said and detector.name == "carpet_bombing":
                continue
            if findings.goes_on(key, int(out[detector.metric, tracks.LAST_OVER]), second):
                said = True
                continue
            found = self._sighting(track, applied, detector, out[detector.metric], second)
            said = True
            yield found

    def _explained(self, track: Track, findings: Findings) -> bool:
        """Whether a more specific finding, or the other general one, is open on the subject."""
        where = track.direction, track.subject.kind, track.subject.value
        return any((name, *where) in findings.open for name in SPECIFIC)

    def _sighting(self, track: Track, applied: Applied, detector: Rate, row: NDArray[np.float64], second: int) -> Sighting:
        _, began, last, peak, mean, seen, noise = row.tolist()
        weighed = Weighed(int(began), int(last), peak, mean, seen, noise)
        aim = Aim(track.version, track.address, track.length, track.customer, track.end, detector.keep, detector.port_end)
        sums = self._sums(track)
        series = partial(self.follow.series, track, detector.metric, second, detector.scale)
        return detector.sighting(
            aim, track.subject, track.customer, track.level, track.direction, weighed, applied, _rate(sums), series,
            _size(sums, detector),
        )  # fmt: skip

    def _sums(self, track: Track) -> list[float]:
        """Of all seconds that it remembers, by metric."""
        sums: list[float] = self.follow.seconds(track.slot).sum(0, dtype=float).tolist()
        return sums

    def _is_spread(self, track: Track, applied: Applied, detector: Rate, row: NDArray[np.float64], findings: Findings) -> bool:
        """Whether what hosts (of a customer: also networks) with findings of their own do not explain is still over the limit,
        and no single host is most of it."""
        times = np.arange(int(row[tracks.BEGAN]), int(row[tracks.LAST_OVER]) + 1) % C.LENGTH
        rest = self._seconds(track, detector.metric, times)
        greatest = 0.0
        for other in self.follow.parts(track):
            part = self._seconds(other, detector.metric, times)
            if self._explains(other, track, findings):
                rest = rest - part
            elif other.level == "host":
                greatest = max(greatest, float(part.sum()))
        limit = applied[detector.limit_name(track.level, track.direction)] / (8 if detector.metric in places.OCTETS else 1)
        lasts = float(np.median(rest)) >= limit * applied["timing.release"]  # not one second of a host whose turn comes
        return bool(lasts and rest.mean() >= limit and greatest < SPREAD * rest.sum())

    def _explains(self, other: Track, track: Track, findings: Findings) -> bool:
        """Whether what a part of a sum does is said by a finding of its own, or will be."""
        where = other.direction, other.subject.kind, other.subject.value
        if other.level == "host" and other.slot in self.waiting:
            return True
        if not any((name, *where) in findings.open for name in ALL):
            return False
        return not (track.level == "customer" and other.level == "host" and self._covered(other, findings))

    def _covered(self, host: Track, findings: Findings) -> bool:
        """Whether the host's network has a finding that counts it already."""
        where = (("carpet_bombing", other.direction, "prefix", other.subject.value) for other in self.follow.around(host))
        return any(one in findings.open for one in where)

    def _seconds(self, track: Track, metric: int, times: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.follow.seconds(track.slot)[times, metric].astype(np.float64)

    def learn(self, thresholds: Thresholds, findings: Findings, second: int) -> Iterator[Sighting]:
        """Compare each track with what is usual; once a minute, learn from it where nothing is wrong."""
        turns = np.arange(self.follow.top) % MINUTE == second % MINUTE
        followed = self.follow.table[: self.follow.top] >= 0
        due = np.flatnonzero(followed & turns & (second - self.follow.since[: self.follow.top] >= MINUTE))
        means = dict(zip(due.tolist(), self._minutes(due, second), strict=True))
        for slot in np.flatnonzero(followed & (turns | ~self.unlike.known[: self.follow.top])).tolist():
            track = self.follow.at[slot]
            if track is None:
                continue
            name = f"{track.direction} {track.subject.kind} {track.subject.value}"
            own = thresholds.applied(track.version, track.address, track.length, track.customer)
            self.unlike.draw(track, self.baselines, self.baselines.known.get(name, -1), own, second)
            if slot in means:
                self._learn(track, name, means[slot], own, findings, second)
        for track in self.unlike.look(self.follow, second):
            if not self._explained_statically(track, findings):
                open_now = ("unusual_traffic", track.direction, track.subject.kind, track.subject.value) in findings.open
                yield from self.unlike.sightings(track, self.follow, open_now, _rate(self._sums(track)), second)

    def _minutes(self, slots: NDArray[np.int64], second: int) -> list[tuple[float, float]]:
        """Mean bits and packets a second of each over the last minute."""
        self.follow.unroll(slots)
        times = np.arange(second - MINUTE, second) % C.LENGTH
        ring = self.follow.hosts.series.seconds[slots[:, None], times, : C.M_PACKETS + 1]
        return [(bits * 8, packets) for bits, packets in ring.mean(1, dtype=float).tolist()]

    def _learn(self, track: Track, name: str, means: tuple[float, float], own: Applied, findings: Findings, second: int) -> None:
        worth = means[0] >= own["watch.learned_bps"] / WORTH or means[1] >= own["watch.learned_pps"] / WORTH
        place = self.baselines.place(name, second) if worth or name in self.baselines.known else -1
        if place >= 0 and not self.unlike.is_over(track, means) and not self._explained(track, findings):
            self.baselines.learn(place, means, second)

    def _explained_statically(self, track: Track, findings: Findings) -> bool:
        where = track.direction, track.subject.kind, track.subject.value
        return any((name, *where) in findings.open for name in ALL)

    def forget(self, findings: Findings, second: int) -> None:
        """Follow nobody who was not near a limit for two minutes and has no finding."""
        if second % 10:
            return
        top, gone = self.follow.top, []
        for slot in np.flatnonzero((self.follow.table[:top] >= 0) & (second - self.follow.last_hot[:top] > 2 * MINUTE)).tolist():
            track = self.follow.at[slot]
            if track is not None and not self._explained_statically(track, findings):
                gone.append(track)
        self.follow.release(gone)
        self._forgotten(gone)

    def ended(self, direction: str, kind: str, value: str, second: int) -> None:
        """A finding ended: seconds up to now were judged, and open no other one."""
        track = self.follow.by_subject.get((direction, kind, value))
        if track is not None:
            self.earliest[track.slot] = second


METRICS_OF = {one.name: [other.metric for other in known.RATES if other.name == one.name] for one in known.RATES}
ALL = tuple(dict.fromkeys(one.name for one in known.RATES))
RATED = frozenset(ALL)
SPECIFIC = tuple(name for name in ALL if name not in known.GENERAL)


def _rate(sums: Sequence[float]) -> int:
    """The sampling rate in effect: packets for each that was seen; ``sums`` by metric."""
    seen = sums[C.M_SAMPLES]
    return max(1, round(sums[C.M_PACKETS] / seen)) if seen else 1


def _size(sums: Sequence[float], detector: Rate) -> float:
    """Mean bytes of a packet, of amplified answers where it is about them."""
    amplified = detector.metric in (C.M_AMP_BYTES, C.M_AMP_PACKETS)
    octets, packets = (C.M_AMP_BYTES, C.M_AMP_PACKETS) if amplified else (C.M_BYTES, C.M_PACKETS)
    return sums[octets] / sums[packets] if sums[packets] else 0.0
