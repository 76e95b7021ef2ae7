"""Whom a host contacts: distinct peers and ports of probes, login attempts and mail, in a window of a minute and one of an hour.

A row per host, direction and concern. Windows are two generations long: the younger fills, the older still counts, so a
window holds what came within the last half to whole of its length. Distinct peers and ports are bits by hash (linear
counting, Whang et al. 1990), 512 and 256 of them. What stands out at once (listed peers, blocked or foreign sources) is copied
to a list of suspects; both lists have an end, and count what did not fit.
"""

from typing import NamedTuple

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, prefetch
from tipstaff.sensors.traffic.detection import concerns
from tipstaff.sensors.traffic.detection.concerns import list_concerns, login_weight, mixed, peer_of
from tipstaff.sensors.traffic.detection.watching import Watchlists, suspect
from tipstaff.sensors.traffic.series import aligned

PROBE, SWEEP, LOGIN, MAIL = concerns.PROBE, concerns.SWEEP, concerns.LOGIN, concerns.MAIL
CONCERNS = ("probe", "sweep", "login", "mail")
# Words of a row; pairs of numbers stand in one word, the younger generation or the short window in the lower half.
# GENERATIONS: when the short and the long window's younger ones began. LAST: last second, customer above 32 bits.
# DISTINCT: peers of the minute, of the hour, ports of the minute, of the hour, 16 bits each. ANSWERED: flows of the host that
# are no probes, as the minute's two generations and the hour's. ABOUT: sampling rate, port of the last contact, its protocol.
KEY, GENERATIONS, LAST, SHORT, LONG, ANSWERED, DISTINCT, ABOUT = range(8)
# Bits: the words of the four generations that hold the same bit stand side by side, so that a contact touches one line of them.
SHORT_PEERS, SHORT_PEERS_OLD, LONG_PEERS, LONG_PEERS_OLD = 8, 9, 10, 11
SHORT_PORTS, SHORT_PORTS_OLD, LONG_PORTS, LONG_PORTS_OLD = 40, 41, 42, 43
FAN_ROW, BESIDE = 56, 4
PEER_BITS, PORT_BITS = 512, 256
PEER_WORDS, PORT_WORDS = PEER_BITS // 64, PORT_BITS // 64
SHORT_GENERATION, LONG_GENERATION = 30, 1800  # seconds
NEAR, IDLE = 16, 60  # rows looked at for a key; seconds after which the least busy of them may be given away
AT_ONCE, CHUNK = 64, 2048  # contacts whose rows are asked for together; flows that are looked through together
LOW = 0xFFFFFFFF
OURS = 1 << 40  # added to how busy a row is that tells what ours do: it makes room last

# Marks: per concern and direction, distinct peers or ports, times the sampling rate, of the short and the long window from which
# on a row is looked at, and which of them count; LEAST_SEEN must really have been seen.
MARK_SHORT, MARK_LONG, MARK_OF = range(3)
OF_BOTH, OF_ATTEMPTS, OF_PORTS = range(3)
LEAST_SEEN = 8
FOR_OURS = 2048  # places of a list of rows to be looked at that are kept for what ours do


class Fans(NamedTuple):
    """Rows of one concern, addresses of IPv6 hosts, [taken, without room], and those that reached a mark."""

    rows: NDArray[np.uint64]
    six: NDArray[np.uint64]
    tally: NDArray[np.int64]
    hot: NDArray[np.int64]
    hot_count: NDArray[np.int64]
    #: Of each row its key, and its last second with how busy it is above 32 bits: close together, as many are looked through.
    heads: NDArray[np.uint64]


class Jobs(NamedTuple):
    """Of some flows their masks of concerns, and those that concern anything with theirs; then of some contacts flow, end, place
    and bits (of the peer, of the port above 32 bits), and their keys."""

    masks: NDArray[np.uint8]
    found: NDArray[np.int64]
    waiting: NDArray[np.int64]
    keys: NDArray[np.uint64]


