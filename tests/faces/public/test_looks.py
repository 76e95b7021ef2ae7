"""The public pages in a real browser, without script: accessible, within their width, in light and dark, wide and narrow."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core import signing
from django.core.cache import cache
from playwright.sync_api import expect

from tests.pipeline.given import CAROL, deliver, event, report
from tipstaff.kernel.clock import now as clock_now
from tipstaff.pipeline.answers import CONFIRM_SALT
from tipstaff.pipeline.worker import Worker
from tipstaff.reports.models import Reporter

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PICTURES = os.environ.get("TIPSTAFF_PICTURES")  # a directory, to keep what was seen
LOG = f"Jun 14 10:02:11 +0200 mx sshd[811]: Failed password for root from {CAROL} port 40112 ssh2\n" * 2
VIEWS = [(1440, False), (390, True), (1440, True), (390, False)]


def faults(page, name: str, width: int, dark: bool) -> str:
    """What axe-core finds, and whether it is wider than the window; keeps a picture where one is wanted."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"public-{name}-{'d' if dark else 'l'}{width}.png", full_page=True)
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    wide = page.evaluate("document.documentElement.scrollWidth")
    return (found.generate_report() if found.violations_count else "") + (f"{wide} px wide" if wide > width else "")


@pytest.fixture
def scripted(opened):
    """axe-core needs script to look; the pages themselves have none."""

    def page_for(width, dark):
        return opened(width=width, dark=dark, script=True)

    return page_for


@pytest.fixture
def desk(transactional_db, provider):
    """Some cases, so that the figures have rows."""
    now = clock_now()
    for number in range(12):
        one = event(ip=f"198.51.100.{number + 1}", at=now - timedelta(hours=2))
        deliver(report(one, category=("phishing", "spam")[number % 2], by=f"r{number}@example.org"), now=now)
    cache.clear()


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_a_report_from_paste_to_thank_you(scripted, desk, settings, width, dark):
    page = scripted(width, dark)
    page.goto("/report/")
    assert faults(page, "report-empty", width, dark) == ""
    page.get_by_role("textbox", name="A URL, an address").fill(LOG)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("Ours.")).to_be_visible()
    assert faults(page, "report-checked", width, dark) == ""
    page.get_by_label("Your attacked address").fill("10.0.0.4")
    page.get_by_role("button", name="Show what our customer will see").click()
    expect(page.get_by_text("is private")).to_be_visible()
    assert faults(page, "report-errors", width, dark) == ""
    page.get_by_label("Your attacked address").fill("")
    page.get_by_label("Your e-mail").fill("noc@mx.example")
    page.get_by_label("Name", exact=True).fill("Rita Reporter")
    page.get_by_role("button", name="Show what our customer will see").click()
    expect(page.get_by_role("heading", name="What our customer will see")).to_be_visible()
    assert faults(page, "report-preview", width, dark) == ""
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert faults(page, "thanks", width, dark) == ""
    from tipstaff.intake.spool import Spool

    worker = Worker(Spool(settings.SPOOL))
    while worker.step():
        pass
    page.locator(".link-box").click()
    page.wait_for_url("**/status/**")
    assert faults(page, "status", width, dark) == ""


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_pages_to_read(scripted, desk, settings, width, dark):
    page = scripted(width, dark)
    rita = Reporter.objects.first()
    link = f"/confirm/{signing.dumps(rita.pk, salt=CONFIRM_SALT)}"
    paths = {"policy": "/policy/", "versions": "/policy/versions/", "figures": "/transparency/", "ask": "/status/", "confirm": link}
    for name, path in (paths | {"refusal": "/status/nothing", "none": "/policy/no/such/"}).items():
        page.goto(path)
        assert faults(page, name, width, dark) == ""


def test_the_form_works_without_script(opened, desk):
    page = opened(script=False)
    page.goto("/report/")
    page.get_by_role("textbox", name="A URL, an address").fill(f"http://{CAROL}/login")
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("Phishing", exact=True).click()
    page.get_by_label("Your e-mail").fill("rita@reporter.example.org")
    page.get_by_label("Name", exact=True).fill("Rita Reporter")
    page.get_by_role("button", name="Show what our customer will see").click()
    page.get_by_role("button", name="Send report").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def test_a_policy_that_is_not_published_yet(scripted, transactional_db):
    page = scripted(390, False)
    page.goto("/policy/")
    expect(page.get_by_text("is not published yet")).to_be_visible()
    assert faults(page, "policy-none", 390, False) == ""
