"""What each of our hosts sends and receives, second by second: one cache line per host and direction.

Counters begin anew when a second begins, but only when the host is seen again: nothing walks the table. Detectors read
it; a row holds the newest second in which its host was seen.
"""

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, prefetch

# Words of a row. MOMENT: the second; FLOWS_SYN: flows, and above 32 bits those with SYN and no ACK; PEERS: 128 bits by hash.
KEY, MOMENT, FLOWS_SYN, BYTES_SEEN, PACKETS_SEEN, UDP_PACKETS, PEERS, MORE_PEERS = range(8)
ROW = 8
PROBES, STALE = 64, 120  # rows looked at for a key; seconds after which a row may be given to another host
BLOCK = 64
SRC, DST, FAMILY, PROTOCOL, TCP_FLAGS, RATE, BYTES, PACKETS, SRC_HI, SRC_LO, DST_HI, DST_LO = (
    L.SRC, L.DST, L.FAMILY, L.PROTOCOL, L.TCP_FLAGS, L.RATE, L.BYTES, L.PACKETS, L.SRC_HI, L.SRC_LO, L.DST_HI, L.DST_LO
)  # fmt: skip
OUT, IN = 0, 1  # a row's direction: as source, as destination
GOLDEN, ODD = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93


class Hosts:
    """Room for ``hosts`` active addresses in both directions; memory is taken as they appear."""

    def __init__(self, hosts: int, seed: int) -> None:
        rows = max(1024, hosts * 5 // 2)
        self.rows: NDArray[np.uint64] = np.zeros((rows, ROW), np.uint64)
        self.six: NDArray[np.uint64] = np.zeros((rows, 2), np.uint64)  # the full address of an IPv6 row
        self.keys: NDArray[np.uint64] = np.zeros((BLOCK, 2), np.uint64)
        self.places: NDArray[np.int64] = np.zeros((BLOCK, 2), np.int64)
        self.tally: NDArray[np.int64] = np.zeros(2, np.int64)  # rows taken, flows that found no room
        self.seed = np.uint64(seed)  # so that nobody can choose addresses that collide


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
def place_of(key, rows):
    return np.int64(((key * uint64(GOLDEN)) >> uint64(32)) * uint64(rows) >> uint64(32))


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
        if spare < 0 and np.int64(table[at, MOMENT]) + STALE < second:
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
def count_hosts(narrow, wide, customers, first, last, table, six, keys, places, seed, second, tally):
    """Add columns ``first`` to ``last`` to the rows of their ends that are ours, scaled by the sampling rate.

    In blocks: first every row that a block needs is asked for, then they are written, by then out of the cache.
    """
    flat, rows = table.reshape(table.size), len(table)
    for begin in range(first, last, BLOCK):
        end_of_block = min(begin + BLOCK, last)
        for i in range(begin, end_of_block):
            for end in range(2):
                if customers[end, i] != 0:
                    key = key_of(narrow, wide, i, end, seed)
                    keys[i - begin, end] = key
                    place = place_of(key, rows)
                    places[i - begin, end] = place
                    prefetch(flat, place * ROW)
        for i in range(begin, end_of_block):
            scale = uint64(max(narrow[RATE, i], 1))
            octets, packets = wide[BYTES, i] * scale, wide[PACKETS, i] * scale
            syn = uint64(1) if narrow[PROTOCOL, i] == 6 and narrow[TCP_FLAGS, i] & 0x12 == 2 else uint64(0)
            for end in range(2):
                if customers[end, i] == 0:
                    continue
                key, at = keys[i - begin, end], places[i - begin, end]
                if table[at, KEY] != key or key >> uint64(63) == 1:
                    mine = DST_HI if end else SRC_HI
                    at = find_row(table, six, key, at, wide[mine, i], wide[mine + 1, i], second, tally)
                    if at < 0:
                        tally[1] += 1
                        continue
                if np.int64(table[at, MOMENT]) != second:
                    for word in range(MOMENT, ROW):
                        table[at, word] = 0
                    table[at, MOMENT] = uint64(second)
                table[at, FLOWS_SYN] += uint64(1) | syn << uint64(32)
                table[at, BYTES_SEEN] += octets
                table[at, PACKETS_SEEN] += packets
                if narrow[PROTOCOL, i] == 17:
                    table[at, UDP_PACKETS] += packets
                other = SRC_HI if end else DST_HI
                four = narrow[FAMILY, i] == 4
                peer = uint64(narrow[SRC if end else DST, i]) if four else wide[other, i] ^ wide[other + 1, i]
                bit = (peer * uint64(ODD)) >> uint64(57)
                table[at, PEERS + np.int64(bit >> uint64(6))] |= uint64(1) << (bit & uint64(63))
