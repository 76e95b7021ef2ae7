"""A finding survives being written and read; whatever else is read is refused with the field's name."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.kernel.errors import InputError
from tipstaff.policy import categories
from tipstaff.sensors.traffic.detection.findings import KINDS, Finding, Limit, Subject, finding_id, from_json

AT = datetime(2026, 2, 11, 13, 5, tzinfo=UTC)
VICTIM = Subject("address", "198.51.100.7")


def finding(**more) -> Finding:
    plain = Finding(
        id=finding_id("flood", "in", VICTIM, AT), detector="flood", kind="ddos_victim", direction="in", subject=VICTIM,
        customer_id=17, service_id=None, opened_at=AT, last_at=AT + timedelta(seconds=5), ended_at=None,
        figures={"peak_bps": 2.5e9, "mean_bps": 2e9, "peak_pps": 4e5},
        limit=Limit("mean_bps", 1e9, "bit/s", "default", "static", 3.0),
        top_peers=({"address": "203.0.113.9", "bytes": 5, "packets": 1, "flows": 1},), top_ports=(), sampling_rate=1000,
        confidence=0.99, confidence_why="412 packets sampled", sample_flows=({"src": "203.0.113.9", "bytes": 5},),
        series=((1.0, 2.0), (2.0, 3.5)), words="It came.",
    )  # fmt: skip
    return replace(plain, **more)


def test_a_finding_survives_json() -> None:
    one = finding()
    assert from_json(one.to_json()) == one
    ended = finding(ended_at=AT + timedelta(minutes=1), customer_id=None)
    assert from_json(ended.to_json()).ended_at == AT + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""), ("kind", "mischief"), ("direction", "sideways"), ("confidence", 1.5), ("opened_at", "yesterday"),
        ("opened_at", "2026-02-11T13:05:00"), ("customer_id", "17"), ("sampling_rate", -1), ("figures", {"peak_bps": "much"}),
        ("series", [[1]]), ("subject", {"kind": "address", "value": "198.51.100.700"}), ("subject", None), ("limit", {}),
        ("sample_flows", [{}] * 21), ("last_at", "2020-01-01T00:00:00Z"), ("ended_at", "2020-01-01T00:00:00Z"), ("more", 1),
        ("figures", {}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(field, value) -> None:
    plain = json.loads(finding().to_json()) | {field: value}
    with pytest.raises(InputError) as raised:
        from_json(json.dumps(plain))
    assert any(field in problem.where or field == "figures" for problem in raised.value.problems)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InputError) as raised:
        from_json("{}")
    assert len(raised.value.problems) > 15


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=9) | st.integers(), lambda one: (
    st.lists(one, max_size=4) | st.dictionaries(st.sampled_from(["id", "limit", "subject", "series", "figures", "value"]), one)
), max_leaves=12))  # fmt: skip
def test_nothing_but_an_input_error_comes_of_anything_else(anything) -> None:
    with pytest.raises(InputError):
        from_json(json.dumps(anything))


def test_kinds_speak_the_policys_and_the_taxonomies_words() -> None:
    for category, xarf, rsit in KINDS.values():
        assert not category or category in categories.CODES
        assert not xarf or xarf in categories.FROM_XARF
        assert rsit in categories.FROM_RSIT


def test_the_identity_is_the_subjects_and_the_moments() -> None:
    same = finding_id("flood", "in", VICTIM, AT.astimezone(UTC))
    assert same == finding().id
    assert same != finding_id("flood", "out", VICTIM, AT) != finding_id("flood", "in", VICTIM, AT + timedelta(seconds=1))
