"""Sends prebuilt datagrams over loopback at a given rate: ``python -m tipstaff.project.bench.flow_sender EXPORT.npz PORT RATE N``.

Sequence numbers and clocks are written anew in each pass, as an exporter would; prints what was sent as JSON.
"""

import ctypes
import json
import socket
import sys
import time
from typing import Any

import numpy as np

from tipstaff.kernel.clock import now
from tipstaff.sensors.traffic.decoders.loads import kernel
from tipstaff.sensors.traffic.sockets import Message, Vector

AT_ONCE = 64


@kernel
def number_datagrams(content, offsets, flows, first, count, sequence, wall):
    """Write sequence and export time into the next ``count`` datagrams; the sequence afterwards."""
    for i in range(first, first + count):
        o = offsets[i]
        kind = np.int64(content[o + 1])
        if content[o + 3] == 5 and kind == 0:
            put(content, o + 16, sequence)
            sequence += 1
        elif kind == 5:
            put(content, o + 16, sequence)
            put(content, o + 8, wall)
            sequence += flows[i]
        elif kind == 9:
            put(content, o + 12, sequence)
            put(content, o + 8, wall)
            sequence += 1
        else:
            put(content, o + 8, sequence)
            put(content, o + 4, wall)
            sequence += flows[i] if flows[i] else 1  # the datagram with templates holds one options record
    return sequence


@kernel
def put(content, o, value):
    for z in range(4):
        content[o + z] = (value >> (24 - 8 * z)) & 255


class Sender:
    """A connected socket and message headers that point into the content."""

    def __init__(self, content: Any, offsets: Any, lens: Any, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.socket.connect(("127.0.0.1", port))
        total = len(lens)
        self.vectors: Any = (Vector * total)()
        self.messages: Any = (Message * total)()
        memory: Any = self.vectors
        vectors = np.frombuffer(memory, np.uint64).reshape(total, 2)
        vectors[:, 0], vectors[:, 1] = content.ctypes.data + offsets, lens
        place = ctypes.addressof(self.vectors)
        for i in range(total):
            self.messages[i].header.vectors, self.messages[i].header.count = place + i * 16, 1
        library = ctypes.CDLL(None, use_errno=True)
        self._send = library.sendmmsg
        self._send.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
        self._at, self._size = ctypes.addressof(self.messages), ctypes.sizeof(Message)

    def send(self, first: int, count: int) -> int:
        """How many of ``count`` datagrams from ``first`` on the system took; a refused one (nobody listens) is tried again."""
        return max(0, int(self._send(self.socket.fileno(), self._at + first * self._size, count, 0)))


def main(arguments: list[str]) -> None:
    path, port, rate, total = arguments[0], int(arguments[1]), float(arguments[2]), int(arguments[3])
    kept = np.load(path)
    content, lens, flows = kept["content"].copy(), kept["lens"], kept["flows"]
    offsets = np.concatenate([[0], np.cumsum(lens)[:-1]])
    sender = Sender(content, offsets, lens, port)
    number_datagrams(content, offsets, flows, 0, 0, 0, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    sent = place = sequence = 0
    began, cpu = time.perf_counter(), time.process_time()
    while sent < total:
        count = min(AT_ONCE, total - sent, len(lens) - place)
        sequence = number_datagrams(content, offsets, flows, place, count, sequence, int(now().timestamp())) & 0xFFFFFFFF
        done = 0
        while done < count:
            done += sender.send(place + done, count - done)
        sent, place = sent + count, (place + count) % len(lens)
        ahead = sent / rate - (time.perf_counter() - began)
        if ahead > 0.0005:
            time.sleep(ahead)
    wall = time.perf_counter() - began
    print(json.dumps({"sent": sent, "seconds": wall, "cpu": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
