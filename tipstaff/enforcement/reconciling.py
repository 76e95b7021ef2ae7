"""What a comparison of desired with actual asks for, and when it must stop instead (rail 6). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tipstaff.enforcement.connectors.contract import InPlace, number_of


@dataclass(frozen=True)
class Limits:
    """At most ``changes`` at once, and at most ``percent`` of what is there or should be."""

    changes: int = 100
    percent: int = 30


@dataclass(frozen=True)
class Difference:
    """``missing``: tags that should stand and do not. ``strays``: ours by tag, and no order may have put them there."""

    missing: tuple[str, ...]
    strays: tuple[InPlace, ...]
    desired: int
    actual: int

    @property
    def changes(self) -> int:
        return len(self.missing) + len(self.strays)


def compare(desired: Iterable[str], known: Iterable[str], actual: Iterable[InPlace], instance: str) -> Difference:
    """``desired``: tags of orders in force. ``known``: tags that may stand there without being a stray, those in hand included.

    What carries no tag of this instance is nobody's business here and does not count.
    """
    wanted, spared = set(desired), set(known)
    ours = {thing.tag: thing for thing in actual if number_of(thing.tag, instance) is not None}
    missing = tuple(sorted(wanted - ours.keys()))
    strays = tuple(thing for tag, thing in sorted(ours.items()) if tag not in wanted and tag not in spared)
    return Difference(missing, strays, len(wanted), len(ours))


def must_stop(found: Difference, limits: Limits, *, allowed: int = 0) -> str:
    """Why nothing may be changed, empty where it may. ``allowed``: changes that a person let through this once.

    A peer that holds nothing at all of ours has lost its memory: putting back what is approved is repair, not a mass
    change. The other way round never: where nothing is desired, all that stands there waits for a person.
    """
    if not found.changes or found.changes <= allowed:
        return ""
    if not found.desired and found.strays:
        return f"{len(found.strays)} things of ours stand there and nothing is desired: perhaps it is the database that lost them"
    if not found.actual and not found.strays:
        return ""
    size = max(found.desired, found.actual)
    if found.changes > limits.changes:
        return f"{found.changes} changes, more than {limits.changes} at once"
    if found.changes > 1 and found.changes * 100 > size * limits.percent:
        return f"{found.changes} changes of {size}, more than {limits.percent} %"
    return ""


def by_number(things: Iterable[InPlace], instance: str) -> Mapping[int, InPlace]:
    """Things of ours by the number in their tag."""
    return {number: thing for thing in things if (number := number_of(thing.tag, instance)) is not None}
