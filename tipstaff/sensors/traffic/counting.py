"""What each of our hosts, networks and customers sends and receives, second by second: one cache line per subject and direction.

Counters begin anew when a second begins, but only when the subject is seen again: nothing walks the tables. A subject that
reaches a first, low mark within a second is put on a list, which the detection looks at when the second is over; one that the
detection follows has a series of seconds of its own (see ``tracks``).
"""

from typing import NamedTuple

import numpy as np
from numba import int64, uint8, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic import series
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, prefetch
from tipstaff.sensors.traffic.lines import add_to_one
from tipstaff.sensors.traffic.series import LINE, PLACES, aligned

# Words of a row. MOMENT: the second; from bit 32 on the number of its track, 0 for none; then HOT and WATCHED. Then bytes and
# packets, and packets by kind: each is of the first kind that fits: fragment, SYN without ACK, UDP, ICMP.
KEY, MOMENT, BYTES_SEEN, PACKETS_SEEN, SYN, UDP, ICMP, FRAGMENTS = range(8)
OTHER = -1
ROW = 8
SUM_BYTES, SUM_PACKETS, SUM_ROW = BYTES_SEEN, PACKETS_SEEN, 4  # a sum's row has no more than these
TRACK_BIT, TRACKED = 32, 0xFFFF << 32
HOT_BIT, HOT, WATCHED = 48, 1 << 48, 1 << 49
STAYS = TRACKED | WATCHED
PROBES, STALE = 64, 120  # rows looked at for a key; seconds after which a row may be given to another host
BLOCK = 256  # flows that are listed together
AHEAD, AHEAD_STEPS = 24, 12  # ends before a row is written it is asked for; additions before a track's second is
# Words of a listed end: twice the flow's place in its block and the end; customer; of each level, host, network and customer, the
# key, and the row at which to look for it first.
FLOW, WHO, KEYS, AT, LEVELS, END_ROW = 0, 1, 2, 5, 3, 8
SRC, DST, FAMILY, PROTOCOL, TCP_FLAGS, RATE, BYTES, PACKETS, SRC_HI, SRC_LO, DST_HI, DST_LO = (
    L.SRC, L.DST, L.FAMILY, L.PROTOCOL, L.TCP_FLAGS, L.RATE, L.BYTES, L.PACKETS, L.SRC_HI, L.SRC_LO, L.DST_HI, L.DST_LO
)  # fmt: skip
SRC_PORT, MARKS, START, END, FRAGMENT = L.SRC_PORT, L.MARKS, L.START, L.END, L.FRAGMENT
OUT, IN = 0, 1  # a row's direction: as source, as destination
GOLDEN, ODD = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
NETWORK_4, NETWORK_6, CUSTOMER = 1 << 60, 2 << 60, 3 << 60  # what the keys of sums begin with

M_BYTES, M_PACKETS, M_SYN, M_UDP, M_ICMP, M_FRAGMENTS, M_AMP_BYTES, M_AMP_PACKETS, M_SAMPLES = range(series.METRICS)
LENGTH, METRICS, GRAINS, LAST_PLACE = series.LENGTH, series.METRICS, series.GRAINS, series.LAST_PLACE
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


class Jobs(NamedTuple):
    """What is to be counted of a block: its ends that are ours, see FLOW; of each flow amounts and what its ports say; then the
    ends that belong to any track, what of them is spread over seconds, and which of those belong to which tracks."""

    ends: NDArray[np.int64]
    octets: NDArray[np.uint64]
    packets: NDArray[np.uint64]
    kind: NDArray[np.int64]
    kindred: NDArray[np.uint64]
    marks: NDArray[np.uint8]
    amplified: NDArray[np.uint8]
    tracks: NDArray[np.uint64]
    spread: NDArray[np.int64]
    spreads: NDArray[np.int64]
    follows: NDArray[np.int64]


class Tables(NamedTuple):
    """Of hosts and of sums, as the kernels take them."""

    rows: NDArray[np.uint64]
    six: NDArray[np.uint64]
    tally: NDArray[np.int64]
    sums: NDArray[np.uint64]
    tally_sums: NDArray[np.int64]


def new_jobs() -> Jobs:
    ends = 2 * BLOCK + 1
    numbers, places, marks = ((lambda kind=kind: aligned((BLOCK,), kind)) for kind in (np.uint64, np.int64, np.uint8))
    return Jobs(
        aligned((ends, END_ROW), np.int64), numbers(), numbers(), places(), numbers(), marks(), marks(),
        aligned((ends,), np.uint64), np.zeros(ends, np.int64), aligned((ends, LINE), np.int64),
        np.zeros((LEVELS * ends + 1, 3), np.int64),
    )  # fmt: skip


