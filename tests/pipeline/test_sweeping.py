"""What time brings about, once, whoever looks."""

from datetime import timedelta

import psycopg
import pytest

from tests.pipeline.given import CAROL, DAVE, NOW, deliver, event, feed, provider, report
from tipstaff.cases.models import Case
from tipstaff.intake.models import Source
from tipstaff.kernel.errors import Refused
from tipstaff.kernel.models import Heartbeat
from tipstaff.pipeline import sweeping
from tipstaff.reports.bulk import partitions

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def source(name, **more):
    return Source.objects.create(
        **{"name": name, "kind": "pull", "created_at": NOW - timedelta(days=9), "expected_every": HOUR} | more
    )


def test_sources_that_fell_silent_are_marked_once():
    source("silent", last_received_at=NOW - 2 * HOUR)
    source("never", last_received_at=None)
    source("fresh", created_at=NOW, last_received_at=None)
    source("lively", last_received_at=NOW - HOUR + timedelta(seconds=1))
    source("off", last_received_at=NOW - 2 * HOUR, enabled=False)
    source("unasked", last_received_at=None, expected_every=None)
    assert sweeping.note_silent_sources(now=NOW) == 2
    assert sweeping.note_silent_sources(now=NOW + timedelta(minutes=1)) <= 1
    assert set(Source.objects.filter(silent_since=NOW).values_list("name", flat=True)) == {"silent", "never"}


def test_a_sweep_makes_the_months_to_come_and_forgets_the_dead():
    Heartbeat.objects.create(name="worker", host="h", pid=1, at=NOW - timedelta(days=2), started_at=NOW)
    Heartbeat.objects.create(name="worker", host="h", pid=2, at=NOW, started_at=NOW)
    sweeping.sweep(now=NOW + timedelta(days=11))
    assert {"reports_event_2026_06", "reports_event_2026_07"} <= set(partitions())
    sweeping.sweep(now=NOW)
    assert Heartbeat.objects.filter(at__lt=NOW).count() == 0


@pytest.mark.django_db(transaction=True)
def test_one_sweeps_while_the_others_go_on(database_url):
    source("silent", last_received_at=NOW - 2 * HOUR)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [sweeping.SWEEP_LOCK])
        sweeping.sweep(now=NOW)
        assert Source.objects.get().silent_since is None
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [sweeping.EXPIRY_LOCK])
        assert sweeping.expire(now=NOW + timedelta(days=9000)) == []
    sweeping.sweep(now=NOW)
    assert Source.objects.get().silent_since == NOW


def three_deliveries_without_carol():
    for day in range(1, 4):
        moment = NOW + timedelta(days=day)
        deliver(feed([DAVE], at=moment - 3 * HOUR), now=moment, kind="pull")
    return NOW + timedelta(days=3)


def test_a_case_that_a_person_reported_too_does_not_close_by_absence():
    provider()
    deliver(feed([CAROL, DAVE]), kind="pull")
    deliver(report(event(CAROL), category="vulnerable"))
    assert Case.objects.get(customer__name="Carol").reports == 2
    assert sweeping.close_absent_findings(now=three_deliveries_without_carol()) == 0


def test_a_person_who_closes_first_does_not_stop_the_sweep(monkeypatch):
    provider()
    deliver(feed([CAROL, "192.0.2.8", DAVE]), kind="pull")
    moment = three_deliveries_without_carol()

    def refuse(**_):
        raise Refused("case 1 is closed")

    monkeypatch.setattr(sweeping.cases, "close", refuse)
    assert sweeping.close_absent_findings(now=moment) == 0


def test_a_finding_that_comes_back_starts_to_count_again():
    provider()
    deliver(feed([CAROL, DAVE]), kind="pull")
    moment = NOW
    for day in range(1, 8):
        moment = NOW + timedelta(days=day)
        deliver(feed([DAVE, *([CAROL] if day % 3 == 0 else [])], at=moment - 3 * HOUR), now=moment, kind="pull")
        assert sweeping.close_absent_findings(now=moment) == 0
