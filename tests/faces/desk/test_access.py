"""Who gets in, and that nothing of a sealed submission shows anywhere else."""

import re

import pytest
from django.test import Client

from tests.faces.desk import factory
from tipstaff.audit.models import Entry
from tipstaff.evidence.models import Opening

SCREENS = [
    "/",
    "/queue/",
    "/queue/cases.csv",
    "/intake/",
    "/intake/?view=all",
    "/customers/",
    "/customers/not-served/",
    "/rules/",
    "/rules/risks/",
    "/settings/",
    "/settings/staff/",
    "/settings/editions/",
    "/settings/keywords/",
    "/settings/profiles/",
    "/settings/wording/",
    "/settings/macros/",
    "/settings/on-call/",
    "/enforcement/work/",
    "/enforcement/interruptions/",
    "/refused/",
    "/reviews/",
    "/outbox/",
    "/jobs/",
    "/addresses/",
    "/me/",
    "/search/?q=trap",
    "/search/?q=203.0.113.",
    "/cases/new/",
    "/home/clauses.csv",
    "/addresses/all.csv",
]


def test_without_signing_in_every_screen_leads_to_the_login(desk) -> None:
    for screen in [*SCREENS, "/sealed/", f"/cases/{desk.cases[0].pk}/"]:
        answer = Client().get(screen)
        assert answer.status_code == 302 and answer["Location"].startswith("/login/?next="), screen


def test_every_screen_opens_for_an_analyst(alice) -> None:
    for screen in SCREENS:
        assert alice.get(screen).status_code == 200, screen


def test_the_policy_of_headers_holds_on_every_screen(alice) -> None:
    answer = alice.get("/queue/")
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    text = answer.content.decode()
    assert " style=" not in text and "<style" not in text and "onclick" not in text and "javascript:" not in text


def test_an_auditor_reads_and_changes_nothing(desk, signed_in) -> None:
    amir = signed_in("amir")
    assert amir.get("/queue/").status_code == 200
    case = desk.cases[0]
    assert amir.post(f"/cases/{case.pk}/take/").status_code == 403
    assert amir.post("/queue/bulk/", {"case": case.pk, "action": "take"}).status_code == 403
    case.refresh_from_db()
    assert case.owner.username == "bob"


def test_somebody_without_a_role_sees_nothing(desk, signed_in) -> None:
    factory.StaffMember.objects.create(username="nobody", roles=[])
    assert signed_in("nobody").get("/queue/").status_code == 403


def test_the_sealed_queue_opens_for_its_role_only_and_each_look_is_recorded(desk, signed_in) -> None:
    for name in ("alice", "bob", "amir"):
        assert signed_in(name).get("/sealed/").status_code == 403
    answer = signed_in("sam").get("/sealed/")
    assert answer.status_code == 200 and str(desk.sealed.pk) in answer.content.decode()
    assert b"harmless placeholder" not in answer.content and b"x@trap.example" not in answer.content
    assert answer["Cache-Control"] == "no-store"
    assert Entry.objects.filter(action="sealed.look", actor="sam").count() == 1


@pytest.mark.parametrize("name", ["alice", "bob", "sam"])
def test_nothing_of_a_sealed_submission_shows_anywhere_else(desk, signed_in, name: str) -> None:
    """Also for those who may see the sealed queue: it is a place, not a privilege that leaks."""
    person = signed_in(name)
    digest = bytes(desk.sealed.blob.sha256).hex()
    for screen in [*SCREENS, f"/intake/{desk.waiting[0].pk}/", f"/search/?q={desk.sealed.pk}", f"/search/?q={digest[:20]}"]:
        text = b"".join(person.get(screen)).decode()
        # what was typed is repeated on the search page; nothing else may name it
        if "search" not in screen:
            assert str(desk.sealed.pk) not in text and digest not in text, screen
        assert "x@trap.example" not in text and "harmless placeholder" not in text
    assert person.get(f"/intake/{desk.sealed.pk}/").status_code == 404
    assert person.post(f"/intake/{desk.sealed.pk}/decide/", {"action": "retry"}).status_code == 404
    assert person.post(f"/intake/{desk.sealed.pk}/assign/", {"customer": "C-1087", "category": "scan"}).status_code == 404
    desk.sealed.refresh_from_db()
    assert desk.sealed.state == "sealed"
    assert not Opening.objects.filter(blob=desk.sealed.blob).exists()


def test_sealed_submissions_are_not_counted(desk, alice) -> None:
    before = alice.get("/intake/?view=all").context["counts"]
    factory.submission(desk, b"another harmless placeholder", subject="", sender="", state="sealed", at=desk.now)
    assert alice.get("/intake/?view=all").context["counts"] == before


