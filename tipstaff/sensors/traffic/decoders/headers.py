"""The facts of a flow out of a sampled packet's own headers.

Ethernet with any number of tags (802.1Q, 802.1ad), MPLS (with IP or, behind a control word or not, Ethernet inside),
PPPoE, PPP, Linux cooked frames are not exported; IPv4 with options, IPv6 with extension headers, fragments. What lies
inside an IP tunnel (GRE, VXLAN, IP in IP) is read only on demand: the outer addresses are those that were routed, and
anybody may write what he likes into the inner ones.
"""

import numpy as np
from numba import uint32

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined, load16, load32, load64

ETHERNET, IPV4, IPV6 = 1, 11, 12  # sFlow header protocols
PPP, MPLS, ANY_IP = 7, 13, 14
IN_IP, IN_GRE, IN_VXLAN = 1, 2, 4  # tunnels that may be looked into
SRC, DST, SRC_PORT, DST_PORT, PROTOCOL, TOS, TCP_FLAGS, VLAN, FAMILY, MARKS, PRESENT = (
    L.SRC, L.DST, L.SRC_PORT, L.DST_PORT, L.PROTOCOL, L.TOS, L.TCP_FLAGS, L.VLAN, L.FAMILY, L.MARKS, L.PRESENT
)  # fmt: skip
SRC_HI, SRC_LO, DST_HI, DST_LO, FRAGMENT = L.SRC_HI, L.SRC_LO, L.DST_HI, L.DST_LO, L.FRAGMENT
HAS_ENDS = L.HAS_SRC | L.HAS_DST | L.HAS_PROTOCOL
HAS_PORTS, HAS_TCP_FLAGS, HAS_VLAN = L.HAS_SRC_PORT | L.HAS_DST_PORT, L.HAS_TCP_FLAGS, L.HAS_VLAN
DEEPEST = 12  # headers before we give up
# What comes next in a packet.
_ETHERNET, _TYPE, _MPLS, _IP4, _IP6, _LABELLED = range(6)


@inlined
def read_packet(buf, h, end, kind, tunnels, narrow, wide, pos):
    """Fill in column ``pos`` from the headers in ``buf[h:end]``; the IP packet's length, or -1 without an IP packet."""
    length, vlan, kindred, ether = np.int64(-1), uint32(0), _ETHERNET, uint32(0)
    if kind == IPV4:
        kindred = _IP4
    elif kind == IPV6:
        kindred = _IP6
    elif kind == MPLS:
        kindred = _MPLS
    elif kind == ANY_IP:
        kindred = _LABELLED
    elif kind == PPP:
        if h + 4 <= end and buf[h] == 0xFF and buf[h + 1] == 3:
            h += 2
        if h + 2 > end:
            return length
        kindred, ether = _TYPE, ppp_type(load16(buf, np.int64(h)))
        h += 2
    for _ in range(DEEPEST):
        if kindred == _ETHERNET:
            if h + 14 > end:
                return length
            ether, h, kindred = load16(buf, np.int64(h + 12)), h + 14, _TYPE
        elif kindred == _TYPE:
            if ether == 0x8100 or ether == 0x88A8 or ether == 0x9100:
                if h + 4 > end:
                    return length
                if vlan == 0:
                    vlan = load16(buf, np.int64(h)) & uint32(0xFFF)
                ether, h = load16(buf, np.int64(h + 2)), h + 4
            elif ether == 0x0800:
                kindred = _IP4
            elif ether == 0x86DD:
                kindred = _IP6
            elif ether == 0x8847 or ether == 0x8848:
                kindred = _MPLS
            elif ether == 0x8864:
                if h + 8 > end:
                    return length
                ether, h = ppp_type(load16(buf, np.int64(h + 6))), h + 8
            elif ether == 0x6558:
                kindred = _ETHERNET
            elif ether < 1536 and h + 8 <= end and load32(buf, np.int64(h)) == 0xAAAA0300 and load16(buf, np.int64(h + 4)) == 0:
                ether, h = load16(buf, np.int64(h + 6)), h + 8  # IEEE 802.3 with SNAP
            else:
                return length
        elif kindred == _MPLS:
            while True:
                if h + 4 > end:
                    return length
                bottom = buf[h + 2] & 1
                h += 4
                if bottom:
                    break
            kindred = _LABELLED
        elif kindred == _LABELLED:
            if h >= end:
                return length
            nibble = buf[h] >> 4
            if nibble == 4:
                kindred = _IP4
            elif nibble == 6:
                kindred = _IP6
            elif nibble == 0:
                h, kindred = h + 4, _ETHERNET  # a pseudowire's control word (RFC 4385)
            else:
                return length
        elif kindred == _IP4 or kindred == _IP6:
            read, h, protocol, offset = read_ip(buf, h, end, kindred == _IP4, narrow, wide, pos)
            if read < 0:
                return length
            if length < 0 or tunnels:
                length = read
            narrow[VLAN, pos] = vlan
            if vlan:
                narrow[PRESENT, pos] |= uint32(HAS_VLAN)
            read_ports(buf, h, end, protocol, offset, narrow, pos)
            h, kindred, ether = step_into(buf, h, end, protocol, offset, tunnels, narrow[DST_PORT, pos])
            if kindred < 0:
                return length
        else:
            return length
    return length


