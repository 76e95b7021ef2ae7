"""What differs between two editions, in an order and in words that people can read.

Pure: works on canonical forms, so that it compares stored editions of any age as well as packs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

#: The order in which differences are told: what is prohibited first, then its consequences.
SECTIONS = (
    "title", "sections", "clauses", "categories", "severities", "facts", "exceptions", "ladder", "timers", "strikes",
    "reports", "switches", "aliases", "language", "pack", "version",
)  # fmt: skip
_KEYED = {"clauses": "clause", "categories": "category", "facts": "fact", "exceptions": "exception"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``before`` or ``after`` is None where the thing did not, or does not, exist."""

    section: str  # 'clauses', 'switches' …
    key: str  # clause number, category code … or '' where the section has no such
    field: str  # 'text', 'resolve' … or '' where the whole thing came or went
    before: Any
    after: Any

    @property
    def path(self) -> str:
        return ".".join(part for part in (self.section, self.key, self.field) if part)

    @property
    def values(self) -> tuple[str, str]:
        """Both values in words."""
        return _words(self.before), _words(self.after)

    def __str__(self) -> str:
        subject = f"{_KEYED.get(self.section, self.section)} {self.key}".strip()
        if not self.field and self.before is None:
            return f"{subject}: new{_titled(self.after)}"
        if not self.field and self.after is None:
            return f"{subject}: gone{_titled(self.before)}"
        what = f"{subject}, {self.field}" if self.field else subject
        return f"{what}: {_words(self.before)} → {_words(self.after)}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every difference between two canonical forms, in the order of SECTIONS; empty when they are equal."""
    known = [*SECTIONS, *sorted((before.keys() | after.keys()) - set(SECTIONS))]
    return [change for section in known for change in _section(section, before.get(section), after.get(section))]


def text_changes(before: str, after: str) -> list[tuple[str, str]]:
    """A text's way from one wording to the other: ('same' | 'removed' | 'added', words), in reading order."""
    old, new = before.split(), after.split()
    pieces: list[tuple[str, str]] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(("same", " ".join(old[i:j])))
            continue
        pieces += [("removed", " ".join(old[i:j]))] if i < j else []
        pieces += [("added", " ".join(new[k:m]))] if k < m else []
    return pieces


def _section(section: str, before: Any, after: Any) -> Iterator[Change]:
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        if before != after:
            yield Change(section, "", "", before, after)
    elif section in _KEYED or section == "severities":
        for key in _keys(before, after):
            yield from _entry(section, key, before.get(key), after.get(key))
    elif section == "ladder":
        yield from _fields(section, "", _without_steps(before), _without_steps(after))
        old, new = _steps(before), _steps(after)
        for key in dict.fromkeys([*old, *new]):
            yield from _entry(section, key, old.get(key), new.get(key))
        if list(old) != list(new) and set(old) == set(new):
            yield Change(section, "", "order", list(old), list(new))
    else:
        yield from _fields(section, "", before, after)


def _entry(section: str, key: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _fields(section, key, before, after)
    elif before != after:
        yield Change(section, key, "", before, after)


def _fields(section: str, key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for field in _keys(before, after):
        if before.get(field) != after.get(field):
            yield Change(section, key, field, before.get(field), after.get(field))


def _keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """All keys; those that are numbers of clauses in the order of numbers, the rest as they come."""
    keys = list(dict.fromkeys([*before, *after]))
    if all(part.isdigit() for key in keys for part in key.split(".")):
        keys.sort(key=lambda key: [int(part) for part in key.split(".")])
    return keys


def _steps(ladder: Mapping[str, Any]) -> dict[str, Any]:
    return {step["code"]: step for step in ladder.get("steps", ())}


def _without_steps(ladder: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in ladder.items() if name != "steps"}


def _titled(value: Any) -> str:
    return f" ({value['title']})" if isinstance(value, Mapping) and "title" in value else ""


def _words(value: Any) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items())
    return str(value)
