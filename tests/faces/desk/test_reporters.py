"""Reporters to warn at the desk: Home and Intake count them, the page shows what was judged, a lead decides."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils.html import escape
from playwright.sync_api import expect

from tests.faces.desk.test_browser import check
from tipstaff.audit.models import Entry
from tipstaff.cases import services as cases
from tipstaff.cases.models import Case, CaseReport, Ruling
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.faces.desk import showing
from tipstaff.reports.models import Report, Reporter

pytestmark = pytest.mark.django_db
WHY = {"reason": "invented attacks"}


@pytest.fixture
def wrong(desk, now, settings) -> Reporter:
    """Rita, two of whose reports alice closed as false; everything else is not hers to answer for."""
    settings.REPORTER_WARNING = {"wrong": 2, "percent": 50, "days": 30}
    case = desk.cases[6]
    told = list(CaseReport.objects.filter(case=case).values_list("report_id", flat=True))
    Report.objects.filter(pk__in=told).update(answerable=True, received_at=now - timedelta(hours=1))
    cases.close(case=case.pk, outcome="CLOSED_FALSE", reason="the log is not about this address", by="alice", now=now)
    Reporter.objects.update(authenticated_as="reports.example.org")
    OutboxMessage.objects.all().delete()
    cache.clear()
    return Reporter.objects.get(pk=Report.objects.get(pk=told[0]).reporter_id)


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def test_home_and_intake_say_that_somebody_is_to_be_warned(wrong, alice) -> None:
    assert 'href="/reporters/"' in text(alice, "/") and "1 reporter to warn" in text(alice, "/intake/")
    assert f"/reporters/{wrong.pk}/" in text(alice, "/reporters/")


def test_nobody_is_counted_where_nothing_was_wrong(desk, alice) -> None:
    assert 'href="/reporters/"' not in text(alice, "/") and "to warn" not in text(alice, "/intake/")
    assert "Nobody is to be warned." in text(alice, "/reporters/")


def test_the_page_shows_what_was_judged_and_not_who_it_is(wrong, desk, alice) -> None:
    page = text(alice, f"/reporters/{wrong.pk}/")
    assert "2 of 2 decided reports in 30 days were wrong. Warn?" in page and "A lead decides." in page
    assert f"/cases/{desk.cases[6].pk}/" in page and page.count(">wrong<") == 2
    assert wrong.email not in page and escape(wrong.name) not in page and "/warn/" not in page


def test_a_lead_warns_and_the_letter_waits_in_the_outbox(wrong, alice, signed_in) -> None:
    address = f"/reporters/{wrong.pk}/warn/"
    assert alice.post(address, WHY).status_code == 409 and signed_in("amir").post(address, WHY).status_code == 403
    bob = signed_in("bob")
    assert "Warn the reporter" in text(bob, f"/reporters/{wrong.pk}/") and bob.post(address, {"reason": " "}).status_code == 422
    assert not OutboxMessage.objects.exists()
    assert bob.post(address, WHY)["Location"] == f"/reporters/{wrong.pk}/"
    message = OutboxMessage.objects.get()
    assert (message.kind, message.recipient, message.state, message.created_by) == ("warning", wrong.email, "waiting", "bob")
    assert Entry.objects.get(action="reporter.warn").actor == "bob"
    page = text(bob, f"/reporters/{wrong.pk}/")
    assert "Nothing was decided since" in page and "Warn the reporter" not in page
    assert 'href="/reporters/"' not in text(bob, "/") and f"/reporters/{wrong.pk}/" in text(bob, "/reporters/")
    assert bob.post(address, WHY).status_code == 409 and OutboxMessage.objects.count() == 1


def test_a_lead_leaves_it_at_that(wrong, alice, signed_in) -> None:
    assert alice.post(f"/reporters/{wrong.pk}/spare/", WHY).status_code == 409
    assert signed_in("bob").post(f"/reporters/{wrong.pk}/spare/", WHY).status_code == 302
    assert "Nobody is to be warned." in text(alice, "/reporters/") and not OutboxMessage.objects.exists()


def test_a_lead_limits_who_went_on_after_the_warning_and_lifts_it(wrong, now, alice, signed_in) -> None:
    limit, lift, bob = f"/reporters/{wrong.pk}/limit/", f"/reporters/{wrong.pk}/lift/", signed_in("bob")
    asked = WHY | {"days": "14"}
    assert "Limit…" not in text(bob, f"/reporters/{wrong.pk}/") and bob.post(limit, asked).status_code == 409
    Reporter.objects.filter(pk=wrong.pk).update(warned_at=now - timedelta(hours=2))
    assert "Limit?" in text(alice, f"/reporters/{wrong.pk}/") and limit not in text(alice, f"/reporters/{wrong.pk}/")
    assert limit in text(bob, f"/reporters/{wrong.pk}/")
    assert alice.post(limit, asked).status_code == 409 and signed_in("amir").post(limit, asked).status_code == 403
    for days in ("", "0", "-1", "181", "9999", "99999999999", "²", "two"):
        assert bob.post(limit, WHY | {"days": days}).status_code == 422, days
    assert bob.post(limit, asked | {"reason": " "}).status_code == 422 and bob.get(limit).status_code == 405
    assert bob.post(limit, asked)["Location"] == f"/reporters/{wrong.pk}/"
    page = text(alice, f"/reporters/{wrong.pk}/")
    assert "Limited until" in page and lift not in page and "Limit?" not in page
    assert "<h2>Limited</h2>" in text(alice, "/reporters/") and 'href="/reporters/"' not in text(bob, "/")
    assert alice.post(lift, WHY).status_code == 409 and signed_in("amir").post(lift, WHY).status_code == 403
    assert lift in text(bob, f"/reporters/{wrong.pk}/") and bob.post(lift, WHY)["Location"] == f"/reporters/{wrong.pk}/"
    assert "Limited until" not in text(alice, f"/reporters/{wrong.pk}/") and bob.post(lift, WHY).status_code == 409
    assert list(Entry.objects.filter(action__startswith="reporter.l").order_by("id").values_list("action", "actor")) == [
        ("reporter.limit", "bob"),
        ("reporter.lift", "bob"),
    ]


def test_a_customer_and_who_is_not_signed_in_limit_nobody(wrong, now) -> None:
    Reporter.objects.filter(pk=wrong.pk).update(warned_at=now - timedelta(hours=2))
    for act in ("limit", "lift"):
        assert Client().post(f"/reporters/{wrong.pk}/{act}/", WHY | {"days": "14"}).status_code in {302, 403}
    assert Reporter.objects.get(pk=wrong.pk).limited_until is None


def test_a_report_that_came_under_a_limit_says_so(wrong, now) -> None:
    Reporter.objects.filter(pk=wrong.pk).update(trust=1, limited_at=now, limited_until=now + timedelta(days=9))
    found = Report.objects.filter(reporter=wrong).latest("pk")
    for trust, words in ((-1, "trust 1 (limited: counted as -1), "), (1, "trust 1, ")):
        found.trust = trust
        assert words in {name: origin for name, _, origin in showing.parsed(found, [])}["Reporter"]


def test_who_is_known_from_sealed_reports_only_does_not_exist_here(wrong, desk, alice) -> None:
    ghost = Reporter.objects.create(key="ghost@example.org", first_seen=wrong.first_seen, last_seen=wrong.last_seen)
    for number in (ghost.pk, 999999):
        assert alice.get(f"/reporters/{number}/").status_code == 404


def test_a_restricted_case_counts_for_nothing_and_is_not_named(wrong, desk, alice) -> None:
    Case.objects.filter(pk=desk.cases[6].pk).update(state="RESTRICTED_CASE")
    cache.clear()
    page = text(alice, f"/reporters/{wrong.pk}/")
    assert "0 of 0 wrong" in page and f"/cases/{desk.cases[6].pk}/" not in page


def test_of_a_case_that_was_set_apart_and_dealt_with_no_subject_is_shown(wrong, desk, alice, signed_in) -> None:
    case = desk.cases[6]
    Case.objects.filter(pk=case.pk).update(state="RESOLVED")
    Report.objects.filter(reporter=wrong).update(subject="what nobody is to read")
    assert "what nobody is to read" in text(alice, f"/reporters/{wrong.pk}/")
    Ruling.objects.create(case=case, kind="sealed", decision="sealed", reason="imagery", role="lead", by="colin", at=case.opened_at)
    assert "what nobody is to read" not in text(alice, f"/reporters/{wrong.pk}/")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_pages_are_accessible_and_a_lead_warns_there(wrong, opened, width, dark) -> None:
    page = opened("bob", width=width, dark=dark)
    for name, address in (("list", "/reporters/"), ("one", f"/reporters/{wrong.pk}/")):
        assert check(page, address) == []
        _picture(page, f"reporters-{name}-{'d' if dark else 'l'}{width}")
    page.get_by_text("Warn…", exact=True).click()
    page.get_by_label("What was wrong").fill("invented attacks")
    expect(page.get_by_role("button", name="Warn the reporter")).to_be_in_viewport()
    _picture(page, f"reporters-asked-{'d' if dark else 'l'}{width}")
    page.get_by_role("button", name="Warn the reporter").click()
    expect(page.get_by_text("waits in the outbox")).to_be_visible()
    _picture(page, f"reporters-warned-{'d' if dark else 'l'}{width}")


def _picture(page, name: str) -> None:
    if place := os.environ.get("TIPSTAFF_PICTURES"):
        page.screenshot(path=Path(place) / f"{name}.png", full_page=True)
