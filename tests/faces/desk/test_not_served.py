"""Customers, Not served again: the list, the orders that it caught, and who may decide."""

from datetime import timedelta

import pytest
from django.test import Client

from tests.faces.desk.test_browser import check
from tipstaff.audit.models import Entry
from tipstaff.cases import catching, refusals
from tipstaff.cases.models import Refusal, RefusalMatch

pytestmark = pytest.mark.django_db
PLACE = "/customers/not-served/"


@pytest.fixture
def caught(desk, now) -> RefusalMatch:
    """The customer of a case orders a new service after being put on the list."""
    customer = desk.cases[6].customer
    refusals.enter(case=desk.cases[6], reason_code="fraud_site", by="bob", now=now - timedelta(days=9))
    customer.services.create(name="ordered anew", external_id="anew", started_at=now - timedelta(days=1))
    return catching.catch(now=now)[0]


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def test_the_list_is_empty_at_first(desk, alice):
    page = text(alice, PLACE)
    assert "Nobody is on the list." in page and "No order was caught." in page
    assert PLACE in text(alice, "/customers/")


def test_a_caught_order_is_seen_on_the_list_and_at_the_customer_and_a_lead_decides(desk, alice, signed_in, caught):
    bob, customer = signed_in("bob"), f"/customers/{caught.customer_id}/"
    assert "waits for a lead" in text(alice, PLACE) and "Not served…" not in text(alice, PLACE)
    assert "Not to be served again?" in text(alice, customer) and "Not served again</b> since" in text(alice, customer)
    address = f"{PLACE}orders/{caught.pk}/refused/"
    assert alice.post(address, {"reason": "no"}).status_code == 409
    assert bob.post(address, {"reason": " "}).status_code == 422 and bob.post(f"{PLACE}orders/{caught.pk}/x/").status_code == 404
    assert bob.post(address, {"reason": "she owes us still"}).status_code == 302
    assert "she owes us still" in text(alice, PLACE) and "Not to be served again?" not in text(alice, customer)
    assert Entry.objects.filter(action="refusal.refused", actor="bob").count() == 1
    assert Entry.objects.filter(action="refused.rule", actor="alice").exists(), "the try is on the record"


def test_a_lead_puts_somebody_on_the_list_and_takes_them_off(desk, alice, signed_in):
    bob = signed_in("bob")
    given = {"identities": "Mallory Ltd, m@mallory.example", "reason_code": "billing_fraud", "note": "false card", "days": "30"}
    assert alice.post(PLACE, given).status_code == 409
    assert "is no number of days" in bob.post(PLACE, {**given, "days": "x"}).content.decode()
    assert "say why they are not served again" in bob.post(PLACE, {**given, "note": ""}).content.decode()
    assert bob.post(PLACE, given).status_code == 302
    entry = Refusal.objects.get()
    page = text(alice, PLACE)
    assert "false card" in page and "2 identities" in page and "allory" not in page
    assert alice.post(f"{PLACE}{entry.pk}/lift/", {"note": "x"}).status_code == 409
    assert bob.post(f"{PLACE}{entry.pk}/lift/", {"note": "paid"}).status_code == 302
    assert "lifted" in text(alice, PLACE) and "paid" in text(alice, PLACE)


def test_strangers_and_clerks_see_nothing(desk, signed_in):
    assert Client().get(PLACE).status_code == 302 and signed_in("amir").post(PLACE, {}).status_code == 403


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_page_is_accessible(opened, caught, width, dark):
    assert check(opened("bob", width=width, dark=dark), PLACE) == []
