"""Who is followed when not everybody can be: whoever comes near a limit, and of those the nearest. Pure but for what it reads.

Of a sampled exporter a single packet may stand for half a limit, and sources are easily forged: so whoever was near once gives way
to whoever is near now, and what is seen again and again stays.
"""

from collections.abc import Sequence
from operator import truediv
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
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


def furthest_first(
    follow: Tracks, free: NDArray[np.bool_], limits: NDArray[np.float64], least: NDArray[np.float64], second: int, most: int
) -> list[tuple[float, Track]]:
    """Those that are worth least, at most so many, each with its worth, the least worth last; who is followed for less than
    SETTLED is none of them.

    ``free``, ``limits``, ``least``: by slot: who may go at all; see ``worth_of``. Sums are those up to the second before the
    last, as told then.
    """
    slots = np.flatnonzero(free & (follow.table >= 0) & (second - follow.since >= SETTLED))
    ages, worth = second - follow.since[slots], np.zeros(len(slots))
    for seconds, sums in ((SHORTLY, follow.shortly), (LONG, follow.long)):
        rates = sums[slots] / np.clip(ages - 1, 1, seconds)[:, None]
        worth = np.maximum(worth, worth_of(rates, limits[slots], least[slots]))
    order = np.lexsort((-ages, -worth))[-most:].tolist()
    return [(float(worth[number]), track) for number in order if (track := follow.at[slots[number]]) is not None]


def worth_of(rates: NDArray[np.float64], limits: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.float64]:
    """How near rates (n, JUDGED) come to limits; ``least``: bytes from which on what is usual is worth knowing."""
    near: NDArray[np.float64] = (rates / limits).max(1)
    return np.maximum(near, np.minimum(rates[:, C.M_BYTES] / least, LEARNING))


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


class Newcomer(NamedTuple):
    """A row that is not followed yet, what it saw in its last second, and how near to a limit that may be at most."""

    row: int
    customer: int
    rates: list[float]
    most: float


def newcomers(found: NDArray[np.int64], rows: NDArray[np.uint64], table: int, thresholds: Thresholds) -> list[Newcomer]:
    """Of rows and the list that named them; ``most`` is by the least limits that anybody has."""
    levels, rates = ("host",) if table == tracks.HOST else ("prefix", "customer"), rates_of(rows, table)
    least = [
        min(thresholds.least(f"{level}.{way}.{name}") for level in levels for way in ("in", "out")) / (8 if metric in OCTETS else 1)
        for metric, name in METRIC_LIMITS.items()
    ]
    most = worth_of(rates, np.array(least), np.array(thresholds.least("watch.learned_bps") / 8))
    return [Newcomer(*one) for one in zip(*found.T.tolist(), rates.tolist(), most.tolist(), strict=True)]


def worth_of_one(rates: Sequence[float], limits: Sequence[float], least: float) -> float:
    """As ``worth_of`` for one, of whom there are hundreds in a second."""
    return max(*map(truediv, rates, limits), min(rates[C.M_BYTES] / least, LEARNING))


def limits_of(own: Applied, track: Track) -> NDArray[np.float64]:
    """A track's limits by metric, in the ring's units."""
    names = (f"{track.level}.{track.direction}.{METRIC_LIMITS[metric]}" for metric in range(tracks.JUDGED))
    return np.array([own[name] / (8 if metric in OCTETS else 1) for metric, name in enumerate(names)])


def near(rows: NDArray[np.uint64], table: int, thresholds: Thresholds) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows of the last second come near the least limit that anybody has, of their direction; and near a static one."""
    found, static = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    ends = rows[:, C.KEY] & np.uint64(1)
    tag = rows[:, C.KEY] >> np.uint64(60)
    levels = ("host",) if table == tracks.HOST else ("prefix", "customer")
    for level in levels:
        here = np.ones(len(rows), bool) if table == tracks.HOST else (tag == 3) == (level == "customer")
        for end, direction in enumerate(("out", "in")):
            least = {name: thresholds.least(f"{level}.{direction}.{name}") / 2 for name in METRIC_LIMITS.values()}
            learned_bps = thresholds.least("watch.learned_bps") / 2
            if table == tracks.HOST:
                octets, packets = rows[:, C.BYTES_SEEN] * 8.0, rows[:, C.PACKETS_SEEN].astype(float)
                udp = rows[:, C.UDP].astype(float)
                close = (rows[:, C.SYN] >= least["syn_pps"]) | (rows[:, C.ICMP] >= least["icmp_pps"])
                close |= (rows[:, C.FRAGMENTS] >= least["fragment_pps"]) | (udp >= least["udp_pps"])
                close |= (udp > 0) & ((octets >= least["amplified_bps"]) | (udp >= least["amplified_pps"]))
            else:
                octets, packets = rows[:, C.SUM_BYTES] * 8.0, rows[:, C.SUM_PACKETS].astype(float)
                close = packets >= min(least.get("syn_pps", np.inf), least.get("udp_pps", np.inf))
                close |= octets >= least["amplified_bps"]
            full = (octets >= least["bps"]) | (packets >= least["pps"])
            static |= here & (ends == end) & (full | close if table == tracks.HOST else full)  # of sums, kinds are not counted
            found |= here & (ends == end) & (full | close | (octets >= learned_bps))
    return found, static


def marks(hosts: C.Hosts, thresholds: Thresholds) -> None:
    """From which bytes and packets a second on rows are listed at all."""
    for number, levels in enumerate((("host",), ("prefix", "customer"))):
        names = [f"{level}.{way}.{name}" for level in levels for way in ("in", "out") for name in METRIC_LIMITS.values()]
        octets = [thresholds.least(name) / 16 for name in names if name.endswith("bps")]
        octets.append(thresholds.least("watch.learned_bps") / 16)
        packets = [thresholds.least(name) / 2 for name in names if name.endswith("pps")]
        hosts.marks[number] = [int(max(1, min(*values, 1 << 60))) for values in (octets, packets)]
