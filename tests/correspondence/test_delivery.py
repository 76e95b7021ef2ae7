"""What leaves, once; what is tried again; what is never tried again. Against a real SMTP server."""

import threading
from datetime import timedelta

import pytest
from django.db import connection as database

from tests.correspondence.given import NOW, promised
from tests.correspondence.mailhost import Mailhost, Running
from tipstaff.accounts.models import Contact, Customer
from tipstaff.correspondence import delivery, outbox
from tipstaff.correspondence.models import OutboxMessage, Suppression
from tipstaff.correspondence.smarthost import Connection, Smarthost, Unusable
from tipstaff.correspondence.worker import Delivery
from tipstaff.kernel import clock
from tipstaff.kernel.errors import Refused
from tipstaff.project.commands.running import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.SENDING, settings.MAIL_FROM, settings.MAIL_PLUS = True, "abuse@example.net", "+"
    settings.OPERATOR_NAME, settings.MAIL_CAPS = "Northgate", {"hour": 100, "recipient": 5}


def run(smarthost, at=NOW):
    with clock.frozen(at):
        one = Delivery(smarthost)
        tried = one.step(threading.Event())
        one.hang_up()
    return tried, one


def test_a_message_leaves_once_with_everything_that_threads_it():
    row, host = promised(in_reply_to="<their@example.com>", thread="<older@example.com>"), Mailhost()
    with Running(host) as smarthost:
        assert run(smarthost)[0] == 1
        assert run(smarthost, NOW + timedelta(hours=1))[0] == 0
    (taken,) = host.taken
    row.refresh_from_db()
    assert (row.state, row.attempts, row.sent_at, row.message_id) == ("sent", 1, NOW, f"<case.7-1a2b3c4d.m{row.pk}@example.net>")
    assert taken.rcpt_to == ["carol@example.com"] and taken.mail_from == f"abuse+7-1a2b3c4d.m{row.pk}@example.net"
    mail = taken.parsed
    assert mail["Message-ID"] == row.message_id and mail["In-Reply-To"] == "<their@example.com>"
    assert mail["References"].split() == ["<case.7-1a2b3c4d.thread@example.net>", "<older@example.com>", "<their@example.com>"]
    assert mail["Reply-To"] == "abuse+7-1a2b3c4d@example.net" and mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == "Northgate <abuse@example.net>" and mail["Precedence"] is None
    assert not [name for name in mail if name.lower().startswith("list-")]
    assert mail.get_body(("plain",)).get_content().splitlines() == ["Dear Carol,", ".", "it goes on."]
    assert row.tries.get().outcome == "sent" and row.tries.get().code == 250


def test_nothing_leaves_while_sending_is_off(settings):
    settings.SENDING = False
    row, host = promised(), Mailhost()
    with Running(host) as smarthost:
        tried, one = run(smarthost)
    row.refresh_from_db()
    assert (tried, row.state, host.taken) == (0, "waiting", []) and "TIPSTAFF_SENDING" in one.line(NOW)


def test_a_temporary_refusal_is_tried_again_with_growing_pauses():
    row, host = promised(), Mailhost(answers={"carol@example.com": "451 4.7.1 greylisted"})
    with Running(host) as smarthost:
        pauses, at = [], NOW
        for _ in range(5):
            run(smarthost, at)
            row.refresh_from_db()
            pauses.append(row.not_before - at)
            at = row.not_before
        host.answers.clear()
        run(smarthost, at)
    row.refresh_from_db()
    assert row.state == "sent" and row.attempts == 6
    for number, pause in enumerate(pauses):
        assert 0.75 * 60 * 2**number <= pause.total_seconds() <= 1.25 * 60 * 2**number


def test_after_four_days_it_has_failed():
    row, host = promised(), Mailhost(answers={"carol@example.com": "451 4.7.1 greylisted"})
    with Running(host) as smarthost:
        run(smarthost, NOW + timedelta(days=4, minutes=1))
    row.refresh_from_db()
    assert row.state == "failed" and "greylisted" in row.error and not row.bad_address


