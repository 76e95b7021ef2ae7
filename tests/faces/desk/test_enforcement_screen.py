"""The Enforcement screen: lists, one order with its command, approving, rolling back, and the switches."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client

from tests.enforcement import given
from tests.faces.desk.test_browser import RULES, check
from tipstaff.accounts.models import StaffMember
from tipstaff.cases.models import Case
from tipstaff.enforcement import switches
from tipstaff.enforcement.models import Order

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = {"alice": "analyst", "amy": "analyst", "bob": "lead", "nina": "network", "bill": "billing", "otto": "auditor"}


@pytest.fixture
def staff() -> dict[str, Client]:
    clients = {}
    for name, role in STAFF.items():
        clients[name] = Client()
        clients[name].force_login(StaffMember.objects.update_or_create(username=name, defaults={"roles": [role]})[0])
    return clients


@pytest.fixture
def order(tmp_path) -> Order:
    """A block that stands, in the journal."""
    carol, _ = given.inventory()
    given.journal(tmp_path)
    given.measure(given.case(carol))
    given.work()
    found = given.only()
    assert found.state == "verified", found.problem
    return found


def test_the_lists_say_what_stands_and_the_order_shows_its_command(staff, order):
    page = staff["alice"].get("/enforcement/").content.decode()
    assert given.CAROL in page and "verified" in page and f"#{order.case_id}" in page and "paper" in page
    shown = staff["alice"].get(f"/enforcement/{order.pk}/").content.decode()
    for needed in (order.plan[0], "Roll back…", order.clause, order.reason, "Carol", order.tag):
        assert needed in shown, needed
    assert "Approve…" not in shown
    assert "Nothing waits for approval." in staff["alice"].get("/enforcement/?view=proposed").content.decode()
    assert staff["alice"].get("/enforcement/?view=nonsense").status_code == 404


def test_rolling_back_needs_a_reason_and_puts_things_back(staff, order):
    assert staff["alice"].post(f"/enforcement/{order.pk}/lift/", {"reason": " "}).status_code == 422
    assert staff["alice"].post(f"/enforcement/{order.pk}/lift/", {"reason": "fixed"}).status_code == 302
    assert "Being lifted" in staff["alice"].get(f"/enforcement/{order.pk}/").content.decode()
    given.work()
    order.refresh_from_db()
    assert order.state == "reverted" and order.revert_by == "alice"


def test_what_is_held_in_dry_run_is_freed_by_another_who_types_the_target(staff, tmp_path):
    carol, _ = given.inventory()
    given.journal(tmp_path, live=False)
    given.measure(given.case(carol))
    given.work()
    held = given.only()
    assert held.held
    page = staff["amy"].get("/enforcement/?view=held").content.decode()
    assert "Dry run." in page and given.CAROL in page
    assert staff["amy"].post(f"/enforcement/{held.pk}/approve/", {"typed": "203.0.113.8"}).status_code == 422
    assert staff["amy"].post(f"/enforcement/{held.pk}/approve/", {"typed": held.target}).status_code == 409, "still dry run"
    given.go_live(held.endpoint)
    assert staff["amy"].post(f"/enforcement/{held.pk}/approve/", {"typed": held.target}).status_code == 302
    given.work()
    assert given.only().state == "verified"


def test_the_switches_stop_and_lift_everything(staff, order):
    assert staff["alice"].post("/enforcement/switch/stop/", {"reason": "x"}).status_code == 403, "not an analyst's"
    assert staff["nina"].post("/enforcement/switch/stop/", {"reason": ""}).status_code == 422
    assert staff["nina"].post("/enforcement/switch/stop/", {"reason": "a router misbehaves"}).status_code == 302
    page = staff["otto"].get("/enforcement/").content.decode()
    assert "a router misbehaves" in page and "Lift everything…" not in page
    assert staff["nina"].post("/enforcement/switch/resume/").status_code == 302 and not switches.current().stopped
    assert staff["nina"].post("/enforcement/switch/lift-all/", {"reason": "wrong feed", "typed": "lift"}).status_code == 422
    assert (
        staff["nina"].post("/enforcement/switch/lift-all/", {"reason": "wrong feed", "typed": "lift everything"}).status_code == 302
    )
    given.work()
    order.refresh_from_db()
    assert order.state == "reverted"
    assert staff["nina"].post("/enforcement/switch/burn/").status_code == 404


def test_who_may_not_see_the_case_does_not_see_its_order(staff, order):
    Case.objects.filter(pk=order.case_id).update(state="RESTRICTED_CASE")
    assert given.CAROL not in staff["alice"].get("/enforcement/").content.decode()
    assert staff["alice"].get(f"/enforcement/{order.pk}/").status_code == 404
    assert staff["alice"].post(f"/enforcement/{order.pk}/lift/", {"reason": "x"}).status_code == 404


def test_readers_read_and_change_nothing(staff, order):
    for name in ("otto", "bill", "nina"):
        assert staff[name].get("/enforcement/").status_code == 200
        assert staff[name].post(f"/enforcement/{order.pk}/lift/", {"reason": "x"}).status_code == 403
    order.refresh_from_db()
    assert order.revert_asked_at is None
    assert Client().get("/enforcement/").status_code == 302


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_screens_and_the_steps_of_a_case_are_accessible(opened, staff, order, width, dark):
    """Lists, an order, and a case page with its steps unfolded; light and dark, wide and narrow."""
    page = opened("bob", width=width, dark=dark)
    for address in ("/enforcement/", "/enforcement/?view=proposed", f"/enforcement/{order.pk}/", f"/cases/{order.case_id}/"):
        assert check(page, address) == []
        keep(page, address, width, dark)
    page.locator("details.more > summary").click()
    page.locator("details.more details.drop > summary").first.click()
    found = Axe().run(page, options=RULES).response["violations"]
    assert not found, [(one["id"], one["nodes"][0]["html"][:160]) for one in found]
    keep(page, "/case-steps/", width, dark)


def keep(page, address: str, width: int, dark: bool) -> None:
    """A picture, where somebody wants to look (TIPSTAFF_PICTURES)."""
    if place := os.environ.get("TIPSTAFF_PICTURES"):
        name = "enforcement" + "".join(c if c.isalnum() else "-" for c in address).rstrip("-")
        page.screenshot(path=Path(place) / f"{name}-{'d' if dark else 'l'}{width}.png", full_page=True)
