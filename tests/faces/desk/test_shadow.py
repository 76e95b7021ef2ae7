"""Shadow mode at the desk: the banner on every page, and the report of a day for those who may read it."""

from datetime import timedelta

import pytest

from tests.faces.desk import factory
from tests.faces.desk.test_access import SCREENS
from tipstaff.pipeline.models import OtherDecision
from tipstaff.pipeline.shadowing import reports

BANNER = "Nothing is sent and nothing is enforced."


@pytest.mark.parametrize(("role", "status"), [("lead", 200), ("counsel", 200), ("admin", 200), ("analyst", 200), ("billing", 403)])
def test_who_reads_the_comparison(db, signed_in, client, role, status) -> None:
    factory.StaffMember.objects.create(username="x", roles=[role])
    answer = signed_in("x").get("/shadow/")
    assert answer.status_code == status and client.get("/shadow/").status_code == 302
    assert status != 200 or "There is no report yet" in answer.content.decode()


def test_in_shadow_mode_every_page_says_so(desk, signed_in, settings) -> None:
    bob = signed_in("bob")
    assert BANNER not in bob.get("/queue/").content.decode()
    settings.SHADOW = settings.SENDING = True
    pages = [screen for screen in SCREENS if not screen.endswith(".csv")]
    without = [screen for screen in pages if BANNER not in bob.get(screen).content.decode()]
    assert without == []
    assert "Sending is <b>off</b>" in bob.get("/queue/").content.decode()


def test_the_report_shows_what_differs_with_links(desk, signed_in, now) -> None:
    case = desk.cases[0]
    at = case.opened_at
    OtherDecision.objects.create(
        reference="A-17", address=case.headline, at=at, received_at=at, customer="somebody else", category="x", code="spam",
        decision="suspended", outcome="restricted", imported_at=now, by="bob",
    )  # fmt: skip
    factory.Event.objects.filter(case_id=case.pk).update(received_at=at)
    reports.write(day=at.date(), now=now)
    bob = signed_in("bob")
    text = bob.get("/shadow/").content.decode()
    assert "A-17" in text and f'href="/cases/{case.pk}/"' in text
    assert bob.get("/shadow/", {"only": "same"}).context["rows"] == []
    assert bob.get("/shadow/", {"day": "nonsense"}).status_code == 404
    assert bob.get("/shadow/", {"day": str(at.date() - timedelta(days=400))}).status_code == 404
