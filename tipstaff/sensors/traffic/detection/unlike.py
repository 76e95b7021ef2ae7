"""Unlike before: whose rate was, for minutes, several times what is usual at this hour. Pure but for the seconds it reads.

Rates are means of a sliding minute, because records come up to a minute late; what is told must still last, and have lasted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.detection import learned
from tipstaff.sensors.traffic.detection.detectors.rates import amount
from tipstaff.sensors.traffic.detection.findings import Limit
from tipstaff.sensors.traffic.detection.learned import Baselines
from tipstaff.sensors.traffic.detection.sightings import Aim, Sighting
from tipstaff.sensors.traffic.detection.thresholds import Applied
from tipstaff.sensors.traffic.detection.tracks import Track, Tracks
from tipstaff.sensors.traffic.series import LONG

MINUTE, NOW, WHOLE, AGAIN = (
    LONG,
    10,
    120,
    10,
)  # seconds: of a mean; just now; of all that is looked at; between looks once it is open
NAMES = (("bps", "bit/s", 8.0, C.M_BYTES), ("pps", "packets/s", 1.0, C.M_PACKETS))


@dataclass
class Drawn:
    """A track's limits as learned: median and limit of each metric that has one, and what was set by hand."""

    track: Track
    own: Applied
    limits: dict[int, tuple[float, float]]


@dataclass
class Unlike:
    """``room`` tracks at most, by slot: their limits in the ring's units, and since when, and when last, they were over one."""

    room: int
    drawn: dict[int, Drawn] = field(default_factory=dict)
    since: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.limits: NDArray[np.float64] = np.full((self.room, len(NAMES)), np.inf)
        self.known: NDArray[np.bool_] = np.zeros(self.room, bool)  # by slot: whether its limits were asked for

    def draw(self, track: Track, baselines: Baselines, place: int, own: Applied, second: int) -> None:
        """Its limits of this hour; none where too little is known. ``place``: where the baselines keep it, -1 for nowhere."""
        slot, self.known[track.slot] = track.slot, True
        found: dict[int, tuple[float, float]] = {}
        for metric, (name, *_) in enumerate(NAMES if place >= 0 else ()):
            known = baselines.limit(place, metric, second, own["watch.learned_factor"], own["timing.learned_days"])
            if known is not None:
                found[metric] = known[0], max(known[1], own[f"watch.learned_{name}"])
        if found:
            self.limits[slot] = [found[metric][1] / NAMES[metric][2] if metric in found else np.inf for metric in range(2)]
            self.drawn[slot] = Drawn(track, own, found)
        elif self.drawn.pop(slot, None) is not None:
            self.limits[slot] = np.inf

    def forget(self, slots: list[int]) -> None:
        """Who had these places is followed no longer."""
        self.limits[slots], self.known[slots] = np.inf, False
        for slot in slots:
            for held in (self.drawn, self.since, self.last):
                held.pop(slot, None)

    def is_over(self, track: Track, means: tuple[float, float]) -> bool:
        """Whether means, in bits and packets a second, are over a limit."""
        drawn = self.drawn.get(track.slot)
        return drawn is not None and any(means[metric] >= limit for metric, (_, limit) in drawn.limits.items())

    def look(self, follow: Tracks, second: int) -> list[Track]:
        """Those whose last minute is over a limit now."""
        if not self.drawn:
            return []
        slots = np.array(sorted(self.drawn))
        means = follow.long[slots, : len(NAMES)] / MINUTE
        over = slots[(means >= self.limits[slots]).any(1)].tolist()
        for slot in over:
            self.last[slot] = second
            if slot not in self.since:
                self.since[slot] = self._start(follow, slot, second)
        for slot in [slot for slot in self.since if second - self.last[slot] >= MINUTE]:
            del self.since[slot]
        return [self.drawn[slot].track for slot in over]

    def _start(self, follow: Tracks, slot: int, second: int) -> int:
        """The first of the latest seconds that are all over; late records are spread over the seconds that they tell of."""
        times = np.arange(second - 1, second - 1 - MINUTE, -1) % C.LENGTH
        over = (follow.seconds(slot)[times][:, : len(NAMES)] >= self.limits[slot]).any(1)
        return second - max(1, int(np.argmin(np.append(over, False))))

    def sightings(self, track: Track, follow: Tracks, is_open: bool, rate: int, second: int) -> Iterator[Sighting]:
        """What is over a limit, has been for as long as it takes, and still is; ``rate``: how it is sampled."""
        drawn, since = self.drawn[track.slot], self.since[track.slot]
        lasting = drawn.own["timing.learned_seconds"]
        if (is_open and second % AGAIN != track.slot % AGAIN) or (not is_open and second - since < lasting):
            return
        slots = np.array([track.slot])
        minute, now, whole = (_means(follow, slots, second, seconds)[0] for seconds in (MINUTE, NOW, WHOLE))
        for metric, (usual, limit) in drawn.limits.items():
            name, unit, scale, column = NAMES[metric]
            least = limit / scale
            if minute[metric] < least or (not is_open and (now[metric] < least or whole[metric] < least)):
                continue
            peak = float(follow.seconds(track.slot)[:, column].max()) * scale
            mean = float(minute[metric]) * scale
            figures = {f"peak_{name}": peak, f"mean_{name}": mean, "usual": usual}
            who = f"customer {track.subject.value}" if track.level == "customer" else track.subject.value
            words = f"{who} has {amount(mean, unit)} {track.direction}; {amount(usual, unit)} is usual at this hour."
            shown = Limit(f"mean_{name}", limit, unit, "learned",
                          learned.explain(usual, limit, drawn.own["watch.learned_factor"]), lasting)  # fmt: skip
            aim = Aim(track.version, track.address, track.length, track.customer, track.end)
            yield Sighting(
                "unusual_traffic", "unusual_traffic", track.direction, track.subject, track.customer, since, second - 1, figures,
                shown, rate, 0.6, "unlike before, which alone is no abuse", words, aim, 3 * MINUTE,
                partial(follow.series, track, column, second, scale),
            )  # fmt: skip
            return


def _means(follow: Tracks, slots: NDArray[np.int64], second: int, seconds: int) -> NDArray[np.float64]:
    """Bytes and packets a second of each, over so many seconds up to this one."""
    times = np.arange(second - seconds, second) % C.LENGTH
    follow.unroll(slots)
    found: NDArray[np.float64] = follow.hosts.series.seconds[slots[:, None], times[None, :], : len(NAMES)].mean(1, dtype=float)
    return found
