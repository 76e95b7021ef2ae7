"""Who sent a datagram, and whether anything is missing between it and the one before.

A session is one stream of sequence numbers: NetFlow and IPFIX by (address, port, version, observation domain), sFlow by
(agent address, sub-agent), whatever address its packets come from. What the numbers count differs: NetFlow 5 counts
flows, NetFlow 9 and sFlow datagrams, IPFIX data records (RFC 7011, 3.1).
"""

import numpy as np
from numba import uint32, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders.layout import HEADER, LONG, REASONS, SHORT, SOURCES, VERSION
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, load16, load32, load64

# Columns of a session's state.
(KIND, DOMAIN, PORT, EXPORTER, COUNTS, NEXT, KNOWN, DATAGRAMS, UNITS, RECEIVED, DECODED, UNDECODABLE, LOST) = range(13)
REORDERED, RESTARTS, SEEN, UPTIME, EXPORTED, SKEW, DEFAULT_RATE, HEADER_RATE, WAITING, CONFIGURED, LOST_UNITS = range(13, 24)
OPTIONS, UNSCALED, WHY = 24, 25, 26
BOOT = UPTIME  # of IPFIX, whose headers tell no uptime: ms since 1970 when the exporter began, by its options; 0 unknown
STATE = WHY + len(REASONS)
SFLOW = 105  # the kind of sFlow 5; NetFlow and IPFIX use their version number

NEAR = 1 << 16  # sequence distances in datagrams beyond this are a restart, not loss or reordering
NEAR_RECORDS = 1 << 22  # the same where records are counted
MOST_BYTES = 65535  # of a datagram; a file may hold more
IDLE_MS = 30 * 60_000  # a session silent for so long may be forgotten


class Sessions:
    """The table of sessions: keys, state, and an open-addressed index that the kernels search and extend."""

    def __init__(self, capacity: int = 4096) -> None:
        self.capacity = capacity
        self.keys: NDArray[np.uint64] = np.zeros((capacity, 3), np.uint64)
        self.state: NDArray[np.int64] = np.zeros((capacity, STATE), np.int64)
        self.index: NDArray[np.int32] = np.full(capacity * 4, -1, np.int32)
        self.count: NDArray[np.int64] = np.zeros(1, np.int64)
        self.departed: NDArray[np.int64] = np.zeros(STATE, np.int64)  # sums of sessions that were forgotten
        self.refused: NDArray[np.int64] = np.zeros(len(REASONS), np.int64)  # datagrams that belong to no session

    def __len__(self) -> int:
        return int(self.count[0])

    def began(self, session: int, at: int) -> None:
        """When an exporter of IPFIX began, in ms since 1970; 0: it does not say."""
        if at:
            self.state[session, BOOT] = at

    @property
    def crowded(self) -> bool:
        """Whether there is little room left for new sessions."""
        return len(self) > self.capacity * 3 // 4

    def keep(self, numbers: list[int]) -> None:
        """Forget all sessions but these, which are numbered anew in that order; what the others counted is kept as a sum."""
        gone = np.ones(len(self), bool)
        gone[numbers] = False
        self.departed += self.state[: len(self)][gone].sum(axis=0)
        count = len(numbers)
        self.keys[:count], self.state[:count] = self.keys[numbers], self.state[numbers]
        self.keys[count:], self.state[count:] = 0, 0
        self.index[:] = -1
        self.count[0] = 0
        for number in range(count):
            find_session(*self.keys[number].copy(), self.keys, self.index, self.count)

    def address(self, session: int) -> bytes:
        """The exporter's address, 16 bytes; IPv4 as ::ffff:a.b.c.d, all zero where there is none."""
        return self.keys[session, :2].astype(">u8").tobytes()


@kernel
def find_session(hi, lo, rest, keys, index, count):
    """The session with that key; a new one where there is room, else -1."""
    mask = len(index) - 1
    mixed = (hi ^ (lo * uint64(0x9E3779B97F4A7C15)) ^ (rest * uint64(0xD6E8FEB86659FD93))) * uint64(0xC2B2AE3D27D4EB4F)
    slot = np.int64(mixed >> uint64(40)) & mask
    while True:
        found = index[slot]
        if found < 0:
            break
        if keys[found, 0] == hi and keys[found, 1] == lo and keys[found, 2] == rest:
            return np.int64(found)
        slot = (slot + 1) & mask
    number = count[0]
    if number >= len(keys):
        return np.int64(-1)
    keys[number, 0], keys[number, 1], keys[number, 2] = hi, lo, rest
    index[slot] = number
    count[0] = number + 1
    return number


