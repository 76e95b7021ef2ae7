"""Seconds of whom the detection follows: rates as steps where they begin and end, unrolled into seconds when they are judged.

A flow is spread evenly over the seconds from its start to its end, but only those two are written, however long it lasts.
What belongs to one second of one track lies in one cache line, and a track's seconds lie together.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, float64, int64, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, prefetch
from tipstaff.sensors.traffic.lines import add_line, take_line

# Metrics of a track's second.
M_BYTES, M_PACKETS, M_SYN, M_UDP, M_ICMP, M_FRAGMENTS, M_AMP_BYTES, M_AMP_PACKETS, M_SAMPLES = range(9)
METRICS = 9
LENGTH = 128  # seconds that a track remembers; a power of two, so that
LAST_PLACE = LENGTH - 1  # a mask finds a second's place
PLACES = LENGTH + 1  # one more than used, so that the same second of all tracks is not in the same place of the cache
SEEN = 6  # of a second's line of eight words: as the metrics, but samples here; amplified ones have lines of their own
LINE = 8
SHORTLY, LONG = 8, 64  # seconds over which a rate is looked at: a flood that began, and records that come once a minute
GRAINS = 1 << 16  # parts that a flow's bytes and packets are spread in
MOST_SPREAD = float(1 << 46)  # of one flow; what claims more is a lie


class Series(NamedTuple):
    """Steps of each track's rates at each second, in GRAINS; their sums up to the oldest; seconds; room for one flow."""

    steps: NDArray[np.int64]
    amplified: NDArray[np.int64]
    base: NDArray[np.int64]
    seconds: NDArray[np.float32]
    spare: NDArray[np.int64]


def new_series(tracks: int) -> Series:
    return Series(
        aligned((tracks, PLACES, LINE), np.int64), aligned((tracks, PLACES, 2), np.int64), np.zeros((tracks, METRICS), np.int64),
        aligned((tracks, LENGTH, METRICS), np.float32), np.zeros(LINE, np.int64),
    )  # fmt: skip


