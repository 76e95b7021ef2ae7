"""Merge, split and move carry everything, and undo puts everything back."""

from datetime import timedelta

import pytest

from tests.pipeline.given import CAROL, DAVE, NOW, colleagues, deliver, event, provider, report
from tipstaff.cases import rearranging
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.cases.services import close, open_by_hand
from tipstaff.kernel.errors import InputError, Refused
from tipstaff.reports.models import Event

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def people(db):
    """Alice and Bob work here."""
    return colleagues()


def picture():
    """All that a change may touch, to compare before and after."""
    events = list(Event.objects.order_by("key").values_list("key", "case_id"))
    fields = ("id", "state", "outcome", "accepting", "events", "reports", "reporters", "merged_into_id", "closed_at", "next_due_at")
    return events, list(Case.objects.order_by("id").values_list(*fields))


def two_of_carol():
    provider()
    deliver(report(event(CAROL)), report(event(CAROL, at=NOW - timedelta(hours=5)), category="malware", by="robin@example.com"))
    return Case.objects.get(category="phishing"), Case.objects.get(category="malware")


def test_a_merge_carries_events_reporters_and_history():
    into, other = two_of_carol()
    rearranging.merge(cases=[other.pk], into=into.pk, by="alice", now=LATER, reason="one kit")
    into.refresh_from_db()
    other.refresh_from_db()
    assert (into.events, into.reports, into.reporters) == (2, 2, 2)
    assert (other.events, other.merged_into, other.state) == (0, into, "MERGED")
    assert set(Event.objects.values_list("case_id", flat=True)) == {into.pk}
    assert into.links.get().other == other


def test_new_events_of_a_merged_case_join_the_one_it_went_into():
    into, other = two_of_carol()
    rearranging.merge(cases=[other.pk], into=into.pk, by="alice", now=LATER)
    deliver(report(event(CAROL, at=NOW), category="malware"), now=LATER)
    assert Case.objects.count() == 2
    into.refresh_from_db()
    assert into.events == 3


def test_cases_of_two_customers_are_not_merged():
    provider()
    deliver(report(event(CAROL), event(DAVE)))
    first, second = Case.objects.order_by("id")
    with pytest.raises(Refused, match="another customer"):
        rearranging.merge(cases=[second.pk], into=first.pk, by="alice", now=LATER)


def test_many_are_merged_at_once_and_undone():
    into, other = two_of_carol()
    third = open_by_hand(customer=into.customer_id, category="spam", headline=CAROL, description="a call", by="alice", now=NOW)
    before = picture()
    change = rearranging.merge(cases=[other.pk, third.pk], into=into.pk, by="alice", now=LATER)
    assert picture() != before
    rearranging.undo(change=change.pk, by="alice", now=LATER)
    assert picture() == before
    with pytest.raises(Refused, match="was undone"):
        rearranging.undo(change=change.pk, by="alice", now=LATER)


def test_a_split_sets_events_apart_and_is_undone():
    provider()
    deliver(report(event(CAROL), event("192.0.2.8")))
    case = Case.objects.get()
    key = Event.objects.get(ip="192.0.2.8").key
    fresh, change = rearranging.split(case=case.pk, event_keys=[key], by="alice", now=LATER, reason="another machine")
    case.refresh_from_db()
    assert (case.events, fresh.events, fresh.customer_id) == (1, 1, case.customer_id)
    deliver(report(event(CAROL, at=NOW)), now=LATER)
    case.refresh_from_db()
    assert case.events == 2
    rearranging.undo(change=change.pk, by="alice", now=LATER)
    assert Event.objects.get(key=key).case_id == case.pk
    fresh.refresh_from_db()
    assert fresh.closed_at == LATER


def test_events_are_moved_to_another_customer_by_a_person_with_a_reason():
    provider()
    deliver(report(event(CAROL), event(DAVE)))
    carol, dave = Case.objects.get(customer__name="Carol"), Case.objects.get(customer__name="Dave")
    key = Event.objects.get(ip=CAROL).key
    with pytest.raises(InputError, match="reason"):
        rearranging.move(event_keys=[key], to=dave.pk, by="alice", now=LATER, reason=" ")
    change = rearranging.move(event_keys=[key], to=dave.pk, by="alice", now=LATER, reason="behind Dave's proxy")
    carol.refresh_from_db()
    dave.refresh_from_db()
    assert (carol.events, dave.events) == (0, 2)
    assert JournalEntry.objects.filter(case=carol, kind="move").count() == 1
    rearranging.undo(change=change.pk, by="alice", now=LATER)
    dave.refresh_from_db()
    assert dave.events == 1


def test_an_earlier_change_is_not_undone_past_a_later_one():
    into, other = two_of_carol()
    first = rearranging.merge(cases=[other.pk], into=into.pk, by="alice", now=LATER)
    key = Event.objects.first().key
    rearranging.split(case=into.pk, event_keys=[key], by="alice", now=LATER, reason="apart")
    with pytest.raises(Refused, match="later split"):
        rearranging.undo(change=first.pk, by="alice", now=LATER)


def test_a_closed_case_is_left_alone():
    into, other = two_of_carol()
    close(case=other.pk, outcome="RESOLVED", reason="gone", by="alice", now=NOW)
    with pytest.raises(Refused, match="closed"):
        rearranging.merge(cases=[other.pk], into=into.pk, by="alice", now=LATER)