@inlined
def follow(state, session, sequence, units, restarted, near):
    """Compare a sequence number with the one expected; ``units`` are those of this datagram. Returns units lost just now.

    A jump back or a far jump with a fresh uptime is a restart; a near jump back is a late or repeated datagram, which
    fills a hole that was counted before.
    """
    row = state[session]
    after = (np.int64(sequence) + units) & 0xFFFFFFFF
    if row[KNOWN] == 0:
        row[KNOWN], row[NEXT] = 1, after
        return np.int64(0)
    ahead = (np.int64(sequence) - row[NEXT]) & 0xFFFFFFFF
    if ahead == 0:
        row[NEXT] = after
        return np.int64(0)
    behind = 0x100000000 - ahead
    if restarted or (ahead > near and behind > near):
        row[RESTARTS] += 1
        row[NEXT] = after
        return np.int64(0)
    if ahead <= near:
        row[NEXT] = after
        row[LOST_UNITS] += ahead
        return ahead
    row[REORDERED] += 1
    filled = min(units, row[LOST_UNITS])
    row[LOST_UNITS] -= filled
    return -filled


@kernel
def open_datagrams(buf, off, lens, n, source, port, at, keys, index, state, count, refused, sessions):
    """Find each datagram's session, check its header, follow its sequence (IPFIX later, when its records are known).

    ``source``: (n, 2) halves of the sender's address, ``at``: ms received (0 unknown), lens: below 0 when cut short.
    """
    for i in range(n):
        sessions[i] = -1
        o, length = off[i], lens[i]
        if length < 0 or length > MOST_BYTES:
            refused[LONG] += 1
            continue
        if length < 16:
            refused[SHORT] += 1
            continue
        kind = np.int64(load16(buf, np.int64(o)))
        hi, lo, domain = source[i, 0], source[i, 1], uint64(0)
        sender = uint64(port[i])
        least = 16
        if kind == 5:
            least = 24
        elif kind == 9:
            least = 20
        elif kind == 0 and load32(buf, np.int64(o)) == 5:
            kind, sender = np.int64(SFLOW), uint64(0)
            agent = load32(buf, np.int64(o + 4))
            least = 28 if agent == 1 else 40
            if agent != 1 and agent != 2:
                refused[VERSION] += 1
                continue
        elif kind != 10:
            refused[VERSION] += 1
            continue
        if length < least:
            refused[SHORT] += 1
            continue
        if kind == 5:
            domain = uint64(load16(buf, np.int64(o + 20)))
        elif kind == 9:
            domain = uint64(load32(buf, np.int64(o + 16)))
        elif kind == 10:
            domain = uint64(load32(buf, np.int64(o + 12)))
        elif least == 28:
            hi, lo = uint64(0), uint64(0xFFFF00000000) | uint64(load32(buf, np.int64(o + 8)))
            domain = uint64(load32(buf, np.int64(o + 12)))
        else:
            hi, lo, domain = load64(buf, np.int64(o + 8)), load64(buf, np.int64(o + 16)), uint64(load32(buf, np.int64(o + 24)))
        rest = uint64(kind) << uint64(56) | sender << uint64(40) | domain
        if kind == SFLOW:
            rest = uint64(kind) << uint64(56) | domain
        session = find_session(hi, lo, rest, keys, index, count)
        if session < 0:
            refused[SOURCES] += 1
            continue
        sessions[i] = session
        row = state[session]
        if row[KIND] == 0:
            row[KIND], row[DOMAIN], row[PORT], row[EXPORTER] = kind, np.int64(domain), np.int64(sender), -1
        row[DATAGRAMS] += 1
        row[SEEN] = at[i]
        open_header(buf, o, length, kind, least, at[i], state, session)


@inlined
def open_header(buf, o, length, kind, least, at, state, session):
    """One header: clocks, counts, and the sequence where the header alone is enough."""
    row = state[session]
    if kind == 10:
        row[EXPORTED] = np.int64(load32(buf, np.int64(o + 4))) * 1000
        stated = np.int64(load16(buf, np.int64(o + 2)))
        if stated != length:
            row[WHY + HEADER] += 1
        row[SKEW] = row[EXPORTED] - at if at > 0 else 0
        return
    if kind == SFLOW:
        uptime = np.int64(load32(buf, np.int64(o + least - 8)))
        sequence = load32(buf, np.int64(o + least - 12))
        units = np.int64(1)
        near = NEAR
        row[EXPORTED] = at
    else:
        uptime = np.int64(load32(buf, np.int64(o + 4)))
        row[EXPORTED] = np.int64(load32(buf, np.int64(o + 8))) * 1000
        row[SKEW] = row[EXPORTED] - at if at > 0 else 0
        units, near = np.int64(1), NEAR
        sequence = load32(buf, np.int64(o + 12))
        if kind == 5:
            sequence = load32(buf, np.int64(o + 16))
            units, near = np.int64(load16(buf, np.int64(o + 2))), NEAR_RECORDS
    # Uptime that fell back by more than a minute, and not because its 32 bits were full, means that the exporter restarted.
    fell = row[UPTIME] - uptime
    restarted = row[KNOWN] != 0 and fell > 60_000 and fell < (1 << 31)
    row[UPTIME] = uptime
    lost = follow(state, session, uint32(sequence), units, restarted, near)
    if kind == 5:
        row[LOST] += lost


@inlined
def estimate_lost(row):
    """A lost datagram is taken to have held as many flows as those with flows that came."""
    if row[UNITS] > 0:
        row[LOST] = (row[LOST_UNITS] * row[RECEIVED] + row[UNITS] // 2) // row[UNITS]
