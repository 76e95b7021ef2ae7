"""One field of a template at a time: from bytes in a datagram to a row of the columns."""

import numpy as np
from numba import uint32, uint64

from tipstaff.sensors.traffic.decoders import elements as E
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.headers import ANY_IP, ETHERNET, read_packet
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, load16, load32, load64

IF_ZERO, KINDS = E.IF_ZERO, E.IF_ZERO - 1
NARROW_VALUE, WIDE_VALUE, IPV6, UPTIME, SECONDS, MILLIS, NTP, BEFORE, FRAME, PACKET, MS, US, FRAGMENT, BOOT = range(14)
FAMILY, MARKS, PRESENT, BYTES, PACKETS, START, END, DST_HI, BOOT_ROW = (
    L.FAMILY, L.MARKS, L.PRESENT, L.BYTES, L.PACKETS, L.START, L.END, L.DST_HI, L.BOOT
)  # fmt: skip
A_FRAGMENT, HAS_BYTES, HAS_PACKETS = L.FRAGMENT, L.HAS_BYTES, L.HAS_PACKETS
NTP_1970 = 2208988800
MOST_SECONDS, MOST_MS = (1 << 48) - 1, (1 << 60) - 1  # no time is later, so that none wraps when it is moved


@inlined
def number_at(buf, q, size):
    """A big-endian number of up to eight bytes."""
    if size == 4:
        return uint64(load32(buf, np.int64(q)))
    if size == 8:
        return load64(buf, np.int64(q))
    if size == 2:
        return uint64(load16(buf, np.int64(q)))
    value = uint64(0)
    for z in range(size):
        value = value << uint64(8) | uint64(buf[q + z])
    return value


@inlined
def milliseconds(value, kind, size, exported, uptime, boot):
    """A time field in ms since 1970; 0 stays 0 where it means "not known"."""
    if kind == UPTIME:
        return exported - np.int64(np.int32(uint32(uptime) - uint32(value)))
    if value == 0 and kind != BEFORE:
        return np.int64(0)
    if kind == SECONDS:
        return np.int64(value & uint64(MOST_SECONDS)) * 1000
    if kind == NTP:
        seconds = np.int64(value >> uint64(32))
        # NTP's era ends in 2036: what lies before 1970 in this era belongs to the next.
        seconds += 0x100000000 - NTP_1970 if seconds < NTP_1970 else -NTP_1970
        return seconds * 1000 + np.int64((value & uint64(0xFFFFFFFF)) * uint64(1000) >> uint64(32))
    if kind == BEFORE:
        return exported - np.int64(value) // 1000
    if kind == BOOT:
        return boot + np.int64(value & uint64(MOST_SECONDS)) if boot else np.int64(0)
    return np.int64(value & uint64(MOST_MS))


@inlined
def take_plain(buf, q, step, count, size, kind, row, exported, uptime, narrow, wide, pos):
    """As ``take_field`` for what nearly all fields are, compiled into its caller; False where it is none of those."""
    begin, behind = uint64(pos), uint64(pos + count)
    if kind == NARROW_VALUE:
        into = narrow[row]
        if size == 4:
            for k in range(begin, behind):
                into[k] = load32(buf, q)
                q += step
        elif size == 2:
            for k in range(begin, behind):
                into[k] = load16(buf, q)
                q += step
        elif size == 1:
            for k in range(begin, behind):
                into[k] = buf[uint64(q)]
                q += step
        else:
            return False
        return True
    into_wide = wide[row]
    if kind == WIDE_VALUE and size == 4:
        for k in range(begin, behind):
            into_wide[k] = load32(buf, q)
            q += step
    elif kind == WIDE_VALUE and size == 8:
        for k in range(begin, behind):
            into_wide[k] = load64(buf, q)
            q += step
    elif kind == UPTIME and size == 4:
        for k in range(begin, behind):
            into_wide[k] = uint64(exported - np.int64(np.int32(uptime - load32(buf, q))))
            q += step
    elif kind == MILLIS and size == 8:
        for k in range(begin, behind):
            into_wide[k] = load64(buf, q) & uint64(MOST_MS)
            q += step
    else:
        return False
    return True


