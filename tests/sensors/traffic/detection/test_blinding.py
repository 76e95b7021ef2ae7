"""Whoever fills a table must not hide anybody else: floods of forged addresses, hundreds of offenders at once, and one more."""

from collections.abc import Iterator
from ipaddress import ip_network

import numpy as np
import pytest

from tests.sensors.traffic.detection.staging import AT, OURS, THEIRS, flows, join, playing
from tipstaff.project.bench.flow_stage import Flows, Stage, fours
from tipstaff.sensors.traffic.detection import contacts as K
from tipstaff.sensors.traffic.detection import engine, looking, sweeps
from tipstaff.sensors.traffic.detection.learned import Baselines

RNG = np.random.default_rng(7)
SYN = {"flags": 2, "packets": 1, "octets": 60}


def in_our_48(count: int) -> np.ndarray:
    """Random addresses of a network of ours: nobody has seen them before, nor will again."""
    high = np.uint64(0x20010DB8 << 32 | 7 << 16) | RNG.integers(0, 1 << 16, count).astype(np.uint64)
    return np.stack([high, RNG.integers(0, 1 << 62, count).astype(np.uint64)], 1)


def strangers(count: int) -> np.ndarray:
    return fours(RNG.integers(1 << 24, 200 << 24, count))


def forged(count: int, way: str, **facts) -> Flows:
    """Openings from forged sources of ours ("out"), or to any address of ours from anywhere ("in")."""
    facts = {"dst_port": 80} | SYN | facts
    if way == "out":
        return flows(count, in_our_48(count), strangers(count), src_customer=18, **facts)
    return flows(count, strangers(count), in_our_48(count), dst_customer=18, **facts)


def small_tables(stage: Stage) -> Stage:
    """A hundredth of the room for contacts: a hundredth of a flood fills it."""
    stage.detection.contacts = K.Contacts((640, 160, 320, 160))
    looking.mark(stage.detection.contacts, stage.detection.configuration.thresholds)
    return stage


def told(stage: Stage, seconds: Iterator[Flows]) -> set[tuple[str, str]]:
    found = []
    for second, made in enumerate(seconds):
        found += stage.play(AT + second, made, already_sampled=True)
    return {(one.detector, one.subject.value) for one in found}


@pytest.fixture(autouse=True)
def time_for_all(monkeypatch) -> None:
    """How many have their turn in a second is a number here, and no matter of the machine's pace."""
    monkeypatch.setattr(engine, "MOST_SECONDS", float("inf"))


@pytest.mark.parametrize("way", ["in", "out"])
def test_forged_addresses_hide_no_scanner(way) -> None:
    scan = (
        flows(10 * (second >= 8), OURS[4], strangers(10 * (second >= 8)), src_customer=17, dst_port=22, **SYN)
        for second in range(40)
    )
    found = told(small_tables(playing()), (join([forged(400, way), one, forged(400, way)]) for one in scan))
    assert ("horizontal_scan", "198.51.100.7") in found


def test_forged_openings_hide_nobody_who_tries_to_log_in() -> None:
    tries = {"dst_port": 22, "packets": 14, "octets": 2600}
    attack = (flows(8 * (second >= 8), THEIRS[4], OURS[4], dst_customer=17, **tries) for second in range(50))
    toml = "[default]\nlogin.in.attempts_minute = 100"
    found = told(
        small_tables(playing(toml)), (join([forged(400, "in", dst_port=22), one, forged(400, "in", dst_port=22)]) for one in attack)
    )
    assert ("brute_force", "198.51.100.7") in found


def test_forged_sources_leave_room_to_follow_a_flood() -> None:
    """1 in 1000: every single opening that is seen stands for half a limit."""
    seconds = (
        join([forged(400, "out"), flows(9 * (second >= 10), OURS[4], THEIRS[4], src_customer=17, **SYN)]) for second in range(25)
    )
    assert ("syn_flood", "198.51.100.7") in told(playing(rate=1000), seconds)


def test_addresses_that_nobody_has_leave_room_to_count_a_victim() -> None:
    flood = {"flags": 2, "packets": 30_000, "octets": 1_800_000}
    seconds = (
        join([forged(2000, "in"), flows(int(second >= 6), THEIRS[4], OURS[4], dst_customer=17, **flood)]) for second in range(12)
    )
    assert ("syn_flood", "198.51.100.7") in told(playing(), seconds)


