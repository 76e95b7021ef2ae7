"""Permits in the life of a batch: annotated instead of opened, for whom and when they say, and no further."""

from datetime import timedelta

import pytest

from tests.pipeline.given import BEFORE, CAROL, DAVE, NOW, deliver, event, provider, report
from tipstaff.accounts.models import Customer
from tipstaff.cases.models import Case
from tipstaff.consent.models import Permit, PermitUse
from tipstaff.reports.models import Event, Report

pytestmark = pytest.mark.django_db
AT = NOW - timedelta(hours=2)


def permit(**columns) -> Permit:
    usual = {
        "kind": "test", "title": "a test", "hosts": [f"{CAROL}/32"], "starts_at": AT - timedelta(minutes=5),
        "ends_at": AT + timedelta(minutes=5), "signatory": "C.", "document_sha256": "0" * 64, "requested_by": "alice",
        "requested_at": BEFORE, "approved_by": "bob", "approved_at": BEFORE,
    }  # fmt: skip
    return Permit.objects.create(**{**usual, **columns})


def scan(*events, **more):
    return report(*(events or [event(at=AT)]), category="scan", **more)


def test_a_complaint_within_a_permit_is_recorded_with_it_and_opens_nothing() -> None:
    provider()
    given = permit()
    deliver(scan())
    assert not Case.objects.exists()
    row = Event.objects.get()
    assert row.details["permits"] == [given.pk] and row.action == 1 and row.case_id is None
    use = PermitUse.objects.get()
    assert (use.permit_id, use.report_id, use.from_at) == (given.pk, Report.objects.get().pk, AT)


@pytest.mark.parametrize(
    "columns",
    [
        {"ends_at": AT},
        {"starts_at": AT + timedelta(seconds=1)},
        {"direction": "in"},
        {"hosts": [f"{DAVE}/32"]},
        {"revoked_at": AT - timedelta(seconds=1), "revoked_by": "bob"},
        {"approved_at": AT + timedelta(seconds=1)},
        {"approved_at": None, "approved_by": ""},
        {"detectors": ["vertical_scan"]},
        {"targets": ["198.51.100.0/24"]},
    ],
    ids=["over", "not begun", "wrong direction", "another's", "revoked", "granted later", "not granted", "other kind", "whom"],
)
def test_what_lies_outside_opens_a_case_as_ever(columns) -> None:
    provider()
    permit(**columns)
    deliver(scan())
    assert Case.objects.get().category == "scan" and not PermitUse.objects.exists()


def test_a_case_says_which_permit_nearly_covered_it() -> None:
    provider()
    near = permit(ends_at=AT)
    deliver(scan())
    assert Event.objects.get().details["permit_note"].startswith(f"permit {near.pk} does not cover it: its window is")


def test_the_policy_decides_which_kinds_of_complaint_a_permit_may_annotate() -> None:
    provider()
    permit()
    deliver(report(event(at=AT), category="phishing"))
    assert Case.objects.get().category == "phishing"


def test_research_on_malware_is_put_before_a_person() -> None:
    provider()
    permit(kind="research")
    deliver(report(event(at=AT), category="malware"))
    assert not Case.objects.exists() and Event.objects.get().action == 3


def test_the_other_side_is_looked_at_where_the_permit_names_it() -> None:
    provider()
    permit(targets=["203.0.113.0/24"])
    deliver(scan(event(at=AT, details={"victim_ip": "203.0.113.77"})))
    assert not Case.objects.exists()
    deliver(scan(event(at=AT + timedelta(seconds=1), details={"victim_ip": "198.51.100.77"})))
    assert Case.objects.count() == 1


def test_a_permit_covers_the_customer_who_gave_it_and_nobody_who_holds_the_address_later() -> None:
    provider()
    carol, dave = (Customer.objects.get(external_id=name) for name in ("carol", "dave"))
    permit(customer=dave)
    deliver(scan())
    case = Case.objects.get()
    assert case.customer == carol and not PermitUse.objects.exists()
    assert "another customer" in Event.objects.get().details["permit_note"]
    own = permit(customer=carol)
    deliver(scan(event(at=AT + timedelta(seconds=1))))
    assert [use.permit_id for use in PermitUse.objects.all()] == [own.pk]
