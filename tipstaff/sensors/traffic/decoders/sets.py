"""NetFlow 9 and IPFIX: finding the sets of a batch of datagrams, and decoding their records by compiled templates.

A set's records are decoded field by field, not record by record: each field is one short loop over a column.
"""

import numpy as np
from numba import uint32, uint64

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders import templates as T
from tipstaff.sensors.traffic.decoders.fields import (
    FRAME,
    KINDS,
    PACKET,
    all_zero,
    measure,
    take_field,
    take_packet,
    take_plain,
    take_varying,
)
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel, load16, load32
from tipstaff.sensors.traffic.decoders.netflow5 import clamp

# Columns of the list of sets.
OFFSET, LENGTH, NUMBER, DATAGRAM, PLAN = range(5)
SET = 5
NO_PLAN, SPECIAL = -1, -2  # SPECIAL: templates, options and whatever else is not for the kernel
MOST_SETS = 16384  # in one datagram of 65,507 bytes

T_LENGTH, T_FIRST, T_LAST, T_STATED, T_ABSENT, T_ABSENT_END, T_FLAGS, T_FAMILY, T_SIZES, T_SIZES_END = range(10)
VARIES, BIFLOW, HAS_SAMPLER, HAS_RATE, HAS_IPV6, HAS_PACKET, UNTIMED, OPTIONS_BOOT, W = (
    T.VARIES, T.BIFLOW, T.HAS_SAMPLER, T.HAS_RATE, T.HAS_IPV6, T.HAS_PACKET, T.UNTIMED, T.OPTIONS_BOOT, T.WIDE
)  # fmt: skip
SRC, DST, RATE, SESSION, FAMILY, MARKS, PRESENT, OUTPUT, INPUT = (
    L.SRC, L.DST, L.RATE, L.SESSION, L.FAMILY, L.MARKS, L.PRESENT, L.OUTPUT, L.INPUT
)  # fmt: skip
SRC_PORT, DST_PORT, SRC_AS, DST_AS, NARROW, WIDE_ROWS = L.SRC_PORT, L.DST_PORT, L.SRC_AS, L.DST_AS, L.NARROW, L.WIDE
BYTES, PACKETS, START, END, SRC_HI, DST_HI, SAMPLER, BACK_BYTES, BACK_PACKETS, BOOT_ROW = (
    L.BYTES, L.PACKETS, L.START, L.END, L.SRC_HI, L.DST_HI, L.SAMPLER, L.BACK_BYTES, L.BACK_PACKETS, L.BOOT
)  # fmt: skip
A_FRAGMENT, REVERSED, HAS_BYTES, HAS_PACKETS = L.FRAGMENT, L.REVERSED, L.HAS_BYTES, L.HAS_PACKETS
KIND, WHY, EXPORTED, DECODED, COUNTS, UNSCALED, DEFAULT, CONFIGURED, RECEIVED = (
    S.KIND, S.WHY, S.EXPORTED, S.DECODED, S.COUNTS, S.UNSCALED, S.DEFAULT_RATE, S.CONFIGURED, S.RECEIVED
)  # fmt: skip
BOOT, UNSTATED = S.BOOT, 0xFFFFFFFF & ~(L.HAS_START | L.HAS_END)
WHY_SET, WHY_RECORD, WHY_ZERO, NOT_IP = L.SET_LENGTH, L.RECORD_LENGTH, L.NO_LENGTH, L.NOT_IP


@kernel
def list_sets(buf, off, lens, first, n, sessions, state, found):
    """List the sets of datagrams from ``first`` on: (next datagram, sets); stops when the list may not hold one more."""
    count = 0
    for i in range(first, n):
        session = sessions[i]
        if session < 0:
            continue
        kind = state[session, KIND]
        if kind != 9 and kind != 10:
            continue
        if count + MOST_SETS > len(found):
            return np.int64(i), count
        o, end = off[i], off[i] + lens[i]
        p = o + 20
        if kind == 10:
            p = o + 16
            end = min(end, o + max(np.int64(load16(buf, np.int64(o + 2))), 16))
        while p + 4 <= end:
            number, size = np.int64(load16(buf, np.int64(p))), np.int64(load16(buf, np.int64(p + 2)))
            if size < 4 or p + size > end:
                if number or size:  # all zero is padding
                    state[session, WHY + WHY_SET] += 1
                break
            found[count, OFFSET], found[count, LENGTH], found[count, NUMBER] = p + 4, size - 4, number
            found[count, DATAGRAM], found[count, PLAN] = i, NO_PLAN
            count += 1
            p += size
    return np.int64(n), count


