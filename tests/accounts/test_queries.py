"""The tree, whom to write to, what a customer held, and how fresh the sources are."""

from datetime import timedelta

import pytest

from tests.accounts.given import NOW, customer, day, delivered, held, source
from tipstaff.accounts import queries
from tipstaff.accounts.inventory import ContactFact, Inventory
from tipstaff.accounts.models import Customer, InventorySource
from tipstaff.accounts.services import hear_from, load

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=30)


def number(external_id):
    return Customer.objects.get(external_id=external_id).pk


def test_the_reseller_tree_up_and_down():
    facts = Inventory([customer("top"), customer("mid", "top"), customer("low", "mid"), customer("other")])
    load(inventory=facts, source=source(), by="bob", now=NOW)
    assert queries.below(number("top")) == [number("mid"), number("low")]
    assert queries.above(number("low")) == [number("mid"), number("top")]
    assert queries.below(number("low")) == [] and queries.above(number("top")) == []


def test_whom_to_write_to():
    def contact(number, role, email):
        return ContactFact("carol", number, role, email=email)

    facts = Inventory([customer("carol")], [contact("1", "billing", "money@carol.example"), contact("2", "abuse", "")])
    load(inventory=facts, source=source(), by="bob", now=NOW)
    carol = Customer.objects.get()
    assert [one.email for one in queries.contacts_of(carol)] == ["money@carol.example"]
    load(inventory=Inventory(contacts=[contact("3", "technical", "noc@carol.example")]), source=source(), by="bob", now=NOW)
    assert [one.email for one in queries.contacts_of(carol)] == ["noc@carol.example"]
    load(inventory=Inventory(contacts=[contact("2", "abuse", "abuse@carol.example")]), source=source(), by="bob", now=NOW)
    assert [one.email for one in queries.contacts_of(carol)] == ["abuse@carol.example"]


def test_what_a_customer_held_at_a_date_and_what_was_known_of_it():
    delivered(held("192.0.2.0/24", "rory-1", "2026-01-01", "2026-03-01"), held("192.0.2.8/29", "emma-1", "2026-01-01"))
    delivered(held("192.0.2.0/24", "rory-1", "2026-01-01", "2026-04-01"), now=LATER)
    rory = number("rory")

    def prefixes(at, **more):
        return [str(row.prefix) for row in queries.addresses_of(rory, day(at), **more)]

    assert prefixes("2026-02-01") == ["192.0.2.0/24"]
    assert prefixes("2026-02-01", with_below=True) == ["192.0.2.0/24", "192.0.2.8/29"]
    assert prefixes("2026-03-15") == ["192.0.2.0/24"]
    assert prefixes("2026-03-15", as_known_at=NOW) == []
    assert prefixes("2026-04-01") == []


def test_how_fresh_each_source_is():
    delivered(as_of=NOW - timedelta(hours=3))
    InventorySource.objects.filter(name="inventory").update(max_lag=timedelta(hours=2))
    InventorySource.objects.create(name="by hand", kind="hand", max_lag=timedelta(0))
    InventorySource.objects.create(name="never", kind="netbox", max_lag=timedelta(hours=1))
    delivered(source=source("unlimited"))
    found = {one.source.name: (one.lag, one.late) for one in queries.freshness(NOW)}
    assert found == {
        "by hand": (None, False), "inventory": (timedelta(hours=3), True), "never": (None, True),
        "unlimited": (timedelta(0), False),
    }  # fmt: skip
    hear_from(source=source("unlimited"), now=LATER, error="connection refused")
    assert next(one.late for one in queries.freshness(NOW) if one.source.name == "unlimited")


def test_provisional_is_newer_than_the_last_word():
    delivered(as_of=day("2026-05-01"))
    row = InventorySource.objects.get()
    assert not queries.is_provisional(row, day("2026-05-01"))
    assert queries.is_provisional(row, day("2026-05-02"))
    row.kind = "hand"
    assert not queries.is_provisional(row, day("2026-05-02"))
    assert not queries.is_provisional(None, day("2026-05-02"))
