"""Work orders and interruptions at the desk: what is asked in plain words, who answers, what the order's journal says then."""

import os
from pathlib import Path

import pytest
from django.test import Client

from tests.enforcement import given
from tests.faces.desk.test_browser import check
from tipstaff.accounts.models import StaffMember
from tipstaff.cases.models import Case
from tipstaff.enforcement import approving, switches, worker
from tipstaff.enforcement.models import Credit, Interruption, WorkOrder
from tipstaff.kernel.clock import now

pytestmark = pytest.mark.django_db
STAFF = {"alice": "analyst", "bob": "lead", "nora": "network", "bill": "billing", "otto": "auditor"}


@pytest.fixture
def staff(monkeypatch) -> dict[str, Client]:
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)
    clients = {}
    for name, role in STAFF.items():
        clients[name] = Client()
        clients[name].force_login(StaffMember.objects.update_or_create(username=name, defaults={"roles": [role]})[0])
    return clients


@pytest.fixture
def asked(staff) -> WorkOrder:
    """A block of Carol's machine that no connector can do."""
    switches.go_live(live=True, by="bob", reason="ready", now=now())
    carol, _ = given.inventory()
    given.measure(given.case(carol))
    given.work()
    return WorkOrder.objects.get()


def lift() -> None:
    approving.lift(number=given.only().pk, by="bob", reason="fixed", now=now())
    given.work()


def again() -> None:
    given.soon(given.only())
    given.work()


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def test_a_network_operator_reads_does_and_confirms_and_the_order_is_verified(staff, asked):
    listed = text(staff["nora"], "/enforcement/work/")
    assert "to be done" in listed and given.CAROL in listed and "1 waits" in listed
    page = text(staff["nora"], f"/enforcement/work/{asked.pk}/")
    said = "Only this address.", "To undo it later", "do not undo it of your own accord", "scanning goes on", "It cannot be done…"
    for needed in (asked.instructions.split(",")[0], "4.2", *said):
        assert needed in page, needed
    assert staff["nora"].post(f"/enforcement/work/{asked.pk}/done/", {"note": "port 14 shut"}).status_code == 302
    given.work()
    order = given.only()
    assert order.state == "verified"
    journal = text(staff["alice"], f"/enforcement/{order.pk}/")
    assert "port 14 shut" in journal and "done by nora" in journal
    assert staff["nora"].post(f"/enforcement/work/{asked.pk}/done/").status_code == 409  # nothing is asked now


def test_the_way_back_too_and_what_cannot_be_undone_is_said_on_the_page(staff, asked):
    staff["nora"].post(f"/enforcement/work/{asked.pk}/done/")
    given.work()
    lift()
    page = text(staff["nora"], f"/enforcement/work/{asked.pk}/")
    assert "What to undo" in page and "It cannot be undone…" in page
    assert staff["nora"].post(f"/enforcement/work/{asked.pk}/cannot/", {"reason": ""}).status_code == 422
    assert staff["nora"].post(f"/enforcement/work/{asked.pk}/cannot/", {"reason": "the rack is locked"}).status_code == 302
    page = text(staff["alice"], f"/enforcement/work/{asked.pk}/")
    assert "nora says that it cannot be undone." in page and "the rack is locked" in page
    assert "the rack is locked" in text(staff["alice"], "/enforcement/?view=trouble")
    staff["bob"].post(f"/enforcement/work/{asked.pk}/done/", {"note": "opened by hand"})
    again()
    assert given.only().state == "reverted" and "Answered lately" in text(staff["nora"], "/enforcement/work/")


def test_what_cannot_be_done_fails_the_order_with_the_words(staff, asked):
    assert staff["nora"].post(f"/enforcement/work/{asked.pk}/cannot/", {"reason": "not our switch"}).status_code == 302
    again()
    assert given.only().state == "failed" and "not our switch" in given.only().problem


