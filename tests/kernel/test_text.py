"""Text that can be stored, whatever came in."""

import orjson
from hypothesis import given, strategies

from tipstaff.kernel.text import DEEPEST, one_line, storable, storable_document

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
    assert not any(ord(character) < 32 for character in line)


@given(document)
def test_every_document_can_be_written(value):
    assert b"\\u0000" not in orjson.dumps(storable_document(value)).replace(b"\\\\u0000", b"")


def test_depth_has_an_end():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    orjson.dumps(storable_document(deep))
    assert DEEPEST < 200
