"""Decisions, messages and reveals on the record as the product makes them, and chained."""

import hashlib

import pytest

from tests.faces.desk import factory
from tipstaff.audit.models import Entry
from tipstaff.audit.sealer import seal_all
from tipstaff.audit.services import record_many
from tipstaff.audit.verifying import verify
from tipstaff.cases import services
from tipstaff.cases.models import JournalEntry
from tipstaff.kernel.clock import now as clock_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(settings, tmp_path):
    settings.STATE, settings.EVIDENCE_STORE = tmp_path, ""
    return factory.sample(clock_now(), filler=0)


def test_a_decision_is_recorded_with_the_digest_of_what_the_journal_says(desk) -> None:
    case, now = desk.cases[8], clock_now()
    services.close(case=case.pk, outcome="CLOSED_FALSE", reason="192.0.2.7 was never ours", by="alice", now=now)
    entry = Entry.objects.get(action="case.decide", subject=f"case:{case.pk}")
    told = JournalEntry.objects.filter(case=case, kind="state").latest("pk")
    assert (entry.actor, entry.at, entry.detail["state"]) == ("alice", now, "CLOSED_FALSE")
    assert entry.detail["journal_sha256"] == hashlib.sha256(told.text.encode()).hexdigest()
    assert "192.0.2.7" not in str(entry.detail) + entry.reason


def test_whoever_opens_evidence_at_the_desk_is_on_the_record(desk, client) -> None:
    client.force_login(factory.StaffMember.objects.get(username="alice"))
    case = next(one for one in desk.cases if one.case_reports.exists())
    assert client.get(f"/cases/{case.pk}/?view=raw").status_code == 200
    entry = Entry.objects.filter(action="evidence.open", actor="alice").first()
    assert entry is not None and entry.detail["grant"].startswith(f"case:{case.pk}")


def test_many_at_once_are_as_many_entries_without_personal_facts(db, settings, tmp_path) -> None:
    settings.STATE = tmp_path
    now = clock_now()
    rows = [(f"case:{number}", {"note": 'rita@reports.example.org, ü\n"x"', "n": number, "none": None}) for number in range(1000)]
    record_many(by="system:clock", action="case.decide", rows=rows, now=now)
    record_many(by="system:clock", action="case.decide", rows=[], now=now)
    found = list(Entry.objects.order_by("pk"))
    assert [entry.subject for entry in found] == [subject for subject, _ in rows]
    assert (found[7].at, found[7].actor, found[7].reason, found[7].detail["n"]) == (now, "system:clock", "", 7)
    assert found[7].detail["note"].endswith(', ü\n"x"') and "rita" not in found[7].detail["note"]
    assert seal_all(now=now) == 1000 and verify().sound
