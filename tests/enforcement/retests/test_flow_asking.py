"""The retest of flows against a real archive; the never-test ranges; reporters who are really asked."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import numpy as np
import pytest

from tests.sensors.traffic.test_archive import made as random_flows
from tipstaff.accounts.models import OwnPrefix
from tipstaff.cases.models import Case
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.enforcement.models import Protected
from tipstaff.enforcement.retests import flow_asking, flow_quiet, recheck_letters, running
from tipstaff.enforcement.retests.contract import OK, STILL, UNCLEAR
from tipstaff.enforcement.retests.flow_quiet import Compared
from tipstaff.kernel.errors import Refused
from tipstaff.sensors.traffic.archive import files

H = timedelta(hours=1)
LOOK = Compared("direction out", "flows", then=4000, seen_then=40, since=3, watched=3 * H, covered=1.0, sampling=100)


@pytest.mark.parametrize(
    ("changes", "outcome", "words"),
    [
        ({}, OK, "3 flows in the worst hour since, 4,000"),
        ({"since": 1001}, STILL, "1,001"),
        ({"since": 1000}, OK, "1,000"),
        ({"found": 1}, STILL, "detectors"),
        ({"seen_then": 9}, UNCLEAR, "sampling 1 in 100 showed only 9"),
        ({"seen_then": 0, "sampling": 0}, UNCLEAR, "not known"),
        ({"then": None}, UNCLEAR, "kept"),
        ({"covered": 0.89}, UNCLEAR, "fully"),
        ({"watched": timedelta(minutes=59)}, UNCLEAR, "long"),
    ],
)
def test_quiet_is_less_than_a_quarter_of_what_was_complained_of(changes, outcome, words) -> None:
    seen = flow_quiet.compare(replace(LOOK, **changes))
    assert seen.outcome == outcome and words in seen.text


def test_without_an_archive_nobody_can_tell() -> None:
    assert flow_quiet.compare(None).outcome == UNCLEAR


@pytest.fixture
def case(db, tmp_path, settings) -> Case:
    """Carol's 198.51.100.7 sent mail to 300 hosts an hour before now, and our exporters were heard since."""
    from tests.accounts.given import delivered, held
    from tests.pipeline.given import NOW, deliver, event, policy, report

    settings.STATE = tmp_path
    OwnPrefix.objects.create(prefix="198.51.100.0/24")
    delivered(held("198.51.100.7/32", "carol-1", "2026-01-01"), now=NOW)
    policy()
    deliver(report(event(ip="198.51.100.7", at=NOW - 6 * H), category="spam"))
    root = tmp_path / "flows" / "archive"
    files.make_room(root)
    for hours in range(8, 0, -1):
        at = NOW - hours * H
        columns = random_flows(600, seed=hours, six=False, at=at)
        columns["dst_port"][:] = 443
        columns["rate"][:] = 10
        columns["src_customer"][:], columns["dst_customer"][:] = 1, 0
        if hours == 6:
            columns["src"][:300] = int(ip_network("198.51.100.7").network_address)
            columns["dst_port"][:300] = 25
            columns["protocol"][:300] = 6
        columns["ended"] = int(at.timestamp() * 1000) + np.arange(600) * 5_999
        files.write(root / "fresh" / f"{files.stamp(int(at.timestamp() * 1000))}-{hours:06d}.parquet", columns)
    return Case.objects.get()


def asked(case: Case, since, **more):
    from tests.pipeline.given import NOW

    return flow_quiet.compare(flow_asking.ask(case, "198.51.100.7", running.space(), since, more.get("found", 0), now=NOW))


def test_the_archive_is_asked_for_the_kind_that_was_complained_of(case) -> None:
    from tests.pipeline.given import NOW

    quiet = asked(case, NOW - 4 * H)
    assert (quiet.outcome, quiet.detail["then"], quiet.detail["since"]) == (OK, 300.0, 0.0)
    assert asked(case, NOW - 7 * H).outcome == STILL, "the burst lies after that claim"
    case.category = "phishing"
    assert asked(case, NOW - 4 * H).outcome == UNCLEAR


