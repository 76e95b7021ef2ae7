"""What detectors of fan-out share: one host's contacts of one concern, counted over a minute and an hour. Pure."""

import math
from dataclasses import dataclass

from tipstaff.sensors.traffic.detection.thresholds import Applied

LEAST_SAMPLED = 12  # contacts that must really have been seen of a sampled host
ANSWERED = 0.6  # of a scanner's flows, at least so many are probes that nobody answers
WINDOWS = (("minute", 60.0), ("hour", 3600.0))


@dataclass(frozen=True)
class Window:
    """Contacts within a window: distinct peers and ports as estimated, attempts, and flows of the host that are none."""

    peers: float
    ports: float
    attempts: int
    answered: int


@dataclass(frozen=True)
class Fan:
    """One host and direction; ``rate`` 1 in so many packets were seen."""

    direction: str
    concern: str
    windows: tuple[Window, Window]
    rate: int
    port: int
    protocol: int


@dataclass(frozen=True)
class Judged:
    """The figure that is over its limit, the limit's name, and everything worth telling."""

    figure: str
    value: float
    limit: str
    limit_value: float
    seen: float
    words: str
    figures: dict[str, float]


def linear(bits: int, set_bits: int) -> float:
    """How many distinct ones set that many of so many bits: -m ln(1 - n/m); full bits stand for what can be told at most."""
    return -bits * math.log(1 - min(set_bits, bits - 1) / bits)


def over(seen: float, rate: int, limit: float) -> bool:
    """Whether a count is over its limit, with 95 % certainty where packets are sampled (Poisson)."""
    if rate <= 1:
        return seen >= limit
    return seen >= LEAST_SAMPLED and (seen - 1.64 * math.sqrt(seen)) * rate >= limit


def unanswered(window: Window, ease: float) -> bool:
    """Whether nearly all that a host does is to probe. Answers are counted only once it drew attention, hence twice."""
    return window.attempts >= ANSWERED * ease * (window.attempts + 2 * window.answered)


def first_over(
    fan: Fan, applied: Applied, prefix: str, seen_of: "tuple[float, float]", ease: float
) -> tuple[int, str, float] | None:
    """The window in which a count is over its limit: number, limit's name and value."""
    for number, (window, _) in enumerate(WINDOWS):
        name = f"{prefix}_{window}"
        limit = applied[name] * ease
        if over(seen_of[number], fan.rate, limit):
            return number, name, applied[name]
    return None
