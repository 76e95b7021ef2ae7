"""What a detector sees now of one subject; the engine makes findings of it. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.detection.findings import Limit, Subject

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Flows:
    """Columns of flows at hand that concern a subject: the layout's narrow and wide facts."""

    narrow: NDArray[np.uint32]
    wide: NDArray[np.uint64]

    def __len__(self) -> int:
        return int(self.narrow.shape[1])


@dataclass(frozen=True)
class Aim:
    """Which flows show it: those of a subject at one end (0 source, 1 destination), by family, first address and length.

    Length 0 is a customer's sum; ``keep`` takes facts of candidates and says which of them belong to it.
    """

    version: int
    address: int
    length: int
    customer: int
    end: int
    keep: Callable[[Flows], Mask] | None = None
    port_end: int = 1  # whose ports tell what it is about


@dataclass(frozen=True)
class Sighting:
    """One subject over a limit; times in seconds since 1970. ``series``: asked for only when a document is written."""

    detector: str
    kind: str
    direction: str
    subject: Subject
    customer: int
    began: int
    last: int
    figures: Mapping[str, float]
    limit: Limit
    rate: int
    confidence: float
    confidence_why: str
    words: str
    aim: Aim
    quiet: int
    series: Callable[[], Sequence[tuple[float, float]]] = tuple
    size: float = 0.0  # mean bytes of a packet
    confirm: Callable[[Flows, float], bool] | None = None  # a second look at the flows, with that size

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.detector, self.direction, self.subject.kind, self.subject.value


def in_turn(sources: Sequence[Iterator[Sighting]]) -> Iterator[Sighting]:
    """One of each after the other, until all are exhausted; nothing is taken before it is asked for."""
    waiting = list(sources)
    while waiting:
        for each in tuple(waiting):
            one = next(each, None)
            if one is None:
                waiting.remove(each)
            else:
                yield one
