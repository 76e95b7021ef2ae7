"""sFlow 5 (sflow.org, "sFlow Version 5"): flow samples, plain and expanded, with raw headers or sampled IP records.

The raw header is read and forgotten: only the flow's own facts are kept. Counter samples and notes of dropped packets
travel in the same datagrams and are no flows.
"""

import numpy as np
from numba import uint32, uint64

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders.headers import read_packet
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, load32, load64

SRC, DST, SRC_PORT, DST_PORT, PROTOCOL, TOS, TCP_FLAGS, VLAN, FAMILY, MARKS, PRESENT, NEXT_HOP = (
    L.SRC, L.DST, L.SRC_PORT, L.DST_PORT, L.PROTOCOL, L.TOS, L.TCP_FLAGS, L.VLAN, L.FAMILY, L.MARKS, L.PRESENT, L.NEXT_HOP
)  # fmt: skip
INPUT, OUTPUT, RATE, SESSION, SRC_AS, DST_AS = L.INPUT, L.OUTPUT, L.RATE, L.SESSION, L.SRC_AS, L.DST_AS
BYTES, PACKETS, START, END, SRC_HI, DST_HI, NEXT_HI = L.BYTES, L.PACKETS, L.START, L.END, L.SRC_HI, L.DST_HI, L.NEXT_HI
KIND, RECEIVED, DECODED, UNDECODABLE, COUNTS, WHY, DEFAULT, UNSCALED, HEADER_RATE, OPTIONS = (
    S.KIND, S.RECEIVED, S.DECODED, S.UNDECODABLE, S.COUNTS, S.WHY, S.DEFAULT_RATE, S.UNSCALED, S.HEADER_RATE, S.OPTIONS
)  # fmt: skip
SFLOW, SAMPLE, NOT_IP, SAMPLE_KIND, HEADER = S.SFLOW, L.SAMPLE, L.NOT_IP, L.SAMPLE_KIND, L.HEADER
ALWAYS = L.HAS_BYTES | L.HAS_PACKETS | L.HAS_INPUT | L.HAS_OUTPUT
TIMED = L.HAS_START | L.HAS_END
ENDS = L.HAS_SRC | L.HAS_DST | L.HAS_SRC_PORT | L.HAS_DST_PORT | L.HAS_PROTOCOL | L.HAS_TCP_FLAGS
HAS_NEXT_HOP, HAS_VLAN = L.HAS_NEXT_HOP, L.HAS_VLAN


@kernel
def decode_sflow(buf, off, lens, first, n, sessions, state, at, tunnels, narrow, wide, pos):
    """Decode from datagram ``first`` on; returns (next datagram, next column) and stops early when the columns are full."""
    room = narrow.shape[1]
    for i in range(first, n):
        session = sessions[i]
        if session < 0 or state[session, KIND] != SFLOW:
            continue
        row = state[session]
        end = off[i] + lens[i]
        p = off[i] + (28 if load32(buf, np.int64(off[i] + 4)) == 1 else 40)
        if pos + lens[i] // 8 > room and pos:
            return np.int64(i), pos
        begun, before = pos, row[RECEIVED]
        for s in range(np.int64(load32(buf, np.int64(p - 4)))):
            if p + 8 > end:
                missing_samples(buf, row, p, off[i], s)
                break
            kind, size = load32(buf, np.int64(p)), np.int64(load32(buf, np.int64(p + 4)))
            q, p = p + 8, p + 8 + size
            if p > end:
                row[WHY + SAMPLE] += 1
                row[RECEIVED] += 1
                row[UNDECODABLE] += 1
                break
            if kind == 1 or kind == 3:
                row[RECEIVED] += 1
                if pos < room and read_sample(buf, q, p, kind == 3, tunnels, row, session, at[i], narrow, wide, pos):
                    pos += 1
                    row[DECODED] += 1
                else:
                    row[UNDECODABLE] += 1
            elif kind == 2 or kind == 4 or kind == 5:
                row[OPTIONS] += 1
            else:
                row[WHY + SAMPLE_KIND] += 1
        if row[RECEIVED] > before:
            row[S.UNITS] += 1
        S.estimate_lost(row)
        if row[COUNTS] == 0:
            pos = begun
    return np.int64(n), pos


@kernel
def missing_samples(buf, row, p, o, seen):
    """The header promised more samples than there are: as many as could have been there count as undecodable."""
    head = o + (28 if load32(buf, np.int64(o + 4)) == 1 else 40)
    promised = np.int64(load32(buf, np.int64(head - 4))) - seen
    missing = min(promised, 64)  # a datagram of 1,500 bytes holds no more than that
    row[WHY + HEADER] += 1
    row[RECEIVED] += missing
    row[UNDECODABLE] += missing


@inlined
def read_sample(buf, q, end, expanded, tunnels, row, session, received, narrow, wide, pos):
    """One flow sample into column ``pos``; False when it has no IP packet that can be read."""
    least = 44 if expanded else 32
    if q + least > end:
        row[WHY + SAMPLE] += 1
        return False
    clear(session, received, narrow, wide, pos)
    if expanded:
        rate = load32(buf, np.int64(q + 12))
        narrow[INPUT, pos] = interface(load32(buf, np.int64(q + 24)), load32(buf, np.int64(q + 28)))
        narrow[OUTPUT, pos] = interface(load32(buf, np.int64(q + 32)), load32(buf, np.int64(q + 36)))
    else:
        rate = load32(buf, np.int64(q + 8))
        into, out = load32(buf, np.int64(q + 20)), load32(buf, np.int64(q + 24))
        narrow[INPUT, pos] = interface(into >> uint32(30), into & uint32(0x3FFFFFFF))
        narrow[OUTPUT, pos] = interface(out >> uint32(30), out & uint32(0x3FFFFFFF))
    row[HEADER_RATE] = rate
    records = np.int64(load32(buf, np.int64(q + least - 4)))
    q += least
    found = read_records(buf, q, end, records, tunnels, narrow, wide, pos)
    if found == 0:
        row[WHY + NOT_IP] += 1
        return False
    narrow[RATE, pos] = rate if rate else uint32(row[DEFAULT])
    if narrow[RATE, pos] == 0:
        row[UNSCALED] += 1
    return True


