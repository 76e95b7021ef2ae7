"""Whoever reads the mailbox that a contact had before opens nothing of the contact's cases, however the address came to change."""

import json
from datetime import UTC, timedelta

import pytest
from django.test import Client

from tipstaff.accounts.importing.csv_import import Options, read
from tipstaff.accounts.models import Contact, Customer
from tipstaff.accounts.services import load, source_named
from tipstaff.faces.api import services as tokens
from tipstaff.faces.portal.models import PortalSession

pytestmark = pytest.mark.django_db
OLD, NEW = "abuse@carol.example", "desk@carol.example"


@pytest.fixture
def own(world):
    """Carol's contact, as an inventory that numbers its contacts knows her."""
    contact = world.contacts["carol"]
    Customer.objects.filter(pk=contact.customer_id).update(external_id="K-17")
    Contact.objects.filter(pk=contact.pk).update(external_id="c-1")
    return contact


def by_csv(now, email, **more):
    text = f"customer,contact,contact_role,email\nK-17,c-1,abuse,{email}\n"
    reading = read([("contacts.csv", text.encode())], Options(since=None, zone=UTC))
    load(inventory=reading.inventory, source=source_named(name="crm", kind="csv"), by="bob", now=now, **more)


def by_list(now, email):
    """A complete list that does not number its contacts, as most are."""
    Contact.objects.filter(email=OLD).update(external_id=f"abuse:{OLD}")
    text = f"customer,contact_role,email\nK-17,abuse,{email}\n"
    reading = read([("contacts.csv", text.encode())], Options(since=None, zone=UTC))
    load(inventory=reading.inventory, source=source_named(name="crm", kind="csv"), by="bob", now=now, complete=True)


def by_api(now, email):
    _, secret = tokens.create_token(name="crm", scopes=tuple(tokens.SCOPES), lasts=timedelta(days=1), by="bob", now=now)
    body = {"items": [{"customer": "K-17", "external_id": "c-1", "email": email}]}
    answer = Client(headers={"authorization": f"Bearer {secret}"}).put(
        "/api/v1/inventory/contacts", json.dumps(body), content_type="application/json"
    )
    assert answer.status_code == 200, answer.content


def by_hand(now, email):
    Contact.objects.update(email=email)


@pytest.mark.parametrize("change", [by_csv, by_list, by_api, by_hand])
def test_a_link_of_the_old_address_ends_at_once(world, own, mailed, change):
    link = world.link("carol")
    session = world.signed_in("carol")
    assert Client().get(link).status_code == 200 and session.get("/my/").status_code == 200
    change(world.now, NEW)
    own.refresh_from_db()
    assert own.email == NEW
    for answer in (Client().get(link), Client().post(f"{link}acknowledge/"), Client().get(f"{link}evidence/1/")):
        assert answer.status_code == 410 and "carol" not in answer.content.decode().lower()
    assert session.get("/my/").status_code == 302 and PortalSession.objects.exists()
    Client().post(f"{link}renew/")
    assert [one.recipient for one in mailed()] == [NEW], "a new link goes to the new address alone"
    own.email = NEW
    world.contacts["carol"] = own
    assert Client().get(world.link("carol")).status_code == 200


def test_the_same_address_in_other_letters_keeps_its_links(world, own):
    link = world.link("carol")
    by_csv(world.now, OLD.upper())
    assert Client().get(link).status_code == 200


def test_a_contact_that_has_no_address_any_more_opens_nothing(world, own):
    link = world.link("carol")
    Contact.objects.filter(pk=own.pk).update(email="")
    assert Client().get(link).status_code == 404
