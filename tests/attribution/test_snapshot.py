"""The table as read from the database: the same answers as the rows, then and now, and only read again when needed."""

from datetime import timedelta
from ipaddress import ip_network

import numpy as np
import pytest
from django.db import connection

from tests.accounts.given import NOW, customer, day, delivered, held, named, parties, service, source
from tests.growth import calls, ends
from tipstaff.accounts.inventory import OwnPrefixFact
from tipstaff.accounts.models import Assignment, InventorySource, Service
from tipstaff.accounts.services import correct_assignment, load
from tipstaff.attribution import queries, snapshot
from tipstaff.attribution.matching import Fact, Questions, State
from tipstaff.kernel.addresses import parse
from tipstaff.kernel.errors import InputError

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=30)


@pytest.fixture(autouse=True)
def fresh():
    snapshot.kept.forget()
    yield
    snapshot.kept.forget()


def who(ip, at, **more):
    return queries.who(ip=ip, at=day(at), **more)


def holder(ip, at, **more):
    found = who(ip, at, **more)
    return found.service.external_id if found.service else found.state


class TestAnswers:
    def test_held_with_everything_that_led_there(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01", "2026-03-01"), held("192.0.2.0/24", "dave-1", "2026-04-01"))
        found = who("192.0.2.7", "2026-02-01")
        assert (found.state, found.fact, found.service.external_id) == (State.HELD, Fact.PREFIX, "carol-1")
        assert (found.held.prefix, found.held.since, found.held.to) == (
            ip_network("192.0.2.0/24"),
            day("2026-01-01"),
            day("2026-03-01"),
        )
        assert (found.held.source, found.held.recorded_at, found.held.ports) == ("inventory", NOW, None)
        assert (found.before, found.after.service.external_id) == (None, "dave-1")
        gap = who("192.0.2.7", "2026-03-15")
        assert (gap.state, gap.before.service.external_id, gap.after.service.external_id) == (
            State.NOT_ASSIGNED,
            "carol-1",
            "dave-1",
        )

    def test_without_a_list_of_our_own_all_that_was_ever_assigned_is_ours(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01", "2026-03-01"))
        assert holder("192.0.2.7", "2026-05-01") == State.NOT_ASSIGNED
        assert holder("198.51.100.7", "2026-05-01") == State.NOT_OURS

    def test_with_a_list_it_is_the_list(self):
        facts = parties()
        facts.own_prefixes = [OwnPrefixFact(ip_network("198.51.100.0/24"))]
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01", "2026-03-01"), inventory=facts)
        assert holder("192.0.2.7", "2026-05-01") == State.NOT_OURS
        assert holder("198.51.100.7", "2026-05-01") == State.NOT_ASSIGNED
        assert queries.own_prefixes() == [ip_network("198.51.100.0/24")]
        assert who("192.0.2.7", "2026-05-01").as_json()["abuse_contact"] == "unknown"

    def test_ports_names_and_intervals_reach_the_table(self):
        delivered(
            held("192.0.2.1/32", "carol-1", ports=(1024, 2048)), held("192.0.2.1/32", "dave-1", ports=(2048, 4096)),
            held("192.0.2.2/32", "carol-1", shared=True), held("192.0.2.2/32", "dave-1", shared=True),
            held("2001:db8::/48", "emma-1", "2026-01-01"),
            names=[named("domain", "example.com", "carol-1"), named("mailbox", "info@example.net", "dave-1")],
        )  # fmt: skip
        assert holder("192.0.2.1", "2026-02-01", port=2047) == "carol-1"
        assert holder("192.0.2.1", "2026-02-01", port=2048) == "dave-1"
        assert who("192.0.2.1", "2026-02-01", port=2048).held.ports == (2048, 4095)
        assert holder("192.0.2.1", "2026-02-01") == State.AMBIGUOUS
        assert {one.service.external_id for one in who("192.0.2.2", "2026-02-01").candidates} == {"carol-1", "dave-1"}
        assert holder("192.0.2.2", "2026-02-01", host="www.example.com") == "carol-1"
        assert holder("192.0.2.2", "2026-02-01", mailbox="info@example.net") == "dave-1"
        assert holder("2001:db8:0:1::5", "2026-01-01", until=day("2026-05-01")) == "emma-1"
        assert holder("2001:db8:0:1::5", "2025-12-31", until=day("2026-05-01")) == State.AMBIGUOUS
        assert holder("::ffff:192.0.2.1", "2026-02-01", port=2047) == "carol-1"
        named_only = queries.who(ip=None, host="shop.example.com", at=day("2026-02-01"))
        assert (named_only.service.external_id, named_only.held) == ("carol-1", None)

    def test_microseconds_are_kept(self):
        at = NOW.replace(microsecond=123457)
        facts = held("192.0.2.0/24", "carol-1")
        delivered(type(facts)(facts.prefix, "carol-1", at, None, where="x"))
        assert queries.who(ip="192.0.2.1", at=at).state == State.HELD
        assert queries.who(ip="192.0.2.1", at=at - timedelta(microseconds=1)).state == State.NOT_ASSIGNED

    def test_json_is_plain(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        found = who("192.0.2.7", "2026-02-01").as_json()
        assert found["answer"] == "held" and found["customer"]["external_id"] == "carol"
        assert found["assignment"]["since"] == "2026-01-01T00:00:00Z" and found["assignment"]["to"] is None

    def test_no_address(self):
        with pytest.raises(InputError, match="no address"):
            who("192.0.2.300", "2026-01-01")


class TestKnownThen:
    def test_a_correction_changes_todays_answer_and_not_yesterdays(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        dave = Service.objects.get(external_id="dave-1").pk
        correct_assignment(number=Assignment.objects.get().pk, service=dave, by="bob", now=LATER, reason="typing error")
        assert holder("192.0.2.7", "2026-02-01") == "dave-1"
        assert holder("192.0.2.7", "2026-02-01", as_known_at=LATER) == "dave-1"
        assert holder("192.0.2.7", "2026-02-01", as_known_at=LATER - timedelta(microseconds=1)) == "carol-1"
        assert holder("192.0.2.7", "2026-02-01", as_known_at=NOW) == "carol-1"
        assert holder("192.0.2.7", "2026-02-01", as_known_at=NOW - timedelta(seconds=1)) == State.NOT_OURS

    def test_names_are_known_from_when_they_were_recorded(self):
        rows = held("192.0.2.2/32", "carol-1", shared=True), held("192.0.2.2/32", "dave-1", shared=True)
        delivered(*rows)
        delivered(*rows, names=[named("domain", "example.com", "carol-1")], now=LATER)
        assert holder("192.0.2.2", "2026-02-01", host="example.com") == "carol-1"
        assert holder("192.0.2.2", "2026-02-01", host="example.com", as_known_at=NOW) == State.AMBIGUOUS


class TestKept:
    def test_it_is_read_again_only_when_something_changed(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        first = snapshot.kept.current().table
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"), now=LATER)
        assert snapshot.kept.current().table is first
        delivered(held("192.0.2.0/24", "dave-1", "2026-05-01"), now=LATER)
        assert snapshot.kept.current().table is not first

    def test_looking_costs_two_small_reads(self, django_assert_num_queries):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        snapshot.kept.current()
        with django_assert_num_queries(2):
            snapshot.kept.current()

    def test_an_empty_database(self):
        assert snapshot.kept.current().version == 0
        assert holder("192.0.2.1", "2026-01-01") == State.NOT_OURS


class TestProvisional:
    def test_newer_than_the_last_word_of_the_source_that_answers(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"), as_of=day("2026-05-01"))
        load(inventory=parties(), source=source("fresher"), by="bob", now=NOW, as_of=day("2026-05-20"))
        assert not who("192.0.2.1", "2026-05-01").provisional
        assert who("192.0.2.1", "2026-05-02").provisional
        assert not who("198.51.100.1", "2026-05-02").provisional  # nobody's, by the freshest word
        assert who("198.51.100.1", "2026-05-21").provisional

    def test_in_columns(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"), as_of=day("2026-05-01"))
        InventorySource.objects.create(name="people", kind="hand", last_word_at=day("2020-01-01"))
        snap = snapshot.build()
        number = InventorySource.objects.get(name="inventory").pk
        by_hand = InventorySource.objects.get(name="people").pk
        latest = snapshot.micros(day("2026-05-02"))
        given = snap.provisional(
            np.array([number, number, by_hand, -1]), np.array([latest, latest - 86_400_000_000, latest, latest])
        )
        assert given.tolist() == [True, False, False, False]

    def test_no_sources_at_all(self):
        assert snapshot.build().provisional(np.array([-1]), np.array([5])).tolist() == [False]


def renewed(first, last, carol, dave):
    """Two assignments of each address, one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO accounts_assignment (prefix, period, ports, service_id, shared, recorded_at)
            SELECT set_masklen('198.18.0.0'::inet + (n / 2), 32)::cidr,
                CASE n %% 2 WHEN 0 THEN tstzrange('2025-01-01Z', '2026-01-01Z') ELSE tstzrange('2026-01-01Z', NULL) END,
                int4range(0, 65536), CASE n %% 2 WHEN 0 THEN %s ELSE %s END, false, '2026-01-01Z'
            FROM generate_series(%s::int, %s::int) n""",
            [carol, dave, first, last],
        )


@pytest.mark.slow  # the database checks every row against the others, which takes most of a minute
def test_two_hundred_thousand_assignments_are_built_in_columns():
    """Rows with holes and renewals; the answers are spot-checked against the rows."""
    facts = parties()
    facts.customers.append(customer("provider", customer_class="provider"))
    facts.services.append(service("space", "provider"))
    delivered(inventory=facts)
    carol, dave = (Service.objects.get(external_id=name).pk for name in ("carol-1", "dave-1"))
    renewed(0, 1_999, carol, dave)
    assert calls(snapshot.build) < 10 * 2_000 + 10_000, "a row is read, and nothing more is done for it alone"
    renewed(2_000, 199_999, carol, dave)
    with ends():
        snap = snapshot.build()
    addresses = parse(["198.18.0.0", "198.18.0.0", "198.19.134.159", "198.19.134.160"])
    at = [snapshot.micros(day(text)) for text in ("2025-12-31", "2026-01-01", "2026-01-01", "2026-01-01")]
    asked = Questions(addresses.family, addresses.hi, addresses.lo, np.array(at), np.array(at), np.full(4, -1, np.int32))
    answers = snap.table.match(asked)
    assert answers.service.tolist() == [carol, dave, dave, -1]
    assert answers.state.tolist() == [State.HELD, State.HELD, State.HELD, State.NOT_OURS]
