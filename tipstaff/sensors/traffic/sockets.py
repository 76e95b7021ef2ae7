"""Datagrams off the wire, some hundreds per system call (recvmmsg(2)), into one buffer that the decoders read."""

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders.decoder import Batch
from tipstaff.sensors.traffic.decoders.loads import kernel

AT_ONCE = 256  # datagrams of a call: no more time for each than in larger batches, and a quarter of the memory of 1,024
LONGEST = 9216  # bytes of a datagram; longer ones are cut by the system and counted
STRIDE = LONGEST + 64
WANTED_BUFFER = 64 << 20
SO_RCVBUFFORCE, SO_MEMINFO, SO_RXQ_OVFL = 33, 55, 40
MEMINFO_DROPS = 8
MSG_TRUNC = 0x20
NAME = 28  # bytes of a sockaddr_in6


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.c_void_p), ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int),
    )  # fmt: skip


class Message(ctypes.Structure):
    _fields_ = (("header", Header), ("length", ctypes.c_uint32))


class Inlet:
    """Bound sockets and one buffer for all of them."""

    def __init__(self, listen: Sequence[tuple[str, int]]) -> None:
        self.sockets = [bound(host, port) for host, port in listen]
        self.buffer = np.zeros(AT_ONCE * STRIDE + 64, np.uint8)
        self.names = np.zeros((AT_ONCE, 32), np.uint8)
        self.vectors = (Vector * AT_ONCE)()
        self.messages: Any = (Message * AT_ONCE)()
        for i in range(AT_ONCE):
            self._lay_out(i)
        step = (ctypes.sizeof(Message),)
        memory: Any = self.messages
        self.lengths: NDArray[np.uint32] = np.ndarray((AT_ONCE,), np.uint32, memory, Message.length.offset, step)
        flags, name_length = Message.header.offset + Header.flags.offset, Message.header.offset + Header.name_length.offset
        self.name_lengths: NDArray[np.uint32] = np.ndarray((AT_ONCE,), np.uint32, memory, name_length, step)
        self.flags: NDArray[np.int32] = np.ndarray((AT_ONCE,), np.int32, memory, flags, step)
        self.batch = Batch(
            self.buffer, np.arange(AT_ONCE, dtype=np.int64) * STRIDE, np.zeros(AT_ONCE, np.int64),
            np.zeros((AT_ONCE, 2), np.uint64), np.zeros(AT_ONCE, np.int64), np.zeros(AT_ONCE, np.int64), 0,
        )  # fmt: skip
        library = ctypes.CDLL(None, use_errno=True)
        self._receive = library.recvmmsg
        self._receive.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
        self._at = ctypes.addressof(self.messages)

    def _lay_out(self, i: int) -> None:
        self.vectors[i].base = self.buffer.ctypes.data + i * STRIDE
        self.vectors[i].length = LONGEST
        header = self.messages[i].header
        header.name, header.name_length = self.names.ctypes.data + i * 32, NAME
        header.vectors, header.count = ctypes.addressof(self.vectors[i]), 1

    def receive(self, number: int, now: int) -> Batch:
        """What waits in socket ``number``, received at ``now`` (ms); the batch is overwritten by the next call."""
        self.batch.n = max(self._receive(self.sockets[number].fileno(), self._at, AT_ONCE, socket.MSG_DONTWAIT, None), 0)
        if self.batch.n:
            self.note(self.batch.n, now)
            self.name_lengths[: self.batch.n] = NAME  # the system wrote there how long each was: less for IPv4 than for IPv6
        return self.batch

    def note(self, count: int, now: int) -> None:
        """Fill in who sent the first ``count`` datagrams, and when they came."""
        b = self.batch
        note_senders(self.names, self.lengths, self.flags, count, now, b.lens, b.source, b.port, b.at)

    @property
    def buffer_bytes(self) -> int:
        """The receive buffer in force, as the system counts it: the smallest of all sockets."""
        return min(one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for one in self.sockets)

    @property
    def dropped(self) -> int:
        """Datagrams that the system threw away because a receive buffer was full."""
        return sum(drops(one) for one in self.sockets)

    def close(self) -> None:
        for one in self.sockets:
            one.close()


def drops(one: socket.socket) -> int:
    """The system's own count for a socket (SO_MEMINFO); 0 where it has none."""
    try:
        raw = one.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36)
    except OSError:
        return 0
    return int(struct.unpack("=9I", raw)[MEMINFO_DROPS]) if len(raw) == 36 else 0


def bound(host: str, port: int) -> socket.socket:
    """A UDP socket with the largest receive buffer that we may have; ``::`` takes IPv4 as well."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
    try:
        one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, WANTED_BUFFER)
    except OSError:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WANTED_BUFFER)
    one.bind((host, port))
    return one


@kernel
def note_senders(names, lengths, flags, n, now, lens, source, port, at):
    """Addresses as halves (IPv4 mapped), ports, lengths (-1: cut short) and the time of each datagram."""
    for i in range(n):
        lens[i] = -1 if flags[i] & MSG_TRUNC else np.int64(lengths[i])
        port[i] = np.int64(names[i, 2]) << 8 | np.int64(names[i, 3])
        at[i] = now
        hi, lo = np.uint64(0), np.uint64(0xFFFF)
        if names[i, 0] == 2:
            for z in range(4, 8):
                lo = lo << np.uint64(8) | np.uint64(names[i, z])
        else:
            lo = np.uint64(0)
            for z in range(8, 16):
                hi = hi << np.uint64(8) | np.uint64(names[i, z])
            for z in range(16, 24):
                lo = lo << np.uint64(8) | np.uint64(names[i, z])
        source[i, 0], source[i, 1] = hi, lo