def test_forged_sources_hide_no_stranger_who_sweeps_our_space(monkeypatch) -> None:
    monkeypatch.setattr(sweeps, "MOST", 1_000)
    monkeypatch.setattr(sweeps, "AT_ONCE", 300)

    def second(number: int) -> Flows:
        count = 20 * (number >= 4)
        swept = fours((198 << 24 | 51 << 16 | 100 << 8) + (20 * number + np.arange(count)) % 256)
        flood = flows(400, strangers(400), OURS[6], dst_customer=17, **SYN)
        return join([flood, flows(count, THEIRS[4], swept, dst_customer=17, dst_port=22, **SYN), flood])

    stage = playing("[default]\nscan.in.peers_minute = 100")
    assert ("horizontal_scan", "198.51.100.0/24") in told(stage, map(second, range(12)))


def test_what_is_thrown_at_the_blocked_leaves_room_for_listed_peers() -> None:
    """As many flows as a list of suspects holds come to addresses of a blocked network, before a single one to a listed peer."""
    stage = playing()
    stage.detection.watch(listed=[ip_network("203.0.113.0/28")], blocked=[ip_network("2001:db8::/32")])
    listed = flows(1, OURS[4], fours(np.array([203 << 24 | 113 << 8 | 5])), src_customer=17, packets=4)
    assert ("listed_peer", "198.51.100.7") in told(stage, (join([forged(9_000, "in"), listed]) for _ in range(2)))


def test_in_the_name_of_listed_peers_nobody_is_accused() -> None:
    """A name server that answers forged questions talks to nobody; a host that asks there does."""
    stage = playing()
    stage.detection.watch(listed=[ip_network("203.0.113.0/28")])
    listed, udp = fours(np.array([203 << 24 | 113 << 8 | 5])), {"protocol": 17, "flags": 0, "packets": 50}
    forged_questions = flows(1, listed, OURS[4], dst_customer=17, dst_port=53, **udp)
    answers = flows(1, OURS[4], listed, src_customer=17, src_port=53, dst_port=41_000, **udp)
    asks = flows(1, OURS[6], listed, src_customer=17, src_port=41_000, dst_port=53, **udp)
    assert told(stage, (join([forged_questions, answers, asks]) for _ in range(3))) == {("listed_peer", "2001:db8::7")}


def test_who_was_seen_for_a_moment_takes_no_room_of_what_is_learned() -> None:
    learned, day = Baselines(room=4), 86_400
    for number in range(3):
        learned.learn(learned.place(f"regular {number}", AT), (8e7, 7000.0), AT)
        for minute in range(40):
            learned.learn(learned.place(f"regular {number}", AT + 60 * minute), (8e7, 7000.0), AT + 60 * minute)
    learned.learn(learned.place("passing", AT), (8e7, 7000.0), AT)
    assert learned.place("new", AT + day // 2) == -1
    assert learned.place("new", AT + 2 * day) == 3 and "passing" not in learned.known
    assert learned.place("another", AT + 4 * day) == 3 and {f"regular {number}" for number in range(3)} < learned.known.keys()


def test_a_trickle_from_forged_sources_is_not_learned() -> None:
    stage, who = playing(rate=1000), in_our_48(4)
    told(stage, (flows(4, who, THEIRS[4], src_customer=18, **SYN) for _ in range(125)))
    assert len(stage.detection.follow.by_row) >= 4
    assert stage.detection.rates.baselines.known == {}


def test_of_hundreds_of_scanners_each_is_told() -> None:
    who = np.tile(fours((100 << 24) + np.arange(300)), (40, 1))
    scans = (flows(12_000, who, strangers(12_000), src_customer=17, dst_port=22, **SYN) for _ in range(8))
    assert len({value for name, value in told(playing(), scans) if name == "horizontal_scan"}) == 300


def test_of_hundreds_who_talk_to_listed_peers_each_is_told() -> None:
    stage = playing()
    stage.detection.watch(listed=[ip_network("203.0.113.0/28")])
    who = fours((100 << 24) + np.arange(300))
    talk = (flows(300, who, fours(np.array([203 << 24 | 113 << 8 | 5])), src_customer=17) for _ in range(5))
    assert len({value for name, value in told(stage, talk) if name == "listed_peer"}) == 300
