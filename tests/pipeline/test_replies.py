"""What answers us is filed to its case by whoever really wrote it; what comes back tells whom we did not reach."""

import smtplib
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from tests.correspondence.mailhost import Mailhost, Running
from tests.intake.sources.listening import listener
from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tipstaff.accounts.models import Contact, Customer
from tipstaff.audit.models import Entry
from tipstaff.cases.models import Case, Notice, Statement
from tipstaff.cases.tokens import token_of
from tipstaff.correspondence.models import OutboxMessage, Suppression
from tipstaff.correspondence.worker import Delivery
from tipstaff.intake.models import Source, Submission
from tipstaff.intake.spool import Spool, accepted
from tipstaff.kernel import clock
from tipstaff.pipeline import telling
from tipstaff.pipeline.worker import Worker

pytestmark = pytest.mark.django_db
LETTERS = Path(__file__).resolve().parents[1] / "corpus" / "replies"
LATER = NOW + timedelta(minutes=20)


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.SENDING, settings.OPERATOR_NAME = True, "Northgate"


@pytest.fixture
def told():
    """Carol's case, its notice sent: (case, message, what the mail server got)."""
    provider()
    carol = Customer.objects.get(name="Carol")
    Contact.objects.create(customer=carol, name="Carol Meyer", email="abuse@carol.example")
    trusts = {"trusted_authserv": ["mx.example.net"], "own_addresses": ["abuse@example.net"]}
    Source.objects.update_or_create(name="smtp", defaults={"kind": "smtp", "settings": trusts, "created_at": NOW})
    deliver(report(event(CAROL)))
    telling.tell(now=NOW)
    host = Mailhost()
    with Running(host) as smarthost, clock.frozen(NOW):
        one = Delivery(smarthost)
        one.step(threading.Event())
        one.hang_up()
    return Case.objects.get(), OutboxMessage.objects.get(kind="opened"), host.taken[0]


def letter(name, case, message):
    token = token_of(case.pk)
    values = {"token": token, "reply_to": f"abuse+{token}@example.net", "ours": message.message_id,
              "return_path": f"abuse+{token}.m{message.pk}@example.net"}  # fmt: skip
    text = (LETTERS / f"{name}.eml").read_text("utf-8")
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    return text.replace("\n", "\r\n").encode()


def receive(content, tmp_path, at=LATER, rcpt="abuse@example.net", peer="198.51.100.77"):
    """As the mail listener leaves it: in the spool, with its envelope; then a worker."""
    spool = Spool(tmp_path / "spool")
    with clock.frozen(at):
        spool.put(
            [accepted(source="smtp", kind="smtp", content=content, now=at, mail_from="x@carol.example", rcpt_to=[rcpt], peer=peer)]
        )
        one = Worker(spool)
        while spool.count():
            one.step()


CAROLS = {
    "gmail": "We removed the page and are looking for the way in.\nA plan follows tonight.\n\nCarol",
    "outlook": "Guten Tag,\n\ndie Seite ist weg, wir prüfen den Server.\n\nMit freundlichen Grüßen\nCarol Meyer",
    "ios": "Got it, on the train. Will look within the hour.\n\nSent from my iPhone",
    "stripped_headers": "Our ticket system strips threading. The page is gone.",
    "new_subject": "Here is what we do: reinstall, new passwords, updates every week.",
    "forwarded": "Our web team has taken it down, see below.",
    "interleaved": "Done with this.\n\n\nReinstall the shop.",
}


@pytest.mark.parametrize("name", CAROLS)
def test_a_contact_s_answer_is_the_customer_s_word_with_the_quotation_folded(told, tmp_path, name):
    case, message, _ = told
    receive(letter(name, case, message), tmp_path)
    case.refresh_from_db()
    entry = case.journal.get(kind="reply")
    assert entry.text == CAROLS[name] and entry.detail["verified"] and entry.actor == "customer"
    if name not in {"stripped_headers", "new_subject"}:
        assert "Dear Carol" in entry.detail["quoted"] or "acknowledge by" in entry.detail["quoted"]
    said = Statement.objects.get(case=case)
    assert (said.kind, said.via, said.contact.email, said.text) == ("comment", "mail", "abuse@carol.example", CAROLS[name])
    assert (case.waiting_on, case.last_word_by, case.state) == ("us", "customer", "TICKETED")
    assert Submission.objects.get(case_ref=str(case.pk)).state == "set_aside"


def test_it_acknowledges_only_where_the_operator_says_so(told, tmp_path, settings):
    settings.MAIL_ACKNOWLEDGES = True
    case, message, _ = told
    receive(letter("gmail", case, message), tmp_path)
    case.refresh_from_db()
    assert case.state == "ACKNOWLEDGED" and Statement.objects.get(case=case).kind == "acknowledgement"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("forged", "somebody who claims to be Carol Meyer <abuse@carol.example>"),
        ("other_sender", "somebody who says they are nils.berg@mailbox.example"),
    ],
)
def test_whom_nobody_vouches_for_is_filed_as_a_claim_and_never_counts(told, tmp_path, settings, name, shown):
    settings.MAIL_ACKNOWLEDGES = True
    case, message, _ = told
    receive(letter(name, case, message), tmp_path)
    case.refresh_from_db()
    entry = case.journal.get(kind="reply")
    assert entry.actor == shown and entry.detail["verified"] is False
    assert not Statement.objects.exists()
    assert case.state == "TICKETED" and case.acknowledged_at is None and case.waiting_on == "us"


