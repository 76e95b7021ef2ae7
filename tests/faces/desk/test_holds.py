"""Holds at the desk: who sees them, placing one from the case page or the list, and counsel who releases."""

import pytest
from playwright.sync_api import expect

from tests.faces.desk import factory
from tests.faces.desk.test_browser import check
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.evidence.models import Hold
from tipstaff.evidence.services import place_hold
from tipstaff.kernel.clock import now as clock_now

PAGE = "/settings/holds/"


@pytest.mark.parametrize(
    ("role", "sees", "places"),
    [("lead", True, True), ("counsel", True, True), ("admin", True, True), ("auditor", True, False), ("analyst", False, False)],
)
def test_who_sees_and_who_places(of_role, role, sees, places) -> None:
    client = of_role(role)
    answer = client.get(PAGE)
    assert (answer.status_code == 200) is sees and (b"settings/holds/place/" in answer.content) is places
    assert (PAGE.encode() in client.get("/settings/").content) is sees
    client.post(PAGE + "place/", {"scope": "all", "reason": "court order"})
    assert Hold.objects.exists() is places


def test_placed_from_the_case_page_and_released_by_another_who_is_counsel(desk, of_role, alice, signed_in) -> None:
    case = desk.cases[6]
    bob, colin = signed_in("bob"), of_role("counsel")
    assert f"/cases/{case.pk}/do/hold/" in bob.get(f"/cases/{case.pk}/").content.decode()
    assert alice.post(f"/cases/{case.pk}/do/hold/", {"reason": "court order"}).status_code == 409
    assert bob.post(f"/cases/{case.pk}/do/hold/", {"reason": ""}).status_code == 422
    assert bob.post(f"/cases/{case.pk}/do/hold/", {"reason": "court order"}).status_code == 302
    hold = Hold.objects.get()
    assert (hold.scope, hold.placed_by) == (f"case:{case.pk}", "bob")
    button = f"{PAGE}{hold.pk}/release/"
    assert button in colin.get(PAGE).content.decode() and button not in bob.get(PAGE).content.decode()
    assert bob.post(button, {"reason": "over"}).status_code == 403
    assert colin.post(button, {"reason": " "}).status_code == 422
    assert colin.post(button, {"reason": "over"})["Location"] == PAGE
    assert f"case:{case.pk}" not in colin.get(PAGE).content.decode() and "released" in colin.get(PAGE + "?all=1").content.decode()


def test_counsel_releases_nothing_of_his_own_and_a_wrong_scope_says_what_to_write(of_role) -> None:
    colin = of_role("counsel")
    colin.post(PAGE + "place/", {"scope": "flows", "reason": "court order"})
    number = Hold.objects.get().pk
    assert f"{PAGE}{number}/release/" not in colin.get(PAGE).content.decode()
    assert colin.post(f"{PAGE}{number}/release/", {"reason": "over"}).status_code == 409
    wrong = colin.post(PAGE + "place/", {"scope": "ticket:7", "reason": "court order"})
    assert wrong.status_code == 422 and "blob:SHA256" in wrong.content.decode() and Hold.objects.count() == 1


def test_a_case_set_apart_is_named_to_its_two_roles_only(desk, of_role, signed_in) -> None:
    case = desk.cases[6]
    signed_in("bob").post(f"/cases/{case.pk}/do/hold/", {"reason": "court order"})
    Case.objects.filter(pk=case.pk).update(state="RESTRICTED_CASE")
    assert f"case:{case.pk}" not in signed_in("bob").get(PAGE).content.decode()
    assert f"case:{case.pk}" in of_role("counsel").get(PAGE).content.decode()


def test_a_closed_case_can_be_held_too_and_says_so_on_its_timeline(desk, signed_in) -> None:
    bob, case = signed_in("bob"), desk.cases[6]
    Case.objects.filter(pk=case.pk).update(state="RESOLVED", closed_at=desk.now)
    assert f"/cases/{case.pk}/do/hold/" in bob.get(f"/cases/{case.pk}/").content.decode()
    bob.post(f"/cases/{case.pk}/do/hold/", {"reason": "order 7 O 26/26"})
    told = JournalEntry.objects.get(case=case, kind="evidence")
    assert told.internal and "order 7 O 26/26" in told.text
    assert "order 7 O 26/26" in bob.get(f"/cases/{case.pk}/").content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_it_is_accessible(opened, width: int, dark: bool) -> None:
    factory.sample(clock_now(), filler=0)
    for scope in ("all", f"blob:{'ab' * 32}"):
        place_hold(scope=scope, reason="order 7 O 26/26 of the regional court", by="bob", now=clock_now())
    page = opened("sofia", width=width, dark=dark)
    assert check(page, PAGE) == []
    expect(page.get_by_text("Release…")).to_have_count(2)
