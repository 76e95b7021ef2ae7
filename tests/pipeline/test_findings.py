"""Findings of our own detectors in the life of a batch: the right customer, updates, doubt, victims, permits."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.intake.samples import OWN
from tests.pipeline.given import CAROL, NOW, event, provider, report
from tests.pipeline.given import deliver as deliver_drafts
from tipstaff.accounts.models import Customer
from tipstaff.cases.models import Case
from tipstaff.intake.models import Submission
from tipstaff.pipeline import batch, context
from tipstaff.pipeline.models import VictimNotice
from tipstaff.pipeline.reading import Reader, Taken
from tipstaff.reports.models import Event, Report, Reporter, Rule
from tipstaff.sensors.traffic.detection.findings import Finding, from_json

pytestmark = pytest.mark.django_db
SOURCE = "own flow telemetry"


def finding(name: str, **changes) -> Finding:
    return replace(from_json((OWN / "parsers" / "flow_finding" / f"{name}.json").read_bytes()), **changes)


def deliver(*found: Finding, kind: str = "sensor", now=NOW):
    """Findings as the worker takes them: read from their bytes, committed as one batch."""
    from tests.pipeline.given import submission

    reader = Reader()
    reader.renew(now)
    parsed = []
    for one in found:
        content = one.to_json().encode()
        row = submission(content, source=SOURCE if kind == "sensor" else kind, kind=kind, now=now)
        parsed.append(reader.read(Taken(row.pk, row.source.name, kind, "finding.json", now, {}, content)))
    return batch.commit(parsed, context.load(now), now)


def carol() -> Customer:
    return Customer.objects.get(external_id="carol")


def test_a_finding_opens_a_case_on_who_held_the_address() -> None:
    provider()
    deliver(finding("scan"))
    case = Case.objects.get()
    assert (case.customer, case.category, case.headline) == (carol(), "scan", CAROL)
    row = Event.objects.get()
    assert row.details["finding"]["figures"]["fan_out"] == 812 and row.occurred_at == finding("scan").last_at
    assert Reporter.objects.get().trust == 2 and Report.objects.get().external_id == finding("scan").id


def test_later_documents_of_a_finding_refresh_its_case_and_the_same_one_adds_nothing() -> None:
    provider()
    deliver(finding("scan"))
    deliver(finding("scan"), now=NOW + timedelta(minutes=1))
    assert (Case.objects.get().events, Case.objects.get().reports) == (1, 1)
    deliver(finding("scan-ended"), now=NOW + timedelta(minutes=2))
    case = Case.objects.get()
    assert (case.events, case.last_event_at) == (2, finding("scan-ended").ended_at)


def test_where_confidence_is_low_a_person_decides() -> None:
    provider()
    deliver(finding("doubtful"))
    case = Case.objects.get()
    assert case.state == "TRIAGE" and "low confidence" in case.needs_person


def test_a_rule_cannot_make_a_victim_a_culprit() -> None:
    provider()
    Rule.objects.create(position=1, name="all", action="open_case", conditions={"trust_at_least": 0}, enabled=True, by="x", at=NOW)
    deliver(finding("victim"))
    assert not Case.objects.exists() and Event.objects.get().action == 1
    notice = VictimNotice.objects.get()
    assert (notice.customer, notice.subject, notice.kind, notice.ended_at) == (carol(), CAROL, "ddos_victim", None)
    assert Submission.objects.get().state == "parsed"


def test_a_victims_notice_follows_the_attack_to_its_end() -> None:
    provider()
    end = finding("victim").last_at + timedelta(minutes=5)
    deliver(finding("victim", last_at=end, ended_at=end))
    deliver(finding("victim"), now=NOW + timedelta(minutes=1))  # an older document that comes late
    notice = VictimNotice.objects.get()
    assert (notice.ended_at, notice.last_at) == (end, end)


def test_what_leaves_a_prefix_together_is_the_customers_without_accusing_an_address() -> None:
    provider()
    deliver(finding("carpet", customer_id=carol().pk))
    case, row = Case.objects.get(), Event.objects.get()
    assert (case.customer, case.category) == (carol(), "ddos_origin") and row.ip is None
    assert Report.objects.get().state == "verified"


def test_a_forged_source_accuses_the_interface_and_not_the_holder_of_the_address() -> None:
    provider()  # 198.51.100.200 is Dave's
    deliver(finding("forged-source", customer_id=carol().pk))
    case = Case.objects.get()
    assert (case.customer, case.category) == (carol(), "ip_misuse")


def test_a_customer_that_there_is_none_of_is_nobody() -> None:
    provider()
    deliver(finding("carpet", customer_id=987_654))
    deliver(finding("nobody"))
    assert not Case.objects.exists()
    assert list(Submission.objects.order_by("received_at").values_list("state", flat=True)) == ["needs_person"] * 2


def test_only_a_sensor_of_ours_may_name_a_customer() -> None:
    provider()
    deliver_drafts(report(event(ip=None, customer=carol().pk, domain="nowhere.example.com"), category="scan"))
    assert Event.objects.get().customer_id is None and not Case.objects.exists()
    before = Event.objects.count()
    deliver(finding("carpet", customer_id=carol().pk), kind="files")
    assert not Case.objects.exists() and Event.objects.count() == before


def test_a_customer_named_beside_an_address_does_not_count() -> None:
    provider()
    deliver(finding("scan", customer_id=Customer.objects.get(external_id="dave").pk))
    assert Case.objects.get().customer == carol()


def test_a_complaint_of_the_same_conduct_joins_the_findings_case() -> None:
    provider()
    deliver(finding("scan"))
    deliver_drafts(report(event(at=finding("scan").opened_at), category="scan"))
    assert (Case.objects.get().events, Case.objects.get().reporters) == (2, 2)


@pytest.mark.parametrize(
    ("window", "opened"),
    [((-60, 3600), 0), ((1, 3600), 1), ((-60, 89), 1), ((-60, 90), 0)],
    ids=["within", "late", "short", "exact"],
)
def test_a_permit_covers_a_finding_from_its_opening_to_its_last_look(window, opened) -> None:
    from tests.pipeline.test_permits import permit

    provider()
    at = finding("scan").opened_at
    starts, ends = (at + timedelta(seconds=number) for number in window)
    permit(starts_at=starts, ends_at=ends, detectors=["horizontal_scan"])
    deliver(finding("scan"))
    assert Case.objects.count() == opened
