"""Which limit applies to whom: defaults, then the customer's, then those of prefixes around it, the most specific last. Pure.

What a scope does not set it inherits from the next wider one; each limit remembers whose word it is.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from tipstaff.kernel.errors import InputError, Problem

Network = IPv4Network | IPv6Network
MOST_PEERS, MOST_PORTS = 2_400, 1_000
MOST_KNOWN = 65_536  # resolved subjects that are remembered


@dataclass(frozen=True)
class Scope:
    """Limits by name ("host.in.bps") of one customer, prefix or group; ``label`` is what a finding says."""

    label: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Applied:
    """The limits of one subject, each with the label of the scope that set it."""

    values: Mapping[str, float]
    labels: Mapping[str, str]

    def __getitem__(self, name: str) -> float:
        return self.values.get(name, math.inf)

    def label(self, name: str) -> str:
        return self.labels.get(name, "default")

    def why(self, name: str) -> str:
        """In a sentence, how this limit came to apply."""
        label = self.label(name)
        if label == "default":
            return "the default limit: nothing more specific sets it"
        return f"set for {label}, the most specific that sets it"


@dataclass
class Thresholds:
    """Everything that is set; ``applied`` answers for a subject."""

    default: Scope
    customers: dict[int, Scope] = field(default_factory=dict)
    prefixes: dict[tuple[int, int], dict[int, list[Scope]]] = field(default_factory=dict)
    _known: dict[tuple[str, ...], Applied] = field(default_factory=dict)
    _least: dict[str, float] = field(default_factory=dict)
    _asked: dict[tuple[int, int, int, int], Applied] = field(default_factory=dict)

    def add_prefix(self, network: Network, scope: Scope) -> None:
        by_place = self.prefixes.setdefault((network.version, network.prefixlen), {})
        by_place.setdefault(int(network.network_address), []).append(scope)

    def applied(self, version: int, address: int, length: int, customer: int) -> Applied:
        """For an address or a prefix (its first address and length); length 0 with address 0 for a customer's sum."""
        if not self.customers and not self.prefixes:
            return self._resolve([self.default])
        asked = version, address, length, customer
        found = self._asked.get(asked)
        if found is None:
            if len(self._asked) >= MOST_KNOWN:
                self._asked.clear()
            found = self._asked[asked] = self._resolve([self.default, *self._around(*asked)])
        return found

    def _around(self, version: int, address: int, length: int, customer: int) -> Iterator[Scope]:
        if customer in self.customers:
            yield self.customers[customer]
        bits = 32 if version == 4 else 128
        for (family, size), places in sorted(self.prefixes.items(), key=lambda item: item[0][1]):
            if family == version and size <= length:
                yield from places.get(address >> (bits - size) << (bits - size), ())

    def _resolve(self, scopes: Sequence[Scope]) -> Applied:
        chain = tuple(scope.label for scope in scopes)
        found = self._known.get(chain)
        if found is None:
            values: dict[str, float] = {}
            labels: dict[str, str] = {}
            for scope in scopes:
                values |= scope.values
                labels |= dict.fromkeys(scope.values, scope.label)
            found = self._known[chain] = Applied(values, labels)
        return found

    def least(self, name: str) -> float:
        """The lowest value of a limit that anybody has."""
        if name not in self._least:
            self._least[name] = self._lowest(name)
        return self._least[name]

    def _lowest(self, name: str) -> float:
        scopes = [self.default, *self.customers.values()]
        scopes += [one for places in self.prefixes.values() for rows in places.values() for one in rows]
        return min((one.values[name] for one in scopes if name in one.values), default=math.inf)


def defaults() -> Mapping[str, float]:
    """The limits that come with the package."""
    text = resources.files("tipstaff.sensors.traffic.detection").joinpath("defaults.toml").read_text("utf-8")
    return _flat(tomllib.loads(text), "defaults.toml", None, [])


