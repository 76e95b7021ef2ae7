"""When a block hides the attack: how long to hold it, when to look, when to block again, when to let go. Pure.

Upstream of our exporters a block leaves nothing to see, so that nobody knows when the attack is over. The block is held for a
while, taken away for a short look, and put back at once when the attack is seen; each such look doubles the hold, to a cap.
There is no chance in it: the same moments give the same schedule.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Phase(StrEnum):
    HOLDING = "holding"
    WITHDRAWING = "withdrawing"
    OPEN = "open"
    BLOCKING = "blocking"
    OVER = "over"


class Act(StrEnum):
    """What is to be done now."""

    WAIT = "wait"
    WITHDRAW = "withdraw"
    WATCH = "watch"  # the block is gone: the look begins
    BLOCK = "block"  # the attack is back
    HOLD = "hold"  # the block stands again: the next hold begins
    LIFT = "lift"  # nothing came in the whole look


@dataclass(frozen=True)
class Timing:
    """How long the first hold lasts, how long a look, by how much each hold grows, and how long the longest is."""

    hold: timedelta = timedelta(minutes=15)
    look: timedelta = timedelta(seconds=60)
    factor: int = 2
    longest: timedelta = timedelta(hours=4)


@dataclass(frozen=True)
class Standing:
    """Where a probe stands: its phase and since when, the looks that found the attack, and what the order is seen to be."""

    phase: Phase
    since: datetime
    looks: int
    in_place: bool  # the order stands at its peer
    attack_at: datetime | None = None  # when the attack was last seen
    ends_at: datetime | None = None  # the block's own end: near it there is no look


def hold_of(timing: Timing, looks: int) -> timedelta:
    """The length of the hold after so many looks that found the attack."""
    grown = timing.hold
    for _ in range(min(looks, 40)):
        grown = min(grown * timing.factor, timing.longest)
    return min(grown, timing.longest)


def step(standing: Standing, timing: Timing, now: datetime) -> Act:
    """What is to be done at ``now``."""
    match standing.phase:
        case Phase.HOLDING:
            return _holding(standing, timing, now)
        case Phase.WITHDRAWING:
            return Act.WAIT if standing.in_place else Act.WATCH
        case Phase.OPEN:
            if now + timing.look < standing.since:
                return Act.WATCH  # the clock was set back: nobody waits until that moment comes again
            if standing.attack_at is not None and standing.attack_at > standing.since:
                return Act.BLOCK
            return Act.LIFT if now >= standing.since + timing.look else Act.WAIT
        case Phase.BLOCKING:
            return Act.HOLD if standing.in_place else Act.WAIT
    return Act.WAIT


def _holding(standing: Standing, timing: Timing, now: datetime) -> Act:
    due = standing.since + hold_of(timing, standing.looks)
    if not standing.in_place or now < due:
        return Act.WAIT
    if standing.attack_at is not None and standing.attack_at > due - timing.look:
        return Act.WAIT  # it is seen even now: nothing is hidden, and there is nothing to find out
    if standing.ends_at is not None and standing.ends_at <= now + timing.look:
        return Act.WAIT  # it ends by itself before a look would be over
    return Act.WITHDRAW
