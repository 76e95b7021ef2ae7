"""Our way to RE2 answers as the library's own does, whatever the script."""

import gc
import importlib

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.intake.reading.patterns import Pattern, pattern

TEXTS = st.text(alphabet="aAbß9 .:\nжЖ中🙂-", max_size=40)
FORMS = (r"(?i)(a+)|(?P<digit>\d)", r"\b\w+\b", r"", r"^a|b$", r"(?m)^\s*(.)(.)?", r"[^\x00-\x7f]+(\.)?", r"ж|中*")


@given(TEXTS)
def test_text_matches_are_the_librarys(text: str) -> None:
    for written in FORMS:
        ours, theirs = pattern(written), re2.compile(written)
        for name in ("search", "match", "fullmatch"):
            one, other = getattr(ours, name)(text), getattr(theirs, name)(text)
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert same(one, other)
        for one, other in zip(ours.finditer(text), theirs.finditer(text), strict=True):
            assert same(one, other)
        assert ours.findall(text) == theirs.findall(text)
        assert ours.sub("<>", text) == theirs.sub("<>", text)


@given(st.binary(max_size=40))
def test_bytes_matches_are_the_librarys(content: bytes) -> None:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    for written in (rb"[\x80-\xff]+|a", rb"", rb"(.)\n"):
        ours, theirs = pattern(written), re2.compile(written, options)
        for one, other in zip(ours.finditer(content), theirs.finditer(content), strict=True):
            assert same(one, other)


@pytest.mark.parametrize(
    ("text", "found"),
    [("с вашего сервера 1", True), ("ваш сервер.", True), ("your ip", True), ("your ipx", False), ("yourip", False)],
)
def test_words_of_any_script_end_where_they_end(text: str, found: bool) -> None:
    """RE2 knows boundaries of ASCII words alone; a pattern that ends in ``)\\b`` holds for the others too."""
    assert bool(pattern(r"(?i)\b(?:your|ваш\pL{0,3})\s(?:ip|сервер\pL?)\b").search(text)) is found
    assert pattern(r"(ip|é)\)\b").search("é)x") is not None


def same(one, other) -> bool:
    numbers = range(len(other.groups()) + 1)
    return (
        (one.groups(), one.groupdict(), one.group()) == (other.groups(), other.groupdict(), other.group())
        and [one.span(n) for n in numbers] == [other.span(n) for n in numbers]
        and (one.start(), one.end(), one[0], one.group(0)) == (other.start(), other.end(), other[0], other.group(0))
    )


def test_every_pattern_of_reading_compiles_though_none_does_before_its_use() -> None:
    assert importlib.import_module("tipstaff.intake.read")
    gc.collect()
    written = [one for one in gc.get_objects() if type(one) is Pattern]
    assert len(written) > 300 and all(one.groupindex is not None for one in written)
    with pytest.raises(re2.error):
        Pattern("(", re2.Options()).search("x")
