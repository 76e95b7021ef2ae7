"""Whom the detection begins to follow, and who makes room: decided once a second, of all at once.

Only rows that reached a mark within the second are looked at (see ``places.marks``), and what is worked out of one in words and
objects is so only once it is followed: of hundreds that are near a limit in a second, most are nearer than nobody who is followed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.detection import places, tracks
from tipstaff.sensors.traffic.detection.evidence import Block, flows_of
from tipstaff.sensors.traffic.detection.limits import Limits
from tipstaff.sensors.traffic.detection.places import Nearness, Newcomers
from tipstaff.sensors.traffic.detection.sightings import Aim
from tipstaff.sensors.traffic.detection.thresholds import Thresholds
from tipstaff.sensors.traffic.detection.tracks import Track, Tracks

FOR_SUMS = 256  # tracks that hosts do not take
REFILLED, STARTED = 8, 300  # in a second: refilled from flows at hand, newly followed
REPLACED = 64  # in a second, of each table: followed instead of others, so that a storm of newcomers leaves time for a judgement


@dataclass
class Admission:
    """``leaving``: of the second ``looked``, who could give way, with how near to a limit, the nearest first."""

    follow: Tracks
    limits: Limits
    looked: int = 0
    leaving: list[tuple[float, Track]] = field(default_factory=list)
    nearness: Nearness | None = None

    def candidates(
        self, hosts: C.Hosts, thresholds: Thresholds, has_finding: Callable[[], NDArray[np.bool_]], second: int,
        blocks: Callable[[], list[Block]],
    ) -> list[Track]:  # fmt: skip
        """Follow those of the last second's lists that come near any limit, from their flows at hand on; who gave way.

        ``has_finding``: by slot, who cannot give way.
        """
        fresh: list[Track] = []
        gone: list[Track] = []
        for table, listed, rows in (
            (tracks.HOST, hosts.hot, hosts.table.rows), (tracks.SUM, hosts.hot_sums, hosts.sums.rows),
        ):  # fmt: skip
            count = min(int(listed.counted[0]), len(listed.rows))
            listed.counted[0] = 0
            new = self._unfollowed(table, rows, listed.rows[:count], thresholds, second)
            room = max(0, len(self.follow.free) - (FOR_SUMS if table == tracks.HOST else 0))
            started = self.follow.start(table, new.rows[:room], new.customers[:room], second)
            if len(new) > room:
                late = new[room:]
                chosen, left = self._instead(table, late, has_finding, thresholds, second)
                self.follow.release(left)
                started += self.follow.start(table, late.rows[chosen], late.customers[chosen], second)
                self.follow.refused += len(late) - len(chosen)
                gone += left
            fresh += started[: REFILLED - len(fresh)]
        self._refill(hosts, fresh, second, blocks)
        return gone

    def _unfollowed(
        self, table: int, rows: NDArray[np.uint64], listed: NDArray[np.int64], thresholds: Thresholds, second: int
    ) -> Newcomers:
        """Those that are not followed yet; of whom is followed, that they are near is noted."""
        if self.nearness is None or self.nearness.of is not thresholds:
            self.nearness = Nearness(thresholds)
        said = self.nearness.of_rows(rows, listed, table)
        near = np.flatnonzero(said)
        slots = (rows[listed[near, 0], C.MOMENT] >> np.uint64(C.TRACK_BIT) & np.uint64(0xFFFF)).astype(np.int64) - 1
        self.follow.last_hot[slots[slots >= 0]] = second
        fresh = near[slots < 0]
        return places.newcomers(listed[fresh], said[fresh], rows, table, STARTED)

    def _instead(
        self, table: int, new: Newcomers, has_finding: Callable[[], NDArray[np.bool_]], thresholds: Thresholds, second: int
    ) -> tuple[NDArray[np.int64], list[Track]]:
        """Which newcomers are followed instead of whom: in their order each takes the place of whoever is furthest from any limit
        of all who are left, where that is further than the newcomer itself."""
        assert self.nearness is not None
        if self.looked != second:  # once a second, as nobody comes closer meanwhile
            self.looked = second
            self.leaving = places.furthest_first(
                self.follow, ~has_finding(), self.limits.values, self.limits.least, second, 2 * REPLACED
            )  # fmt: skip
        if not self.leaving:
            return np.zeros(0, np.int64), []
        # At best by the least limits that anybody has: who is no nearer than the furthest even so is asked nothing more.
        most = places.worth_of(new.rates, self.nearness.least[table], self.nearness.learned)
        may = np.flatnonzero(most > self.leaving[-1][0])
        chosen: list[int] = []
        left: list[Track] = []
        for number, rates in zip(may.tolist(), new.rates[may].tolist(), strict=True):
            if not self.leaving or len(left) == REPLACED:
                break
            if self.leaving[-1][0] < self._worth(table, int(new.rows[number]), int(new.customers[number]), rates, thresholds):
                left.append(self.leaving.pop()[1])
                chosen.append(number)
        return np.array(chosen, np.int64), left

    def _worth(self, table: int, row: int, customer: int, rates: Sequence[float], thresholds: Thresholds) -> float:
        """How near a row's rates come to its own limits."""
        key, six = self.follow.key_of(table, row)
        version, address, length = tracks.place_of(key, six)
        vector = self.limits.vector(
            thresholds, version, address, length, customer, tracks.level_of(key), "in" if key & 1 else "out"
        )
        return places.worth_of_one(rates, vector.limits, vector.least)

    def _refill(self, hosts: C.Hosts, fresh: Sequence[Track], second: int, blocks: Callable[[], list[Block]]) -> None:
        """Add what is at hand of those who are followed since now."""
        held = blocks() if fresh else []
        for track in fresh:
            flows = flows_of(held, Aim(track.version, track.address, track.length, track.customer, track.end))
            C.refill(hosts.series, track.slot, flows.narrow, flows.wide, len(flows), hosts.ports, second - 1)
