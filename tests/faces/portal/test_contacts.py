"""Contacts, language and the policy: a customer's people keep themselves; a new address is confirmed; the last one stays."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from tipstaff.accounts.models import Acceptance, Contact
from tipstaff.audit.models import Entry
from tipstaff.correspondence import links
from tipstaff.faces.portal.models import AddressToConfirm
from tipstaff.faces.portal.views.contacts import CONFIRM_FOR
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy import queries as policy
from tipstaff.policy.models import StoredEdition

pytestmark = pytest.mark.django_db


@pytest.fixture
def carol(world):
    return world.signed_in("carol")


def details(contact, **more):
    known = {name: getattr(contact, name) for name in ("name", "email", "phone", "role", "language")}
    return known | more


def secret_in(message):
    return re.search(r"/my/confirm/[\w-]+/", message.body).group(0)


def test_name_and_language_change_at_once_and_the_page_speaks_it(world, carol):
    own = world.contacts["carol"]
    carol.post(f"/my/contacts/{own.pk}/", details(own, name="Carola", language="fr"))
    own.refresh_from_db()
    assert (own.name, own.language, own.email) == ("Carola", "fr", "abuse@carol.example")
    assert '<html lang="fr">' in carol.get("/my/").content.decode()
    assert Entry.objects.get(action="contact.change").detail["fields"] == ["name", "language"]


def test_another_address_counts_once_its_mail_was_opened_and_the_old_one_is_told(world, carol, mailed):
    own = world.contacts["carol"]
    carol.post(f"/my/contacts/{own.pk}/", details(own, email="new@carol.example"))
    own.refresh_from_db()
    assert own.email == "abuse@carol.example" and [message.recipient for message in mailed()] == ["new@carol.example"]
    link = secret_in(mailed()[0])
    assert Client().get(link).status_code == 200
    own.refresh_from_db()
    assert own.email == "abuse@carol.example", "looking confirms nothing"
    assert "Confirmed" in Client().post(link).content.decode()
    own.refresh_from_db()
    assert own.email == "new@carol.example" and own.confirmed_at is not None and own.problem == ""
    assert mailed()[1].recipient == "abuse@carol.example" and "has another one now" in mailed()[1].body
    assert Client().post(link).status_code == 404
    assert carol.get("/my/").status_code == 302, "the session was of the old address"


def test_links_that_lie_in_a_mailbox_which_the_contact_has_left_open_nothing_but_a_new_one(world, carol, mailed):
    own, case = world.contacts["carol"], f"case:{world.cases['carol'].pk}"
    Contact.objects.filter(pk=own.pk).update(confirmed_at=world.now - timedelta(days=9))
    old = f"/c/{links.token_of(case, f'contact:{own.pk}', world.now - timedelta(days=1), to=own.email)}/"
    assert Client().get(old).status_code == 200
    carol.post(f"/my/contacts/{own.pk}/", details(own, email="new@carol.example"))
    Client().post(secret_in(mailed()[0]))
    assert Client().get(old).status_code == 410 and Client().post(f"{old}acknowledge/").status_code == 410
    Client().post(f"{old}renew/")
    assert mailed()[-1].recipient == "new@carol.example"
    assert Client().get(f"/c/{links.token_of(case, f'contact:{own.pk}', clock_now(), to='new@carol.example')}/").status_code == 200


def test_a_contact_is_added_once_it_confirmed(world, carol, mailed):
    carol.post("/my/contacts/add/", details(world.contacts["carol"], email="tech@carol.example", role="technical", name="Tess"))
    assert Contact.objects.filter(customer=world.cases["carol"].customer).count() == 1
    assert "waits to be confirmed" in carol.get("/my/contacts/").content.decode()
    Client().post(secret_in(mailed()[0]))
    made = Contact.objects.get(email="tech@carol.example")
    assert (made.customer_id, made.role, made.name) == (world.cases["carol"].customer_id, "technical", "Tess")


def test_links_that_confirm_end(world, carol, mailed):
    carol.post("/my/contacts/add/", details(world.contacts["carol"], email="late@carol.example"))
    AddressToConfirm.objects.update(valid_until=world.now - timedelta(seconds=1))
    assert Client().post(secret_in(mailed()[0])).status_code == 404
    assert not Contact.objects.filter(email="late@carol.example").exists() and timedelta(hours=1) < CONFIRM_FOR


def test_the_last_working_abuse_contact_stays(world, carol):
    own = world.contacts["carol"]
    broken = Contact.objects.create(customer=own.customer, email="old@carol.example", problem="bounced")
    for answer in (
        carol.post(f"/my/contacts/{own.pk}/remove/"),
        carol.post(f"/my/contacts/{own.pk}/", details(own, role="billing")),
    ):
        assert answer.status_code == 422 and "last abuse contact" in answer.content.decode()
    own.refresh_from_db()
    assert own.role == "abuse"
    assert carol.post(f"/my/contacts/{broken.pk}/remove/").status_code == 302 and not Contact.objects.filter(pk=broken.pk).exists()
    Contact.objects.create(customer=own.customer, email="second@carol.example")
    assert carol.post(f"/my/contacts/{own.pk}/remove/").status_code == 302 and not Contact.objects.filter(pk=own.pk).exists()
    assert Entry.objects.filter(action="contact.remove").count() == 2


@pytest.mark.parametrize("email", ["", "x", "a b@c.example", "a@b", "a@b.example, c@d.example", "a@b.example\r\nBcc: x@y.example"])
def test_what_is_no_address_is_said_so_and_mailed_nowhere(world, carol, mailed, email):
    answer = carol.post("/my/contacts/add/", details(world.contacts["carol"], email=email))
    assert answer.status_code == 422 and mailed() == []


def test_another_customers_contacts_do_not_exist(world, carol):
    dave = world.contacts["dave"]
    for address in (f"/my/contacts/{dave.pk}/", f"/my/contacts/{dave.pk}/remove/"):
        assert carol.post(address, details(dave, name="Mallory")).status_code == 404
    dave.refresh_from_db()
    assert dave.name == "Dave Meyer"


def test_no_customer_can_have_strangers_mailed_without_end(world, carol, mailed):
    codes = [
        carol.post("/my/contacts/add/", details(world.contacts["carol"], email=f"x{number}@example.org")).status_code
        for number in range(12)
    ]
    assert codes == [302] * 10 + [429] * 2 and len(mailed()) == 10


def test_an_edition_is_accepted_where_the_policy_asks_for_it_and_only_that_one(world):
    stored = StoredEdition.objects.get()
    assert policy.compiled(stored).switches.acceptance == "explicit"
    carol = world.signed_in("carol")
    assert "waits for your acceptance" in carol.get("/my/").content.decode()
    carol.post("/my/policy/", {"hash": "0" * 64})
    assert not Acceptance.objects.exists()
    carol.post("/my/policy/", {"hash": stored.content_hash})
    carol.post("/my/policy/", {"hash": stored.content_hash})
    row = Acceptance.objects.get()
    assert (row.customer_id, row.edition, row.method) == (world.cases["carol"].customer_id, stored.name, "portal")
    assert row.actor == f"contact:{world.contacts['carol'].pk}"
    assert "waits for your acceptance" not in carol.get("/my/").content.decode()
