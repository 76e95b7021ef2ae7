"""From tracks to sightings: which rates are over their limits, static or learned, and which of them say the same thing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.detection import places, tracks
from tipstaff.sensors.traffic.detection.detectors import known
from tipstaff.sensors.traffic.detection.detectors.rates import Rate, Weighed
from tipstaff.sensors.traffic.detection.evidence import Block, flows_of
from tipstaff.sensors.traffic.detection.lasting import Findings
from tipstaff.sensors.traffic.detection.learned import Baselines
from tipstaff.sensors.traffic.detection.sightings import Aim, Sighting
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.tracks import Track, Tracks
from tipstaff.sensors.traffic.detection.unlike import Unlike

ALMOST = 1 - 1e-5  # what single precision may err by, and more
SPREAD = 0.5  # a flood of which one host gets more is no carpet
MINUTE, WORTH = 60, 10  # of the floor of learned limits: who never has so much takes no room of who has
FOR_SUMS = 256  # tracks that hosts do not take
REFILLED, STARTED, SPREADS = 8, 300, 8  # in a second: refilled from flows at hand, newly followed, sums looked into
REPLACED = 64  # in a second, of each table: followed instead of others, so that a storm of newcomers leaves time for a judgement


class Vector(NamedTuple):
    """The limits by metric of all whom the same ones apply to, and the bytes a second from which on what is usual is learned."""

    own: Applied
    limits: list[float]
    least: float


@dataclass
class Rates:
    """Judges every track once a second."""

    follow: Tracks
    baselines: Baselines
    seconds: int = 0
    spreads: int = 0
    waiting: set[int] = field(default_factory=set)  # slots over their limits that have not had their turn
    looked: int = 0  # the second that these are of: who could give way, with how near to a limit, the nearest first
    leaving: list[tuple[float, Track]] = field(default_factory=list)
    own: dict[int, tuple[Track, Applied]] = field(default_factory=dict)  # slot: whose limits these are
    vectors: dict[tuple[int, str, str], Vector] = field(default_factory=dict)
    of: Thresholds | None = None  # what the limits were made of

    def __post_init__(self) -> None:
        """Limits in figures, by slot: of each metric, how much of them is lasting, for how long; and since when each is judged."""
        room = len(self.follow.hosts.series.base)
        self.limits, self.release = np.zeros((room, tracks.JUDGED)), np.zeros((room, 1))
        self.unlike = Unlike(room)
        self.lasts, self.least = np.zeros(room, np.int64), np.ones(room)
        self.earliest = np.zeros((room, tracks.JUDGED), np.int64)  # what is older was judged before, or is nobody's any more

    def candidates(
        self, hosts: C.Hosts, thresholds: Thresholds, findings: Findings, second: int, blocks: Callable[[], list[Block]]
    ) -> None:
        """Follow those of the last second's lists that come near any limit, from their flows at hand on."""
        fresh: list[Track] = []
        for table, listed, rows in (
            (tracks.HOST, hosts.hot, hosts.table.rows), (tracks.SUM, hosts.hot_sums, hosts.sums.rows),
        ):  # fmt: skip
            count = min(int(listed.counted[0]), len(listed.rows))
            listed.counted[0] = 0
            replaced = 0
            for one in self._unfollowed(table, rows, listed.rows[:count], thresholds, second):
                who, customer = None, max(one.customer, 0)
                if len(self.follow.free) <= (FOR_SUMS if table == tracks.HOST else 0):
                    who = self._make_room(table, one, findings, thresholds, second) if replaced < REPLACED else None
                    if who is None:
                        self.follow.refused += 1
                        continue
                    replaced += 1
                track = self.follow.start(table, one.row, customer, second, who)
                if track is not None and track.since == second and len(fresh) < REFILLED:
                    fresh.append(track)
        held = blocks() if fresh else []
        for track in fresh:
            flows = flows_of(held, Aim(track.version, track.address, track.length, track.customer, track.end))
            C.refill(hosts.series, track.slot, flows.narrow, flows.wide, len(flows), hosts.ports, second - 1)

    def _unfollowed(
        self, table: int, rows: NDArray[np.uint64], found: NDArray[np.int64], thresholds: Thresholds, second: int
    ) -> list[places.Newcomer]:
        """Those that are not followed yet: first whom a static limit presses, the greatest first."""
        if not len(found):
            return []
        own = rows[found[:, 0]]
        near, pressing = places.near(own, table, thresholds)
        slots = ((own[:, C.MOMENT] & np.uint64(C.TRACKED)) >> np.uint64(C.TRACK_BIT)).astype(np.int64) - 1
        self.follow.last_hot.update(dict.fromkeys(slots[near & (slots >= 0)].tolist(), second))
        fresh = np.flatnonzero(near & (slots < 0))
        order = np.lexsort((own[fresh, C.PACKETS_SEEN if table == tracks.HOST else C.SUM_PACKETS], pressing[fresh]))[::-1]
        chosen = fresh[order][:STARTED]
        return places.newcomers(found[chosen], own[chosen], table, thresholds)

    def _make_room(
        self, table: int, newcomer: places.Newcomer, findings: Findings, thresholds: Thresholds, second: int
    ) -> Track | None:
        """Follow no longer whoever is furthest from any limit, if that is further than the newcomer; who that is, None for none."""
        if self.looked != second:  # once a second, as nobody comes closer meanwhile
            self.looked = second
            free = self._free_to_go(findings)
            self.leaving = places.furthest_first(self.follow, free, self.limits, self.least, second, 2 * REPLACED)
        if not self.leaving or self.leaving[-1][0] >= newcomer.most:
            return None
        who = self.follow.known_as(table, newcomer.row, max(newcomer.customer, 0), second)
        vector = self._vector(thresholds, who)
        worth = places.worth_of_one(newcomer.rates, vector.limits, vector.least)
        while self.leaving and self.leaving[-1][0] < worth:
            _, track = self.leaving.pop()
            if self.follow.by_row.get((track.table, track.row)) is track:
                self._release(track)
                return who
        return None

    def _free_to_go(self, findings: Findings) -> NDArray[np.bool_]:
        """By slot, who has no open finding."""
        free = np.ones(len(self.limits), bool)
        for name, direction, kind, value in findings.open:
            track = self.follow.by_subject.get((direction, kind, value))
            if track is not None and (name in ALL or name == "unusual_traffic"):
                free[track.slot] = False
        return free

    def _release(self, track: Track) -> None:
        self.follow.release(track)
        self.unlike.forget(track)
        self.waiting.discard(track.slot)

    def look(self, thresholds: Thresholds, findings: Findings, second: int, table: int) -> Iterator[Sighting]:
        """Sightings of this second; to be asked of hosts before the sums that they are part of."""
        self._apply(thresholds)
        limits, lasting = self._limits(findings)
        slots = np.flatnonzero(self.follow.table == table)
        slots = slots[self._may_be_over(slots, limits[slots])]
        rows = [track for slot in slots.tolist() if (track := self.follow.at[slot]) is not None]
        rows.sort(key=lambda track: (track.length == 0, track.slot))
        self.spreads = 0
        out = self._weigh(rows, limits, lasting, second)
        fired = np.flatnonzero(out[:, :, tracks.FIRED].any(1)).tolist()
        fired.sort(key=lambda number: rows[number].slot not in self.waiting)  # who had no turn in the last second comes first
        self.waiting = {slot for slot in self.waiting if self.follow.table[slot] != table}
        self.waiting.update(rows[number].slot for number in fired)
        for number in fired:
            track = rows[number]
            yield from self._rates(track, self.own[track.slot][1], out[number], findings, second)
            self.waiting.discard(track.slot)

    def _apply(self, thresholds: Thresholds) -> None:
        """The limits of those that are new; of all when they changed."""
        fresh, self.follow.fresh = self.follow.fresh, []
        for track in fresh:
            self.earliest[track.slot] = track.since - C.LENGTH
        if self.of is not thresholds:
            self.of, fresh = thresholds, list(self.follow.by_row.values())
            self.vectors.clear()
        for track in fresh:
            slot, vector = track.slot, self._vector(thresholds, track)
            self.own[slot] = track, vector.own
            self.limits[slot], self.least[slot], self.release[slot] = vector.limits, vector.least, vector.own["timing.release"]
            self.lasts[slot] = max(1, min(int(vector.own["timing.seconds"]), 60))

    def _vector(self, thresholds: Thresholds, track: Track) -> Vector:
        """The limits of a track; worked out once for all whom the same ones apply to."""
        own = thresholds.applied(track.version, track.address, track.length, track.customer)
        kept = self.vectors.get((id(own), track.level, track.direction))
        if kept is None or kept.own is not own:
            kept = Vector(own, places.limits_of(own, track).tolist(), own["watch.learned_bps"] / 8)
            self.vectors[id(own), track.level, track.direction] = kept
        return kept

    def _limits(self, findings: Findings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """By slot: above which rates something is found, and goes on."""
        lasting = self.limits * self.release
        return np.where(self._open(findings), lasting, self.limits), lasting

    def _may_be_over(self, slots: NDArray[np.int64], limits: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of these slots have a second that counts, as ``tracks.weigh`` says it: most tracks have none."""
        octets, packets, seen = self.follow.totals[slots].T
        seen = np.where((seen > 0) & (packets > seen), seen, np.inf)  # no noise where every packet was seen
        grain = np.repeat((packets / seen)[:, None], tracks.JUDGED, 1)
        grain[:, places.OCTETS] = (octets / seen)[:, None]
        greatest, bounded = self.follow.greatest[slots], np.isfinite(limits)
        limits = np.where(bounded, limits, 0.0)
        floor = np.maximum(limits - 2 * np.sqrt(limits * grain), 0.0) * ALMOST
        found: NDArray[np.bool_] = ((greatest >= floor) & (greatest > 0) & bounded).any(1)
        return found

    def _weigh(
        self, rows: Sequence[Track], limits: NDArray[np.float64], lasting: NDArray[np.float64], second: int
    ) -> NDArray[np.float64]:
        slots = np.array([one.slot for one in rows], np.int64)
        self.follow.unroll(slots)
        out = np.zeros((len(rows), tracks.JUDGED, 7))
        ring = self.follow.hosts.series.seconds
        tracks.weigh(ring, slots, second, limits[slots], lasting[slots], self.lasts[slots], self.earliest[slots], out)
        return out

    def _open(self, findings: Findings) -> NDArray[np.bool_]:
        """By slot, which metrics have an open finding: they last as long as they are above their release."""
        found = np.zeros(self.limits.shape, bool)
        for name, *where in findings.open:
            track = self.follow.by_subject.get((where[0], where[1], where[2]))
            if track is not None:
                found[track.slot, METRICS_OF.get(name, [])] = True
        return found

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
        turns = np.arange(len(self.lasts)) % MINUTE == second % MINUTE
        for slot in np.flatnonzero((self.follow.table >= 0) & (turns | ~self.unlike.known)).tolist():
            mine, track = bool(turns[slot]), self.follow.at[slot]
            if track is None:
                continue
            own = thresholds.applied(track.version, track.address, track.length, track.customer)
            name = f"{track.direction} {track.subject.kind} {track.subject.value}"
            self.unlike.draw(track, self.baselines, self.baselines.known.get(name, -1), own, second)
            if mine and second - track.since >= MINUTE:
                self._learn(track, name, own, findings, second)
        over = self.unlike.look(self.follow, second)
        for track in over:
            if not self._explained_statically(track, findings):
                open_now = ("unusual_traffic", track.direction, track.subject.kind, track.subject.value) in findings.open
                yield from self.unlike.sightings(track, self.follow, open_now, _rate(self._sums(track)), second)

    def _learn(self, track: Track, name: str, own: Applied, findings: Findings, second: int) -> None:
        times = np.arange(second - MINUTE, second) % C.LENGTH
        ring = self.follow.seconds(track.slot)[times]
        means = float(ring[:, C.M_BYTES].mean()) * 8, float(ring[:, C.M_PACKETS].mean())
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
        for track in list(self.follow.by_row.values()):
            where = track.direction, track.subject.kind, track.subject.value
            if second - self.follow.last_hot[track.slot] > 2 * MINUTE and not any((name, *where) in findings.open for name in ALL):
                self._release(track)

    def ended(self, direction: str, kind: str, value: str, second: int) -> None:
        """A finding ended: seconds up to now were judged, and open no other one."""
        track = self.follow.by_subject.get((direction, kind, value))
        if track is not None:
            self.earliest[track.slot] = second


METRICS_OF = {one.name: [other.metric for other in known.RATES if other.name == one.name] for one in known.RATES}
ALL = tuple(dict.fromkeys(one.name for one in known.RATES))
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
