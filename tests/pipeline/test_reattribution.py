"""The inventory learns about the past; the events follow, and nothing that was said before is lost."""

from datetime import timedelta

import pytest
from django.db import connection

from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tipstaff.accounts.models import Assignment, InventorySource, Service
from tipstaff.audit.models import Entry
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.pipeline import context, reattribution
from tipstaff.pipeline.models import Mark
from tipstaff.reports.models import Attributed, Event

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def running(db):
    """The worker has been running since before all this."""
    Mark.objects.create(name=reattribution.MARK, at=NOW - timedelta(days=1))


def catch_up(now=LATER):
    return reattribution.catch_up(context.load(now), now)


def test_a_backdated_correction_moves_events_and_lists_the_cases():
    provider()
    deliver(report(event(CAROL), event(CAROL, at=NOW - timedelta(days=60))))
    wrong = Case.objects.get()
    Assignment.objects.create(
        prefix="192.0.2.7/32",
        period=(NOW - timedelta(days=14), None),
        service=Service.objects.get(name="dave-1"),
        recorded_at=LATER,
    )
    _changed()
    done = catch_up()
    right = Case.objects.exclude(pk=wrong.pk).get()
    assert right.customer.name == "Dave"
    assert (done.events, done.left, done.joined) == (1, {wrong.pk}, {right.pk})
    wrong.refresh_from_db()
    assert wrong.events == 1 and "belong to another customer" in wrong.needs_person
    kept = Attributed.objects.get()
    assert kept.before["customer"] == wrong.customer_id and kept.after["case"] == right.pk
    assert JournalEntry.objects.filter(case=wrong, kind="attribution").count() == 1
    assert Entry.objects.get(action="reports.reattribute").detail["cases_left"] == [wrong.pk]


def _changed():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_inventoryversion (id, number) VALUES (1, 100) ON CONFLICT (id) DO UPDATE SET number = 100"
        )


def test_catching_up_twice_changes_nothing():
    provider()
    deliver(report(event(CAROL)))
    assert catch_up().events == 0
    assert catch_up(LATER + timedelta(hours=1)).events == 0
    assert not Attributed.objects.exists()


def test_an_event_newer_than_its_sources_last_word_is_provisional_until_it_speaks():
    provider()
    InventorySource.objects.update(last_word_at=NOW - timedelta(hours=6))
    deliver(report(event(CAROL)))
    case = Case.objects.get()
    assert case.provisional and case.state == "TRIAGE" and Event.objects.get().provisional
    InventorySource.objects.update(last_word_at=LATER)
    catch_up()
    case.refresh_from_db()
    assert not case.provisional and not Event.objects.get().provisional


def test_what_was_not_assigned_finds_its_holder_later():
    provider()
    deliver(report(event("192.0.2.9", at=NOW - timedelta(days=300))))
    assert not Case.objects.exists()
    Assignment.objects.create(
        prefix="192.0.2.9/32",
        period=(NOW - timedelta(days=400), NOW - timedelta(days=200)),
        service=Service.objects.get(name="dave-1"),
        recorded_at=LATER,
    )
    _changed()
    assert catch_up().events == 1
    assert Case.objects.get().customer.name == "Dave"


def test_the_first_look_ever_only_remembers_the_moment():
    Mark.objects.all().delete()
    provider()
    deliver(report(event(CAROL)))
    assert catch_up().events == 0
    assert Mark.objects.get().at == LATER
