"""What would change: who may look, and that the page says what the replay found, with links."""

import pytest
from django.core.cache import cache

from tests.cases.backtesting.test_story import MAY, WILL, edition, silent
from tests.cases.resolving import Desk
from tests.faces.desk import factory
from tipstaff.policy import services

PAGE = "/settings/editions/backtest/"


@pytest.mark.parametrize(("role", "status"), [("lead", 200), ("counsel", 200), ("admin", 200), ("analyst", 403), ("auditor", 403)])
def test_who_reviews_editions_sees_what_would_change(db, signed_in, client, role, status) -> None:
    factory.StaffMember.objects.create(username="x", roles=[role])
    assert signed_in("x").get(PAGE).status_code == status
    assert client.get(PAGE).status_code == 302


def test_the_page_names_the_case_the_reason_and_what_stays_open(db, signed_in, monkeypatch) -> None:
    desk = Desk(MAY)
    silent(desk)
    draft = edition(WILL)
    stored = services.draft(edition=draft, effective_from=desk.now, by="bob", now=desk.now, intake_address="abuse@example.net")
    monkeypatch.setattr("tipstaff.faces.desk.views.backtest.clock_now", lambda: desk.now)
    cache.clear()
    bob = signed_in("bob")
    assert f"backtest/?edition={stored.pk}" in bob.get("/settings/editions/").content.decode()
    answer = bob.get(PAGE, {"edition": stored.pk, "days": 30})
    text = answer.content.decode()
    assert f'href="/cases/{desk.number}/"' in text and "A restriction would have been asked for" in text
    assert "the policy restricts" in text and "waits for approval" in text
    none = bob.get(PAGE, {"edition": stored.pk, "days": 30, "only": "spared"}).context["rows"]
    assert none == []
    assert bob.get(PAGE, {"edition": "999999"}).status_code == 404 and bob.get(PAGE, {"edition": "../x"}).status_code == 404