class Contacts:
    """Everything that ``note_contacts`` writes."""

    def __init__(self, rows: tuple[int, int, int, int] = (65536, 16384, 32768, 16384)) -> None:
        self.fans = tuple(new_fans(count) for count in rows)
        self.marks: NDArray[np.int64] = np.full((4, 2, 3), 1 << 40, np.int64)
        self.least: NDArray[np.float64] = np.full((4, 2, 2), np.inf)  # limits below which no open finding goes on either
        self.release = 1.0  # the least share of a limit above which an open finding goes on
        self.told = [0] * 4  # the row of each concern that had its turn last
        self.watched: dict[tuple[int, int, int], int] = {}  # whose answers are counted, since when
        ends = AT_ONCE + 2
        self.jobs = Jobs(
            np.zeros(CHUNK, np.uint8), np.zeros((CHUNK + 1, 2), np.int64), np.zeros((ends, 4), np.int64), np.zeros(ends, np.uint64)
        )


def new_fans(rows: int) -> Fans:
    return Fans(
        aligned((rows, FAN_ROW), np.uint64), np.zeros((rows, 2), np.uint64), np.zeros(2, np.int64), np.zeros(8192, np.int64),
        np.zeros(2, np.int64), aligned((rows, 2), np.uint64),
    )  # fmt: skip


def note_contacts(
    narrow: NDArray[np.uint32], wide: NDArray[np.uint64], customers: NDArray[np.int32], first: int, last: int,
    hosts: C.Hosts, contacts: Contacts, watched: Watchlists, second: int,
) -> None:  # fmt: skip
    """Look at columns ``first`` to ``last``, after they were counted."""
    w = watched
    if w.plan[0]:
        suspect(
            narrow, wide, customers, first, last, w.plan, w.listed, w.blocked, w.interfaces, w.uplinks, w.suspects, w.suspects_count
        )  # fmt: skip
    note(narrow, wide, customers, first, last, hosts.ports, hosts.seed, second, contacts.marks, contacts.jobs, *contacts.fans)
    answered = min(int(hosts.watched.counted[0]), len(hosts.watched.rows))
    if answered:
        probe, mark = contacts.fans[PROBE], contacts.marks[PROBE]
        note_answered(narrow, wide, hosts.watched.rows, answered, hosts.seed, second, probe, mark, contacts.jobs)
        hosts.watched.counted[0] = 0


@inlined
def bits_of(word):
    """How many bits of a word are set."""
    word = word - (word >> uint64(1) & uint64(0x5555555555555555))
    word = (word & uint64(0x3333333333333333)) + (word >> uint64(2) & uint64(0x3333333333333333))
    word = (word + (word >> uint64(4))) & uint64(0x0F0F0F0F0F0F0F0F)
    return int64(word * uint64(0x0101010101010101) >> uint64(56))


@kernel
def count_bits(rows, at, first, words):
    total = int64(0)
    for word in range(words):
        total += bits_of(rows[at, first + word * BESIDE])
    return total


@kernel
def age(rows, at, second):
    """Give a row's windows their turn: what is older than two generations is forgotten."""
    began = rows[at, GENERATIONS]
    short, long = int64(began & uint64(LOW)), int64(began >> uint64(32))
    if second - short >= SHORT_GENERATION or second < short:
        keep = uint64(0) if second - short >= 2 * SHORT_GENERATION or second < short else uint64(LOW)
        short = second if keep == 0 else short + SHORT_GENERATION
        for word in range(0, PEER_WORDS * BESIDE, BESIDE):
            rows[at, SHORT_PEERS_OLD + word] = rows[at, SHORT_PEERS + word] if keep else uint64(0)
            rows[at, SHORT_PEERS + word] = uint64(0)
        for word in range(0, PORT_WORDS * BESIDE, BESIDE):
            rows[at, SHORT_PORTS_OLD + word] = rows[at, SHORT_PORTS + word] if keep else uint64(0)
            rows[at, SHORT_PORTS + word] = uint64(0)
        rows[at, SHORT] = (rows[at, SHORT] & keep) << uint64(32)
        rows[at, ANSWERED] = rows[at, ANSWERED] & uint64(0xFFFFFFFF00000000) | (
            rows[at, ANSWERED] & keep & uint64(0xFFFF)
        ) << uint64(16)
        peers = uint64(count_bits(rows, at, SHORT_PEERS_OLD, PEER_WORDS))
        ports = uint64(count_bits(rows, at, SHORT_PORTS_OLD, PORT_WORDS))
        rows[at, DISTINCT] = rows[at, DISTINCT] & uint64(0xFFFF0000FFFF0000) | peers | ports << uint64(32)
    if second - long >= LONG_GENERATION or second < long:
        keep = uint64(0) if second - long >= 2 * LONG_GENERATION or second < long else uint64(LOW)
        long = second if keep == 0 else long + LONG_GENERATION
        for word in range(0, PEER_WORDS * BESIDE, BESIDE):
            rows[at, LONG_PEERS_OLD + word] = rows[at, LONG_PEERS + word] if keep else uint64(0)
            rows[at, LONG_PEERS + word] = uint64(0)
        for word in range(0, PORT_WORDS * BESIDE, BESIDE):
            rows[at, LONG_PORTS_OLD + word] = rows[at, LONG_PORTS + word] if keep else uint64(0)
            rows[at, LONG_PORTS + word] = uint64(0)
        rows[at, LONG] = (rows[at, LONG] & keep) << uint64(32)
        answered = rows[at, ANSWERED] >> uint64(32) & uint64(0xFFFF) if keep else uint64(0)
        rows[at, ANSWERED] = rows[at, ANSWERED] & uint64(LOW) | answered << uint64(48)
        peers = uint64(count_bits(rows, at, LONG_PEERS_OLD, PEER_WORDS))
        ports = uint64(count_bits(rows, at, LONG_PORTS_OLD, PORT_WORDS))
        rows[at, DISTINCT] = rows[at, DISTINCT] & uint64(0x0000FFFF0000FFFF) | peers << uint64(16) | ports << uint64(48)
    rows[at, GENERATIONS] = uint64(short) | uint64(long) << uint64(32)