@kernel
def take_field(buf, q, step, count, size, kind, row, exported, uptime, narrow, wide, pos):
    """One field of ``count`` records that begin ``step`` bytes apart, into one row from column ``pos`` on."""
    bare, only_empty = kind & KINDS, kind & IF_ZERO
    if kind == NARROW_VALUE:
        into = narrow[row]
        if size == 4:
            for k in range(count):
                into[pos + k] = load32(buf, np.int64(q + k * step))
        elif size == 2:
            for k in range(count):
                into[pos + k] = load16(buf, np.int64(q + k * step))
        elif size == 1:
            for k in range(count):
                into[pos + k] = buf[q + k * step]
        else:
            for k in range(count):
                into[pos + k] = uint32(number_at(buf, q + k * step, size))
    elif kind == WIDE_VALUE:
        into_wide = wide[row]
        if size == 4:
            for k in range(count):
                into_wide[pos + k] = load32(buf, np.int64(q + k * step))
        else:
            for k in range(count):
                into_wide[pos + k] = number_at(buf, q + k * step, size)
    elif bare == NARROW_VALUE:
        for k in range(count):
            if narrow[row, pos + k] == 0:
                narrow[row, pos + k] = uint32(number_at(buf, q + k * step, size))
    elif bare == WIDE_VALUE:
        for k in range(count):
            if wide[row, pos + k] == 0:
                wide[row, pos + k] = number_at(buf, q + k * step, size)
    elif bare == IPV6:
        for k in range(count):
            hi, lo = load64(buf, np.int64(q + k * step)), load64(buf, np.int64(q + k * step + 8))
            if (hi or lo) and row <= DST_HI:
                narrow[FAMILY, pos + k] = 6
            if not only_empty or (wide[row, pos + k] == 0 and wide[row + 1, pos + k] == 0):
                wide[row, pos + k], wide[row + 1, pos + k] = hi, lo
    elif bare == MS or bare == US:
        for k in range(count):
            span = np.int64(number_at(buf, q + k * step, size)) & 0x7FFFFFFFFFFF
            span = span // 1000 if bare == US else span
            if wide[END, pos + k] == 0 and wide[START, pos + k]:
                wide[END, pos + k] = wide[START, pos + k] + uint64(span)
            elif wide[START, pos + k] == 0 and wide[END, pos + k]:
                wide[START, pos + k] = wide[END, pos + k] - uint64(min(span, np.int64(wide[END, pos + k])))
    elif bare == FRAGMENT:
        for k in range(count):
            if number_at(buf, q + k * step, size):
                narrow[MARKS, pos + k] |= uint32(A_FRAGMENT)
    else:
        for k in range(count):
            if not only_empty or wide[row, pos + k] == 0:
                boot = np.int64(wide[BOOT_ROW, pos + k]) if bare == BOOT else np.int64(0)
                value = number_at(buf, q + k * step, size)
                wide[row, pos + k] = uint64(milliseconds(value, bare, size, exported, uptime, boot))


@kernel
def all_zero(buf, q, end):
    for z in range(q, end):
        if buf[z]:
            return False
    return True


@kernel
def measure(buf, q, end, sizes, first, last, places, widths):
    """Where each field of one varying record lies (RFC 7011, 7); the record's end, or -1 when it passes the set's."""
    for f in range(first, last):
        size = np.int64(sizes[f])
        if size == 65535:
            if q + 1 > end:
                return np.int64(-1)
            size = np.int64(buf[q])
            q += 1
            if size == 255:
                if q + 2 > end:
                    return np.int64(-1)
                size = np.int64(load16(buf, np.int64(q)))
                q += 2
        if q + size > end:
            return np.int64(-1)
        places[f - first], widths[f - first] = q, size
        q += size
    return q


@kernel
def take_packet(buf, place, size, kind, narrow, wide, pos):
    """A sampled packet's header section: its addresses, and its size and count where nothing else states them."""
    length = read_packet(buf, place, place + size, ETHERNET if kind == FRAME else ANY_IP, 0, narrow, wide, pos)
    if wide[BYTES, pos] == 0 and length > 0:
        wide[BYTES, pos] = uint64(length)
        narrow[PRESENT, pos] |= uint32(HAS_BYTES)
    if wide[PACKETS, pos] == 0:
        wide[PACKETS, pos] = 1
        narrow[PRESENT, pos] |= uint32(HAS_PACKETS)


@kernel
def take_varying(buf, places, widths, step, exported, uptime, narrow, wide, pos):
    """One field of one varying record; sizes that the element cannot have are left out."""
    place, size, kind, row = places[step[0]], widths[step[0]], step[2], step[3]
    bare = kind & KINDS
    if bare == FRAME or bare == PACKET:
        take_packet(buf, place, size, bare, narrow, wide, pos)
        return
    if size == 0 or (bare == IPV6 and size != 16) or (bare != IPV6 and size > 8):
        return
    take_field(buf, place, np.int64(0), np.int64(1), size, kind, row, exported, uptime, narrow, wide, pos)
