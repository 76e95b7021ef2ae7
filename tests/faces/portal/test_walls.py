"""Dave never sees Carol's: over every address of the portal, the API and the desk, whatever is guessed, forged or expired.

The addresses are taken from the resolver: one that is added without a line here fails.
"""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.faces.portal import given
from tipstaff.audit.models import Entry
from tipstaff.cases import appeals, forwarding, statements
from tipstaff.cases.models import Appeal, Case, JournalEntry, Measure, Statement
from tipstaff.correspondence import links
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.evidence.models import Opening
from tipstaff.faces.portal import limits, signing_in
from tipstaff.faces.portal.models import PortalSession
from tipstaff.faces.portal.urls import urlpatterns

pytestmark = pytest.mark.django_db
ANSWERS = ("acknowledge", "plan", "fix", "dispute", "extension", "comment", "appeal", "forward")
CAROLS = "Carolneedle says this"  # what Carol wrote
BODY = {
    "text": "Davewasthere", "cause": "Davewasthere", "fix": "Davewasthere", "prevention": "Davewasthere", "grounds": "Davewasthere",
    "reason": "Davewasthere", "promised_at": "2030-01-01T10:00", "until": "2030-01-01T10:00", "name": "Davewasthere",
    "language": "en",
    "email": "davewasthere@dave.example", "role": "abuse", "phone": "", "customer": "0", "hash": "0",
}  # fmt: skip


def addresses(patterns, before=""):
    """Every route as the resolver has it, '<int:number>' and all."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


PORTAL = sorted(addresses(urlpatterns))
ELSEWHERE = sorted(set(addresses(get_resolver().url_patterns)) - set(PORTAL))


@pytest.fixture
def carols(world):
    """Carol has said things, was restricted, wrote an internal life into her case; one of her cases is a client's of nobody."""
    case, contact, now = world.cases["carol"], world.contacts["carol"], world.now
    by = f"contact:{contact.pk}"
    statements.comment(case=case.pk, text=CAROLS, by=by, now=now)
    measure = Measure.objects.create(
        case=case, kind="url_block", scope="url", target=f"http://{given.CAROL}/login", clause="3.5", reason="Carolneedle",
        state="in_force",
        decided_by="alicia-needle", decided_at=now, in_force_at=now,
    )  # fmt: skip
    appeal = Appeal.objects.create(case=case, measure=measure, grounds="Carolneedle", by=by, at=now, within_until=now)
    return {"case": case, "contact": contact, "measure": measure, "appeal": appeal}


def filled(route: str, number: int, token: str) -> list[str]:
    """Addresses of a route, with Carol's numbers in it."""
    found = ["/" + route]
    for place, values in (
        ("<int:number>", [str(number)]), ("<int:ordinal>", ["1", "2"]), ("<slug:answer>", list(ANSWERS)), ("<str:token>", [token]),
    ):  # fmt: skip
        found = [one.replace(place, value) for one in found for value in values] if place in route else found
    assert not [one for one in found if "<" in one], f"{route}: say here how to fill it"
    return found


def of_carol(text: str, world) -> list[str]:
    """What of Carol's stands in a page."""
    marks = {CAROLS, "Carolneedle", given.CAROL, "abuse@carol.example", "Carol Meyer", *given.NEEDLES.values()} - {given.DAVE}
    return [mark for mark in marks if mark in text]


@pytest.mark.parametrize("route", PORTAL)
def test_dave_opens_nothing_of_carols_at_any_address_of_the_portal(world, carols, route):
    dave = world.signed_in("dave")
    numbers = [carols["contact"].pk] if "contacts" in route else [carols["case"].pk]
    tokens = [
        world.link("dave", "carol")[3:-1],  # his, for hers
        world.link("carol")[3:-1][:-4],
        "A" * 60,
    ]
    sent = OutboxMessage.objects.count()
    before = (Statement.objects.count(), Appeal.objects.count(), Case.objects.count(), world.contacts["carol"].email)
    for number in numbers:
        for token in tokens if "<str:token>" in route else [""]:
            for address in filled(route, number, token):
                for answer in (dave.get(address), dave.post(address, BODY)):
                    assert answer.status_code < 500, address
                    assert of_carol(answer.content.decode(), world) == [], address
                    if address.endswith("/renew/"):
                        assert answer.status_code in {200, 302, 404}, "it says nothing, whatever the link was"
                    elif "cases/" in address or address.startswith("/c/") or re.search(r"contacts/\d", address):
                        assert answer.status_code in {404, 429}, (address, answer.status_code)
    world.contacts["carol"].refresh_from_db()
    assert (Statement.objects.count(), Appeal.objects.count(), Case.objects.count(), world.contacts["carol"].email) == before
    assert not Opening.objects.filter(actor=f"contact:{world.contacts['dave'].pk}").exists()
    assert not OutboxMessage.objects.filter(kind="link").exists() and OutboxMessage.objects.count() <= sent + 3


