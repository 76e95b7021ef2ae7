"""A small open-addressed table from numbers to numbers that compiled kernels search."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders.loads import kernel


class Index:
    """Keys (-1: free) and values; made anew whenever something changes, which is rare."""

    def __init__(self, entries: Mapping[int, int] | None = None) -> None:
        entries = entries or {}
        size = 64
        while size < 4 * len(entries):
            size *= 2
        self.keys: NDArray[np.int64] = np.full(size, -1, np.int64)
        self.values: NDArray[np.int64] = np.zeros(size, np.int64)
        if entries:
            fill(self.keys, self.values, np.array(list(entries), np.int64), np.array(list(entries.values()), np.int64))


@kernel
def fill(keys, values, new, what):
    mask = len(keys) - 1
    for n in range(len(new)):
        slot = (new[n] * 0x9E3779B1 >> 12) & mask
        while keys[slot] >= 0 and keys[slot] != new[n]:
            slot = (slot + 1) & mask
        keys[slot], values[slot] = new[n], what[n]
