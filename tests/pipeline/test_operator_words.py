"""What the operator enters at the desk under Keywords and Profiles decides the next report."""

from uuid import uuid4

import pytest

from tests.pipeline.given import NOW
from tipstaff.intake.models import Keyword, ReporterProfile
from tipstaff.intake.operator_words import vocabulary
from tipstaff.intake.vocabulary.load import packaged
from tipstaff.pipeline.reading import Reader, Taken

pytestmark = pytest.mark.django_db
FEED = b"ip,timestamp,note\n192.0.2.7,2026-11-02T10:00:00Z,blorp\n"
MAIL = (
    b"Authentication-Results: mx.example.net; dkim=pass header.d=rita.example\r\nFrom: reports@rita.example\r\n"
    b"Subject: %s\r\nContent-Type: text/csv\r\n\r\n" + FEED
)


def category_of(subject: bytes) -> str | None:
    reader = Reader()
    reader.renew(NOW)
    reader.sources = {"smtp": {"trusted_authserv": ["mx.example.net"]}}
    return reader.read(Taken(uuid4(), "smtp", "smtp", "", NOW, {}, MAIL.replace(b"%s", subject))).drafts[0].category


def word(text: str, category: str, enabled: bool = True) -> Keyword:
    return Keyword.objects.create(language="en", text=text, category=category, enabled=enabled, by="alice", at=NOW)


def test_a_word_of_the_operator_decides() -> None:
    assert category_of(b"Blorping addresses") is None
    word("blorping", "scan")
    assert category_of(b"Blorping addresses") == "scan"


def test_a_word_of_the_operator_is_read_in_letters_too() -> None:
    letter = (
        b"From: r@rita.example\r\nSubject: Complaint\r\n\r\nYour host 192.0.2.7 was blorping our server at 2026-11-02 10:00 UTC.\n"
    )

    def read() -> tuple[str, str | None]:
        reader = Reader()
        reader.renew(NOW)
        draft = reader.read(Taken(uuid4(), "smtp", "smtp", "", NOW, {}, letter)).drafts[0]
        return draft.disposition, draft.category

    assert read() == ("needs-a-person", None)
    word("blorping", "scan")
    assert read() == ("report", "scan")


def test_a_word_that_is_switched_off_no_longer_speaks() -> None:
    before = vocabulary()
    one = next(one for one in packaged().keywords if one.language == "en" and "*" not in one.word)
    word(one.word, one.category, enabled=False)
    assert one in before.keywords and one not in vocabulary().keywords


def test_a_profile_of_the_operator_counts_for_an_authenticated_domain() -> None:
    assert category_of(b"Addresses") is None
    ReporterProfile.objects.create(domain="rita.example", category="malware", by="alice", at=NOW)
    assert category_of(b"Addresses") == "malware"


def test_a_profile_takes_no_hotlines_seal_away() -> None:
    hotline = next(one for one in packaged().profiles if one.sealed)
    ReporterProfile.objects.create(domain=hotline.domains[0], category="spam", by="alice", at=NOW)
    assert vocabulary().profile_of([hotline.domains[0]]).sealed


def test_nothing_is_built_anew_while_nothing_changes() -> None:
    assert vocabulary() is packaged()
    word("blorping", "scan")
    assert vocabulary() is vocabulary()


def test_a_correction_is_used_for_that_authenticated_senders_next_report() -> None:
    from tests.pipeline.given import submission
    from tipstaff.intake.models import Correction

    row = submission()
    Correction.objects.create(
        submission=row,
        field="accused",
        after={"customer": 1, "category": "malware"},
        sender="reports@rita.example",
        by="alice",
        at=NOW,
    )
    assert category_of(b"List of addresses") == "malware"
    Correction.objects.update(sender="somebody@else.example")
    assert category_of(b"List of addresses") is None