def read(text: str = "", *, source: str = "detection.toml") -> Thresholds:
    """Thresholds from the operator's TOML over the defaults; raises InputError naming each table and key that does not fit."""
    problems: list[Problem] = []
    known = defaults()
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(Problem(source, str(error), "correct the TOML")) from error
    own = _flat(told.get("default", {}), f"{source} [default]", known, problems)
    found = Thresholds(Scope("default", {**known, **own}))
    for number, row in enumerate(_tables(told, "customer", source, problems), 1):
        where = f"{source} [[customer]] {number}"
        who = row.pop("id", None)
        if not isinstance(who, int) or who < 1:
            problems.append(Problem(where, f"id {who!r} is no customer's number", "give id = N"))
            continue
        found.customers[who] = Scope(f"customer {who}", _flat(row, where, known, problems))
    for number, row in enumerate(_tables(told, "prefix", source, problems), 1):
        _add(found, row, [row.pop("network", None)], f"{source} [[prefix]] {number}", known, problems)
    for number, row in enumerate(_tables(told, "group", source, problems), 1):
        where = f"{source} [[group]] {number}"
        _add(found, row, row.pop("prefixes", None), where, known, problems, f"group {row.pop('name', number)}")
    if problems:
        raise InputError(problems)
    return found


def _tables(told: Mapping[str, Any], name: str, source: str, problems: list[Problem]) -> list[dict[str, Any]]:
    rows = told.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        problems.append(Problem(f"{source} {name}", "is no array of tables", f"write [[{name}]]"))
        return []
    return [dict(row) for row in rows]


def _add(
    found: Thresholds, row: dict[str, Any], prefixes: object, where: str, known: Mapping[str, float], problems: list[Problem],
    label: str = "",
) -> None:  # fmt: skip
    """One scope over one or several prefixes."""
    of = row.pop("customer", None)
    if not isinstance(prefixes, list) or not prefixes:
        problems.append(Problem(where, "names no prefixes", 'give prefixes = ["198.51.100.0/24"]'))
        return
    values = _flat(row, where, known, problems)
    for text in prefixes:
        try:
            network = ip_network(text)
        except (ValueError, TypeError):
            problems.append(Problem(where, f"{text!r} is no prefix", "write it like 198.51.100.0/24 or 2001:db8::/48"))
            continue
        whole = label or f"prefix {network}" + (f" of customer {of}" if of else "")
        found.add_prefix(network, Scope(whole, values))


def _flat(table: Mapping[str, Any], where: str, known: Mapping[str, float] | None, problems: list[Problem]) -> dict[str, float]:
    """{"host": {"in": {"bps": 1}}} as {"host.in.bps": 1.0}; "off" is no limit at all."""
    found: dict[str, float] = {}
    waiting = [("", table)]
    while waiting:
        above, inner = waiting.pop()
        for key, value in inner.items():
            name = f"{above}{key}"
            if isinstance(value, Mapping):
                waiting.append((name + ".", value))
            elif known is not None and name not in known and not _may_be(name, known):
                problems.append(Problem(where, f"{name} is no limit", "see defaults.toml for their names"))
            elif value == "off":
                found[name] = math.inf
            elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _most(name):
                found[name] = float(value)
            else:
                advice = f'give a number above 0, at most {_most(name):g}, or "off"'
                problems.append(Problem(where, f"{name} = {value!r} is no limit", advice))
    return found


def _most(name: str) -> float:
    """Distinct peers and ports are counted in so many bits that more cannot be told apart; see ``contacts``."""
    last = name.rpartition(".")[2]
    if last.startswith(("peers_", "swept_")):
        return MOST_PEERS
    return MOST_PORTS if last.startswith("ports_") else 1e18


def _may_be(name: str, known: Mapping[str, float]) -> bool:
    """Sums may have every limit that hosts have."""
    level, _, rest = name.partition(".")
    return level in ("prefix", "customer") and f"host.{rest}" in known
