"""Flows as columns, played to the counters and detectors second by second, as an exporter of a given sampling rate saw them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.counting import Hosts, count_hosts
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.detection.configuration import Configuration
from tipstaff.sensors.traffic.detection.engine import Detection
from tipstaff.sensors.traffic.detection.findings import Finding
from tipstaff.sensors.traffic.detection.spool import Spool

Flows = dict[str, NDArray[Any]]
PRESENT = sum(
    (L.HAS_SRC, L.HAS_DST, L.HAS_SRC_PORT, L.HAS_DST_PORT, L.HAS_PROTOCOL, L.HAS_TCP_FLAGS, L.HAS_BYTES, L.HAS_PACKETS, L.HAS_START,
     L.HAS_END, L.HAS_INPUT, L.HAS_OUTPUT)
)  # fmt: skip
#: Name → what a flow has that does not say otherwise. ``src`` and ``dst`` are 128-bit halves, IPv4 mapped; ``lasts`` in ms.
DEFAULTS: Mapping[str, int] = {
    "src_port": 40000, "dst_port": 443, "protocol": 6, "flags": 0x1B, "packets": 10, "octets": 5000, "lasts": 0, "input": 1,
    "output": 2, "src_customer": 0, "dst_customer": 0, "fragment": 0,
}  # fmt: skip


def flows(count: int, src: NDArray[np.uint64], dst: NDArray[np.uint64], **more: Any) -> Flows:
    """``count`` flows; (n, 2) halves or one address for all, other facts as numbers or columns."""
    made: Flows = {"src": np.broadcast_to(src, (count, 2)), "dst": np.broadcast_to(dst, (count, 2))}
    for name, usual in DEFAULTS.items():
        made[name] = np.broadcast_to(np.asarray(more.get(name, usual), np.int64), count)
    return made


def join(parts: list[Flows]) -> Flows:
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]} if parts else {}


def sampled(made: Flows, rate: int, rng: np.random.Generator) -> Flows:
    """What an exporter that looks at one packet in ``rate`` tells: flows of which a packet was seen, with the flags of those.

    The first packet of a connection has SYN, the last one FIN; those between have ACK.
    """
    if rate <= 1:
        return made
    packets = made["packets"]
    seen = rng.binomial(packets, 1 / rate)
    kept = np.flatnonzero(seen)
    out = {name: column[kept] for name, column in made.items()}
    count = seen[kept]
    out["octets"] = out["octets"] * count // np.maximum(packets[kept], 1)
    first = rng.random(len(kept)) < count / np.maximum(packets[kept], 1)
    whole = out["flags"]
    middle = np.where(whole & 0x10, 0x10 | (whole & 0x08), whole)
    opening = np.where(whole & 0x12 == 0x12, np.where(rng.random(len(kept)) < 0.5, 0x02, 0x12), whole & 0x12)
    opening = np.where((whole & 0x02) != 0, np.where(whole & 0x10, made_opening(out, opening), 0x02), middle)
    out["flags"] = np.where(first, opening | np.where(count > 1, middle, 0), middle)
    out["packets"] = count
    return out


def made_opening(made: Flows, otherwise: NDArray[Any]) -> NDArray[Any]:
    """The flags of a connection's first packet: who asks sends SYN, who answers SYN and ACK; the lower port answers."""
    return np.where(made["src_port"] >= made["dst_port"], 0x02, 0x12)


@dataclass
class Stage:
    """The product's counters and detection, fed by hand; ``findings`` are documents as they came, with the second they came in."""

    configuration: Configuration | None = None
    hosts: int = 20_000
    rate: int = 1
    seed: int = 1
    room: int = 1 << 16
    spool: Spool | None = None
    documents: list[tuple[int, Finding]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counters = Hosts(self.hosts, self.seed)
        self.detection = Detection(self.counters, self.configuration, self.spool)
        self.columns = Columns.room(self.room)
        self.customers = np.zeros((2, self.columns.capacity), np.int32)
        self.rng = np.random.default_rng(self.seed)
        self.rows = 0

    def play(self, second: int, made: Flows | None = None, *, already_sampled: bool = False) -> list[Finding]:
        """A second begins, and these flows are exported within it; the documents that its beginning brought."""
        before = len(self.detection.emitted)
        self.detection.turn(second, lambda: [(self.columns.narrow, self.columns.wide, self.customers, self.rows)])
        fresh = self.detection.emitted[before:]
        self.documents += [(second, one) for one in fresh]
        self.rows = 0
        if made:
            told = made if already_sampled else sampled(made, self.rate, self.rng)
            total = len(told["src"])
            for begin in range(0, total, self.room):
                part = {name: column[begin : begin + self.room] for name, column in told.items()}
                self._feed(part, second)
        return fresh

    def _feed(self, made: Flows, second: int) -> None:
        count = len(made["src"])
        if self.rows + count > self.columns.capacity:
            self.rows = 0
        at = slice(self.rows, self.rows + count)
        narrow, wide = self.columns.narrow, self.columns.wide
        narrow[:, at] = 0
        four = (made["src"][:, 0] == 0) & (made["src"][:, 1] >> np.uint64(32) == np.uint64(0xFFFF))
        narrow[L.FAMILY, at] = np.where(four, 4, 6)
        for name, low, high in (("src", L.SRC, L.SRC_HI), ("dst", L.DST, L.DST_HI)):
            narrow[low, at] = np.where(four, made[name][:, 1] & np.uint64(0xFFFFFFFF), 0).astype(np.uint32)
            wide[high, at], wide[high + 1, at] = made[name][:, 0], made[name][:, 1]
        for name, row in (("src_port", L.SRC_PORT), ("dst_port", L.DST_PORT), ("protocol", L.PROTOCOL), ("flags", L.TCP_FLAGS),
                          ("input", L.INPUT), ("output", L.OUTPUT)):  # fmt: skip
            narrow[row, at] = made[name]
        narrow[L.MARKS, at] = made["fragment"] * L.FRAGMENT
        narrow[L.RATE, at], narrow[L.SESSION, at], narrow[L.PRESENT, at] = self.rate, 1, PRESENT
        wide[L.BYTES, at], wide[L.PACKETS, at] = made["octets"], made["packets"]
        wide[L.END, at] = second * 1000 + 500
        wide[L.START, at] = second * 1000 + 500 - made["lasts"]
        self.customers[0, at], self.customers[1, at] = made["src_customer"], made["dst_customer"]
        count_hosts(narrow, wide, self.customers, self.rows, self.rows + count, self.counters, second)
        self.detection.note(narrow, wide, self.customers, self.rows, self.rows + count, second)
        self.rows += count


def four(address: int) -> NDArray[np.uint64]:
    """An IPv4 address as halves."""
    return np.array([0, 0xFFFF << 32 | address], np.uint64)


def six(address: int) -> NDArray[np.uint64]:
    return np.array([address >> 64, address & (1 << 64) - 1], np.uint64)


def fours(addresses: NDArray[Any]) -> NDArray[np.uint64]:
    low = np.asarray(addresses).astype(np.uint64) | np.uint64(0xFFFF << 32)
    return np.stack([np.zeros(len(low), np.uint64), low], 1)