@kernel
def find_plans(found, first, last, sessions, keys, plans, options):
    """Set the plan of each listed set from the index (session << 16 | set id); how many are not for the kernel."""
    special, mask = 0, len(keys) - 1
    for j in range(first, last):
        number = found[j, NUMBER]
        plan = np.int64(SPECIAL)
        if number >= 256:
            key = sessions[found[j, DATAGRAM]] << 16 | number
            slot = (key * 0x9E3779B1 >> 12) & mask
            plan = np.int64(NO_PLAN)
            while keys[slot] >= 0:
                if keys[slot] == key:
                    plan = np.int64(plans[slot])
                    break
                slot = (slot + 1) & mask
            if plan >= 0 and options[plan]:
                plan = np.int64(SPECIAL)
        found[j, PLAN] = plan
        special += 1 if plan < 0 else 0
    return special


@kernel
def decode_sets(
    buf, off, found, first, last, sessions, state, at, tolerance, units, heads, steps, absent, sizes, places, widths, rates, known,
    narrow, wide, pos,
):  # fmt: skip
    """Decode listed sets from ``first`` on; returns (next set, next column) and stops early when the columns are full.

    ``units`` counts each datagram's decoded records. ``known``, ``rates``: the sampler index (session << 33 | id) and
    what it says.
    """
    room = narrow.shape[1]
    for j in range(first, last):
        plan = found[j, PLAN]
        if plan < 0:
            continue
        head = heads[plan]
        i = found[j, DATAGRAM]
        session, o = sessions[i], off[i]
        row = state[session]
        exported, uptime = row[EXPORTED], uint32(0)
        if row[KIND] == 9:
            exported, uptime = np.int64(load32(buf, np.int64(o + 8))) * 1000, load32(buf, np.int64(o + 4))
        else:
            exported = np.int64(load32(buf, np.int64(o + 4))) * 1000
        shift = at[i] - exported if at[i] > 0 and tolerance > 0 and abs(at[i] - exported) > tolerance else 0
        q, left = found[j, OFFSET], found[j, LENGTH]
        double = 2 if head[T_FLAGS] & BIFLOW else 1
        varies, size = head[T_FLAGS] & VARIES, np.int64(head[T_LENGTH])
        most = left // max(size, 1)  # what can never fit is not tried
        if most == 0 or double * most > room:
            row[WHY + WHY_RECORD] += 1
            continue
        if pos + double * most > room:
            return np.int64(j), pos
        if varies:
            pos = take_uneven(
                buf, q, q + left, head, steps, absent, sizes, places, widths, rates, known, session, row, units, i, exported,
                uptime, shift, at[i], narrow, wide, pos,
            )  # fmt: skip
            continue
        units[i] += most
        row[DECODED] += most
        row[RECEIVED] += most
        if row[COUNTS] != 0:
            take_even(buf, q, size, most, head, steps, absent, session, row[BOOT], exported, uptime, narrow, wide, pos)
            pos += finish(head, row, session, exported, shift, at[i], rates, known, narrow, wide, pos, most)
    return np.int64(last), pos


@inlined
def take_uneven(
    buf, q, end, head, steps, absent, sizes, places, widths, rates, known, session, row, units, i, exported, uptime, shift,
    received, narrow, wide, pos,
):  # fmt: skip
    """Records whose fields tell their own lengths, until one does not fit; the next column."""
    begun = pos
    while q < end:
        after = measure(buf, q, end, sizes, head[T_SIZES], head[T_SIZES_END], places, widths)
        if after <= q:
            break
        blank(head, absent, session, row[BOOT], narrow, wide, pos, 1)
        for f in range(head[T_FIRST], head[T_LAST]):
            take_varying(buf, places, widths, steps[f], exported, uptime, narrow, wide, pos)
        pos += finish(head, row, session, exported, shift, received, rates, known, narrow, wide, pos, 1)
        units[i] += 1
        row[DECODED] += 1
        row[RECEIVED] += 1
        q = after
    if end - q >= 4 and not all_zero(buf, q, end):
        row[WHY + WHY_RECORD] += 1
    return begun if row[COUNTS] == 0 else pos


