"""The arithmetic of tenancies, checked moment by moment and port by port."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.accounts import nesting, timeline
from tipstaff.accounts.timeline import Tenancy

NET = ip_network("192.0.2.0/24")
DAY0 = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = [DAY0 + timedelta(days=number) for number in range(8)]
PORTS = range(0, 4)


def tenancies(shared=st.booleans()):
    bound = st.one_of(st.none(), st.sampled_from(MOMENTS))

    def build(service, start, end, low, width, shares):
        if start is not None and end is not None and start >= end:
            start, end = (end, start) if end < start else (start, None)
        return Tenancy(NET, service, start, end, low, low + width, shares, 1)

    return st.builds(build, st.integers(1, 3), bound, bound, st.integers(0, 2), st.integers(1, 2), shared)


def points():
    """Every moment and port at which anything in these tests can differ."""
    return [(moment, port) for moment in [DAY0 - timedelta(days=1), *MOMENTS] for port in PORTS]


def holders(rows, moment, port):
    return {
        (row.service, row.shared)
        for row in rows
        if (row.start is None or row.start <= moment)
        and (row.end is None or moment < row.end)
        and row.port_from <= port < row.port_to
    }


def built(said):
    rows = []
    for number, row in enumerate(said):
        rows = timeline.overwrite(rows, row)
        rows = [kept if kept.number is not None else replace(kept, number=number * 100 + place) for place, kept in enumerate(rows)]
    return rows


@given(st.lists(tenancies(), max_size=6), tenancies())
def test_what_is_said_holds_and_all_else_stays_as_it_was(said, new):
    before = built(said)
    after = timeline.overwrite(before, new)
    assert timeline.overlapping(after) == [], "what the database would refuse"
    for moment, port in points():
        was, now = holders(before, moment, port), holders(after, moment, port)
        if not holders([new], moment, port):
            assert now == was
        elif new.shared:
            assert now == {(new.service, True)} | {(service, True) for service, shared in was if shared}
        else:
            assert now == {(new.service, False)}


@given(st.lists(tenancies(), max_size=6), tenancies())
def test_saying_it_twice_changes_nothing(said, new):
    after = built([*said, new])
    assert timeline.overwrite(after, new) == after
    assert timeline.difference(after, timeline.restate(after, [])) == ([], [])


@given(st.lists(tenancies(), max_size=6), tenancies(st.just(False)), st.sampled_from(MOMENTS))
def test_a_release_frees_the_ports_from_that_moment_on_and_nothing_before(said, span, at):
    before = built(said)
    after = timeline.release(before, span, at)
    for moment, port in points():
        if moment < at or not span.port_from <= port < span.port_to:
            assert holders(after, moment, port) == holders(before, moment, port)
    assert all(not holders(after, at, port) for port in PORTS if span.port_from <= port < span.port_to)


@given(st.lists(tenancies(), max_size=6), st.lists(tenancies(), max_size=3))
def test_the_difference_leads_from_one_to_the_other(said, more):
    before = built(said)
    after = timeline.restate(before, more)
    gone, fresh = timeline.difference(before, after)
    kept = [row for row in before if row not in gone]
    for moment, port in points():
        assert holders([*kept, *fresh], moment, port) == holders(after, moment, port)
    assert not {replace(row, number=None) for row in gone} & set(fresh), "no row is replaced by its equal"


@given(st.permutations([(1, 0), (2, 3), (3, 5)]))
def test_change_events_in_any_order_end_the_same(order):
    rows = []
    for service, place in order:
        said = Tenancy(NET, service, MOMENTS[place], None)
        rows = timeline.overwrite(rows, timeline.until_next_change(rows, said))
    found = sorted((row.start, row.end, row.service) for row in rows if row.end) + [
        (r.start, None, r.service) for r in rows if not r.end
    ]
    assert found == [(MOMENTS[0], MOMENTS[3], 1), (MOMENTS[3], MOMENTS[5], 2), (MOMENTS[5], None, 3)]


class TestNesting:
    prefixes = [ip_network(text) for text in ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "2001:db8::/32", "::/0")]

    def test_enclosures_name_every_prefix_around(self):
        found = {(str(inner), str(outer)) for inner, outer in nesting.enclosures(self.prefixes)}
        assert found == {
            (str(inner), str(outer))
            for inner in self.prefixes
            for outer in self.prefixes
            if inner != outer and inner.version == outer.version and inner.subnet_of(outer)
        }

    def test_ancestry_ends_in_a_loop(self):
        assert list(nesting.ancestry(1, {1: 2, 2: 3, 3: 1})) == [1, 2, 3]

    @pytest.mark.parametrize(
        ("tree", "expected"), [({1: None, 2: 1}, []), ({1: 1}, [1]), ({1: 2, 2: 1, 3: 1}, [1, 2]), ({3: 1, 1: 2, 2: 1}, [1, 2])]
    )
    def test_loops(self, tree, expected):
        assert sorted(nesting.loops(tree)) == expected
