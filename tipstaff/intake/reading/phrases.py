"""Finding many phrases of many languages in one pass (Aho-Corasick), on word boundaries.

A phrase is written in lower case; ``*`` at the end of a word lets the word go on there (``scann*``, ``gefälschte* shop*``), at the
beginning of the phrase it may begin earlier (``*angriff``).
Chinese, Japanese and other scripts without spaces need no boundary.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ahocorasick_rs import AhoCorasick, MatchKind

MAX_TEXT = 200_000  # characters that are ever searched
MAX_HITS = 10_000  # occurrences in one text that are kept
_SAME = {
    ord(a): b
    for a, b in zip(
        "\u2019\u2018\u00b4`\u201c\u201d\u00ab\u00bb\u2013\u2014\u00a0\u3000\n\t\u2010\u2011", "''''\"\"\"\"--    --", strict=True
    )
}


@dataclass(frozen=True, slots=True)
class Hit:
    """``text[start:end]`` is an occurrence of ``phrase``; ``value`` is what the index keeps for it."""

    start: int
    end: int
    phrase: str
    value: Any


def fold(text: str) -> str:
    """Lower case with plain quotes, dashes and blanks, of the same length, so that positions stay true."""
    text = text[:MAX_TEXT]
    low = text.lower()
    if len(low) != len(text):  # 'İ' becomes two characters
        low = "".join(one if len(one := c.lower()) == 1 else c for c in text)
    return low.translate(_SAME)


class PhraseIndex:
    """An immutable set of phrases with a value each; equal phrases may stand more than once."""

    def __init__(self, entries: Iterable[tuple[str, Any]]) -> None:
        values: dict[str, list[tuple[bool, bool, tuple[str, ...], Any]]] = {}
        for phrase, value in entries:
            core, *tail = fold(phrase.strip("*")).split("*")
            if core.strip():
                values.setdefault(core, []).append((phrase.startswith("*"), phrase.endswith("*"), tuple(tail), value))
        self._phrases = list(values)
        self._values = list(values.values())
        self._automaton = AhoCorasick(self._phrases, matchkind=MatchKind.Standard) if self._phrases else None

    def find(self, text: str, *, folded: bool = False) -> list[Hit]:
        """Every occurrence, overlapping ones too, in reading order; ``folded`` says that ``text`` went through ``fold``."""
        if self._automaton is None:
            return []
        text = text if folded else fold(text)
        hits = []
        for number, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            goes_left = _goes_on_left(text, start)
            for open_left, open_right, tail, value in self._values[number]:
                stop = _after_tail(text, end, tail) if tail else end
                if stop and (open_left or not goes_left) and (open_right or not _goes_on_right(text, stop)):
                    hits.append(Hit(start, stop, self._phrases[number], value))
            if len(hits) >= MAX_HITS:
                break
        hits.sort(key=lambda hit: (hit.start, -hit.end))
        return hits


def _after_tail(text: str, end: int, tail: tuple[str, ...]) -> int:
    """Where the rest of a phrase ends whose words may go on (``tentativ* di accesso``), or 0 where it does not follow."""
    for piece in tail:
        limit = min(len(text), end + 12)
        while end < limit and _is_spaced(text[end]):
            end += 1
        if not text.startswith(piece, end):
            return 0
        end += len(piece)
    return end


def _is_spaced(c: str) -> bool:
    """Whether ``c`` belongs to a script that sets words apart with blanks (Latin, Greek, Cyrillic and the like)."""
    return c.isalnum() and c < "\u0e00"


def _goes_on_left(text: str, start: int) -> bool:
    return start > 0 and _is_spaced(text[start]) and (_is_spaced(text[start - 1]) or text[start - 1] == "_")


def _goes_on_right(text: str, end: int) -> bool:
    return end < len(text) and _is_spaced(text[end - 1]) and (_is_spaced(text[end]) or text[end] == "_")


def ending_within(hits: list[Hit], low: int, high: int) -> list[Hit]:
    """Hits (sorted by end) with ``low < end <= high``."""
    return hits[bisect_right(hits, low, key=lambda hit: hit.end) : bisect_right(hits, high, key=lambda hit: hit.end)]


def starting_within(hits: list[Hit], low: int, high: int) -> list[Hit]:
    """Hits (sorted by start) with ``low <= start <= high``."""
    return hits[bisect_left(hits, low, key=lambda hit: hit.start) : bisect_right(hits, high, key=lambda hit: hit.start)]
