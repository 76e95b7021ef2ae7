"""Events lie in monthly partitions; months expire, holds keep, and the application's role cannot do what only the owner may."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from tests.pipeline.given import CAROL, DAVE, EMMA, NOW, colleagues, deliver, event, provider, report
from tipstaff.audit.models import Entry
from tipstaff.audit.services import record
from tipstaff.cases import rearranging
from tipstaff.cases.models import Case
from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import place_hold, release_hold
from tipstaff.intake.models import Submission
from tipstaff.pipeline import sweeping
from tipstaff.reports import bulk
from tipstaff.reports.models import Event, Report

pytestmark = pytest.mark.django_db
OLD = NOW - timedelta(days=30)
AFTER = NOW + sweeping.EVENTS_KEPT + timedelta(days=62)


def refused(statement, *values) -> bool:
    """Whether the database refuses it for want of a right, and for nothing else."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
    except DatabaseError as error:
        return any(words in str(error) for words in ("permission denied", "must be owner"))
    return False


def test_a_month_is_made_once_and_takes_its_own_in_utc():
    edge = datetime(2027, 3, 1, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL timezone = 'Asia/Tokyo'")
    names = {bulk.ensure_partition(moment) for moment in (edge, edge + timedelta(days=30), edge)}
    assert names == {"reports_event_2027_03"}
    assert bulk.ensure_partition(edge - timedelta(microseconds=1)) == "reports_event_2027_02"
    assert bulk.ensure_partition(datetime(2027, 12, 31, 23, tzinfo=UTC)) == "reports_event_2027_12"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'reports_event_2027_03'")
        cursor.execute("SET LOCAL timezone = 'UTC'")
        cursor.execute("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'reports_event_2027_03'")
        assert cursor.fetchone()[0] == "FOR VALUES FROM ('2027-03-01 00:00:00+00') TO ('2027-04-01 00:00:00+00')"


def test_every_partition_has_all_indexes():
    part = bulk.ensure_partition(datetime(2031, 5, 6, tzinfo=UTC))
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [part])
        names = {row[0].removeprefix(part) for row in cursor.fetchall()}
    assert names == {"_key", "_case", "_ip", "_report", "_provisional", "_held", "_host"}


def test_the_application_neither_makes_nor_drops_nor_changes_tables():
    part = bulk.ensure_partition(NOW)
    assert refused("CREATE TABLE mine (x int)")
    assert refused(f"DROP TABLE {part}")
    assert refused("DROP TABLE reports_event")
    assert refused("ALTER TABLE reports_event ADD COLUMN x int")
    assert refused("TRUNCATE reports_event")
    assert refused(
        "CREATE OR REPLACE FUNCTION reports_ensure_partition(at timestamptz) RETURNS text LANGUAGE sql AS 'SELECT 1::text'"
    )


def test_the_application_changes_no_audit_row():
    record(by="alice", action="test", subject="x", now=NOW)
    for statement in ("UPDATE audit_entry SET actor = 'dave'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"):
        assert refused(statement)
    assert Entry.objects.get().actor == "alice"


