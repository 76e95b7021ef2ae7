"""What a flow may be part of: a probe, a sweep, a log-in, mail; told from its protocol, flags, port and packets. Pure."""

from numba import int64, uint8, uint64

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined

PROBE, SWEEP, LOGIN, MAIL = range(4)
MOST_PROBE_PACKETS = 6  # a SYN and its repetitions (net.ipv4.tcp_syn_retries is 6)


@inlined
def mixed(value):
    """A digest whose upper bits look random also for numbers in sequence, which a scan goes through (Stafford's mix 13)."""
    value = (value ^ (value >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> uint64(27))) * uint64(0x94D049BB133111EB)
    return value ^ (value >> uint64(31))


@inlined
def list_concerns(narrow, wide, customers, begin, behind, ports, jobs):
    """Of which concerns each flow may be part of, those of any, with their masks; how many. Without a branch, as flows of all
    kinds come mixed, and in steps of one kind each, which the processor takes several flows at a time in."""
    masks, protocols, flags, packets = jobs.masks, narrow[L.PROTOCOL], narrow[L.TCP_FLAGS], wide[L.PACKETS]
    port = narrow[L.DST_PORT]
    for k in range(behind - begin):
        masks[uint64(k)] = ports[uint64(port[uint64(begin + k)] & 0xFFFF)]
    for k in range(behind - begin):
        i, of_port = uint64(begin + k), masks[uint64(k)]
        tcp, openings = protocols[i] == 6, flags[i] & 0x12 == 2
        few, little = packets[i] <= uint64(MOST_PROBE_PACKETS), packets[i] <= uint64(2)
        sweep = (protocols[i] == 17) & little & (of_port & C.PORT_PROBED != 0)
        sweep |= (protocols[i] == 1) & (port[i] & 0xFFFF == 2048)  # echo request: type * 256 + code
        sweep |= (protocols[i] == 58) & (port[i] & 0xFFFF == 32768)
        login, mail = tcp & (of_port & C.PORT_LOGIN != 0), tcp & (of_port & C.PORT_MAIL != 0) & (flags[i] & 2 != 0)
        mask = uint8(tcp & openings & few) << PROBE | uint8(sweep) << SWEEP | uint8(login) << LOGIN | uint8(mail) << MAIL
        masks[uint64(k)] = mask if (customers[0, i] != 0) | (customers[1, i] != 0) else 0
    found = uint64(0)
    for k in range(behind - begin):
        jobs.found[found, 0], jobs.found[found, 1] = begin + k, masks[uint64(k)]
        found += uint64(masks[uint64(k)] != 0)
    return found


@inlined
def peer_of(narrow, wide, i, end):
    """A number for the other side of ``end``."""
    if narrow[L.FAMILY, i] == 4:
        peer = uint64(narrow[L.SRC if end else L.DST, i])
    else:
        other = L.SRC_HI if end else L.DST_HI
        peer = (wide[other, i] * uint64(C.GOLDEN)) ^ wide[other + 1, i]
    return peer ^ (peer >> uint64(31))


@inlined
def login_weight(narrow, wide, i):
    """1 for what looks like one attempt to log in, 0 for the rest of a session.

    A whole connection: SYN answered, 6 to 60 packets one way, 500 bytes or more, so that mere banner checks do not count
    (SSHCure, Hofstede et al. 2014, counts 8 to 14 a try). Of a sampled exporter one packet is seen: SYNs stand for attempts.
    """
    flags, packets = narrow[L.TCP_FLAGS, i], wide[L.PACKETS, i]
    if narrow[L.RATE, i] > 1:
        return int64(1) if flags & 0x12 == 2 else int64(0)
    return int64(1) if flags & 0x02 and flags & 0x10 and 6 <= packets <= 60 and wide[L.BYTES, i] >= 500 else int64(0)
