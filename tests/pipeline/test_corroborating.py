"""A complaint arrives; our own archive is asked about it; the case shows what came of it and nothing is decided by it."""

from datetime import timedelta

import numpy as np
import pytest

from tests.pipeline.given import CAROL, NOW, deliver, event, feed, provider, report
from tests.sensors.traffic.test_archive import made, stored
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.evidence.access import grant
from tipstaff.evidence.services import read
from tipstaff.kernel.errors import Refused
from tipstaff.pipeline import corroborating
from tipstaff.reports import corroborations
from tipstaff.reports.models import Corroboration, Report
from tipstaff.sensors.traffic.models import Exporter

pytestmark = pytest.mark.django_db
VICTIM, AT = "203.0.113.66", NOW - timedelta(hours=2)
ATTACK = {"details": {"victim_ips": [VICTIM], "victim_ports": [22], "protocol": "tcp"}, "port": 51514}


def number(text):
    a, b, c, d = map(int, text.split("."))
    return a << 24 | b << 16 | c << 8 | d


def flows(at, rate=1, target=VICTIM, count=3):
    """Other traffic at that time, and Carol's host talking to port 22 of somebody."""
    columns = made(200, six=False, at=at - timedelta(minutes=20))
    columns["rate"] = np.full(200, rate, np.uint32)
    for i in range(count):
        columns["src"][i], columns["dst"][i] = number(CAROL), number(target)
        columns["src_port"][i], columns["dst_port"][i], columns["protocol"][i] = 51514, 22, 6
        columns["src_customer"][i], columns["dst_customer"][i] = 1, 0
        columns["ended"][i], columns["lasted"][i] = int(at.timestamp() * 1000) + i, 0
    return columns


@pytest.fixture
def archive(settings, tmp_path):
    """Flows at these moments, in files of their hours; an old one, so that the time in question is kept."""
    settings.STATE = tmp_path
    root = tmp_path / "flows" / "archive"

    def keep(*parts):
        stored(root, made(50, six=False, at=NOW - timedelta(days=3)), at=NOW - timedelta(days=3))
        for at, columns in parts:
            stored(root, columns, at=at)

    return keep


def looked(now=NOW):
    corroborating.Looker().step(now)
    return corroborations.of_case(Case.objects.get().pk)


def test_a_complaint_that_our_flows_saw(archive) -> None:
    provider()
    archive((AT, flows(AT)))
    deliver(report(event(CAROL, at=AT, **ATTACK), category="intrusion"))
    state = Case.objects.get().state
    (row,) = looked()
    assert (row.verdict, row.flows, row.offset_hours, row.address, row.by) == ("seen", 3, 0, CAROL, "system:flows")
    assert Report.objects.get().verification["flows"] == "seen"
    case = Case.objects.get()
    assert (case.state, case.needs_person) == (state, "")  # it accuses nobody by itself
    assert "our own flows saw" in JournalEntry.objects.get(case=case, kind="corroboration").text
    kept = read(blob=row.blob, grant=grant(blob=row.blob, actor="alice", basis="test"), view="raw", now=NOW).decode()
    assert VICTIM in kept and '"rates"' in kept and '"peer_port": 22' in kept


def test_each_report_is_looked_at_once_and_again_on_demand(archive) -> None:
    provider()
    archive((AT, flows(AT)))
    deliver(report(event(CAROL, at=AT, **ATTACK), category="intrusion"))
    looker = corroborating.Looker()
    assert [looker.step(NOW), looker.step(NOW), corroborating.Looker().step(NOW)] == [1, 0, 0]
    deliver(report(event(CAROL, at=AT + timedelta(minutes=1), **ATTACK), category="intrusion", by="robin@example.com"))
    assert looker.step(NOW) == 1
    case = Case.objects.get().pk
    assert corroborating.look_now(case=case, by="alice", now=NOW) == 2
    assert Corroboration.objects.count() == 4 and len(corroborations.of_case(case)) == 2
    assert JournalEntry.objects.filter(case=case, kind="corroboration").count() == 1


