"""What each of our hosts, networks and customers sends and receives, second by second: one cache line per subject and direction.

Counters begin anew when a second begins, but only when the subject is seen again: nothing walks the tables. A subject that
reaches a first, low mark within a second is put on a list, which the detection looks at when the second is over; one that the
detection follows has a series of seconds of its own (see ``tracks``).
"""

from typing import NamedTuple

import numpy as np
from numba import float32, float64, int64, uint8, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, prefetch

# Words of a row. MOMENT: the second; from bit 32 on the number of its track, 0 for none; then HOT and WATCHED. Then bytes and
# packets, and packets by kind: each is of the first kind that fits: fragment, SYN without ACK, UDP, ICMP.
KEY, MOMENT, BYTES_SEEN, PACKETS_SEEN, SYN, UDP, ICMP, FRAGMENTS = range(8)
OTHER = -1
ROW = 8
SUM_BYTES, SUM_PACKETS, SUM_ROW = 2, 3, 4  # the words of a sum's row after KEY and MOMENT
TRACK_BIT, TRACKED = 32, 0xFFFF << 32
HOT, WATCHED = 1 << 48, 1 << 49
STAYS = TRACKED | WATCHED
PROBES, STALE = 64, 120  # rows looked at for a key; seconds after which a row may be given to another host
BLOCK = 64
SRC, DST, FAMILY, PROTOCOL, TCP_FLAGS, RATE, BYTES, PACKETS, SRC_HI, SRC_LO, DST_HI, DST_LO = (
    L.SRC, L.DST, L.FAMILY, L.PROTOCOL, L.TCP_FLAGS, L.RATE, L.BYTES, L.PACKETS, L.SRC_HI, L.SRC_LO, L.DST_HI, L.DST_LO
)  # fmt: skip
SRC_PORT, MARKS, START, END, FRAGMENT = L.SRC_PORT, L.MARKS, L.START, L.END, L.FRAGMENT
OUT, IN = 0, 1  # a row's direction: as source, as destination
GOLDEN, ODD = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
NETWORK_4, NETWORK_6, CUSTOMER = 1 << 60, 2 << 60, 3 << 60  # what the keys of sums begin with

# Metrics of a track's second.
M_BYTES, M_PACKETS, M_SYN, M_UDP, M_ICMP, M_FRAGMENTS, M_AMP_BYTES, M_AMP_PACKETS, M_SAMPLES = range(9)
METRICS = 9
LENGTH = 128  # seconds that a track remembers; a power of two, so that
LAST_PLACE = LENGTH - 1  # a mask finds a second's place
GRAINS = 1 << 16  # parts that a flow's bytes and packets are spread in
MOST_SPREAD = float(1 << 46)  # of one flow; what claims more is a lie
# What a port's number says of a flow; several may be true.
PORT_LOGIN, PORT_MAIL, PORT_AMPLIFIER, PORT_SERVICE, PORT_PROBED = 1, 2, 4, 8, 16


class Table(NamedTuple):
    """Rows, the full addresses of IPv6 rows, rows taken and flows that found no room."""

    rows: NDArray[np.uint64]
    six: NDArray[np.uint64]
    tally: NDArray[np.int64]


class HotList(NamedTuple):
    """Rows that reached a mark within this second: (row, customer); their number in ``counted[0]``, those left out in [1]."""

    rows: NDArray[np.int64]
    counted: NDArray[np.int64]


