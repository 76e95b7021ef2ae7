"""Whom we write to, and what becomes of an answer."""

from datetime import timedelta

import pytest

from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tipstaff.cases.models import Case
from tipstaff.cases.tokens import case_named, token_of
from tipstaff.correspondence import catalogue, wordings
from tipstaff.correspondence.models import OutboxMessage, Wording
from tipstaff.intake.drafts import Disposition, ReportDraft, Reporter
from tipstaff.intake.models import Submission

pytestmark = pytest.mark.django_db


def incomplete(by="rita@example.org", authenticated="example.org", **more):
    draft = report(category=None, category_from=None, by=by, disposition=Disposition.NEEDS_A_PERSON, needs=["no address"], **more)
    draft.reporter.authenticated_as = authenticated
    return draft


def test_an_incomplete_report_is_asked_back_once():
    provider()
    deliver(incomplete(), kind="smtp")
    message = OutboxMessage.objects.get()
    assert (message.kind, message.recipient, message.audience) == ("ask-back", "rita@example.org", "reporter")
    assert "the address" in message.body


@pytest.mark.parametrize("spoil", [{"authenticated": None}, {"automated": True}, {"by": "abuse@example.net"}])
def test_nobody_else_is_written_to(spoil):
    provider()
    deliver(incomplete(**spoil), kind="smtp")
    assert not OutboxMessage.objects.exists()


def test_replies_to_one_sender_are_capped_in_a_day():
    provider()
    for _ in range(10):
        deliver(incomplete(), kind="smtp")
    assert OutboxMessage.objects.count() == 3
    deliver(incomplete(), kind="smtp", now=NOW + timedelta(days=2))
    assert OutboxMessage.objects.count() == 4


def test_a_complete_report_of_an_unknown_sender_is_not_delayed_by_the_confirmation():
    provider()
    draft = report(event(CAROL))
    draft.reporter.authenticated_as = "example.org"
    deliver(draft, kind="smtp")
    assert Case.objects.count() == 1
    message = OutboxMessage.objects.get()
    assert message.kind == "confirm" and "/confirm/" in message.body


@pytest.mark.parametrize(
    ("category", "at", "url", "asked"),
    [
        ("scan", None, None, "when it happened, with the time zone"),
        ("scan", NOW, None, ""),
        ("phishing", NOW, None, "the URL that the complaint is about"),
        ("phishing", None, "https://login.example/", ""),
    ],
)
def test_what_the_policy_asks_for_a_category_is_asked_for(category, at, url, asked):
    provider()
    draft = report(event(CAROL, at, url=url), category=category, format="free-text")
    draft.reporter.authenticated_as = "example.org"
    deliver(draft, kind="smtp")
    message = OutboxMessage.objects.get()
    assert message.kind == ("ask-back" if asked else "confirm") and asked in message.body


def reply(token, by="rita@example.org", kind=Disposition.REPLY):
    return ReportDraft(format="reply", disposition=kind, reporter=Reporter(email=by), external_id=token, subject="Re: ticket")


def test_a_reply_goes_to_the_timeline_of_its_case():
    provider()
    deliver(report(event(CAROL)))
    case = Case.objects.get()
    deliver(reply(token_of(case.pk)), kind="smtp")
    assert Submission.objects.get(case_ref=str(case.pk)).state == "set_aside"
    entry = case.journal.get(kind="reply")
    assert entry.internal and entry.detail["side"] == "somebody who says they are rita@example.org"


@pytest.mark.parametrize("kind", [Disposition.RETRACTION, Disposition.COUNTER_NOTICE])
def test_a_retraction_and_a_counter_notice_wait_for_us_at_their_case(kind):
    provider()
    deliver(report(event(CAROL)))
    case = Case.objects.get()
    deliver(reply(token_of(case.pk), kind=kind), kind="smtp")
    case.refresh_from_db()
    assert (case.waiting_on, case.last_word_at) == ("us", NOW)
    assert case.journal.get(kind="reply").detail["disposition"] == kind
    assert Submission.objects.get(case_ref=str(case.pk)).state == "set_aside"