def test_a_forgotten_time_zone_is_found_and_named(archive) -> None:
    provider()
    archive((AT + timedelta(hours=2), flows(AT + timedelta(hours=2))), (AT, flows(AT, count=0)))
    deliver(report(event(CAROL, at=AT, time_as_written="2026-06-15 10:00:00 +0200", **ATTACK), category="intrusion"))
    (row,) = looked()
    assert (row.verdict, row.offset_hours) == ("seen", 2) and "+2 h" in row.reason and 4.0 in row.watch["tried_hours"]


def test_an_exporters_wrong_clock_is_taken_out(archive) -> None:
    provider()
    heard = {"streams": [{"skew_ms": 600_000, "lost": 0, "received": 9}]}
    Exporter.objects.create(pk=3, address="192.0.2.1", confirmed_at=NOW, facts=heard)
    columns = flows(AT + timedelta(minutes=10))
    columns["exporter"] = np.full(200, 3, np.uint32)
    archive((AT, columns))
    deliver(report(event(CAROL, at=AT, **ATTACK), category="intrusion"))
    (row,) = looked()
    assert row.verdict == "seen" and abs(row.skew_seconds) < 1 and row.watch["skew_s"] == {"3": 600.0}


def test_what_was_not_there_asks_a_person_and_stops_doing_so_when_more_arrives(archive) -> None:
    provider()
    archive((NOW, flows(NOW, count=0)))
    at = NOW - timedelta(minutes=5)
    deliver(report(event(CAROL, at=at, count=40, **ATTACK), category="intrusion"))
    (row,) = looked()
    assert row.verdict == "not seen" and row.missed < 1e-6 and row.again_at == at + corroborating.LATE
    case = Case.objects.get()
    assert "did not see" in case.needs_person and case.closed_at is None
    archive((NOW, flows(at)))
    looker = corroborating.Looker()
    assert looker.step(NOW + timedelta(minutes=10)) == 0  # not due yet
    assert looker.step(NOW + timedelta(minutes=31)) == 1
    (row,) = corroborations.of_case(case.pk)
    case.refresh_from_db()
    assert (row.verdict, row.again_at, case.needs_person) == ("seen", None, "")
    assert Corroboration.objects.filter(again_at__isnull=False).count() == 0


@pytest.mark.parametrize(
    ("rate", "at", "details", "why"),
    [
        (1000, AT, {"victim_ips": [VICTIM], "victim_ports": [22]}, "sampling 1 in 1000"),
        (0, AT, {"victim_ips": [VICTIM]}, "sampling rate of an exporter is not known"),
        (1, NOW - timedelta(days=30), {"victim_ips": [VICTIM]}, "not kept"),
        (1, AT, {"victim_ips": ["192.168.7.7"]}, "names neither whom nor a port"),
    ],
)
def test_it_cannot_be_told(archive, rate, at, details, why) -> None:
    provider()
    archive((AT, flows(AT, rate=rate, target="203.0.113.70")))
    deliver(report(event(CAROL, at=at, details=details), category="intrusion"))
    (row,) = looked()
    assert row.verdict == "cannot tell" and why in row.reason
    assert "did not see" not in Case.objects.get().needs_person


def test_what_leaves_no_traffic_and_feeds_are_not_looked_for(archive) -> None:
    provider()
    archive((AT, flows(AT)))
    deliver(report(event(CAROL, at=AT), category="phishing"))
    deliver(feed([CAROL]))
    assert corroborating.Looker().step(NOW) == 0 and not Corroboration.objects.exists()


def test_without_flow_statistics_nothing_is_claimed(archive) -> None:
    provider()
    deliver(report(event(CAROL, at=AT, **ATTACK), category="intrusion"))
    assert corroborating.Looker().step(NOW) == 0
    with pytest.raises(Refused, match="No flow statistics"):
        corroborating.look_now(case=Case.objects.get().pk, by="alice", now=NOW)
