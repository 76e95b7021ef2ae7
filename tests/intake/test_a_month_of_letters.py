"""Some two hundred letters of a desk's month, alone and with remarks about other addresses put between their paragraphs.

Each begins with ``@@ language plain|trap y|n disposition accused,… | note`` (``-``: nobody), then header fields, a blank line and
the body; ``y``: a careful analyst could decide. Nobody but the accused may be accused, whatever is added.
"""

import random
import re
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import NamedTuple

import pytest

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

FOLDER = Path(__file__).resolve().parents[1] / "corpus" / "free_text" / "month"
FILES = sorted(path.name for path in FOLDER.glob("[0-9]-*.txt"))
MOST_UNDECIDED = {"plain": 0.10, "trap": 0.40}
MIXED = 150  # letters with remarks
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


class Letter(NamedTuple):
    language: str
    manner: str
    decidable: bool
    verdict: str
    accused: set[str]
    fields: dict[str, str]
    body: str


def letters(name: str) -> list[Letter]:
    found = []
    for block in (FOLDER / name).read_text("utf-8").removeprefix("@@ ").split("\n@@ "):
        heading, _, rest = block.partition("\n")
        language, manner, decidable, verdict, accused = heading.partition(" |")[0].split()
        fields, _, body = rest.partition("\n\n")
        meant = set() if accused == "-" else set(accused.split(","))
        named = dict(line.split(": ", 1) for line in fields.splitlines())
        found.append(Letter(language, manner, decidable == "y", verdict, meant, named, body))
    return found


def accused(letter: Letter, body: str) -> set[str]:
    """The addresses and links that the letter accuses when it says ``body``."""
    mail = EmailMessage()
    name, address = parseaddr(letter.fields["From"])
    mail["From"] = f"{name.encode('ascii', 'ignore').decode() or 'rita'} <{address}>".replace('"', "")
    mail["To"], mail["Subject"] = "abuse@isp.example", letter.fields.get("Subject", "")
    mail["Date"], mail["Message-ID"] = "Thu, 19 Nov 2026 12:00:00 +0000", "<m1@reporter.example>"
    mail.set_content(body, subtype="html" if "Ct" in letter.fields else "plain")
    drafts = [one for one in read_submission(mail.as_bytes(), Hints()) if one.disposition is Disposition.REPORT]
    return {value for draft in drafts for event in draft.events for value in (event.ip, event.url) if value}


def addresses(values: set[str]) -> set[str]:
    return {value for value in values if "://" not in value}


@pytest.mark.parametrize("name", FILES)
def test_nobody_else_is_accused(name: str) -> None:
    wrong = []
    for letter in letters(name):
        extra = addresses(accused(letter, letter.body)) - {part for one in letter.accused for part in (one, *ADDRESS.findall(one))}
        if extra:
            wrong.append((letter.fields, sorted(extra)))
    assert wrong == []


@pytest.mark.parametrize("manner", ["plain", "trap"])
def test_most_are_decided(manner: str) -> None:
    asked = [
        letter
        for name in FILES
        for letter in letters(name)
        if letter.manner == manner and letter.decidable and letter.verdict == "report"
    ]
    undecided = [letter.fields for letter in asked if not letter.accused <= accused(letter, letter.body)]
    assert len(asked) >= 50
    assert len(undecided) <= MOST_UNDECIDED[manner] * len(asked), undecided


def with_remarks(letter: Letter, remarks: list[str], choice: random.Random) -> str:
    """The body with remarks about addresses of their own between its paragraphs, above whatever it forwards."""
    known = set(ADDRESS.findall(letter.body))
    lines = letter.body.split("\n")
    end = next((at for at, line in enumerate(lines) if re.match(r"\s*(>|-{3,}|Received:|Return-Path:)", line)), len(lines))
    places = [at for at, line in enumerate(lines[:end]) if not line.strip()] or [0]
    for place in sorted((choice.choice(places) for _ in remarks), reverse=True):
        fresh = [f"{choice.choice(['192.0.2', '198.51.100', '203.0.113'])}.{number}" for number in choice.sample(range(2, 254), 9)]
        one, other = [ip for ip in fresh if ip not in known][:2]
        known |= {one, other}
        lines[place:place] = ["", remarks.pop().replace("{a}", one).replace("{b}", other), ""]
    return "\n".join(lines)


def test_remarks_about_other_addresses_accuse_nobody() -> None:
    remarks: dict[str, list[str]] = {}
    for line in (FOLDER / "remarks.txt").read_text("utf-8").splitlines():
        language, _, remark = line.partition(" ")
        remarks.setdefault(language, []).append(remark.replace("\\n", "\n"))
    choice = random.Random(20261122)
    bases = [
        letter
        for name in FILES
        for letter in letters(name)
        if letter.verdict == "report" and addresses(letter.accused) and "Ct" not in letter.fields
    ]
    wrong = []
    for letter in choice.choices(bases, k=MIXED):
        body = with_remarks(letter, choice.sample(remarks[letter.language], choice.choice([1, 1, 2])), choice)
        if extra := addresses(accused(letter, body)) - letter.accused:
            wrong.append((body, sorted(extra)))
    assert wrong == []
