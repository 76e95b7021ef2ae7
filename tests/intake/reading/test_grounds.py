"""An address is accused on a ground of its own, and by a letter that complains more than it is ordinary mail."""

import pytest

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

COMPLAINT = "SSH brute force from 198.51.100.7 against our server 192.0.2.1 since 2026-11-16 10:00 UTC. Please investigate."


def draft(body: str, *, subject: str = "Abuse", headers: str = ""):
    mail = f"From: rita@corp.example\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n{headers}\n{body}\n"
    (one,) = read_submission(mail.encode(), Hints())
    return one


def accused(body: str, **more) -> list[str]:
    one = draft(body, **more)
    return [event.ip for event in one.events] if one.disposition is Disposition.REPORT else []


def test_a_plain_complaint_is_decided():
    assert accused(COMPLAINT) == ["198.51.100.7"]


@pytest.mark.parametrize(
    "before",
    [
        "Thank you for your report. ",
        "The attacks stopped, thanks a lot for the help. ",
        "Your complaint has been received and a ticket has been opened. ",
    ],
)
def test_receipts_and_thanks_accuse_nobody(before):
    assert accused(before + COMPLAINT) == []


def test_an_answer_to_a_case_is_for_a_person():
    one = draft(COMPLAINT, subject="RE: [Case 55121] brute force")
    assert one.disposition is Disposition.NEEDS_A_PERSON and one.needs


def test_a_newsletter_is_no_report_whatever_it_tells():
    assert accused(COMPLAINT, headers="List-Unsubscribe: <mailto:u@news.example>\n") == []


@pytest.mark.parametrize(
    ("body", "ip"),
    [
        ("SIP brute force: our SBC at 192.0.2.60 recorded it.\nAttacker: 198.51.100.7", "198.51.100.7"),
        (
            "L'indirizzo del nostro concentratore è 192.0.2.60. Tentativi di accesso SSH dall'indirizzo 198.51.100.7, bloccatelo.",
            "198.51.100.7",
        ),
        ("Your contributors to the UDP flood (please stop them):\n\n198.51.100.7\n", "198.51.100.7"),
        (
            'peer=192.0.2.9 xff="198.51.100.7" user=bob result=FAIL time=2026-11-16T10:00:00Z\nBrute force, please stop.',
            "198.51.100.7",
        ),
    ],
)
def test_the_possessive_the_label_and_the_list_say_whose_an_address_is(body, ip):
    assert accused(body) == [ip]


def test_exceptions_send_a_list_to_a_person():
    rows = "Time;Source IP;Target IP\n2026-11-16 10:00:00;198.51.100.7;192.0.2.1\n2026-11-16 10:01:00;198.51.100.8;192.0.2.1\n"
    assert accused(f"Brute force, please stop:\n\n{rows}") == ["198.51.100.7", "198.51.100.8"]
    assert accused(f"Brute force, please stop. The last line is my own test.\n\n{rows}") == []


def test_a_zero_width_character_does_not_tear_an_address():
    assert accused("Brute force from 198.51.\u200b100.7 against our server. Please stop.") == ["198.51.100.7"]


def test_private_addresses_are_not_accused_beside_public_ones():
    assert accused("Attacker: 10.1.2.3\nAttacker: 198.51.100.7\nBrute force, please stop.") == ["198.51.100.7"]