def test_bulk_actions_do_not_touch_a_sealed_submission(desk, alice) -> None:
    alice.post("/intake/bulk/", {"case": str(desk.sealed.pk), "action": "retry"})
    desk.sealed.refresh_from_db()
    assert desk.sealed.state == "sealed"


def test_a_reporter_known_from_sealed_mail_only_is_not_found(desk, alice) -> None:
    hidden = factory.Reporter.objects.create(
        key="hidden@trap.example", email="hidden@trap.example", first_seen=desk.now, last_seen=desk.now
    )
    factory.report(desk, desk.sealed, hidden, "other", 0)
    assert b"hidden@trap.example" not in alice.get("/search/?q=hidden").content.replace(b'value="hidden"', b"")


def test_a_restricted_case_exists_for_its_role_only(desk, signed_in) -> None:
    case = desk.cases[3]
    case.state = "RESTRICTED_CASE"
    case.save(update_fields=["state"])
    alice, sam = signed_in("alice"), signed_in("sam")
    assert alice.get(f"/cases/{case.pk}/").status_code == 404
    assert f"#{case.pk}<" not in alice.get("/queue/").content.decode()
    assert f'/cases/{case.pk}/"' not in alice.get(f"/search/?q={case.headline}").content.decode()
    assert sam.get(f"/cases/{case.pk}/").status_code == 200
    assert sam.get(f"/cases/{case.pk}/?view=raw").status_code == 409


def test_five_wrong_passwords_and_it_waits(desk) -> None:
    client = Client()
    for _ in range(5):
        assert client.post("/login/", {"username": "alice", "password": "wrong"}).status_code == 401
    assert client.post("/login/", {"username": "alice", "password": factory.PASSWORD}).status_code == 429
    assert client.post("/login/", {"username": "bob", "password": factory.PASSWORD}).status_code == 302
    assert "alice" not in str(list(Entry.objects.filter(action="login.failed").values()))


def test_after_signing_in_the_wanted_page_opens_but_no_foreign_one(desk) -> None:
    wanted = {"username": "alice", "password": factory.PASSWORD}
    assert Client().post("/login/", wanted | {"next": "/intake/"})["Location"] == "/intake/"
    assert Client().post("/login/", wanted | {"next": "https://evil.example/"})["Location"] == "/"


@pytest.mark.parametrize(
    ("role", "begins", "also"), [("billing", "/figures/", "/customers/"), ("liaison", "/sealed/", "/figures/")]
)
def test_the_bar_names_only_pages_that_open(desk, of_role, role, begins, also) -> None:
    client = of_role(role)
    bar = client.get(begins).content.decode().split("<nav", 1)[1].split("</nav>")[0]
    places = re.findall(r'href="(/[^"]*)"', bar)
    assert also in places and "/queue/" not in places and "/rules/" not in places
    assert [client.get(place).status_code for place in places] == [200] * len(places)


def test_billing_reads_a_customer_and_no_case_of_it(desk, of_role) -> None:
    page = of_role("billing").get(f"/customers/{desk.carol.pk}/").content.decode()
    assert desk.carol.name in page and "Contract" in page and 'id="strikes"' not in page
    assert not [case.pk for case in desk.cases if f'/cases/{case.pk}/"' in page]


def test_a_form_that_is_sent_after_the_session_ended_leads_back_to_its_page(desk, client) -> None:
    number = desk.cases[0].pk
    page = f"http://testserver/cases/{number}/?show=notes#tl"
    answer = client.post(f"/cases/{number}/write/", {"text": "x"}, headers={"referer": page})
    assert answer.url == f"/login/?next=/cases/{number}/%3Fshow%3Dnotes"
    client.post("/login/", {"username": "alice", "password": factory.PASSWORD, "next": f"/cases/{number}/"})
    assert "what you sent just now was not taken" in client.get(f"/cases/{number}/").content.decode()


@pytest.mark.parametrize("page", ["", "https://elsewhere.example/cases/1/", "//elsewhere.example/", "javascript:alert(1)"])
def test_the_door_leads_to_no_other_site(desk, client, page) -> None:
    assert client.post("/cases/1/write/", {"text": "x"}, headers={"referer": page}).url == "/login/?next=/"


def test_a_piece_of_a_page_is_not_filled_with_the_door(desk, client) -> None:
    headers = {"hx-request": "true", "hx-current-url": "http://testserver/queue/?status=all"}
    answer = client.get("/queue/?after=1", headers=headers)
    assert answer.status_code == 204 and answer.headers["HX-Redirect"] == "/login/?next=/queue/%3Fstatus%3Dall"
