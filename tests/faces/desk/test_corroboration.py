"""What our own flows say, on the case page and in the API; looking again; and who is told nothing."""

from datetime import timedelta

import pytest

from tests.faces.desk import factory
from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tests.pipeline.test_corroborating import AT, ATTACK, flows, made, stored
from tipstaff.cases.models import Case
from tipstaff.faces.api import services as tokens
from tipstaff.kernel.clock import now as clock_now
from tipstaff.pipeline import corroborating
from tipstaff.reports.models import Corroboration


@pytest.fixture
def seen(db, settings) -> Case:
    """A case of an attack that our flows saw."""
    root = settings.STATE / "flows" / "archive"
    stored(root, made(50, six=False, at=NOW - timedelta(days=3)), at=NOW - timedelta(days=3))
    stored(root, flows(AT), at=AT)
    provider()
    factory.staff(NOW)
    deliver(report(event(CAROL, at=AT, **ATTACK), category="intrusion"))
    corroborating.Looker().step(NOW)
    return Case.objects.get()


def test_the_case_says_what_our_flows_saw(seen, signed_in) -> None:
    page = signed_in("alice").get(f"/cases/{seen.pk}/").content.decode()
    assert "Our own flows" in page and "3 flows fit at the stated time" in page
    assert "TCP from port 51514 to 203.0.113.66 port 22" in page and "by itself it accuses nobody" in page


def test_looking_again_and_who_may(seen, signed_in) -> None:
    answer = signed_in("alice").post(f"/cases/{seen.pk}/flows/")
    assert answer.status_code == 302 and Corroboration.objects.get(by="alice").verdict == "seen"
    assert signed_in("amir").post(f"/cases/{seen.pk}/flows/").status_code == 403
    assert Corroboration.objects.filter(by="amir").count() == 0


def test_a_case_that_leaves_no_traffic_has_no_panel(seen, signed_in) -> None:
    deliver(report(event("198.51.100.9"), category="phishing"))
    other = Case.objects.get(category="phishing")
    assert "Our own flows" not in signed_in("alice").get(f"/cases/{other.pk}/").content.decode()


def test_the_api_tells_it_to_a_token_that_may_read_it(seen, client) -> None:
    def ask(number: int, scope: str):
        _, text = tokens.create_token(
            name=f"siem-{scope.replace(':', '-')}-{number}", scopes=(scope,), lasts=timedelta(days=1), by="test", now=clock_now()
        )
        return client.get(f"/api/v1/cases/{number}/corroborations", HTTP_AUTHORIZATION=f"Bearer {text}")

    told = ask(seen.pk, "flows:read").json()
    (look,) = told["looks"]
    assert told["corroborated"] == "seen" and (look["verdict"], look["flows"], look["address"]) == ("seen", 3, CAROL)
    assert look["sought"][0]["peer_port"] == 22 and look["watch"]["rates"] == [1]
    assert ask(seen.pk, "reports:write").status_code == 403  # a reporter must not learn who talks to whom
    assert ask(seen.pk + 1, "flows:read").status_code == 404
    Case.objects.update(state="RESTRICTED_CASE")
    assert client.get(f"/api/v1/cases/{seen.pk}/corroborations").status_code == 401
    _, text = tokens.create_token(name="other", scopes=("flows:read",), lasts=timedelta(days=1), by="test", now=clock_now())
    assert client.get(f"/api/v1/cases/{seen.pk}/corroborations", HTTP_AUTHORIZATION=f"Bearer {text}").status_code == 404
