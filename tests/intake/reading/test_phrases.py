"""Phrases are found alike in ASCII and in any other text."""

from hypothesis import given
from hypothesis import strategies as st

from tipstaff.intake.reading.phrases import PhraseIndex, fold

WORDS = ["in", "scan*", "*angriff*", "e-mail", "port scan*", "§ 9", "(a)", "don't", "_x", "tentativ* di accesso", "攻撃", "é"]
INDEX = PhraseIndex((word, number) for number, word in enumerate(WORDS))
PIECES = st.sampled_from(
    [
        "in",
        "scan",
        "ning",
        "angriff",
        "e-mail",
        "port",
        " ",
        "  ",
        "\n",
        "(a)",
        "§ 9",
        "_",
        "x",
        "don't",
        "tentativi di accesso",
        ".",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_ascii_is_searched_as_other_text_is(text: str) -> None:
    """A character that is in no phrase and no word, put behind the text, takes it the other way."""
    assert INDEX.find(text) == INDEX.find(f"{text} 。")


@given(st.lists(PIECES, min_size=60, max_size=70).map("".join))
def test_what_is_remembered_is_what_was_found(text: str) -> None:
    first = INDEX.find(text)
    first.clear()
    assert INDEX.find(text) == INDEX._find(fold(text), 10_000)
