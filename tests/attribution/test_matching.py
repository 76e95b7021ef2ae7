"""The vectorised table against the rules: said one by one, and by a brute-force oracle."""

from dataclasses import replace
from ipaddress import ip_network

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.attribution.explaining import explain
from tipstaff.attribution.matching import AssignmentTable, Fact, State, question_at
from tipstaff.attribution.timelines import BEGINNING, END
from tipstaff.project.bench.attribution import differences, run
from tipstaff.project.bench.inventory import Inventory, assignment_rows, name_rows, prefix_columns, question_columns
from tipstaff.project.bench.oracle import Asked, Held, Named, Oracle

OWN = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]
CAROL, DAVE, EMMA = 1, 2, 3


def held(number, prefix, service, start=0, end=END, ports=(0, 65536), shared=False, source=7):
    return Held(number, ip_network(prefix), start, end, *ports, service, service * 10, source, shared)


def named(kind, value, service, start=BEGINNING, end=END):
    return Named(kind, value, service, service * 10, start, end, 8)


def table(rows, names=(), own=OWN):
    return AssignmentTable.build(assignment_rows(list(rows)), name_rows(list(names)), prefix_columns(list(own)))


def ask(rows, address, at=50, until=None, port=-1, host=None, mailbox=None, names=()):
    """(state, service, fact), after the table and the oracle have agreed on all there is to say."""
    question = Asked(address, at, at if until is None else until, port, host, mailbox)
    answers = table(rows, names).match(question_columns([question]))
    assert differences(Oracle(rows, list(names), OWN), [question], answers) == []
    return State(answers.state[0]), int(answers.service[0]), Fact(answers.fact[0])


HELD, AMBIGUOUS = State.HELD, (State.AMBIGUOUS, -1, Fact.NONE)
NOT_ASSIGNED, NOT_OURS = (State.NOT_ASSIGNED, -1, Fact.NONE), (State.NOT_OURS, -1, Fact.NONE)