@inlined
def take_even(buf, q, size, count, head, steps, absent, session, boot, exported, uptime, narrow, wide, pos):
    """Records of one ``size``, field by field over all of them."""
    blank(head, absent, session, boot, narrow, wide, pos, count)
    for f in range(head[T_FIRST], head[T_LAST]):
        where, width, kind, into = steps[f, 0], steps[f, 1], steps[f, 2], steps[f, 3]
        if kind & KINDS == FRAME or kind & KINDS == PACKET:
            for k in range(count):
                take_packet(buf, q + where + k * size, width, kind & KINDS, narrow, wide, pos + k)
        elif not take_plain(buf, q + where, size, count, width, kind, into, exported, uptime, narrow, wide, pos):
            take_field(buf, q + where, size, count, width, kind, into, exported, uptime, narrow, wide, pos)


@inlined
def blank(head, absent, session, boot, narrow, wide, pos, count):
    """Clear the rows that the template does not state, and set what is the same for the whole set."""
    begin, behind = uint64(pos), uint64(pos + count)
    for f in range(head[T_ABSENT], head[T_ABSENT_END]):
        clear = np.int64(absent[f])
        if clear >= W:
            clear_wide = wide[clear - W]
            for k in range(begin, behind):
                clear_wide[k] = 0
        else:
            clear_narrow = narrow[clear]
            for k in range(begin, behind):
                clear_narrow[k] = 0
    family, stated = uint32(head[T_FAMILY]), uint32(head[T_STATED])
    of_session, families, present, rates = narrow[SESSION], narrow[FAMILY], narrow[PRESENT], narrow[RATE]
    for k in range(begin, behind):
        of_session[k] = session
        families[k] = family
        present[k] = stated
    if head[T_FLAGS] & HAS_RATE == 0:
        for k in range(begin, behind):
            rates[k] = 0
    if head[T_FLAGS] & OPTIONS_BOOT:
        boots = wide[BOOT_ROW]
        for k in range(begin, behind):
            boots[k] = uint64(boot)
    if head[T_FLAGS] & HAS_IPV6:
        for row in range(SRC_HI, DST_HI + 4):
            for k in range(pos, pos + count):
                wide[row, k] = 0


@inlined
def sampler_rate(row, session, sampler, rates, known):
    """The rate of a sampler: its own, else the exporter's; number 0 says that no sampler was at work."""
    key = session << 33 | np.int64(sampler & uint64(0x1FFFFFFFF))
    mask = len(known) - 1
    slot = (key * 0x9E3779B1 >> 12) & mask
    while known[slot] >= 0:
        if known[slot] == key:
            return uint32(rates[slot])
        slot = (slot + 1) & mask
    return uint32(row[CONFIGURED])


@inlined
def finish(head, row, session, exported, shift, received, rates, known, narrow, wide, pos, count):
    """What takes a second look: sampling, times, mapped addresses, reverse directions. How many flows that made."""
    flags = head[T_FLAGS]
    begin, behind, unscaled = uint64(pos), uint64(pos + count), 0
    seen, rate, of_flow, samplers = uint64(0), uint32(row[CONFIGURED]), narrow[RATE], wide[SAMPLER]
    if flags & HAS_SAMPLER:
        for k in range(begin, behind):
            if samplers[k] != seen:  # one after the other mostly the same
                seen = samplers[k]
                rate = sampler_rate(row, session, seen, rates, known)
            if of_flow[k] == 0:
                of_flow[k] = rate
            unscaled += of_flow[k] == 0
    else:
        rate = uint32(row[DEFAULT])
        for k in range(begin, behind):
            of_flow[k] = rate if of_flow[k] == 0 else of_flow[k]
        if rate == 0:
            for k in range(begin, behind):
                unscaled += of_flow[k] == 0
    row[UNSCALED] += unscaled
    starts, ends, marks = wide[START], wide[END], narrow[MARKS]
    if flags & UNTIMED:
        for k in range(begin, behind):
            starts[k] = ends[k] = uint64(received if received > 0 else exported)
    else:
        if flags & OPTIONS_BOOT and row[BOOT] == 0:
            unstate(exported, narrow, wide, pos, count)
        for k in range(begin, behind):
            start, end, mark = clamp(np.int64(starts[k]), np.int64(ends[k]), exported + shift, shift)
            starts[k], ends[k] = uint64(max(start, 0)), uint64(max(end, 0))
            marks[k] |= mark
    if flags & HAS_IPV6:
        for k in range(pos, pos + count):
            if narrow[FAMILY, k] == 6:
                plain(narrow, wide, k)
    if flags & BIFLOW == 0:
        return count
    more = 0
    for k in range(pos, pos + count):
        if wide[BACK_BYTES, k] or wide[BACK_PACKETS, k]:
            turn(narrow, wide, k, pos + count + more)
            more += 1
    return count + more


