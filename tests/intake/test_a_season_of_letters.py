"""Letters of a season by a dozen sorts of writers in eleven languages, a good third of them with other addresses around.

Each begins with ``@@ language plain|trap y|n disposition accused,… | note`` (``-``: nobody), then perhaps a line
``!! category=…; time=ADDRESS@UTC; port=ADDRESS:PORT; urls=…``, then header fields, a blank line and the body. ``y``: a careful
analyst could decide.
"""

import re
from email.message import EmailMessage
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tipstaff.intake.drafts import Disposition, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

FOLDER = Path(__file__).resolve().parents[1] / "corpus" / "free_text" / "season"
FILES = sorted(path.name for path in FOLDER.glob("[0-9]-*.txt"))
MOST_UNDECIDED = {"plain": 0.06, "trap": 0.12}
MOST_WRONG_CATEGORIES = 0.05
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


class Letter(NamedTuple):
    manner: str
    decidable: bool
    verdict: str
    accused: frozenset[str]
    meant: dict[str, str]
    fields: dict[str, str]
    body: str

    @property
    def name(self) -> str:
        return self.fields["Subject"]


@cache
def letters(name: str) -> list[Letter]:
    found = []
    for block in (FOLDER / name).read_text("utf-8").removeprefix("@@ ").split("\n@@ "):
        heading, _, rest = block.partition("\n")
        _, manner, decidable, verdict, accused = heading.partition(" |")[0].split()
        meant: dict[str, str] = {}
        if rest.startswith("!! "):
            details, _, rest = rest[3:].partition("\n")
            meant = dict(detail.split("=", 1) for detail in details.split("; "))
        fields, _, body = rest.partition("\n\n")
        named = dict(line.split(": ", 1) for line in fields.splitlines())
        whom = frozenset() if accused == "-" else frozenset(accused.split(","))
        found.append(Letter(manner, decidable == "y", verdict, whom, meant, named, body))
    return found


@cache
def read(name: str, number: int) -> ReportDraft:
    letter = letters(name)[number]
    mail = EmailMessage()
    sender, address = parseaddr(letter.fields["From"])
    mail["From"] = f"{sender.encode('ascii', 'ignore').decode() or 'rita'} <{address}>".replace('"', "")
    mail["To"], mail["Subject"] = "abuse@isp.example", letter.name
    mail["Date"], mail["Message-ID"] = "Sun, 22 Nov 2026 09:00:00 +0000", "<m1@reporter.example>"
    mail.set_content(letter.body, subtype="html" if "Ct" in letter.fields else "plain")
    return read_submission(mail.as_bytes(), Hints())[0]


def reports() -> list[tuple[Letter, ReportDraft]]:
    """The letters that were read as reports."""
    every = [(letter, read(name, number)) for name in FILES for number, letter in enumerate(letters(name))]
    return [(letter, draft) for letter, draft in every if draft.disposition is Disposition.REPORT]


@pytest.mark.parametrize("name", FILES)
def test_nobody_else_is_accused(name: str) -> None:
    wrong = []
    for number, letter in enumerate(letters(name)):
        draft = read(name, number)
        if draft.disposition is not Disposition.REPORT:
            continue
        found = {event.ip for event in draft.events if event.ip}
        if extra := found - letter.accused - {part for one in letter.accused for part in ADDRESS.findall(one)}:
            wrong.append((letter.name, sorted(extra)))
        assert letter.verdict == "report", letter.name
    assert wrong == []


@pytest.mark.parametrize("manner", ["plain", "trap"])
def test_most_are_decided(manner: str) -> None:
    asked, undecided = 0, []
    for name in FILES:
        for number, letter in enumerate(letters(name)):
            if letter.manner != manner or not letter.decidable or letter.verdict != "report":
                continue
            asked += 1
            draft = read(name, number)
            if draft.disposition is not Disposition.REPORT or not letter.accused <= {
                value for event in draft.events for value in (event.ip, event.url)
            }:
                undecided.append((letter.name, draft.needs))
    assert asked >= 40
    assert len(undecided) <= MOST_UNDECIDED[manner] * asked, undecided


def test_who_needs_a_person_is_never_set_aside() -> None:
    for name in FILES:
        for number, letter in enumerate(letters(name)):
            if not letter.decidable:
                assert read(name, number).disposition is Disposition.NEEDS_A_PERSON, letter.name


def test_times_and_links_are_right() -> None:
    for letter, draft in reports():
        if said := letter.meant.get("time"):
            ip, _, moment = said.partition("@")
            first = next((event.occurred_at for event in draft.events if event.ip == ip and event.occurred_at), None)
            assert first is not None and first.strftime("%Y-%m-%dT%H:%M:%SZ") == moment, letter.name
        if urls := letter.meant.get("urls"):
            assert {event.url for event in draft.events if event.url} == set(urls.split(",")), letter.name


def test_most_categories_are_right() -> None:
    asked = [(letter, draft) for letter, draft in reports() if "category" in letter.meant and letter.verdict == "report"]
    wrong = [(letter.name, draft.category) for letter, draft in asked if draft.category not in letter.meant["category"].split(",")]
    assert len(wrong) <= MOST_WRONG_CATEGORIES * len(asked), wrong
