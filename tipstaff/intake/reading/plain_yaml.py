"""YAML as plain text: the mappings of a report, every scalar as written, tags and types ignored. Pure.

Nothing is constructed: the parser's events are read one by one, so ``!!python/…`` tags are harmless, aliases are never expanded
and deep nesting costs no stack. What YAML refuses (an unquoted colon, a tab, cut-off text) is read line by line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import yaml

from tipstaff.intake.reading.patterns import pattern

MAX_TEXT = 131_072  # characters of one part
MAX_FIELDS = 400  # fields of one mapping
MAX_MAPPINGS = 5_000  # mappings of one part
MAX_BRACKETS = 1_000  # libyaml's time grows with the square of open brackets; beyond this, lines are read instead
_LINE = pattern(r"^([A-Za-z][A-Za-z0-9 _/.-]{0,60}?)[ \t]*:(?:[ \t]+(.*)|)$")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}\Z")
_PLAIN_STARTS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789<(/.+=_$;")
_TAG = pattern(r"^!{1,2}[A-Za-z0-9/_.:-]{0,60}[ \t]+")
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(slots=True)
class Fields:
    """One mapping: field names in order, as written; lists are joined by newlines. ``line`` is where it begins, from 1."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    line: int = 1
    _known: dict[str, str] | None = field(default=None, repr=False, compare=False)  # the first non-empty value by key, once asked

    def get(self, *names: str) -> str:
        """The first non-empty value of the first of ``names`` that is there; case, '-' and '_' do not matter; '' where absent."""
        known = self._by_key()
        return next((value for name in names if (value := known.get(_asked(name)))), "")

    def has(self, *names: str) -> int:
        """How many of ``names`` are fields."""
        known = self._by_key()
        return sum([_asked(name) in known for name in names])

    def _by_key(self) -> dict[str, str]:
        if self._known is None:
            self._known = {}
            for key, value in self.pairs:
                short = _key(key)
                self._known[short] = self._known.get(short) or value
        return self._known


def _key(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


_asked = lru_cache(maxsize=1_024)(_key)  # for the names that parsers ask for


def read_mappings(text: str) -> list[Fields]:
    """Every top-level mapping in ``text`` (several documents, or a list of mappings); [] where there is none."""
    text = text[:MAX_TEXT].lstrip("\ufeff\n \t")
    flat = _flat(text)
    if flat is not None:
        return [flat]
    try:
        found = list(_from_events(text)) if text.count("[") + text.count("{") <= MAX_BRACKETS else []
    except (yaml.YAMLError, ValueError, RecursionError):
        found = []
    if found and all(len(one.pairs) > 1 for one in found):
        return found
    return _from_lines(text) or found


def _flat(text: str) -> Fields | None:
    """The one mapping of a text that holds nothing but ``Name: value`` lines in plain style, as nearly all do; else None.

    What YAML could read in another way (quotes, comments, lists, marks, a second colon, a line set in) is left to YAML.
    """
    if not text.isascii() or "\t" in text or text.count("[") + text.count("{") > MAX_BRACKETS:
        return None
    lines = text.split("\n")
    found = Fields(line=0)
    for number, line in enumerate(lines, 1):
        if not line or (number == 1 and line == "---"):
            continue
        name, colon, value = line.partition(": ") if not line.endswith(":") else (line[:-1], ":", "")
        value = value.strip(" ")
        if not colon or not _NAME.match(name) or not line.isprintable() or (value and not _is_plain(value)):
            return None
        found.line = found.line or number
        found.pairs.append((name, value))
    return found if 1 < len(found.pairs) < MAX_FIELDS else None


def _is_plain(value: str) -> bool:
    return value[0] in _PLAIN_STARTS and ": " not in value and " #" not in value and value[-1] != ":"


def _from_events(text: str) -> Iterator[Fields]:
    """Scalars at the first level of each mapping; what lies deeper is joined as text under its first-level field."""
    depth, base, current, name, deep = 0, 0, None, None, []
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if isinstance(event, yaml.MappingStartEvent) and current is None and depth <= 2:
                current, base, name = Fields(line=event.start_mark.line + 1 if event.start_mark else 1), depth, None
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
            if current is not None and depth == base and name is not None:
                current.pairs.append((name, "\n".join(deep)))
                name, deep = None, []
            elif current is not None and depth < base:
                yield current
                current = None
        elif isinstance(event, yaml.ScalarEvent) and current is not None:
            value = event.value.strip()
            if depth > base:
                deep.append(value)
            elif name is None:
                name, deep = value, []
            else:
                current.pairs.append((name, value))
                name = None
            if len(current.pairs) > MAX_FIELDS:
                raise ValueError("too many fields")


def _from_lines(text: str) -> list[Fields]:
    """``Name: value`` lines; dashes begin the next mapping; an indented line continues the value right above it, if any."""
    found: list[Fields] = []
    current, going_on = Fields(), False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(("---", "...")):
            if current.pairs:
                found.append(current)
            current, going_on = Fields(line=number + 1), False
            continue
        indented = line[:1] in (" ", "\t") and bool(line.strip())
        match = _LINE.match((line.strip() if indented and not going_on else line).rstrip())
        if match and len(current.pairs) < MAX_FIELDS:
            current.pairs.append((match.group(1).strip(), _plain(match.group(2) or "")))
            going_on = not indented
        elif indented and going_on:
            key, value = current.pairs[-1]
            current.pairs[-1] = (key, f"{value} {line.strip()}".strip()[:8192])
        else:
            going_on = False
        if len(found) > MAX_MAPPINGS:
            break
    return [*found, current] if current.pairs else found


def _plain(value: str) -> str:
    value = _TAG.sub("", value.strip())
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return value