@pytest.mark.parametrize(
    "part", ["audit_entry", "reports_event", "reports_event_2026_06; DROP TABLE audit_entry", "reports_event_1999_01"]
)
def test_only_a_partition_can_be_expired(part):
    with pytest.raises(DatabaseError, match="is no partition"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT reports_expire_partition(%s, '{}', '{}')", [part])


def test_a_look_alike_table_is_no_partition(owner):
    owner.execute("CREATE TABLE reports_event_1990_01 (x int)")
    try:
        with pytest.raises(DatabaseError, match="is no partition"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT reports_expire_partition('reports_event_1990_01', '{}', '{}')")
    finally:
        owner.execute("DROP TABLE reports_event_1990_01")


def test_identity_is_unique_within_a_partition():
    provider()
    deliver(report(event(CAROL)))
    stored = Event.objects.values().get()
    with pytest.raises(DatabaseError, match="duplicate key"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO reports_event (key, received_at, report_id, category, report_type, attribution)
               VALUES (%s, %s, 1, 'x', 'x', 0)""",
            [stored["key"], stored["received_at"]],
        )


def test_the_past_goes_and_the_present_stays():
    provider()
    deliver(report(event(CAROL, at=OLD)), now=OLD)
    deliver(report(event(CAROL)))
    gone = sweeping.expire(now=OLD + sweeping.EVENTS_KEPT + timedelta(days=20))
    assert f"reports_event_{OLD:%Y_%m}" in gone and f"reports_event_{OLD:%Y_%m}" not in bulk.partitions()
    assert [e.received_at for e in Event.objects.all()] == [NOW]


def survivors():
    sweeping.expire(now=AFTER)
    return {str(e.ip) for e in Event.objects.all()}


def three():
    provider()
    deliver(report(event(CAROL)))
    deliver(report(event(DAVE)), report(event(EMMA)))


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        (lambda: "all", {CAROL, DAVE, EMMA}),
        (lambda: f"case:{Case.objects.get(customer__name='Carol').pk}", {CAROL}),
        (lambda: f"customer:{Case.objects.get(customer__name='Dave').customer_id}", {DAVE}),
        (lambda: f"report:{Event.objects.get(ip=DAVE).report_id}", {DAVE}),
        (lambda: f"case:{Case.objects.get(customer__name='Rory').pk}", {EMMA}),
        (lambda: f"customer:{Case.objects.get(customer__name='Rory').customer_id}", {EMMA}),
        (lambda: "case:999999", set()),
    ],
    ids=["all", "case", "customer", "report", "resellers case", "reseller", "other"],
)
def test_a_hold_keeps_the_events_and_the_evidence_of_what_it_names(scope, left):
    three()
    hold = place_hold(scope=scope(), reason="court order", by="bob", now=NOW)
    blobs = {s.blob_id for s in Submission.objects.all() if any(str(e.ip) in left for e in Event.objects.filter(
        report_id__in=Report.objects.filter(submission=s).values("id")))}  # fmt: skip
    Blob.objects.update(retain_until=NOW)
    assert survivors() == left
    assert {b.pk for b in Blob.objects.filter(wrapped_key__isnull=False)} == blobs
    release_hold(hold=hold, by="bob", reason="over", now=AFTER)
    assert survivors() == set()
    assert not Blob.objects.filter(wrapped_key__isnull=False).exists()


def test_a_hold_on_a_case_follows_it_into_the_one_it_was_merged_with():
    provider()
    deliver(report(event(CAROL)), report(event("192.0.2.8", at=NOW - timedelta(hours=7)), category="malware"))
    held, into = Case.objects.get(category="malware"), Case.objects.get(category="phishing")
    place_hold(scope=f"case:{held.pk}", reason="court order", by="bob", now=NOW)
    colleagues()
    rearranging.merge(cases=[held.pk], into=into.pk, by="alice", now=NOW)
    assert survivors() == {CAROL, "192.0.2.8"}


def test_a_temporary_table_of_the_caller_cannot_stand_in_for_the_holds():
    three()
    place_hold(scope="all", reason="court order", by="bob", now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE evidence_hold (scope text, released_at timestamptz) ON COMMIT DROP")
    assert survivors() == {CAROL, DAVE, EMMA}


def test_a_redelivery_across_months_is_known_wherever_it_lies():
    provider()
    deliver(report(event(CAROL)), report(event(CAROL, at=None), reported_at=NOW))
    for days in (20, 50, 80):
        outcome = deliver(report(event(CAROL)), report(event(CAROL, at=None), reported_at=NOW), now=NOW + timedelta(days=days))
        assert (outcome.events, outcome.duplicates) == (0, 2)
    assert len({UUID(str(key)) for key in Event.objects.values_list("key", flat=True)}) == 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_the_same_month_at_once(database_url):
    with psycopg.connect(database_url) as first, psycopg.connect(database_url, autocommit=True) as second:
        first.execute("SELECT reports_ensure_partition('2031-05-05Z')")
        second.execute("SET lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute("SELECT reports_ensure_partition('2031-05-06Z')")
        first.commit()
        assert second.execute("SELECT reports_ensure_partition('2031-05-06Z')").fetchone() == ("reports_event_2031_05",)