class Hosts:
    """Room for ``hosts`` active addresses in both directions, and for their networks and customers."""

    def __init__(self, hosts: int, seed: int, tracks: int = 2048) -> None:
        rows = max(1024, hosts * 5 // 2)
        self.table = Table(np.zeros((rows, ROW), np.uint64), np.zeros((rows, 2), np.uint64), np.zeros(2, np.int64))
        more = min(max(1024, hosts), 1 << 18)
        self.sums = Table(np.zeros((more, SUM_ROW), np.uint64), np.zeros((0, 2), np.uint64), np.zeros(2, np.int64))
        self.hot = HotList(np.zeros((16384, 2), np.int64), np.zeros(2, np.int64))
        self.hot_sums = HotList(np.zeros((16384, 2), np.int64), np.zeros(2, np.int64))
        self.watched = HotList(np.zeros((16384, 2), np.int64), np.zeros(2, np.int64))  # (flow, end) of this batch
        #: First marks: bytes and packets a second, of any kind; for hosts, then for sums.
        self.marks = np.full((2, 2), 1 << 62, np.uint64)
        #: Steps of each track's rates at each second, in GRAINS, and their sum up to the oldest second: see ``follow``.
        self.steps: NDArray[np.int64] = np.zeros((LENGTH, tracks, METRICS), np.int64)
        self.base: NDArray[np.int64] = np.zeros((tracks, METRICS), np.int64)
        self.ring: NDArray[np.float32] = np.zeros((LENGTH, tracks, METRICS), np.float32)
        self.ports: NDArray[np.uint8] = np.zeros(65536, np.uint8)
        self.keys: NDArray[np.uint64] = np.zeros((BLOCK, 6), np.uint64)
        self.places: NDArray[np.int64] = np.zeros((BLOCK, 6), np.int64)
        self.seed = np.uint64(seed)  # so that nobody can choose addresses that collide

    @property
    def tally(self) -> NDArray[np.int64]:
        return self.table.tally


def count_hosts(narrow, wide, customers, first: int, last: int, hosts: Hosts, second: int) -> None:
    """Add columns ``first`` to ``last`` to the rows of their ends that are ours, scaled by the sampling rate."""
    h = hosts
    count(
        narrow, wide, customers, first, last, h.table.rows, h.table.six, h.table.tally, h.sums.rows, h.sums.tally,
        h.hot.rows, h.hot.counted, h.hot_sums.rows, h.hot_sums.counted, h.watched.rows, h.watched.counted, h.marks, h.steps,
        h.ports, h.keys, h.places, h.seed, second,
    )  # fmt: skip


@inlined
def key_of(narrow, wide, i, end, seed):
    """The key of one end of a flow; IPv6 keys are keyed digests with the top bit set."""
    if narrow[FAMILY, i] == 4:
        return uint64(1 << 40) | uint64(narrow[DST if end else SRC, i]) << uint64(1) | uint64(end)
    row = DST_HI if end else SRC_HI
    mixed = (wide[row, i] ^ seed) * uint64(GOLDEN)
    mixed = (mixed ^ (mixed >> uint64(29)) ^ wide[row + 1, i]) * uint64(ODD)
    mixed ^= mixed >> uint64(32)
    return (mixed | uint64(1 << 63)) & ~uint64(1) | uint64(end)


@inlined
def network_of(narrow, wide, i, end):
    """The key of the /24 or /48 that an end lies in."""
    if narrow[FAMILY, i] == 4:
        return uint64(NETWORK_4) | uint64(narrow[DST if end else SRC, i] >> 8) << uint64(1) | uint64(end)
    return uint64(NETWORK_6) | (wide[DST_HI if end else SRC_HI, i] >> uint64(16)) << uint64(1) | uint64(end)


@inlined
def place_of(key, rows):
    return np.int64(((key * uint64(GOLDEN)) >> uint64(32)) * uint64(rows) >> uint64(32))


@inlined
def kind_of(narrow, i, of_port):
    """The word of a row that a flow's packets are counted in beside the sum; OTHER for none."""
    protocol = narrow[PROTOCOL, i]
    if narrow[MARKS, i] & FRAGMENT:
        return int64(FRAGMENTS)
    if protocol == 6:
        return int64(SYN) if narrow[TCP_FLAGS, i] & 0x12 == 2 else int64(OTHER)
    if protocol == 17:
        return int64(UDP) if of_port & PORT_SERVICE == 0 else int64(OTHER)
    return int64(ICMP) if protocol == 1 or protocol == 58 else int64(OTHER)


@kernel
def find_row(table, six, key, at, hi, lo, second, tally):
    """The row of a host: its own, a free one, or one that was not seen for two minutes; -1 when all near are taken."""
    rows = len(table)
    spare = np.int64(-1)
    is_six = key >> uint64(63) == 1
    for _ in range(PROBES):
        held = table[at, KEY]
        if held == key and (not is_six or (six[at, 0] == hi and six[at, 1] == lo)):
            return at
        if held == 0:
            if spare < 0:
                spare = at
                tally[0] += 1
            break
        moment = table[at, MOMENT]
        if spare < 0 and np.int64(moment & uint64(0xFFFFFFFF)) + STALE < second and moment & uint64(TRACKED) == 0:
            spare = at
        at = at + 1 if at + 1 < rows else np.int64(0)
    if spare >= 0:
        for word in range(ROW):
            table[spare, word] = 0
        table[spare, KEY] = key
        if is_six:
            six[spare, 0], six[spare, 1] = hi, lo
    return spare


@kernel
def find_sum(sums, key, at, second, tally):
    """As ``find_row`` for a network or a customer."""
    spare = int64(-1)
    for _ in range(PROBES):
        held, moment = sums[at, KEY], sums[at, MOMENT]
        if held == key:
            return at
        if held == 0:
            if spare < 0:
                spare = at
                tally[0] += 1
            break
        if spare < 0 and int64(moment & uint64(0xFFFFFFFF)) + STALE < second and moment & uint64(TRACKED) == 0:
            spare = at
        at = at + 1 if at + 1 < len(sums) else int64(0)
    if spare >= 0:
        for word in range(SUM_ROW):
            sums[spare, word] = 0
        sums[spare, KEY] = key
    return spare


@kernel
def put(listed, counted, at, who):
    """Note a row and its customer on a list of those that reached a mark."""
    if counted[0] < len(listed):
        listed[counted[0], 0], listed[counted[0], 1] = at, who
        counted[0] += 1
    else:
        counted[1] += 1


@inlined
def step(steps, slot, first, behind, metric, amount):
    """A rate begins at one second and ends before another; whole numbers, so that what ends leaves exactly nothing."""
    grains = int64(amount)
    steps[first, slot, metric] += grains
    steps[behind, slot, metric] -= grains


@kernel
def follow(steps, moment_word, narrow, wide, i, second, octets, packets, kind, of_port):
    """Add a flow to a track, spread evenly over the seconds from its start to its end; what lies too far back is left out.

    Only where its rate begins and ends is written, however long it lasts; ``unroll`` makes seconds of the steps.
    """
    slot = int64(moment_word >> uint64(TRACK_BIT) & uint64(0xFFFF)) - 1
    end = int64(wide[END, i]) // 1000
    start = int64(wide[START, i]) // 1000
    if end > second or end < second - 3600:  # a clock that is wrong: it came just now
        start, end = second - max(int64(0), min(end - start, int64(3600))), second
    if start > end or start < end - 3600:
        start = end
    oldest = second - LENGTH + 2
    if end < oldest:
        return
    share = GRAINS / (end - start + 1)
    first, behind = max(start, oldest) & LAST_PLACE, (end + 1) & LAST_PLACE
    much, many = min(float64(octets), MOST_SPREAD) * share, min(float64(packets), MOST_SPREAD) * share
    step(steps, slot, first, behind, M_BYTES, much)
    step(steps, slot, first, behind, M_PACKETS, many)
    step(steps, slot, first, behind, M_SAMPLES, min(float64(wide[PACKETS, i]), MOST_SPREAD) * share)
    if kind >= SYN:
        step(steps, slot, first, behind, kind - SYN + M_SYN, many)
    if narrow[PROTOCOL, i] == 17 and of_port & PORT_AMPLIFIER != 0:
        step(steps, slot, first, behind, M_AMP_BYTES, much)
        step(steps, slot, first, behind, M_AMP_PACKETS, many)


@kernel
def unroll(steps, rates, ring, top, second):
    """Write the first ``top`` tracks' seconds into ``ring``, from the oldest to ``second``. ``rates``: a copy of the base."""
    for moment in range(second - LENGTH + 2, second + 1):
        place = moment & LAST_PLACE
        for slot in range(top):
            for metric in range(METRICS):
                rates[slot, metric] += steps[place, slot, metric]
                ring[place, slot, metric] = float32(rates[slot, metric]) * float32(1 / GRAINS)
    ring[(second + 1) & LAST_PLACE, :top] = 0


@kernel
def turn_steps(steps, base, top, second):
    """``second`` begins: the place of the one after it is made free; rates that began in what stood there go on."""
    place = (second + 1) & LAST_PLACE
    for slot in range(top):
        for metric in range(METRICS):
            base[slot, metric] += steps[place, slot, metric]
            steps[place, slot, metric] = 0


@kernel
def refill(steps, slot, narrow, wide, flows, ports, second):
    """Add flows that were counted before their subject was followed."""
    for i in range(flows):
        scale = uint64(max(narrow[RATE, i], 1))
        of_port = ports[narrow[SRC_PORT, i] & 0xFFFF] if narrow[PROTOCOL, i] == 17 else uint8(0)
        word = uint64(slot + 1) << uint64(TRACK_BIT)
        octets, packets = wide[BYTES, i] * scale, wide[PACKETS, i] * scale
        follow(steps, word, narrow, wide, i, second, octets, packets, kind_of(narrow, i, of_port), of_port)


@kernel
def count(
    narrow, wide, customers, first, last, table, six, tally, sums, tally_sums, hot, hot_count, hot_sums, hot_sums_count, watched,
    watched_count, marks, steps, ports, keys, places, seed, second,
):  # fmt: skip
    """In blocks: first every row that a block needs is asked for, then they are written, by then out of the cache.

    Columns of ``keys``: host as source and as destination, then networks, then customers.
    """
    flat, flat_sums = table.reshape(table.size), sums.reshape(sums.size)
    rows, rows_sums = len(table), len(sums)
    most_octets, most_packets, sum_octets, sum_packets = marks[0, 0], marks[0, 1], marks[1, 0], marks[1, 1]
    for begin in range(first, last, BLOCK):
        end_of_block = min(begin + BLOCK, last)
        for i in range(begin, end_of_block):
            b = i - begin
            for end in range(2):
                who = customers[end, i]
                if who != 0:
                    key = key_of(narrow, wide, i, end, seed)
                    place = place_of(key, rows)
                    keys[b, end], places[b, end] = key, place
                    prefetch(flat, place * ROW)
                    key = network_of(narrow, wide, i, end)
                    place = place_of(key, rows_sums)
                    keys[b, 2 + end], places[b, 2 + end] = key, place
                    prefetch(flat_sums, place * SUM_ROW)
                    key = uint64(CUSTOMER) | uint64(max(who, 0)) << uint64(1) | uint64(end)
                    place = place_of(key, rows_sums)
                    keys[b, 4 + end], places[b, 4 + end] = key, place
                    prefetch(flat_sums, place * SUM_ROW)
        for i in range(begin, end_of_block):
            b = i - begin
            sampled = wide[PACKETS, i]
            scale = uint64(max(narrow[RATE, i], 1))
            octets, packets = wide[BYTES, i] * scale, sampled * scale
            of_port = ports[narrow[SRC_PORT, i] & 0xFFFF] if narrow[PROTOCOL, i] == 17 else uint8(0)
            kind = kind_of(narrow, i, of_port)
            for end in range(2):
                who = customers[end, i]
                if who == 0:
                    continue
                key, at = keys[b, end], places[b, end]
                if table[at, KEY] != key or key >> uint64(63) == 1:
                    mine = DST_HI if end else SRC_HI
                    at = find_row(table, six, key, at, wide[mine, i], wide[mine + 1, i], second, tally)
                if at >= 0:
                    moment = table[at, MOMENT]
                    if int64(moment & uint64(0xFFFFFFFF)) != second:
                        moment = moment & uint64(STAYS) | uint64(second)
                        table[at, MOMENT] = moment
                        for word in range(BYTES_SEEN, ROW):
                            table[at, word] = 0
                    table[at, BYTES_SEEN] += octets
                    if kind >= 0:
                        table[at, kind] += packets
                    table[at, PACKETS_SEEN] += packets
                    if (table[at, BYTES_SEEN] >= most_octets or table[at, PACKETS_SEEN] >= most_packets) and not moment & uint64(
                        HOT
                    ):
                        table[at, MOMENT] = moment | uint64(HOT)
                        put(hot, hot_count, at, who)
                    if moment & uint64(STAYS):
                        if moment & uint64(TRACKED):
                            follow(steps, moment, narrow, wide, i, second, octets, packets, kind, of_port)
                        if moment & uint64(WATCHED):
                            put(watched, watched_count, i, end)
                else:
                    tally[1] += 1
                for level in range(2 + end, 6, 2):
                    if level >= 4 and who < 0:
                        break
                    key, at = keys[b, level], places[b, level]
                    if sums[at, KEY] != key:
                        at = find_sum(sums, key, at, second, tally_sums)
                        if at < 0:
                            tally_sums[1] += 1
                            continue
                    moment = sums[at, MOMENT]
                    if int64(moment & uint64(0xFFFFFFFF)) != second:
                        moment = moment & uint64(STAYS) | uint64(second)
                        sums[at, MOMENT] = moment
                        sums[at, SUM_BYTES], sums[at, SUM_PACKETS] = octets, packets
                    else:
                        sums[at, SUM_BYTES] += octets
                        sums[at, SUM_PACKETS] += packets
                    if (sums[at, SUM_BYTES] >= sum_octets or sums[at, SUM_PACKETS] >= sum_packets) and not moment & uint64(HOT):
                        sums[at, MOMENT] = moment | uint64(HOT)
                        put(hot_sums, hot_sums_count, at, who)
                    if moment & uint64(TRACKED):
                        follow(steps, moment, narrow, wide, i, second, octets, packets, kind, of_port)
