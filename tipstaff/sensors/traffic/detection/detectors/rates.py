"""What detectors of rates share: a metric of a track, a limit by name, and how both are put in words. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tipstaff.sensors.traffic.detection.findings import Limit, Subject
from tipstaff.sensors.traffic.detection.sightings import Aim, Flows, Mask, Sighting
from tipstaff.sensors.traffic.detection.thresholds import Applied

Confirm = Callable[[Flows, float], bool]


@dataclass(frozen=True)
class Weighed:
    """What ``tracks.weigh`` found of one metric: seconds since 1970, ring units a second, packets seen, noise of the mean."""

    began: int
    last: int
    peak: float
    mean: float
    seen: float
    noise: float


@dataclass(frozen=True)
class Rate:
    """A detector of one metric over one limit, at hosts or at sums. ``what``: as in "receives a SYN flood of"."""

    name: str
    metric: int
    limit: str
    levels: Sequence[str]
    words: Mapping[str, str]
    unit: str = "packets/s"
    figure: str = "pps"
    scale: float = 1.0
    keep: Callable[[Flows], Mask] | None = None
    port_end: int = 1
    confirm: Confirm | None = None
    directions: Sequence[str] = ("in", "out")
    kinds: Mapping[str, str] | None = None

    def limit_name(self, level: str, direction: str) -> str:
        return f"{level}.{direction}.{self.limit}"

    def kind(self, direction: str) -> str:
        return (self.kinds or {"in": "ddos_victim", "out": "ddos"})[direction]

    def sighting(
        self,
        aim: Aim,
        subject: Subject,
        customer: int,
        level: str,
        direction: str,
        weighed: Weighed,
        applied: Applied,
        rate: int,
        series: Callable[[], Sequence[tuple[float, float]]],
        size: float,
    ) -> Sighting:
        """In words and figures what was found."""
        name = self.limit_name(level, direction)
        limit, seconds = applied[name], applied["timing.seconds"]
        peak, mean = weighed.peak * self.scale, weighed.mean * self.scale
        confidence, why = certainty(mean, limit, weighed.noise * self.scale, rate, weighed.seen)
        figures = {f"peak_{self.figure}": round(peak, 1), f"mean_{self.figure}": round(mean, 1)}
        told = f"{subject.value if level != 'customer' else 'customer ' + subject.value}"
        words = (
            f"{told} {self.words[direction]} of {amount(mean, self.unit)} on average and {amount(peak, self.unit)} at its peak; "
            f"the limit is {amount(limit, self.unit)} for {seconds:.0f} s ({applied.label(name)})."
        )
        shown = Limit(f"mean_{self.figure}", limit, self.unit, applied.label(name), applied.why(name), seconds)
        return Sighting(
            self.name, self.kind(direction), direction, subject, customer, weighed.began, weighed.last, figures, shown, rate,
            confidence, why, words, aim, int(applied["timing.quiet_seconds"]), series, size, self._confirm(direction),
        )  # fmt: skip

    def _confirm(self, direction: str) -> Confirm | None:
        """A second look at the flows; victims need none."""
        return self.confirm if direction == "out" else None


def certainty(value: float, limit: float, noise: float, rate: int, seen: float) -> tuple[float, str]:
    """The probability that the true figure is over the limit, and why it is no greater."""
    if rate == 0:
        return 0.7, "the exporter states no sampling rate: figures are as exported, the traffic may be more"
    if noise <= 0:
        return 0.99, "every packet was counted" if rate == 1 else "more packets were seen than sampling can err by"
    sure = 0.5 * (1 + math.erf((value - limit) / noise / math.sqrt(2)))
    return round(
        min(max(sure, 0.5), 0.99), 3
    ), f"{seen:.0f} packets seen at 1 in {rate}; a limit's worth errs by {noise / limit:.0%}"


def amount(value: float, unit: str) -> str:
    """A figure for people: 2.5 Gbit/s, 120 k packets/s."""
    for step, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= step:
            return f"{value / step:.3g} {prefix}{unit}" if unit.startswith("bit") else f"{value / step:.3g}{prefix} {unit}"
    return f"{value:.0f} {unit}"