@kernel
def find_fan(fans, key, at, hi, lo, second):
    """The row of a host: its own, a free one, one that is long idle, else the least busy one near that rests; -1 for none.

    Where none rests, a newcomer takes the least busy one's place by a chance of one in its contacts (Ben Basat et al. 2017): a
    flood of addresses that are seen once keeps nobody out who comes again and again, and puts nobody out. What ours do comes
    before what is done to ours: no stranger can fill the rows of those, and for them theirs make room.
    """
    rows, six, heads = fans.rows, fans.six, fans.heads
    spare, least = int64(-1), int64(1 << 60)
    fresh, fewest = int64(-1), int64(1 << 60)
    is_six, outward = key >> uint64(63) == 1, key & uint64(1) == 0
    for _ in range(NEAR):
        held, state = heads[at, 0], heads[at, 1]
        if held == key and (not is_six or (six[at, 0] == hi and six[at, 1] == lo)):
            return at
        if held == 0:
            spare, least = at, int64(-1)
            fans.tally[0] += 1
            break
        idle, busy = second - int64(state & uint64(LOW)), int64(state >> uint64(32))
        if idle >= 2 * LONG_GENERATION:
            busy = int64(0)
        if idle >= IDLE and busy < least:
            spare, least = at, busy
        ours = held & uint64(1) == 0
        if busy + (OURS if ours else int64(0)) < fewest and (outward or not ours):
            fresh, fewest = at, busy + (OURS if ours else int64(0))
        at = at + 1 if at + 1 < len(heads) else int64(0)
    if spare < 0:
        fans.tally[1] += 1
        if fresh < 0 or not chance(key + uint64(fans.tally[1]), fewest & (OURS - 1), outward and fewest < OURS):
            return int64(-1)
        spare = fresh
    for word in range(FAN_ROW):
        rows[spare, word] = 0
    rows[spare, KEY] = heads[spare, 0] = key
    if is_six:
        six[spare, 0], six[spare, 1] = hi, lo
    rows[spare, GENERATIONS] = uint64(second) | uint64(second) << uint64(32)
    return spare


def _counts(bits: int) -> NDArray[np.int64]:
    """About how many distinct ones set each number of bits."""
    estimated = -bits * np.log(1.0 - np.minimum(np.arange(bits + 1), bits - 1) / bits)
    return np.where(np.arange(bits + 1) * 4 < bits, np.arange(bits + 1), estimated).astype(np.int64)


PEERS_COUNTED, PORTS_COUNTED = _counts(PEER_BITS), _counts(PORT_BITS)


@inlined
def chance(drawn, busy, surely):
    """One in ``busy`` + 1."""
    return surely or mixed(drawn) % uint64(busy + 1) == 0


@inlined
def set_bit(rows, at, bit, young, old, shift):
    """Set a bit of the younger generation; the count of distinct ones grows where neither generation had it."""
    word, mask = (bit >> 6) * BESIDE, uint64(1) << uint64(bit & 63)
    if rows[at, young + word] & mask == 0:
        rows[at, young + word] |= mask
        if rows[at, old + word] & mask == 0:
            rows[at, DISTINCT] += uint64(1) << uint64(shift)


