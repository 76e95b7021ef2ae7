"""Made-up traffic of one provider and the datagrams that its routers would send about it, with the truth beside them."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.attribution.segments import Prefixes, nest
from tipstaff.sensors.traffic.prefixes import PrefixTable
from tipstaff.sensors.traffic.tables import from_prefixes

FLOWS, RECORDS = 500_000, 600_000
LOCAL = 10 << 24 | 64 << 16  # 16 blocks of 65,536 addresses from 10.64.0.0 on
ADDRESSES, PREFIXES = 1 << 20, 100_000
RATE = 10  # at 300,000 flows/s some 130 Gbit/s: a million hosts of a provider, not all of them over a limit at once
UPTIME = 3_600_000
PER_DATAGRAM = {"v5": 30, "v9": 24, "ipfix": 19, "sflow": 6}
Columns = dict[str, NDArray[Any]]


@dataclass
class Export:
    """Prebuilt datagrams one after the other, and what each tells: flows, bytes and packets, unscaled."""

    content: NDArray[np.uint8]
    lens: NDArray[np.int64]
    flows: NDArray[np.int64]
    octets: NDArray[np.uint64]
    packets: NDArray[np.uint64]


def prefix_table(seed: int = 7) -> PrefixTable:
    """100,000 nested prefixes over the local space, each a customer's."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice(np.array([24, 26, 27, 28, 29, 30, 32]), PREFIXES * 2, p=[0.05, 0.10, 0.15, 0.25, 0.25, 0.10, 0.10])
    place = LOCAL + rng.integers(0, ADDRESSES, PREFIXES * 2)
    place &= ~((1 << (32 - sizes)) - 1)
    _, first = np.unique(place << 6 | sizes, return_index=True)
    chosen = rng.permutation(first)[:PREFIXES]
    # The provider's own space lies around all of them.
    lo = np.append(place[chosen], LOCAL).astype(np.uint64)
    length = np.append(sizes[chosen], 12).astype(np.uint8)
    rows = Prefixes(np.full(len(lo), 4, np.uint8), np.zeros(len(lo), np.uint64), lo, length)
    nesting, _ = nest(rows)
    return from_prefixes(nesting, np.arange(1, len(nesting.prefixes.lo) + 1, dtype=np.int32), 1)


def zipf(rng: np.random.Generator, values: int, size: int, exponent: float = 0.9) -> NDArray[np.int64]:
    """Places in ``values`` by Zipf's law."""
    weight = np.cumsum(1 / np.arange(1, values + 1) ** exponent)
    return np.searchsorted(weight / weight[-1], rng.random(size))


def traffic(seed: int = 7, hosts: int = ADDRESSES) -> Columns:
    """RECORDS records of FLOWS distinct flows in and out of the local space, as native columns."""
    rng = np.random.default_rng(seed)
    local = (LOCAL + rng.permutation(ADDRESSES)[:hosts]).astype(np.uint32)
    remote = (172 << 24 | 16 << 16) + rng.integers(0, 1 << 20, 300_000).astype(np.uint32)
    ours, theirs = local[zipf(rng, hosts, FLOWS)], remote[zipf(rng, 300_000, FLOWS)]
    out = rng.random(FLOWS) < 0.5
    service = rng.choice(np.array([443, 80, 53, 22, 25, 123, 8080, 3389]), FLOWS, p=[0.6, 0.15, 0.1, 0.04, 0.02, 0.03, 0.04, 0.02])
    ephemeral, asks = rng.integers(1024, 65535, FLOWS), rng.random(FLOWS) < 0.5
    protocol = rng.choice(np.array([6, 17, 1]), FLOWS, p=[0.75, 0.22, 0.03])
    flags = rng.choice(np.array([0x1B, 0x18, 0x02, 0x12, 0x10, 0x11]), FLOWS, p=[0.4, 0.2, 0.15, 0.05, 0.15, 0.05])
    packets = np.minimum((rng.pareto(1.2, FLOWS) + 1) * 2, 100_000).astype(np.uint32)
    flows = {
        "src": np.where(out, ours, theirs), "dst": np.where(out, theirs, ours), "protocol": protocol,
        "src_port": np.where(asks, ephemeral, service), "dst_port": np.where(asks, service, ephemeral),
        "flags": np.where(protocol == 6, flags, 0), "packets": packets, "octets": packets * rng.integers(40, 1460, FLOWS),
    }  # fmt: skip
    order = np.concatenate([rng.permutation(FLOWS), rng.integers(0, FLOWS, RECORDS - FLOWS)])
    made = {name: column[order].astype(np.uint32) for name, column in flows.items()}
    made["last"] = (UPTIME - rng.integers(0, 1000, RECORDS)).astype(np.uint32)
    made["first"] = made["last"] - rng.integers(0, 60_000, RECORDS).astype(np.uint32)
    return made


