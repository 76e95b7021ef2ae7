"""One customer takes most of an uplink that is nearly full, for minutes: interference with everybody else behind it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tipstaff.sensors.traffic.detection.configuration import Uplink
from tipstaff.sensors.traffic.detection.detectors.rates import amount
from tipstaff.sensors.traffic.detection.findings import Limit, Subject
from tipstaff.sensors.traffic.detection.sightings import Aim, Sighting
from tipstaff.sensors.traffic.detection.thresholds import Thresholds
from tipstaff.sensors.traffic.detection.watching import Uplinks

NAME, KIND = "uplink_share", "uplink_share"
STEP = 60  # seconds of a measurement
QUIET = 300


@dataclass
class Shares:
    """Since when each customer has taken too much of each uplink."""

    since: dict[tuple[int, int, int], int] = field(default_factory=dict)
    began: int = 0

    def look(self, links: tuple[Uplink, ...], uplinks: Uplinks, thresholds: Thresholds, second: int) -> Iterator[Sighting]:
        """At the end of each STEP: who is over; the counters begin anew."""
        length = second - self.began
        if length < STEP:
            return
        whole = self.began > 0 and length < 2 * STEP
        self.began = second
        for number, link in enumerate(links):
            for way in range(2):
                use = float(uplinks.total[number, way]) * 8 / length
                for place in np.flatnonzero(uplinks.share[number, way] > 0).tolist():
                    who = int(uplinks.owner[place])
                    rate = float(uplinks.share[number, way, place]) * 8 / length
                    if whole:
                        yield from self._judge(link, number, way, who, rate, use, thresholds, second)
        uplinks.total[:] = 0
        uplinks.share[:] = 0

    def _judge(
        self, link: Uplink, number: int, way: int, who: int, rate: float, use: float, thresholds: Thresholds, second: int
    ) -> Iterator[Sighting]:
        applied = thresholds.applied(0, 0, 0, who)
        key, limit = (number, way, who), applied["watch.uplink_share"]
        if rate < limit * use or use < applied["watch.uplink_use"] * link.capacity:
            self.since.pop(key, None)
            return
        since = self.since.setdefault(key, second - STEP)
        lasting = applied["timing.uplink_seconds"]
        if second - since < lasting:
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


def assign(uplinks: Uplinks, customers: list[int]) -> None:
    """Give busy customers a place of their own; a place stays whose it is."""
    for who in customers:
        slot = who & 0xFFFF
        if uplinks.place[slot] < 0:
            free = np.flatnonzero(uplinks.owner == 0)
            if len(free):
                uplinks.owner[free[0]] = who
                uplinks.place[slot] = free[0]
