"""Who is followed when not everybody can be: whoever comes near a limit, and of those the nearest. Pure but for what it reads.

Of a sampled exporter a single packet may stand for half a limit, and sources are easily forged: so whoever was near once gives way
to whoever is near now, and what is seen again and again stays.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.detection import tracks
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.tracks import Track, Tracks

METRIC_LIMITS = {
    C.M_BYTES: "bps", C.M_PACKETS: "pps", C.M_SYN: "syn_pps", C.M_UDP: "udp_pps", C.M_ICMP: "icmp_pps",
    C.M_FRAGMENTS: "fragment_pps", C.M_AMP_BYTES: "amplified_bps", C.M_AMP_PACKETS: "amplified_pps",
}  # fmt: skip
OCTETS = (C.M_BYTES, C.M_AMP_BYTES)
SETTLED = 3  # seconds that everybody has to be near a limit again
SHORTLY, LONG = 8, 64  # seconds over which a rate is looked at: a flood that began, and records that come once a minute
LEARNING = 0.9  # what is worth most that is near to nothing but what is worth learning


def furthest_first(follow: Tracks, those: Sequence[Track], thresholds: Thresholds, second: int) -> list[tuple[float, Track]]:
    """Each with its worth, the least worth last; who is followed for less than SETTLED is none of them."""
    those = [one for one in those if second - one.since >= SETTLED]
    if not those:
        return []
    slots = np.array([one.slot for one in those])
    ages = second - np.array([one.since for one in those])
    own = [thresholds.applied(one.version, one.address, one.length, one.customer) for one in those]
    limits = np.stack([limits_of(found, one) for found, one in zip(own, those, strict=True)])
    least = np.array([found["watch.learned_bps"] / 8 for found in own])
    worth = np.zeros(len(those))
    for seconds in (SHORTLY, LONG):
        times = np.arange(second - 1 - seconds, second - 1) % C.LENGTH  # the last second is not unrolled yet
        sums = follow.hosts.series.seconds[slots[:, None], times[None, :], : tracks.JUDGED].sum(1, dtype=float)
        worth = np.maximum(worth, worth_of(sums / np.clip(ages - 1, 1, seconds)[:, None], limits, least))
    order = np.argsort(-worth, kind="stable")
    return [(float(worth[number]), those[number]) for number in order]


def worth_of(rates: NDArray[np.float64], limits: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.float64]:
    """How near rates (n, JUDGED) come to limits; ``least``: bytes from which on what is usual is worth knowing."""
    near: NDArray[np.float64] = (rates / limits).max(1)
    return np.maximum(near, np.minimum(rates[:, C.M_BYTES] / least, LEARNING))


def worth_of_row(row: NDArray[np.uint64], track: Track, own: Applied) -> float:
    """The same of a row's last second; what it does not tell apart, it may be."""
    rates = np.zeros((1, tracks.JUDGED))
    if track.table == tracks.HOST:
        octets, udp = float(row[C.BYTES_SEEN]), float(row[C.UDP])
        packets, syn, icmp, fragments = (float(row[word]) for word in (C.PACKETS_SEEN, C.SYN, C.ICMP, C.FRAGMENTS))
        rates[0] = octets, packets, syn, udp, icmp, fragments, octets if udp else 0.0, udp
    else:
        octets, packets = float(row[C.SUM_BYTES]), float(row[C.SUM_PACKETS])
        rates[0] = octets, packets, packets, packets, 0.0, 0.0, octets, 0.0
    return float(worth_of(rates, limits_of(own, track)[None, :], np.array([own["watch.learned_bps"] / 8]))[0])


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
