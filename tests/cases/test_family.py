"""A reseller's case and its clients' cases: links, clocks and counts, also after people rearranged them."""

from datetime import timedelta

import pytest

from tests.accounts.given import customer, delivered, held, parties, service
from tests.pipeline.given import CAROL, EMMA, NOW, colleagues, deliver, event, policy, provider, report
from tipstaff.cases import rearranging, services
from tipstaff.cases.models import Case, CaseReport
from tipstaff.kernel.errors import InputError, Refused
from tipstaff.reports.models import Event

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
FRED = "203.0.113.20"


@pytest.fixture(autouse=True)
def people(db):
    """Alice and Bob work here."""
    return colleagues()


def case(name, **more):
    return Case.objects.get(customer__name=name, **more)


def test_a_client_reported_later_joins_the_family_and_stays_inside_the_open_parents_time():
    family = parties()
    family.customers.append(customer("fred", "rory"))
    family.services.append(service("fred-1", "fred"))
    delivered(held("203.0.113.0/24", "rory-1", "2026-01-01"), held("203.0.113.0/28", "emma-1", "2026-01-01"),
              held("203.0.113.16/28", "fred-1", "2026-01-01"), inventory=family, now=NOW)  # fmt: skip
    policy()
    deliver(report(event(EMMA)))
    deliver(report(event(FRED, at=NOW)), now=LATER)
    parent, fred = case("Rory"), case("Fred")
    assert fred.parent == parent and parent.events == 2
    assert LATER < fred.resolve_due_at < parent.resolve_due_at
    assert fred.ack_due_at <= parent.ack_due_at


def test_moving_a_clients_events_recounts_the_reseller():
    provider()
    deliver(report(event(EMMA), event(EMMA, at=NOW - timedelta(hours=1)), event(CAROL)))
    assert case("Rory").events == 2
    key = Event.objects.filter(case_id=case("Emma").pk).first().key
    change = rearranging.move(event_keys=[key], to=case("Carol").pk, by="alice", now=LATER, reason="wrong host")
    assert {c.customer.name: c.events for c in Case.objects.all()} == {"Rory": 1, "Emma": 1, "Carol": 2}
    rearranging.undo(change=change.pk, by="alice", now=LATER)
    assert {c.customer.name: c.events for c in Case.objects.all()} == {"Rory": 2, "Emma": 2, "Carol": 1}
    assert sum(CaseReport.objects.filter(case=case("Rory")).values_list("events", flat=True)) == 2


def test_merged_resellers_cases_count_the_clients_of_both():
    provider()
    deliver(report(event(EMMA)), report(event(EMMA, at=NOW - timedelta(hours=5)), category="malware"))
    into, other = case("Rory", category="phishing"), case("Rory", category="malware")
    rearranging.merge(cases=[other.pk], into=into.pk, by="alice", now=LATER)
    into.refresh_from_db()
    assert into.events == 2
    deliver(report(event(EMMA, at=NOW), category="malware"), now=LATER)
    into.refresh_from_db()
    assert into.events == 3 and case("Emma", category="malware").events == 2


def test_a_case_merged_twice_leads_to_the_last():
    provider()
    deliver(
        *[report(event(CAROL, at=NOW - timedelta(hours=n + 1)), category=c) for n, c in enumerate(("phishing", "malware", "spam"))]
    )
    first, second, third = (case("Carol", category=c) for c in ("phishing", "malware", "spam"))
    rearranging.merge(cases=[first.pk], into=second.pk, by="alice", now=LATER)
    rearranging.merge(cases=[second.pk], into=third.pk, by="alice", now=LATER)
    deliver(report(event(CAROL, at=NOW)), now=LATER)
    third.refresh_from_db()
    assert third.events == 4 and Case.objects.count() == 3
    assert set(Event.objects.values_list("case_id", flat=True)) == {third.pk}


def test_a_merged_groups_next_case_opens_though_an_older_one_still_stands():
    provider()
    deliver(report(event(CAROL)), report(event(CAROL, at=NOW - timedelta(hours=5)), category="malware"))
    malware, phishing = case("Carol", category="malware"), case("Carol", category="phishing")
    rearranging.merge(cases=[malware.pk], into=phishing.pk, by="alice", now=LATER)
    much_later = NOW + timedelta(days=200)
    Case.objects.filter(pk=phishing.pk).update(window_until=NOW + timedelta(days=100))
    deliver(report(event(CAROL, at=much_later - timedelta(hours=1)), category="malware"), now=much_later)
    fresh = Case.objects.get(category="malware", accepting=True)
    assert fresh.links.get(kind="continues").other == phishing


def test_undoing_a_merge_whose_place_was_taken_stands_beside_the_newer_case():
    provider()
    deliver(report(event(CAROL)), report(event(CAROL, at=NOW - timedelta(hours=5)), category="malware"))
    malware, phishing = case("Carol", category="malware"), case("Carol", category="phishing")
    change = rearranging.merge(cases=[malware.pk], into=phishing.pk, by="alice", now=LATER)
    services.open_by_hand(customer=malware.customer_id, service=malware.service_id, category="malware", headline=CAROL,
                          description="a call", by="alice", now=LATER)  # fmt: skip
    rearranging.undo(change=change.pk, by="alice", now=LATER)
    malware.refresh_from_db()
    assert (malware.merged_into, malware.accepting, malware.events) == (None, False, 1)


def test_a_split_is_not_undone_under_a_later_merge_of_what_it_made():
    provider()
    deliver(report(event(CAROL), event(CAROL, at=NOW - timedelta(hours=1))), report(event(CAROL, at=NOW), category="malware"))
    phishing, malware = case("Carol", category="phishing"), case("Carol", category="malware")
    key = Event.objects.filter(case_id=phishing.pk).first().key
    fresh, change = rearranging.split(case=phishing.pk, event_keys=[key], by="alice", now=LATER, reason="another page")
    rearranging.merge(cases=[fresh.pk], into=malware.pk, by="alice", now=LATER)
    with pytest.raises(Refused, match="later merge"):
        rearranging.undo(change=change.pk, by="alice", now=LATER)


def test_a_split_without_events_makes_no_case():
    provider()
    deliver(report(event(CAROL)), report(event(CAROL, at=NOW), category="malware"))
    key = Event.objects.get(category="malware").key
    with pytest.raises(InputError, match="not in case"):
        rearranging.split(case=case("Carol", category="phishing").pk, event_keys=[key], by="alice", now=LATER, reason="x")
