"""The operator's rules: ordered, the first that fits decides what becomes of an event. Pure, over columns.

Without a rule that fits, the edition's own word for the category decides (``Opening.ENRICH`` records only).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from ipaddress import ip_network
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tipstaff.kernel import addresses
from tipstaff.kernel.errors import InputError, Problem


class Action(IntEnum):
    """What an event becomes. The numbers are stored with it."""

    OPEN_CASE = 0
    RECORD_ONLY = 1
    DIGEST = 2
    ASK_PERSON = 3
    HOLD = 4


TEXT_CONDITIONS = ("source", "format", "category", "report_type", "customer_class", "protected_class")
#: Conditions that take one whole number, from and to.
WHOLE = {"trust_below": (-9, 9), "trust_at_least": (-9, 9), "fewer_than": (0, 2**31), "at_least": (0, 2**31), "days": (1, 3660)}
CONDITIONS = (*TEXT_CONDITIONS, "trust_below", "trust_at_least", "port", "prefix", "customer", "fewer_than", "at_least", "days")


@dataclass(frozen=True)
class RuleSpec:
    """One rule. ``conditions`` name columns with a list of values; all must hold.

    ``trust_at_least``/``trust_below`` compare the reporter's trust; ``at_least``/``fewer_than`` compare the number of events
    of the same customer and category within ``days`` (this delivery counted).
    """

    name: str
    action: Action
    conditions: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None


def check(conditions: Mapping[str, Any], where: str = "conditions") -> list[Problem]:
    """Everything that is wrong with a rule's conditions."""
    problems = [
        Problem(f"{where}.{name}", "is not a condition", "one of " + ", ".join(CONDITIONS))
        for name in conditions
        if name not in CONDITIONS
    ]
    problems += [problem for name in WHOLE if name in conditions for problem in _whole(name, conditions[name], where)]
    problems += [
        Problem(f"{where}.{name}", f"{value!r} is not {'text' if kind is str else 'a whole number'}")
        for names, kind in ((TEXT_CONDITIONS, str), (("port", "customer"), int))
        for name in names
        for value in _values(conditions.get(name))
        if not isinstance(value, kind) or isinstance(value, bool)
    ]
    if ("fewer_than" in conditions or "at_least" in conditions) and "days" not in conditions:
        problems.append(Problem(f"{where}.days", "is missing", "say over how many days events are counted"))
    return problems + [problem for value in _values(conditions.get("prefix")) for problem in _prefix(value, where)]


def _whole(name: str, value: Any, where: str) -> list[Problem]:
    least, most = WHOLE[name]
    if not isinstance(value, int) or isinstance(value, bool):
        return [Problem(f"{where}.{name}", f"{value!r} is not a whole number")]
    if not least <= value <= most:
        return [Problem(f"{where}.{name}", f"{value} is out of range", f"from {least} to {most}")]
    return []


def _prefix(value: Any, where: str) -> list[Problem]:
    try:
        ip_network(value if isinstance(value, str) else "")
    except ValueError as error:
        return [Problem(f"{where}.prefix", f"{value!r} is no prefix: {error}", "such as 192.0.2.0/24")]
    return []


def counted_days(rules: Sequence[RuleSpec]) -> int:
    """The longest period that any rule counts over, in days; 0 where none counts."""
    return max((int(rule.conditions.get("days", 0)) for rule in rules), default=0)


def apply(
    rules: Sequence[RuleSpec], events: pl.DataFrame, default: Mapping[str, Action] | None = None
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """The action of each event, and the place of the rule that decided (-1: the default of its category).

    ``events`` has the columns of TEXT_CONDITIONS that the rules use, ip, port, customer, trust, and ``recent`` (events of that
    customer and category in the counted period) where a rule counts.
    """
    rows = len(events)
    action = np.full(rows, -1, np.int8)
    decided = np.full(rows, -1, np.int32)
    for place, rule in enumerate(rules):
        fits = (action < 0) & _fits(rule.conditions, events)
        action[fits], decided[fits] = rule.action, place
    left = action < 0
    if left.any():
        codes = events["category"].replace_strict(dict(default or {}), default=Action.OPEN_CASE, return_dtype=pl.Int8)
        action[left] = codes.to_numpy()[left]
    return action, decided


def _fits(conditions: Mapping[str, Any], events: pl.DataFrame) -> NDArray[np.bool_]:
    fits = np.ones(len(events), bool)
    for name, wanted in conditions.items():
        if name == "days" or not fits.any():
            continue
        fits &= _holds(name, wanted, events)
    return fits


def _holds(name: str, wanted: Any, events: pl.DataFrame) -> NDArray[np.bool_]:
    if name in TEXT_CONDITIONS or name in {"port", "customer"}:
        return events[name].is_in(_values(wanted)).fill_null(False).to_numpy()
    if name == "prefix":
        return inside(events["ip"], _values(wanted))
    column, above = {
        "trust_at_least": ("trust", True),
        "trust_below": ("trust", False),
        "at_least": ("recent", True),
        "fewer_than": ("recent", False),
    }[name]
    numbers = events[column].fill_null(0).to_numpy()
    return numbers >= wanted if above else numbers < wanted


def inside(column: pl.Series, prefixes: Sequence[str]) -> NDArray[np.bool_]:
    """Which addresses (text, null for none) lie in any of the prefixes."""
    found = addresses.parse(column)
    inside = np.zeros(len(column), bool)
    for text in prefixes:
        network = ip_network(text)
        first, last = int(network.network_address), int(network.broadcast_address)
        if network.version == 4:
            inside |= (found.family == 4) & (found.lo >= first) & (found.lo <= last)
        else:
            inside |= (found.family == 6) & _at_least(found, first) & ~_at_least(found, last + 1)
    return inside


def _at_least(found: addresses.Addresses, value: int) -> NDArray[np.bool_]:
    if value >> 128:
        return np.zeros(len(found.hi), bool)
    hi, lo = np.uint64(value >> 64), np.uint64(value & 0xFFFFFFFFFFFFFFFF)
    return (found.hi > hi) | ((found.hi == hi) & (found.lo >= lo))


def _values(wanted: Any) -> list[Any]:
    return [] if wanted is None else list(wanted) if isinstance(wanted, list | tuple) else [wanted]


def parse_rule(name: str, action: str, conditions: Mapping[str, Any]) -> RuleSpec:
    """A rule from what was typed or stored; InputError with every problem."""
    problems = check(conditions)
    actions = {a.name.lower(): a for a in Action}
    if action not in actions:
        problems.append(Problem("action", f"{action!r} is no action", "one of " + ", ".join(actions)))
    if problems:
        raise InputError(problems)
    return RuleSpec(name, actions[action], conditions)


def period(rules: Sequence[RuleSpec]) -> timedelta:
    return timedelta(days=counted_days(rules))
