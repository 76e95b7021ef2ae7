"""RE2 patterns that neither write to standard error nor fall back to a slow engine on ordinary input.

``Pattern`` stands in for the library's own wrapper, which spends several times longer around a match than RE2 spends on it;
the automaton and its answers are the library's.
"""

from collections.abc import Callable, Iterator
from typing import Any

import re2

_NOWHERE = (-1, -1)
_ANYWHERE, _AT_START, _WHOLE = (
    re2._re2.RE2.Anchor.UNANCHORED,
    re2._re2.RE2.Anchor.ANCHOR_START,
    re2._re2.RE2.Anchor.ANCHOR_BOTH,
)


class Match:
    """One match: groups and positions as the standard library's ``re.Match`` gives them."""

    __slots__ = ("_regexp", "_spans", "_text")

    def __init__(self, regexp: Any, text: Any, spans: list[tuple[int, int]]) -> None:
        self._regexp, self._text, self._spans = regexp, text, spans

    def __getitem__(self, group: int | str) -> Any:
        start, end = self._spans[self._regexp.groupindex[group] if isinstance(group, str) else group]
        return None if start < 0 else self._text[start:end]

    def group(self, *groups: int | str) -> Any:
        if len(groups) > 1:
            return tuple(self[group] for group in groups)
        return self[groups[0] if groups else 0]

    def groups(self) -> tuple[Any, ...]:
        text = self._text
        return tuple([None if start < 0 else text[start:end] for start, end in self._spans[1:]])

    def groupdict(self) -> dict[str, Any]:
        return {name: self[number] for name, number in self._regexp.groupindex.items()}

    def start(self, group: int = 0) -> int:
        return self._spans[group][0]

    def end(self, group: int = 0) -> int:
        return self._spans[group][1]

    def span(self, group: int = 0) -> tuple[int, int]:
        return self._spans[group]


class Pattern:
    """A compiled pattern with the methods of ``re.Pattern`` that are needed here. Text or bytes, as it was written."""

    __slots__ = ("_find", "_regexp", "_written", "groupindex")

    _regexp: Any
    _find: Callable[..., list[tuple[int, int]]]
    groupindex: dict[str, int]

    def __init__(self, text: str | bytes, options: Any) -> None:
        self._written = text, options

    def __getattr__(self, name: str) -> Any:
        """Called where a slot is empty: the first use compiles, because one letter needs a part of the patterns only."""
        if name not in ("_find", "_regexp", "groupindex"):
            raise AttributeError(name)
        self._regexp = re2.compile(*self._written)
        self._find = self._regexp._regexp.Match
        self.groupindex = self._regexp.groupindex
        return getattr(self, name)

    def search(self, text: Any) -> Match | None:
        return self._first(_ANYWHERE, text)

    def match(self, text: Any) -> Match | None:
        return self._first(_AT_START, text)

    def fullmatch(self, text: Any) -> Match | None:
        return self._first(_WHOLE, text)

    def _first(self, anchor: Any, text: Any) -> Match | None:
        encoded = text.encode() if text.__class__ is str else text
        spans = self._find(anchor, encoded, 0, len(encoded))
        if spans[0] == _NOWHERE:
            return None
        if encoded is not text and len(encoded) != len(text):
            spans = _in_characters(spans, encoded, 0, 0)
        return Match(self, text, spans)

    def finditer(self, text: Any) -> Iterator[Match]:
        encoded = text.encode() if text.__class__ is str else text
        plain = encoded is text or len(encoded) == len(text)
        at = from_byte = from_character = 0
        length = len(encoded)
        while True:
            spans = self._find(_ANYWHERE, encoded, at, length)
            start, end = spans[0]
            if start < 0:
                return
            if plain:
                yield Match(self, text, spans)
            else:
                spans = _in_characters(spans, encoded, from_byte, from_character)
                yield Match(self, text, spans)
                from_byte, from_character = start, spans[0][0]
            if at == length:
                return
            at = end if end != at else at + (1 if plain else _width(encoded[at]))

    def findall(self, text: Any) -> list[Any]:
        return self._regexp.findall(text)

    def sub(self, replacement: Any, text: Any) -> Any:
        encoded = text.encode() if text.__class__ is str else text
        if self._find(_ANYWHERE, encoded, 0, len(encoded))[0] == _NOWHERE:
            return text
        return self._regexp.sub(replacement, text)


def _in_characters(spans: list[tuple[int, int]], encoded: bytes, byte: int, character: int) -> list[tuple[int, int]]:
    """Byte positions as character positions. ``byte``, not behind any of them, is known to be at ``character``."""
    at = {-1: -1}
    for offset in sorted({offset for span in spans for offset in span if offset >= 0}):
        character += len(encoded[byte:offset].decode())
        at[offset], byte = character, offset
    return [(at[start], at[end]) for start, end in spans]


def _width(lead: int) -> int:
    """Bytes of the UTF-8 character that begins with ``lead``."""
    return 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


_BEGINS = r"(?:^|[^\pL\pN])"  # a word begins behind it; takes that character into the match
_ENDS = r"(?:\b|[^\x00-\x7F])"


