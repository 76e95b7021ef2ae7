"""The receiver's table gives what attribution's own rules give, for now and for just before."""

from ipaddress import ip_address, ip_network

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tipstaff.attribution.matching import AssignmentTable, Questions, State
from tipstaff.attribution.segments import Prefixes
from tipstaff.attribution.timelines import BEGINNING, END, AssignmentRows
from tipstaff.sensors.traffic.counting import BYTES_SEEN, KEY, MOMENT, PACKETS_SEEN, Hosts, count_hosts
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.prefixes import PrefixTable, attribute, nothing
from tipstaff.sensors.traffic.tables import from_assignments, next_change

HOUR = 3_600_000_000
NOW = 1_770_000_000_000_000  # µs
POOL = [ip_network(text) for text in (
    "198.51.100.0/24", "198.51.100.0/25", "198.51.100.64/26", "198.51.100.77/32", "203.0.113.0/24", "203.0.113.128/25",
    "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:2::7/128",
)]  # fmt: skip
ASKED = [ip_address(text) for text in (
    "198.51.100.0", "198.51.100.63", "198.51.100.64", "198.51.100.77", "198.51.100.127", "198.51.100.128", "198.51.99.255",
    "203.0.113.1", "203.0.113.200", "192.0.2.1", "0.0.0.0", "255.255.255.255",
    "2001:db8::1", "2001:db8:1::1", "2001:db8:1:2::6", "2001:db8:1:2::7", "2001:db8:1:2::8", "2001:db7::1", "2001:db9::", "::1",
)]  # fmt: skip
edges = st.sampled_from([BEGINNING, NOW - 20 * HOUR, NOW - 2 * HOUR, NOW - HOUR, NOW + HOUR, END])
held = st.lists(st.tuples(st.sampled_from(POOL), edges, edges, st.integers(1, 9)), max_size=12)


def halves(addresses):
    return [[int(one) >> 64 for one in addresses], [int(one) & ((1 << 64) - 1) for one in addresses]]


def prefixes_of(networks):
    hi, lo = halves([one.network_address for one in networks])
    family = np.array([one.version for one in networks], np.uint8)
    return Prefixes(
        family, np.array(hi, np.uint64), np.array(lo, np.uint64), np.array([one.prefixlen for one in networks], np.uint8)
    )


def table_of(rows):
    rows = [row for row in rows if row[1] < row[2]]
    count = len(rows)
    columns = AssignmentRows(
        np.arange(count), prefixes_of([row[0] for row in rows]), np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.int64), np.zeros(count, np.int32), np.full(count, 65536, np.int32),
        np.array([row[3] for row in rows], np.int64), np.array([row[3] for row in rows], np.int64), np.full(count, -1, np.int64),
        np.ones(count, bool), np.zeros(count, np.int64),
    )  # fmt: skip
    return AssignmentTable.build(columns, [], prefixes_of([POOL[0], POOL[6]]))


def expected(table, at):
    hi, lo = halves(ASKED)
    family = np.array([one.version for one in ASKED], np.uint8)
    moments = np.full(len(ASKED), at, np.int64)
    unknown = np.full(len(ASKED), -1, np.int32)
    found = table.match(Questions(family, np.array(hi, np.uint64), np.array(lo, np.uint64), moments, moments, unknown))
    words = {State.HELD: None, State.NOT_ASSIGNED: -1, State.AMBIGUOUS: -2, State.NOT_OURS: 0}
    pairs = zip(found.state, found.customer, strict=True)
    return [int(customer) if words[State(state)] is None else words[State(state)] for state, customer in pairs]


def columns_of(addresses, ended):
    """Flows from 192.0.2.1 to each address."""
    c = Columns.room(len(addresses))
    for i, one in enumerate(addresses):
        c.narrow[L.FAMILY, i] = one.version
        c.wide[L.END, i] = ended
        if one.version == 4:
            c.narrow[L.DST, i], c.narrow[L.SRC, i] = int(one), int(ip_address("192.0.2.1"))
        else:
            c.wide[L.DST_HI, i], c.wide[L.DST_LO, i] = int(one) >> 64, int(one) & ((1 << 64) - 1)
    return c


def found_by(p: PrefixTable, ended):
    c = columns_of(ASKED, ended)
    customers = np.full((2, c.capacity), 99, np.int32)
    attribute(c.narrow, c.wide, customers, 0, len(ASKED), p.top, p.pages, p.hi, p.lo, p.leaf, p.customer, p.since, p.before)
    return customers[1, : len(ASKED)].tolist()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(held)