class Hosts:
    """Room for ``hosts`` active addresses in both directions, and for their networks and customers."""

    def __init__(self, hosts: int, seed: int, tracks: int = 2048) -> None:
        rows = max(1024, hosts * 5 // 2)
        self.table = Table(aligned((rows, ROW), np.uint64), np.zeros((rows, 2), np.uint64), np.zeros(2, np.int64))
        more = min(max(1024, hosts), 1 << 19) & ~1
        self.sums = Table(aligned((more, SUM_ROW), np.uint64), np.zeros((0, 2), np.uint64), np.zeros(2, np.int64))
        self.hot = HotList(np.zeros((16384, 2), np.int64), np.zeros(2, np.int64))
        self.hot_sums = HotList(np.zeros((16384, 2), np.int64), np.zeros(2, np.int64))
        self.watched = HotList(np.zeros((16384, 2), np.int64), np.zeros(2, np.int64))  # (flow, end) of this batch
        #: First marks: bytes and packets a second, of any kind; for hosts, then for sums.
        self.marks = np.full((2, 2), 1 << 62, np.uint64)
        self.series = series.new_series(tracks)
        self.ports: NDArray[np.uint8] = np.zeros(65536, np.uint8)
        self.jobs = new_jobs()
        self.seed = np.uint64(seed)  # so that nobody can choose addresses that collide
        self.tables = Tables(*self.table, *self.sums[::2])
        self.lists = (*self.hot, *self.hot_sums, *self.watched)

    @property
    def tally(self) -> NDArray[np.int64]:
        return self.table.tally

    @property
    def ring(self) -> NDArray[np.float32]:
        """Seconds of the tracks by place, track and metric."""
        return self.series.seconds.transpose(1, 0, 2)


def count_hosts(narrow, wide, customers, first: int, last: int, hosts: Hosts, second: int) -> None:
    """Add columns ``first`` to ``last`` to the rows of their ends that are ours, scaled by the sampling rate."""
    h = hosts
    count(narrow, wide, customers, first, last, h.tables, h.jobs, h.lists, h.marks, h.series, h.ports, h.seed, second)


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
def place_of_sum(key, rows):
    """As ``place_of``, both directions of a subject side by side in a cache line; ``rows`` is even."""
    return place_of(key >> uint64(1), rows >> 1) << 1 | np.int64(key & uint64(1))


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
    """The row of a host or of a sum: its own, a free one, or one that was not seen for two minutes; else the one near that was not
    seen for longest, for a row holds a second; -1 when all near were seen in this one, or are followed."""
    rows = len(table)
    spare, rests, since = np.int64(-1), np.int64(-1), np.int64(second)
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
        seen = np.int64(moment & uint64(0xFFFFFFFF))
        if spare < 0 and seen + STALE < second and moment & uint64(TRACKED) == 0:
            spare = at
        if seen < since and moment & uint64(STAYS) == 0:
            rests, since = at, seen
        at = at + 1 if at + 1 < rows else np.int64(0)
    spare = spare if spare >= 0 else rests
    if spare >= 0:
        table[spare] = 0
        table[spare, KEY] = key
        if is_six:
            six[spare, 0], six[spare, 1] = hi, lo
    return spare


@kernel
def put(listed, counted, at, who):
    """Note a row and its customer on a list of those that reached a mark."""
    if counted[0] < len(listed):
        listed[counted[0], 0], listed[counted[0], 1] = at, who
        counted[0] += 1
    else:
        counted[1] += 1


@kernel
def refill(tracks, slot, narrow, wide, flows, ports, second):
    """Add flows that were counted before their subject was followed."""
    steps, amplified, base = tracks.steps.reshape(tracks.steps.size), tracks.amplified.reshape(tracks.amplified.size), slot * PLACES
    for i in range(flows):
        scale = uint64(max(narrow[RATE, i], 1))
        of_port = uint8(ports[narrow[SRC_PORT, i] & 0xFFFF] if narrow[PROTOCOL, i] == 17 else 0)
        octets, packets, kind = wide[BYTES, i] * scale, wide[PACKETS, i] * scale, kind_of(narrow, i, of_port) - SYN + M_SYN
        end, start = int64(wide[END, i] // uint64(1000)), int64(wide[START, i] // uint64(1000))
        counts, first, behind = series.spread(end, start, second, octets, packets, wide[PACKETS, i], kind, tracks.spare)
        if counts:
            first, behind = (base + int64(first)) * LINE, (base + int64(behind)) * LINE
            series.add(steps, amplified, first, behind, tracks.spare, int64(0), of_port & PORT_AMPLIFIER != 0)


@inlined
def weigh(narrow, wide, begin, behind, jobs, ports):
    """Amounts and kinds of a block's flows, one kind of step after the other: the processor takes several flows at a time."""
    rates, protocols, flags, sources = narrow[RATE], narrow[PROTOCOL], narrow[TCP_FLAGS], narrow[SRC_PORT]
    octets, packets, told, marks = wide[BYTES], wide[PACKETS], narrow[MARKS], jobs.marks
    first, flows = uint64(begin), uint64(behind - begin)
    for k in range(flows):
        scale = uint64(max(rates[first + k], 1))
        jobs.octets[k], jobs.packets[k] = octets[first + k] * scale, packets[first + k] * scale
        marks[k] = ports[uint64(sources[first + k] & 0xFFFF)]
    for k in range(flows):
        protocol = protocols[first + k]
        fragment, icmp = told[first + k] & FRAGMENT != 0, (protocol == 1) | (protocol == 58)
        syn = (protocol == 6) & (flags[first + k] & 0x12 == 2)
        udp = (protocol == 17) & (marks[k] & PORT_SERVICE == 0)
        jobs.kind[k] = int64(FRAGMENTS if fragment else SYN if syn else UDP if udp else ICMP)
        jobs.kindred[k] = jobs.packets[k] if fragment | syn | udp | icmp else uint64(0)
        jobs.amplified[k] = (protocol == 17) & (marks[k] & PORT_AMPLIFIER != 0)


@inlined
def list_ends(narrow, wide, customers, begin, behind, tables, jobs, seed):
    """List the ends of a block's flows that are ours, with the keys and places of what is to be counted of them. How many."""
    ends, rows, rows_sums, count = jobs.ends, len(tables.rows), len(tables.sums), uint64(0)
    for k in range(uint64(behind - begin)):  # without a branch, as which end is ours cannot be foreseen
        i = uint64(begin) + k
        ends[count, FLOW] = k << 1
        count += uint64(customers[0, i] != 0)
        ends[count, FLOW] = k << 1 | 1
        count += uint64(customers[1, i] != 0)
    for j in range(count):
        end, i = uint64(ends[j, FLOW] & 1), uint64(begin) + uint64(ends[j, FLOW] >> 1)
        if narrow[FAMILY, i] == 4:
            address = uint64(narrow[uint64(SRC) + end, i])
            key = uint64(1 << 40) | address << uint64(1) | end
            network = uint64(NETWORK_4) | address >> uint64(8) << uint64(1) | end
        else:
            key, network = key_of(narrow, wide, i, end, seed), network_of(narrow, wide, i, end)
        who = int64(customers[end, i])
        customer = uint64(CUSTOMER) | uint64(max(who, 0)) << uint64(1) | end
        ends[j, WHO], ends[j, KEYS], ends[j, KEYS + 1], ends[j, KEYS + 2] = who, int64(key), int64(network), int64(customer)
        ends[j, AT] = place_of(key, rows)
        ends[j, AT + 1], ends[j, AT + 2] = place_of_sum(network, rows_sums), place_of_sum(customer, rows_sums)
    return count


@inlined
def ask(flat, flat_sums, end):
    """Ask for the rows of a listed end."""
    prefetch(flat, end[AT] * ROW)
    prefetch(flat_sums, end[AT + 1] * SUM_ROW)
    prefetch(flat_sums, end[AT + 2] * SUM_ROW)


@kernel
def count(narrow, wide, customers, first, last, tables, jobs, lists, marks, seconds, ports, seed, second):
    """In blocks: list the ends that are ours, then write their rows, then the seconds of whom the detection follows."""
    for begin in range(first, last, BLOCK):
        behind = min(begin + BLOCK, last)
        weigh(narrow, wide, begin, behind, jobs, ports)
        ends = list_ends(narrow, wide, customers, begin, behind, tables, jobs, seed)
        write(wide, begin, ends, tables, jobs, lists, marks, second)
        follow(wide, begin, ends, jobs, seconds.steps, seconds.amplified, second)


@inlined
def add_amounts(flat, row, octets, packets, second, marks):
    """Add to a row of a host or of a sum. What of its moment was to stay; all bits or none, as what else it holds is of this second
    or of an earlier one; whether it reached a mark just now."""
    moment = flat[row + uint64(MOMENT)]
    keep = uint64(0) - uint64(int64(moment & uint64(0xFFFFFFFF)) == second)
    moment &= uint64(STAYS) | (uint64(HOT) & keep)
    octets += flat[row + uint64(BYTES_SEEN)] & keep
    packets += flat[row + uint64(PACKETS_SEEN)] & keep
    reached = uint64(octets >= marks[0]) | uint64(packets >= marks[1])
    flat[row + uint64(MOMENT)] = moment | uint64(second) | reached << uint64(HOT_BIT)
    flat[row + uint64(BYTES_SEEN)], flat[row + uint64(PACKETS_SEEN)] = octets, packets
    return moment, keep, reached & ~(moment >> uint64(HOT_BIT)) != 0


@inlined
def write(wide, begin, ends, tables, jobs, lists, marks, second):
    """Add listed ends to their rows, each asked for some ends before, so that it is in the cache, and note which tracks they belong
    to. Nothing here branches on what cannot be foreseen.
    """
    table, six, tally, sums, tally_sums = tables
    hot, hot_count, hot_sums, hot_sums_count, watched, watched_count = lists
    of_hosts, of_sums = (marks[0, 0], marks[0, 1]), (marks[1, 0], marks[1, 1])
    flat, flat_sums = table.reshape(table.size), sums.reshape(sums.size)
    for j in range(min(ends, uint64(AHEAD))):
        ask(flat, flat_sums, jobs.ends[j])
    for j in range(ends):
        ask(flat, flat_sums, jobs.ends[min(j + uint64(AHEAD), ends - uint64(1))])
        listed, tracks = jobs.ends[j], uint64(0)
        k, who = uint64(listed[FLOW] >> 1), listed[WHO]
        octets, packets = jobs.octets[k], jobs.packets[k]
        key, at = uint64(listed[KEYS]), listed[AT]
        if flat[uint64(at) * uint64(ROW)] != key or key >> uint64(63) == 1:
            i, mine = uint64(begin) + k, uint64(SRC_HI) + uint64(2) * uint64(listed[FLOW] & 1)
            at = find_row(table, six, key, at, wide[mine, i], wide[mine + uint64(1), i], second, tally)
        if at >= 0:
            moment, keep, is_newly_hot = add_amounts(flat, uint64(at) * uint64(ROW), octets, packets, second, of_hosts)
            add_to_one(flat, at * ROW + SYN, keep, jobs.kind[k] - SYN, jobs.kindred[k])
            if is_newly_hot:
                put(hot, hot_count, at, who)
            if moment & uint64(WATCHED):
                put(watched, watched_count, int64(uint64(begin) + k), listed[FLOW] & 1)
            tracks = moment >> uint64(TRACK_BIT) & uint64(0xFFFF)
        else:
            tally[1] += 1
        for level in range(1, LEVELS if who >= 0 else LEVELS - 1):
            key, at = uint64(listed[KEYS + level]), listed[AT + level]
            if flat_sums[uint64(at) * uint64(SUM_ROW)] != key:
                at = find_row(sums, six, key, at, uint64(0), uint64(0), second, tally_sums)
                if at < 0:
                    tally_sums[1] += 1
                    continue
            moment, keep, is_newly_hot = add_amounts(flat_sums, uint64(at) * uint64(SUM_ROW), octets, packets, second, of_sums)
            if is_newly_hot:
                put(hot_sums, hot_sums_count, at, who)
            tracks |= (moment >> uint64(TRACK_BIT) & uint64(0xFFFF)) << uint64(16 * level)
        jobs.tracks[j] = tracks


@inlined
def follow(wide, begin, ends, jobs, steps, amplified, second):
    """Spread what belongs to tracks over seconds, then add it to each of them, their lines asked for some additions before."""
    spread, followed = uint64(0), uint64(0)
    for j in range(ends):
        jobs.spread[spread] = j
        spread += uint64(jobs.tracks[j] != 0)
    for n in range(spread):
        j = uint64(jobs.spread[n])
        k, tracks = uint64(jobs.ends[j, FLOW] >> 1), jobs.tracks[j]
        i = uint64(begin) + k
        end, start = int64(wide[END, i] // uint64(1000)), int64(wide[START, i] // uint64(1000))
        kind = jobs.kind[k] - SYN + M_SYN if jobs.kindred[k] else int64(OTHER)
        counts, first, behind = series.spread(
            end, start, second, jobs.octets[k], jobs.packets[k], wide[PACKETS, i], kind, jobs.spreads[n]
        )
        if counts:
            for level in range(LEVELS):
                track = tracks >> uint64(16 * level) & uint64(0xFFFF)
                line = (track - uint64(1)) * uint64(PLACES)
                jobs.follows[followed, 0] = (line + first) * uint64(LINE)
                jobs.follows[followed, 1] = (line + behind) * uint64(LINE)
                jobs.follows[followed, 2] = n << uint64(1) | uint64(jobs.amplified[k] != 0)
                followed += uint64(track != 0)
    flat, flat_amplified = steps.reshape(steps.size), amplified.reshape(amplified.size)
    lines = jobs.spreads.reshape(jobs.spreads.size)
    for f in range(followed):
        later, now = jobs.follows[min(f + uint64(AHEAD_STEPS), followed - uint64(1))], jobs.follows[f]
        prefetch(flat, later[0])
        prefetch(flat, later[1])
        series.add(flat, flat_amplified, now[0], now[1], lines, (now[2] >> 1) * LINE, now[2] & 1 != 0)
