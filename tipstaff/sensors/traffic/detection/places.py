"""Who is followed when not everybody can be: whoever comes near a limit, and of those the nearest. Pure but for what it reads.

Of a sampled exporter a single packet may stand for half a limit, and sources are easily forged: so whoever was near once gives way
to whoever is near now, and what is seen again and again stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import truediv

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.decoders.loads import kernel
from tipstaff.sensors.traffic.detection import tracks
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.tracks import Track, Tracks
from tipstaff.sensors.traffic.series import LONG, SHORTLY

METRIC_LIMITS = {
    C.M_BYTES: "bps", C.M_PACKETS: "pps", C.M_SYN: "syn_pps", C.M_UDP: "udp_pps", C.M_ICMP: "icmp_pps",
    C.M_FRAGMENTS: "fragment_pps", C.M_AMP_BYTES: "amplified_bps", C.M_AMP_PACKETS: "amplified_pps",
}  # fmt: skip
OCTETS = (C.M_BYTES, C.M_AMP_BYTES)
SETTLED = 3  # seconds that everybody has to be near a limit again
LEARNING = 0.9  # what is worth most that is near to nothing but what is worth learning
LEVELS, WAYS = ("host", "prefix", "customer"), ("out", "in")
LEARNED = tracks.JUDGED  # the column of ``Nearness.floors`` after those of the metrics
NEAR, PRESSING = 1, 2  # of a row: near any limit; near a static one


class Nearness:
    """From which rates on a row comes near a limit: half of the least that anybody has, so that all who could cross it do.

    ``floors``: by level, way and metric, in bits or packets a second; ``least`` by table and metric, in the ring's units.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self.of = thresholds
        self.floors = np.full((len(LEVELS), len(WAYS), tracks.JUDGED + 1), thresholds.least("watch.learned_bps") / 2)
        for level, way, metric in np.ndindex(len(LEVELS), len(WAYS), tracks.JUDGED):
            self.floors[level, way, metric] = thresholds.least(f"{LEVELS[level]}.{WAYS[way]}.{METRIC_LIMITS[metric]}") / 2
        least = self.floors[:, :, : tracks.JUDGED].min(1) * 2
        least[:, OCTETS] /= 8
        self.least = np.stack([least[0], least[1:].min(0)])
        self.learned = thresholds.least("watch.learned_bps") / 8
        self._said = np.zeros(0, np.uint8)

    def of_rows(self, rows: NDArray[np.uint64], listed: NDArray[np.int64], table: int) -> NDArray[np.uint8]:
        """NEAR and PRESSING of each row that is ``listed``, by what it saw in its last second."""
        if len(self._said) < len(listed):
            self._said = np.zeros(len(listed), np.uint8)
        said = self._said[: len(listed)]
        (near_hosts if table == tracks.HOST else near_sums)(rows, listed, self.floors, said)
        return said


@kernel
def near_hosts(rows, listed, floors, said):
    """See ``Nearness.of_rows``."""
    for n in range(len(listed)):
        row = rows[listed[n, 0]]
        floor = floors[0, int64(row[C.KEY] & uint64(1))]
        octets, packets, udp = float(row[C.BYTES_SEEN]) * 8.0, float(row[C.PACKETS_SEEN]), float(row[C.UDP])
        static = (octets >= floor[C.M_BYTES]) | (packets >= floor[C.M_PACKETS]) | (udp >= floor[C.M_UDP])
        static |= (float(row[C.SYN]) >= floor[C.M_SYN]) | (float(row[C.ICMP]) >= floor[C.M_ICMP])
        static |= float(row[C.FRAGMENTS]) >= floor[C.M_FRAGMENTS]  # what a row does not tell apart, each kind may be
        static |= (udp > 0) & ((octets >= floor[C.M_AMP_BYTES]) | (udp >= floor[C.M_AMP_PACKETS]))
        said[n] = NEAR | PRESSING if static else NEAR if octets >= floor[LEARNED] else 0


@kernel
def near_sums(rows, listed, floors, said):
    """As ``near_hosts``; of sums, kinds are not counted, so that they press nobody. Only those kinds are compared by which sums are
    judged; see ``detectors.carpet_bombing``."""
    for n in range(len(listed)):
        row = rows[listed[n, 0]]
        floor = floors[2 if row[C.KEY] >> uint64(60) == 3 else 1, int64(row[C.KEY] & uint64(1))]
        octets, packets = float(row[C.SUM_BYTES]) * 8.0, float(row[C.SUM_PACKETS])
        near = (packets >= min(floor[C.M_SYN], floor[C.M_UDP])) | (octets >= min(floor[C.M_AMP_BYTES], floor[LEARNED]))
        static = (octets >= floor[C.M_BYTES]) | (packets >= floor[C.M_PACKETS])
        said[n] = NEAR | PRESSING if static else NEAR if near else 0


@dataclass(frozen=True)
class Newcomers:
    """Rows that are not followed yet, the most pressing first; ``rates``: what each saw in its last second, by metric."""

    rows: NDArray[np.int64]
    customers: NDArray[np.int64]
    rates: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: slice | NDArray[np.int64]) -> "Newcomers":
        return Newcomers(self.rows[which], self.customers[which], self.rates[which])