def test_a_reporter_s_token_never_leads_to_the_customer_s_side(told, tmp_path, settings):
    settings.MAIL_ACKNOWLEDGES = True
    case, message, _ = told
    content = letter("gmail", case, message).replace(token_of(case.pk).encode(), token_of(case.pk, "reporter").encode())
    receive(content, tmp_path)
    assert not Statement.objects.exists() and not case.journal.get(kind="reply").detail["verified"]


def test_a_holiday_note_changes_nothing(told, tmp_path):
    case, message, _ = told
    receive(letter("vacation", case, message), tmp_path)
    case.refresh_from_db()
    assert case.waiting_on == "customer" and not Statement.objects.exists()
    assert case.journal.filter(kind="mail", detail__disposition="auto-reply").count() == 1
    assert not OutboxMessage.objects.exclude(pk=message.pk).exists(), "an automatic answer is not answered"


def test_our_own_mail_coming_back_opens_and_answers_nothing(told, tmp_path):
    case, message, taken = told
    receive(taken.content, tmp_path)
    assert Case.objects.count() == 1 and not case.journal.filter(kind="reply").exists()
    assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize("name", ["bounce_3464", "bounce_plain"])
def test_a_returned_mail_raises_a_contact_problem_and_the_case_says_so(told, tmp_path, name):
    case, message, taken = told
    receive(letter(name, case, message), tmp_path, rcpt=taken.mail_from)
    message.refresh_from_db()
    assert message.state == "failed" and message.bad_address and "5.1.1" in message.error
    telling.report_failures(now=LATER)
    case.refresh_from_db()
    assert "5.1.1" in Contact.objects.get(email="abuse@carol.example").problem
    assert "mail to every contact came back" in case.needs_person


def test_a_delay_is_noted_and_nothing_else(told, tmp_path):
    case, message, taken = told
    receive(letter("bounce_delayed", case, message), tmp_path, rcpt=taken.mail_from)
    message.refresh_from_db()
    assert message.state == "sent" and case.journal.filter(text__contains="delivery is delayed").count() == 1
    assert Contact.objects.get(email="abuse@carol.example").problem == ""


def test_a_forged_bounce_without_the_token_raises_nothing(told, tmp_path):
    case, message, _ = told
    wrong = f"abuse+{case.pk}-00000000.m{message.pk}@example.net"
    content = letter("bounce_3464", case, message).replace(token_of(case.pk).encode(), f"{case.pk}-00000000".encode())
    receive(content, tmp_path, rcpt=wrong)
    message.refresh_from_db()
    assert message.state == "sent" and Contact.objects.get(email="abuse@carol.example").problem == ""


def test_tokens_tried_by_brute_force_are_set_aside_and_on_the_record(told, tmp_path):
    case, message, _ = told
    for number in range(14):
        wrong = f"{case.pk}-{number:08x}"
        receive(letter("stripped_headers", case, message).replace(token_of(case.pk).encode(), wrong.encode()), tmp_path)
    assert not case.journal.filter(kind="reply").exists()
    waiting = Submission.objects.filter(state="needs_person")
    aside = Submission.objects.filter(state="set_aside", reason__contains="set aside")
    assert (waiting.count(), aside.count()) == (10, 4)
    assert Entry.objects.filter(action="reply.wrong_token").count() == 11
    receive(letter("gmail", case, message), tmp_path)
    assert case.journal.filter(kind="reply").count() == 1, "the right token still works"


def test_a_plan_in_forty_megabytes_of_html_is_refused_with_a_clear_message(told, tmp_path):
    case, message, _ = told
    head, _, _ = letter("gmail", case, message).partition(b"\r\nContent-Type")
    page = b"<html><body>" + b"<p>our plan is long</p>\r\n" * 1_740_000
    content = head + b"\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page
    assert len(content) > 40_000_000
    receive(content, tmp_path)
    case.refresh_from_db()
    assert not Statement.objects.exists() and case.state == "TICKETED"
    assert "43 MB" in case.journal.get(kind="reply").text
    notice = Notice.objects.get(kind="not_read")
    telling.tell(now=LATER)
    sent = OutboxMessage.objects.get(kind="not_read")
    assert "43 MB" in notice.detail["reason"] and "plain text of at most 20,000 characters" in " ".join(sent.body.split())
    receive(content, tmp_path, at=LATER + timedelta(minutes=5))
    assert Notice.objects.filter(kind="not_read").count() == 1


def test_the_whole_way_over_real_sockets(told, tmp_path):
    """Our letter left by SMTP; the answer comes by SMTP and stands on the case's timeline."""
    case, message, taken = told
    reply_to = taken.parsed["Reply-To"]
    spool = Spool(tmp_path / "spool")
    with listener(spool, recipients=("abuse@example.net",)) as running, smtplib.SMTP(*running.address) as client:
        client.sendmail("carol@carol.example", [str(reply_to)], letter("gmail", case, message))
    with clock.frozen(LATER):
        one = Worker(spool)
        while spool.count():
            one.step()
    assert case.journal.get(kind="reply").text.startswith("We removed the page")
    assert Statement.objects.get(case=case).via == "mail"


def test_a_reporter_whose_mail_comes_back_is_not_written_to_again(tmp_path, told):
    case, _, _ = told
    row = OutboxMessage.objects.create(
        reference=f"case:{case.pk}", audience="reporter", kind="message", recipient="rita@example.org", subject="x", body="x",
        token=token_of(case.pk, "reporter"), state="sent", created_at=NOW, not_before=NOW, message_id="<x@example.net>",
    )  # fmt: skip
    path = f"abuse+{row.token}.m{row.pk}@example.net"
    content = letter("bounce_3464", case, row).replace(token_of(case.pk).encode(), row.token.encode())
    receive(content, tmp_path, rcpt=path)
    assert Suppression.objects.get().address == "rita@example.org"
