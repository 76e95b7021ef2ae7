"""Malformed datagrams, and a place for them that ends where readable memory ends: a load past the end kills the program.

``python -m tipstaff.sensors.traffic.hostile COUNT SEED`` decodes so many and prints what escaped (``tipstaff bench fuzz-flows``).
"""

import ctypes
import json
import mmap
import random
import struct
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders.decoder import Batch, Decoder
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.warming import datagrams

PAGE = mmap.PAGESIZE
ROOM = 20_000
PROT_NONE = 0


class Edge:
    """Writable memory whose next byte after the end must not be touched."""

    def __init__(self, pages: int = 18) -> None:
        self.size = pages * PAGE
        self.map = mmap.mmap(-1, self.size + PAGE)
        whole = np.frombuffer(self.map, np.uint8)
        library = ctypes.CDLL(None, use_errno=True)
        library.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if library.mprotect(whole.ctypes.data + self.size, PAGE, PROT_NONE):
            raise OSError(ctypes.get_errno(), "cannot protect a page")
        self.bytes = whole[: self.size]

    def batch(self, datagram: bytes, port: int, at: int) -> Batch:
        """A batch of one datagram at the very end."""
        start = self.size - len(datagram)
        self.bytes[start:] = np.frombuffer(datagram, np.uint8)
        source = np.array([[0, 0xFFFFC0000201]], np.uint64)
        one = np.array([len(datagram)], np.int64)
        return Batch(self.bytes, np.array([start], np.int64), one, source, np.array([port], np.int64), np.array([at], np.int64), 1)


class Sink:
    """Columns, and how many flows they held whenever they were full."""

    def __init__(self) -> None:
        self.columns = Columns.room(ROOM)
        self.flows = self.first = 0

    def full(self, rows: int) -> int:
        self.flows += rows - self.first
        self.first = 0
        return 0


def seeds() -> list[bytes]:
    """Well-formed exports with many kinds of field, sample, tag and tunnel to begin from."""
    fields = [
        (number, size)
        for number, size in ((8, 4), (27, 16), (1, 8), (2, 4), (22, 4), (152, 8), (154, 8), (48, 1), (302, 8), (315, 40))
    ]
    specifiers = b"".join(struct.pack(">HH", *one) for one in fields)
    size = sum(one[1] for one in fields)
    rich = struct.pack(">HHHH", 2, 8 + len(specifiers), 300, len(fields)) + specifiers
    rich += struct.pack(">HH", 300, 4 + 3 * size) + bytes(range(256)) * 2
    varying = struct.pack(">HHHH", 2, 24, 301, 4) + struct.pack(">HHHHHHHH", 8, 4, 315, 65535, 1, 65535, 28, 65535)
    varying += struct.pack(">HHI", 301, 60, 7) + b"\x20" + bytes(32) + b"\x04" + bytes(4) + b"\x10" + bytes(16)
    options = (
        struct.pack(">HHHHH", 3, 22, 302, 3, 1)
        + struct.pack(">6H", 302, 4, 305, 4, 306, 4)
        + struct.pack(">HHIII", 302, 16, 1, 1, 999)
    )
    reverse = (
        struct.pack(">HHHH", 2, 24, 303, 2) + struct.pack(">HHHHI", 8, 4, 0x8001, 8, 29305) + struct.pack(">HHIQ", 303, 16, 1, 9)
    )
    empty = struct.pack(">HHHH", 2, 28, 304, 5) + struct.pack(">10H", 8, 0, 12, 0, 1, 0, 2, 0, 82, 65535)
    empty += struct.pack(">HH", 304, 204) + bytes(200)
    more = [struct.pack(">HHIII", 10, 16 + len(sets), 1, 0, 1) + sets for sets in (rich, varying, options, reverse, empty)]
    tags = (
        bytes(12)
        + b"\x81\x00\x00\x05\x88\x47"
        + bytes(3)
        + b"\xff\x45"
        + bytes(8)
        + b"\x2f"
        + bytes(10)
        + b"\x20\x00\x65\x58"
        + bytes(40)
    )
    six = bytes(12) + b"\x86\xdd\x60" + bytes(5) + b"\x00\x40" + bytes(32) + b"\x2c\x01" + bytes(6) + b"\x06" + bytes(60)
    expanded = b"".join(
        struct.pack(">II11I", 3, 44 + 24 + len(frame), 1, 0, 1, 9, 9, 0, 0, 3, 0, 7, 2)
        + struct.pack(">IIIIII", 1, 16 + len(frame), 1, 90, 4, len(frame)) + frame
        + struct.pack(">IIIIII", 1002, 16, 1, 1, 8, 8) for frame in (tags, six)
    )  # fmt: skip
    return [*datagrams(), *more, struct.pack(">IIIIIII", 5, 1, 0xC0000201, 0, 1, 1, 2) + expanded]


def mutated(random_: random.Random, known: Sequence[bytes]) -> bytes:
    """One of the known datagrams after a few accidents: bytes changed, cut, doubled, lengths made to lie."""
    raw = bytearray(random_.choice(known))
    for _ in range(random_.randint(0, 6)):
        accident = random_.randrange(6)
        place = random_.randrange(len(raw)) if raw else 0
        if accident == 0 and raw:
            raw[place] = random_.choice((0, 1, 0x7F, 0x80, 0xFF, random_.randrange(256)))
        elif accident == 1:
            del raw[place:]
        elif accident == 2 and len(raw) < 4000:
            raw += raw[place : place + random_.randint(1, 400)]
        elif accident == 3 and place + 2 <= len(raw):
            struct.pack_into(">H", raw, place, random_.choice((0, 1, 3, 4, 255, 256, 257, 65535, len(raw))))
        elif accident == 4 and place + 4 <= len(raw):
            struct.pack_into(">I", raw, place, random_.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(raw))))
        elif accident == 5:
            other = random_.choice(known)
            raw[place:] = other[random_.randrange(len(other)) :]
    return bytes(raw[: 17 * PAGE])


def inputs(count: int, seed: int) -> Iterator[bytes]:
    random_, known = random.Random(seed), seeds()  # noqa: S311 - repeatable, not secret
    for _ in range(count):
        yield mutated(random_, known)


def balanced(decoder: Decoder) -> bool:
    """Whether every session's flows received are those decoded and those that could not be."""
    state = decoder.sessions.state[: len(decoder.sessions)]
    return bool(
        (state[:, S.RECEIVED] == state[:, S.DECODED] + state[:, S.UNDECODABLE]).all() and (state[:, S.UNDECODABLE] >= 0).all()
    )


def main(arguments: list[str]) -> None:
    count, seed = int(arguments[0]), int(arguments[1])
    edge, sink, decoder, escaped, whys = Edge(), Sink(), Decoder(sessions=256), 0, set[str]()
    for number, datagram in enumerate(inputs(count, seed)):
        try:
            sink.first = sink.columns.capacity - number % 50  # so that whoever writes past the columns is seen
            behind = decoder.decode(edge.batch(datagram, number % 7, 1_700_000_000_000 + number), sink, sink.first)
            sink.full(behind)
            escaped += behind > sink.columns.capacity
        except Exception as error:
            escaped += 1
            whys.add(repr(error)[:200])
        if number % 50_000 == 0:
            escaped += not balanced(decoder)
            decoder = Decoder(sessions=256)
    escaped += not balanced(decoder)
    print(json.dumps({"inputs": count, "escaped": escaped, "flows": sink.flows, **({"why": sorted(whys)} if whys else {})}))


if __name__ == "__main__":
    main(sys.argv[1:])
