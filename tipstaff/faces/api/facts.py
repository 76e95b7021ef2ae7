"""JSON into inventory facts, telling of every field that is wrong. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from tipstaff.accounts.inventory import (
    AssignmentChange,
    AssignmentFact,
    ContactFact,
    CustomerFact,
    Inventory,
    NameFact,
    OwnPrefixFact,
    ServiceFact,
)
from tipstaff.kernel.errors import InputError, Problem

SECTIONS: dict[str, Any] = {
    "customers": CustomerFact,
    "contacts": ContactFact,
    "services": ServiceFact,
    "names": NameFact,
    "assignments": AssignmentFact,
    "own_prefixes": OwnPrefixFact,
}
NEEDED = {
    "customers": ("external_id",),
    "contacts": ("customer", "external_id"),
    "services": ("external_id", "customer"),
    "names": ("service", "kind", "value"),
    "assignments": ("prefix", "service"),
    "own_prefixes": ("prefix",),
    "changes": ("kind", "prefix", "at"),
}
MOST = 100_000  # facts of one request


class Bad(ValueError):
    """What is wrong with a value, and what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


def moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Bad(f"{str(value)[:60]!r} is not a time with an offset", "write RFC 3339, such as 2026-11-02T10:15:00Z")
    return found


def network(value: Any) -> Any:
    try:
        return ip_network(value if isinstance(value, str) and "%" not in value else "")
    except ValueError as error:
        raise Bad(f"{str(value)[:60]!r} is not a prefix: {error}", "write it without host bits, such as 192.0.2.0/24") from error


def text(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= 500 and "\0" not in value):
        return value
    raise Bad(f"{str(value)[:60]!r} is not a text of at most 500 characters", "send a JSON string")


def flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Bad(f"{str(value)[:60]!r} is neither true nor false", "send a JSON true or false")


def table(value: Any) -> dict[str, Any] | None:
    if value is None or isinstance(value, dict):
        return value
    raise Bad("is not an object", "send a JSON object")


READERS: dict[str, Callable[[Any], Any]] = {
    "prefix": network, "shared": flag, "contract": table, "start": moment, "end": moment, "at": moment, "started_at": moment,
    "ended_at": moment,
}  # fmt: skip


def _fields(kind: Any) -> list[str]:
    """The names in JSON: ports are one field, the place of a fact is ours."""
    names = [field.name for field in fields(kind) if field.name not in ("where", "port_from", "port_to")]
    return [*names, "ports"] if "shared" in names else names


def known_fields(section: str) -> list[str]:
    """What an object of a section may hold, the needed ones first."""
    return sorted(_fields(SECTIONS[section]), key=lambda name: name not in NEEDED[section])


@dataclass
class Reading:
    """Facts read so far and everything wrong with the rest."""

    problems: list[Problem]

    def row(self, kind: Any, needed: Sequence[str], value: Any, where: str) -> Any:
        """One object as a fact, or None with its problems noted."""
        if not isinstance(value, dict):
            self.problems.append(Problem(where, "is not an object", "send a list of JSON objects"))
            return None
        before = len(self.problems)
        known = set(_fields(kind))
        found: dict[str, Any] = {"where": where}
        if "end" in known and "start" in known:
            found["start"] = None
        for name in needed:
            if value.get(name) in (None, ""):
                self.problems.append(Problem(f"{where}.{name}", "is missing", f"every object here needs {', '.join(needed)}"))
        for name, given in value.items():
            self._field(name, given, known, found, where)
        return kind(**found) if len(self.problems) == before else None

    def _field(self, name: str, given: Any, known: set[str], found: dict[str, Any], where: str) -> None:
        if name not in known:
            self.problems.append(Problem(f"{where}.{name}", "is no field", f"known are {', '.join(sorted(known))}"))
            return
        try:
            if name == "ports":
                found["port_from"], found["port_to"] = _ports(given)
            else:
                found[name] = READERS.get(name, text)(given)
        except Bad as error:
            self.problems.append(Problem(f"{where}.{name}", error.what, error.advice))


def _ports(value: Any) -> tuple[int, int]:
    good = isinstance(value, list) and len(value) == 2 and all(isinstance(one, int) and 0 <= one < 65536 for one in value)
    if not good or value[0] > value[1]:
        raise Bad(f"{str(value)[:60]} is no range of ports", "write [first, last], both included")
    return value[0], value[1] + 1


def inventory(body: Mapping[str, Any]) -> Inventory:
    """All sections of a delivery. Raises InputError with every problem."""
    reading, found = Reading([]), Inventory()
    _refuse_too_many(sum(len(rows) for rows in body.values() if isinstance(rows, list)))
    for section, kind in SECTIONS.items():
        rows = body.get(section, [])
        if not isinstance(rows, list):
            reading.problems.append(Problem(section, "is not a list", "send a list of objects"))
            continue
        facts = [reading.row(kind, NEEDED[section], row, f"{section}[{place}]") for place, row in enumerate(rows)]
        getattr(found, section).extend(fact for fact in facts if fact is not None)
    if reading.problems:
        raise InputError(reading.problems)
    return found


def changes(rows: Any) -> list[AssignmentChange]:
    """Change events with their effective times. Raises InputError with every problem."""
    if not isinstance(rows, list):
        raise InputError(Problem("changes", "is not a list", "send a list of objects"))
    _refuse_too_many(len(rows))
    reading = Reading([])
    found = [reading.row(AssignmentChange, NEEDED["changes"], row, f"changes[{place}]") for place, row in enumerate(rows)]
    for place, row in enumerate(rows):
        if isinstance(row, dict) and (kind := row.get("kind")) not in ("assign", "release", None, ""):
            reading.problems.append(Problem(f"changes[{place}].kind", f"{kind!r} is no change", "use assign or release"))
        if isinstance(row, dict) and row.get("kind") == "assign" and not row.get("service"):
            reading.problems.append(Problem(f"changes[{place}].service", "is missing", "name the service by its external id"))
    if reading.problems:
        raise InputError(reading.problems)
    return found


def _refuse_too_many(count: int) -> None:
    if count > MOST:
        raise InputError(Problem("body", f"holds {count} objects", f"send at most {MOST} in one request"))