@inlined
def touch(fans, mark, key, at, hi, lo, bits, port, protocol, rate, weight, who, second):
    """Note one contact; ``bits``: see ``Jobs``; ``weight``: attempts that it counts for; 0 notes a flow that is none."""
    rows = fans.rows
    at = find_fan(fans, key, at, hi, lo, second)
    if at < 0:
        return
    began = rows[at, GENERATIONS]
    short, long = second - int64(began & uint64(LOW)), second - int64(began >> uint64(32))
    if (short < 0) | (short >= SHORT_GENERATION) | (long < 0) | (long >= LONG_GENERATION):
        age(rows, at, second)
    fresh = int64(rows[at, LAST] & uint64(LOW)) != second
    before = rows[at, DISTINCT], rows[at, SHORT], rows[at, LONG]
    rows[at, LAST] = uint64(second) | uint64(who & LOW) << uint64(32)
    busy = min((rows[at, LONG] & uint64(LOW)) + (rows[at, LONG] >> uint64(32)), uint64(LOW))
    fans.heads[at, 1] = uint64(second) | busy << uint64(32)
    rows[at, ABOUT] = uint64(min(rate, int64(LOW))) | uint64(port) << uint64(32) | uint64(protocol) << uint64(48)
    if weight == 0:
        if rows[at, ANSWERED] & uint64(0xFFFF) != uint64(0xFFFF):
            rows[at, ANSWERED] += uint64(1)
        if rows[at, ANSWERED] >> uint64(32) & uint64(0xFFFF) != uint64(0xFFFF):
            rows[at, ANSWERED] += uint64(1) << uint64(32)
        return
    rows[at, SHORT] += uint64(weight)
    rows[at, LONG] += uint64(weight)
    bit = bits & LOW
    set_bit(rows, at, bit, SHORT_PEERS, SHORT_PEERS_OLD, 0)
    set_bit(rows, at, bit, LONG_PEERS, LONG_PEERS_OLD, 16)
    bit = bits >> 32
    set_bit(rows, at, bit, SHORT_PORTS, SHORT_PORTS_OLD, 32)
    set_bit(rows, at, bit, LONG_PORTS, LONG_PORTS_OLD, 48)
    end = int64(key & uint64(1))
    if reached(mark, end, rate, rows[at, DISTINCT], rows[at, SHORT], rows[at, LONG]):
        if fresh or not reached(mark, end, rate, before[0], before[1], before[2]):
            if fans.hot_count[0] < len(fans.hot) - end * FOR_OURS:
                fans.hot[fans.hot_count[0]] = at
                fans.hot_count[0] += 1
            else:
                fans.hot_count[1] += 1


@inlined
def reached(mark, end, rate, distinct, short, long):
    """Whether a row is worth a look."""
    ports = PORTS_COUNTED[min(int64(distinct >> uint64(32) & uint64(0xFFFF)), PORT_BITS)]
    of = mark[end, MARK_OF]
    peers = ports if of == OF_PORTS else max(PEERS_COUNTED[min(int64(distinct & uint64(0xFFFF)), PEER_BITS)], ports)
    ports = PORTS_COUNTED[min(int64(distinct >> uint64(48)), PORT_BITS)]
    many = ports if of == OF_PORTS else max(PEERS_COUNTED[min(int64(distinct >> uint64(16) & uint64(0xFFFF)), PEER_BITS)], ports)
    if of == OF_ATTEMPTS:  # whoever they go to
        peers = int64(short & uint64(LOW)) + int64(short >> uint64(32))
        many = int64(long & uint64(LOW)) + int64(long >> uint64(32))
    scale = max(rate, int64(1))
    shortly = peers >= LEAST_SEEN and peers * scale >= mark[end, MARK_SHORT]
    return shortly or (many >= LEAST_SEEN and many * scale >= mark[end, MARK_LONG])


