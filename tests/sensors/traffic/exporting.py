"""Exporters for tests: they build datagrams field by field, independently of the decoders, and remember what they told."""

import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import pairwise

from tipstaff.sensors.traffic.captures import MAPPED, Datagram
from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders.decoder import Decoder, gather
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.records import rows

WALL = 1_770_000_000
ROUTER = MAPPED + bytes([192, 0, 2, 1])
OTHER = MAPPED + bytes([192, 0, 2, 2])


def number(address: str) -> int:
    return int(ip_address(address))


def flow(**values):
    """A flow with everything an exporter may state; ``values`` change it."""
    return {
        "src": "198.51.100.7", "dst": "203.0.113.9", "src_port": 40000, "dst_port": 443, "protocol": 6, "tcp_flags": 27,
        "bytes": 1500, "packets": 3, "first": 1000, "last": 2000, "input": 3, "output": 7,
    } | values  # fmt: skip


def v5(flows, *, sequence=0, uptime=10_000, wall=WALL, sampling=0, count=None, engine=0):
    head = struct.pack(">HHIIIIBBH", 5, len(flows) if count is None else count, uptime, wall, 0, sequence, 0, engine, sampling)
    return head + b"".join(
        struct.pack(
            ">IIIHHIIIIHHBBBBHHBBH", number(one["src"]), number(one["dst"]), 0, one["input"], one["output"], one["packets"],
            one["bytes"], one["first"], one["last"], one["src_port"], one["dst_port"], 0, one["tcp_flags"], one["protocol"],
            *(0,) * 6,
        )
        for one in flows
    )  # fmt: skip


NAMES = {
    8: "src", 12: "dst", 27: "src", 28: "dst", 7: "src_port", 11: "dst_port", 4: "protocol", 6: "tcp_flags", 1: "bytes",
    2: "packets", 22: "first", 21: "last", 10: "input", 14: "output",
}  # fmt: skip
FIELDS = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (1, 4), (2, 4), (22, 4), (21, 4), (10, 4), (14, 4))


def body(fields, flows):
    """Data records; a field is (number, size) or (number, size, enterprise), size 65535 for a variable one; others are zero."""
    out = b""
    for one in flows:
        for item in fields:
            element, size = item[0], item[1]
            value = one.get(element, one.get(NAMES.get(element, ""), 0)) if len(item) == 2 else one.get(item, 0)
            raw = value if isinstance(value, bytes) else (number(value) if isinstance(value, str) else value)
            if size == 65535:
                raw = raw if isinstance(raw, bytes) else raw.to_bytes(4, "big")
                out += (bytes([len(raw)]) if len(raw) < 255 else b"\xff" + struct.pack(">H", len(raw))) + raw
            else:
                out += raw.ljust(size, b"\0")[:size] if isinstance(raw, bytes) else raw.to_bytes(size, "big")
    return out


def specifiers(fields):
    return b"".join(
        struct.pack(">HH", one[0], one[1]) if len(one) == 2 else struct.pack(">HHI", one[0] | 0x8000, one[1], one[2])
        for one in fields
    )


def a_set(identifier, content, pad=True):
    padding = bytes(-len(content) % 4 if pad else 0)
    return struct.pack(">HH", identifier, 4 + len(content) + len(padding)) + content + padding


def template(identifier, fields, version=9):
    return a_set(0 if version == 9 else 2, struct.pack(">HH", identifier, len(fields)) + specifiers(fields))


def options_template(identifier, scope, fields, version=9):
    if version == 9:
        return a_set(1, struct.pack(">HHH", identifier, 4 * len(scope), 4 * len(fields)) + specifiers((*scope, *fields)))
    return a_set(3, struct.pack(">HHH", identifier, len(scope) + len(fields), len(scope)) + specifiers((*scope, *fields)))


def v9(sets, *, count, sequence=0, domain=1, uptime=10_000, wall=WALL):
    return struct.pack(">HHIIII", 9, count, uptime, wall, sequence, domain) + b"".join(sets)


def ipfix(sets, *, sequence=0, domain=1, wall=WALL):
    content = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(content), wall, sequence, domain) + content


