"""Text that can be stored, whatever came in."""

import orjson
import pytest
from hypothesis import given, strategies

from tipstaff.kernel.text import DEEPEST, one_line, storable, storable_document, whole

text = strategies.text(strategies.characters(codec=None))
document = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | text,
    lambda inner: strategies.lists(inner) | strategies.dictionaries(text, inner),
)


@given(text)
def test_what_comes_out_is_utf8_without_nul_and_stays_so(raw):
    clean = storable(raw)
    clean.encode()
    assert "\0" not in clean and storable(clean) == clean


@given(strategies.text(strategies.characters(codec="utf-8", exclude_characters="\0")))
def test_sound_text_is_left_alone(raw):
    assert storable(raw) == raw


@given(text)
def test_one_line_is_one_line(raw):
    line = one_line(raw, 50)
    assert len(line) <= 50 and len(line.splitlines()) <= 1 and line.isprintable() == line.isprintable()
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)


def test_one_line_holds_nothing_that_steers_a_terminal():
    assert one_line("a\x1b[2Jb\x9b31mc\x07", 50) == "a [2Jb 31mc"


@given(document)
def test_every_document_can_be_written(value):
    assert b"\\u0000" not in orjson.dumps(storable_document(value)).replace(b"\\\\u0000", b"")


def test_depth_has_an_end():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    orjson.dumps(storable_document(deep))
    assert DEEPEST < 200


@pytest.mark.parametrize("text", ["", "²", "٣", "-1", "+1", " 1", "1 ", "1_0", "1e3", "0x1", "9" * 16, "9" * 5000, "１"])
def test_what_is_no_plain_number_is_none(text):
    assert whole(text) is None


def test_a_plain_number_is_itself_up_to_its_digits():
    assert (whole("0"), whole("007"), whole("65535", 5), whole("9" * 15)) == (0, 7, 65535, 10**15 - 1)
    assert whole("123456", 5) is None
