"""What detection owes to principle: long looks at thin samples, room for new floods, sources that are nobody's fault, habits."""

import numpy as np
import pytest

from tests.sensors.traffic.detection.staging import AT, OURS, THEIRS, flows, join, playing
from tipstaff.project.bench.flow_stage import Stage, fours
from tipstaff.sensors.traffic.detection import thresholds
from tipstaff.sensors.traffic.detection.detectors import brute_force, fans

TWO_PORTS = """
[[interface]]
exporter = "192.0.2.1"
index = 7
customers = [17]
[[interface]]
exporter = "192.0.2.1"
index = 8
customers = [18]
"""


def samples(count: int) -> dict:
    """So many sampled SYN packets from ours."""
    return flows(count, OURS[4], THEIRS[4], src_customer=17, flags=2, packets=1, octets=60, dst_port=80)


@pytest.mark.parametrize(("a_second", "seconds", "told"), [(7, 30, True), (3, 60, True), (2, 60, False)])
def test_a_flood_that_is_sampled_thinly_is_told_in_time(a_second, seconds, told) -> None:
    """1 in 1000, a limit of 2,000 SYN a second: 7,000 and 3,000 are told once enough was seen, what is at the limit never."""
    stage, found = playing(rate=1000), []
    for second in range(seconds):
        found += stage.play(AT + second, samples(a_second), already_sampled=True)
    assert [one.detector for one in found][:1] == ["syn_flood"] * told
    assert all(one.sampling_rate == 1000 and one.figures["mean_pps"] > 2000 for one in found)


def test_a_sampled_burst_of_a_second_is_no_flood() -> None:
    stage, found = playing(rate=1000), []
    for second in range(40):
        found += stage.play(AT + second, samples(200 if second == 10 else int(second % 5 == 3)), already_sampled=True)
    assert found == []


@pytest.mark.parametrize("bits", [1.2e9, 0.4e9])
def test_a_new_flood_is_followed_where_hundreds_are_near_their_limits(bits) -> None:
    """They and the networks and customers around them would take every place that there is."""
    stage, found = playing(), []
    near = fours((100 << 24) + 256 * np.arange(700))
    packets = round(bits / 8 / 1400)
    for second in range(14):
        busy = flows(700, near, THEIRS[4], src_customer=1000 + np.arange(700), flags=16, packets=packets, octets=packets * 1400)
        flood = flows(1, THEIRS[4], OURS[4], dst_customer=17, flags=2, packets=30_000 if second > 8 else 1, octets=1_800_000)
        found += stage.play(AT + second, join([busy, flood]))
    assert [(one.detector, one.subject.value) for one in found] == [("syn_flood", "198.51.100.7")]


@pytest.mark.parametrize(("port", "told"), [(7, [("syn_flood", "198.51.100.7")]), (8, [("foreign_source", "18")])])
def test_who_holds_a_spoofed_source_is_not_accused(port, told) -> None:
    stage, found = playing(TWO_PORTS), []
    stage.detection.name_exporters({1: "192.0.2.1"})
    for second in range(20):  # nor are they afterwards, when there are no flows to look at
        made = flows(5, OURS[4], THEIRS[4], src_customer=17, flags=2, packets=2000, octets=120_000, input=port)
        found += stage.play(AT + second, made if second < 8 else None)
    assert [(one.detector, one.subject.value) for one in found] == told


def taught() -> Stage:
    """80 Mbit/s are usual for our host; its limit is 400."""
    stage = playing()
    learned = stage.detection.rates.baselines
    place = learned.place("in address 198.51.100.7", AT - 9 * 86400)
    for day in range(9, 0, -1):
        for minute in range(-30, 30):
            learned.learn(place, (80e6, 7000.0), AT - day * 86400 + minute * 60)
    return stage


@pytest.mark.parametrize("bits", [450e6, 900e6, 1.7e9])
def test_what_is_unlike_before_is_told_within_two_seconds_of_its_three_minutes(bits) -> None:
    stage, told = taught(), []
    for second in range(290):
        packets = round((bits if second >= 100 else 80e6) / 8 / 1400)
        made = flows(1, THEIRS[4], OURS[4], dst_customer=17, packets=packets, octets=packets * 1400)
        told += [second for one in stage.play(AT + second, made) if one.detector == "unusual_traffic"]
    assert 280 <= told[0] <= 282


def test_what_is_unlike_before_is_told_of_records_that_come_once_a_minute() -> None:
    stage, told = taught(), []
    for second in range(420):
        packets = 0 if second % 60 else round((900e6 if second > 100 else 80e6) * 60 / 8 / 1400)
        made = flows(1, THEIRS[4], OURS[4], dst_customer=17, packets=packets, octets=packets * 1400, lasts=59_000)
        told += [second for one in stage.play(AT + second, made if packets else None) if one.detector == "unusual_traffic"]
    assert told and 60 + 180 <= told[0] <= 60 + 180 + 62