@pytest.mark.parametrize(
    ("answer", "blamed"),
    [
        ("550 5.1.1 no such user", True),
        ("550 no such user", True),
        ("554 5.7.1 relay access denied", False),
        ("552 5.2.2 full", False),
    ],
)
def test_a_final_refusal_is_not_tried_again_and_blames_the_address_only_where_it_says_so(answer, blamed):
    customer = Customer.objects.create(name="Carol", created_at=NOW)
    contact = Contact.objects.create(customer=customer, email="carol@example.com")
    row, host = promised(contact=contact), Mailhost(answers={"carol@example.com": answer})
    with Running(host) as smarthost:
        run(smarthost)
    row.refresh_from_db()
    contact.refresh_from_db()
    assert (row.state, row.bad_address, bool(contact.problem)) == ("failed", blamed, blamed)
    assert answer.split(" ", 2)[2].split()[-1] in row.error


def test_a_refusal_of_our_own_address_blames_no_message():
    first, second = promised(), promised("dave@example.org")
    host = Mailhost(sender_answer=["550 5.7.1 sender not allowed"])
    with Running(host) as smarthost:
        tried, one = run(smarthost)
    for row in (first, second):
        row.refresh_from_db()
        assert row.state == "waiting" and not row.bad_address
    assert "sender not allowed" in one.trouble and host.taken == []


def test_a_connection_cut_after_the_content_is_held_for_a_person():
    row, host = promised(), Mailhost(drop_at_end=1)
    with Running(host) as smarthost:
        run(smarthost)
        run(smarthost, NOW + timedelta(days=1))
        row.refresh_from_db()
        assert row.state == "held" and "may have arrived" in row.error and len(host.taken) == 1
        outbox.retry(message=row.pk, by="alice", now=NOW + timedelta(days=1))
        run(smarthost, NOW + timedelta(days=1))
    assert {taken.parsed["Message-ID"] for taken in host.taken} == {row.message_id} and len(host.taken) == 2


@pytest.mark.parametrize(("handed", "state"), [(False, "waiting"), (True, "held")])
def test_what_a_killed_program_left_is_found_again(handed, state):
    row = promised(state="sending", claimed_by="elsewhere:1:ab", claimed_until=NOW, handed_at=NOW if handed else None)
    assert delivery.recover(now=NOW) == 0
    assert delivery.recover(now=NOW + timedelta(minutes=1)) == 1
    row.refresh_from_db()
    assert row.state == state and row.tries.count() == 1


def test_a_late_answer_after_somebody_else_took_over_changes_nothing():
    row, host = promised(), Mailhost()
    with Running(host) as smarthost, clock.frozen(NOW):
        (claimed,) = delivery.claim(by="slow:1:aa", now=NOW)
        OutboxMessage.objects.filter(pk=row.pk).update(state="withdrawn", claimed_by="")
        answer = delivery.deliver(row=claimed, connection=Connection(smarthost), sender=delivery.sender(NOW), clock=clock.now)
    row.refresh_from_db()
    assert row.state == "withdrawn" and host.taken == [] and answer.outcome == "later"


