"""The limits of those who are followed, in figures by slot, so that one pass over them compares all. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.decoders.loads import kernel
from tipstaff.sensors.traffic.detection import places, tracks
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.tracks import Tracks

ALMOST = 1 - 1e-5  # what single precision may err by, and more


class Vector(NamedTuple):
    """The limits by metric of all whom the same ones apply to, and the bytes a second from which on what is usual is learned."""

    own: Applied
    limits: list[float]
    least: float


@dataclass
class Limits:
    """By slot: the limit of each metric, how much of it is lasting, for how many seconds; see ``Vector.least``."""

    room: int
    of: Thresholds | None = None  # what the limits were made of
    own: dict[int, Applied] = field(default_factory=dict)  # by slot
    vectors: dict[tuple[int, str, str], Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values, self.release = np.zeros((self.room, tracks.JUDGED)), np.zeros(self.room)
        self.lasts, self.least = np.zeros(self.room, np.int64), np.ones(self.room)

    def apply(self, thresholds: Thresholds, follow: Tracks) -> None:
        """The limits of those that are new; of all when they changed."""
        fresh, follow.fresh = follow.fresh, []
        if self.of is not thresholds:
            self.of, fresh = thresholds, list(follow.by_row.values())
            self.vectors.clear()
        by_vector: dict[tuple[int, str, str], tuple[Vector, list[int]]] = {}
        for track in fresh:
            vector = self.vector(
                thresholds, track.version, track.address, track.length, track.customer, track.level, track.direction
            )
            self.own[track.slot] = vector.own
            by_vector.setdefault((id(vector.own), track.level, track.direction), (vector, []))[1].append(track.slot)
        for vector, slots in by_vector.values():
            self.values[slots], self.least[slots], self.release[slots] = vector.limits, vector.least, vector.own["timing.release"]
            self.lasts[slots] = max(1, min(int(vector.own["timing.seconds"]), 60))

    def vector(
        self, thresholds: Thresholds, version: int, address: int, length: int, customer: int, level: str, way: str
    ) -> Vector:
        """The limits of one; worked out once for all whom the same ones apply to."""
        own = thresholds.applied(version, address, length, customer)
        kept = self.vectors.get((id(own), level, way))
        if kept is None or kept.own is not own:
            kept = Vector(own, places.limits_of(own, level, way).tolist(), own["watch.learned_bps"] / 8)
            self.vectors[id(own), level, way] = kept
        return kept

    def over(self, follow: Tracks, table: int, is_open: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The slots of a table that may be over a limit, or over what an open finding lasts above; see ``may_be_over``."""
        found = np.empty(follow.top, np.int64)
        count = may_be_over(
            follow.table, table, follow.top, self.values, self.release, is_open, follow.greatest, follow.totals, found
        )  # fmt: skip
        return found[:count]


@kernel
def may_be_over(tables, table, top, limits, release, is_open, greatest, totals, found):
    """List the slots of a table that have a second that counts, as ``tracks.weigh`` says it; how many. Most have none.

    A track may be passed over where the greatest second of every metric is below the floor that ``weigh`` asks of each second: the
    limit (what an open finding lasts above, where one is open) less what sampling may hide. The floor is the same expression of
    the same sums, lowered by what single precision may err by, so nothing that fires is passed over.
    """
    count = 0
    for slot in range(top):
        if tables[slot] != table:
            continue
        octets, packets, seen = totals[slot, 0], totals[slot, 1], totals[slot, 2]
        sampled = seen > 0 and packets > seen  # no noise where every packet was seen
        for metric in range(tracks.JUDGED):
            limit, most = limits[slot, metric], greatest[slot, metric]
            if most <= 0 or not np.isfinite(limit):
                continue
            if is_open[slot, metric]:
                limit *= release[slot]
            if sampled:
                amount = octets if metric == C.M_BYTES or metric == C.M_AMP_BYTES else packets
                limit = max(limit - 2 * np.sqrt(limit * (amount / seen)), 0.0)
            if most >= limit * ALMOST:
                found[count] = slot
                count += 1
                break
    return count
