"""What somebody may send: far too much, markup, forged forms. Each has its clear message, and its line on the record."""

import pytest
from django.test import Client

from tipstaff.audit.models import Entry
from tipstaff.cases import statements
from tipstaff.cases.models import JournalEntry, Statement

pytestmark = pytest.mark.django_db
PLAN = {"cause": "a plug-in", "fix": "removed", "prevention": "updates", "promised_at": "2031-01-01T10:00"}


@pytest.fixture(params=["account", "link"])
def door(request, world):
    if request.param == "account":
        return world.signed_in("carol"), f"/my/cases/{world.cases['carol'].pk}/"
    return Client(), world.link("carol")


def test_a_plan_of_forty_megabytes_is_refused_unread_and_on_the_record(world, door):
    client, base = door
    answer = client.post(f"{base}plan/", PLAN | {"fix": "<b>x</b>" * 5_000_000})
    assert answer.status_code == 413 and "too much for a form" in answer.content.decode()
    assert not Statement.objects.exists()
    row = JournalEntry.objects.get(case=world.cases["carol"], kind="statement")
    assert "refused unread" in row.text and row.internal and row.actor == f"contact:{world.contacts['carol'].pk}"
    assert Entry.objects.get(action="portal.too_big").detail["kilobytes"] > 39_000


def test_too_much_without_a_case_is_refused_all_the_same(world):
    for address in ("/my/sign-in/", "/my/contacts/add/", "/c/nothing/plan/"):
        assert Client().post(address, {"email": "x" * 300_000}).status_code == 413
    answer = Client().generic("POST", "/my/sign-in/", b"", headers={"content-length": "many"})
    assert answer.status_code in {400, 413}


def test_a_field_that_is_too_long_keeps_what_was_written_and_says_by_how_much(world, door):
    client, base = door
    answer = client.post(f"{base}plan/", PLAN | {"cause": "y" * 10_001})
    text = answer.content.decode()
    assert answer.status_code == 422 and "10001 characters; 10000 are taken" in text and "removed</textarea>" in text
    assert not Statement.objects.exists()


def test_markup_is_shown_as_text_wherever_it_was_written(world, door):
    client, base = door
    bad = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'--><h1>"
    client.post(f"{base}plan/", PLAN | {"cause": bad, "fix": bad, "prevention": bad})
    client.post(f"{base}comment/", {"text": bad})
    assert Statement.objects.get(kind="plan").cause == bad
    text = client.get(base).content.decode()
    assert "<script>alert" not in text and "<img" not in text and "&lt;script&gt;alert(1)" in text
    wrong = client.post(f"{base}plan/", {"cause": bad}).content.decode()
    assert "<script>alert" not in wrong and "<img" not in wrong


def test_characters_that_the_database_refuses_are_taken_out(world, door):
    client, base = door
    body = "text=a%00b%ED%A0%80%FFc"
    client.post(f"{base}comment/", body, content_type="application/x-www-form-urlencoded")
    assert Statement.objects.get().text.startswith("ab")


@pytest.mark.parametrize("answer", ["acknowledge", "plan", "fix", "dispute", "extension", "comment", "appeal", "forward"])
def test_a_form_without_its_proof_changes_nothing(world, answer):
    client = Client(enforce_csrf_checks=True)
    reply = client.post(f"{world.link('carol')}{answer}/", PLAN | {"text": "x", "grounds": "x"})
    assert reply.status_code == 403 and "proof that this form is yours" in reply.content.decode()
    assert not Statement.objects.exists() and world.fresh("carol").state == "TICKETED"


def test_with_its_proof_it_does(world):
    client = Client(enforce_csrf_checks=True)
    client.get(world.link("carol"))
    token = client.cookies[next(name for name in client.cookies if "csrf" in name)].value
    client.post(f"{world.link('carol')}acknowledge/", {"csrfmiddlewaretoken": token})
    assert world.fresh("carol").state == "ACKNOWLEDGED"


def test_no_page_has_script_or_style_of_its_own_and_none_is_kept(world):
    client = world.signed_in("carol")
    for address in (
        "/my/",
        f"/my/cases/{world.cases['carol'].pk}/",
        world.link("carol"),
        "/my/contacts/",
        "/my/sign-in/sent/",
        "/c/x/",
    ):
        answer = client.get(address)
        text = answer.content.decode()
        assert "script-src 'self'" in answer["Content-Security-Policy"] and answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "same-origin" and answer["X-Frame-Options"] == "DENY"
        assert "<script" not in text and " style=" not in text and "<style" not in text and " on" + "click" not in text


def test_looking_at_the_link_is_no_answer_but_signing_in_and_looking_is_seen(world):
    Client().get(world.link("carol"))
    assert world.fresh("carol").seen_at is None, "scanners of mail open links"
    world.signed_in("carol").get(f"/my/cases/{world.cases['carol'].pk}/")
    assert world.fresh("carol").seen_at is not None


def test_a_flood_of_comments_is_stopped(world, monkeypatch):
    from tipstaff.faces.portal import limits

    monkeypatch.setattr(limits, "WRITE", limits.Limit("write", 3))
    client = Client()
    codes = [client.post(f"{world.link('carol')}comment/", {"text": f"{number}"}).status_code for number in range(5)]
    assert codes == [302, 302, 302, 429, 429] and Statement.objects.count() == 3


def test_what_is_asked_of_a_closed_case_is_refused_with_a_reason(world):
    case = world.cases["carol"]
    type(case).objects.filter(pk=case.pk).update(state="RESOLVED", closed_at=world.now, outcome="RESOLVED")
    for answer, body in (("acknowledge", {}), ("dispute", {"text": "x"}), ("fix", {"text": "x"})):
        reply = Client().post(f"{world.link('carol')}{answer}/", body)
        assert reply.status_code == 409 and "not open at the moment" in reply.content.decode()
    assert Client().post(f"{world.link('carol')}comment/", {"text": "a question"}).status_code == 302
    assert statements.Statement.objects.get().kind == "comment"


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "-1"])
def test_what_is_no_number_is_nobody_s_client_measure_or_page(world, door, number):
    client, base = door
    assert client.post(f"{base}forward/", {"client": number, "language": "en"}).status_code == 422
    assert client.post(f"{base}appeal/", {"measure": number, "grounds": "x"}).status_code in {404, 409, 422}
    browser = world.signed_in("carol")
    assert browser.get("/my/", {"from": number}).status_code == 200
    assert browser.post("/my/choose/", {"customer": number}).status_code == 404


def test_a_promise_at_the_end_of_the_calendar_is_a_slip(world, door):
    client, base = door
    answer = client.post(f"{base}plan/", PLAN | {"promised_at": "9999-12-31T23:59"})
    assert answer.status_code == 422 and "This is too far away." in answer.content.decode()
    assert not Statement.objects.exists()