@kernel
def unstate(exported, narrow, wide, pos, count):
    """Times since a beginning that was not told say no moment: those of the export stand in for them, and are not stated."""
    for k in range(pos, pos + count):
        if wide[START, k] == 0 and wide[END, k] == 0:
            wide[START, k] = wide[END, k] = uint64(exported)
            narrow[PRESENT, k] &= uint32(UNSTATED)


@inlined
def plain(narrow, wide, k):
    """An IPv4-mapped pair of addresses is a pair of IPv4 addresses; a template with both kinds may hold IPv4 in either."""
    mapped = uint64(0xFFFF)
    if (
        wide[SRC_HI, k] == 0 and wide[DST_HI, k] == 0
        and wide[SRC_HI + 1, k] >> uint64(32) == mapped and wide[DST_HI + 1, k] >> uint64(32) == mapped
    ):  # fmt: skip
        narrow[SRC, k] = uint32(wide[SRC_HI + 1, k] & uint64(0xFFFFFFFF))
        narrow[DST, k] = uint32(wide[DST_HI + 1, k] & uint64(0xFFFFFFFF))
        narrow[FAMILY, k] = 4


@kernel
def turn(narrow, wide, k, to):
    """The reverse direction of a biflow as a flow of its own (RFC 5103)."""
    for row in range(NARROW):
        narrow[row, to] = narrow[row, k]
    for row in range(WIDE_ROWS):
        wide[row, to] = wide[row, k]
    narrow[SRC, to], narrow[DST, to] = narrow[DST, k], narrow[SRC, k]
    narrow[SRC_PORT, to], narrow[DST_PORT, to] = narrow[DST_PORT, k], narrow[SRC_PORT, k]
    narrow[INPUT, to], narrow[OUTPUT, to] = narrow[OUTPUT, k], narrow[INPUT, k]
    narrow[SRC_AS, to], narrow[DST_AS, to] = narrow[DST_AS, k], narrow[SRC_AS, k]
    for half in range(2):
        wide[SRC_HI + half, to], wide[DST_HI + half, to] = wide[DST_HI + half, k], wide[SRC_HI + half, k]
    wide[BYTES, to], wide[PACKETS, to] = wide[BACK_BYTES, k], wide[BACK_PACKETS, k]
    narrow[MARKS, to] |= uint32(REVERSED)


@kernel
def follow_ipfix(buf, off, n, sessions, state, units, waiting):
    """IPFIX sequences, once it is known how many data records each message held (RFC 7011, 3.1).

    ``waiting``: bytes of each message that had no template. What the next number is ahead by was first of all in those.
    """
    for i in range(n):
        session = sessions[i]
        if session < 0 or state[session, KIND] != 10:
            continue
        row = state[session]
        before, pending = row[S.LOST_UNITS], row[S.WAITING]
        lost = S.follow(state, session, load32(buf, np.int64(off[i] + 8)), units[i], False, S.NEAR_RECORDS)
        if lost > 0 and pending > 0:
            unread = min(lost, pending)
            row[S.UNDECODABLE] += unread
            row[RECEIVED] += unread
            row[S.LOST_UNITS] = before + lost - unread
        row[S.LOST] = row[S.LOST_UNITS]
        row[S.WAITING] = waiting[i]


@kernel
def account_nine(buf, off, lens, n, sessions, state, units, others):
    """NetFlow 9 states how many records a datagram holds: what was neither flow, options nor template was not decoded.

    ``others``: how many of each datagram's ``units`` were options and templates.
    """
    for i in range(n):
        session = sessions[i]
        if session < 0 or state[session, KIND] != 9:
            continue
        row = state[session]
        unread = max(min(np.int64(load16(buf, np.int64(off[i] + 2))) - units[i], lens[i] // 4), 0)
        row[S.UNDECODABLE] += unread
        row[RECEIVED] += unread
        if units[i] - others[i] + unread > 0:
            row[S.UNITS] += 1
        S.estimate_lost(row)
