"""The engine: bounded under a spray of addresses, kept over a kill, and the detectors that look at single flows."""

import json
import subprocess
import sys
import textwrap
from ipaddress import ip_network

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sensors.traffic.detection.staging import AT, CASES, OURS, THEIRS, burst, flows, join, limit_of, play, playing
from tipstaff.project.bench.flow_stage import fours
from tipstaff.sensors.traffic.counting import GRAINS, LENGTH, M_BYTES, METRICS, Hosts, refill
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors.fans import linear, population
from tipstaff.sensors.traffic.detection.findings import from_json
from tipstaff.sensors.traffic.detection.learned import Baselines
from tipstaff.sensors.traffic.detection.spool import Spool
from tipstaff.sensors.traffic.series import turn, unroll

CASE = {case.name: case for case in CASES}
SPOOFED = """
[[interface]]
exporter = "192.0.2.1"
index = 7
customers = [17]
[[uplink]]
name = "transit"
exporter = "192.0.2.1"
index = 50
capacity_bps = 1_000_000_000
"""


def test_a_spray_of_random_addresses_takes_no_more_memory_and_hides_no_attack() -> None:
    stage, rng = playing(), np.random.default_rng(5)
    arrays = (stage.counters.table.rows, stage.counters.ring, *(fans.rows for fans in stage.detection.contacts.fans))
    before = [one.nbytes for one in arrays]
    case, opened = CASE["syn_flood-in"], []
    for second in range(8):
        spray = flows(20_000, fours(rng.integers(1 << 24, 1 << 32, 20_000)), fours(rng.integers(1 << 24, 1 << 32, 20_000)),
                      src_customer=3, dst_customer=3, flags=2, packets=1, octets=40)  # fmt: skip
        opened += stage.play(AT + second, join([burst(case, 4, 2.0, second, limit_of(case)), spray]))
    assert [one.nbytes for one in arrays] == before
    assert len(stage.detection.suspects.by_kind[1]) <= 8_000 and len(stage.detection.follow.by_row) <= stage.counters.ring.shape[1]
    told = stage.detection.report()
    assert told["contacts"]["probe"][1] > 0 or stage.counters.tally[1] > 0  # what found no room is counted
    assert "198.51.100.7" in {one.subject.value for one in opened if one.detector == "syn_flood"}


def test_many_hosts_below_their_limits_are_a_carpet_and_one_above_is_none() -> None:
    limit = playing().detection.configuration.thresholds.default.values["prefix.in.bps"]
    for hosts, wanted in ((200, [("carpet_bombing", "198.51.100.0/24")]), (1, [("bit_flood", "198.51.100.0")])):
        stage, found = playing(), []
        packets = round(1.5 * limit / 8 / 1400 / hosts)
        to = fours((198 << 24 | 51 << 16 | 100 << 8) + np.arange(hosts))
        for second in range(8):
            made = flows(hosts, THEIRS[4], to, dst_customer=17, flags=16, packets=packets, octets=packets * 1400)
            found += stage.play(AT + second, made)
        for second in range(8, 150):
            found += [one for one in stage.play(AT + second) if one.detector not in {name for name, _ in wanted}]
        assert [(one.detector, one.subject.value) for one in found] == wanted


def test_a_listed_peer_is_told_and_an_answered_scan_is_not() -> None:
    stage, networks = playing(), [ip_network("203.0.113.0/28"), ip_network("2001:db8:0:ffff::/64")]
    stage.detection.watch(listed=networks)
    refused = flows(5, OURS[4], THEIRS[4], src_customer=17, flags=0x14, packets=1, octets=40)
    assert [one for second in range(5) for one in stage.play(AT + second, refused)] == []
    for family in (4, 6):
        stage, found = playing(), []
        stage.detection.watch(listed=networks)
        for second in range(3):
            made = flows(1, OURS[family], THEIRS[family], src_customer=17, packets=4, octets=400)
            found += stage.play(AT + second, made)
        assert [(one.detector, one.kind, one.category) for one in found] == [("listed_peer", "listed_peer", "compromised")]