def test_the_same_answer_as_attribution(rows) -> None:
    table = table_of(rows)
    p = from_assignments(table, NOW, 7)
    assert found_by(p, NOW // 1000) == expected(table, NOW)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(POOL), st.integers(1, 4), st.integers(5, 9))
def test_a_flow_that_ended_before_the_change_belongs_to_the_one_before(network, old, new) -> None:
    table = table_of([(network, BEGINNING, NOW - HOUR, old), (network, NOW - HOUR, END, new)])
    p = from_assignments(table, NOW, 7)
    assert found_by(p, (NOW - HOUR) // 1000 - 5) == expected(table, NOW - HOUR - 5000)
    assert found_by(p, NOW // 1000) == expected(table, NOW)


def test_more_space_than_pages(monkeypatch) -> None:
    monkeypatch.setattr("tipstaff.sensors.traffic.prefixes.MOST_PAGES", 0)
    table = table_of([(network, BEGINNING, END, n) for n, network in enumerate(POOL, 1)])
    p = from_assignments(table, NOW, 7)
    assert len(p.pages) == 0 and found_by(p, NOW // 1000) == expected(table, NOW)


def test_an_operator_who_told_nothing_owns_nothing() -> None:
    assert set(found_by(nothing(), 1)) == {0}


def test_kept_on_disk(tmp_path) -> None:
    p = from_assignments(table_of([(POOL[0], BEGINNING, END, 3)]), NOW, 7)
    p.save(tmp_path / "prefixes.npz")
    assert found_by(PrefixTable.load(tmp_path / "prefixes.npz"), NOW // 1000) == found_by(p, NOW // 1000)


def test_the_next_change() -> None:
    table = table_of([(POOL[0], NOW - HOUR, NOW + HOUR, 1), (POOL[4], NOW + 2 * HOUR, END, 2)])
    assert next_change(table, NOW) == NOW + HOUR
    assert next_change(table_of([(POOL[0], BEGINNING, END, 1)]), NOW) is None


class TestCounting:
    def count(self, hosts, addresses, second, packets=2, rate=10):
        c = columns_of(addresses, 1)
        n = len(addresses)
        c.narrow[L.RATE, :n], c.wide[L.BYTES, :n], c.wide[L.PACKETS, :n] = rate, 100, packets
        customers = np.zeros((2, c.capacity), np.int32)
        customers[1, :n] = 5
        count_hosts(c.narrow, c.wide, customers, 0, n, hosts, second)

    def test_sums_are_scaled_and_begin_anew_each_second(self) -> None:
        hosts = Hosts(1000, 3)
        self.count(hosts, ASKED * 3, 100)
        rows = hosts.table.rows[hosts.table.rows[:, KEY] > 0]
        assert len(rows) == len(ASKED) == hosts.tally[0]
        assert set(rows[:, BYTES_SEEN].tolist()) == {3000} and set(rows[:, PACKETS_SEEN].tolist()) == {60}
        assert set((rows[:, MOMENT] & np.uint64(0xFFFFFFFF)).tolist()) == {100}
        self.count(hosts, ASKED, 101)
        assert set(hosts.table.rows[hosts.table.rows[:, KEY] > 0][:, BYTES_SEEN].tolist()) == {1000}

    def test_an_unknown_rate_counts_once(self) -> None:
        hosts = Hosts(1000, 3)
        self.count(hosts, ASKED, 100, rate=0)
        assert set(hosts.table.rows[hosts.table.rows[:, KEY] > 0][:, BYTES_SEEN].tolist()) == {100}

    def test_a_full_table_gives_up_new_hosts_not_old_ones_and_takes_back_stale_rows(self) -> None:
        hosts = Hosts(1, 3)  # 1,024 rows
        many = [ip_address((198 << 24) + n) for n in range(3000)]
        self.count(hosts, many, 100)
        assert hosts.tally[1] > 1000
        taken = int((hosts.table.rows[:, KEY] > 0).sum())
        assert taken + hosts.tally[1] == 3000
        before = int(hosts.tally[1])
        self.count(hosts, [ip_address((203 << 24) + n) for n in range(500)], 100 + 121)
        assert int(hosts.tally[1]) == before and int((hosts.table.rows[:, MOMENT] & np.uint64(0xFFFFFFFF) == 221).sum()) == 500
