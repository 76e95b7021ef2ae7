"""The inventory learns about the past; the events follow, and nothing that was said before is lost."""

from datetime import timedelta

import pytest
from django.db import connection

from tests.pipeline.given import CAROL, NOW, colleagues, deliver, event, provider, report
from tipstaff.accounts.models import Assignment, Contact, Customer, InventorySource, Service
from tipstaff.audit.models import Entry
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.spool import Spool
from tipstaff.kernel import clock
from tipstaff.pipeline import context, digests, reattribution
from tipstaff.pipeline.models import Mark
from tipstaff.pipeline.worker import Worker
from tipstaff.reports.models import Attributed, Event, Rule, Tally
from tipstaff.reports.rules import Action

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


def test_mail_that_came_before_the_first_inventory_finds_its_holder(tmp_path):
    """The first import comes seconds after the first start: what was not ours until then is looked at again."""
    Mark.objects.all().delete()
    with clock.frozen(NOW - timedelta(minutes=1)):
        Worker(Spool(tmp_path / "spool")).prepare()
    deliver(report(event(CAROL)))
    assert Event.objects.get().attribution == 3 and not Case.objects.exists()
    provider()
    assert catch_up().events == 1
    assert Case.objects.get().customer.name == "Carol"


def counted(name, action=0):
    rows = Tally.objects.filter(customer_id=Customer.objects.get(name=name).pk, action=action)
    return sum(rows.values_list("events", flat=True))


def test_counts_follow_events_to_their_holder():
    provider()
    deliver(report(event(CAROL), event(CAROL, at=NOW - timedelta(days=60))))
    assert (counted("Carol"), counted("Dave")) == (2, 0)
    moves_to_dave()
    assert catch_up().events == 1
    assert (counted("Carol"), counted("Dave")) == (1, 1)
    assert catch_up(LATER + timedelta(hours=1)).events == 0
    assert (counted("Carol"), counted("Dave")) == (1, 1)


def test_the_digest_tells_nobody_of_events_that_were_somebody_elses():
    provider()
    Rule.objects.create(position=1, name="digest", action="digest", enabled=True, by="bob", at=NOW)
    deliver(report(event(CAROL)))
    assert counted("Carol", Action.DIGEST) == 1
    for customer in Customer.objects.all():
        Contact.objects.create(customer=customer, role="abuse", name="Abuse", email=f"abuse@{customer.name.lower()}.example.org")
    moves_to_dave()
    catch_up(NOW + timedelta(hours=1))
    assert digests.write_digests(now=LATER) == 1
    assert OutboxMessage.objects.get(kind="digest").reference == f"customer:{Customer.objects.get(name='Dave').pk}"


def moves_to_dave():
    Assignment.objects.create(
        prefix="192.0.2.7/32",
        period=(NOW - timedelta(days=14), None),
        service=Service.objects.get(name="dave-1"),
        recorded_at=LATER,
    )
    _changed()


def test_a_forged_report_does_not_borrow_trust_when_it_is_attributed_again():
    from tipstaff.reports.models import Reporter

    provider()
    Reporter.objects.create(key="rita@example.org", email="rita@example.org", trust=3, first_seen=NOW, last_seen=NOW)
    deliver(report(event(CAROL)), kind="smtp")
    moves_to_dave()
    catch_up()
    assert Case.objects.get(customer__name="Dave").state == "TRIAGE"


def test_an_experimental_format_does_not_act_when_it_is_attributed_again():
    provider()
    deliver(report(event(CAROL), experimental=True))
    moves_to_dave()
    catch_up()
    dave = Case.objects.get(customer__name="Dave")
    assert dave.state == "TRIAGE" and "experimental" in dave.needs_person


def test_a_person_who_moved_an_event_is_not_overruled():
    from tipstaff.cases import rearranging

    provider()
    deliver(report(event(CAROL)), report(event("192.0.2.8"), category="malware"))
    other = Case.objects.get(category="malware")
    colleagues()
    rearranging.move(event_keys=[Event.objects.get(ip=CAROL).key], to=other.pk, by="alice", now=NOW, reason="one break-in")
    moves_to_dave()
    catch_up()
    stored = Event.objects.get(ip=CAROL)
    assert stored.case_id == other.pk and stored.customer_id != other.customer_id
    assert not Case.objects.filter(customer__name="Dave").exists()


def test_what_another_worker_has_moved_is_not_moved_again(monkeypatch):
    provider()
    deliver(report(event(CAROL)))
    moves_to_dave()
    known = context.load(LATER)
    pages = list(reattribution._pages(reattribution._IN_CHANGED_SPANS, NOW - timedelta(days=1)))
    for _ in range(2):  # both read the same rows before either wrote
        for rows in pages:
            reattribution._correct(rows, known, LATER)
    assert {case.customer.name: case.events for case in Case.objects.all()} == {"Carol": 0, "Dave": 1}
    assert Attributed.objects.count() == 1


def test_a_reseller_is_recounted_when_its_client_loses_events():
    from tests.pipeline.given import EMMA

    provider()
    deliver(report(event(EMMA), event(EMMA, at=NOW - timedelta(hours=1))))
    Assignment.objects.create(
        prefix=f"{EMMA}/32",
        period=(NOW - timedelta(minutes=90), None),
        service=Service.objects.get(name="rory-1"),
        recorded_at=LATER,
    )
    _changed()
    catch_up()
    assert sum(Case.objects.filter(customer__name="Emma").values_list("events", flat=True)) == 1
    family = Case.objects.get(customer__name="Rory", service=None)
    assert family.events == 1