def test_blocked_addresses_are_told_both_ways() -> None:
    stage = playing()
    stage.detection.watch(blocked=[ip_network("198.51.100.7")])
    made = join([flows(1, OURS[4], THEIRS[4], src_customer=17, packets=900, octets=90_000),
                 flows(1, THEIRS[4], OURS[4], dst_customer=17, packets=900, octets=90_000)])  # fmt: skip
    found = [one for second in range(4) for one in stage.play(AT + second, made)]
    assert {(one.kind, one.direction) for one in found} == {("blocked_traffic", "out"), ("blocked_traffic_victim", "in")}


@pytest.mark.parametrize(("source", "who", "told"), [(THEIRS[4], 0, True), (OURS[4], 18, True), (OURS[4], 17, False)])
def test_sources_of_others_behind_a_customers_interface(source, who, told) -> None:
    stage = playing(SPOOFED)
    stage.detection.name_exporters({1: "192.0.2.1"})
    made = flows(3, source, THEIRS[4], src_customer=who, input=7, packets=5, octets=300)
    found = [one for second in range(4) for one in stage.play(AT + second, made)]
    assert [(one.detector, one.subject.value, one.customer_id) for one in found] == [("foreign_source", "17", 17)] * told


def test_leaks_of_private_addresses_and_other_interfaces_are_none() -> None:
    stage = playing(SPOOFED)
    stage.detection.name_exporters({1: "192.0.2.1"})
    leaks = flows(30, fours(np.full(30, 192 << 24 | 168 << 16 | 5)), THEIRS[4], input=7, packets=50)
    transit = flows(30, THEIRS[4], OURS[4], dst_customer=17, input=8, packets=50)
    assert [one for second in range(4) for one in stage.play(AT + second, join([leaks, transit]))] == []


def test_a_lasting_share_of_a_full_uplink() -> None:
    toml = SPOOFED + "\n[default]\ncustomer.out.bps = 500_000_000\ntiming.uplink_seconds = 120"
    stage, found = playing(toml), []
    stage.detection.name_exporters({1: "192.0.2.1"})
    packets = round(0.9e9 / 8 / 1400 / 10)
    for second in range(330):
        made = flows(10, OURS[4], THEIRS[4], src_customer=17, output=50, packets=packets, octets=packets * 1400)
        found += stage.play(AT + second, made)
    told = [one for one in found if one.detector == "uplink_share"]
    assert told and told[0].subject.value == "17" and told[0].figures["share"] > 0.95
    assert "transit" in told[0].words


