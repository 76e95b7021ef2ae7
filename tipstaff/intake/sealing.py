# ruff: noqa: E501 - patterns read better whole
"""Whether a message must go unseen to the sealed queue (requirements B17), decided before any preview.

Structure first (a report's own type), then the sender (hotline networks, by From: a forged one seals too much, never too little), then
words in eleven languages. Reasons never repeat what the message says.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from tipstaff.intake.message import Message
from tipstaff.intake.reading.authentication import authenticated_domains
from tipstaff.intake.reading.mailboxes import addresses_of
from tipstaff.intake.reading.patterns import Pattern, pattern
from tipstaff.intake.reading.phrases import Hit, PhraseIndex, fold, starting_within
from tipstaff.intake.vocabulary.load import Vocabulary, packaged
from tipstaff.kernel.errors import InputError, Problem

MAX_PART = 200_000  # characters of each text part that are searched
MAX_PARTS = 60
NEAR = 45  # characters between a child word and an act word
LONGEST = 300  # characters of a phrase
LONG = 500  # characters of a text that is worth being looked for in another
AROUND = 160  # characters before a hit in which a policy's words excuse it
AFTER = 80

TYPE, WORDS = "sealing: type", frozenset(("sealing: plain", "sealing: about", "sealing: act"))  # what the survey says of them

_TYPE = pattern(
    r"(?i)[\"']?(?:type|report[-_ ]?type|category|reporttype|report_class|classification|violation[-_ ]?type|incident[-_ ]?type|schema-url|feedback-type|reason)[\"']?\s*[:=]\s*[\"']?([A-Za-z][\w /.:-]{2,80})"
)
_ELEMENT = pattern(r"(?i)<(?:[\w]+:)?(?:type|reporttype|category|classification|violation)>\s*([\w /-]{3,60})\s*</")
_TEXTS = (
    "text/",
    "application/json",
    "application/xml",
    "application/x-yaml",
    "application/yaml",
    "message/",
    "application/octet-stream",
)


@dataclass(frozen=True)
class SealingWords:
    """The words of ``sealing.toml``, ready to search."""

    phrases: PhraseIndex  # of (what it is, language): 'plain', 'about' (a child), 'act', 'allowed'
    types: frozenset[str]

    @cached_property
    def any_type(self) -> Pattern:
        """Finds any of the types in squeezed ASCII."""
        return pattern("|".join(sorted(filter(str.isascii, self.types))).encode() or b"[^\\x00-\\xff]")


def read_sealing_words(text: str, name: str = "sealing.toml") -> SealingWords:
    """The words from TOML. Raises InputError naming the table that is missing."""
    try:
        tables: dict[str, Any] = tomllib.loads(text)
        plain = [(word, ("plain", language)) for language, words in tables["plain"].items() for word in words]
        others = [(word, (kind, "")) for kind in ("about", "act", "allowed") for word in tables[kind]["words"]]
        return SealingWords(
            PhraseIndex([*plain, *others]),
            frozenset(_squeezed(one) for one in tables["structure"]["types"]),
        )
    except tomllib.TOMLDecodeError as error:
        raise InputError(Problem(name, f"is not TOML: {error}", "correct the line that the message names")) from error
    except KeyError as error:
        raise InputError(Problem(name, f"{error} is missing", "add the table, a list may be empty")) from error


@lru_cache(maxsize=1)
def packaged_words() -> SealingWords:
    """The words that come with the product."""
    return read_sealing_words((files("tipstaff.intake.vocabulary") / "sealing.toml").read_text(encoding="utf-8"))


def must_seal(message: Message, vocabulary: Vocabulary | None = None, words: SealingWords | None = None) -> str | None:
    """Why this message goes to the sealed queue, or None. The reason names the ground, not the content."""
    vocabulary, words = vocabulary or packaged(), words or packaged_words()
    said = message.said if words is packaged_words() else None
    if (said is None or TYPE in said) and _by_structure(message, words):
        return "its structure declares a report of child sexual abuse material"
    if _by_sender(message, vocabulary):
        return "its sender belongs to a hotline network"
    if said is not None and "sealing: plain" not in said and not {"sealing: about", "sealing: act"} <= said:
        return None
    bulk = bool(message.header("List-Unsubscribe") or message.header("List-Id"))
    searched = _Searched()
    for text, place in _texts(message):
        if searched.holds_line(text):
            continue
        low = fold(text)
        hits = words.phrases.find(low, folded=True, limit=MAX_PART)
        if not hits:
            searched.add(text)
            continue
        language = _by_words(low, hits)
        if language is not None and not (bulk and place == "text"):
            return f"words in its {place} ({language})" if language != "near" else f"words in its {place}"
    return None


class _Searched:
    """Long texts in which nothing at all was found. An attached mail is there twice, as a part and opened: what lies inside one of
    these needs no second search."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        if len(text) >= LONG and text.isascii():
            self._texts = [*self._texts[-2:], text]

    def holds(self, text: str) -> bool:
        return len(text) >= LONG and any(text in one for one in self._texts)

    def holds_line(self, text: str) -> bool:
        """The same where words count: it begins and ends with a line there, so that no word goes on beyond it."""
        return self.holds(text) and any(f"\n{text.strip()}\n" in f"\n{one}\n" for one in self._texts)