def packet(src="198.51.100.7", dst="203.0.113.9", protocol=6, ports=(40000, 443), flags=2, payload=20, fragment=0):
    """An IPv4 or IPv6 packet with the beginning of its transport header."""
    transport = struct.pack(">HH", *ports) + bytes(9) + bytes([flags]) + bytes(payload)
    if ":" in src:
        return (
            struct.pack(">IHBB", 0x60000000, len(transport), protocol, 64)
            + ip_address(src).packed
            + ip_address(dst).packed
            + transport
        )
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(transport), 1, fragment, 64, protocol, 0)
    return head + ip_address(src).packed + ip_address(dst).packed + transport


def ethernet(content, kind=0x0800, tags=()):
    return bytes(12) + b"".join(struct.pack(">HH", tag_kind, tag) for tag_kind, tag in tags) + struct.pack(">H", kind) + content


def raw_header(frame, length=None, protocol=1):
    content = struct.pack(">IIII", protocol, length or len(frame) + 4, 4, len(frame)) + frame + bytes(-len(frame) % 4)
    return struct.pack(">II", 1, len(content)) + content


def sample(records, *, rate=512, expanded=False, sequence=1, source=3, into=3, out=7):
    if expanded:
        content = struct.pack(">11I", sequence, 0, source, rate, 0, 0, 0, into, 0, out, len(records))
    else:
        content = struct.pack(">8I", sequence, source, rate, 0, 0, into, out, len(records))
    content += b"".join(records)
    return struct.pack(">II", 3 if expanded else 1, len(content)) + content


def sflow(samples, *, sequence=0, agent="192.0.2.1", sub_agent=0, uptime=10_000, count=None):
    packed = ip_address(agent).packed
    head = struct.pack(">II", 5, 1 if len(packed) == 4 else 2) + packed
    return head + struct.pack(">IIII", sub_agent, sequence, uptime, len(samples) if count is None else count) + b"".join(samples)


@dataclass
class Bench:
    """A decoder with what it decoded."""

    decoder: Decoder = field(default_factory=lambda: Decoder(tolerance=0))
    columns: Columns = field(default_factory=lambda: Columns.room(1 << 17))
    found: list = field(default_factory=list)

    def full(self, count):
        self.found += rows(self.columns, count, self.decoder.sessions)
        return 0

    def feed(self, *datagrams, source=ROUTER, port=2055, at=0):
        """Decode datagrams (bytes, or whole Datagrams) as one batch; the flows of this batch."""
        whole = [one if isinstance(one, Datagram) else Datagram(one, source, port, at) for one in datagrams]
        before = len(self.found)
        self.full(self.decoder.decode(gather(whole), self, 0))
        return self.found[before:]

    def sums(self, column):
        return int(self.decoder.sessions.state[: len(self.decoder.sessions), column].sum())

    def why(self, reason):
        return self.sums(S.WHY + reason) + int(self.decoder.sessions.refused[reason])

    @property
    def balanced(self):
        return self.sums(S.RECEIVED) == self.sums(S.DECODED) + self.sums(S.UNDECODABLE)


def same(record, one):
    """Whether a decoded record tells what the exporter was told to tell."""
    names = ("src", "dst", "src_port", "dst_port", "protocol", "tcp_flags", "bytes", "packets")
    return all(record[name] == one[name] for name in names)


def pcap(frames, link=1, nanoseconds=False):
    out = struct.pack("<IHHIIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for at, content in frames:
        fraction = at % 1000 * (1_000_000 if nanoseconds else 1000)
        out += struct.pack("<IIII", at // 1000, fraction, len(content), len(content)) + content
    return out


def udp(payload, src="192.0.2.1", dst="192.0.2.254", ports=(2055, 2055)):
    segment = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    if ":" in src:
        return struct.pack(">IHBB", 0x60000000, len(segment), 17, 64) + ip_address(src).packed + ip_address(dst).packed + segment
    return (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 7, 0, 64, 17, 0)
        + ip_address(src).packed
        + ip_address(dst).packed
        + segment
    )


def fragments(whole, size=48):
    """An IPv4 packet in fragments."""
    head, content = whole[:20], whole[20:]
    cuts = [*range(0, len(content), size), len(content)]
    for start, end in pairwise(cuts):
        more = 0x2000 if end < len(content) else 0
        yield head[:2] + struct.pack(">HHH", 20 + end - start, 7, more | start // 8) + head[8:] + content[start:end]