def _filled(kind: np.dtype[Any], rows: Columns, /, **constant: int) -> NDArray[Any]:
    table = np.zeros(len(rows["src"]), kind)
    for name in kind.names or ():
        if name in rows:
            table[name] = rows[name]
        elif name in constant:
            table[name] = constant[name]
    return table


def _export(heads: list[bytes], bodies: list[bytes], counts: list[int], rows: Columns) -> Export:
    whole = [head + body for head, body in zip(heads, bodies, strict=True)]
    flows = np.array(counts, np.int64)
    ends = np.cumsum(flows)
    sums = [np.append(0, np.cumsum(rows[name].astype(np.uint64))) for name in ("octets", "packets")]
    octets, packets = (one[ends] - one[ends - flows] for one in sums)
    return Export(np.frombuffer(b"".join(whole), np.uint8), np.array([len(one) for one in whole], np.int64), flows, octets, packets)


FIVE = np.dtype([
    ("src", ">u4"), ("dst", ">u4"), ("hop", ">u4"), ("input", ">u2"), ("output", ">u2"), ("packets", ">u4"), ("octets", ">u4"),
    ("first", ">u4"), ("last", ">u4"), ("src_port", ">u2"), ("dst_port", ">u2"), ("pad", "u1"), ("flags", "u1"),
    ("protocol", "u1"), ("tos", "u1"), ("src_as", ">u2"), ("dst_as", ">u2"), ("masks", ">u2"), ("pad2", ">u2"),
])  # fmt: skip
CONSTANT = {"input": 3, "output": 7, "src_as": 64500, "dst_as": 64501, "hop": 0x0A000001, "sampler": 1, "direction": 0}


def v5(rows: Columns, wall: int) -> Export:
    table, step = _filled(FIVE, rows, **CONSTANT), PER_DATAGRAM["v5"]
    starts = range(0, RECORDS, step)
    heads = [struct.pack(">HHIIIIBBH", 5, step, UPTIME, wall, 0, i, 0, 1, 0x4000 | RATE) for i in starts]
    return _export(heads, [table[i : i + step].tobytes() for i in starts], [step] * len(heads), rows)


NINE = (
    (8, 4, "src"), (12, 4, "dst"), (15, 4, "hop"), (10, 4, "input"), (14, 4, "output"), (2, 4, "packets"), (1, 4, "octets"),
    (22, 4, "first"), (21, 4, "last"), (7, 2, "src_port"), (11, 2, "dst_port"), (16, 4, "src_as"), (17, 4, "dst_as"),
    (9, 1, "mask"), (13, 1, "mask2"), (4, 1, "protocol"), (5, 1, "tos"), (6, 1, "flags"), (61, 1, "direction"), (48, 1, "sampler"),
)  # fmt: skip
TEN = (
    (152, 8, "first_ms"), (153, 8, "last_ms"), (8, 4, "src"), (12, 4, "dst"), (15, 4, "hop"), (10, 4, "input"), (14, 4, "output"),
    (1, 8, "octets"), (2, 8, "packets"), (7, 2, "src_port"), (11, 2, "dst_port"), (4, 1, "protocol"), (5, 1, "tos"),
    (6, 2, "flags"), (16, 4, "src_as"), (17, 4, "dst_as"), (9, 1, "mask"), (13, 1, "mask2"), (61, 1, "direction"),
)  # fmt: skip
SIZES = {1: "u1", 2: ">u2", 4: ">u4", 8: ">u8"}


def _kind(fields: tuple[tuple[int, int, str], ...]) -> np.dtype[Any]:
    return np.dtype([(name, SIZES[size]) for _, size, name in fields])


def _specifiers(fields: tuple[tuple[int, int, str], ...]) -> bytes:
    return b"".join(struct.pack(">HH", number, size) for number, size, _ in fields)


def _set(number: int, body: bytes, align: bool = True) -> bytes:
    padding = -len(body) % 4 if align else 0
    return struct.pack(">HH", number, 4 + len(body) + padding) + body + bytes(padding)


def _with_templates(first: bytes, heads: list[bytes], bodies: list[bytes], step: int, rows: Columns, every: int = 1000) -> Export:
    """Put the datagram with templates and options before every thousandth."""
    all_heads, all_bodies, counts = [], [], []
    for i, (head, body) in enumerate(zip(heads, bodies, strict=True)):
        if i % every == 0:
            all_heads.append(first)
            all_bodies.append(b"")
            counts.append(0)
        all_heads.append(head)
        all_bodies.append(body)
        counts.append(step)
    return _export(all_heads, all_bodies, counts, rows)


