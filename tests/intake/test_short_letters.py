"""Some three hundred short letters in eleven languages: complaints of an ordinary day, and letters that only look like one.

Each begins with ``@@ language | subject | verdict``; the verdict is ``ok`` with the accused addresses (``?``: a link or a domain
is accused), or ``no``: nobody may be accused.
"""

from email.message import EmailMessage
from functools import cache
from pathlib import Path

import pytest

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

FOLDER = Path(__file__).resolve().parents[1] / "corpus" / "free_text" / "short"
FILES = sorted(path.name for path in FOLDER.glob("*.txt"))
MOST_UNDECIDED = 0.06
LANGUAGES = {"en", "de", "fr", "es", "it", "nl", "pl", "pt", "ru", "zh", "ja"}


def letters(name: str) -> list[tuple[str, str, list[str], str]]:
    """Language, subject, verdict and body of each letter in a file."""
    found = []
    for block in (FOLDER / name).read_text("utf-8").removeprefix("@@ ").split("\n@@ "):
        heading, _, body = block.partition("\n")
        language, _, rest = heading.partition(" | ")
        subject, _, verdict = rest.rpartition(" | ")
        found.append((language.strip(), subject.strip(), verdict.split(), body))
    return found


@cache
def accused(subject: str, body: str) -> tuple[set[str], bool]:
    """The accused addresses, and whether a link or a domain is accused; nothing where it is no report."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "rita@reporter.example", "abuse@isp.example", subject
    mail["Date"], mail["Message-ID"] = "Thu, 19 Nov 2026 12:00:00 +0000", "<x1@reporter.example>"
    mail.set_content(body, subtype="html" if body.startswith("<html") else "plain")
    drafts = [draft for draft in read_submission(mail.as_bytes(), Hints()) if draft.disposition is Disposition.REPORT]
    events = [event for draft in drafts for event in draft.events]
    return {event.ip for event in events if event.ip}, any(event.url or event.domain for event in events)


@pytest.mark.parametrize("name", FILES)
def test_short_letters_accuse_nobody_wrongly(name):
    wrong = []
    for language, subject, (kind, *meant), body in letters(name):
        found, linked = accused(subject, body)
        if found - set(meant) or (kind == "no" and linked):
            wrong.append((language, subject, sorted(found)))
    assert wrong == []


def test_most_short_letters_are_decided():
    undecided, decidable = [], 0
    for language, subject, (kind, *meant), body in [letter for name in FILES for letter in letters(name)]:
        found, linked = accused(subject, body)
        decidable += kind == "ok"
        if kind == "ok" and not (linked if "?" in meant else found):
            undecided.append((language, subject))
    assert len(undecided) <= MOST_UNDECIDED * decidable, undecided


def test_the_short_letters_are_in_every_language():
    known = [letter for name in FILES for letter in letters(name)]
    assert len(known) > 300
    assert {language for language, *_ in known} == LANGUAGES
    assert sum(verdict[0] == "no" for _, _, verdict, _ in known) > 60