def test_a_kill_between_two_documents_opens_nothing_twice(tmp_path) -> None:
    """A second process finds what the first one, killed without warning, had open."""
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, signal, sys, time
        from pathlib import Path
        from tests.sensors.traffic.detection.staging import *
        from tipstaff.sensors.traffic.detection.spool import Spool, state_of
        class Told(Spool):
            told = None
            def remember(self, texts):
                self.told = state_of(texts)
                super().remember(texts)
        spool = Told(Path({str(tmp_path)!r}) / "findings")
        stage = playing(spool=spool)
        first = int(sys.argv[1])
        stage.detection.start(AT + first)
        case = next(one for one in CASES if one.name == "syn_flood-in")
        for second in range(first, first + 6):
            stage.play(AT + second, burst(case, 4, 1.5, second, limit_of(case)))
        until = time.monotonic() + 60
        while time.monotonic() < until:  # until all is on the disk
            if not spool.waiting and (spool.told is None or spool.state.exists() and spool.state.read_text() == spool.told):
                break
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
        """)
    )
    for first in (0, 10):
        done = subprocess.run([sys.executable, str(script), str(first)], check=False, timeout=240, env={"PYTHONPATH": "."})
        assert done.returncode == -9
    documents = [from_json(path.read_bytes()) for path in sorted((tmp_path / "findings").glob("*.json"))]
    assert len({one.id for one in documents}) == 1
    assert not list((tmp_path / "findings").glob("*.new"))
    for path in (tmp_path / "findings").glob("*.json"):  # somebody took them: the engine's own word is left
        path.unlink()
    assert [one.id for one in Spool(tmp_path / "findings").left_open()] == [documents[0].id]


def test_documents_are_whole_and_sort_by_time(tmp_path) -> None:
    spool = Spool(tmp_path / "findings")
    stage = playing()
    case = CASE["udp_flood-in"]
    found = play(stage, case, 4, 1.5, 0, 75, limit_of(case))
    assert len(found) == 2
    spool.start()
    for number, one in enumerate(found):
        spool.emit(one, 1_770_000_000_000 + number * 5000)
    spool.close()
    names = sorted(path.name for path in (tmp_path / "findings").iterdir())
    assert [json.loads((tmp_path / "findings" / name).read_text())["last_at"] for name in names] == sorted(
        json.loads(one.to_json())["last_at"] for one in found
    )
    assert spool.written == 2 and spool.lost == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(1, 10**9)), min_size=1, max_size=20))
def test_long_flows_are_spread_over_their_time_and_nothing_is_lost(rows) -> None:
    narrow, wide = np.zeros((L.NARROW, len(rows)), np.uint32), np.zeros((L.WIDE, len(rows)), np.uint64)
    now = AT + 100
    for n, (end, lasts, octets) in enumerate(rows):
        wide[L.END, n], wide[L.START, n] = (now - end) * 1000, (now - end - lasts) * 1000
        wide[L.BYTES, n] = octets
    hosts = Hosts(10, 1, tracks=2)
    refill(hosts.series, 0, narrow, wide, len(rows), hosts.ports, now)
    unroll(hosts.series, np.array([0]), now)
    expected = np.zeros(LENGTH)
    for end, lasts, octets in rows:
        for second in range(now - end - lasts, now - end + 1):
            if second >= now - LENGTH + 2:
                expected[second % LENGTH] += octets / (lasts + 1)
    assert hosts.ring.shape == (LENGTH, 2, METRICS)
    assert np.allclose(hosts.ring[:, 0, M_BYTES], expected, rtol=1e-4, atol=len(rows) / GRAINS)
    for later in range(now + 1, now + LENGTH + 1):  # as time goes by they leave, and leave nothing behind
        turn(hosts.series, 1, later)
        unroll(hosts.series, np.array([0]), later)
        expected[(later + 1) % LENGTH] = 0
        assert np.allclose(hosts.ring[:, 0, M_BYTES], expected, rtol=1e-4, atol=len(rows) / GRAINS)
    assert not hosts.series.steps.any() and not hosts.series.base.any() and not hosts.series.amplified.any()


@given(st.integers(1, 400), st.integers(0, 5))
def test_distinct_ones_are_estimated_from_bits(count, seed) -> None:
    rng = np.random.default_rng(seed)
    bits = len(np.unique(rng.integers(0, 512, count)))
    assert linear(512, bits) == pytest.approx(count, rel=0.25, abs=8)
    assert population(count, count, 1000) == pytest.approx(count * 1000)
    assert population(count, count * 50, 1000) == pytest.approx(count, rel=0.01)


def test_what_is_usual_is_learned_and_an_attack_is_not(tmp_path) -> None:
    learned, place = Baselines(room=4), 0
    rng = np.random.default_rng(1)
    for minute in range(0, 14 * 1440, 2):
        place = learned.place("in address 198.51.100.7", AT + minute * 60)
        learned.learn(place, (float(rng.normal(100e6, 10e6)), 10_000.0), AT + minute * 60)
    at = AT + 14 * 86400
    usual, limit = learned.limit(place, 0, at, 5.0, 7)
    assert usual == pytest.approx(100e6, rel=0.1) and limit == pytest.approx(500e6, rel=0.2)
    for minute in range(30):  # half an hour of fifty times as much, were it learned from, would still move little
        learned.learn(place, (5e9, 10_000.0), at + minute * 60)
    assert learned.limit(place, 0, at, 5.0, 7)[1] < 2 * limit
    path = tmp_path / "learned.npz"
    path.write_bytes(learned.save())
    again = Baselines(room=4)
    again.load(path)
    assert again.limit(again.place("in address 198.51.100.7", at), 0, at, 5.0, 7) == learned.limit(place, 0, at, 5.0, 7)
    assert Baselines(room=4).limit(0, 0, at, 5.0, 7) is None