def v9(rows: Columns, wall: int) -> Export:
    table, step = _filled(_kind(NINE), rows, **CONSTANT), PER_DATAGRAM["v9"]
    template = _set(0, struct.pack(">HH", 260, len(NINE)) + _specifiers(NINE))
    options = _set(1, struct.pack(">HHH", 256, 4, 12) + struct.pack(">8H", 1, 4, 48, 1, 49, 1, 50, 4))
    told = _set(256, struct.pack(">IBBI", 1, 1, 2, RATE))
    first = struct.pack(">HHIIII", 9, 3, UPTIME, wall, 0, 42) + template + options + told
    starts = range(0, RECORDS, step)
    heads = [struct.pack(">HHIIII", 9, step, UPTIME, wall, 0, 42) for _ in starts]
    return _with_templates(first, heads, [_set(260, table[i : i + step].tobytes()) for i in starts], step, rows)


def ipfix(rows: Columns, wall: int) -> Export:
    used = RECORDS // PER_DATAGRAM["ipfix"] * PER_DATAGRAM["ipfix"]
    rows = {name: column[:used] for name, column in rows.items()}
    ended = wall * 1000 - (UPTIME - rows["last"].astype(np.uint64))
    rows |= {"last_ms": ended, "first_ms": ended - (rows["last"] - rows["first"])}
    table, step = _filled(_kind(TEN), rows, **CONSTANT), PER_DATAGRAM["ipfix"]
    template = _set(2, struct.pack(">HH", 400, len(TEN)) + _specifiers(TEN))
    options = _set(3, struct.pack(">HHH", 401, 3, 1) + struct.pack(">6H", 149, 4, 34, 4, 35, 1), align=False)
    sets = template + options + _set(401, struct.pack(">IIB", 7, RATE, 2), align=False)
    first = struct.pack(">HHIII", 10, 16 + len(sets), wall, 0, 7) + sets
    bodies = [_set(400, table[i : i + step].tobytes(), align=False) for i in range(0, used, step)]
    heads = [struct.pack(">HHIII", 10, 16 + len(body), wall, 0, 7) for body in bodies]
    return _with_templates(first, heads, bodies, step, rows)


SAMPLE = np.dtype([
    *((name, ">u4") for name in ("kind", "size", "number", "id", "rate", "pool", "drops", "input", "output", "records")),
    *((name, ">u4") for name in ("record", "record_size", "header", "octets", "stripped", "header_size")),
    ("macs", "u1", 12), ("ether", ">u2"), ("version", "u1"), ("tos", "u1"), ("length", ">u2"), ("ip_id", ">u2"),
    ("fragment", ">u2"), ("ttl", "u1"), ("protocol", "u1"), ("checksum", ">u2"), ("src", ">u4"), ("dst", ">u4"),
    ("src_port", ">u2"), ("dst_port", ">u2"), ("tcp", ">u8"), ("offset", "u1"), ("flags", "u1"), ("window", ">u2"),
    ("rest", "u1", 78),
])  # fmt: skip


def sflow(rows: Columns, wall: int, samples: int = 300_000) -> Export:
    rng, step = np.random.default_rng(3), PER_DATAGRAM["sflow"]
    rows = {name: column[:samples] for name, column in rows.items()}
    rows["octets"] = np.where(rng.random(samples) < 0.4, rng.integers(130, 300, samples), 1518).astype(np.uint32)
    rows["packets"] = np.ones(samples, np.uint32)
    rows |= {"number": np.arange(samples), "pool": np.arange(samples) * RATE & 0xFFFFFFFF, "length": rows["octets"] - 18}
    more = {"kind": 1, "size": SAMPLE.itemsize - 8, "id": 3, "rate": RATE, "records": 1, "record": 1, "header": 1}
    more |= {"record_size": 144, "stripped": 4, "header_size": 128, "ether": 0x800, "version": 0x45, "ttl": 60, "offset": 0x50}
    table = _filled(SAMPLE, rows, **(CONSTANT | more))
    starts = range(0, samples, step)
    heads = [struct.pack(">IIIIIII", 5, 1, 0x7F000001, 0, 0, UPTIME, step) for _ in starts]
    return _export(heads, [table[i : i + step].tobytes() for i in starts], [step] * len(heads), rows)


FORMATS = {"v5": v5, "v9": v9, "ipfix": ipfix, "sflow": sflow}
