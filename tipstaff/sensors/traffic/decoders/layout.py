"""Where each fact of a flow lies in the columns, and the words for what could not be decoded.

A block of flows is two matrices, one row per fact, one column per flow: 32-bit facts and 64-bit facts. Rows are padded
so that their stride is no multiple of 4,096 bytes: on such strides the rows of one flow evict each other from the cache.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# 32-bit rows. IPv4 addresses as numbers; ports, protocol, TCP flags and interfaces as exported.
(SRC, DST, NEXT_HOP, INPUT, OUTPUT, SRC_PORT, DST_PORT, PROTOCOL, TOS, TCP_FLAGS, SRC_AS, DST_AS, VLAN) = range(13)
RATE, SESSION, FAMILY, MARKS, PRESENT = 13, 14, 15, 16, 17  # RATE: 1 in so many packets, 0 unknown; FAMILY: 4, 6 or 0
NARROW = 18
# 64-bit rows. Times in ms since 1970 (0 unknown); IPv6 addresses in halves, meaningful only where FAMILY is 6.
BYTES, PACKETS, START, END, SRC_HI, SRC_LO, DST_HI, DST_LO, NEXT_HI, NEXT_LO = range(10)
SAMPLER, BACK_BYTES, BACK_PACKETS, BOOT = 10, 11, 12, 13  # what the decoder itself needs for a moment
WIDE = 14

# MARKS
FRAGMENT, CLAMPED, REVERSED = 1, 2, 4

# PRESENT: which facts the exporter stated, so that "0" and "not stated" stay apart.
HAS_SRC, HAS_DST, HAS_NEXT_HOP, HAS_INPUT, HAS_OUTPUT, HAS_SRC_PORT, HAS_DST_PORT, HAS_PROTOCOL = (1 << bit for bit in range(8))
HAS_TCP_FLAGS, HAS_VLAN, HAS_BYTES, HAS_PACKETS, HAS_START, HAS_END = (1 << bit for bit in range(8, 14))

# Why bytes gave no flow. The texts are what operators read.
REASONS = (
    "datagram shorter than its header",
    "not NetFlow 5, 9, IPFIX or sFlow 5",
    "too many sources",
    "datagram longer than the receive buffer",
    "header's length or count does not fit the datagram",
    "no template yet",
    "set length impossible",
    "record longer than its set",
    "record of no length",
    "template not usable",
    "too many templates",
    "sample longer than the datagram",
    "sample without an IP packet",
    "sample kind unknown",
)
(SHORT, VERSION, SOURCES, LONG, HEADER, NO_TEMPLATE, SET_LENGTH, RECORD_LENGTH, NO_LENGTH, TEMPLATE, TEMPLATES) = range(11)
SAMPLE, NOT_IP, SAMPLE_KIND = 11, 12, 13


@dataclass
class Columns:
    """Room for ``capacity`` flows; ``leaf`` holds, per end, the row of the prefix table (-1: not ours)."""

    narrow: NDArray[np.uint32]
    wide: NDArray[np.uint64]
    leaf: NDArray[np.int32]

    @classmethod
    def room(cls, capacity: int) -> "Columns":
        stride = padded(capacity)
        return cls(np.zeros((NARROW, stride), np.uint32), np.zeros((WIDE, stride), np.uint64), np.full((2, stride), -1, np.int32))

    @property
    def capacity(self) -> int:
        return int(self.narrow.shape[1])


def padded(capacity: int) -> int:
    """The least row length from ``capacity`` on whose stride is 320 bytes past a multiple of 4,096."""
    return (capacity + 1023) // 1024 * 1024 + 80


class Sink(Protocol):
    """Where a decoder writes: it asks ``full`` for room when it has none."""

    columns: Columns

    def full(self, rows: int) -> int:
        """Take the first ``rows`` flows away; from which column on to write now."""
        ...
