"""Strangers who try many addresses of ours, gathered by the stranger: half of a horizontal scan whose source nobody here holds.

Only where a limit is set (``scan.in.peers_…``): every address of the internet is tried all day. Windows begin anew when they are
over. A finding names the network of ours (/24, /48) in which most of the tried addresses lie; nobody of ours is accused.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_network
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors import horizontal_scan
from tipstaff.sensors.traffic.detection.detectors.fans import WINDOWS, Fan, Window
from tipstaff.sensors.traffic.detection.evidence import addresses
from tipstaff.sensors.traffic.detection.findings import Limit, Subject
from tipstaff.sensors.traffic.detection.sightings import Aim, Flows, Mask, Sighting
from tipstaff.sensors.traffic.detection.thresholds import MOST_PEERS, Thresholds
from tipstaff.sensors.traffic.records import address_text

MOST, AT_ONCE = 8_192, 1_024  # strangers that are remembered; contacts of a batch that are looked at
CHOICE, TELLING = 8, 8  # strangers of whom one makes room; contacts of a batch from which on one is as good as another
MOST_PROBE_PACKETS, QUIET, IDLE = 6, 300, 120
LIMITS = tuple(f"scan.in.peers_{name}" for name, _ in WINDOWS)


@dataclass
class Seen:
    """One stranger's window: when it began, whom it tried, and how many packets of it were seen."""

    began: int
    tried: set[tuple[int, int]] = field(default_factory=set)
    attempts: int = 0


@dataclass
class Stranger:
    windows: tuple[Seen, Seen]
    nets: Counter[tuple[int, int]] = field(default_factory=Counter)  # family and number of the network of ours
    rate: int = 1
    last: int = 0
    net: tuple[int, int] | None = None  # what its finding is about
    fresh: bool = True


@dataclass
class Sweeps:
    """At most MOST strangers; ``left_out`` counts contacts that found no room."""

    strangers: dict[tuple[int, int], Stranger] = field(default_factory=dict)
    left_out: int = 0

    def take(self, narrow: NDArray[np.uint32], wide: NDArray[np.uint64], customers: NDArray[np.int32], second: int) -> None:
        """Note the probes of a batch that come from outside."""
        probes = (customers[1] > 0) & (customers[0] == 0) & (narrow[L.PROTOCOL] == 6)
        probes &= (narrow[L.TCP_FLAGS] & 0x12 == 2) & (wide[L.PACKETS] <= MOST_PROBE_PACKETS)
        places = np.flatnonzero(probes)
        flows = Flows(narrow[:, places], wide[:, places])
        whose, whom = addresses(flows, 0), addresses(flows, 1)
        if len(places) > AT_ONCE:
            self.left_out += len(places) - AT_ONCE
            chosen = _telling(whose, whom)[:AT_ONCE]
            flows, whose, whom = Flows(flows.narrow[:, chosen], flows.wide[:, chosen]), whose[chosen], whom[chosen]
        packets, rates = flows.wide[L.PACKETS].tolist(), flows.narrow[L.RATE].tolist()
        for who, tried, count, rate in zip(whose.tolist(), whom.tolist(), packets, rates, strict=True):
            self._note((who[0], who[1]), (tried[0], tried[1]), count if rate > 1 else 1, rate, second)

    def _note(self, who: tuple[int, int], whom: tuple[int, int], count: int, rate: int, second: int) -> None:
        one = self.strangers.get(who)
        if one is None:
            if len(self.strangers) >= MOST:
                self._make_room()
            one = self.strangers[who] = Stranger((Seen(second), Seen(second)))
        one.last, one.rate, one.fresh = second, rate, True
        for number, (_, length) in enumerate(WINDOWS):
            window = one.windows[number]
            if second - window.began >= length:
                window.began, window.attempts = second, 0
                window.tried.clear()
            window.attempts += count
            if len(window.tried) <= MOST_PEERS:
                window.tried.add(whom)
        one.nets[(4, whom[1] >> 8 & 0xFFFFFF) if whom[0] == 0 else (6, whom[0] >> 16)] += 1

    def _make_room(self) -> None:
        """Forget whoever tried least of the eldest; the others have another round. Who has a finding stays."""
        self.left_out += 1
        eldest = list(islice(self.strangers, CHOICE))
        leaves = min(eldest, key=lambda who: (self.strangers[who].net is not None, len(self.strangers[who].windows[1].tried)))
        for who in eldest:
            kept = self.strangers.pop(who)
            if who != leaves:
                self.strangers[who] = kept

    def sightings(self, thresholds: Thresholds, second: int) -> Iterator[Sighting]:
        """Those over a limit that showed themselves again; who is idle is forgotten.

        Who asks may stop at any time: who had no turn comes first in the next second.
        """
        for who in [who for who, one in self.strangers.items() if second - one.last > (QUIET if one.net else IDLE)]:
            del self.strangers[who]
        for who in [who for who, one in self.strangers.items() if one.fresh]:
            one = self.strangers[who] = self.strangers.pop(who)
            one.fresh = False
            yield from self._judge(who, one, thresholds, second)

    def _judge(self, who: tuple[int, int], one: Stranger, thresholds: Thresholds, second: int) -> Iterator[Sighting]:
        if max(len(window.tried) for window in one.windows) * max(one.rate, 1) < min(map(thresholds.least, LIMITS)) / 2:
            return
        family, number = one.net or one.nets.most_common(1)[0][0]
        network = ip_network((number << 8, 24)) if family == 4 else ip_network(f"{IPv6Address(number << 80)}/48")
        applied = thresholds.applied(family, int(network.network_address), network.prefixlen, 0)
        windows = tuple(Window(float(len(seen.tried)), 1.0, seen.attempts, 0) for seen in one.windows)
        fan = Fan("in", "probe", (windows[0], windows[1]), one.rate, 0, 6)
        judged = horizontal_scan.judge_source(fan, applied, applied["timing.release"] if one.net else 1.0)
        if judged is None:
            return
        one.net = family, number
        source = address_text(who[0].to_bytes(8, "big") + who[1].to_bytes(8, "big"))
        words = (
            f"{source} {judged.words}, most of them in {network}; the limit is {judged.limit_value:.0f} addresses "
            f"({applied.label(judged.limit)})."
        )
        limit = Limit(judged.figure, judged.limit_value, "addresses", applied.label(judged.limit), applied.why(judged.limit), 0.0)
        aim = Aim(family, int(network.network_address), network.prefixlen, 0, 1, lambda flows: _of(flows, who))
        kind, why = f"{horizontal_scan.KIND}_victim", f"{judged.seen:.0f} addresses seen tried, at 1 in {max(one.rate, 1)}"
        yield Sighting(
            horizontal_scan.NAME, kind, "in", Subject("prefix", str(network)), 0, second - 1, second - 1, judged.figures, limit,
            one.rate, 0.9, why, words, aim, QUIET,
        )  # fmt: skip


def _telling(whose: NDArray[np.uint64], whom: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Contacts in the order of what they may tell: first of whom many addresses of ours were tried, last to whom all come."""
    digests = [(one[:, 0] * np.uint64(C.GOLDEN)) ^ one[:, 1] for one in (whose, whom)]
    counts = [np.bincount(inverse)[inverse] for inverse in (np.unique(one, return_inverse=True)[1] for one in digests)]
    return np.lexsort((counts[1], -np.minimum(counts[0], TELLING)))


def _of(flows: Flows, who: tuple[int, int]) -> Mask:
    """Flows of that stranger."""
    found: Mask = (addresses(flows, 0) == np.array(who, np.uint64)).all(1)
    return found
