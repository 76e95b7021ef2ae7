"""Letters, portal and public pages speak with one voice: formal address, one word for one thing."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.house.source import ROOT

PACKAGE = ROOT / "tipstaff"
#: Words of informal address, and words for which the language has another one here, in any of its texts.
STRANGERS = {
    "de": r"\b(du|dir|dich|dein\w*|euch|euer)\b|Abuse-Stelle|Einwendung|\bZiffer\b|Geschlossen",
    "fr": r"\b(tu|toi|tes?)\b|[Cc]harte|\bArticle\b|[Cc]ontestation|équipe abus|par courrier|\bun courrier\b|[Ii]nfraction",
    "es": r"\b(tú|te|ti|contigo|vosotros|vuestr\w+)\b|[Dd]enunci|equipo de abuso|[Nn]otificad[oa]",
    "nl": r"\b([Jj]ij|[Jj]e|[Jj]ouw|[Jj]ullie)\b|\b[Uu] heeft\b|[Cc]lausule|\bArtikel\b|[Uu]itgave|tegenspraak|Misbruikteam",
}
ONTO = r"\{\{ category \}\} (auf|op|sur|en|contre|contra) \{\{ where \}\}"


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def said(code: str) -> list[str]:
    files = [*PACKAGE.rglob(f"wording/{code}.toml"), *PACKAGE.rglob(f"wording/guidance_{code}.toml")]
    assert len(files) == 4, "letters, guidance, portal, public pages"
    return [text for file in files for text in texts(tomllib.loads(file.read_text()))]


@pytest.mark.parametrize("code", STRANGERS)
def test_one_address_and_one_word_for_one_thing(code: str) -> None:
    assert [text for text in said(code) if re.search(STRANGERS[code], text)] == []


@pytest.mark.parametrize("code", STRANGERS)
def test_what_comes_from_a_customers_address_is_not_said_to_be_done_to_it(code: str) -> None:
    """ "Portscan auf 192.0.2.7" is a scan of that machine, not by it; only the letter about an attack suffered says so."""
    assert [text for text in said(code) if re.search(ONTO, text)] == []
