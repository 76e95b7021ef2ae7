"""Evidence as a file: for those who work cases, recorded, never as something a browser would show, never what is sealed."""

import pytest

from tests.faces.desk import factory
from tipstaff.cases.models import CaseReport
from tipstaff.evidence.models import Blob, Opening
from tipstaff.reports.models import Report


@pytest.fixture
def evidence_of(desk):
    case = desk.cases[3]
    report = CaseReport.objects.filter(case=case).first().report_id
    return case, report, f"/cases/{case.pk}/evidence/{report}/"


def check(answer) -> None:
    assert answer.status_code == 200 and answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith('attachment; filename="') and answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store" and "default-src 'none'" in answer["Content-Security-Policy"]


def test_the_bytes_of_a_case_as_received_and_the_opening_is_recorded(alice, evidence_of) -> None:
    case, report, address = evidence_of
    answer = alice.get(address)
    check(answer)
    assert answer.content == factory.LETTER.replace(b"203.0.113.7", case.headline.encode()).replace(b"0643", b"30")
    opening = Opening.objects.get()
    assert (opening.actor, opening.view, opening.grant) == ("alice", "download", f"case:{case.pk} desk")
    assert address in alice.get(f"/cases/{case.pk}/?evidence={report}").content.decode()


def test_the_bytes_of_a_submission(desk, alice) -> None:
    address = f"/intake/{desk.waiting[0].pk}/raw/"
    answer = alice.get(address)
    check(answer)
    assert b"203.0.113.201" in answer.content
    assert Opening.objects.get().view == "download"
    assert address in alice.get(f"/intake/{desk.waiting[0].pk}/").content.decode()


@pytest.mark.parametrize("name", ["amir", None])
def test_nobody_else_saves_evidence(desk, signed_in, client, evidence_of, name) -> None:
    person = signed_in(name) if name else client
    for address in (evidence_of[2], f"/intake/{desk.waiting[0].pk}/raw/"):
        assert person.get(address).status_code == (403 if name else 302)
    assert not Opening.objects.exists()


@pytest.mark.parametrize("name", ["alice", "bob", "sam", "sofia"])
def test_nothing_sealed_is_ever_saved(desk, signed_in, evidence_of, name) -> None:
    person, (_, report, address) = signed_in(name), evidence_of
    assert person.get(f"/intake/{desk.sealed.pk}/raw/").status_code == 404
    received = Report.objects.get(pk=report).submission
    Blob.objects.filter(pk=received.blob_id).update(evidence_class="sealed")
    assert person.get(address).status_code == 409
    received.state = "sealed"
    received.save()
    assert person.get(address).status_code == 404
    assert not Opening.objects.exists()


def test_a_report_of_another_case_is_not_this_cases_evidence(desk, alice, evidence_of) -> None:
    other = CaseReport.objects.filter(case=desk.cases[5]).first().report_id
    assert alice.get(f"/cases/{evidence_of[0].pk}/evidence/{other}/").status_code == 404


def test_the_evidence_of_a_restricted_case_is_not_saved(signed_in, evidence_of) -> None:
    case, _, address = evidence_of
    case.state = "RESTRICTED_CASE"
    case.save(update_fields=["state"])
    assert signed_in("alice").get(address).status_code == 404
    assert signed_in("sam").get(address).status_code == 409
