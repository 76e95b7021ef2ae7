"""The reader's own customer may be the one who suffers: that is no accusation."""

import pytest

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

SUFFERS = (
    ("Your customer 192.0.2.130 is being attacked by 198.51.100.8 since 2026-06-14 19:00 UTC.", {"198.51.100.8"}),
    ("We see a DDoS against your customer 192.0.2.130, coming from 198.51.100.9 on 2026-06-14 at 19:00 UTC.", {"198.51.100.9"}),
    ("There is an attack on your server 192.0.2.130 from 198.51.100.9 at 2026-06-14 19:00:05 UTC.", {"198.51.100.9"}),
)
ACCUSED = (
    ("This is a complaint against your customer 192.0.2.7, who attacked our server on 2026-06-14 at 19:00 UTC.", {"192.0.2.7"}),
    ("Your customer 192.0.2.7 (our ticket 55) is attacking our server since 2026-06-14 19:00 UTC.", {"192.0.2.7"}),
    ("Please take action against your customer 192.0.2.7, who scanned our server at 2026-06-14 19:00 UTC.", {"192.0.2.7"}),
)


def accused_by(letter: str) -> set[str | None]:
    mail = f"From: Rita <rita@example.org>\nTo: abuse@example.net\nSubject: Attack\n\nHello,\n\n{letter}\n\nRita\n"
    drafts = read_submission(mail.encode(), Hints(filename="letter.eml"))
    return {event.ip for draft in drafts if draft.disposition is Disposition.REPORT for event in draft.events}


@pytest.mark.parametrize(("letter", "accused"), SUFFERS + ACCUSED)
def test_nobody_else_is_accused(letter, accused):
    assert accused_by(letter) <= accused


@pytest.mark.parametrize(("letter", "accused"), ACCUSED)
def test_a_complaint_against_a_customer_still_accuses_them(letter, accused):
    assert accused_by(letter) == accused
