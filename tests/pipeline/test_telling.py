"""Owed notices become letters, once, in the reader's language; what comes back is told to the case."""

import threading
from datetime import timedelta

import pytest

from tests.correspondence.mailhost import Mailhost, Running
from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tipstaff.accounts.models import Contact, Customer
from tipstaff.cases import letters
from tipstaff.cases.models import Case, Notice
from tipstaff.cases.states import Duty
from tipstaff.cases.tokens import token_of
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.correspondence.worker import Delivery
from tipstaff.kernel import clock
from tipstaff.pipeline import duties, telling
from tipstaff.policy.switches import ReporterNotice

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


# ----- every notice that the lifecycle owes -----
def owed(case, kind, audience="customer", at=NOW, **detail):
    return Notice.objects.create(case=case, kind=kind, audience=audience, detail=detail, created_at=at, not_before=at)


@pytest.mark.parametrize("kind", [str(duty) for duty in Duty if duty not in {Duty.OPENED, Duty.NEEDS_PERSON}])
@pytest.mark.parametrize("language", ["en", "nl"])
def test_every_duty_of_the_lifecycle_has_its_letter(carol, kind, language):
    Contact.objects.filter(pk=carol.pk).update(language=language)
    case = ticketed()
    owed(case, kind, reason="the page still answers", due_at="2026-06-16T12:00:00+00:00", text="the contract", child=case.pk)
    telling.tell(now=NOW)
    row = OutboxMessage.objects.get(kind=kind)
    assert row.language == language and str(case.pk) in row.body and "{{" not in row.body + row.subject and "\ue000" not in row.body
    assert row.subject.startswith(f"[#{token_of(case.pk)}] ") and row.urgent == (kind in letters.URGENT)


def test_what_may_still_be_undone_is_not_told_yet(carol):
    case = ticketed()
    telling.tell(now=NOW)
    Notice.objects.create(case=case, kind="closed", audience="customer", created_at=NOW, not_before=NOW + timedelta(seconds=30))
    assert telling.tell(now=NOW + timedelta(seconds=29)) == 0
    assert telling.tell(now=NOW + timedelta(seconds=30)) == 1


def test_a_granted_extension_is_one_letter(carol):
    case = ticketed()
    telling.tell(now=NOW)
    for kind in ("due_changed", "extension_granted"):
        owed(case, kind, due_at="2026-06-17T12:00:00+00:00")
    telling.tell(now=NOW)
    assert list(OutboxMessage.objects.exclude(kind="opened").values_list("kind", flat=True)) == ["extension_granted"]
    assert "2026-06-17 12:00 UTC" in OutboxMessage.objects.get(kind="extension_granted").body


def test_what_takes_a_service_away_goes_to_the_contract_s_contact_too(carol):
    Contact.objects.create(customer=carol.customer, name="Director", email="boss@carol.example", role="administrative")
    case = ticketed()
    telling.tell(now=NOW)
    assert OutboxMessage.objects.count() == 1
    owed(case, "disconnected")
    telling.tell(now=NOW)
    told = OutboxMessage.objects.filter(kind="disconnected")
    assert sorted(told.values_list("recipient", flat=True)) == ["abuse@carol.example", "boss@carol.example"]
    Customer.objects.filter(pk=carol.customer_id).update(contract={"notice_roles": ["technical"]})
    Contact.objects.create(customer=carol.customer, name="NOC", email="noc@carol.example", role="technical")
    owed(case, "reminder", clock="remind_resolve_50")
    telling.tell(now=NOW)
    assert OutboxMessage.objects.get(kind="reminder").recipient == "noc@carol.example"


def test_a_reseller_is_told_of_its_client_s_case(carol):
    rory = Customer.objects.get(name="Rory")
    Customer.objects.filter(pk=carol.customer_id).update(parent=rory)
    Contact.objects.create(customer=rory, name="Rory", email="abuse@rory.example")
    deliver(report(event(CAROL)))
    case = Case.objects.get(customer=carol.customer)
    owed(case, "disconnected", audience="reseller")
    telling.tell(now=NOW)
    row = OutboxMessage.objects.get(audience="reseller")
    assert row.recipient == "abuse@rory.example" and "Carol" in row.body and "disconnected" in row.subject
    assert row.token == token_of(case.pk, "reseller") and "/c/" not in row.body, "the link is the customer's"


