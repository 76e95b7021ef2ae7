"""Findings of other detectors over HTTP: kept once, read in their own formats, refused where they are none."""

import json

import pytest

from tests.faces.api.test_api import NOW, Machine, at_noon, report  # noqa: F401 - a fixture
from tests.intake.samples import OWN
from tests.pipeline import given
from tipstaff.accounts.models import OwnPrefix
from tipstaff.cases.models import Case
from tipstaff.intake.models import Submission
from tipstaff.intake.spool import Spool
from tipstaff.pipeline.models import VictimNotice
from tipstaff.pipeline.worker import Worker
from tipstaff.reports.models import Event, Report

pytestmark = pytest.mark.django_db
FASTNETMON, ALERTS = "/api/v1/findings/fastnetmon", "/api/v1/findings/alertmanager"


def sample(parser: str, name: str) -> bytes:
    return (OWN / "parsers" / parser / name).read_bytes()


def work(settings) -> None:
    worker = Worker(Spool(settings.SPOOL))
    while worker.step():
        pass


def test_an_outgoing_attack_that_fastnetmon_saw_opens_a_case(settings) -> None:
    given.provider()
    machine = Machine("fastnetmon")
    answer = machine.ask("POST", FASTNETMON, sample("fastnetmon", "outgoing.json"))
    assert answer.status_code == 202
    again = machine.ask("POST", FASTNETMON, sample("fastnetmon", "outgoing.json"))
    assert again.headers["Idempotent-Replayed"] == "true" and again.json()["id"] == answer.json()["id"]
    work(settings)
    case, row = Case.objects.get(), Event.objects.get()
    assert (case.category, case.headline) == ("ddos_origin", given.CAROL)
    assert row.occurred_at is None and (row.latest - row.earliest).total_seconds() == 600 and row.latest == NOW
    assert machine.ask("GET", answer.json()["links"]["self"]).json()["reason"] == "accepted"


def test_an_incoming_one_makes_a_victim_known(settings) -> None:
    given.provider()
    Machine("fastnetmon").ask("POST", FASTNETMON, sample("fastnetmon", "incoming.json"))
    work(settings)
    assert not Case.objects.exists() and VictimNotice.objects.get().subject == given.CAROL


def test_the_text_of_the_notify_script_is_taken_too(settings) -> None:
    given.provider()
    machine = Machine("fastnetmon")
    for _ in range(2):  # a text names no attack: sent twice it may be two
        assert machine.ask("POST", FASTNETMON, sample("fastnetmon", "script.txt")).status_code == 202
    work(settings)
    assert Submission.objects.count() == 2 and Case.objects.get().category == "ddos_origin"


def test_alerts_become_cases_by_their_labels(settings) -> None:
    given.provider()
    document = json.loads(sample("alertmanager", "shared-load.json"))
    document["alerts"][0]["labels"] |= {"tipstaff_ip": given.CAROL}
    assert Machine("alerts").ask("POST", ALERTS, document).status_code == 202
    work(settings)
    case, row = Case.objects.get(), Event.objects.get()
    assert case.category == "shared_load" and row.details["finding"]["figures"] == {"value": 7.5}
    assert row.details["finding"]["limit"]["value"] == 4


def test_a_row_of_akvorados_flows_names_our_end_of_it(settings) -> None:
    given.provider()
    OwnPrefix.objects.bulk_create([OwnPrefix(prefix="192.0.2.0/24"), OwnPrefix(prefix="198.51.100.0/24")])
    document = json.loads(sample("alertmanager", "grafana-akvorado.json"))
    labels = document["alerts"][0]["labels"]
    del labels["tipstaff_ip"]
    Machine("grafana").ask("POST", ALERTS, document)
    labels |= {"SrcAddr": "203.0.113.99", "DstAddr": given.DAVE}
    document["alerts"][0]["fingerprint"] = "00000000000000ff"
    Machine("grafana-2").ask("POST", ALERTS, document)
    work(settings)
    assert Case.objects.get().headline == given.CAROL
    assert VictimNotice.objects.get().subject == given.DAVE


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"hello", b'{"action": "ban", "attack_details": 1}', b"\xff\x00"])
def test_what_is_in_no_such_format_is_refused_and_not_kept(body, settings) -> None:
    machine = Machine("x")
    for path in (FASTNETMON, ALERTS):
        assert machine.ask("POST", path, body).status_code == 422
    assert Spool(settings.SPOOL).count() == 0


@pytest.mark.parametrize("scope", ["who:read", "reports:write"])
def test_who_may_report_may_not_measure_for_us(scope, settings) -> None:
    machine = Machine("rita", scopes=(scope,))
    for path, body in ((FASTNETMON, sample("fastnetmon", "outgoing.json")), (ALERTS, sample("alertmanager", "shared-load.json"))):
        answer = machine.ask("POST", path, body)
        assert answer.status_code == 403 and "findings:write" in answer.json()["detail"]
    assert Spool(settings.SPOOL).count() == 0


def test_a_detectors_token_follows_what_became_of_its_findings_and_sends_no_reports() -> None:
    detector = Machine("fastnetmon", scopes=("findings:write",))
    answer = detector.ask("POST", FASTNETMON, sample("fastnetmon", "outgoing.json")).json()
    assert detector.ask("GET", answer["links"]["self"]).json()["id"] == answer["id"]
    assert [one["id"] for one in detector.ask("GET", "/api/v1/reports").json()["reports"]] == [answer["id"]]
    assert detector.send(report()).status_code == 403


@pytest.mark.parametrize("other", [("fastnetmon", "outgoing.json"), ("alertmanager", "shared-load.json")])
def test_a_report_that_is_also_shaped_like_a_finding_stays_a_report(other, settings) -> None:
    given.provider()
    assert Machine("rita", scopes=("reports:write",)).send(json.loads(sample(*other)) | report()).status_code == 202
    work(settings)
    assert Report.objects.get().format == "xarf-4" and "finding" not in (Event.objects.get().details or {})
