"""Shares of an uplink, second by second: told when the time is over and not a minute later; a place for everybody who is busy."""

from dataclasses import dataclass

import numpy as np
import pytest

from tipstaff.sensors.traffic.detection import thresholds
from tipstaff.sensors.traffic.detection.configuration import Uplink
from tipstaff.sensors.traffic.detection.detectors.uplink_share import Shares, assign
from tipstaff.sensors.traffic.detection.watching import uplinks_of

BEGAN, CAPACITY = 1_770_000_000, 1e9
LIMITS = thresholds.read()


@dataclass
class Link:
    """One uplink; ``play`` says who was found in which second."""

    def __post_init__(self) -> None:
        self.shares, self.counted = Shares(), uplinks_of({(1, 50): 0})
        self.links = (Uplink("transit", CAPACITY, (("192.0.2.1", 50),)),)

    def play(self, seconds: int, rates, first: int = 0) -> list[tuple[int, int]]:
        """``rates``: customers' bits of each second, by second; nobody else sends."""
        found = []
        for second in range(first, first + seconds):
            bits = rates(second)
            assign(self.counted, list(bits), self.shares.share)
            found += [(second, one.customer) for one in self.shares.look(self.links, self.counted, LIMITS, BEGAN + second)]
            for who, rate in bits.items():
                self.counted.total[0, 0] += rate / 8
                place = self.counted.place[who]
                if place >= 0 and self.counted.owner[place] == who:
                    self.counted.share[0, 0, place] += rate / 8
        return found


@pytest.mark.parametrize("share", [0.72, 0.8, 1.0])
def test_a_share_is_told_within_two_seconds_of_its_ten_minutes(share) -> None:
    found = Link().play(800, lambda second: {7: share * CAPACITY} if second >= 101 else {7: 1e6})
    assert {who for _, who in found} == {7} and 0 <= found[0][0] - 101 - 600 <= 2


@pytest.mark.parametrize("lasts", [480, 590])
def test_what_is_over_before_its_ten_minutes_is_none(lasts) -> None:
    assert Link().play(900, lambda second: {7: 0.95 * CAPACITY * (100 <= second < 100 + lasts)}) == []


def test_records_that_come_once_a_minute_are_a_share_too() -> None:
    """By their bytes it is more than the uplink carries, within the second in which they come; more or less once a minute."""
    comes = {60 * minute + minute % 3 for minute in range(30)}
    found = Link().play(
        1000, lambda second: {7: 60 * 0.9 * CAPACITY * (second in comes), 8: 60 * 0.05 * CAPACITY * (second in comes)}
    )
    assert {who for _, who in found} == {7} and 570 <= found[0][0] <= 720


def test_a_full_uplink_that_many_share_accuses_nobody() -> None:
    assert Link().play(900, lambda second: dict.fromkeys(range(1, 25), 0.95 * CAPACITY / 24)) == []


def test_thousands_who_were_busy_once_leave_room_for_who_is_busy_now() -> None:
    link, numbers = Link(), np.arange(100, 3000)
    link.play(200, lambda second: dict.fromkeys(numbers[20 * second : 20 * second + 20].tolist(), 1e6))
    found = link.play(750, lambda second: {7: 0.9 * CAPACITY}, first=200)
    assert {who for _, who in found} == {7}