def _bounded(text: str) -> str:
    r"""``text`` with word boundaries that also hold beside letters that are not ASCII, of which RE2's ``\b`` knows nothing.

    ``\b(?:a|é|ваш\pL*)\b`` would find neither the second nor the third. The end of such a word is left open.
    """
    out, at, text = [], 0, _closed(text)
    while (start := text.find("\\b", at)) >= 0:
        out.append(text[at:start])
        behind = text[start + 2 :]
        opened = next((mark for mark in ("(?:", "(") if behind.startswith(mark)), "")
        end = _closing(text, start + 2) if opened and (opened == "(?:" or not behind.startswith("(?")) else -1
        if end > 0:
            closed = text.startswith("\\b", end + 1)
            inner = [_bounded(one) if "\\b" in one else one for one in _alternatives(text[start + 2 + len(opened) : end])]
            out.append(opened + "|".join(f"{_begin(one)}{one}{_end(one) if closed else ''}" for one in inner) + ")")
            at = end + 1 + 2 * closed
        elif behind[:1].isalpha() and not behind[0].isascii():
            out.append(_BEGINS)
            at = start + 2
        else:
            before = text[start - 1 : start]
            out.append("" if before.isalpha() and not before.isascii() else "\\b")
            at = start + 2
    return "".join(out) + text[at:]


def _closed(text: str) -> str:
    r"""``(?:a|é)\b``, which no ``\b`` opens: the end of the word goes to each alternative, where it is one of ASCII letters."""
    at = 0
    while (end := text.find(")\\b", at)) >= 0:
        opened: list[int] = []
        start, at = -1, end + 3
        for place, c, _ in () if text[:end].isascii() else _syntax(text[: end + 1]):
            if c == "(":
                opened.append(place)
            elif c == ")" and opened:
                start = opened.pop()
                start = start if place == end else -1
        mark = "(?:" if text.startswith("(?:", start) else "("
        plain = start >= 0 and not text[start:end].isascii() and not text.startswith("\\b", start - 2)
        if plain and (mark == "(?:" or text[start + 1] != "?"):
            inner = "|".join(f"{one}{_end(one)}" for one in _alternatives(text[start + len(mark) : end]))
            text, at = f"{text[:start]}{mark}{inner}){text[end + 3 :]}", start + len(mark) + len(inner) + 1
    return text


def _begin(alternative: str) -> str:
    first = next((c for c in alternative.replace("(?:", "").replace("\\pL", "").replace("\\s", "") if c.isalpha()), "a")
    return r"\b" if first.isascii() else _BEGINS


def _end(alternative: str) -> str:
    letters = [c for c in alternative.replace("\\pL", "") if c.isalpha()]
    if letters and not letters[-1].isascii():
        return ""
    return _ENDS if "\\pL" in alternative[-8:] else r"\b"


def _syntax(text: str) -> Iterator[tuple[int, str, int]]:
    """Each bracket and bar of a pattern that stands for itself in no class: where, which one, and how many are open behind it."""
    depth, inside, at = 0, False, 0
    while at < len(text):
        c = text[at]
        if c == "\\":
            at += 1
        elif inside:
            inside = c != "]"
        elif c == "[":
            inside = True
        elif c in "()|":
            depth += {"(": 1, ")": -1}.get(c, 0)
            yield at, c, depth
        at += 1


def _closing(text: str, opening: int) -> int:
    """Where the bracket at ``opening`` closes; -1 where it does not."""
    return next((opening + at for at, c, depth in _syntax(text[opening:]) if c == ")" and depth == 0), -1)


def _alternatives(text: str) -> list[str]:
    """``text`` cut at the bars that stand in no bracket."""
    bars = [at for at, c, depth in _syntax(text) if c == "|" and depth == 0]
    return [text[start:end] for start, end in zip([0, *(bar + 1 for bar in bars)], [*bars, len(text)], strict=True)]


def pattern(text: str | bytes, *, utf8: bool = False) -> Pattern:
    """``text`` compiled by RE2 with room for its automaton; its failures are silent (they only cost speed).

    A bytes pattern reads bytes one by one (Latin-1), or UTF-8 with ``utf8``.
    """
    if isinstance(text, str) and "\\b" in text and not text.isascii():
        text = _bounded(text)
    options = re2.Options()
    options.max_mem = 64 << 20
    options.log_errors = False
    if isinstance(text, bytes) and not utf8:
        options.encoding = re2.Options.Encoding.LATIN1
    return Pattern(text, options)


def spans(form: Pattern, text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Character positions of the first ``limit`` matches in ``text`` of a bytes pattern compiled with ``utf8``.

    Lone surrogates, which a text pattern refuses, are passed over.
    """
    ascii_only = text.isascii()
    encoded = text.encode("utf-8", "replace")
    at_byte = at_char = 0
    for number, match in enumerate(form.finditer(encoded)):
        if number >= limit:
            return
        start, end = match.span()
        if ascii_only:
            yield start, end
            continue
        first = at_char + len(encoded[at_byte:start].decode("utf-8", "replace"))
        at_char = first + len(encoded[start:end].decode("utf-8", "replace"))
        at_byte = end
        yield first, at_char