def test_two_deliverers_never_claim_the_same_message(transactional_db):
    for _ in range(20):
        promised()
    delivery.settings.MAIL_CAPS = {"hour": 100, "recipient": 100}
    claimed = []

    def work(name):
        try:
            claimed.extend(row.pk for _ in range(5) for row in delivery.claim(by=name, now=NOW, most=3))
        finally:
            database.close()

    threads = [threading.Thread(target=work, args=(f"w{number}:1:aa",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 20


def test_the_caps_put_off_and_say_until_when(settings):
    settings.MAIL_CAPS = {"hour": 4, "recipient": 2}
    to_carol = [promised() for _ in range(4)]
    urgent = promised(urgent=True)
    others = [promised("dave@example.org"), promised("emma@example.org")]
    host = Mailhost()
    with Running(host) as smarthost:
        run(smarthost)
        assert len(host.taken) == 4 and urgent.message_id == ""
        urgent.refresh_from_db()
        assert urgent.state == "sent"
        waiting = OutboxMessage.objects.filter(state="waiting")
        assert len(waiting) == 3 and all(
            "the most that may" in row.error and row.not_before == NOW + timedelta(hours=1) for row in waiting
        )
        for hour in (1, 2):
            run(smarthost, NOW + timedelta(hours=hour, minutes=hour))
    assert OutboxMessage.objects.filter(state="sent").count() == 1 + len(to_carol) + len(others)


def test_nothing_is_sent_to_a_suppressed_address_until_it_is_lifted():
    row, host = promised("Carol@Example.com"), Mailhost()
    outbox.suppress(address="carol@example.com", reason="three mails came back", by="bob", now=NOW)
    with Running(host) as smarthost:
        run(smarthost)
        row.refresh_from_db()
        assert row.state == "held" and "three mails came back" in row.error and host.taken == []
        assert outbox.lift(address="carol@example.com", by="bob", now=NOW)
        run(smarthost)
    assert len(host.taken) == 1 and Suppression.objects.get().lifted_by == "bob"


@pytest.mark.parametrize("act", [outbox.hold, outbox.withdraw, outbox.release, outbox.retry])
@pytest.mark.parametrize("state", ["sent", "sending", "withdrawn"])
def test_what_is_on_its_way_or_gone_stays_as_it_is(act, state):
    row = promised(state=state)
    with pytest.raises(Refused, match="nothing was changed"):
        act(message=row.pk, by="alice", now=NOW, reason="x")


def test_hold_release_and_withdraw():
    row, host = promised(), Mailhost()
    outbox.hold(message=row.pk, by="alice", now=NOW, reason="ask counsel first")
    with Running(host) as smarthost:
        assert run(smarthost)[0] == 0
        outbox.release(message=row.pk, by="alice", now=NOW)
        outbox.withdraw(message=row.pk, by="alice", now=NOW, reason="wrong customer")
        assert run(smarthost)[0] == 0
    assert host.taken == []


@pytest.mark.parametrize(
    "spoiled", ["", "nobody", "a@b@c", "x y@example.com", "carol@exa_mple.com", "carol@example..com", ".c@example.com"]
)
def test_a_broken_address_fails_with_its_reason_and_the_next_one_goes(spoiled):
    row, fine, host = promised(spoiled), promised("dave@example.org"), Mailhost()
    with Running(host) as smarthost:
        run(smarthost)
    row.refresh_from_db()
    assert row.state == "failed" and row.bad_address and "correct the contact" in row.error
    assert [taken.rcpt_to for taken in host.taken] == [[fine.recipient]]


def test_an_address_that_is_not_ascii_goes_where_the_server_takes_it():
    host = Mailhost()
    promised("jörg@exämple.com", recipient_name="Jörg Größe, GmbH")
    with Running(host) as smarthost:
        run(smarthost)
    (taken,) = host.taken
    assert taken.rcpt_to == ["jörg@xn--exmple-cua.com"] and "SMTPUTF8" in taken.options


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_tls_and_login(tmp_path, tls):
    host = Mailhost()
    promised()
    with Running(host, tmp_path, tls, ("desk", "s3cret")) as smarthost:
        run(smarthost)
        assert len(host.taken) == 1
        wrong = Smarthost(smarthost.host, smarthost.port, tls, "desk", "guess", smarthost.authority)
        with pytest.raises(Unusable, match="login: 535"):
            Connection(wrong)
        with pytest.raises(Unusable, match="CERTIFICATE_VERIFY_FAILED"):
            Connection(Smarthost(smarthost.host, smarthost.port, tls))
    assert "s3cret" not in repr(smarthost)


def test_without_starttls_nothing_is_sent_where_it_is_asked_for():
    row, host = promised(), Mailhost()
    with Running(host) as smarthost:
        _, one = run(Smarthost(smarthost.host, smarthost.port, "starttls"))
    row.refresh_from_db()
    assert row.state == "waiting" and row.attempts == 0 and "no STARTTLS" in one.trouble and host.taken == []


def test_a_smarthost_that_is_away_costs_no_attempt():
    row = promised()
    tried, one = run(Smarthost("127.0.0.1", free_port(), "off"))
    row.refresh_from_db()
    assert (row.state, row.attempts, row.claimed_by) == ("waiting", 0, "") and "cannot be used" in one.trouble
    assert row.not_before > NOW