@pytest.mark.parametrize("kind", [Disposition.REPLY, Disposition.RETRACTION, Disposition.COUNTER_NOTICE])
@pytest.mark.parametrize("token", [None, "4312-00000000"])
def test_what_asks_something_of_us_and_names_no_case_goes_to_a_person(kind, token):
    provider()
    deliver(reply(token, kind=kind), kind="smtp")
    submission = Submission.objects.get()
    assert (submission.state, submission.due_at) == ("needs_person", NOW + timedelta(hours=4))
    assert "no case of ours" in submission.reason


def test_a_reply_with_a_guessed_token_goes_to_a_person():
    provider()
    deliver(report(event(CAROL)))
    case = Case.objects.get()
    deliver(reply(f"{case.pk}-00000000"), kind="smtp")
    assert Submission.objects.filter(state="needs_person").count() == 1
    assert not case.journal.filter(kind="mail").exists()


@pytest.mark.parametrize("token", ["", "-", "12", "x-12345678", "99999999999-12345678", "1-" + "0" * 8])
def test_only_our_own_tokens_name_a_case(token):
    assert case_named(token) is None
    assert case_named(token_of(7)) == 7


def test_a_digest_goes_out_once_a_day_for_what_the_rules_put_there():
    from tipstaff.accounts.models import Contact, Customer
    from tipstaff.pipeline.digests import write_digests
    from tipstaff.reports.models import Rule

    provider()
    Contact.objects.create(customer=Customer.objects.get(name="Carol"), name="Carol", email="abuse@carol.example")
    Rule.objects.create(
        position=1, name="digest", conditions={"category": ["scan"]}, action="digest", enabled=True, by="alice", at=NOW
    )
    deliver(report(event(CAROL), event(CAROL, at=NOW - timedelta(hours=1)), category="scan"))
    assert not Case.objects.exists()
    assert write_digests(now=NOW) == 0
    assert [write_digests(now=NOW + timedelta(days=1)) for _ in range(2)] == [1, 0]
    message = OutboxMessage.objects.get(kind="digest")
    assert message.recipient == "abuse@carol.example" and "Port scan: 2" in message.body
    assert write_digests(now=NOW + timedelta(days=9)) == 0


LETTERS = {
    "en": ("Your address attacks our server and we have the logs of it for you.", "the address (with port and time)"),
    "de": ("Von Ihrer Adresse wird unser Server angegriffen, bitte sehen Sie nach.", "die Adresse (mit Port"),
    "fr": ("Bonjour, une attaque est en cours depuis votre réseau sur notre serveur.", "l’adresse (avec port"),
    "es": ("Desde su red se ataca a nuestro servidor y les pedimos que lo detengan, por favor.", "la dirección (con puerto"),
    "nl": ("Vanaf uw netwerk wordt een van onze servers aangevallen, graag actie van uw kant, dank.", "het adres (met poort"),
}  # fmt: skip


@pytest.mark.parametrize("code", LETTERS)
def test_a_reporter_is_asked_back_in_the_language_of_the_report(code):
    provider()
    text, said = LETTERS[code]
    deliver(incomplete(subject=text), kind="smtp")
    message = OutboxMessage.objects.get()
    assert (message.language, message.kind) == (code, "ask-back") and said in message.body
    assert message.html and f'lang="{code}"' in message.html


def test_what_no_language_is_found_in_is_answered_in_english():
    provider()
    deliver(incomplete(subject="198.51.100.7:22"), kind="smtp")
    assert OutboxMessage.objects.get().language == "en"


def test_the_operators_own_words_are_used_and_ones_that_no_longer_fit_keep_no_report_back():
    provider()
    keep = {"kind": "ask_back.reporter", "language": "en", "by": "bob", "now": NOW}
    source = catalogue.Source("We still need something", "{% for line in lines %}\n- {{ line }}\n{% endfor %}\n\nWrite to us.")
    wordings.keep(source=source, **keep)
    deliver(incomplete(), kind="smtp")
    assert OutboxMessage.objects.get().subject == "We still need something"
    Wording.objects.update(body="{% if lines %} never ended")
    deliver(incomplete(by="rob@example.org"), kind="smtp")
    second = OutboxMessage.objects.get(recipient="rob@example.org")
    assert second.subject != "We still need something" and "we still need" in second.body