@pytest.mark.parametrize("route", ELSEWHERE)
def test_a_customer_is_nobody_at_any_address_of_the_api_and_the_desk(world, carols, route):
    dave = world.signed_in("dave")
    session = dave.cookies[signing_in.cookie_name()].value
    number = carols["case"].pk
    address = "/" + re.sub(r"<(?:int|slug|str|path|uuid):(\w+)>|<(\w+)>", str(number), route.replace("^", "").replace("$", ""))
    for headers in ({}, {"Authorization": f"Bearer {session}"}):
        answer = dave.get(address, headers=headers)
        text = b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode(errors="replace")
        assert answer.status_code < 500, address
        found = of_carol(text, world)
        assert [mark for mark in found if (mark, route) != (given.CAROL, "report/")] == [], "but for the example on the form"


@pytest.mark.parametrize("route", [route for route in PORTAL if route.startswith("my/")])
def test_nobody_and_no_member_of_staff_is_a_customer(world, carols, route, django_user_model):
    staff = django_user_model.objects.create(username="alice", email="abuse@carol.example", roles=["lead", "admin"])
    signed_in = Client()
    signed_in.force_login(staff)
    for address in filled(route, carols["case"].pk, "A" * 43):
        for client in (Client(), signed_in):
            answer = client.get(address)
            assert answer.status_code in {200, 302, 404, 429} and of_carol(answer.content.decode(), world) == []
            if answer.status_code == 302:
                assert answer["Location"].startswith("/my/sign-in/")
    assert not PortalSession.objects.exists()


def test_a_customer_is_no_member_of_staff(world):
    carol = world.signed_in("carol")
    carol.get("/my/")
    assert "_auth_user_id" not in carol.session and carol.get("/queue/")["Location"].startswith("/login/")


@pytest.mark.parametrize("route", PORTAL)
def test_nothing_that_is_never_shown_stands_on_a_page_of_the_one_concerned(world, route):
    """Section O, "Never shown": a needle for each, over every page and for everybody who may look."""
    for name in ("carol", "rory", "emma"):
        client = world.signed_in(name)
        for address in filled(route, (world.contacts if "contacts" in route else world.cases)[name].pk, world.link(name)[3:-1]):
            text = client.get(address).content.decode()
            found = [kind for kind, needle in given.NEEDLES.items() if needle in text or needle in text.replace("[.]", ".")]
            assert found == [], (address, found)
            assert "descriptionneedle" not in text and "subjectneedle" not in text


def test_the_needles_are_really_there(world):
    """In the evidence, the notes, the mails: else the test above proves nothing."""
    from tipstaff.evidence.access import Grant
    from tipstaff.evidence.services import read
    from tipstaff.reports.models import Report

    blobs = [report.submission.blob for report in Report.objects.all()]
    text = "".join(read(blob=blob, grant=Grant(blob.pk, "test", "test"), view="raw", now=world.now).decode() for blob in blobs)
    text += "".join(JournalEntry.objects.values_list("text", flat=True)) + "".join(
        OutboxMessage.objects.values_list("body", flat=True)
    )
    text += "".join(JournalEntry.objects.values_list("actor", flat=True)) + "".join(
        Report.objects.values_list("reporter__email", flat=True)
    )
    assert [kind for kind, needle in given.NEEDLES.items() if needle not in text] == []


@pytest.mark.parametrize("hidden", ["TRIAGE", "RESTRICTED_CASE", "was sealed", "not told"])
def test_a_case_that_nobody_was_told_of_or_that_was_sealed_does_not_exist(world, hidden):
    case = world.cases["carol"]
    if hidden == "was sealed":
        Case.objects.filter(pk=case.pk).update(state="CLOSED_COMPLIANT")
        JournalEntry.objects.create(case=case, at=world.now, actor="x", kind="state", text="", detail={"state": "RESTRICTED_CASE"})
    elif hidden == "not told":
        Case.objects.filter(pk=case.pk).update(category="csam")
    else:
        Case.objects.filter(pk=case.pk).update(state=hidden, **({"ticketed_at": None} if hidden == "TRIAGE" else {}))
    carol = world.signed_in("carol")
    for address in (
        f"/my/cases/{case.pk}/",
        f"/my/cases/{case.pk}/evidence/1/",
        world.link("carol"),
        f"{world.link('carol')}evidence/1/",
    ):
        assert carol.get(address).status_code == 404
    assert given.CAROL not in carol.get("/my/").content.decode()


