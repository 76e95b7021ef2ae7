"""Frozen dataclasses from plain tables and back, driven by their type hints; every mistake is collected.

Pure. Tables are what TOML or JSON give: text, numbers, truth values, lists, tables, null. Durations are written
'90 min', '24 h', '15 d', or 'none' where a field may be empty.
"""

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from tipstaff.kernel.errors import Problem

_DURATION = re.compile(r"(\d{1,6}) ?(min|h|d)\Z")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_DURATION_ADVICE = "write a number and min, h or d, e.g. '24 h'"
_BROKEN: Any = object()


def duration(text: str) -> timedelta:
    """'24 h' as a timedelta; ValueError when it is not one or is nothing."""
    match = _DURATION.match(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a duration")
    return int(match[1]) * _UNITS[match[2]]


def duration_text(value: timedelta) -> str:
    """The one way a duration is written: whole days from four days on, else whole hours, else minutes."""
    minutes, rest = divmod(value, timedelta(minutes=1))
    if rest:
        raise ValueError(f"{value!r} is not a whole number of minutes")
    if minutes % 1440 == 0 and minutes >= 4 * 1440:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


class Reader:
    """Builds values from tables. Problems gather in ``problems``, each naming file, key, reason and what to do."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def refuse(self, key: str, what: str, advice: str = "") -> Any:
        self.problems.append(Problem(f"{self.file}: {key}" if key else self.file, what, advice))
        return _BROKEN

    def read(self, hint: Any, value: Any, key: str) -> Any:
        """``value`` as ``hint``; an unusable marker, after at least one problem, when it cannot be."""
        origin = get_origin(hint)
        if origin in (Union, types.UnionType):
            return self._optional(hint, value, key)
        if origin is tuple:
            return self._list(get_args(hint)[0], value, key)
        if origin is not None:
            key_hint, inner = get_args(hint)
            return self._mapping(key_hint, inner, value, key)
        if is_dataclass(hint):
            return self.table(hint, value, key)
        if issubclass(hint, StrEnum):
            return self._name(hint, value, key)
        if hint is timedelta:
            return self._duration(value, key)
        return self._plain(hint, value, key)

    def table(self, shape: Any, value: Any, key: str, **given: Any) -> Any:
        """A dataclass from a table; ``given`` are fields that come from elsewhere. Unknown keys are refused."""
        if not isinstance(value, dict):
            return self.refuse(key, f"must be a table, not {_kind(value)}")
        hints = hints_of(shape)
        expected = {f.name: f for f in fields(shape) if f.name not in given}
        for unknown in value.keys() - expected.keys():
            self.refuse(_under(key, unknown), "unknown key", _suggestion(unknown, expected))
        built = dict(given)
        for name, field in expected.items():
            if name in value:
                built[name] = self.read(hints[name], value[name], _under(key, name))
            elif field.default is MISSING and field.default_factory is MISSING:
                built[name] = self.refuse(_under(key, name), "is missing")
        return _BROKEN if any(part is _BROKEN for part in built.values()) else shape(**built)

    def keyed(self, shape: Any, field: str, value: Any, key: str) -> dict[str, Any]:
        """A table of tables whose keys fill ``field`` of ``shape``; entries that are broken are left out."""
        if not isinstance(value, dict):
            self.refuse(key, f"must be a table, not {_kind(value)}")
            return {}
        built = {name: self.table(shape, row, _under(key, name), **{field: name}) for name, row in value.items()}
        return {name: item for name, item in built.items() if item is not _BROKEN}

    def _optional(self, hint: Any, value: Any, key: str) -> Any:
        if value is None or value == "none":
            return None
        (inner,) = (part for part in get_args(hint) if part is not type(None))
        return self.read(inner, value, key)

    def _list(self, inner: Any, value: Any, key: str) -> Any:
        if not isinstance(value, list):
            return self.refuse(key, f"must be a list, not {_kind(value)}", "write it in [ ]")
        items = tuple(self.read(inner, item, f"{key}[{number}]") for number, item in enumerate(value, 1))
        if any(item is _BROKEN for item in items):
            return _BROKEN
        if not is_dataclass(inner) and len(set(items)) < len(items):
            return self.refuse(key, "names something twice")
        return items

    def _mapping(self, key_hint: Any, inner: Any, value: Any, key: str) -> Any:
        if not isinstance(value, dict):
            return self.refuse(key, f"must be a table, not {_kind(value)}")
        built = {
            self.read(key_hint, name, _under(key, name)): self.read(inner, item, _under(key, name)) for name, item in value.items()
        }
        return _BROKEN if _BROKEN in built or any(item is _BROKEN for item in built.values()) else built

    def _name(self, hint: Any, value: Any, key: str) -> Any:
        allowed = [str(member.value) for member in hint]
        if value in allowed:
            return hint(value)
        return self.refuse(key, f"{value!r} is not known", f"one of {', '.join(allowed)}")

    def _duration(self, value: Any, key: str) -> Any:
        if not isinstance(value, str):
            return self.refuse(key, f"must be a duration, not {_kind(value)}", _DURATION_ADVICE)
        try:
            return duration(value)
        except ValueError as error:
            return self.refuse(key, str(error), _DURATION_ADVICE)

    def _plain(self, hint: Any, value: Any, key: str) -> Any:
        if type(value) is hint:
            return value
        return self.refuse(key, f"must be {_PLAIN[hint]}, not {_kind(value)}")


def broken(value: Any) -> bool:
    """Whether ``Reader.read`` gave its unusable marker."""
    return value is _BROKEN


def plain(value: Any) -> Any:
    """The canonical table of a value: what ``Reader`` reads back to an equal one."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, timedelta):
        return duration_text(value)
    return str(value) if isinstance(value, StrEnum) else value


@cache
def hints_of(shape: Any) -> dict[str, Any]:
    return get_type_hints(shape)


_PLAIN = {str: "text", int: "a whole number", bool: "true or false"}


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return {dict: "a table", list: "a list", **_PLAIN}.get(type(value), type(value).__name__)


def _under(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _suggestion(unknown: str, expected: Mapping[str, Any]) -> str:
    near = get_close_matches(unknown, expected, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(expected)}"
