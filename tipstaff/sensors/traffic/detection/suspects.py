"""Flows that stand out one by one, gathered by whom they concern over five minutes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors import blocked_service, foreign_source, listed_peer
from tipstaff.sensors.traffic.detection.detectors.fans import LEAST_SAMPLED
from tipstaff.sensors.traffic.detection.evidence import addresses, scaled
from tipstaff.sensors.traffic.detection.findings import Limit, Subject
from tipstaff.sensors.traffic.detection.sightings import Aim, Flows, Sighting, in_turn
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.watching import BLOCKED, FOREIGN, LISTED, Interfaces, behind
from tipstaff.sensors.traffic.records import address_text

WINDOW, QUIET = 300, 600
MOST, CHOICE = 8_000, 16  # subjects of each kind; of so many of the eldest the one that was seen least makes room
DETECTORS = {LISTED: listed_peer, BLOCKED: blocked_service, FOREIGN: foreign_source}


@dataclass
class Gathered:
    """What came of one subject since ``began``."""

    began: int
    last: int
    seen: int = 0  # packets as exported
    packets: int = 0
    octets: int = 0
    rate: int = 1
    peers: set[tuple[int, int]] = field(default_factory=set)
    fresh: bool = True


Key = tuple[int, Subject, int, int, int, int]  # end, subject, customer; family, first address, length


@dataclass
class Suspects:
    """At most MOST subjects of each kind, so that none takes another's room; ``left_out`` counts whom nothing is kept of any more.

    In the order in which they had their turn: who came last stands last.
    """

    by_kind: dict[int, dict[Key, Gathered]] = field(default_factory=lambda: {why: {} for why in DETECTORS})
    left_out: int = 0

    def take(
        self, narrow: NDArray[np.uint32], wide: NDArray[np.uint64], customers: NDArray[np.int32], rows: NDArray[np.int64],
        interfaces: Interfaces, second: int,
    ) -> None:  # fmt: skip
        """Note suspects of a batch: ``rows`` are (column, why)."""
        for why, detector in DETECTORS.items():
            places = rows[rows[:, 1] & why != 0, 0]
            if not len(places):
                continue
            flows = Flows(narrow[:, places], wide[:, places])
            both = customers[:, places]
            for end in (0, 1) if why != FOREIGN else (0,):
                kept = detector.keep(flows, both, end)
                if kept.any():
                    chosen = np.flatnonzero(kept)
                    part = Flows(flows.narrow[:, chosen], flows.wide[:, chosen])
                    who = both[end, chosen]
                    if why == FOREIGN:
                        who = np.array(
                            [behind(interfaces, *pair) for pair in part.narrow[[L.SESSION, L.INPUT]].T.tolist()], np.int32
                        )
                    self._gather(why, end, part, who, second)

    def _gather(self, why: int, end: int, flows: Flows, who: NDArray[np.int32], second: int) -> None:
        """Sum up by subject: the address of ours, or the customer behind the interface."""
        mine, theirs = addresses(flows, end), addresses(flows, 1 - end)
        subjects = who[:, None].astype(np.uint64) if why == FOREIGN else mine
        names, inverse = np.unique(subjects, axis=0, return_inverse=True)
        octets, packets = scaled(flows)
        for number in range(len(names)):
            members = np.flatnonzero(inverse.reshape(-1) == number)
            first = int(members[0])
            customer = int(who[first])
            family = int(flows.narrow[L.FAMILY, first])
            address = int(mine[first, 0]) << 64 | int(mine[first, 1])
            if why == FOREIGN:
                key: Key = end, Subject("customer", str(customer)), customer, 0, 0, 0
            else:
                text = address_text(address.to_bytes(16, "big"))
                whole = (4, address & 0xFFFFFFFF, 32) if family == 4 else (6, address, 128)
                key = end, Subject("address", text), customer, *whole
            one = self._one(self.by_kind[why], key, second)
            one.last, one.fresh = second, True
            one.seen += int(flows.wide[L.PACKETS, members].sum())
            one.packets += int(packets[members].sum())
            one.octets += int(octets[members].sum())
            one.rate = int(flows.narrow[L.RATE, first])
            seen = mine if why == FOREIGN else theirs
            for member in members[: max(0, 1000 - len(one.peers))]:
                one.peers.add((int(seen[member, 0]), int(seen[member, 1])))

    def _one(self, known: dict[Key, Gathered], key: Key, second: int) -> Gathered:
        one = known.get(key)
        if one is not None:
            return one
        if len(known) >= MOST:
            self.left_out += 1
            eldest = list(islice(known, CHOICE))
            leaves = min(eldest, key=lambda other: known[other].seen)
            for other in eldest:  # the others have another round
                kept = known.pop(other)
                if other != leaves:
                    known[other] = kept
        return known.setdefault(key, Gathered(second, second))

    def sightings(self, thresholds: Thresholds, second: int) -> Iterator[Sighting]:
        """Those over their limit that showed themselves again, a kind after the other in turn; old ones are forgotten.

        Who asks may stop at any time: who had no turn comes first in the next second.
        """
        return in_turn([self._of_kind(why, thresholds, second) for why in DETECTORS])

    def _of_kind(self, why: int, thresholds: Thresholds, second: int) -> Iterator[Sighting]:
        known, detector = self.by_kind[why], DETECTORS[why]
        for key in [key for key, one in known.items() if second - one.last > WINDOW]:
            del known[key]
        for key in [key for key, one in known.items() if one.fresh]:
            one = known[key] = known.pop(key)
            one.fresh = False
            end, subject, customer, version, address, length = key
            applied = thresholds.applied(version, address, length, customer)
            if second - one.began > WINDOW and one.seen < applied[detector.LIMIT]:
                one.began, one.seen, one.packets, one.octets = second, 0, 0, 0  # too thin for a window: begin anew
                one.peers.clear()
                continue
            enough = one.rate <= 1 or one.seen >= LEAST_SAMPLED or not detector.SCALED
            if enough and (one.packets if detector.SCALED else one.seen) >= applied[detector.LIMIT]:
                aim = Aim(version, address, length, customer, end if length else 0)
                yield _sighting(detector, subject, one, applied, aim, "in" if end else "out")


def _sighting(detector: ModuleType, subject: Subject, one: Gathered, applied: Applied, aim: Aim, direction: str) -> Sighting:
    figures = {
        "packets": float(one.packets), "packets_seen": float(one.seen), "bytes": float(one.octets),
        "fan_out": float(len(one.peers)),
    }  # fmt: skip
    figure = "packets" if detector.SCALED else "packets_seen"
    name = detector.LIMIT
    limit = Limit(figure, applied[name], "packets", applied.label(name), applied.why(name), float(WINDOW))
    words = detector.words(subject, one.packets, len(one.peers), direction)
    return Sighting(
        detector.NAME, detector.kind(direction), direction, subject, aim.customer, one.began, one.last, figures, limit, one.rate,
        detector.CONFIDENCE, detector.WHY, words, aim, QUIET,
    )  # fmt: skip
