"""Deliveries, change events and corrections, and what stays known of what was known."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from tests.accounts.given import NOW, customer, day, delivered, held, named, parties, service, source
from tipstaff.accounts.inventory import AssignmentChange, ContactFact, Inventory, OwnPrefixFact
from tipstaff.accounts.models import (
    Assignment,
    Contact,
    Customer,
    InventorySource,
    InventoryVersion,
    OwnPrefix,
    Service,
    ServiceName,
)
from tipstaff.accounts.services import change_assignments, correct_assignment, hear_from, load
from tipstaff.accounts.timeline import Span
from tipstaff.audit.models import Entry
from tipstaff.kernel.errors import InputError, NotFound

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=30)
NET = ip_network("192.0.2.0/24")


def known(prefix="192.0.2.0/24", table=Assignment):
    """[(service, start, end)] known now, in order of time."""
    rows = table.objects.filter(superseded_at=None, prefix=prefix).select_related("service")
    found = [(row.service.external_id, row.period.lower, row.period.upper) for row in rows]
    return sorted(found, key=lambda row: (row[1] is not None, row[1]))


def known_at(moment):
    rows = Assignment.objects.filter(recorded_at__lte=moment).exclude(superseded_at__lte=moment).select_related("service")
    return sorted((row.service.external_id, str(row.period.lower.date())) for row in rows)


def change(kind, at, by="", prefix="192.0.2.0/24", **more):
    return AssignmentChange(kind, ip_network(prefix), day(at), by, where=f"change {at}", **more)


def changed(*changes, now=NOW, **more):
    return change_assignments(changes=changes, source=source(), by="bob", now=now, **more)


def problems(*assignments, **more):
    with pytest.raises(InputError) as caught:
        delivered(*assignments, **more)
    return caught.value.problems


class TestParties:
    def test_the_reseller_tree_may_come_in_any_order(self):
        load(inventory=Inventory([customer("emma", "rory"), customer("rory")]), source=source(), by="bob", now=NOW)
        assert Customer.objects.get(external_id="emma").parent.external_id == "rory"

    def test_a_reseller_loop_is_refused_whole(self):
        facts = Inventory([customer("emma", "rory"), customer("rory", "emma"), customer("carol")])
        with pytest.raises(InputError, match="below itself") as caught:
            load(inventory=facts, source=source(), by="bob", now=NOW)
        assert [problem.where for problem in caught.value.problems] == ["customers.csv line emma", "customers.csv line rory"]
        assert not Customer.objects.exists()

    def test_what_is_not_stated_keeps_its_value(self):
        facts = Inventory([customer("carol", language="de", protected_class="hospital")])
        load(inventory=facts, source=source(), by="bob", now=NOW)
        load(inventory=Inventory([customer("carol", brand="C")]), source=source(), by="bob", now=LATER)
        carol = Customer.objects.get(external_id="carol")
        assert (carol.language, carol.protected_class, carol.brand) == ("de", "hospital", "C")

    def test_a_reseller_can_be_taken_away(self):
        delivered()
        load(inventory=Inventory([customer("emma", "")]), source=source(), by="bob", now=NOW)
        assert Customer.objects.get(external_id="emma").parent is None

    def test_a_new_address_of_a_contact_forgets_what_was_known_of_the_old(self):
        contact = ContactFact("carol", "c1", role="abuse", email="abuse@carol.example")
        load(inventory=Inventory([customer("carol")], [contact]), source=source(), by="bob", now=NOW)
        Contact.objects.update(confirmed_at=NOW, problem="bounced")
        load(inventory=Inventory(contacts=[contact]), source=source(), by="bob", now=NOW)
        assert Contact.objects.get().confirmed_at == NOW
        moved = replace(contact, email="desk@carol.example")
        result = load(inventory=Inventory(contacts=[moved]), source=source(), by="bob", now=NOW)
        row = Contact.objects.get()
        assert (row.email, row.confirmed_at, row.problem) == ("desk@carol.example", None, "")
        assert result.contacts == {"created": 0, "changed": 1}

    def test_one_unnumbered_contact_left_out_of_a_complete_list_and_one_new_are_one_that_moved(self):
        def told(*emails, role="abuse", **more):
            facts = [ContactFact("carol", f"{role}:{email}", role=role, email=email) for email in emails]
            return load(inventory=Inventory([customer("carol")], facts), source=source(), by="bob", now=NOW, **more).contacts

        told("a@carol.example")
        Contact.objects.update(problem="bounced")
        (first,) = Contact.objects.values_list("pk", flat=True)
        assert told("b@carol.example", complete=True) == {"created": 0, "changed": 1}
        row = Contact.objects.get()
        assert (row.pk, row.email, row.external_id, row.problem) == (first, "b@carol.example", "abuse:b@carol.example", "")
        assert told("b@carol.example", complete=True) == {"created": 0, "changed": 0}
        assert told("c@carol.example") == {"created": 1, "changed": 0}, "a list that is not complete says nothing of the others"
        assert told("d@carol.example", complete=True) == {"created": 1, "changed": 0}, "of two that went nobody knows which it was"
        assert told("e@carol.example", role="technical", complete=True) == {"created": 1, "changed": 0}

    @pytest.mark.parametrize("complete", [False, True])
    @pytest.mark.parametrize("number", [None, "c-1", "netbox:contact:7", "abuse:old@carol.example"])
    def test_an_unnumbered_contact_is_the_one_that_is_there_in_that_role_at_that_address(self, number, complete):
        load(inventory=Inventory([customer("carol"), customer("dave")]), source=source(), by="bob", now=NOW)
        carol, dave = (Customer.objects.get(external_id=name) for name in ("carol", "dave"))
        made = {"role": "abuse", "email": "Abuse@carol.example", "external_id": number, "confirmed_at": NOW}
        row = Contact.objects.create(customer=carol, **made)
        Contact.objects.create(customer=dave, **made)
        Contact.objects.create(customer=carol, **made | {"role": "billing", "external_id": "b"})
        facts = [ContactFact("carol", "abuse:abuse@carol.example", "abuse", "Carol", "abuse@carol.example")]
        told = [
            load(inventory=Inventory(contacts=facts), source=source(), by="bob", now=NOW, complete=complete).contacts for _ in "12"
        ]
        assert told == [{"created": 0, "changed": 1}, {"created": 0, "changed": 0}] and Contact.objects.count() == 3
        row.refresh_from_db()
        assert (row.name, row.email, row.confirmed_at) == ("Carol", "abuse@carol.example", NOW)
        assert row.external_id == (number if number in {"c-1", "netbox:contact:7"} else "abuse:abuse@carol.example")

    def test_two_unnumbered_contacts_of_one_list_stay_two(self):
        def told(*emails, **more):
            facts = [ContactFact("carol", f"abuse:{email}", "abuse", None, email) for email in emails]
            return load(inventory=Inventory([customer("carol")], facts), source=source(), by="bob", now=NOW, **more).contacts

        told("a@carol.example")
        assert told("a@carol.example", "A@carol.example", complete=True) == {"created": 1, "changed": 0}
        assert told("a@carol.example", "A@carol.example", complete=True) == {"created": 0, "changed": 0}

    def test_own_prefixes(self):
        facts = Inventory(own_prefixes=[OwnPrefixFact(NET, "documentation")])
        assert load(inventory=facts, source=source(), by="bob", now=NOW).own_prefixes == {"created": 1, "changed": 0}
        assert not load(inventory=facts, source=source(), by="bob", now=NOW)
        assert OwnPrefix.objects.get().prefix == NET

    def test_a_service_stays_with_its_customer(self):
        delivered()
        with pytest.raises(InputError, match="its past must stay theirs"):
            load(inventory=Inventory(services=[service("carol-1", "dave")]), source=source(), by="bob", now=NOW)

    def test_every_bad_row_is_named_and_nothing_is_kept(self):
        facts = parties()
        facts.contacts = [ContactFact("nobody", "c1", where="contacts.csv line 2")]
        facts.services.append(service("x", "nobody"))
        facts.customers.append(customer("fay", "no-reseller"))
        found = problems(
            held("192.0.2.0/24", "no-such", "2026-01-01"),
            held("192.0.2.0/25", "carol-1", "2026-03-01", "2026-01-01"),
            held("192.0.2.128/25", "carol-1", ports=(5, 5)),
            held("198.51.100.0/24", "carol-1"),
            held("198.51.100.0/24", "dave-1"),
            names=[named("hostname", "www.example.com", "carol-1")],
            inventory=facts,
        )
        assert [problem.where for problem in found] == [
            "customers.csv line fay", "contacts.csv line 2", "services.csv line x", "names.csv www.example.com",
            "assignments.csv 192.0.2.0/24 no-such", "assignments.csv 192.0.2.0/25 carol-1",
            "assignments.csv 192.0.2.128/25 carol-1", "assignments.csv 198.51.100.0/24 dave-1",
        ]  # fmt: skip
        assert all(problem.advice for problem in found)
        assert not (Customer.objects.exists() or Assignment.objects.exists() or Entry.objects.exists())


class TestDeliveries:
    def test_the_same_delivery_twice_changes_nothing(self):
        rows = held("192.0.2.0/24", "carol-1", "2026-01-01"), held("192.0.2.7/32", "carol-1", "2026-02-01", "2026-03-01")
        names = [named("domain", "example.com", "carol-1", "2026-01-01")]
        first = delivered(*rows, names=names)
        assert first.assignments_recorded == 2 and first.names_recorded == 1
        number = InventoryVersion.objects.get().number
        again = delivered(*rows, names=names, now=LATER)
        assert not again and again.spans == []
        assert InventoryVersion.objects.get().number == number
        assert Entry.objects.count() == 1

    def test_a_new_holder_ends_the_old_one(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        result = delivered(held("192.0.2.0/24", "dave-1", "2026-05-01"), now=LATER)
        assert known() == [("carol-1", day("2026-01-01"), day("2026-05-01")), ("dave-1", day("2026-05-01"), None)]
        assert Span(NET, day("2026-05-01"), None) in result.spans

    def test_the_same_line_with_an_end_replaces_itself(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01", "2026-04-01"), now=LATER)
        assert known() == [("carol-1", day("2026-01-01"), day("2026-04-01"))]

    def test_an_external_id_follows_its_tenancy_to_another_prefix_and_period(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01", external_id="t1"))
        delivered(held("198.51.100.0/24", "carol-1", "2026-02-01", external_id="t1"), now=LATER)
        assert known() == []
        assert known("198.51.100.0/24") == [("carol-1", day("2026-02-01"), None)]

    def test_a_repeated_statement_does_not_shorten_what_is_known(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        assert not delivered(held("192.0.2.0/24", "carol-1", "2026-03-01"), now=LATER)

    def test_a_new_port_share_cuts_the_old_holder_to_the_other_ports(self):
        delivered(held("192.0.2.1/32", "carol-1", "2026-01-01"))
        delivered(held("192.0.2.1/32", "dave-1", "2026-02-01", ports=(1024, 2048)), now=LATER)
        rows = Assignment.objects.filter(superseded_at=None).order_by("period", "ports")
        assert [(row.service.external_id, row.ports.lower, row.ports.upper) for row in rows] == [
            ("carol-1", 0, 65536), ("carol-1", 0, 1024), ("dave-1", 1024, 2048), ("carol-1", 2048, 65536),
        ]  # fmt: skip

    def test_sharers_stand_side_by_side(self):
        delivered(held("192.0.2.1/32", "carol-1", shared=True), held("192.0.2.1/32", "dave-1", shared=True))
        assert len(known("192.0.2.1/32")) == 2

    def test_a_domain_moves_from_one_service_to_the_next(self):
        delivered(names=[named("domain", "example.com", "carol-1", "2026-01-01")])
        result = delivered(names=[named("domain", "example.com", "dave-1", "2026-05-01")], now=LATER)
        rows = ServiceName.objects.filter(superseded_at=None).order_by("period")
        assert [(row.service.external_id, row.period.upper) for row in rows] == [
            ("carol-1", day("2026-05-01")), ("dave-1", None),
        ]  # fmt: skip
        assert result.names

    def test_a_complete_delivery_ends_what_it_leaves_out_and_nothing_of_other_sources(self):
        other = source("other")
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"), held("198.51.100.0/24", "dave-1", "2026-01-01"))
        delivered(held("203.0.113.0/24", "dave-1", "2026-01-01"), source=other)
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"), complete=True, as_of=day("2026-05-20"), now=LATER)
        assert known() == [("carol-1", day("2026-01-01"), None)]
        assert known("198.51.100.0/24") == [("dave-1", day("2026-01-01"), day("2026-05-20"))]
        assert known("203.0.113.0/24") == [("dave-1", day("2026-01-01"), None)]

    def test_a_dry_run_says_what_would_change_and_changes_nothing(self):
        result = delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"), dry_run=True)
        assert result.assignments_recorded == 1 and result.customers["created"] == 4
        assert not (Customer.objects.exists() or Assignment.objects.exists() or Entry.objects.exists())

    def test_many_prefixes_take_the_other_path_to_the_same_end(self):
        rows = [held(f"192.0.2.{low}/32", "carol-1", "2026-01-01") for low in range(256)]
        rows += [held(f"198.51.100.{low}/32", "dave-1", "2026-01-01") for low in range(256)]
        delivered(*rows)
        assert not delivered(*rows, now=LATER)
        assert Assignment.objects.count() == 512


class TestNesting:
    def test_below_in_the_tree_is_fine(self):
        delivered(held("192.0.2.0/24", "rory-1", "2026-01-01"), held("192.0.2.8/29", "emma-1", "2026-01-01"))
        delivered(held("192.0.2.9/32", "emma-1", "2026-02-01"))
        assert Assignment.objects.filter(superseded_at=None).count() == 3

    def test_a_stranger_inside_is_listed(self):
        found = problems(held("192.0.2.0/24", "carol-1", "2026-01-01"), held("192.0.2.8/29", "dave-1", "2026-01-01"))
        assert [problem.where for problem in found] == ["assignments.csv 192.0.2.8/29 dave-1"]
        assert "192.0.2.8/29 of service 'dave-1' lies inside 192.0.2.0/24 of 'carol-1'" in found[0].what

    def test_above_in_the_tree_is_a_stranger_too(self):
        assert problems(held("192.0.2.0/24", "emma-1", "2026-01-01"), held("192.0.2.8/29", "rory-1", "2026-01-01"))

    def test_a_stranger_around_what_is_known_is_listed(self):
        delivered(held("192.0.2.8/29", "dave-1", "2026-01-01"))
        found = problems(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        assert [problem.where for problem in found] == ["assignments.csv 192.0.2.0/24 carol-1"]
        assert known() == []

    def test_at_different_times_they_never_met(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01", "2026-02-01"), held("192.0.2.8/29", "dave-1", "2026-02-01"))
        assert Assignment.objects.count() == 2

    def test_anybody_may_nest_in_the_providers_own(self):
        facts = parties()
        facts.customers.append(customer("ourselves", customer_class="provider"))
        facts.services.append(service("backbone", "ourselves"))
        delivered(held("192.0.2.0/24", "backbone"), held("192.0.2.8/29", "dave-1"), inventory=facts)
        assert Assignment.objects.count() == 2

    def test_a_tolerant_delivery_leaves_it_out_and_says_so(self):
        rows = held("192.0.2.0/24", "carol-1", "2026-01-01"), held("192.0.2.8/29", "dave-1", "2026-01-01")
        result = delivered(*rows, held("2001:db8::/48", "dave-1", "2026-01-01"), tolerant=True)
        assert [problem.where for problem in result.left_out] == ["assignments.csv 192.0.2.8/29 dave-1"]
        assert Assignment.objects.count() == 2
        assert "192.0.2.8/29" in InventorySource.objects.get().last_error


class TestChangeEvents:
    def test_a_change_ends_one_period_and_starts_another(self):
        delivered()
        changed(change("assign", "2026-01-01", "carol-1"))
        result = changed(change("assign", "2026-03-01", "dave-1"), now=LATER)
        assert known() == [("carol-1", day("2026-01-01"), day("2026-03-01")), ("dave-1", day("2026-03-01"), None)]
        assert result.spans

    def test_events_out_of_order_and_repeated_end_the_same(self):
        delivered()
        events = [change("assign", "2026-03-01", "dave-1"), change("assign", "2026-01-01", "carol-1")]
        for event in [*events, *events]:
            changed(event)
        assert known() == [("carol-1", day("2026-01-01"), day("2026-03-01")), ("dave-1", day("2026-03-01"), None)]
        assert not changed(*events, now=LATER)

    def test_a_release_ends_the_period_once(self):
        delivered()
        changed(change("assign", "2026-01-01", "carol-1"), change("release", "2026-04-01"))
        assert known() == [("carol-1", day("2026-01-01"), day("2026-04-01"))]
        assert not changed(change("release", "2026-04-01"), change("release", "2026-05-01"), now=LATER)

    def test_a_release_of_ports_leaves_the_others(self):
        delivered(held("192.0.2.1/32", "carol-1", "2026-01-01", ports=(0, 1024)),
                  held("192.0.2.1/32", "dave-1", "2026-01-01", ports=(1024, 2048)))  # fmt: skip
        changed(change("release", "2026-02-01", prefix="192.0.2.1/32", port_from=1024, port_to=2048))
        assert {(name, end) for name, _, end in known("192.0.2.1/32")} == {("carol-1", None), ("dave-1", day("2026-02-01"))}

    def test_an_unknown_service_is_refused_with_the_rest(self):
        delivered()
        with pytest.raises(InputError, match="service 'nope' is not known"):
            changed(change("assign", "2026-01-01", "carol-1"), change("assign", "2026-02-01", "nope"))
        assert known() == []

    def test_a_stranger_inside_is_refused(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        with pytest.raises(InputError, match="lies inside"):
            changed(change("assign", "2026-02-01", "dave-1", prefix="192.0.2.8/29"))

    def test_a_dry_run_changes_nothing(self):
        delivered()
        assert changed(change("assign", "2026-01-01", "carol-1"), dry_run=True).assignments_recorded == 1
        assert known() == []


class TestCorrections:
    def test_a_backdated_correction_keeps_what_was_known_then(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        delivered(held("192.0.2.0/24", "dave-1", "2026-03-01"), now=LATER)
        assert known_at(NOW) == [("carol-1", "2026-01-01")]
        assert known_at(LATER) == [("carol-1", "2026-01-01"), ("dave-1", "2026-03-01")]
        much_later = LATER + timedelta(days=1)
        row = Assignment.objects.get(superseded_at=None, service__external_id="dave-1")
        result = correct_assignment(number=row.pk, start=day("2026-02-01"), by="bob", now=much_later, reason="contract read")
        assert known() == [("carol-1", day("2026-01-01"), day("2026-02-01")), ("dave-1", day("2026-02-01"), None)]
        assert known_at(LATER) == [("carol-1", "2026-01-01"), ("dave-1", "2026-03-01")]
        assert known_at(NOW) == [("carol-1", "2026-01-01")]
        assert Span(NET, day("2026-02-01"), None) in result.spans
        assert Entry.objects.latest("pk").reason == "contract read"

    def test_another_service(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        dave = Service.objects.get(external_id="dave-1").pk
        correct_assignment(number=Assignment.objects.get().pk, service=dave, by="bob", now=LATER, reason="typing error")
        assert known() == [("dave-1", day("2026-01-01"), None)]

    def test_withdrawn(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        result = correct_assignment(number=Assignment.objects.get().pk, withdrawn=True, by="bob", now=LATER, reason="never was")
        assert known() == [] and result.spans == [Span(NET, day("2026-01-01"), None)]

    def test_a_superseded_row_cannot_be_corrected(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        number = Assignment.objects.get().pk
        correct_assignment(number=number, withdrawn=True, by="bob", now=LATER, reason="never was")
        with pytest.raises(NotFound):
            correct_assignment(number=number, withdrawn=True, by="bob", now=LATER, reason="again")

    def test_a_period_that_ends_before_it_begins(self):
        delivered(held("192.0.2.0/24", "carol-1", "2026-01-01"))
        with pytest.raises(InputError, match="before it begins"):
            correct_assignment(number=Assignment.objects.get().pk, end=day("2025-01-01"), by="bob", now=LATER, reason="x")


class TestFreshness:
    def test_the_last_word_is_the_moment_the_delivery_speaks_of(self):
        delivered(as_of=day("2026-05-31"))
        row = InventorySource.objects.get()
        assert (row.last_word_at, row.last_ok_at, row.last_error) == (day("2026-05-31"), NOW, "")

    def test_an_older_delivery_does_not_take_the_last_word_back(self):
        delivered(as_of=day("2026-05-31"))
        delivered(as_of=day("2026-05-01"))
        assert InventorySource.objects.get().last_word_at == day("2026-05-31")

    def test_a_source_that_fails_keeps_its_last_word(self):
        delivered()
        hear_from(source=source(), now=LATER, error="connection refused")
        row = InventorySource.objects.get()
        assert (row.last_word_at, row.last_ok_at, row.last_error) == (NOW, NOW, "inventory: connection refused")