@pytest.mark.parametrize(("lasts", "told"), [(90, 0), (150, 0), (280, 1)])
def test_what_is_unlike_before_must_last(lasts, told) -> None:
    """A download of a minute and a half is none; minutes in a row are, and the picture says what is usual."""
    stage, found = taught(), []
    for second in range(360):
        bits = 900e6 if 30 <= second < 30 + lasts else 80e6
        packets = round(bits / 8 / 1400)
        found += stage.play(AT + second, flows(1, THEIRS[4], OURS[4], dst_customer=17, packets=packets, octets=packets * 1400))
    opened = {one.id: one for one in found}
    assert [one.detector for one in opened.values()] == ["unusual_traffic"] * told
    assert all(75e6 < one.figures["usual"] < 85e6 and one.limit.seconds == 180 for one in opened.values())


def probes(family: int, count: int, first: int, source: int, **more) -> dict:
    """A stranger's probes of so many addresses of ours in a row."""
    ours = np.tile(OURS[family], (count, 1))
    ours[:, 1] = (ours[:, 1] & ~np.uint64(0xFF)) + (first + np.arange(count)).astype(np.uint64)
    peer = np.tile(THEIRS[family], (count, 1))
    peer[:, 1] += np.uint64(source)
    return flows(count, peer, ours, dst_customer=17, flags=2, packets=1, octets=44, dst_port=22, **more)


@pytest.mark.parametrize(("family", "network"), [(4, "198.51.100.0/24"), (6, "2001:db8::/48")])
def test_a_stranger_who_sweeps_our_space_is_one_finding_on_the_network(family, network) -> None:
    stage, found = playing("[default]\nscan.in.peers_minute = 100"), []
    for second in range(30):
        found += stage.play(AT + second, join([probes(family, 8, 8 * second, 0), probes(family, 3, 0, 100)]))
    assert [(one.detector, one.kind, one.direction, one.subject.value, one.category) for one in found] == [
        ("horizontal_scan", "port_scan_victim", "in", network, "")
    ]
    strangers = {4: "203.0.113.9", 6: "2001:db8:0:ffff::9"}
    assert strangers[family] in found[0].words and {one["address"] for one in found[0].top_peers} == {strangers[family]}
    assert 100 <= found[0].figures["fan_out"] <= 120 and (found[0].last_at - found[0].opened_at).total_seconds() < 2


def test_strangers_are_not_gathered_where_no_limit_is_set() -> None:
    stage, found = playing(), []
    for second in range(30):
        found += stage.play(AT + second, probes(4, 8, 8 * second, 0))
    assert found == [] and stage.detection.sweeps.strangers == {}


@pytest.mark.parametrize(("a_second", "told"), [(2, 1), (0, 0)])
def test_a_sampled_sweep_needs_as_many_samples_as_any_scan(a_second, told) -> None:
    stage, found = playing("[default]\nscan.in.peers_minute = 100", rate=1000), []
    for second in range(50):
        made = probes(4, a_second or int(second % 5 == 0), 2 * second, 0)
        found += stage.play(AT + second, made, already_sampled=True)
    assert [one.subject.value for one in found] == ["198.51.100.0/24"] * told


def test_as_few_samples_open_a_scan_as_statistics_allow() -> None:
    """Of k samples that repeat none there are at least k² / 5.4 distinct ones; see docs/traffic.md."""
    assert [fans.at_least(k, k, 1000) >= 120 for k in (25, 26)] == [False, True]
    assert [fans.at_least(k, k, 1000) >= 400 for k in (46, 47)] == [False, True]


@pytest.mark.parametrize(("population", "least", "most"), [(60_000, 0.95, 1.0), (70, 0.0, 0.01)])
def test_of_sampled_scans_of_ports_nearly_all_are_told_and_of_few_ports_none(population, least, most) -> None:
    """50 ports a second at 1 in 1000: 75 samples in 25 minutes tell 200 ports from 70, for 95 of 100 hosts and more."""
    stage, rng, hosts = playing(rate=1000), np.random.default_rng(3), 200
    who, found = fours((100 << 24) + np.arange(hosts)), set()
    for sample in range(75):
        made = flows(
            hosts, who, THEIRS[4], src_customer=17, flags=2, packets=1, octets=44, dst_port=1 + rng.integers(0, population, hosts)
        )
        told = stage.play(AT + 20 * sample, made, already_sampled=True)
        found |= {one.subject.value for one in told if one.detector == "vertical_scan"}
    assert least * hosts <= len(found) <= most * hosts


@pytest.mark.parametrize(
    ("openings", "others", "told"),
    [(8, 48, False), (10, 72, False), (8, 104, True), (12, 156, True), (100, 430, False), (100, 700, True)],
)  # fmt: skip
def test_monitoring_of_which_few_openings_were_sampled_is_no_attack(openings, others, told) -> None:
    """A banner check has one opening and four packets more; among samples of thousands a day there are eight with 48 by chance."""
    limits, none = thresholds.read().applied(4, 0, 32, 0), fans.Window(0, 0, 0, 0)
    fan = fans.Fan("out", "login", (none, fans.Window(3, 1, openings, others)), 1000, 22, 6)
    assert (brute_force.judge(fan, limits, 1.0) is not None) == told
    going_on = brute_force.judge(fan, limits, limits["timing.release"])  # who was found before goes on by the share alone
    assert (going_on is not None) == (others >= 6 * openings)
