"""The words that decide what a letter says: packaged TOML files, or an operator's edited copies in the same shape."""

import tomllib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from tipstaff.intake.reading.phrases import PhraseIndex
from tipstaff.kernel.errors import InputError, Problem


@dataclass(frozen=True, slots=True)
class Keyword:
    """A phrase that speaks for a category."""

    word: str
    category: str
    language: str
    weight: float


@dataclass(frozen=True, slots=True)
class Cue:
    """A phrase that says what part something plays in a letter; ``strength`` 1 (a hint) to 3 (says so)."""

    kind: str
    language: str
    strength: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A reporter whose mail is known. ``domains`` must be authenticated before the profile counts."""

    name: str
    domains: tuple[str, ...]
    category: str | None = None
    zone: str | None = None  # IANA name, for times that the reporter writes without a zone
    subjects: tuple[tuple[str, str], ...] = ()  # (words in the subject, category), first match wins
    sealed: bool = False  # a hotline network: its mail goes unseen to the sealed queue
    automatic: bool = False  # never reads an answer
    source: str = ""  # name of a source of our own; it needs no domain
    trust: int | None = None  # what a source of our own has at first
    acts_from: float = 0.0  # the confidence from which its reports may act by themselves


@dataclass(frozen=True)
class Vocabulary:
    """Keywords, phrases and reporter profiles, with their indexes built once."""

    keywords: tuple[Keyword, ...]
    cues: tuple[tuple[str, Cue], ...]
    profiles: tuple[Profile, ...]
    corrected: tuple[tuple[str, str], ...] = ()  # (sender's address, category that a person chose for it last)

    @cached_property
    def corrections(self) -> dict[str, str]:
        return dict(self.corrected)

    @cached_property
    def keyword_index(self) -> PhraseIndex:
        return PhraseIndex((keyword.word, keyword) for keyword in self.keywords)

    @cached_property
    def cue_index(self) -> PhraseIndex:
        return PhraseIndex(self.cues)

    def profile_of(self, domains: "tuple[str, ...] | frozenset[str] | list[str]") -> Profile | None:
        """The profile of the first of these authenticated domains, or of a parent of it, that is known."""
        for domain in domains:
            labels = domain.lower().rstrip(".").split(".")
            for cut in range(len(labels) - 1):
                profile = self._by_domain.get(".".join(labels[cut:]))
                if profile is not None:
                    return profile
        return None

    def profile_of_source(self, source: str) -> Profile | None:
        """The profile of a source of our own, by its name."""
        return next((profile for profile in self.profiles if profile.source and profile.source == source), None)

    @cached_property
    def _by_domain(self) -> dict[str, Profile]:
        return {domain: profile for profile in self.profiles for domain in profile.domains}


def read_keywords(text: str, name: str = "keywords.toml") -> tuple[Keyword, ...]:
    """Keywords from TOML: ``[[keyword]] category, language, weight, words``. Raises InputError naming the entry."""
    return tuple(
        Keyword(word, entry["category"], entry.get("language", ""), float(entry.get("weight", 1)))
        for entry in _entries(text, name, "keyword", ("category", "words"))
        for word in entry["words"]
    )


def read_cues(text: str, name: str = "phrases.toml") -> tuple[tuple[str, Cue], ...]:
    """Phrases from TOML: ``[[phrase]] kind, language, strength, words``. Raises InputError naming the entry."""
    return tuple(
        (word.rstrip(": "), Cue(entry["kind"], entry.get("language", ""), int(entry.get("strength", 2))))
        for entry in _entries(text, name, "phrase", ("kind", "words"))
        for word in entry["words"]
    )


def read_profiles(text: str, name: str = "reporters.toml") -> tuple[Profile, ...]:
    """Reporter profiles from TOML: ``[[reporter]] name, domains …``. Raises InputError naming the entry."""
    return tuple(
        Profile(
            entry["name"],
            tuple(domain.lower() for domain in entry["domains"]),
            entry.get("category"),
            entry.get("zone"),
            tuple((str(a).lower(), str(b)) for a, b in entry.get("subjects", ())),
            bool(entry.get("sealed")),
            bool(entry.get("automatic")),
            str(entry.get("source", "")),
            entry.get("trust"),
            float(entry.get("acts_from", 0)),
        )
        for entry in _entries(text, name, "reporter", ("name", "domains"))
    )


def _entries(text: str, name: str, table: str, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        entries = tomllib.loads(text).get(table, [])
    except tomllib.TOMLDecodeError as error:
        raise InputError(Problem(name, f"is not TOML: {error}", "correct the line that the message names")) from error
    if not isinstance(entries, list):
        raise InputError(Problem(name, f"{table} is not a list", f"write each entry as [[{table}]]"))
    problems = [
        Problem(f"{name} [[{table}]] {number}", f"{key} is missing", "add it")
        for number, entry in enumerate(entries, 1)
        for key in needed
        if key not in entry
    ]
    problems += [
        Problem(f"{name} [[{table}]] {number}", f"{key} is not a list of texts", 'write ["…", "…"]')
        for number, entry in enumerate(entries, 1)
        for key in ("words", "domains")
        if key in entry and not (isinstance(entry[key], list) and all(isinstance(word, str) for word in entry[key]))
    ]
    if problems:
        raise InputError(problems)
    return entries


@lru_cache(maxsize=1)
def packaged() -> Vocabulary:
    """The vocabulary that comes with the product."""
    folder = files("tipstaff.intake.vocabulary")

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    cues = read_cues(text("phrases.toml")) + read_cues(text("ordinary.toml"), "ordinary.toml")
    keywords = read_keywords(text("keywords.toml")) + read_keywords(text("plain_words.toml"), "plain_words.toml")
    return Vocabulary(keywords, cues, read_profiles(text("reporters.toml")))
