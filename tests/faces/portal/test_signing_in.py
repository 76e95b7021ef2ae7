"""Signing in by a mailed link: once, soon, the same answer for everybody, and nothing to do with the sessions of staff."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from tipstaff.accounts.models import Contact
from tipstaff.audit.models import Entry
from tipstaff.faces.portal import limits, signing_in
from tipstaff.faces.portal.models import PortalSession, SignInLink, Try

pytestmark = pytest.mark.django_db


def asked(email, client=None, **headers):
    return (client or Client()).post("/my/sign-in/", {"email": email}, **headers)


def secret_in(message):
    return re.search(r"/my/sign-in/([\w-]+)/", message.body).group(1)


def test_the_mailed_link_signs_in_once_and_looking_uses_nothing_up(world, mailed):
    asked("Abuse@Carol.example")
    secret = secret_in(mailed()[0])
    client = Client()
    for _ in range(3):  # a scanner of mail opens links, too
        assert "abuse@carol.example" in client.get(f"/my/sign-in/{secret}/").content.decode()
    answer = client.post(f"/my/sign-in/{secret}/")
    assert answer["Location"] == "/my/"
    cookie = answer.cookies[signing_in.cookie_name()]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/my/"
    assert client.get("/my/").status_code == 200
    assert Client().post(f"/my/sign-in/{secret}/").status_code == 404
    assert Client().get(f"/my/sign-in/{secret}/").status_code == 404
    assert Entry.objects.filter(action="portal.login", actor=f"contact:{world.contacts['carol'].pk}").count() == 1


def test_known_and_unknown_addresses_get_the_same_answer(world, mailed):
    strip = r'name="csrf[^>]*|[\w.]+@[\w.]+'
    pages = [re.sub(strip, "", asked(email).content.decode()) for email in ("abuse@carol.example", "nobody@nowhere.example")]
    assert pages[0] == pages[1]
    assert [message.recipient for message in mailed()] == ["abuse@carol.example"]
    assert SignInLink.objects.count() == 2 and secret_in(mailed()[0]) not in str(list(SignInLink.objects.values()))


@pytest.mark.parametrize("email", ["", "x", "a@b", "x" * 400 + "@example.org", "a@b.example\nBcc: x@y.example"])
def test_what_is_no_address_is_said_so(db, email, mailed):
    assert asked(email).status_code == 422 and mailed() == []


def test_links_end_and_so_do_sessions(world, settings):
    now = world.now
    old = signing_in.ask(email="abuse@carol.example", code="en", mailed=False, now=now - signing_in.LINK_FOR)
    assert signing_in.begin(secret=old, now=now) is None
    client = world.signed_in("carol")
    row = PortalSession.objects.get()
    assert client.get("/my/").status_code == 200
    whole, idle = signing_in.lifetimes()
    for changed in ({"seen_at": now - idle, "began_at": now}, {"seen_at": now, "began_at": now - whole}):
        PortalSession.objects.filter(pk=row.pk).update(**changed)
        assert client.get("/my/")["Location"] == "/my/sign-in/"


def test_signing_out_ends_the_session_itself(world):
    client = world.signed_in("carol")
    kept = client.cookies[signing_in.cookie_name()].value
    client.post("/my/sign-out/")
    assert not PortalSession.objects.exists()
    again = Client()
    again.cookies[signing_in.cookie_name()] = kept
    assert again.get("/my/").status_code == 302
    assert Entry.objects.filter(action="portal.logout").exists()


def test_whoever_is_no_contact_any_more_is_signed_out_at_once(world):
    client = world.signed_in("carol")
    Contact.objects.filter(pk=world.contacts["carol"].pk).update(email="other@carol.example")
    assert client.get("/my/").status_code == 302


def test_asking_is_limited_for_an_address_silently_and_for_a_network_openly(world, mailed):
    for _ in range(limits.ASK_ADDRESS.most + 2):
        assert asked("abuse@carol.example", REMOTE_ADDR="192.0.2.200").status_code == 200
    assert len(mailed()) == limits.ASK_ADDRESS.most
    codes = [
        asked(f"x{number}@example.org", REMOTE_ADDR="192.0.2.201").status_code for number in range(limits.ASK_NETWORK.most + 2)
    ]
    assert codes == [200] * limits.ASK_NETWORK.most + [429] * 2
    assert asked("y@example.org", REMOTE_ADDR="192.0.2.202").status_code == 200
    assert Entry.objects.filter(action="portal.throttled").count() == 2


def test_somebody_of_several_customers_chooses_and_sees_only_the_one_chosen(world):
    Contact.objects.create(customer=world.cases["dave"].customer, email="ABUSE@carol.example", name="Carol for Dave")
    client = world.signed_in("carol")
    page = client.get("/my/choose/").content.decode()
    assert "Dave" in page and "Rory" not in page
    client.post("/my/choose/", {"customer": world.cases["dave"].customer_id})
    mine = client.get("/my/").content.decode()
    assert "198.51.100.9" in mine and "192.0.2.7" not in mine
    assert client.get(f"/my/cases/{world.cases['carol'].pk}/").status_code == 404
    assert client.get(f"/my/cases/{world.cases['dave'].pk}/").status_code == 200
    for wrong in (world.cases["rory"].customer_id, "x", "9" * 40, ""):
        assert client.post("/my/choose/", {"customer": wrong}).status_code == 404


def test_two_uses_of_a_link_at_once_give_one_session(world):
    secret = signing_in.ask(email="abuse@carol.example", code="en", mailed=False, now=world.now)
    assert [bool(signing_in.begin(secret=secret, now=world.now)) for _ in range(2)] == [True, False]
    assert PortalSession.objects.count() == 1


def test_tries_older_than_a_day_are_forgotten(world):
    for _ in range(limits.BAD_LINK.most + 2):
        limits.count(limits.BAD_LINK, "a", world.now - timedelta(days=3))
    assert not limits.count(limits.BAD_LINK, "a", world.now)
    assert Try.objects.count() == 1