_ASCII_LETTERS = bytes(b for b in range(128) if chr(b).isalnum())
_NO_LETTERS = bytes(sorted(set(range(256)) - set(_ASCII_LETTERS)))
_LOWER = bytes(ord(chr(b).lower()) if b < 128 else b for b in range(256))


def may_name_type(text: str) -> bool:
    """Whether any run of the text could be one of the packaged types."""
    return _may_name_it(text, packaged_words())


def word_kinds(words: SealingWords) -> Iterator[tuple[bytes, str]]:
    """For the survey: the words of ASCII as they stand in ``blanked`` text, and the kind of each. No policy's words: they excuse."""
    for text, values in words.phrases.in_ascii():
        for kind in {value[0] for value in values} - {"allowed"}:
            yield text, f"sealing: {kind}"


def _may_name_it(text: str, words: SealingWords) -> bool:
    """Whether any run of ``text`` could squeeze to one of the types: said for certain of ASCII, assumed of anything else."""
    return not text.isascii() or words.any_type.search(text.encode().translate(_LOWER, _NO_LETTERS)) is not None


@lru_cache(maxsize=4_096)
def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _by_structure(message: Message, words: SealingWords) -> bool:
    searched = _Searched()
    for each in _messages(message):
        for part in each.parts[:MAX_PARTS]:
            if part.content_type.startswith(("image/", "video/", "audio/")):
                continue
            text = part.text[:MAX_PART]
            if searched.holds(text):
                continue
            if not _may_name_it(text, words):
                searched.add(text)
                continue
            matches = [
                *(_TYPE.finditer(text) if ":" in text or "=" in text else ()),
                *(_ELEMENT.finditer(text) if "<" in text else ()),
            ]
            if any(_names_it(match.group(1), words) for match in matches):
                return True
    return False


def _names_it(said: str, words: SealingWords) -> bool:
    pieces = (said, said.split("\n")[0].partition(",")[0], *(said.split("/") if "/" in said else ()))
    return any(_squeezed(piece) in words.types for piece in pieces)


def _by_sender(message: Message, vocabulary: Vocabulary) -> bool:
    domains = [one.domain for one in message.once(authenticated_domains)]
    for each in _messages(message):
        domains += [address.rpartition("@")[2] for address in addresses_of(each, "from", "sender", "return-path", "reply-to")]
    profiles = (vocabulary.profile_of([domain]) for domain in dict.fromkeys(domains))
    return any(profile is not None and profile.sealed for profile in profiles)


def _messages(message: Message) -> list[Message]:
    found: list[Message] = []
    queue = [message]
    while queue and len(found) < 40:
        one = queue.pop(0)
        found.append(one)
        queue += one.embedded
    return found


def _texts(message: Message):
    """(text, where): subjects and file names first, then the letters and every text part."""
    for each in _messages(message):
        yield each.header("Subject"), "subject"
        names = [part.filename.replace("_", " ").replace("-", " ") for part in each.parts[:MAX_PARTS] if part.filename]
        if names:
            yield " ".join(names), "file names"
    for each in _messages(message):
        yield each.letter, "text"
        for part in each.parts[:MAX_PARTS]:
            if part.content_type.startswith(_TEXTS) and (
                part.attachment or each.kind != "mail" or not part.content_type.startswith("text/")
            ):
                yield part.text[:MAX_PART], "text"


def _by_words(low: str, hits: list[Hit]) -> str | None:
    """The language of a hit that is no policy or news, 'near' for a child word near an act word, None for neither."""
    allowed = [hit for hit in hits if hit.value[0] == "allowed"]
    for hit in hits:
        if hit.value[0] == "plain" and not _is_excused(hit.start, hit.end, allowed, low):
            return hit.value[1]
    acts = [hit for hit in hits if hit.value[0] == "act"]
    if acts:
        for hit in (one for one in hits if one.value[0] == "about"):
            around = starting_within(acts, hit.start - NEAR - LONGEST, hit.end + NEAR)
            near = next((act for act in around if _gap(hit, act) <= NEAR and not _crosses(low, hit, act)), None)
            if near is not None and not _is_excused(min(hit.start, near.start), max(hit.end, near.end), allowed, low):
                return "near"
    return None


def _gap(one: Hit, other: Hit) -> int:
    return max(other.start - one.end, one.start - other.end, 0)


def _crosses(low: str, one: Hit, other: Hit) -> bool:
    """Whether a sentence ends between them."""
    between = low[min(one.end, other.end) : max(one.start, other.start)]
    return any(mark in between for mark in (". ", "! ", "? ", "。", "  "))


def _is_excused(start: int, end: int, allowed: list[Hit], low: str) -> bool:
    """Whether a policy's, a law's or a newsletter's words stand around; an address or a link right there is never excused."""
    around = low[max(0, start - AROUND) : end + AFTER]
    if "http" in around or "hxxp" in around or "[.]" in around:
        return False
    return any(hit.end <= end + AFTER for hit in starting_within(allowed, start - AROUND, end + AFTER))
