"""Shared memory between the receiver and the archive: slots of columns, filled by one program, written out by another.

The receiver never waits. When every slot is still being written out, the oldest flows of the one it fills are given up,
and counted.
"""

import ctypes
import mmap
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders.layout import NARROW, WIDE, Columns, padded

FREE, FILLING, FULL, TAKEN = range(4)
STATE, ROWS, TURN = range(3)  # numbers at the head of each slot
PUBLISHED, LOST, ARCHIVED, DROPPED, BEAT = range(5)  # numbers at the head of the ring: flows, and ms of the archive's last sign
HEAD = 4096


class Slot:
    """One slot's columns; ``customers`` are both ends' (see ``prefixes``)."""

    def __init__(self, memory: NDArray[np.uint8], numbers: NDArray[np.int64], capacity: int) -> None:
        stride = padded(capacity)
        sizes = [NARROW * stride * 4, WIDE * stride * 8, 2 * stride * 4]
        bounds = np.cumsum([0, *sizes])
        narrow, wide, self.customers = (
            memory[bounds[n] : bounds[n + 1]].view(kind).reshape(rows, stride)
            for n, (kind, rows) in enumerate(((np.uint32, NARROW), (np.uint64, WIDE), (np.int32, 2)))
        )
        self.columns = Columns(narrow, wide, self.customers)
        self.numbers = numbers


def slot_bytes(capacity: int) -> int:
    """Bytes of a slot, in whole pages."""
    stride = padded(capacity)
    return (stride * (NARROW * 4 + WIDE * 8 + 8) + 4095) // 4096 * 4096


class Ring:
    """``slots`` slots of ``capacity`` flows in memory that the kernel keeps for the file descriptor ``fd``."""

    def __init__(self, fd: int, slots: int, capacity: int) -> None:
        self.fd, self.capacity = fd, capacity
        size = HEAD + slots * slot_bytes(capacity)
        if os.fstat(fd).st_size != size:
            os.ftruncate(fd, size)
        self.map = mmap.mmap(fd, size)
        whole = np.frombuffer(self.map, np.uint8)
        self.head = whole[: 16 * 8].view(np.int64)
        self.states = whole[256 : 256 + slots * 32].view(np.int64).reshape(slots, 4)
        step = slot_bytes(capacity)
        self.slots: Sequence[Slot] = [
            Slot(whole[HEAD + n * step : HEAD + (n + 1) * step], self.states[n], capacity) for n in range(slots)
        ]

    # The receiver's side.

    def next_free(self) -> Slot | None:
        """A slot to fill: the first free one, so that memory is used only as far as the archive lags."""
        for slot in self.slots:
            if slot.numbers[STATE] == FREE:
                slot.numbers[STATE] = FILLING
                return slot
        return None

    def publish(self, slot: Slot, rows: int) -> None:
        """Hand a filled slot over."""
        self.head[PUBLISHED] += rows
        slot.numbers[ROWS] = rows
        slot.numbers[TURN] = self.head[PUBLISHED]
        _barrier()
        slot.numbers[STATE] = FULL

    def recover(self) -> None:
        """After the receiver began anew: what it was filling is lost with it."""
        for slot in self.slots:
            if slot.numbers[STATE] == FILLING:
                slot.numbers[STATE] = FREE

    # The archive's side.

    def oldest(self) -> Slot | None:
        """The slot that was filled first of those that wait."""
        waiting = [slot for slot in self.slots if slot.numbers[STATE] == FULL]
        return min(waiting, key=lambda slot: int(slot.numbers[TURN])) if waiting else None

    def release(self, slot: Slot) -> None:
        _barrier()
        slot.numbers[STATE] = FREE

    @property
    def waiting(self) -> int:
        """Flows that are published and not yet taken."""
        return int(sum(int(slot.numbers[ROWS]) for slot in self.slots if slot.numbers[STATE] == FULL))


def _barrier() -> None:
    """A system call orders memory between processors that reorder stores."""
    os.getppid()


def make_memory(name: str) -> int:
    """A descriptor of anonymous shared memory that vanishes with its last user; children inherit it by number."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create(name, 0)
        os.set_inheritable(fd, True)
        return fd
    raise OSError("flow reception needs Linux (memfd_create)")


def end_with_parent() -> None:
    """Ask the kernel to stop this program when the one that started it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(1, 15)
