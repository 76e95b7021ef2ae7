"""What is left to a person: contradictions, and letters that nothing shows to be ordinary mail."""

import pytest

from tipstaff.intake.drafts import Disposition, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission


def read(body: str, *, subject: str = "attack", sender: str = "rita@reporter.example", headers: str = "") -> ReportDraft:
    mail = (
        f"From: {sender}\nTo: abuse@isp.example\nSubject: {subject}\n{headers}Content-Type: text/plain; charset=utf-8\n\n{body}\n"
    )
    return read_submission(mail.encode(), Hints())[0]


ATTACK = "The host 203.0.113.6 attacks our mail server with password guessing since noon."


def test_the_plain_letter_is_a_report():
    draft = read(ATTACK)
    assert draft.disposition is Disposition.REPORT and [event.ip for event in draft.events] == ["203.0.113.6"]


@pytest.mark.parametrize(
    "doubt",
    [
        "Or was it the other way round?",
        "Oder umgekehrt?",
        "Ou l'inverse ?",
        "¿O al revés?",
        "O viceversa?",
        "Of andersom?",
        "Albo odwrotnie?",
        "Ou o contrário?",
        "Или наоборот?",
        "或者反过来？",
        "それとも逆？",
    ],
)
def test_who_does_not_know_the_direction_accuses_nobody(doubt):
    draft = read(f"{ATTACK} {doubt}")
    assert draft.disposition is Disposition.NEEDS_A_PERSON and "other way round" in draft.needs[0]


@pytest.mark.parametrize(
    "taken_back",
    [
        "No, it was 198.51.100.9.",
        "Nein, es war 198.51.100.9.",
        "Non, c'était 198.51.100.9.",
        "No, era la 198.51.100.9.",
        "Scusate, era 198.51.100.9.",
        "Nee, het was 198.51.100.9.",
        "Nie, to był 198.51.100.9.",
        "Não, foi 198.51.100.9.",
        "Нет, это был 198.51.100.9.",
        "不对，是 198.51.100.9。",
        "訂正：198.51.100.9",
    ],
)
def test_who_takes_an_address_back_accuses_neither(taken_back):
    assert read(f"{ATTACK} {taken_back}").disposition is Disposition.NEEDS_A_PERSON


@pytest.mark.parametrize(
    "unsure",
    [
        "Attacks on us came from 203.0.113.6 or 198.51.100.9, we are not sure which one.",
        "Angriffe kamen von 203.0.113.6 oder 198.51.100.9.",
        "Des attaques viennent de 203.0.113.6 ou 198.51.100.9.",
        "Los ataques vienen de 203.0.113.6 o quizás 198.51.100.9.",
    ],
)
def test_one_or_the_other_accuses_neither(unsure):
    draft = read(unsure)
    assert draft.disposition is Disposition.NEEDS_A_PERSON and draft.events == []


@pytest.mark.parametrize(
    "clear",
    [
        "Was it a test? No, it was a real attack.",
        "I am not sure which of your customers that is.",
        "Wir sind nicht sicher, ob Sie der richtige Ansprechpartner sind.",
        "Please tell me whether you or the owner will stop it.",
    ],
)
def test_a_doubt_about_something_else_keeps_the_report(clear):
    draft = read(f"{ATTACK} {clear}")
    assert draft.disposition is Disposition.REPORT and [event.ip for event in draft.events] == ["203.0.113.6"]


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("my neighbour", "Somebody writes horrible things about my son at https://board.example.net/t/4 and I cannot sleep."),
        ("Hilfe", "Jemand schreibt schlimme Dinge über meinen Sohn: https://board.example.net/t/4"),
        ("ayuda", "Hay algo raro en 203.0.113.6, no puedo dormir."),
        ("hm", "the box at 203.0.113.6 eats our baskets every night"),
    ],
)
def test_a_letter_that_names_something_is_seen(subject, body):
    draft = read(body, subject=subject)
    assert draft.disposition is Disposition.NEEDS_A_PERSON and draft.events == []


@pytest.mark.parametrize(
    ("sender", "headers", "subject", "body"),
    [
        ("rita@reporter.example", "", "PTR", "Please set the PTR of 203.0.113.6 to mx.reporter.example."),
        ("rita@reporter.example", "", "Kündigung", "Hiermit kündige ich den Server 203.0.113.6."),
        ("rita@reporter.example", "", "Résiliation", "Je souhaite résilier le serveur 203.0.113.6."),
        ("sales@reporter.example", "", "Hello", "Our new boxes are at https://shop.example.net/boxes"),
        ("cam@reporter.example", "Auto-Submitted: auto-generated\n", "Disk", "Disk /srv on 203.0.113.6 is 91% full."),
        ("rita@reporter.example", "", "Greetings", "Dear friend, I am the lawyer of a late client. Reply with your name."),
    ],
)
def test_ordinary_mail_is_set_aside_on_its_signs(sender, headers, subject, body):
    draft = read(body, subject=subject, sender=sender, headers=headers)
    assert draft.disposition in (Disposition.NOT_A_REPORT, Disposition.AUTO_REPLY)


def test_a_suspicion_that_names_nothing_is_seen():
    draft = read('Our software says "suspicious connection from an unknown address". Was that you?', subject="problem")
    assert draft.disposition is Disposition.NEEDS_A_PERSON and "suspicious" in draft.needs[0]
