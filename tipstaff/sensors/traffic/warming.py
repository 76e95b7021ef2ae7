"""Load the compiled kernels, or compile them where none are kept yet, before the first datagram needs them."""

import ctypes
import gc
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.counting import Hosts, count_hosts, find_row, refill
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.decoder import Decoder, gather
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.decoders.sessions import EXPORTER
from tipstaff.sensors.traffic.detection.contacts import age
from tipstaff.sensors.traffic.detection.engine import Detection
from tipstaff.sensors.traffic.detection.evidence import flows_of
from tipstaff.sensors.traffic.detection.places import furthest_first
from tipstaff.sensors.traffic.detection.sightings import Aim
from tipstaff.sensors.traffic.prefixes import attribute, name_exporters, nothing
from tipstaff.sensors.traffic.sockets import Inlet

PAGE = 4096
COMPILER = "libllvmlite"
MADV_DONTNEED = 4
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
MAPPED = bytes(10) + b"\xff\xff\xc0\x00\x02\x01"


class _Aside:
    """Columns that nobody reads."""

    def __init__(self) -> None:
        self.columns = Columns.room(20_000)

    def full(self, rows: int) -> int:
        return 0


def datagrams() -> list[bytes]:
    """One small export of each kind: NetFlow 5, NetFlow 9 with its template, IPFIX with a varying one, sFlow."""
    five = struct.pack(">HHIIIIBBH", 5, 1, 0, 1, 0, 0, 0, 0, 0) + bytes(48)
    nine = struct.pack(">HHIIII", 9, 2, 0, 1, 0, 1)
    nine += struct.pack(">HHHHHHHH", 0, 16, 256, 2, 8, 4, 12, 4) + struct.pack(">HHII", 256, 12, 1, 2)
    sets = struct.pack(">HHHHHHHH", 2, 16, 256, 2, 8, 4, 82, 65535) + struct.pack(">HHIB3x", 256, 12, 1, 0)
    ten = struct.pack(">HHIII", 10, 16 + len(sets), 1, 0, 1) + sets
    packet = bytes(12) + b"\x08\x00\x45\x00" + struct.pack(">H", 20) + bytes(5) + b"\x11" + bytes(10)
    record = struct.pack(">IIIIII", 1, 16 + len(packet) + 2, 1, 64, 4, len(packet)) + packet + bytes(2)
    sample = struct.pack(">IIIIIIII", 1, 1, 1, 1, 0, 1, 1, 1) + record
    sflow = struct.pack(">IIIIIII", 5, 1, 0xC0000201, 0, 1, 1, 1) + struct.pack(">II", 1, len(sample)) + sample
    return [five, nine, ten, sflow]


def warm() -> None:
    """Send one export of each kind through every stage, on the types that reception uses."""
    large_apart(1 << 20)
    aside: Any = _Aside()
    decoder = Decoder(sessions=16)
    for _ in range(2):  # the second time the templates are known
        decoder.decode(gather([(one, MAPPED, 2055, 1) for one in datagrams()]), aside, 0)
    Inlet([]).note(0, 0)
    p, hosts, c = nothing(), Hosts(400, 1), aside.columns
    customers = np.zeros((2, c.capacity), np.int32)
    name_exporters(c.narrow, decoder.sessions.state[:, EXPORTER], 0, 4)
    attribute(c.narrow, c.wide, customers, 0, 4, p.top, p.pages, p.hi, p.lo, p.leaf, p.customer, p.since, p.before)
    detection = Detection(hosts)
    customers[:] = 1
    hosts.marks[:] = 1
    for second in (1, 2, 4):  # also one that nobody was told of
        detection.turn(second, lambda: [(c.narrow, c.wide, customers, 4)])
        count_hosts(c.narrow, c.wide, customers, 0, 4, hosts, second)
        detection.note(c.narrow, c.wide, customers, 0, 4, second)
    detection.follow.seconds(0)
    flows_of([(c.narrow, c.wide, customers, 4)], Aim(4, 0, 32, 0, 0))
    detection.watched.plan[:] = 1  # what only some operators have watched
    hosts.watched.counted[0] = 1
    detection.note(c.narrow, c.wide, customers, 0, 4, 4)
    warm_rare(hosts, detection, c)


def warm_rare(hosts: Hosts, detection: Detection, c: Columns) -> None:
    """What only an attack, or a host that stands out, calls for: reception must not stop for it just then."""
    for order in ("C", "F"):  # as flows are gathered, their columns lie either way
        narrow, wide = (matrix[:, :4].copy(order) for matrix in (c.narrow, c.wide))
        refill(hosts.series, 0, narrow, wide, 4, hosts.ports, 1)
    nobody = np.uint64(0)
    find_row(hosts.table.rows, hosts.table.six, np.uint64(1), 0, nobody, nobody, 1, hosts.table.tally)
    age(detection.contacts.fans[0].rows, 0, 1)
    one = np.zeros(1, np.int64)
    detection.follow.release(detection.follow.start(0, one, one, 1))
    limits = detection.rates.limits
    furthest_first(detection.follow, np.ones(limits.room, np.bool_), limits.values, limits.least, 1, 1)


def settle(hosts: Hosts, detection: Detection) -> None:
    """Before the first datagram, have the memory at hand that any amount of traffic soon touches all of: its first touch, some
    0.8 ms of a processor for each MB, comes otherwise amid reception. And let the collector of garbage pass over what stays, 40 ms
    each time. And let the compiler's code go, of which loading kernels has touched 65 MB: it comes back where it is called. For a
    program of its own."""
    rows: list[NDArray[Any]] = [hosts.table.rows, hosts.sums.rows, *hosts.series]
    rows += [one for fans in detection.contacts.fans for one in (fans.rows, fans.heads)]
    rows += [detection.recent.narrow, detection.recent.wide[: L.SRC_HI], detection.recent.customers]
    for one in rows:
        one.reshape(-1).view(np.uint8)[::PAGE] = 0
    gc.collect()
    gc.freeze()
    large_apart(32 << 20)  # reception does not ask the system for memory again and again
    release(COMPILER)


def large_apart(size: int) -> None:
    """From now on arrays of so many bytes have memory of their own, none of it there before it is touched, and gone when they are:
    in memory that was used before they would be zeroed at once, whether they are needed or not. For glibc; elsewhere nothing."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(M_MMAP_THRESHOLD, size)
        tune(M_TRIM_THRESHOLD, 64 << 20)


def release(library: str) -> None:
    """Have a loaded library's unchanged pages out of our memory; the system reads them again from its file when they are needed."""
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for begin, end in unchanged(Path("/proc/self/smaps"), library):
        advise(begin, end - begin, MADV_DONTNEED)


def unchanged(smaps: Path, library: str) -> Iterator[tuple[int, int]]:
    """Where (first address, behind the last) pages of that library lie that cannot be written and never were; see proc(5)."""
    where: tuple[int, int] | None = None
    for line in smaps.read_text().splitlines() if smaps.exists() else ():
        words = line.split()
        if not words[0].endswith(":"):
            begin, end = (int(one, 16) for one in words[0].split("-"))
            where = (begin, end) if library in words[-1] and "w" not in words[1] else None
        elif where and words[0] == "Anonymous:" and words[1] == "0":
            yield where