class TestPrefixAndPeriod:
    rows = (
        held(1, "192.0.2.0/24", CAROL, 10, 100),
        held(2, "192.0.2.8/29", DAVE, 20, 60),
        held(3, "192.0.2.8/29", EMMA, 60, 80),
        held(4, "2001:db8::/48", CAROL, 10, 100),
        held(5, "2001:db8:0:ffff::/64", DAVE, 10, 100),
    )

    @pytest.mark.parametrize(
        ("address", "at", "service"),
        [
            ("192.0.2.7", 50, CAROL), ("192.0.2.8", 50, DAVE), ("192.0.2.15", 50, DAVE), ("192.0.2.16", 50, CAROL),
            ("192.0.2.0", 10, CAROL), ("192.0.2.255", 99, CAROL),
            ("192.0.2.8", 59, DAVE), ("192.0.2.8", 60, EMMA), ("192.0.2.8", 79, EMMA),
            ("192.0.2.8", 80, CAROL), ("192.0.2.8", 19, CAROL),  # outside its tenancies the prefix around it holds
            ("2001:db8::", 50, CAROL), ("2001:db8:0:fffe:ffff:ffff:ffff:ffff", 50, CAROL),
            ("2001:db8:0:ffff::", 50, DAVE), ("2001:db8:0:ffff:ffff:ffff:ffff:ffff", 50, DAVE),
        ],
    )  # fmt: skip
    def test_the_longest_prefix_assigned_at_that_time(self, address, at, service):
        assert ask(self.rows, address, at) == (HELD, service, Fact.PREFIX)

    @pytest.mark.parametrize(("address", "at"), [("192.0.2.1", 9), ("192.0.2.1", 100), ("2001:db8:1::", 50)])
    def test_within_our_own_but_nobodys_then(self, address, at):
        assert ask(self.rows, address, at) == NOT_ASSIGNED

    @pytest.mark.parametrize("address", ["192.0.3.0", "192.0.1.255", "2001:db9::", "2001:db7:ffff::", "::", "255.255.255.255"])
    def test_not_ours(self, address):
        assert ask(self.rows, address) == NOT_OURS

    def test_the_same_bits_in_the_other_family_are_another_address(self):
        assert ask((held(1, "::c000:200/120", CAROL),), "192.0.2.1") == NOT_ASSIGNED

    def test_whole_address_space_and_single_addresses(self):
        rows = held(1, "0.0.0.0/0", CAROL), held(2, "255.255.255.255/32", DAVE), held(3, "::/0", CAROL)
        assert ask(rows, "255.255.255.255")[1] == DAVE
        assert ask(rows, "255.255.255.254")[1] == CAROL
        assert ask(rows, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")[1] == CAROL

    def test_an_empty_table_knows_nothing(self):
        assert ask((), "192.0.2.1") == NOT_ASSIGNED
        assert ask((), "198.51.100.1") == NOT_OURS

    def test_empty_periods_and_port_ranges_hold_nothing(self):
        rows = held(1, "192.0.2.0/24", CAROL, 50, 50), held(2, "192.0.2.0/24", DAVE, ports=(5, 5))
        assert ask(rows, "192.0.2.1") == NOT_ASSIGNED


class TestIntervals:
    rows = (
        held(1, "192.0.2.0/24", CAROL, 10, 50),
        held(2, "192.0.2.0/24", CAROL, 50, 90),  # a renewal: another row, the same holder
        held(3, "192.0.2.0/24", DAVE, 90, 100),
    )

    def test_the_only_holder_throughout(self):
        assert ask(self.rows, "192.0.2.1", 20, 40) == (HELD, CAROL, Fact.THROUGHOUT)

    def test_both_ends_are_inclusive(self):
        assert ask(self.rows, "192.0.2.1", 10, 89) == (HELD, CAROL, Fact.THROUGHOUT)
        assert ask(self.rows, "192.0.2.1", 10, 90) == AMBIGUOUS
        assert ask(self.rows, "192.0.2.1", 9, 20) == AMBIGUOUS

    def test_nobody_throughout_is_nobody(self):
        assert ask(self.rows, "192.0.2.1", 100, 200) == NOT_ASSIGNED
        assert ask(self.rows, "198.51.100.1", 0, 200) == NOT_OURS

    def test_a_nested_tenancy_inside_the_interval_makes_it_ambiguous(self):
        rows = *self.rows, held(4, "192.0.2.8/29", EMMA, 30, 31)
        assert ask(rows, "192.0.2.9", 20, 40) == AMBIGUOUS
        assert ask(rows, "192.0.2.16", 20, 40) == (HELD, CAROL, Fact.THROUGHOUT)

    def test_one_holder_through_nested_and_enclosing_prefixes(self):
        rows = *self.rows, held(4, "192.0.2.8/29", CAROL, 30, 31)
        assert ask(rows, "192.0.2.9", 20, 40) == (HELD, CAROL, Fact.THROUGHOUT)

    def test_a_span_that_ends_before_it_begins_names_nobody(self):
        assert ask(self.rows, "192.0.2.1", 40, 20) == AMBIGUOUS

    def test_all_of_time(self):
        assert ask((held(1, "192.0.2.0/24", CAROL, BEGINNING),), "192.0.2.1", BEGINNING, END - 1)[0] == HELD


class TestPorts:
    rows = (
        held(1, "192.0.2.1/32", CAROL, ports=(1024, 2048)),
        held(2, "192.0.2.1/32", DAVE, ports=(2048, 4096)),
        held(3, "192.0.2.0/24", EMMA),
    )

    @pytest.mark.parametrize(("port", "service"), [(1024, CAROL), (2047, CAROL), (2048, DAVE), (4095, DAVE)])
    def test_a_share_of_ports(self, port, service):
        assert ask(self.rows, "192.0.2.1", port=port) == (HELD, service, Fact.PORT)

    @pytest.mark.parametrize("port", [0, 1023, 4096, 65535])
    def test_ports_left_open_belong_to_the_prefix_around(self, port):
        assert ask(self.rows, "192.0.2.1", port=port) == (HELD, EMMA, Fact.PREFIX)

    def test_without_a_port_it_is_ambiguous(self):
        assert ask(self.rows, "192.0.2.1") == AMBIGUOUS

    def test_without_a_port_one_holder_of_all_is_named(self):
        rows = held(1, "192.0.2.1/32", CAROL, ports=(0, 2048)), held(2, "192.0.2.1/32", CAROL, ports=(2048, 65536))
        assert ask(rows, "192.0.2.1") == (HELD, CAROL, Fact.ALL_PORTS)

    def test_without_a_port_open_ports_keep_it_ambiguous(self):
        assert ask((held(1, "192.0.2.1/32", CAROL, ports=(0, 2048)),), "192.0.2.1") == AMBIGUOUS

    def test_shares_change_hands_port_by_port(self):
        rows = (
            held(1, "192.0.2.1/32", CAROL, 0, 50, (1024, 2048)), held(2, "192.0.2.1/32", DAVE, 50, 100, (1024, 2048)),
            held(3, "192.0.2.1/32", EMMA, 0, 100, (2048, 3072)),
        )  # fmt: skip
        assert ask(rows, "192.0.2.1", 49, port=1500) == (HELD, CAROL, Fact.PORT)
        assert ask(rows, "192.0.2.1", 50, port=1500) == (HELD, DAVE, Fact.PORT)
        assert ask(rows, "192.0.2.1", 20, 70, port=1500) == AMBIGUOUS
        assert ask(rows, "192.0.2.1", 20, 70, port=2500) == (HELD, EMMA, Fact.THROUGHOUT)


class TestSharedAddresses:
    rows = (
        held(1, "192.0.2.1/32", CAROL, 0, 100, shared=True),
        held(2, "192.0.2.1/32", DAVE, 0, 100, shared=True),
        held(3, "192.0.2.1/32", EMMA, 50, 100, shared=True),
    )
    names = (
        named("domain", "example.com", CAROL),
        named("domain", "shop.example.com", DAVE, 0, 60),
        named("host", "www.example.com", EMMA),
        named("mailbox", "info@example.net", DAVE),
        named("domain", "example.org", CAROL),
        named("domain", "example.org", DAVE),
    )

    def ask(self, at=70, **more):
        return ask(self.rows, "192.0.2.1", at, names=self.names, **more)

    def test_without_a_name_it_is_ambiguous(self):
        assert self.ask() == AMBIGUOUS
        assert self.ask(host="elsewhere.example") == AMBIGUOUS

    def test_the_exact_host_before_any_domain(self):
        assert self.ask(host="www.example.com") == (HELD, EMMA, Fact.HOST)

    def test_a_host_of_somebody_who_is_not_there_yet_does_not_count(self):
        assert self.ask(20, host="www.example.com") == (HELD, CAROL, Fact.DOMAIN)

    def test_the_longest_domain_that_is_held_then(self):
        assert self.ask(20, host="a.shop.example.com") == (HELD, DAVE, Fact.DOMAIN)
        assert self.ask(60, host="a.shop.example.com") == (HELD, CAROL, Fact.DOMAIN)
        assert self.ask(host="example.com") == (HELD, CAROL, Fact.DOMAIN)

    def test_a_domain_ends_at_a_label(self):
        assert self.ask(host="badexample.com") == AMBIGUOUS

    def test_case_and_trailing_dot_do_not_matter(self):
        answers = table(self.rows, self.names).match(question_columns([Asked("192.0.2.1", 70, 70, -1, "WWW.Example.COM.", None)]))
        assert answers.service[0] == EMMA

    def test_a_mailbox_and_its_domain(self):
        assert self.ask(mailbox="info@example.net") == (HELD, DAVE, Fact.MAILBOX)
        assert self.ask(mailbox="sales@example.com") == (HELD, CAROL, Fact.DOMAIN)
        assert self.ask(mailbox="other@example.net") == AMBIGUOUS

    def test_a_host_goes_before_a_mailbox(self):
        assert self.ask(host="www.example.com", mailbox="info@example.net") == (HELD, EMMA, Fact.HOST)

    def test_two_holders_of_one_name_stay_ambiguous(self):
        assert self.ask(host="www.example.org", mailbox="info@example.net") == AMBIGUOUS

    def test_a_name_that_changes_hands_within_the_interval(self):
        assert self.ask(10, until=59, host="shop.example.com") == (HELD, DAVE, Fact.DOMAIN)
        assert self.ask(10, until=60, host="shop.example.com") == AMBIGUOUS

    def test_who_shares_with_nobody_holds_it(self):
        assert ask((held(1, "192.0.2.1/32", CAROL, shared=True),), "192.0.2.1") == (HELD, CAROL, Fact.PREFIX)

    def test_sharing_within_a_share_of_ports(self):
        rows = [replace(row, port_from=1024, port_to=2048) for row in self.rows]
        assert ask(rows, "192.0.2.1", 70, port=1500, host="example.com", names=self.names) == (HELD, CAROL, Fact.DOMAIN)
        assert ask(rows, "192.0.2.1", 70, port=3000, host="example.com", names=self.names) == NOT_ASSIGNED


class TestNamesWithoutAddress:
    names = TestSharedAddresses.names

    def ask(self, at=70, **more):
        return ask((), None, at, names=self.names, **more)

    def test_the_holder_of_the_name(self):
        assert self.ask(host="www.example.com") == (HELD, EMMA, Fact.HOST)
        assert self.ask(20, host="a.shop.example.com") == (HELD, DAVE, Fact.DOMAIN)
        assert self.ask(mailbox="info@example.net") == (HELD, DAVE, Fact.MAILBOX)

    def test_an_unknown_name_or_none_is_no_answer(self):
        assert self.ask(host="example") == (State.NOTHING, -1, Fact.NONE)
        assert self.ask() == (State.NOTHING, -1, Fact.NONE)

    def test_two_holders_are_ambiguous(self):
        assert self.ask(host="example.org") == AMBIGUOUS

    def test_one_service_through_renewed_periods(self):
        names = [named("host", "www.example.com", CAROL, 0, 50), named("host", "www.example.com", CAROL, 50, 100)]
        assert ask((), None, 20, 70, host="www.example.com", names=names) == (HELD, CAROL, Fact.HOST)
        assert ask((), None, 20, 100, host="www.example.com", names=names) == AMBIGUOUS


class TestAgainstTheOracle:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_no_differences_on_edges_and_elsewhere(self, seed):
        figures = run(rows=8_000, assignments=4_000, seed=seed)
        assert figures["differences"] == 0
        assert all(count > 0 for count in figures["answers"].values()), "the questions reach every answer"

    @pytest.mark.slow
    def test_no_differences_on_a_hundred_thousand_questions(self):
        figures = run()
        assert figures["questions"] == 100_000 and figures["differences"] == 0

    @settings(max_examples=400, deadline=None)
    @given(st.data())
    def test_no_differences_in_small_worlds(self, data):
        """A world so small that everything touches everything."""
        moment, service = st.integers(0, 12), st.integers(1, 3)
        prefixes = st.sampled_from(["192.0.2.0/30", "192.0.2.0/31", "192.0.2.1/32", "2001:db8::/127", "2001:db8::1/128"])
        row = st.builds(
            lambda prefix, service, start, width, port, ports, shared: held(
                0, prefix, service, start, start + width, (port, port + ports), shared
            ),
            prefixes, service, moment, st.integers(0, 8), st.sampled_from([0, 0, 2]), st.sampled_from([65534, 2]), st.booleans(),
        )  # fmt: skip
        rows = [replace(one, number=place) for place, one in enumerate(data.draw(st.lists(row, max_size=8)))]
        values = {"host": "a.example", "domain": "example", "mailbox": "b@a.example"}
        name = st.builds(lambda kind, service, start, width: named(kind, values[kind], service, start, start + width),
                         st.sampled_from(sorted(values)), service, moment, st.integers(1, 8))  # fmt: skip
        names = data.draw(st.lists(name, max_size=4))
        question = st.builds(
            lambda address, at, width, port, host, mailbox: Asked(address, at, at + width, port, host, mailbox),
            st.sampled_from(["192.0.2.0", "192.0.2.1", "192.0.2.4", "2001:db8::1", None]), moment,
            st.sampled_from([0, 0, 1, 5]), st.sampled_from([-1, 0, 2, 3, 4]), st.sampled_from([None, "a.example"]),
            st.sampled_from([None, "b@a.example"]),
        )  # fmt: skip
        asked = data.draw(st.lists(question, min_size=1, max_size=12))
        answers = table(rows, names).match(question_columns(asked))
        assert differences(Oracle(rows, names, OWN), asked, answers) == []

    def test_equal_questions_get_equal_answers_wherever_they_stand(self):
        inventory = Inventory(500, 5)
        asked = inventory.ask(300)
        columns = table(inventory.held, inventory.named, inventory.own)
        forward = columns.match(question_columns(asked + asked))
        assert np.array_equal(forward.service[:300], forward.service[300:])
        backward = columns.match(question_columns(asked[::-1]))
        assert np.array_equal(forward.assignment[:300], backward.assignment[::-1])


class TestExplaining:
    rows = (
        held(1, "192.0.2.0/24", CAROL, 10, 40),
        held(2, "192.0.2.0/24", DAVE, 40, 60, source=9),
        held(3, "192.0.2.0/24", EMMA, 70, 90),
    )

    def explain(self, address="192.0.2.1", at=50, until=None, rows=rows, **more):
        asked = Asked(address, at, at if until is None else until, **{"port": -1, "host": None, "mailbox": None, **more})
        return explain(table(rows), question_at(question_columns([asked]), 0))

    def test_the_holder_and_its_neighbours_in_time(self):
        found = self.explain()
        assert (found.state, found.fact) == (State.HELD, Fact.PREFIX)
        assert (found.held.assignment, found.held.start, found.held.end, found.held.source) == (2, 40, 60, 9)
        assert (found.before.service, found.after.service) == (CAROL, EMMA)
        assert found.candidates == []

    def test_the_first_and_the_last_have_one_neighbour(self):
        assert (self.explain(at=10).before, self.explain(at=10).after.service) == (None, DAVE)
        assert (self.explain(at=80).before.service, self.explain(at=80).after) == (DAVE, None)

    def test_a_gap_names_who_was_there_before_and_came_after(self):
        found = self.explain(at=65)
        assert (found.state, found.held) == (State.NOT_ASSIGNED, None)
        assert (found.before.service, found.after.service) == (DAVE, EMMA)

    def test_ambiguous_lists_every_candidate(self):
        found = self.explain(at=30, until=80)
        assert found.state == State.AMBIGUOUS
        assert [one.service for one in found.candidates] == [CAROL, DAVE, EMMA]

    def test_shared_addresses_list_all_who_share(self):
        found = self.explain("192.0.2.1", 70, rows=TestSharedAddresses.rows)
        assert [one.service for one in found.candidates] == [CAROL, DAVE, EMMA]

    def test_not_ours_has_nothing_to_say(self):
        found = self.explain("198.51.100.1")
        assert (found.state, found.held, found.before, found.after) == (State.NOT_OURS, None, None, None)

    def test_it_says_what_match_says(self):
        inventory = Inventory(400, 4)
        asked = inventory.ask(400)
        columns = table(inventory.held, inventory.named, inventory.own)
        questions = question_columns(asked)
        answers = columns.match(questions)
        for place in range(len(asked)):
            found = explain(columns, question_at(questions, place))
            assert (found.state, found.fact) == (answers.state[place], answers.fact[place])
            if found.held:
                assert found.held.assignment == answers.assignment[place]