def test_the_reseller_reads_its_clients_case_and_answers_only_in_its_own(world):
    rory, emma = world.signed_in("rory"), f"/my/cases/{world.cases['emma'].pk}/"
    page = rory.get(emma)
    assert page.status_code == 200 and "your client’s" in page.content.decode()
    assert 'action="' + emma not in page.content.decode()
    for answer in ANSWERS:
        assert rory.post(f"{emma}{answer}/", BODY).status_code == 409
    assert not Statement.objects.exists()
    assert world.signed_in("emma").get(f"/my/cases/{world.cases['rory'].pk}/").status_code == 404
    assert world.fresh("emma").seen_at is None


def test_a_case_handed_on_shows_the_client_what_concerns_it_and_not_by_whom(world):
    parent = Case.objects.get(pk=world.cases["dave"].pk)
    by = f"contact:{world.contacts['dave'].pk}"
    child = forwarding.forward_to_client(case=parent.pk, name="Client 7", email="seven@client.example", by=by, now=world.now)
    contact = child.customer.contacts.get()
    token = links.token_of(f"case:{child.pk}", f"contact:{contact.pk}", world.now, to=contact.email)
    page = Client().get(f"/c/{token}/").content.decode()
    assert given.DAVE in page and "Dave" not in page and "abuse@dave.example" not in page
    assert child.resolve_due_at < parent.resolve_due_at
    shown = Client().get(f"/c/{token}/evidence/1/")
    assert shown.status_code == 200 and given.CAROL not in shown.content.decode() and given.DAVE in shown.content.decode()
    assert Client().get(world.link("dave").replace("x", "x")).status_code == 200
    other = links.token_of(f"case:{parent.pk}", f"contact:{contact.pk}", world.now, to=contact.email)
    assert Client().get(f"/c/{other}/").status_code == 404


def test_links_that_are_forged_cut_or_for_something_else_open_nothing_and_say_the_same(world, settings):
    good = world.link("carol")[3:-1]
    case, contact = f"case:{world.cases['carol'].pk}", f"contact:{world.contacts['carol'].pk}"
    to = world.contacts["carol"].email
    bad = [good[:-1], good[1:], good.swapcase(), good[:30], "A" * 80, "%00", "ä" * 40, good + "AAAA",
           links.token_of("case:999999", contact, world.now, to=to), links.token_of(case, "contact:999999", world.now, to=to),
           links.token_of("submission:1", contact, world.now, to=to),
           links.token_of(case, "staff:1", world.now, to=to)]  # fmt: skip
    kept, settings.SECRET_KEY = settings.SECRET_KEY, "another key"
    bad.append(links.token_of(case, contact, world.now, to=to))
    settings.SECRET_KEY = kept
    pages = {re.sub(r'href="[^"]*"|name="csrf[^>]*', "", Client().get(f"/c/{token}/").content.decode()) for token in bad}
    assert len(pages) == 1 and "opens nothing" in pages.pop()
    assert Client().get(f"/c/{good}/").status_code == 200


def test_an_expired_link_mails_a_new_one_to_the_same_contact_and_says_nothing(world, mailed):
    old = world.now - timedelta(days=31)
    link = world.link("carol", at=old)
    page = Client().get(link)
    assert page.status_code == 410 and of_carol(page.content.decode(), world) == []
    answer = Client().post(f"{link}renew/")
    assert of_carol(answer.content.decode(), world) == [] and "#" + str(world.cases["carol"].pk) not in answer.content.decode()
    sent = mailed()
    assert [message.recipient for message in sent] == ["abuse@carol.example"] and sent[0].kind == "link"
    fresh = re.search(r"/c/[\w-]+", sent[0].body).group(0)
    assert Client().get(f"{fresh}/").status_code == 200
    Case.objects.filter(pk=world.cases["carol"].pk).update(state="RESTRICTED_CASE")
    again = Client().post(f"{link}renew/")
    strip = r'name="csrf[^>]*|\?language|href="[^"]*"'
    assert re.sub(strip, "", again.content.decode()) == re.sub(strip, "", answer.content.decode()) and len(mailed()) == 1


def test_guessing_links_is_slowed_down_and_on_the_record_while_real_ones_open(world):
    client = Client()
    codes = [client.get(f"/c/{'B' * 40}{number:04}/").status_code for number in range(limits.BAD_LINK.most + 5)]
    assert codes[: limits.BAD_LINK.most] == [404] * limits.BAD_LINK.most and set(codes[limits.BAD_LINK.most :]) == {429}
    assert Entry.objects.filter(action="portal.throttled", subject__startswith="bad-link").count() == 1
    assert client.get(world.link("carol")).status_code == 200


def test_an_appeal_names_only_a_measure_of_ones_own_case(world, carols):
    dave = world.signed_in("dave")
    base = f"/my/cases/{world.cases['dave'].pk}/"
    for number in (carols["measure"].pk, "0", "x", "9" * 30):
        assert dave.post(f"{base}appeal/", {"grounds": "because", "measure": number}).status_code in {404, 409}
    assert Appeal.objects.count() == 1
    assert appeals.Appeal.objects.get() == carols["appeal"]
