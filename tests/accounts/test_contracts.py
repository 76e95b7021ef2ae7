"""What a contract says beside the policy, and what it said when: rows that are added, never changed (H10)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tipstaff.accounts import contracts
from tipstaff.accounts.inventory import CustomerFact, Inventory
from tipstaff.accounts.models import ContractTerms, Customer, InventoryVersion, StaffMember
from tipstaff.accounts.services import load, source_named
from tipstaff.audit.models import Entry
from tipstaff.kernel.errors import InputError, NotFound, Refused

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WHY = {"reason": "a rider to the agreement"}


@pytest.fixture
def carol() -> Customer:
    """A customer with 24 hours of notice, of whom no history is kept; Bob is a lead, Alice an analyst."""
    for name, role in (("alice", "analyst"), ("bob", "lead"), ("amir", "auditor")):
        StaffMember.objects.create(username=name, roles=[role])
    return Customer.objects.create(name="Carol", external_id="c-1", created_at=NOW - 100 * DAY, contract={"notice_hours": 24})


def change(carol: Customer, terms: dict[str, Any], at: Any = NOW, **given: Any) -> ContractTerms:
    return contracts.change(customer=carol.pk, terms=terms, now=at, **{**WHY, "by": "bob", **given})


def hours(carol: Customer, *moments: Any) -> list[Any]:
    carol.refresh_from_db()
    return [contracts.in_force(carol, at).get("notice_hours") for at in moments]


def test_a_change_keeps_what_was_in_force_when_and_who_changed_it(carol: Customer) -> None:
    assert hours(carol, NOW - 200 * DAY, NOW) == [24, 24], "without a history today's"
    change(carol, {"notice_hours": 96})
    change(carol, {}, at=NOW + 9 * DAY)
    assert hours(carol, NOW - 200 * DAY, NOW - DAY, NOW, NOW + 8 * DAY, NOW + 9 * DAY) == [24, 24, 96, 96, None]
    assert carol.contract == {}
    newest, middle, oldest = contracts.periods(carol.pk, NOW + 10 * DAY)
    assert (oldest.row.reason, oldest.until, oldest.row.from_at) == (contracts.BEFORE, NOW, carol.created_at)
    assert (middle.row.by, middle.row.reason, middle.until, middle.now) == ("bob", WHY["reason"], NOW + 9 * DAY, False)
    assert newest.now and newest.until is None
    assert Entry.objects.filter(action="customer.contract", actor="bob", subject=f"customer:{carol.pk}").count() == 2


def test_what_was_agreed_earlier_is_put_in_where_it_belongs(carol: Customer) -> None:
    change(carol, {"notice_hours": 96})
    before = InventoryVersion.objects.get().number
    change(carol, {"notice_hours": 48}, at=NOW + DAY, from_at=NOW - 5 * DAY)
    assert hours(carol, NOW - 6 * DAY, NOW - 5 * DAY, NOW - DAY, NOW, NOW + DAY) == [24, 48, 48, 96, 96]
    assert InventoryVersion.objects.get().number > before, "whoever opens cases reads the contracts again"
    change(carol, {"notice_hours": 12}, at=NOW + DAY, from_at=NOW)
    assert hours(carol, NOW - DAY, NOW) == [48, 12], "of two that begin together the later word counts"


def test_terms_since_before_the_history_began_hold_on_past_its_beginning_which_nobody_stated(carol: Customer) -> None:
    long_ago = NOW - 900 * DAY
    change(carol, {"notice_hours": 96}, from_at=long_ago)
    assert hours(carol, long_ago - DAY, long_ago, carol.created_at - DAY, carol.created_at, NOW) == [96] * 5
    change(carol, {"notice_hours": 72}, at=NOW + DAY, from_at=long_ago)
    assert hours(carol, long_ago, carol.created_at, NOW, NOW + DAY) == [72] * 4, "whoever mends it mends all of it"
    assert carol.contract == {"notice_hours": 72}
    change(carol, {"notice_hours": 48}, at=NOW + 2 * DAY, from_at=long_ago - DAY)
    assert hours(carol, long_ago - DAY, long_ago, NOW) == [48, 72, 72], "until what was stated for later"


def test_whoever_speaks_last_is_in_force_though_they_began_to_speak_earlier(carol: Customer) -> None:
    """Two leads at once, of whom one waits for the other; an inventory that waits; a clock that was set back."""
    change(carol, {"notice_hours": 96})
    for earlier, said in ((timedelta(seconds=1), 72), (DAY, 48)):
        change(carol, {"notice_hours": said}, at=NOW - earlier)
        assert hours(carol, NOW, NOW + DAY) == [said, said] and carol.contract == {"notice_hours": said}
    facts = [CustomerFact("c-1", contract={"notice_hours": 12})]
    load(inventory=Inventory(customers=facts), source=source_named(name="crm", kind="csv"), by="system:test", now=NOW - DAY)
    assert hours(carol, NOW, NOW + DAY) == [12, 12] and carol.contract == {"notice_hours": 12}


def test_a_change_and_an_inventory_wait_for_one_another_in_the_same_order(carol: Customer) -> None:
    """Else each would hold what the other waits for, and PostgreSQL would throw one of them away."""
    with CaptureQueriesContext(connection) as asked:
        change(carol, {"notice_hours": 96})
    locked = [one["sql"] for one in asked.captured_queries if "FOR UPDATE" in one["sql"]]
    assert ["inventoryversion" in one for one in locked[:2]] == [True, False] and "accounts_customer" in locked[1]


@pytest.mark.parametrize(("terms", "words"), [
    ({"notice_hours": 0}, "hours"), ({"notice_hours": "96"}, "hours"), ({"notice_hours": True}, "hours"),
    ({"notice_hours": 10**6}, "hours"), ({"no_automation": "yes"}, "true"), ({"notice_roles": ["boss"]}, "roles"),
    ({"notice_roles": []}, "roles"), ({"colour": "red"}, "known"),
])  # fmt: skip
def test_terms_that_nothing_reads_are_refused(carol: Customer, terms: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        change(carol, terms)
    assert not ContractTerms.objects.exists()


def test_a_change_takes_a_lead_a_reason_a_customer_and_a_beginning_that_has_come(carol: Customer) -> None:
    for by in ("alice", "amir", "nobody", "contact:1", "system:x"):
        with pytest.raises(Refused):
            change(carol, {}, by=by)
    for wrong in ({"reason": " "}, {"from_at": NOW + DAY}):
        with pytest.raises(InputError):
            change(carol, {}, **wrong)
    with pytest.raises(NotFound):
        contracts.change(customer=0, terms={}, by="bob", now=NOW, **WHY)
    assert not ContractTerms.objects.exists() and hours(carol, NOW) == [24]


def test_an_inventory_that_says_other_terms_begins_a_period_and_the_same_terms_none(carol: Customer) -> None:
    for day, said in ((0, {"notice_hours": 24}), (1, {"notice_hours": 72}), (2, {"notice_hours": 72}), (3, None)):
        facts = [CustomerFact("c-1", contract=said), CustomerFact("c-2", "Dave", contract={"no_automation": True})]
        at = NOW + day * DAY
        load(inventory=Inventory(customers=facts), source=source_named(name="crm", kind="csv"), by="system:test", now=at)
    assert hours(carol, NOW + DAY - timedelta(seconds=1), NOW + DAY, NOW + 9 * DAY) == [24, 72, 72]
    assert [one.row.by for one in contracts.periods(carol.pk, NOW)] == ["source:crm", "system:accounts"]
    dave = Customer.objects.get(external_id="c-2")
    assert contracts.in_force(dave, NOW) == {"no_automation": True} and not contracts.periods(dave.pk, NOW)


@pytest.mark.parametrize(("terms", "words"), [
    ({"notice_hours": 10**12}, "no number of hours"), ({"notice_hours": "48"}, "no number of hours"),
    ({"notice_hours": True}, "no number of hours"), ({"remark": "a\0b"}, "cannot be stored"), ({"\ud800": 1}, "cannot be stored"),
])  # fmt: skip
def test_an_inventory_whose_terms_nothing_could_read_is_refused(carol: Customer, terms: dict[str, Any], words: str) -> None:
    delivered = Inventory(customers=[CustomerFact("c-1", contract=terms, where="customers.csv line 2")])
    with pytest.raises(InputError, match=words):
        load(inventory=delivered, source=source_named(name="crm", kind="csv"), by="system:test", now=NOW)
    assert hours(carol, NOW) == [24]
