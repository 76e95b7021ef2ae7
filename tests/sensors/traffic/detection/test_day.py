"""A hundredth of the benchmark's day, and captures of real exporters: nothing false, nothing missed that has its time."""

from pathlib import Path

import numpy as np
import pytest

from tests.sensors.traffic.detection.staging import AT, playing
from tests.unskipped import NOT_OURS
from tipstaff.project.bench import detect
from tipstaff.project.bench.flow_attacks import Attacks
from tipstaff.project.bench.flow_day import Day
from tipstaff.sensors.traffic.captures import read_capture
from tipstaff.sensors.traffic.counting import count_hosts
from tipstaff.sensors.traffic.decoders.decoder import Decoder, gather
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.detection import configuration
from tipstaff.sensors.traffic.detection.findings import from_json

CAPTURES = Path(__file__).resolve().parents[4].parent / "shared" / "corpus" / "flows"


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1, 100])
def test_minutes_of_a_day_with_attacks(rate) -> None:
    day = Day(seed=31, mix=0.2)
    attacks = [
        one for one in Attacks(day, configuration.read().thresholds, rate).everything(1)
        if one.visible and one.strength != 1.6 and one.lasts <= 120 and one.crossed < 60
    ]  # fmt: skip
    detect.schedule(attacks, 200, np.random.default_rng(5))
    outcome = detect.play(day, rate, 200, 9 * 3600, attacks)
    table = detect.match(outcome)
    assert len(attacks) >= 30
    assert {name: row for name, row in table.items() if row.found < row.attacks} == {}
    assert [one.words for one in outcome.false] == []
    assert all(from_json(one.to_json()) == one for _, one in outcome.opened)


@pytest.mark.slow
def test_quiet_minutes_of_a_day_are_silent() -> None:
    outcome = detect.play(Day(seed=32, mix=0.5), 1, 150, 12 * 3600, [])
    assert [one.words for _, one in outcome.opened] == []


class Once:
    def __init__(self) -> None:
        self.columns = Columns.room(1 << 16)

    def full(self, rows: int) -> int:
        raise AssertionError("a capture with more flows than there is room for")


@pytest.mark.skipif(not CAPTURES.exists(), reason=f"{NOT_OURS}captures of real exporters are not beside this checkout")
def test_captures_of_real_exporters_open_nothing() -> None:
    """None of them holds an attack; every end is taken for ours in turn, with all their clocks and sampling rates."""
    stage, total = playing(), 0
    second = AT
    for path in sorted(CAPTURES.rglob("*.pcap")):
        sink, decoder = Once(), Decoder(tolerance=0)
        count = decoder.decode(gather(list(read_capture(path.read_bytes()))), sink, 0)
        total += count
        customers = np.zeros((2, sink.columns.capacity), np.int32)
        customers[len(path.name) % 2, :count] = 17
        c = sink.columns
        assert stage.play(second) == []
        count_hosts(c.narrow, c.wide, customers, 0, count, stage.counters, second)
        stage.detection.note(c.narrow, c.wide, customers, 0, count, second)
        second += 1
    assert [one for later in range(5) for one in stage.play(second + later)] == []
    assert total > 100