@inlined
def ppp_type(protocol):
    """The Ethernet type of a PPP protocol number; 0 for what carries no IP."""
    if protocol == 0x21:
        return uint32(0x0800)
    if protocol == 0x57:
        return uint32(0x86DD)
    if protocol == 0x281 or protocol == 0x283:
        return uint32(0x8847)
    return uint32(0)


@inlined
def read_ip(buf, h, end, four, narrow, wide, pos):
    """Addresses and protocol; (packet length or -1, where the payload begins, protocol, fragment offset)."""
    if four:
        if h + 20 > end or buf[h] >> 4 != 4:
            return np.int64(-1), h, uint32(0), uint32(0)
        narrow[SRC, pos], narrow[DST, pos] = load32(buf, np.int64(h + 12)), load32(buf, np.int64(h + 16))
        narrow[FAMILY, pos], narrow[TOS, pos] = 4, buf[h + 1]
        length, protocol = np.int64(load16(buf, np.int64(h + 2))), uint32(buf[h + 9])
        offset = load16(buf, np.int64(h + 6)) & uint32(0x1FFF)
        h += max(np.int64(buf[h] & 15) * 4, 20)
    else:
        if h + 40 > end or buf[h] >> 4 != 6:
            return np.int64(-1), h, uint32(0), uint32(0)
        wide[SRC_HI, pos], wide[SRC_LO, pos] = load64(buf, np.int64(h + 8)), load64(buf, np.int64(h + 16))
        wide[DST_HI, pos], wide[DST_LO, pos] = load64(buf, np.int64(h + 24)), load64(buf, np.int64(h + 32))
        narrow[FAMILY, pos] = 6
        narrow[SRC, pos], narrow[DST, pos] = 0, 0
        narrow[TOS, pos] = (load16(buf, np.int64(h)) >> uint32(4)) & uint32(0xFF)
        length, protocol, offset = np.int64(load16(buf, np.int64(h + 4))) + 40, uint32(buf[h + 6]), uint32(0)
        h += 40
        for _ in range(DEEPEST):
            if protocol == 44:
                if h + 8 > end:
                    break
                offset = load16(buf, np.int64(h + 2)) >> uint32(3)
                protocol, h = uint32(buf[h]), h + 8
                if offset:
                    break
            elif protocol == 0 or protocol == 43 or protocol == 60 or protocol == 135 or protocol == 139 or protocol == 140:
                if h + 8 > end:
                    break
                protocol, h = uint32(buf[h]), h + np.int64(buf[h + 1]) * 8 + 8
            elif protocol == 51:
                if h + 8 > end:
                    break
                protocol, h = uint32(buf[h]), h + (np.int64(buf[h + 1]) + 2) * 4
            else:
                break
    narrow[PROTOCOL, pos] = protocol
    narrow[PRESENT, pos] |= uint32(HAS_ENDS)
    if offset:
        narrow[MARKS, pos] |= uint32(FRAGMENT)
    return length, h, protocol, offset


@inlined
def read_ports(buf, h, end, protocol, offset, narrow, pos):
    """Ports and TCP flags; for ICMP type and code as the destination port, as NetFlow does. Fragments but the first have none."""
    narrow[SRC_PORT, pos], narrow[DST_PORT, pos], narrow[TCP_FLAGS, pos] = 0, 0, 0
    if offset or h + 4 > end:
        return
    if protocol == 6 or protocol == 17 or protocol == 132 or protocol == 136 or protocol == 33:
        narrow[SRC_PORT, pos], narrow[DST_PORT, pos] = load16(buf, np.int64(h)), load16(buf, np.int64(h + 2))
        narrow[PRESENT, pos] |= uint32(HAS_PORTS)
        if protocol == 6 and h + 14 <= end:
            narrow[TCP_FLAGS, pos] = buf[h + 13]
            narrow[PRESENT, pos] |= uint32(HAS_TCP_FLAGS)
    elif protocol == 1 or protocol == 58:
        narrow[DST_PORT, pos] = load16(buf, np.int64(h))
        narrow[PRESENT, pos] |= uint32(HAS_PORTS)


@inlined
def step_into(buf, h, end, protocol, offset, tunnels, port):
    """Where a tunnel's inside begins and what it is, or -1 when we stay outside."""
    nothing = uint32(0)
    if offset or tunnels == 0:
        return h, -1, nothing
    if tunnels & IN_IP:
        if protocol == 4 and h < end:
            return h, _IP4, nothing
        if protocol == 41 and h < end:
            return h, _IP6, nothing
    if tunnels & IN_GRE and protocol == 47 and h + 4 <= end and buf[h + 1] & 7 == 0:
        flags, ether = buf[h], load16(buf, np.int64(h + 2))
        h += 4 + 4 * np.int64(flags >> 7 & 1) + 4 * np.int64(flags >> 5 & 1) + 4 * np.int64(flags >> 4 & 1)
        if h < end:
            return h, _TYPE, ether
    if tunnels & IN_VXLAN and protocol == 17 and port == 4789 and h + 16 < end:
        return h + 16, _ETHERNET, nothing
    return h, -1, nothing
