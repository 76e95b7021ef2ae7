"""Seen, not seen, cannot tell: and never more certain than the sampling allows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sensors.traffic.test_archive import NOON, made, stored
from tipstaff.sensors.traffic.archive import compacting, corroborating, files
from tipstaff.sensors.traffic.corroboration import Claim, Seen, Verdict, Watch, chance_of_missing, corroborate

AT = datetime(2026, 2, 11, 12, 5, tzinfo=UTC)
WATCHED = Watch([100], AT - timedelta(days=30))
CLAIM = Claim(AT, AT, peer="203.0.113.9", peer_port=22, protocol=6, packets=1000)


def seen(at=AT, **values):
    known = {"peer": "203.0.113.9", "peer_port": 22, "local_port": 40000, "protocol": 6, "packets": 3, "rate": 100}
    return Seen(at, at + timedelta(seconds=20), **(known | values))


def test_seen_at_the_stated_time() -> None:
    answer = corroborate(CLAIM, [seen(), seen(peer="203.0.113.10")], WATCHED)
    assert (answer.verdict, answer.offset, len(answer.flows)) == (Verdict.SEEN, 0, 1)


@pytest.mark.parametrize("hours", [2, -2, 5.5, -8, 12])
def test_a_time_zone_error_is_tried_and_named(hours) -> None:
    answer = corroborate(CLAIM, [seen(AT + timedelta(hours=hours))], WATCHED)
    assert (answer.verdict, answer.offset) == (Verdict.SEEN, hours) and f"{hours:+g} h" in answer.reason


def test_without_a_peer_another_hour_proves_nothing() -> None:
    vague = replace(CLAIM, peer=None, peer_port=None)
    assert corroborate(vague, [seen(AT + timedelta(hours=2))], WATCHED).verdict is Verdict.NOT_SEEN


@pytest.mark.parametrize("field", ["peer", "peer_port", "local_port", "protocol"])
def test_what_is_stated_must_agree(field) -> None:
    other = {"peer": "203.0.113.1", "peer_port": 23, "local_port": 1, "protocol": 17}
    claim = replace(CLAIM, local_port=40000)
    assert corroborate(claim, [seen(**{field: other[field]})], WATCHED).verdict is Verdict.NOT_SEEN
    assert corroborate(replace(claim, **{field: None}), [seen(**{field: other[field]})], WATCHED).verdict is Verdict.SEEN


def test_absence_means_something_only_when_it_would_have_been_seen() -> None:
    assert corroborate(CLAIM, [], WATCHED).verdict is Verdict.NOT_SEEN
    small = corroborate(replace(CLAIM, packets=10), [], WATCHED)
    assert small.verdict is Verdict.CANNOT_TELL and small.missed == pytest.approx(0.99**10)
    assert corroborate(replace(CLAIM, packets=None), [], WATCHED).verdict is Verdict.CANNOT_TELL
    assert corroborate(replace(CLAIM, packets=None), [], Watch([1], WATCHED.kept_since)).verdict is Verdict.NOT_SEEN


@pytest.mark.parametrize(
    "watch",
    [
        Watch([], AT - timedelta(days=30)),
        Watch([100], AT + timedelta(minutes=1)),
        Watch([100], None),
        Watch([100, None], AT - timedelta(days=30)),
        Watch([1, 100_000], AT - timedelta(days=30)),
    ],
)
def test_cannot_tell(watch) -> None:
    assert corroborate(CLAIM, [], watch).verdict is Verdict.CANNOT_TELL


@given(st.integers(1, 2000), st.integers(1, 5000))
def test_the_chance_of_missing_is_that_of_independent_draws(packets, rate) -> None:
    assert chance_of_missing(packets, rate) == pytest.approx((1 - 1 / rate) ** packets, abs=1e-9)


def test_the_chance_agrees_with_drawing() -> None:
    drawn = np.random.default_rng(1).binomial(30, 1 / 20, 200_000)
    assert chance_of_missing(30, 20) == pytest.approx((drawn == 0).mean(), abs=0.005)


@pytest.mark.parametrize("compacted", [False, True])
def test_from_the_archive(tmp_path, compacted) -> None:
    columns = made(3000, six=False)
    columns["rate"] = np.full(3000, 10, np.uint32)
    archive = stored(tmp_path, columns)
    if compacted:
        compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
    i = int(np.flatnonzero((columns["src_customer"] > 0) & (columns["dst_customer"] == 0))[0])
    at = datetime.fromtimestamp(int(columns["ended"][i]) / 1000, UTC)
    host, peer = f"198.51.100.{columns['src'][i] & 255}", f"203.0.113.{columns['dst'][i] & 255}"
    claim = Claim(at, at, peer=peer, peer_port=int(columns["dst_port"][i]), packets=5000)
    assert corroborating.ask(archive, host, claim).verdict is Verdict.SEEN
    assert corroborating.ask(archive, host, replace(claim, start=at - timedelta(hours=2), end=at - timedelta(hours=2))).offset == 2
    elsewhere = corroborating.ask(archive, host, replace(claim, peer="203.0.113.200"))
    assert elsewhere.verdict is Verdict.NOT_SEEN and elsewhere.missed < 1e-9
    long_ago = replace(claim, start=NOON - timedelta(days=9), end=NOON - timedelta(days=9))
    assert corroborating.ask(archive, host, long_ago).verdict is Verdict.CANNOT_TELL
