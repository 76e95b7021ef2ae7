"""What is held against a customer, what was taken back, where the policy draws the line; and what a case says of its service."""

from datetime import timedelta

import pytest

from tipstaff.cases import strikes
from tipstaff.cases.access import visible_to
from tipstaff.cases.models import Case, Strike
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy.edition import StrikeRule

pytestmark = pytest.mark.django_db
YEAR = timedelta(days=365)


def struck(case: Case, weight: int, ago: timedelta, **more) -> Strike:
    return Strike.objects.create(customer=case.customer, case=case, weight=weight, at=clock_now() - ago, **more)


def test_strikes_are_shown_with_what_was_taken_back_and_nothing_of_a_case_that_is_set_apart(desk, alice) -> None:
    mine = [case for case in desk.cases if case.customer_id == desk.cases[0].customer_id][:5]
    page = f"/customers/{mine[0].customer_id}/"
    shown = alice.get(page).content.decode()
    assert "Strikes" in shown and "0 in 365 days" in shown and 'id="strikes"' in shown
    day = timedelta(days=1)
    struck(mine[0], 100, day)
    struck(mine[1], 50, 2 * day)
    struck(mine[2], 100, 3 * day, removed_at=clock_now(), removed_reason="the address was another's then")
    struck(mine[3], 100, 400 * day)
    struck(mine[4], 100, day)
    Case.objects.filter(pk=mine[4].pk).update(state="RESTRICTED_CASE")
    shown = alice.get(page).content.decode().split('id="strikes"')[1].split("</section>")[0]
    assert "1.5 in 365 days" in shown and "limit is 3" in shown and "the address was another" in shown and "repeated" not in shown
    assert [f"/cases/{case.pk}/" in shown for case in mine] == [True, True, True, True, False]


@pytest.mark.parametrize(("kinds", "repeated"), [((), True), (("scan",), True), (("copyright",), False)])
def test_the_line_is_the_policys_and_counts_its_kinds_alone(desk, alice, kinds, repeated) -> None:
    case, now = desk.cases[0], clock_now()
    struck(case, 100, timedelta(days=1))
    seen = visible_to(desk.staff["alice"])
    held = strikes.held_against(case.customer_id, StrikeRule(1, YEAR, kinds), seen=seen, now=now)
    assert case.category == "scan" and held.repeated is repeated and held.whole == "1"
    assert not strikes.held_against(case.customer_id, StrikeRule(1, timedelta(hours=1), kinds), seen=seen, now=now).repeated


@pytest.mark.parametrize(
    ("manager", "carriage", "ours", "carried"),
    [("customer", "hosting", 0, 0), ("provider", "hosting", 1, 0), ("customer", "conduit", 0, 1)],
)
def test_a_case_says_who_must_act_on_the_service_and_whether_we_store_anything_of_it(
    desk, alice, manager, carriage, ours, carried
) -> None:
    case = desk.cases[0]
    service = case.customer.services.first()
    type(service).objects.filter(pk=service.pk).update(managed_by=manager, carriage=carriage)
    Case.objects.filter(pk=case.pk).update(service=service)
    shown = alice.get(f"/cases/{case.pk}/").content.decode()
    assert shown.count("our own people act, and nothing happens by itself") == ours
    assert shown.count("we only carry its traffic, no content of it is stored here") == carried
