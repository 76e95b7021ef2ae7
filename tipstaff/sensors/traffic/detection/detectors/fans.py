"""What detectors of fan-out share: one host's contacts of one concern, counted over a minute and an hour. Pure."""

import math
from dataclasses import dataclass
from typing import Literal

from tipstaff.sensors.traffic.detection.thresholds import Applied

LEAST_SAMPLED = 8  # contacts that must really have been seen of a sampled host: by chance of 2 at the limit, once in a thousand
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
class Over:
    """Which window's count is over which limit; the count as estimated and as seen."""

    length: str
    window: Window
    limit: str
    limit_value: float
    value: float
    seen: float


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


def population(distinct: float, attempts: float, rate: int) -> float:
    """How many distinct ones there probably are, of which that many were seen in so many samples of 1 in ``rate``.

    A peer that gets one packet is seen with probability 1/rate; where peers are seen again and again, few are missing. The
    answer is P in distinct = P (1 - exp(-attempts / P)), and at most distinct times rate.
    """
    if rate <= 1 or distinct < 1:
        return distinct
    low, high = distinct, distinct * rate
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if -middle * math.expm1(-attempts / middle) < distinct else (low, middle)
    return high


def at_least(distinct: float, attempts: float, rate: int) -> float:
    """How many distinct ones there are with 95 % certainty: few repetitions among few samples mean little.

    Of a population P, so many samples repeat attempts² / 2P peers; what was seen of them is at most r + 1.64 √r + 2.7.
    """
    repeated = max(attempts - distinct, 0.0)
    most = repeated + 1.64 * math.sqrt(repeated) + 2.7
    return max(distinct, min(attempts**2 / (2 * most), distinct * rate))


def over(value: float, seen: float, rate: int, limit: float) -> bool:
    """Whether a count is over its limit, with 95 % certainty where packets are sampled (Poisson)."""
    if rate <= 1:
        return value >= limit
    return seen >= LEAST_SAMPLED and value * (1 - 1.64 / math.sqrt(seen)) >= limit


def unanswered(window: Window, ease: float) -> bool:
    """Whether nearly all that a host does is to probe. Answers are counted only once it drew attention, hence twice."""
    return window.attempts >= ANSWERED * ease * (window.attempts + 2 * window.answered)


def first_over(fan: Fan, applied: Applied, prefix: str, of: Literal["peers", "ports", "attempts"], ease: float) -> Over | None:
    """The first window in which a count is over its limit."""
    for number, (length, _) in enumerate(WINDOWS):
        name, window = f"{prefix}_{length}", fan.windows[number]
        seen = float(getattr(window, of))
        limit = applied[name] * ease
        if of != "attempts" and fan.rate > 1 and at_least(seen, window.attempts, fan.rate) < limit:
            continue
        value = seen * max(fan.rate, 1) if of == "attempts" else population(seen, window.attempts, fan.rate)
        if over(value, seen, fan.rate, limit):
            return Over(length, window, name, applied[name], value, seen)
    return None
