"""The customer's page: what the contract says beside the policy, what it said when, and the form that changes it."""

from datetime import timedelta

import pytest

from tipstaff.accounts.models import ContractTerms
from tipstaff.audit.models import Entry
from tipstaff.kernel.clock import now as clock_now

pytestmark = pytest.mark.django_db


def test_a_lead_changes_the_contract_and_the_page_keeps_what_was_in_force_when(desk, alice, signed_in):
    bob, customer = signed_in("bob"), desk.cases[6].customer
    customer.contract = {"notice_hours": 24, "notice_roles": ["technical"]}
    customer.save()
    page, place = f"/customers/{customer.pk}/", f"/customers/{customer.pk}/contract/"
    shown = alice.get(page).content.decode()
    assert "24 hours of notice; letters to technical" in shown and "Other terms…" not in shown
    given = {"notice_hours": "96", "no_automation": "1", "reason": "the rider of June"}
    assert alice.post(place, given).status_code == 409 and not ContractTerms.objects.exists()
    assert Entry.objects.filter(action="refused.rule", actor="alice").exists(), "the try is on the record"
    for wrong in (
        {"notice_hours": "soon"},
        {"reason": " "},
        {"from": "yesterday"},
        {"from": "2999-01-01"},
        {"notice_roles": "boss"},
    ):
        assert bob.post(place, {**given, **wrong}).status_code == 422
    assert bob.post(place, given).status_code == 302
    shown = bob.get(page).content.decode()
    assert "96 hours of notice; nothing happens by itself" in shown and "24 hours of notice; letters to technical" in shown
    assert "the rider of June" in shown and "as it stood when its history began" in shown and "Other terms…" in shown
    customer.refresh_from_db()
    assert customer.contract == {"notice_hours": 96, "no_automation": True}
    day = f"{(clock_now() - timedelta(days=1)):%Y-%m-%d}"
    told = bob.post(place, {"notice_hours": "48", "reason": "agreed the day before", "from": day}, follow=True).content.decode()
    assert "in force today is: 96 hours of notice" in told and "The contract says: 48" not in told


def test_without_terms_of_its_own_a_customer_has_those_of_the_policy(desk, alice):
    assert "as the policy says" in alice.get(f"/customers/{desk.cases[5].customer_id}/").content.decode()
