"""The portal in a real browser: accessible, within its width, in light and dark, wide and narrow; full, empty, error."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.faces.portal import given
from tipstaff.cases import services, statements
from tipstaff.cases.models import Case, Measure
from tipstaff.kernel.clock import now as clock_now

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PICTURES = os.environ.get("TIPSTAFF_PICTURES")  # a directory, to keep what was seen
VIEWS = [(1440, False), (390, True), (1440, True), (390, False)]


def fine(page, name: str, width: int, dark: bool) -> None:
    """No fault by axe-core, nothing wider than the window; keeps a picture where one is wanted."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"portal-{name}-{'d' if dark else 'l'}{width}.png", full_page=True)
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture
def made(transactional_db):
    """Carol's cases in several states: one with a plan and a blocked page, one fresh, one late, one restricted, one closed."""
    now = clock_now()
    world = given.world(now)
    carol = world.cases["carol"]
    by = f"contact:{world.contacts['carol'].pk}"
    for number, category in enumerate(("malware", "spam", "scan", "open_relay", "intrusion"), 20):
        given.reported(f"192.0.2.{number}", now - timedelta(hours=3), category=category)
    for case in Case.objects.filter(state="TRIAGE"):
        services.classify(case=case.pk, category=case.category, by="alicia-needle", now=now - timedelta(hours=2), ticket=True)
    late, pending, closed, fixed, *_ = Case.objects.filter(customer=carol.customer_id).exclude(pk=carol.pk).order_by("pk")
    ago, ahead = now - timedelta(hours=1), now + timedelta(hours=9)
    Case.objects.filter(pk=late.pk).update(ack_due_at=ago, resolve_due_at=ago, next_due_at=ago)
    Case.objects.filter(pk=pending.pk).update(state="DISCONNECT_PENDING", next_due_at=ahead)
    Case.objects.filter(pk=closed.pk).update(state="RESOLVED", outcome="RESOLVED", closed_at=ago, next_due_at=None)
    Case.objects.filter(pk=fixed.pk).update(state="FIX_CLAIMED", next_due_at=now + timedelta(days=4))
    made_late = {"late": late, "pending": pending, "closed": closed}
    statements.acknowledge(case=carol.pk, by=by, now=now - timedelta(hours=1))
    Measure.objects.create(
        case=carol, kind="url_block", scope="url", target=f"http://{given.CAROL}/login", clause="3.5", emergency=True,
        state="in_force",
        reason="The page still collected passwords.", decided_by="alice", decided_at=now - timedelta(hours=2),
        in_force_at=now - timedelta(hours=2), expires_at=now + timedelta(hours=22),
    )  # fmt: skip
    world.cases |= made_late
    return world


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_the_pages_of_somebody_with_cases(opened, made, width, dark):
    page = opened(made, "carol", width=width, dark=dark)
    base = f"/my/cases/{made.cases['carol'].pk}/"
    page.goto("/my/")
    expect(page.get_by_role("heading", name="My cases")).to_be_visible()
    fine(page, "mine", width, dark)
    page.goto(base)
    expect(page.get_by_role("heading", name="What happens next")).to_be_visible()
    fine(page, "case", width, dark)
    page.get_by_role("button", name="Send plan").click()
    expect(page.get_by_text("This was not sent yet.")).to_be_visible()
    fine(page, "case-error", width, dark)
    page.get_by_label("How did it get there?").fill("An outdated plug-in let somebody upload files.")
    page.get_by_label("What have you changed, or will you change?").fill("The plug-in and the pages are gone.")
    page.get_by_label("How will you keep it out?").fill("Automatic updates are on.")
    page.get_by_label("Done by").fill(f"{clock_now() + timedelta(hours=20):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Send plan").click()
    expect(page.get_by_text("Thank you. We have your plan")).to_be_visible()
    fine(page, "case-planned", width, dark)
    page.goto("/my/?show=closed")
    expect(page.get_by_text("Resolved")).to_be_visible()
    fine(page, "closed", width, dark)
    for name in ("late", "pending", "closed"):
        page.goto(f"/my/cases/{made.cases[name].pk}/")
        expect(page.get_by_role("heading", name="What we were told")).to_be_visible()
        fine(page, f"case-{name}", width, dark)
    for name in ("evidence/1", "dispute", "extension", "forward", "contacts", "contacts/add", "policy"):
        page.goto(f"/my/{name}/" if name.startswith(("contacts", "policy")) else f"{base}{name}/")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        fine(page, name.replace("/", "-"), width, dark)


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_the_pages_of_somebody_without(opened, made, width, dark):
    page = opened(made, None, width=width, dark=dark)
    page.goto("/my/sign-in/")
    fine(page, "sign-in", width, dark)
    page.get_by_label("Your mail address").fill("somebody@example.org")
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    fine(page, "sent", width, dark)
    page.goto("/c/nothing/")
    fine(page, "refusal", width, dark)
    page.goto(made.link("carol", at=clock_now() - timedelta(days=40)))
    expect(page.get_by_role("heading", name="This link is too old")).to_be_visible()
    fine(page, "expired", width, dark)
    page = opened(made, "rory", width=width, dark=dark)
    page.goto("/my/?show=closed")
    expect(page.get_by_text("Nothing closed yet")).to_be_visible()
    fine(page, "empty", width, dark)
    page.goto(f"/my/cases/{made.cases['emma'].pk}/")
    fine(page, "client", width, dark)


def test_everything_works_without_script_by_the_link_in_a_mail(opened, made):
    page = opened(made, None, script=False, width=390)
    page.goto(made.link("dave"))
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("that is not an admission")).to_be_visible()
    page.get_by_role("link", name="You are wrong").click()
    page.get_by_label("Why is the report wrong?").fill("The address was not ours then.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("We have your objection.")).to_be_visible()
    assert made.fresh("dave").state == "DISPUTED"


@pytest.mark.parametrize("code", ["de", "fr", "es", "nl"])
def test_longer_words_fit_too(opened, made, code):
    page = opened(made, "carol", width=390, locale=code)
    for name, address in (("mine", "/my/"), ("case", f"/my/cases/{made.cases['carol'].pk}/"), ("contacts", "/my/contacts/")):
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("lang", code)
        fine(page, f"{name}-{code}", 390, False)