@pytest.mark.parametrize(("name", "status"), [("alice", 409), ("otto", 409), ("bill", 409)])
def test_others_read_and_answer_nothing(staff, asked, name, status):
    page = text(staff[name], f"/enforcement/work/{asked.pk}/")
    assert "It is done…" not in page and "A network operator or a lead says what was done." in page
    for action, fields in (("done", {}), ("cannot", {"reason": "x"})):
        assert staff[name].post(f"/enforcement/work/{asked.pk}/{action}/", fields).status_code == status
    asked.refresh_from_db()
    assert asked.state == "asked"


def test_strangers_and_who_may_not_see_the_case_see_nothing(staff, asked):
    assert Client().get(f"/enforcement/work/{asked.pk}/").status_code == 302
    StaffMember.objects.create(username="leo", roles=["liaison"])
    leo = Client()
    leo.force_login(StaffMember.objects.get(username="leo"))
    assert leo.get("/enforcement/work/").status_code == 403
    Case.objects.update(state="RESTRICTED_CASE")
    assert given.CAROL not in text(staff["nora"], "/enforcement/work/")
    assert staff["nora"].get(f"/enforcement/work/{asked.pk}/").status_code == 404
    assert staff["nora"].post(f"/enforcement/work/{asked.pk}/done/").status_code == 404
    assert staff["nora"].post(f"/enforcement/work/{asked.pk}/burn/").status_code == 404


def test_billing_grants_a_credit_for_an_interruption_that_is_over(staff, asked):
    staff["nora"].post(f"/enforcement/work/{asked.pk}/done/")
    given.work()
    assert "goes on" in text(staff["bill"], "/enforcement/interruptions/")
    lift()
    staff["nora"].post(f"/enforcement/work/{asked.pk}/done/")
    again()
    found = Interruption.objects.get()
    assert found.ended_at and "Credit…" in text(staff["bill"], "/enforcement/interruptions/")
    assert "Credit…" not in text(staff["alice"], "/enforcement/interruptions/")
    for name in ("alice", "nora", "otto"):
        assert staff[name].post(f"/enforcement/interruptions/{found.pk}/credit/", {"reason": "x"}).status_code == 409
        assert staff[name].get("/enforcement/interruptions.csv").status_code == 409
    assert not Credit.objects.exists()
    assert staff["bill"].post(f"/enforcement/interruptions/{found.pk}/credit/", {"reason": " "}).status_code == 422
    assert staff["bill"].post(f"/enforcement/interruptions/{found.pk}/credit/", {"reason": "by agreement"}).status_code == 302
    page = text(staff["bill"], "/enforcement/interruptions/")
    assert Credit.objects.get().by == "bill" and "given back" in page and "by agreement" in page and "Credit…" not in page
    assert "by agreement" in staff["bill"].get("/enforcement/interruptions.csv").content.decode()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_pages_are_accessible_and_an_answer_is_given_by_hand(opened, asked, width, dark):
    from playwright.sync_api import expect

    page = opened("nora", width=width, dark=dark)
    for name, address in (("list", "/enforcement/work/"), ("one", f"/enforcement/work/{asked.pk}/")):
        assert check(page, address) == []
        keep(page, name, width, dark)
    page.get_by_label("What you did").fill("Port 14 of the switch is shut.")
    page.get_by_role("button", name="It is done", exact=True).click()
    expect(page.get_by_text("The order’s journal has it.")).to_be_visible()
    given.work()
    assert given.only().state == "verified"
    lift()
    assert check(page, f"/enforcement/work/{asked.pk}/") == []
    keep(page, "undo", width, dark)
    page = opened("bill", width=width, dark=dark)
    assert check(page, "/enforcement/interruptions/") == []
    keep(page, "interruptions", width, dark)


def keep(page, name: str, width: int, dark: bool) -> None:
    """A picture, where somebody wants to look (TIPSTAFF_PICTURES)."""
    if place := os.environ.get("TIPSTAFF_PICTURES"):
        page.screenshot(path=Path(place) / f"by-hand-{name}-{'d' if dark else 'l'}{width}.png", full_page=True)