def newcomers(listed: NDArray[np.int64], said: NDArray[np.uint8], rows: NDArray[np.uint64], table: int, most: int) -> Newcomers:
    """Of rows that are near and not followed: first whom a static limit presses, the greatest first; at most so many."""
    own = rows[listed[:, 0]]
    order = np.lexsort((own[:, C.PACKETS_SEEN if table == tracks.HOST else C.SUM_PACKETS], said & PRESSING))[::-1][:most]
    _, first = np.unique(listed[order, 0], return_index=True)  # a clock that is set back lists a row twice
    if len(first) < len(order):
        order = order[np.sort(first)]
    return Newcomers(listed[order, 0], np.maximum(listed[order, 1], 0), rates_of(own[order], table))


def rates_of(rows: NDArray[np.uint64], table: int) -> NDArray[np.float64]:
    """What rows saw in their last second, by metric; what they do not tell apart, each kind may be."""
    rates = np.zeros((len(rows), tracks.JUDGED))
    if table == tracks.HOST:
        kinds = C.BYTES_SEEN, C.PACKETS_SEEN, C.SYN, C.UDP, C.ICMP, C.FRAGMENTS
        rates[:, : len(kinds)] = rows[:, kinds]
        rates[:, C.M_AMP_BYTES] = np.where(rates[:, C.M_UDP] > 0, rates[:, C.M_BYTES], 0.0)
        rates[:, C.M_AMP_PACKETS] = rates[:, C.M_UDP]
    else:
        rates[:, [C.M_BYTES, C.M_AMP_BYTES]] = rows[:, C.SUM_BYTES, None]
        rates[:, [C.M_PACKETS, C.M_SYN, C.M_UDP]] = rows[:, C.SUM_PACKETS, None]
    return rates


def worth_of(rates: NDArray[np.float64], limits: NDArray[np.float64], least: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """How near rates (n, JUDGED) come to limits; ``least``: bytes from which on what is usual is worth knowing."""
    near: NDArray[np.float64] = (rates / limits).max(1)
    return np.maximum(near, np.minimum(rates[:, C.M_BYTES] / least, LEARNING))


def worth_of_one(rates: Sequence[float], limits: Sequence[float], least: float) -> float:
    """As ``worth_of`` for one, of whom there are dozens in a second."""
    return max(*map(truediv, rates, limits), min(rates[C.M_BYTES] / least, LEARNING))


def furthest_first(
    follow: Tracks, free: NDArray[np.bool_], limits: NDArray[np.float64], least: NDArray[np.float64], second: int, most: int
) -> list[tuple[float, Track]]:
    """Those that are worth least, at most so many, each with its worth, the least worth last; who is followed for less than
    SETTLED is none of them.

    ``free``, ``limits``, ``least``: by slot: who may go at all; see ``worth_of``. Sums are those up to the second before the
    last, as told then.
    """
    worth = np.full(follow.top, np.inf)
    worth_of_followed(follow.table, free, follow.since, follow.shortly, follow.long, limits, least, second, worth)
    slots = np.flatnonzero(worth < np.inf)
    if len(slots) > most:  # all that are worth no more than the last of those, as of equals the youngest go
        slots = slots[worth[slots] <= np.partition(worth[slots], most - 1)[most - 1]]
    order = np.lexsort((follow.since[slots], -worth[slots]))[-most:]
    return [(float(worth[slot]), track) for slot in slots[order].tolist() if (track := follow.at[slot]) is not None]


@kernel
def worth_of_followed(tables, free, since, shortly, long, limits, least, second, worth):
    """``worth_of`` each slot, by its rate shortly or long, whichever comes nearer; who may not go keeps what stands there."""
    for slot in range(len(worth)):
        age = second - since[slot]
        if tables[slot] < 0 or not free[slot] or age < SETTLED:
            continue
        of_short, of_long = float(min(max(age - 1, 1), SHORTLY)), float(min(max(age - 1, 1), LONG))
        octets = max(shortly[slot, C.M_BYTES] / of_short, long[slot, C.M_BYTES] / of_long)
        nearest = min(octets / least[slot], LEARNING)
        for metric in range(tracks.JUDGED):
            rate = max(shortly[slot, metric] / of_short, long[slot, metric] / of_long)
            nearest = max(nearest, rate / limits[slot, metric])
        worth[slot] = nearest


def limits_of(own: Applied, level: str, way: str) -> NDArray[np.float64]:
    """The limits by metric, in the ring's units, of a host, prefix or customer in a direction."""
    names = (f"{level}.{way}.{METRIC_LIMITS[metric]}" for metric in range(tracks.JUDGED))
    return np.array([own[name] / (8 if metric in OCTETS else 1) for metric, name in enumerate(names)])


def marks(hosts: C.Hosts, thresholds: Thresholds) -> None:
    """From which bytes and packets a second on rows are listed at all."""
    for number, levels in enumerate((("host",), ("prefix", "customer"))):
        names = [f"{level}.{way}.{name}" for level in levels for way in ("in", "out") for name in METRIC_LIMITS.values()]
        octets = [thresholds.least(name) / 16 for name in names if name.endswith("bps")]
        octets.append(thresholds.least("watch.learned_bps") / 16)
        packets = [thresholds.least(name) / 2 for name in names if name.endswith("pps")]
        hosts.marks[number] = [int(max(1, min(*values, 1 << 60))) for values in (octets, packets)]
