"""One base sheet: a rule stands in one sheet only, every token that is used is defined, every page of a face loads the base."""

import re
from pathlib import Path

import pytest

FACES = Path(__file__).parents[2] / "tipstaff" / "faces"
LOOK = FACES / "look"
SHEETS = {
    "desk": "desk/static/desk/tipstaff.css",
    "portal": "portal/static/portal/portal.css",
    "public": "public/static/public/public.css",
}
SHARED = {"desk": ("base", "case"), "portal": ("base", "case"), "public": ("base",)}
LONG = 60  # characters from which a rule that stands twice is a copy, not a coincidence


def rules(text: str) -> list[str]:
    """The rules of a sheet without comments and space, those within a media query too."""
    plain = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return [" ".join(one.split()) for one in re.findall(r"[^{}]+\{[^{}]*\}", plain)]


def own(face: str) -> str:
    return (FACES / SHEETS[face]).read_text()


def shared(face: str) -> str:
    return "".join((LOOK / f"{name}.css").read_text() for name in SHARED[face])


@pytest.mark.parametrize("face", SHEETS)
def test_no_face_repeats_what_the_base_says(face: str) -> None:
    base = set(rules("".join(path.read_text() for path in LOOK.glob("*.css"))))
    assert [rule for rule in rules(own(face)) if rule in base and len(rule) > LONG] == []


def test_long_rules_stand_in_one_face_only() -> None:
    known: dict[str, str] = {}
    twice = []
    for face in SHEETS:
        for rule in set(rules(own(face))):
            if len(rule) > 2 * LONG and known.setdefault(rule, face) != face:
                twice.append((rule, face, known[rule]))
    assert twice == []


@pytest.mark.parametrize("face", SHEETS)
def test_every_token_is_defined(face: str) -> None:
    text = shared(face) + own(face)
    defined, used = set(re.findall(r"(--[\w-]+)\s*:", text)), set(re.findall(r"var\((--[\w-]+)", text))
    assert used - defined == set()


@pytest.mark.parametrize("face", SHEETS)
def test_every_page_that_loads_its_face_loads_the_base_before(face: str) -> None:
    name = Path(SHEETS[face]).name
    pages = [path for path in (FACES / face / "templates").rglob("*.html") if f"{face}/{name}" in path.read_text()]
    assert pages
    for page in pages:
        text = page.read_text()
        places = [text.find(f"look/{one}.css") for one in SHARED[face]] + [text.find(f"{face}/{name}")]
        assert places == sorted(places) and places[0] > 0, page