@kernel
def note_answered(narrow, wide, pairs, count, seed, second, probe, mark, jobs):
    """Flows of watched hosts that are no probes: somebody answers them."""
    flat, flat_heads = probe.rows.reshape(probe.rows.size), probe.heads.reshape(probe.heads.size)
    for begin in range(0, count, AT_ONCE):
        held = uint64(0)
        for n in range(begin, min(begin + AT_ONCE, count)):
            i, end = pairs[n, 0], pairs[n, 1]
            if narrow[L.PROTOCOL, i] != 6 or narrow[L.TCP_FLAGS, i] & 0x12 == 2:
                continue
            key = C.key_of(narrow, wide, i, end, seed)
            place = C.place_of(key, len(probe.rows))
            prefetch(flat_heads, place * 2)
            prefetch(flat, place * FAN_ROW)
            jobs.keys[held], jobs.waiting[held, 0], jobs.waiting[held, 1], jobs.waiting[held, 2] = key, i, end, place
            held += uint64(1)
        for n in range(held):
            i, mine = jobs.waiting[n, 0], L.DST_HI if jobs.waiting[n, 1] else L.SRC_HI
            touch(
                probe, mark, jobs.keys[n], jobs.waiting[n, 2], wide[mine, i], wide[mine + 1, i], int64(0), int64(0), int64(6),
                int64(narrow[L.RATE, i]), int64(0), int64(0), second,
            )  # fmt: skip


@kernel
def note(narrow, wide, customers, first, last, ports, seed, second, marks, jobs, probe, sweep, login, mail):
    """First list which flows concern anything, then take one concern after the other."""
    for begin in range(first, last, CHUNK):
        found = list_concerns(narrow, wide, customers, begin, min(begin + CHUNK, last), ports, jobs)
        note_concern(narrow, wide, customers, found, seed, second, marks[PROBE], jobs, probe, PROBE)
        note_concern(narrow, wide, customers, found, seed, second, marks[SWEEP], jobs, sweep, SWEEP)
        note_concern(narrow, wide, customers, found, seed, second, marks[LOGIN], jobs, login, LOGIN)
        note_concern(narrow, wide, customers, found, seed, second, marks[MAIL], jobs, mail, MAIL)


@kernel
def note_concern(narrow, wide, customers, found, seed, second, mark, jobs, fans, concern):
    """In steps, so that rows are in the cache when they are written: list some contacts and ask for their rows, then write them."""
    flat, flat_heads = fans.rows.reshape(fans.rows.size), fans.heads.reshape(fans.heads.size)
    f, waiting = uint64(0), jobs.waiting
    while f < found:
        held = uint64(0)
        while f < found and held < AT_ONCE:
            i, mask = uint64(jobs.found[f, 0]), jobs.found[f, 1]
            f += uint64(1)
            if mask >> concern & 1 == 0:
                continue
            for end in range(1 if concern == MAIL else 2):
                if customers[end, i] != 0:
                    key = C.key_of(narrow, wide, i, end, seed)
                    place = C.place_of(key, len(fans.rows))
                    peer_bit = int64(mixed(peer_of(narrow, wide, i, end)) >> uint64(55))
                    port_bit = int64(mixed(uint64(narrow[L.DST_PORT, i] & 0xFFFF) + uint64(1)) >> uint64(56))
                    prefetch(flat_heads, place * 2)
                    prefetch(flat, place * FAN_ROW)
                    prefetch(flat, place * FAN_ROW + SHORT_PEERS + (peer_bit >> 6) * BESIDE)
                    prefetch(flat, place * FAN_ROW + SHORT_PORTS + (port_bit >> 6) * BESIDE)
                    jobs.keys[held], waiting[held, 0], waiting[held, 1], waiting[held, 2] = key, i, end, place
                    waiting[held, 3] = peer_bit | port_bit << 32
                    held += uint64(1)
        for n in range(held):
            j, end = waiting[n, 0], waiting[n, 1]
            mine = L.DST_HI if end else L.SRC_HI
            weight = int64(1)
            if concern == LOGIN:
                weight = login_weight(narrow, wide, j)
            elif concern != MAIL and narrow[L.RATE, j] > 1:
                weight = max(int64(wide[L.PACKETS, j]), int64(1))  # as often its peer was seen
            touch(
                fans, mark, jobs.keys[n], waiting[n, 2], wide[mine, j], wide[mine + 1, j], waiting[n, 3],
                int64(narrow[L.DST_PORT, j] & 0xFFFF), int64(narrow[L.PROTOCOL, j]), int64(narrow[L.RATE, j]), weight,
                int64(customers[end, j]), second,
            )  # fmt: skip