def aligned(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """Zeros that begin where a cache line does."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    raw = np.zeros(size + 64, np.uint8)
    first = -raw.ctypes.data % 64
    return raw[first : first + size].view(kind).reshape(shape)


@inlined
def spread(end, start, second, octets, packets, seen, kind, out):
    """Write into ``out`` how great a flow's rate is, as a second's line; whether it counts at all, as it does not where it lies too
    far back, at which place the rate begins and at which it is over.

    ``end``, ``start``: seconds; ``kind``: its word within a line, below M_SYN for none.
    """
    if end > second or end < second - 3600:  # a clock that is wrong: it came just now
        start, end = second - max(int64(0), min(end - start, int64(3600))), second
    if start > end or start < end - 3600:
        start = end
    oldest = second - LENGTH + 2
    share = GRAINS / (end - start + 1)
    many = int64(min(float64(packets), MOST_SPREAD) * share)
    for word in range(M_SYN, LINE):
        out[uint64(word)] = int64(0)
    out[uint64(M_BYTES)] = int64(min(float64(octets), MOST_SPREAD) * share)
    out[uint64(M_PACKETS)] = many
    out[uint64(SEEN)] = int64(min(float64(seen), MOST_SPREAD) * share)
    out[uint64(max(int64(kind), int64(M_SYN)))] = many if kind >= M_SYN else int64(0)
    return end >= oldest, uint64(max(start, oldest) & LAST_PLACE), uint64((end + 1) & LAST_PLACE)


@inlined
def add(steps, amplified, first, behind, lines, of, is_amplified):
    """Add what ``spread`` wrote at ``lines[of]``; whole numbers, so that what ends leaves exactly nothing. All are flat; ``first``,
    ``behind``: where in ``steps`` a track's seconds are in which the rate begins and is over."""
    add_line(steps, first, lines, of)
    take_line(steps, behind, lines, of)
    if is_amplified:
        much, many = lines[of + M_BYTES], lines[of + M_PACKETS]
        amplified[first >> 2] += much
        amplified[(first >> 2) + 1] += many
        amplified[behind >> 2] -= much
        amplified[(behind >> 2) + 1] -= many


@kernel
def unroll(series, slots, second):
    """Write these tracks' seconds, from the oldest to ``second``."""
    for slot in slots:
        unroll_one(series, slot, second)


@inlined
def unroll_one(series, slot, second):
    """One track's seconds."""
    steps, amplified, base, seconds = series.steps, series.amplified, series.base, series.seconds
    octets, packets, syn, udp = base[slot, 0], base[slot, 1], base[slot, 2], base[slot, 3]
    icmp, fragments, much, many, seen = base[slot, 4], base[slot, 5], base[slot, 6], base[slot, 7], base[slot, 8]
    for moment in range(second - LENGTH + 2, second + 1):
        place = uint64(moment & LAST_PLACE)
        octets += steps[slot, place, 0]
        packets += steps[slot, place, 1]
        syn += steps[slot, place, 2]
        udp += steps[slot, place, 3]
        icmp += steps[slot, place, 4]
        fragments += steps[slot, place, 5]
        seen += steps[slot, place, SEEN]
        much += amplified[slot, place, 0]
        many += amplified[slot, place, 1]
        seconds[slot, place, 0] = float32(octets) * float32(1 / GRAINS)
        seconds[slot, place, 1] = float32(packets) * float32(1 / GRAINS)
        seconds[slot, place, 2] = float32(syn) * float32(1 / GRAINS)
        seconds[slot, place, 3] = float32(udp) * float32(1 / GRAINS)
        seconds[slot, place, 4] = float32(icmp) * float32(1 / GRAINS)
        seconds[slot, place, 5] = float32(fragments) * float32(1 / GRAINS)
        seconds[slot, place, 6] = float32(much) * float32(1 / GRAINS)
        seconds[slot, place, 7] = float32(many) * float32(1 / GRAINS)
        seconds[slot, place, 8] = float32(seen) * float32(1 / GRAINS)
    for metric in range(METRICS):
        seconds[slot, uint64((second + 1) & LAST_PLACE), metric] = 0


@kernel
def sum_up(series, used, second, greatest, totals, shortly, long):
    """``second`` begins, see ``turn``: of each track that is ``used``, the greatest second of each metric before it, its bytes,
    packets and packets really seen in all, and the sums of the last seconds by metric; nothing is unrolled for that.
    """
    flat, flat_amplified = series.steps.reshape(series.steps.size), series.amplified.reshape(series.amplified.size)
    place = (second + 1) & LAST_PLACE
    for slot in range(len(used)):
        if not used[slot]:
            continue
        turn_one(series, slot, place)
        base, most, recent, late = series.base[slot], greatest[slot], shortly[slot], long[slot]
        octets, packets, syn, udp = base[0], base[1], base[2], base[3]
        icmp, fragments, much, many, seen = base[4], base[5], base[6], base[7], base[8]
        octets_most, packets_most, syn_most, udp_most = int64(0), int64(0), int64(0), int64(0)
        icmp_most, fragments_most, much_most, many_most = int64(0), int64(0), int64(0), int64(0)
        octets_all, packets_all, syn_all, udp_all, seen_all = float64(0), float64(0), float64(0), float64(0), float64(0)
        icmp_all, fragments_all, much_all, many_all = float64(0), float64(0), float64(0), float64(0)
        for moment in range(second - LENGTH + 2, second):
            if moment == second - LONG:
                late[0], late[1], late[2], late[3] = octets_all, packets_all, syn_all, udp_all
                late[4], late[5], late[6], late[7] = icmp_all, fragments_all, much_all, many_all
            if moment == second - SHORTLY:
                recent[0], recent[1], recent[2], recent[3] = octets_all, packets_all, syn_all, udp_all
                recent[4], recent[5], recent[6], recent[7] = icmp_all, fragments_all, much_all, many_all
            at = uint64(slot * PLACES + (moment & LAST_PLACE))
            line, beside = at * uint64(LINE), at * uint64(2)
            prefetch(flat, int64(line + uint64(PLACES * LINE)))  # the next track's
            prefetch(flat_amplified, int64(beside + uint64(PLACES * 2)))
            octets += flat[line]
            packets += flat[line + uint64(1)]
            syn += flat[line + uint64(2)]
            udp += flat[line + uint64(3)]
            icmp += flat[line + uint64(4)]
            fragments += flat[line + uint64(5)]
            seen += flat[line + uint64(SEEN)]
            much += flat_amplified[beside]
            many += flat_amplified[beside + uint64(1)]
            octets_most, packets_most = max(octets_most, octets), max(packets_most, packets)
            syn_most, udp_most = max(syn_most, syn), max(udp_most, udp)
            icmp_most, fragments_most = max(icmp_most, icmp), max(fragments_most, fragments)
            much_most, many_most = max(much_most, much), max(many_most, many)
            octets_all += float64(octets)
            packets_all += float64(packets)
            syn_all += float64(syn)
            udp_all += float64(udp)
            icmp_all += float64(icmp)
            fragments_all += float64(fragments)
            much_all += float64(much)
            many_all += float64(many)
            seen_all += float64(seen)
        for part in (recent, late):
            part[0], part[1], part[2], part[3] = octets_all - part[0], packets_all - part[1], syn_all - part[2], udp_all - part[3]
            part[4], part[5] = icmp_all - part[4], fragments_all - part[5]
            part[6], part[7] = much_all - part[6], many_all - part[7]
            for metric in range(8):
                part[metric] /= GRAINS
        most[0], most[1], most[2], most[3] = octets_most / GRAINS, packets_most / GRAINS, syn_most / GRAINS, udp_most / GRAINS
        most[4], most[5], most[6], most[7] = icmp_most / GRAINS, fragments_most / GRAINS, much_most / GRAINS, many_most / GRAINS
        totals[slot, 0], totals[slot, 1], totals[slot, 2] = octets_all / GRAINS, packets_all / GRAINS, seen_all / GRAINS


@kernel
def turn(series, top, second):
    """``second`` begins: the place of the one after it is made free; rates that began in what stood there go on."""
    for slot in range(top):
        turn_one(series, slot, (second + 1) & LAST_PLACE)


@inlined
def turn_one(series, slot, place):
    """Make that place of a track free."""
    for metric in range(6):
        series.base[slot, metric] += series.steps[slot, place, metric]
    series.base[slot, M_SAMPLES] += series.steps[slot, place, SEEN]
    series.base[slot, M_AMP_BYTES] += series.amplified[slot, place, 0]
    series.base[slot, M_AMP_PACKETS] += series.amplified[slot, place, 1]
    for word in range(LINE):
        series.steps[slot, place, word] = 0
    series.amplified[slot, place, 0] = series.amplified[slot, place, 1] = 0
