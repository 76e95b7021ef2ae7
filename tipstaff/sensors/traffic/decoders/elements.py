"""Information elements and what becomes of them: IANA "IPFIX Information Elements"; NetFlow 9 shares numbers below 128.

Each element that a flow's facts can come from names a kind (how its bytes are read) and a row of the columns. Elements
with IF_ZERO only fill in what the better source left empty, such as total counters where there are no delta counters.
"""

from typing import NamedTuple

from tipstaff.sensors.traffic.decoders import layout as L

NARROW_VALUE, WIDE_VALUE, IPV6, UPTIME, SECONDS, MILLIS, NTP, BEFORE_EXPORT, FRAME, PACKET = range(10)
DURATION_MS, DURATION_US, FRAGMENT_OFFSET, SINCE_BOOT = range(10, 14)
IF_ZERO = 32
REVERSE = 29305  # the enterprise number of the reverse direction (RFC 5103)


class Element(NamedTuple):
    kind: int
    row: int
    present: int = 0
    order: int = 0  # later ones see what earlier ones wrote
    sizes: tuple[int, ...] = tuple(range(1, 9))


def _alternatives(row: int, present: int, *numbers: int, kind: int = NARROW_VALUE) -> dict[int, Element]:
    """The first of ``numbers`` is the best source, the others fill in where it is zero or missing."""
    first = {numbers[0]: Element(kind, row, present)}
    return first | {number: Element(kind | IF_ZERO, row, present, rank) for rank, number in enumerate(numbers[1:], 1)}


ELEMENTS: dict[int, Element] = {
    8: Element(NARROW_VALUE, L.SRC, L.HAS_SRC, sizes=(4,)),
    12: Element(NARROW_VALUE, L.DST, L.HAS_DST, sizes=(4,)),
    27: Element(IPV6, L.SRC_HI, L.HAS_SRC, 1, (16,)),
    28: Element(IPV6, L.DST_HI, L.HAS_DST, 1, (16,)),
    62: Element(IPV6, L.NEXT_HI, L.HAS_NEXT_HOP, 1, (16,)),
    63: Element(IPV6 | IF_ZERO, L.NEXT_HI, L.HAS_NEXT_HOP, 2, (16,)),
    **_alternatives(L.NEXT_HOP, L.HAS_NEXT_HOP, 15, 18),
    **_alternatives(L.INPUT, L.HAS_INPUT, 10, 252),
    **_alternatives(L.OUTPUT, L.HAS_OUTPUT, 14, 253),
    **_alternatives(L.SRC_PORT, L.HAS_SRC_PORT, 7, 180, 182),
    **_alternatives(L.DST_PORT, L.HAS_DST_PORT, 11, 181, 183, 32, 139),
    4: Element(NARROW_VALUE, L.PROTOCOL, L.HAS_PROTOCOL),
    5: Element(NARROW_VALUE, L.TOS),
    6: Element(NARROW_VALUE, L.TCP_FLAGS, L.HAS_TCP_FLAGS),
    16: Element(NARROW_VALUE, L.SRC_AS),
    17: Element(NARROW_VALUE, L.DST_AS),
    **_alternatives(L.VLAN, L.HAS_VLAN, 58, 243, 242, 59, 254),
    **_alternatives(L.BYTES, L.HAS_BYTES, 1, 85, 23, 171, 231, 352, 353, kind=WIDE_VALUE),
    **_alternatives(L.PACKETS, L.HAS_PACKETS, 2, 86, 24, 172, 298, kind=WIDE_VALUE),
    34: Element(NARROW_VALUE, L.RATE),
    50: Element(NARROW_VALUE | IF_ZERO, L.RATE, 0, 1),
    48: Element(WIDE_VALUE, L.SAMPLER),
    302: Element(WIDE_VALUE | IF_ZERO, L.SAMPLER, 0, 1),
    160: Element(MILLIS, L.BOOT),
    22: Element(UPTIME, L.START, L.HAS_START, 1),
    21: Element(UPTIME, L.END, L.HAS_END, 1),
    150: Element(SECONDS | IF_ZERO, L.START, L.HAS_START, 4),
    151: Element(SECONDS | IF_ZERO, L.END, L.HAS_END, 4),
    152: Element(MILLIS | IF_ZERO, L.START, L.HAS_START, 3, (8,)),
    153: Element(MILLIS | IF_ZERO, L.END, L.HAS_END, 3, (8,)),
    154: Element(NTP | IF_ZERO, L.START, L.HAS_START, 2, (8,)),
    155: Element(NTP | IF_ZERO, L.END, L.HAS_END, 2, (8,)),
    156: Element(NTP | IF_ZERO, L.START, L.HAS_START, 2, (8,)),
    157: Element(NTP | IF_ZERO, L.END, L.HAS_END, 2, (8,)),
    158: Element(BEFORE_EXPORT | IF_ZERO, L.START, L.HAS_START, 5),
    159: Element(BEFORE_EXPORT | IF_ZERO, L.END, L.HAS_END, 5),
    # A lone moment of observation, as in translation and firewall events, is start and end at once.
    323: Element(MILLIS | IF_ZERO, L.START, L.HAS_START, 6, (8,)),
    322: Element(SECONDS | IF_ZERO, L.START, L.HAS_START, 6),
    324: Element(NTP | IF_ZERO, L.START, L.HAS_START, 6, (8,)),
    325: Element(NTP | IF_ZERO, L.START, L.HAS_START, 6, (8,)),
    161: Element(DURATION_MS, L.END, L.HAS_START | L.HAS_END, 7),
    162: Element(DURATION_US, L.END, L.HAS_START | L.HAS_END, 7),
    88: Element(FRAGMENT_OFFSET, L.MARKS),
    # Sampled packets (PSAMP, RFC 5477): what is not stated beside them is read from their headers.
    315: Element(FRAME, 0, 0, 8, tuple(range(65536))),
    104: Element(FRAME, 0, 0, 8, tuple(range(65536))),
    313: Element(PACKET, 0, 0, 8, tuple(range(65536))),
    312: Element(WIDE_VALUE | IF_ZERO, L.BYTES, L.HAS_BYTES, 7),
    410: Element(WIDE_VALUE | IF_ZERO, L.BYTES, 0, 10),
    224: Element(WIDE_VALUE | IF_ZERO, L.BYTES, L.HAS_BYTES, 7),
}
REVERSED: dict[int, Element] = {
    1: Element(WIDE_VALUE, L.BACK_BYTES),
    85: Element(WIDE_VALUE | IF_ZERO, L.BACK_BYTES, 0, 1),
    2: Element(WIDE_VALUE, L.BACK_PACKETS),
    86: Element(WIDE_VALUE | IF_ZERO, L.BACK_PACKETS, 0, 1),
}


def element(number: int, enterprise: int, size: int, version: int) -> Element | None:
    """What becomes of a field; None for one that no fact comes from. ``size`` 65535 stands for a variable length."""
    found = REVERSED.get(number) if enterprise == REVERSE else ELEMENTS.get(number) if not enterprise else None
    if found is None or (version == 9 and not enterprise and 9 <= number <= 12 and size == 0):
        return None
    if size == 65535:
        return found
    sizes = found.sizes
    if sizes == (8,) and 1 <= size <= 8 and found.kind & ~IF_ZERO == MILLIS:  # reduced-size encoding (RFC 7011, 6.2)
        return found
    return found if size in sizes or (len(sizes) > 100 and size > 0) else None