@pytest.mark.slow
def test_a_cluster_is_asked_as_files_are_and_one_that_is_away_cannot_tell(case, settings, tmp_path, monkeypatch) -> None:
    from tests.pipeline.given import NOW
    from tests.sensors.traffic.test_clickhouse import InProcess
    from tipstaff.sensors.traffic.archive.clickhouse import Cluster, Schema
    from tipstaff.sensors.traffic.archive.shipping import Shipper

    settings.FLOWS = settings.FLOWS | {"clickhouse": {"url": "http://127.0.0.1:1", "database": "tipstaff", "cluster": ""}}
    away = asked(case, NOW - 4 * H)
    server, schema = InProcess(tmp_path), Schema("tipstaff", minutes_days=10_000, hours_days=10_000)
    for statement in schema.statements():
        server.run(statement)
    cluster = Cluster(server)
    (tmp_path / "flows" / "archive" / "holds.json").write_text('{"all": false, "customers": []}')
    assert Shipper(tmp_path / "flows" / "archive", cluster, 24 * 36500, schema).step() == 8
    monkeypatch.setattr(flow_asking.flow_queries, "archive", lambda limit: cluster)
    quiet, loud = asked(case, NOW - 4 * H), asked(case, NOW - 7 * H)
    server.session.close()
    assert (away.outcome, quiet.outcome, loud.outcome) == (UNCLEAR, OK, STILL)
    assert (quiet.detail["then"], quiet.detail["since"]) == (300.0, 0.0)


def test_nobody_elses_address_is_asked_about(case) -> None:
    with pytest.raises(Refused, match="not ours"):
        flow_asking.ask(case, "203.0.113.1", running.space(), None, 0, now=case.opened_at)


def test_what_is_never_to_be_tested_comes_from_settings_and_the_never_touch_list(case, settings) -> None:
    settings.NEVER_TEST = (ip_network("198.51.100.0/29"),)
    with pytest.raises(Refused, match="never-touch"):
        running.space().check("198.51.100.7")
    settings.NEVER_TEST = ()
    assert str(running.space().check("198.51.100.7")) == "198.51.100.7"
    Protected.objects.create(prefix="198.51.100.7/32", why="a resolver", by="bob", added_at=case.opened_at)
    with pytest.raises(Refused, match="never-touch"):
        running.space().check("198.51.100.7")


def test_reporters_who_wrote_by_hand_and_are_vouched_for_are_asked_once_for_each_fix(db) -> None:
    from tests.pipeline.given import NOW, deliver, event, provider, report

    provider()
    deliver(report(event(), format="free-text", category_from="person"), kind="smtp")
    case = Case.objects.get()
    assert recheck_letters.ask(case, claimed_at=NOW, now=NOW) == 0, "nobody vouches for the sender"
    from tipstaff.reports.models import Reporter

    Reporter.objects.update(authenticated_as="example.org", trust=1)
    assert recheck_letters.ask(case, claimed_at=None, now=NOW) == 0
    assert recheck_letters.ask(case, claimed_at=NOW, now=NOW) == 1
    assert recheck_letters.ask(case, claimed_at=NOW, now=NOW + H) == 1
    letter = OutboxMessage.objects.get(audience="reporter")
    assert (
        letter.recipient == "rita@example.org" and "Do you still see it?" in letter.body and letter.reference == f"case:{case.pk}"
    )
    assert recheck_letters.ask(case, claimed_at=NOW + H, now=NOW + H) == 1 and OutboxMessage.objects.count() == 2
    for number in range(2, 6):
        recheck_letters.ask(case, claimed_at=NOW + number * H, now=NOW + 2 * H)
    assert OutboxMessage.objects.filter(audience="reporter").count() == recheck_letters.DAILY_CAP
