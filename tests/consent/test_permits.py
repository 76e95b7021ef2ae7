"""What a permit covers, to the second and to the address. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.consent.permits import BOTH, IN, OUT, Deed, Scope, covering, unfit

T = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
CAROL = ip_network("192.0.2.7")
PERMIT = Scope(1, "test", OUT, (ip_network("192.0.2.0/28"),), T, T + HOUR)
SCAN = Deed(CAROL, T + SECOND, T + 2 * SECOND, OUT, frozenset({"scan", "horizontal_scan"}))


def at(starts: datetime, ends: datetime | None = None) -> Deed:
    return replace(SCAN, starts_at=starts, ends_at=ends or starts)


def test_the_window_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    assert covering([PERMIT], at(T)) and not covering([PERMIT], at(T - timedelta(microseconds=1)))
    assert covering([PERMIT], at(T + HOUR - timedelta(microseconds=1))) and not covering([PERMIT], at(T + HOUR))


def test_what_lasts_is_covered_from_end_to_end_or_not_at_all() -> None:
    assert covering([PERMIT], at(T, T + HOUR))
    early, late = covering([PERMIT], at(T - SECOND, T + SECOND)), covering([PERMIT], at(T, T + HOUR + SECOND))
    assert not early and "began before" in early.why_not
    assert not late and "went on beyond" in late.why_not


def test_windows_that_touch_or_overlap_add_up_and_a_gap_does_not() -> None:
    touching = replace(PERMIT, id=2, starts_at=T + HOUR, ends_at=T + 2 * HOUR)
    overlapping = replace(touching, starts_at=T + HOUR / 2)
    apart = replace(touching, starts_at=T + HOUR + SECOND)
    long = at(T + SECOND, T + 2 * HOUR)
    assert [one.id for one in covering([touching, PERMIT], long).permits] == [1, 2]
    assert [one.id for one in covering([overlapping, PERMIT], long).permits] == [1, 2]
    assert not covering([PERMIT, apart], long)


def test_the_other_direction_is_not_covered() -> None:
    inbound = replace(PERMIT, direction=IN)
    answer = covering([inbound], SCAN)
    assert not answer and "the other way" in answer.why_not
    assert covering([inbound], replace(SCAN, direction=IN)) and covering([replace(PERMIT, direction=BOTH)], SCAN)


def test_other_hosts_are_silently_none_of_its_business() -> None:
    answer = covering([PERMIT], replace(SCAN, local=ip_network("192.0.2.99")))
    assert not answer and answer.why_not == ""
    assert not covering([PERMIT], replace(SCAN, local=ip_network("192.0.2.0/24"))), "a prefix wider than the permit's"
    assert not covering([PERMIT], replace(SCAN, local=ip_network("2001:db8::7")))
    assert covering([replace(PERMIT, hosts=(), services=frozenset({5}))], replace(SCAN, service=5))


def test_kinds_and_the_other_side_count_where_they_are_named() -> None:
    assert "only" in covering([replace(PERMIT, kinds=frozenset({"vertical_scan"}))], SCAN).why_not
    assert covering([replace(PERMIT, kinds=frozenset({"horizontal_scan"}))], SCAN)
    aimed = replace(PERMIT, targets=(ip_network("198.51.100.0/24"),))
    inside, outside = ip_network("198.51.100.9"), ip_network("203.0.113.9")
    assert covering([aimed], replace(SCAN, peers=(inside,)))
    assert "203.0.113.9" in covering([aimed], replace(SCAN, peers=(inside, outside))).why_not
    assert "not known" in covering([aimed], SCAN).why_not


@given(st.integers(-7200, 7200), st.integers(0, 7200), st.integers(-3600, 3600), st.integers(1, 7200))
def test_a_single_window_covers_exactly_what_lies_in_it(begin: int, lasts: int, opens: int, width: int) -> None:
    scope = replace(PERMIT, starts_at=T + opens * SECOND, ends_at=T + (opens + width) * SECOND)
    deed = at(T + begin * SECOND, T + (begin + lasts) * SECOND)
    within = scope.starts_at <= deed.starts_at < scope.ends_at and deed.ends_at <= scope.ends_at
    assert bool(covering([scope], deed)) == within


@pytest.mark.parametrize("scope", [PERMIT, replace(PERMIT, direction=BOTH), replace(PERMIT, targets=(CAROL,))])
def test_unfit_says_nothing_of_time(scope: Scope) -> None:
    assert unfit(scope, replace(SCAN, peers=(CAROL,), starts_at=T - HOUR, ends_at=T - HOUR)) == ""
