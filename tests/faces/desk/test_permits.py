"""The register of permits, what a finding shows on its case, and attacks on customers."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from playwright.sync_api import expect

from tests.faces.desk.test_browser import check
from tests.intake.samples import OWN
from tipstaff.audit.models import Entry
from tipstaff.consent.models import Permit
from tipstaff.faces.desk import findings
from tipstaff.intake.parsers.flow_finding import details_of
from tipstaff.pipeline.models import VictimNotice
from tipstaff.reports.models import Event
from tipstaff.sensors.traffic.detection.findings import from_json

SCAN = from_json((OWN / "parsers" / "flow_finding" / "scan.json").read_bytes())


def form(now: datetime, **changes) -> dict:
    usual = {
        "kind": "test", "title": "Test of the shop", "direction": "out", "hosts": "203.0.113.7\n203.0.113.16/28",
        "signatory": "C. Arol",
        "from": f"{now:%Y-%m-%dT%H:%M}", "until": f"{now + timedelta(days=2):%Y-%m-%dT%H:%M}",
        "document": SimpleUploadedFile("consent.pdf", b"signed"),
    }  # fmt: skip
    return {**usual, **changes}


def with_finding(desk, **changes):
    """A case of the desk whose newest event is a finding."""
    case = desk.cases[6]
    event = Event.objects.filter(case_id=case.pk).order_by("-received_at").first()
    details = {"finding": details_of(SCAN) | changes, "permit_note": "permit 3 does not cover it: it ended before"}
    Event.objects.filter(key=event.key).update(details=details)
    return case


def test_one_asks_another_grants_and_either_revokes(desk, alice, signed_in) -> None:
    assert alice.post("/rules/permits/", form(desk.now))["Location"] == "/rules/permits/"
    permit = Permit.objects.get()
    assert permit.hosts == ["203.0.113.7/32", "203.0.113.16/28"] and permit.document_id
    assert "203.0.113.16/28" in alice.get("/rules/permits/").content.decode()
    assert alice.post(f"/rules/permits/{permit.pk}/grant/").status_code == 409
    bob = signed_in("bob")
    assert f"/rules/permits/{permit.pk}/grant/" in bob.get("/rules/permits/").content.decode()
    bob.post(f"/rules/permits/{permit.pk}/grant/")
    assert alice.post(f"/rules/permits/{permit.pk}/revoke/", {"reason": ""}).status_code == 422
    alice.post(f"/rules/permits/{permit.pk}/revoke/", {"reason": "called off"})
    permit.refresh_from_db()
    assert (permit.approved_by, permit.revoked_by) == ("bob", "alice")
    said = list(Entry.objects.filter(subject=f"permit:{permit.pk}").order_by("id").values_list("action", "actor"))
    assert said == [("permit.ask", "alice"), ("permit.grant", "bob"), ("permit.revoke", "alice")]


def test_a_wrong_request_says_everything_and_keeps_what_was_typed(desk, alice) -> None:
    answer = alice.post("/rules/permits/", form(desk.now, hosts="203.0.113.999", document="", title="Kept words"))
    text = answer.content.decode()
    assert answer.status_code == 422 and "no address or prefix" in text and "sha256" in text and "Kept words" in text
    assert alice.post("/rules/permits/", form(desk.now, **{"from": "soon"})).status_code == 422
    assert not Permit.objects.exists()


def test_who_only_reads_cannot_ask(desk, signed_in) -> None:
    amir = signed_in("amir")
    assert amir.get("/rules/permits/").status_code == 200
    assert amir.post("/rules/permits/", form(desk.now)).status_code == 403 and not Permit.objects.exists()


def test_a_case_shows_what_the_detector_measured(desk, alice) -> None:
    text = alice.get(f"/cases/{with_finding(desk).pk}/").content.decode()
    for needed in (
        SCAN.words, "<polyline", 'class="limit"', "1 in 100", "203.0.113.10", "812 addresses in 90 s", "fan out",
        "Permit 3 does not",
    ):  # fmt: skip
        assert needed in text, needed


def test_the_newest_document_of_a_finding_is_shown_once() -> None:
    at = datetime(2026, 6, 15, 9, 40, tzinfo=UTC)
    old = Event(occurred_at=at, details={"finding": details_of(SCAN)})
    new = Event(occurred_at=at + timedelta(minutes=1), details={"finding": details_of(SCAN) | {"figures": {"fan_out": 9999}}})
    (shown,) = findings.of_events([new, old, Event(occurred_at=at, details=None)])
    assert shown.figures == [("fan out", "9,999")]


def test_the_picture_keeps_proportions_and_needs_two_moments() -> None:
    at = datetime(2026, 6, 15, tzinfo=UTC)
    picture = findings.drawn([(at, 0.0), (at + timedelta(seconds=10), 200.0)], 100, "packets/s")
    assert picture.points == "0.0,96.0 560.0,8.0" and picture.limit_y == 52.0 and "200 packets/s" in picture.words
    assert findings.drawn([(at, 1.0)], 100, "") is None
    assert findings.scaled(2.5e9, "bit/s") == "2.5 Gbit/s" and findings.scaled(812) == "812" and findings.scaled(None) == ""


def test_attacks_on_customers_are_listed_and_accuse_nobody(desk, alice) -> None:
    for number, customer in enumerate((desk.carol, desk.dave)):
        VictimNotice.objects.create(
            finding=f"x/{number}", customer=customer, subject=f"203.0.113.{number}", kind="ddos_victim", detector="syn_flood",
            opened_at=desk.now, last_at=desk.now, detail={"figures": {"peak_pps": 4e5}}, report_id=1, recorded_at=desk.now,
        )  # fmt: skip
    text = alice.get("/attacks/").content.decode()
    assert "203.0.113.0" in text and "400 kpackets/s" in text and desk.dave.name in text
    assert desk.dave.name not in alice.get(f"/attacks/?customer={desk.carol.pk}").content.decode()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_permits_and_findings_are_accessible(desk, opened, width, dark) -> None:
    case = with_finding(desk)
    page = opened("bob", width=width, dark=dark)
    for address in (f"/cases/{case.pk}/", "/rules/permits/", "/attacks/"):
        assert check(page, address) == []
    page.goto(f"/cases/{case.pk}/")
    expect(page.locator(".series svg")).to_be_visible()
    page.get_by_text("Peers, ports and sample flows").click()
    expect(page.get_by_text("Sample flows, as exported")).to_be_visible()
