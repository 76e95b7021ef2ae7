"""What the operator says about detection, in one TOML file, and the lists beside it. Pure.

Beside limits (see ``thresholds``): ``[[interface]]`` with exporter, index and customers; ``[[uplink]]`` with name, exporter,
index (a number or several) and capacity_bps.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tipstaff.kernel.errors import InputError, Problem
from tipstaff.sensors.traffic.detection import thresholds
from tipstaff.sensors.traffic.detection.thresholds import Network, Thresholds
from tipstaff.sensors.traffic.detection.watching import MOST_UPLINKS, Interfaces, Uplinks, interfaces_of, uplinks_of

TABLES = ("default", "customer", "prefix", "group", "interface", "uplink")
MOST_LISTED, MOST_PROBLEMS = 2_000_000, 50


@dataclass(frozen=True)
class Uplink:
    name: str
    capacity: float  # bits a second
    interfaces: tuple[tuple[str, int], ...]  # exporter's address, interface's index


@dataclass(frozen=True)
class Configuration:
    """As read; exporters are addresses, as the operator knows them."""

    thresholds: Thresholds
    interfaces: Mapping[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)
    uplinks: tuple[Uplink, ...] = ()

    def interfaces_by_number(self, numbers: Mapping[str, int]) -> Interfaces:
        """With the numbers that the receiver gives to exporters; those that it does not know are left out."""
        known = {(numbers[at], index): who for (at, index), who in self.interfaces.items() if at in numbers}
        return interfaces_of(known)

    def uplinks_by_number(self, numbers: Mapping[str, int]) -> Uplinks:
        rows = [(numbers[at], index, n) for n, one in enumerate(self.uplinks) for at, index in one.interfaces if at in numbers]
        return uplinks_of({(exporter, index): n for exporter, index, n in rows})


def read(text: str = "", *, source: str = "detection.toml") -> Configuration:
    """Raises InputError with everything that is wrong."""
    found = thresholds.read(text, source=source)
    told = tomllib.loads(text)
    problems = [Problem(source, f"[{name}] is no table of ours", "use " + ", ".join(TABLES)) for name in told if name not in TABLES]
    interfaces: dict[tuple[str, int], tuple[int, ...]] = {}
    for number, row in enumerate(_rows(told, "interface"), 1):
        where = f"{source} [[interface]] {number}"
        for at in _places(row, where, problems):
            who = row.get("customers")
            if not isinstance(who, list) or not who or len(who) > 16 or not all(isinstance(one, int) and one > 0 for one in who):
                problems.append(Problem(where, "names no customers", "give customers = [17], at most 16"))
                break
            interfaces[at] = tuple(who)
    uplinks = []
    for number, row in enumerate(_rows(told, "uplink"), 1):
        where = f"{source} [[uplink]] {number}"
        capacity = row.get("capacity_bps")
        if not isinstance(capacity, int | float) or isinstance(capacity, bool) or not 0 < capacity < 1e18:
            problems.append(Problem(where, "has no capacity", "give capacity_bps = 10_000_000_000"))
            continue
        uplinks.append(Uplink(str(row.get("name", number)), float(capacity), tuple(_places(row, where, problems))))
    if len(interfaces) > 2000 or len(uplinks) > MOST_UPLINKS:
        problems.append(Problem(source, "has more than 2000 interfaces or 64 uplinks", "leave some out"))
    if problems:
        raise InputError(problems)
    return Configuration(found, interfaces, tuple(uplinks))


def _rows(told: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = told.get(name, [])
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _places(row: Mapping[str, Any], where: str, problems: list[Problem]) -> list[tuple[str, int]]:
    """(exporter, index) of each interface that a table names."""
    index = row.get("index")
    wanted = index if isinstance(index, list) else [index]
    try:
        exporter = str(ip_address(row.get("exporter", "")))
    except ValueError:
        problems.append(Problem(where, f"exporter {row.get('exporter')!r} is no address", 'give exporter = "192.0.2.1"'))
        return []
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 < one < 1 << 32 for one in wanted):
        problems.append(Problem(where, f"index {index!r} is no interface", "give the SNMP index, or a list of them"))
        return []
    return [(exporter, one) for one in wanted if isinstance(one, int)]


def read_list(text: str, *, source: str = "listed.txt") -> list[Network]:
    """Addresses and prefixes, one a line; # begins a comment. Raises InputError naming lines."""
    found: list[Network] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        try:
            found.append(ip_network(word, strict=False))
        except ValueError:
            problems.append(Problem(f"{source}:{number}", f"{word[:60]!r} is no address or prefix", "correct or remove the line"))
        if len(problems) >= MOST_PROBLEMS or len(found) > MOST_LISTED:
            problems.append(Problem(f"{source}:{number}", "too much to read on", f"at most {MOST_LISTED} lines"))
            break
    if problems:
        raise InputError(problems)
    return found


def read_blocked(text: str, *, source: str = "blocked.json") -> list[Network]:
    """{"blocked": ["198.51.100.7", …]}: what is blocked on our side, by order of the desk."""
    try:
        rows = json.loads(text)["blocked"]
        return [ip_network(row, strict=False) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(Problem(source, f"cannot be read: {error}", 'write {"blocked": ["198.51.100.7"]}')) from error