# ----- copyright -----
CLAIM = {"claimant": "Rights House", "work": "The Film", "elements": dict.fromkeys(("signature", "work", "contact"), True)}


@pytest.mark.parametrize(("elements", "passed"), [(CLAIM["elements"], True), (CLAIM["elements"] | {"signature": False}, False)])
def test_a_complete_copyright_notice_passes_with_its_claimant_and_nothing_else_does(carol, elements, passed):
    from tipstaff.cases.models import Measure, Strike

    case = ticketed(category="copyright", copyright=CLAIM | {"elements": elements})
    telling.tell(now=NOW)
    if case.ticketed_at is None:
        owed(case, "opened")
        telling.tell(now=NOW)
    body = OutboxMessage.objects.get(kind="opened").body
    assert ("Rights House" in body) is passed and ("Who states the claim" in body) is passed
    assert not Measure.objects.exists() and not Strike.objects.exists()


def test_a_claimant_is_never_named_for_another_kind(carol):
    ticketed(copyright=CLAIM)
    telling.tell(now=NOW)
    assert "Rights House" not in OutboxMessage.objects.get(kind="opened").body


# ----- reporters (G5) -----
@pytest.fixture
def rita(carol):
    """A report that Rita wrote by hand, authenticated; its case."""
    draft = report(event(CAROL), format="free-text", category_from="person", subject="phishing page", external_id="PH-1")
    draft.reporter.authenticated_as = "example.org"
    deliver(draft, kind="smtp")
    case = Case.objects.get()
    OutboxMessage.objects.all().delete()
    Notice.objects.all().delete()
    return case


@pytest.mark.parametrize(
    ("switch", "laws", "category", "told"),
    [
        ("legal_only", [], "phishing", False), ("receipt", [], "phishing", False), ("outcome", [], "phishing", True),
        ("legal_only", ["dsa"], "phishing", True), ("legal_only", ["dmca"], "phishing", False),
        ("legal_only", ["dmca"], "copyright", True), ("legal_only", [], "copyright", False),
    ],
)  # fmt: skip
def test_reporters_hear_what_the_switch_and_the_law_say(rita, settings, monkeypatch, switch, laws, category, told):
    settings.REPORTER_DUTIES = frozenset(laws)
    heard = duties.reporter_hears(ReporterNotice(switch), "resolved", category, settings.REPORTER_DUTIES)
    assert (heard is not None) is told
    monkeypatch.setattr(duties, "reporter_hears", lambda *arguments: heard)
    Case.objects.filter(pk=rita.pk).update(state="RESOLVED", outcome="RESOLVED")
    notice = owed(rita, "resolved", audience="reporter")
    telling.tell(now=NOW)
    notice.refresh_from_db()
    rows = OutboxMessage.objects.filter(audience="reporter")
    assert rows.exists() is told and bool(notice.refused) is not told
    if told:
        row = rows.get()
        assert row.recipient == "rita@example.org" and "the cause was removed" in row.body and "PH-1" in row.body
        assert row.token == token_of(rita.pk, "reporter")
        for hidden in ("Carol", CAROL, "abuse@carol.example", "/c/"):
            assert hidden not in row.body + row.html + row.subject


def test_a_retraction_is_told_to_reporters_whatever_the_switch(rita):
    assert duties.reporter_hears(ReporterNotice.LEGAL_ONLY, "retraction", "phishing", frozenset()) is not None


def test_a_reporter_who_asked_not_to_be_mailed_is_not(rita, monkeypatch):
    from tipstaff.consent.models import OptOut

    OptOut.objects.create(address="rita@example.org", recorded_at=NOW)
    monkeypatch.setattr(duties, "reporter_hears", lambda *arguments: duties.Told(by_law=False))
    owed(rita, "resolved", audience="reporter")
    telling.tell(now=NOW)
    assert not OutboxMessage.objects.filter(audience="reporter").exists()


def test_a_template_that_no_longer_fits_stops_that_notice_alone_and_says_so(carol):
    from tipstaff.correspondence.models import Wording

    Wording.objects.create(kind="opened", language="en", subject="x", body="{% if y %}", at=NOW, by="bob")
    case = ticketed()
    owed(case, "reminder", clock="remind_resolve_50")
    telling.tell(now=NOW)
    notice = Notice.objects.get(kind="opened")
    assert "opened (en), body" in notice.refused and "endif" in notice.refused
    assert OutboxMessage.objects.get().kind == "reminder"
