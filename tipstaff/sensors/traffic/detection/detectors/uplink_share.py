"""One customer takes most of an uplink that is nearly full, for minutes: interference with everybody else behind it. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.detection.configuration import Uplink
from tipstaff.sensors.traffic.detection.detectors.rates import amount
from tipstaff.sensors.traffic.detection.findings import Limit, Subject
from tipstaff.sensors.traffic.detection.sightings import Aim, Sighting
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.watching import Uplinks

NAME, KIND = "uplink_share", "uplink_share"
STEP, WINDOW, NOW = 2, 60, 10  # seconds of a measurement; over which it is judged, as records come up to a minute late; just now
PAUSED = 30  # seconds without a look after which all begins anew
QUIET = 300
Key = tuple[int, int, int]  # number of the uplink, direction, customer


@dataclass(frozen=True)
class Step:
    """Bytes of an uplink's directions, and of those who have a place, from ``began`` up to the next."""

    began: int
    ended: int
    total: NDArray[np.float64]
    share: NDArray[np.float32]


@dataclass
class Shares:
    """Since when each customer has taken too much of each uplink, and when it did last; the window's steps and their sums."""

    since: dict[Key, int] = field(default_factory=dict)
    last: dict[Key, int] = field(default_factory=dict)
    steps: deque[Step] = field(default_factory=deque)
    began: int = 0
    of: Uplinks | None = None  # whose places the steps are about

    def __post_init__(self) -> None:
        self.total: NDArray[np.float64] = np.zeros((1, 2))
        self.share: NDArray[np.float64] = np.zeros((1, 2, 1))

    def look(self, links: tuple[Uplink, ...], uplinks: Uplinks, thresholds: Thresholds, second: int) -> Iterator[Sighting]:
        """At the end of each STEP: who is over within the last WINDOW; the counters begin anew."""
        length = second - self.began
        if length < STEP:
            return
        self._take(uplinks, second)
        if self.steps[0].began > second - WINDOW + STEP:  # not a whole window yet
            return
        over = list(_over(links, uplinks, thresholds, self.total, self.share, second - self.steps[0].began))
        for key, place, *_ in over:
            self.last[key] = second
            self.since.setdefault(key, self._start(links[key[0]], key, place, thresholds, second))
        for key in [key for key in self.since if second - self.last[key] >= WINDOW]:
            del self.since[key], self.last[key]
        for key, place, rate, use in over:
            yield from self._judge(links[key[0]], key, place, rate, use, thresholds, second)

    def _take(self, uplinks: Uplinks, second: int) -> None:
        """The latest step into the window, the oldest out of it; sums are whole bytes, so that nothing is lost on the way."""
        if self.of is not uplinks or second - self.began > PAUSED:
            self.of, self.began = uplinks, max(self.began, second - STEP)
            self.steps.clear()
            self.total, self.share = np.zeros(uplinks.total.shape), np.zeros(uplinks.share.shape)
            uplinks.total[:] = 0
            uplinks.share[:] = 0
        step = Step(self.began, second, uplinks.total.copy(), uplinks.share.copy())
        self.began = second
        self.steps.append(step)
        self.total += step.total
        self.share += step.share
        while self.steps[0].ended <= second - WINDOW:
            gone = self.steps.popleft()
            self.total -= gone.total
            self.share -= gone.share
        uplinks.total[:] = 0
        uplinks.share[:] = 0

    def _start(self, link: Uplink, key: Key, place: int, thresholds: Thresholds, second: int) -> int:
        """When it began: with the first of the latest measurements that are all over; where records come seldom, halfway back."""
        applied, began = thresholds.applied(0, 0, 0, key[2]), second - WINDOW // 2
        for step in reversed(self.steps):
            if not _is_over(applied, link, step.share[key[0], key[1], place], step.total[key[0], key[1]], step.ended - step.began):
                break
            began = min(began, step.began)
        return began

    def _judge(
        self, link: Uplink, key: Key, place: int, rate: float, use: float, thresholds: Thresholds, second: int
    ) -> Iterator[Sighting]:
        number, way, who = key
        applied, since = thresholds.applied(0, 0, 0, who), self.since[key]
        limit, lasting = applied["watch.uplink_share"], applied["timing.uplink_seconds"]
        latest = [one for one in self.steps if one.began >= second - NOW]
        total = sum(float(one.total[number, way]) for one in latest)
        share = sum(float(one.share[number, way, place]) for one in latest)
        if second - since < lasting or not _is_over(applied, link, share, total, second - latest[0].began):
            return
        figures = {"share": round(rate / use, 3), "mean_bps": rate, "uplink_bps": use, "capacity_bps": link.capacity}
        words = (
            f"customer {who} took {rate / use:.0%} of uplink {link.name} ({amount(rate, 'bit/s')} of {amount(use, 'bit/s')}, "
            f"which is {use / link.capacity:.0%} of what it carries) for {(second - since) / 60:.0f} minutes."
        )
        shown = Limit("share", limit, "of what the uplink carries", applied.label("watch.uplink_share"),
                      applied.why("watch.uplink_share"), lasting)  # fmt: skip
        yield Sighting(
            NAME, KIND, "in" if way else "out", Subject("customer", str(who)), who, since, second - 1, figures, shown, 1, 0.95,
            "sums of ten minutes", words, Aim(0, 0, 0, who, way), QUIET,
        )  # fmt: skip


def _is_over(applied: Applied, link: Uplink, share: float, total: float, seconds: int) -> bool:
    """Whether these bytes of a customer are too much of an uplink that is nearly full."""
    full = total * 8 / seconds >= applied["watch.uplink_use"] * link.capacity
    return full and share >= applied["watch.uplink_share"] * total


def _over(
    links: tuple[Uplink, ...], uplinks: Uplinks, thresholds: Thresholds, total: NDArray[np.float64],
    share: NDArray[np.float64], seconds: int,
) -> Iterator[tuple[Key, int, float, float]]:  # fmt: skip
    """Who is: uplink, direction and customer; the place; bits a second of it and of all."""
    least = thresholds.least("watch.uplink_use")
    for number, link in enumerate(links):
        for way in range(2):
            if total[number, way] * 8 / seconds < least * link.capacity:
                continue
            for place in np.flatnonzero(share[number, way] > 0).tolist():
                who = int(uplinks.owner[place])
                if _is_over(thresholds.applied(0, 0, 0, who), link, share[number, way, place], total[number, way], seconds):
                    rates = float(share[number, way, place]) * 8 / seconds, float(total[number, way]) * 8 / seconds
                    yield (number, way, who), place, *rates


def assign(uplinks: Uplinks, customers: list[int], share: NDArray[np.float64]) -> None:
    """Give busy customers a place of their own; it stays theirs while it is needed. ``share``: bytes of the window by place."""
    fresh = [who for who in customers if uplinks.place[who & 0xFFFF] < 0]
    if not fresh:
        return
    free = np.flatnonzero(uplinks.owner == 0).tolist()
    if len(free) < len(fresh) and share.shape[2] == len(uplinks.owner):
        idle = np.flatnonzero((uplinks.owner != 0) & ~share.any((0, 1)) & ~np.isin(uplinks.owner, customers)).tolist()
        for place in idle:
            uplinks.place[int(uplinks.owner[place]) & 0xFFFF] = -1
        free += idle
    for who, place in zip(fresh, free, strict=False):
        uplinks.owner[place] = who
        uplinks.place[who & 0xFFFF] = place
