"""What every detector keeps: silent below its limit, fires above it in both families, says whose limit, opens once, ends once."""

import pytest

from tests.sensors.traffic.detection.staging import AT, CASES, TEXT, limit_of, play, playing
from tipstaff.sensors.traffic.detection.findings import from_json

RATES = [case for case in CASES if not case.fan]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.limit}")
some_rates = pytest.mark.parametrize("case", RATES[4:6] + RATES[12:13], ids=lambda case: case.name)
each_rate = pytest.mark.parametrize("case", RATES, ids=lambda case: f"{case.name}-{case.limit}")


@each
def test_silent_below_its_limit(case) -> None:
    stage = playing()
    assert play(stage, case, 4, 0.8, 0, case.seconds, limit_of(case)) == []


@each
@pytest.mark.parametrize("family", [4, 6])
def test_fires_above_its_limit_and_says_which(case, family) -> None:
    stage, limit = playing(), limit_of(case)
    found = play(stage, case, family, 1.5, 0, case.seconds + 1, limit)
    assert [one.detector for one in found] == [case.detector]
    one = found[0]
    assert (one.direction, one.subject.kind, one.subject.value, one.customer_id) == (case.direction, "address", TEXT[family], 17)
    assert (one.limit.value, one.limit.applied) == (limit, "default")
    assert one.figures[one.limit.figure] >= limit * 0.95 and one.limit.unit
    assert 0.5 <= one.confidence <= 1 and one.confidence_why and TEXT[family] in one.words
    assert 1 <= len(one.sample_flows) <= 20 and one.series and one.top_peers and one.top_ports
    assert from_json(one.to_json()) == one


@each
def test_the_most_specific_limit_wins_and_the_finding_names_it(case) -> None:
    level, rest = case.limit.split(".", 1)
    low = limit_of(case) / 2
    toml = f"""
    [[customer]]
    id = 17
    {level}.{rest} = {low * 3}
    [[prefix]]
    network = "198.51.100.0/24"
    customer = 17
    {level}.{rest} = {low}
    """
    stage = playing(toml)
    found = play(stage, case, 4, 0.7, 0, case.seconds + 1, low * 2)
    assert [one.detector for one in found] == [case.detector]
    assert found[0].limit.value == low
    assert found[0].limit.applied == "prefix 198.51.100.0/24 of customer 17"


@some_rates
def test_lasts_while_near_the_limit_and_ends_once(case) -> None:
    stage, limit = playing(), limit_of(case)
    found = play(stage, case, 4, 1.5, 0, 8, limit)
    assert len(found) == 1
    found += play(stage, case, 4, 0.8, 8, 140, limit)  # above the release
    assert {one.id for one in found} == {found[0].id} and all(one.ended_at is None for one in found)
    found += play(stage, case, 4, 0.3, 148, 100, limit)
    assert {one.id for one in found} == {found[0].id}
    assert [one.ended_at is None for one in found[-2:]] == [True, False]
    assert 140 <= found[-1].ended_at.timestamp() - AT <= 150
    assert play(stage, case, 4, 1.5, 260, 8, limit)[0].id != found[0].id


@each_rate
def test_a_second_alone_is_no_attack(case) -> None:
    stage, limit = playing(), limit_of(case)
    found = play(stage, case, 4, 1.9, 0, 2, limit) + play(stage, case, 4, 0.2, 2, 10, limit)
    assert found == []


@each_rate
@pytest.mark.parametrize("rate", [100, 1000])
def test_sampled_traffic_is_judged_by_what_sampling_can_tell(case, rate) -> None:
    limit = limit_of(case)
    quiet, loud = playing(rate=rate), playing(rate=rate, seed=2)
    assert play(quiet, case, 4, 0.6, 0, 30, limit) == []
    found = play(loud, case, 4, 8.0, 0, 8, limit)
    assert case.detector in {one.detector for one in found}
    assert found[0].sampling_rate == pytest.approx(rate, rel=0.01)
    assert "seen" in found[0].confidence_why
