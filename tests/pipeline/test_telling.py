"""Owed notices become letters, once, in the reader's language; what comes back is told to the case."""

import threading
from datetime import timedelta

import pytest

from tests.correspondence.mailhost import Mailhost, Running
from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tipstaff.accounts.models import Contact, Customer
from tipstaff.cases.models import Case, Notice
from tipstaff.cases.tokens import token_of
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.correspondence.worker import Delivery
from tipstaff.kernel import clock
from tipstaff.pipeline import telling

pytestmark = pytest.mark.django_db


@pytest.fixture
def carol():
    provider()
    customer = Customer.objects.get(name="Carol")
    return Contact.objects.create(customer=customer, name="Carol Meyer", email="abuse@carol.example")


def ticketed(**more):
    deliver(report(event(CAROL), **more))
    return Case.objects.get()


def send(host=None, at=NOW, smarthost=None):
    host = host or Mailhost()
    with Running(host) as running, clock.frozen(at):
        one = Delivery(running)
        one.step(threading.Event())
        one.hang_up()
    return host


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.SENDING, settings.MAIL_FROM, settings.OPERATOR_NAME = True, "", "Northgate"


def test_a_ticketed_case_is_told_by_mail_with_its_clause_its_times_and_a_link(carol, settings):
    case = ticketed()
    assert not OutboxMessage.objects.exists() and Notice.objects.get().kind == "opened"
    assert telling.tell(now=NOW) == 1
    host = send()
    (taken,) = host.taken
    mail = taken.parsed
    token = token_of(case.pk)
    assert taken.rcpt_to == ["abuse@carol.example"] and mail["To"] == "Carol Meyer <abuse@carol.example>"
    assert mail["Subject"] == f"[#{token}] Phishing at {CAROL}: please acknowledge"
    assert mail["From"] == "Northgate <abuse@example.net>" and mail["Reply-To"] == f"abuse+{token}@example.net"
    text = " ".join(mail.get_body(("plain",)).get_content().split())
    assert (
        "alleged" in text and "not an admission" in text and "Clause" in text and "we do not promise to find or to repair" in text
    )
    assert f"{settings.PUBLIC_URL}/c/" in text and "2026-06-15 16:00 UTC" in text
    page = mail.get_body(("html",)).get_content()
    assert f"{settings.PUBLIC_URL}/c/" in page and "<script" not in page and "http://www" not in page


def test_no_reporter_is_ever_named(carol):
    ticketed()
    telling.tell(now=NOW)
    row = OutboxMessage.objects.get()
    for word in ("rita", "example.org"):
        assert word not in (row.body + row.html + row.subject).lower()


def test_telling_again_tells_nothing_twice(carol):
    ticketed()
    telling.tell(now=NOW)
    assert telling.tell(now=NOW) == 0
    Notice.objects.update(rendered_at=None)  # killed after the letter and before its mark
    telling.tell(now=NOW)
    assert OutboxMessage.objects.count() == 1


def test_in_the_contact_s_language_and_zone(carol):
    Customer.objects.filter(name="Carol").update(timezone="Europe/Berlin")
    Contact.objects.filter(pk=carol.pk).update(language="de")
    ticketed()
    telling.tell(now=NOW)
    row = OutboxMessage.objects.get()
    assert row.language == "de" and "CEST (" in row.body and "UTC)" in row.body
    assert "kein Eingeständnis" in " ".join(row.body.split()) and "Phishing" in row.subject


def test_a_customer_without_an_address_is_refused_and_goes_to_a_person(carol):
    Contact.objects.all().delete()
    case = ticketed()
    telling.tell(now=NOW)
    notice = Notice.objects.get()
    case.refresh_from_db()
    assert notice.rendered_at is None and "no contact has an address" in notice.refused
    assert "can be reached by mail" in case.needs_person
    assert not OutboxMessage.objects.exists()
    assert case.journal.filter(kind="mail", text__contains="can be reached").count() == 1


def test_a_refused_address_raises_a_contact_problem_and_the_next_contact_is_told(carol):
    other = Contact.objects.create(customer=carol.customer, name="Nils", email="noc@carol.example", role="technical")
    case = ticketed()
    telling.tell(now=NOW)
    send(Mailhost(answers={"abuse@carol.example": "550 5.1.1 no such user"}))
    assert telling.report_failures(now=NOW) == 1
    carol.refresh_from_db()
    assert "5.1.1" in carol.problem
    host = send()
    assert [taken.rcpt_to for taken in host.taken] == [[other.email]]
    case.refresh_from_db()
    assert case.needs_person == ""


def test_when_every_contact_bounced_the_case_says_so(carol):
    case = ticketed()
    telling.tell(now=NOW)
    send(Mailhost(answers={"abuse@carol.example": "550 5.1.1 no such user"}))
    telling.report_failures(now=NOW)
    case.refresh_from_db()
    assert "mail to every contact came back" in case.needs_person
    assert telling.report_failures(now=NOW) == 0


def test_recurring_events_remind_at_most_once_in_the_interval(carol):
    case = ticketed()
    telling.tell(now=NOW)
    for day in (1, 8):
        at = NOW + timedelta(days=day)
        deliver(report(event(CAROL, at=at - timedelta(hours=1)), by=f"r{day}@example.org"), now=at)
        telling.tell(now=at)
    kinds = list(OutboxMessage.objects.filter(reference=f"case:{case.pk}").order_by("id").values_list("kind", flat=True))
    assert kinds == ["opened", "recurring"]