@inlined
def interface(form, value):
    """An interface index; 0 for discarded, several, or the device itself."""
    return uint32(0) if form or value == 0x3FFFFFFF else value


@inlined
def clear(session, received, narrow, wide, pos):
    for row in (SRC, DST, NEXT_HOP, SRC_PORT, DST_PORT, PROTOCOL, TOS, TCP_FLAGS, SRC_AS, DST_AS, VLAN, FAMILY, MARKS):
        narrow[row, pos] = 0
    narrow[SESSION, pos] = session
    narrow[PRESENT, pos] = ALWAYS | (TIMED if received > 0 else 0)
    wide[BYTES, pos], wide[PACKETS, pos] = 0, 1
    wide[START, pos] = wide[END, pos] = uint64(received)
    wide[NEXT_HI, pos] = wide[NEXT_HI + 1, pos] = 0


@inlined
def read_records(buf, q, end, records, tunnels, narrow, wide, pos):
    """The records of a sample: 0 without an IP packet, 2 from its raw header, 1 from a sampled IP record."""
    found, tag = 0, uint32(0)
    for _ in range(records):
        if q + 8 > end:
            break
        kind, size = load32(buf, np.int64(q)), np.int64(load32(buf, np.int64(q + 4)))
        d, q = q + 8, q + 8 + size
        if q > end:
            break
        if kind == 1 and size >= 16 and found < 2:
            header = min(np.int64(load32(buf, np.int64(d + 12))), size - 16)
            protocol = np.int64(load32(buf, np.int64(d)))
            if protocol == 1 or protocol == 7 or (protocol >= 11 and protocol <= 13):
                if read_packet(buf, d + 16, d + 16 + header, protocol, tunnels, narrow, wide, pos) >= 0:
                    wide[BYTES, pos] = load32(buf, np.int64(d + 4))
                    found = 2
        elif kind == 3 and size >= 32 and found == 0:
            narrow[SRC, pos], narrow[DST, pos] = load32(buf, np.int64(d + 8)), load32(buf, np.int64(d + 12))
            narrow[FAMILY, pos] = 4
            sampled_ip(buf, d, d + 16, narrow, wide, pos)
            found = 1
        elif kind == 4 and size >= 56 and found == 0:
            for word in range(4):
                wide[SRC_HI + word, pos] = load64(buf, np.int64(d + 8 + word * 8))
            narrow[FAMILY, pos] = 6
            sampled_ip(buf, d, d + 40, narrow, wide, pos)
            found = 1
        elif kind == 1001 and size >= 16:
            tag = load32(buf, np.int64(d)) & uint32(0xFFF)
        elif kind == 1002 and size >= 16:
            read_next_hop(buf, d, size, narrow, wide, pos)
        elif kind == 1003 and size >= 28:
            read_gateway(buf, d, size, narrow, pos)
    if tag and narrow[VLAN, pos] == 0:
        narrow[VLAN, pos] = tag
        narrow[PRESENT, pos] |= uint32(HAS_VLAN)
    return found


@inlined
def sampled_ip(buf, d, ports, narrow, wide, pos):
    """A sampled IPv4 or IPv6 record: length and protocol first, ports, flags and service class from ``ports`` on."""
    wide[BYTES, pos] = load32(buf, np.int64(d))
    narrow[PROTOCOL, pos] = load32(buf, np.int64(d + 4)) & uint32(0xFF)
    narrow[SRC_PORT, pos] = load32(buf, np.int64(ports)) & uint32(0xFFFF)
    narrow[DST_PORT, pos] = load32(buf, np.int64(ports + 4)) & uint32(0xFFFF)
    narrow[TCP_FLAGS, pos] = load32(buf, np.int64(ports + 8)) & uint32(0xFF)
    narrow[TOS, pos] = load32(buf, np.int64(ports + 12)) & uint32(0xFF)
    narrow[PRESENT, pos] |= uint32(ENDS)


@kernel
def read_next_hop(buf, d, size, narrow, wide, pos):
    family = load32(buf, np.int64(d))
    if family == 1:
        narrow[NEXT_HOP, pos] = load32(buf, np.int64(d + 4))
        narrow[PRESENT, pos] |= uint32(HAS_NEXT_HOP)
    elif family == 2 and size >= 28:
        wide[NEXT_HI, pos], wide[NEXT_HI + 1, pos] = load64(buf, np.int64(d + 4)), load64(buf, np.int64(d + 12))
        narrow[PRESENT, pos] |= uint32(HAS_NEXT_HOP)


@kernel
def read_gateway(buf, d, size, narrow, pos):
    """Extended gateway: the source's AS, and the last AS of the path to the destination."""
    end = d + size
    d += 8 if load32(buf, np.int64(d)) == 1 else 20
    if d + 16 > end:
        return
    narrow[SRC_AS, pos] = load32(buf, np.int64(d + 4))
    segments = np.int64(load32(buf, np.int64(d + 12)))
    d += 16
    for _ in range(segments):
        if d + 8 > end:
            return
        length = np.int64(load32(buf, np.int64(d + 4)))
        d += 8 + length * 4
        if d > end or length == 0:
            return
        narrow[DST_AS, pos] = load32(buf, np.int64(d - 4))
