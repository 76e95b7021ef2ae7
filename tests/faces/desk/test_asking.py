"""Intake: the reporter is asked, within the caps and only where somebody vouches for the sender; and evidence is saved."""

from datetime import timedelta

import pytest

from tipstaff.audit.models import Entry
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.models import Source, Submission

QUESTION = {"question": "Which address was it, and when?"}


@pytest.fixture
def vouched(desk) -> Submission:
    """What waits first, from a mailbox whose server's word on the sender counts."""
    Source.objects.filter(name="abuse@ mailbox").update(settings={"trusted_authserv": ["mx.northgate.example"]})
    return desk.waiting[0]


def test_a_question_is_promised_and_the_submission_waits_seven_days(vouched, alice, desk) -> None:
    answer = alice.post(f"/intake/{vouched.pk}/ask/", QUESTION)
    assert answer["Location"] == f"/intake/{desk.waiting[1].pk}/"
    message = OutboxMessage.objects.get()
    assert (message.kind, message.audience, message.recipient) == ("ask-back", "reporter", "rita@reports.example.org")
    assert "within seven days" in message.body and message.language == "en" and message.html
    assert QUESTION["question"] in message.body and (message.created_by, message.state) == ("alice", "waiting")
    vouched.refresh_from_db()
    assert vouched.state == "needs_person" and "an answer is awaited" in vouched.reason
    assert timedelta(days=6, hours=23) < vouched.due_at - desk.now < timedelta(days=7, hours=1)
    assert Entry.objects.get(action="intake.ask").detail["message"] == message.pk


def test_a_question_is_framed_in_the_language_that_it_is_written_in(vouched, alice) -> None:
    alice.post(f"/intake/{vouched.pk}/ask/", {"question": "Welche Adresse war es, und wann ist das mit dem Server geschehen?"})
    message = OutboxMessage.objects.get()
    assert message.language == "de" and "vielen Dank für Ihre Meldung" in message.body


def test_nobody_is_asked_whom_nobody_vouches_for(desk, alice) -> None:
    answer = alice.post(f"/intake/{desk.waiting[0].pk}/ask/", QUESTION)
    assert answer.status_code == 409 and "nobody vouches for the sender" in answer.content.decode()
    assert not OutboxMessage.objects.exists()
    desk.waiting[0].refresh_from_db()
    assert desk.waiting[0].due_at < desk.now + timedelta(days=1)


def test_the_daily_cap_holds_for_people_too(vouched, alice) -> None:
    for _ in range(3):
        assert alice.post(f"/intake/{vouched.pk}/ask/", QUESTION).status_code == 302
    answer = alice.post(f"/intake/{vouched.pk}/ask/", QUESTION)
    assert answer.status_code == 409 and "ask tomorrow" in answer.content.decode()
    assert OutboxMessage.objects.count() == 3


def test_our_own_mailbox_is_never_asked(vouched, alice) -> None:
    trusted = {"trusted_authserv": ["mx.northgate.example"], "own_addresses": ["rita@reports.example.org"]}
    Source.objects.update(settings=trusted)
    assert alice.post(f"/intake/{vouched.pk}/ask/", QUESTION).status_code == 409
    assert not OutboxMessage.objects.exists()


def test_an_empty_question_a_decided_or_a_sealed_submission(vouched, alice, desk) -> None:
    assert alice.post(f"/intake/{vouched.pk}/ask/", {"question": " "}).status_code == 422
    Submission.objects.filter(pk=vouched.pk).update(state="set_aside")
    assert alice.post(f"/intake/{vouched.pk}/ask/", QUESTION).status_code == 409
    assert alice.post(f"/intake/{desk.sealed.pk}/ask/", QUESTION).status_code == 404
    assert not OutboxMessage.objects.exists()


def test_an_auditor_asks_nobody(vouched, signed_in) -> None:
    assert signed_in("amir").post(f"/intake/{vouched.pk}/ask/", QUESTION).status_code == 403
