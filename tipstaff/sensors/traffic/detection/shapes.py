"""Reading plain objects that came as JSON or TOML, noting everything that is wrong with them. Pure."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

from tipstaff.kernel.errors import Problem

LONGEST = 4000


def number(value: object) -> bool:
    """A finite number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_mapping(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and number(value[0]) and number(value[1])


def is_subject(kind: str, value: str) -> bool:
    """Whether the text is an address, a prefix, or a customer's number."""
    try:
        if kind == "address":
            ip_address(value)
        elif kind == "prefix":
            ip_network(value)
    except ValueError:
        return False
    return kind != "customer" or (value.isascii() and value.isdecimal() and len(value) < 12)


class Reading:
    """One object under examination; ``problems`` is shared with those inside it."""

    def __init__(self, where: str, plain: Mapping[str, Any], problems: list[Problem]) -> None:
        self.where, self.plain, self.problems = where, plain, problems

    def wrong(self, name: str, what: str, advice: str) -> None:
        self.problems.append(Problem(f"{self.where}.{name}", what, advice))

    def inside(self, name: str) -> "Reading":
        found = self.plain.get(name)
        if not is_mapping(found):
            self.wrong(name, "is missing or no object", "give an object")
            return Reading(f"{self.where}.{name}", {}, self.problems)
        return Reading(f"{self.where}.{name}", dict(found or {}), self.problems)

    def text(self, name: str, *, least: int = 0, most: int = LONGEST) -> str:
        found = self.plain.get(name)
        if not isinstance(found, str) or not least <= len(found) <= most:
            self.wrong(name, "is missing or no text of a fitting length", f"give {least} to {most} characters")
            return ""
        return found

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        found = self.plain.get(name)
        if not isinstance(found, str) or found not in known:
            self.wrong(name, f"{found!r} is not known", "give one of " + ", ".join(known))
            return ""
        return found

    def whole(self, name: str, *, optional: bool = False) -> int | None:
        found = self.plain.get(name)
        if found is None and optional:
            return None
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 1 << 63:
            self.wrong(name, "is no whole number from 0 on", "give a whole number")
            return 0
        return found

    def figure(self, name: str, *, optional: bool = False) -> float:
        found = self.plain.get(name, 0.0 if optional else None)
        if not number(found):
            self.wrong(name, "is no finite number", "give a number")
            return 0.0
        assert found is not None
        return float(found)

    def fraction(self, name: str) -> float:
        found = self.figure(name)
        if not 0 <= found <= 1:
            self.wrong(name, "does not lie between 0 and 1", "give a probability")
        return found

    def moment(self, name: str, *, optional: bool = False) -> datetime | None:
        found = self.plain.get(name)
        if found is None and optional:
            return None
        try:
            read = datetime.fromisoformat(found) if isinstance(found, str) else None
        except ValueError:
            read = None
        if read is None or read.tzinfo is None:
            self.wrong(name, "is no time with a zone", "write it like 2026-02-11T13:05:00Z")
            return datetime.fromtimestamp(0, UTC)
        return read

    def mapping(self, name: str, fits: Callable[[object], bool]) -> dict[str, Any]:
        found = self.plain.get(name)
        if not isinstance(found, Mapping) or len(found) > 200 or not all(isinstance(key, str) for key in found):
            self.wrong(name, "is missing or no object", "give an object")
            return {}
        for key, value in found.items():
            if not fits(value):
                self.wrong(f"{name}.{key}", "does not fit", "give a finite number")
        return dict(found)

    def listing(self, name: str, most: int, fits: Callable[[object], bool]) -> tuple[Any, ...]:
        found = self.plain.get(name)
        if not isinstance(found, list) or len(found) > most:
            self.wrong(name, f"is missing, no list, or longer than {most}", f"give a list of at most {most}")
            return ()
        bad = [place for place, one in enumerate(found) if not fits(one)]
        if bad:
            self.wrong(f"{name}.{bad[0]}", "does not fit", "write it with Finding.to_json")
            return ()
        return tuple(found)
