"""NetFlow 5: fixed records of 48 bytes behind a header of 24 (Cisco, "NetFlow Export Datagram Format")."""

import numpy as np
from numba import uint32, uint64

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, load16, load32

HEADER, RECORD = 24, 48
STATED = (1 << 14) - 1 & ~L.HAS_VLAN
SRC, DST, NEXT_HOP, INPUT, OUTPUT, SRC_PORT, DST_PORT = L.SRC, L.DST, L.NEXT_HOP, L.INPUT, L.OUTPUT, L.SRC_PORT, L.DST_PORT
PROTOCOL, TOS, TCP_FLAGS, SRC_AS, DST_AS, VLAN, RATE = L.PROTOCOL, L.TOS, L.TCP_FLAGS, L.SRC_AS, L.DST_AS, L.VLAN, L.RATE
SESSION, FAMILY, MARKS, PRESENT, BYTES, PACKETS, START, END = (
    L.SESSION, L.FAMILY, L.MARKS, L.PRESENT, L.BYTES, L.PACKETS, L.START, L.END
)  # fmt: skip
DECODED, UNDECODABLE, RECEIVED, COUNTS, WHY, DEFAULT_RATE, HEADER_RATE, UNSCALED, KIND = (
    S.DECODED, S.UNDECODABLE, S.RECEIVED, S.COUNTS, S.WHY, S.DEFAULT_RATE, S.HEADER_RATE, S.UNSCALED, S.KIND
)  # fmt: skip
BAD_HEADER, CLAMPED = L.HEADER, L.CLAMPED


@inlined
def clamp(start, end, exported, shift):
    """Times in ms, moved by the exporter's clock error, never later than the export and never backwards; and a mark."""
    mark = uint32(0)
    if start == 0:
        start = end
    if end == 0:
        end = start
    start, end = start + shift, end + shift
    if exported > 0 and end > exported + 60_000:
        end = exported
        mark = uint32(CLAMPED)
    if start > end:
        start = end
        mark = uint32(CLAMPED)
    return start, end, mark


@kernel
def decode_v5(buf, off, lens, first, n, sessions, state, at, tolerance, narrow, wide, pos):
    """Decode from datagram ``first`` on; returns (next datagram, next column) and stops early when the columns are full."""
    room = narrow.shape[1]
    for i in range(first, n):
        session = sessions[i]
        if session < 0 or state[session, KIND] != 5:
            continue
        o = off[i]
        stated = np.int64(load16(buf, np.int64(o + 2)))
        fits = min(min(stated, (lens[i] - HEADER) // RECORD), room)
        if pos + fits > room and pos:
            return np.int64(i), pos
        row = state[session]
        row[RECEIVED] += stated
        row[DECODED] += fits
        if fits < stated or lens[i] != HEADER + RECORD * stated:
            row[WHY + BAD_HEADER] += 1
            row[UNDECODABLE] += stated - fits
        uptime = load32(buf, np.int64(o + 4))
        exported = np.int64(load32(buf, np.int64(o + 8))) * 1000 + np.int64(load32(buf, np.int64(o + 12))) // 1_000_000
        shift = at[i] - exported if at[i] > 0 and tolerance > 0 and abs(at[i] - exported) > tolerance else 0
        rate = load16(buf, np.int64(o + 22)) & uint32(0x3FFF)
        row[HEADER_RATE] = rate
        if rate == 0:
            rate = uint32(row[DEFAULT_RATE])
        if rate == 0:
            row[UNSCALED] += fits
        if row[COUNTS] == 0:
            continue
        r = o + HEADER
        for _ in range(fits):
            narrow[SRC, pos] = load32(buf, np.int64(r))
            narrow[DST, pos] = load32(buf, np.int64(r + 4))
            narrow[NEXT_HOP, pos] = load32(buf, np.int64(r + 8))
            narrow[INPUT, pos] = load16(buf, np.int64(r + 12))
            narrow[OUTPUT, pos] = load16(buf, np.int64(r + 14))
            wide[PACKETS, pos] = load32(buf, np.int64(r + 16))
            wide[BYTES, pos] = load32(buf, np.int64(r + 20))
            # Signed differences: uptime has 32 bits of milliseconds and wraps after 49.7 days.
            start = exported - np.int64(np.int32(uptime - load32(buf, np.int64(r + 24))))
            end = exported - np.int64(np.int32(uptime - load32(buf, np.int64(r + 28))))
            start, end, mark = clamp(start, end, exported + shift, shift)
            wide[START, pos], wide[END, pos] = uint64(start), uint64(end)
            narrow[SRC_PORT, pos] = load16(buf, np.int64(r + 32))
            narrow[DST_PORT, pos] = load16(buf, np.int64(r + 34))
            narrow[TCP_FLAGS, pos] = buf[r + 37]
            narrow[PROTOCOL, pos] = buf[r + 38]
            narrow[TOS, pos] = buf[r + 39]
            narrow[SRC_AS, pos] = load16(buf, np.int64(r + 40))
            narrow[DST_AS, pos] = load16(buf, np.int64(r + 42))
            narrow[VLAN, pos] = 0
            narrow[RATE, pos] = rate
            narrow[SESSION, pos] = session
            narrow[FAMILY, pos] = 4
            narrow[MARKS, pos] = mark
            narrow[PRESENT, pos] = STATED
            pos += 1
            r += RECORD
    return np.int64(n), pos
