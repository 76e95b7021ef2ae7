"""Zstandard frames in which what does not compress is stored as it is and what repeats is told once (RFC 8878, 3.1.1). Pure.

The compressor looks at every byte before it gives up. Of numbers split into streams of bytes the lower ones mostly are as good
as random and the highest all the same: such a frame gives it only what lies between, and any reader takes it for one of its own.
"""

import struct
import sys
from collections.abc import Iterator
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD = b"\x28\xb5\x2f\xfd\xa0"  # the magic number; one segment, its size in four bytes, no checksum
RAW, REPEATED = 0, 1  # kinds of blocks
END = b"\1\0\0"  # a last block, of nothing
MOST = 1 << 17  # bytes that a block may stand for
SIZES = (0, 2, 4, 8)  # bytes of a frame's content size, by its flag
QUICK = 0  # a level of ours: few and long repetitions are looked for, by which streams of bytes get smallest and soonest


class Compressor:
    """A compressor that is kept, as its memory is dear. ``level``: zstd's, or QUICK."""

    def __init__(self, level: int) -> None:
        self.level = level
        which = zstd.CompressionParameter
        options: dict[int, int] = {which.compression_level: level}
        if level == QUICK:
            options = {which.compression_level: 1, which.min_match: 7, which.hash_log: 8}
        self.zstd = zstd.ZstdCompressor(options=options)

    def whole(self, body: Any) -> bytes:
        """A frame as the compressor makes it."""
        return self.zstd.compress(body, zstd.ZstdCompressor.FLUSH_FRAME)

    def spliced(self, random: Any, body: Any, repeated: list[tuple[int, int]]) -> bytes:
        """A frame of bytes that are stored, others that are compressed, and (value, how often) of those that follow."""
        size = len(random) + len(body) + sum(count for _, count in repeated)
        parts = [HEAD, struct.pack("<I", size), *stored(random)]
        if len(body):
            parts += blocks(self.whole(body))
        parts += [part for value, count in repeated for part in runs(value, count)]
        return b"".join((*parts, END))


def block_head(kind: int, size: int) -> bytes:
    return (kind << 1 | size << 3).to_bytes(3, "little")


def stored(body: Any) -> Iterator[Any]:
    """Blocks of bytes as they are."""
    for begin in range(0, len(body), MOST):
        part = body[begin : begin + MOST]
        yield block_head(RAW, len(part))
        yield part


def runs(value: int, count: int) -> Iterator[bytes]:
    """Blocks of one byte over and over."""
    for begin in range(0, count, MOST):
        yield block_head(REPEATED, min(MOST, count - begin)) + bytes([value])


def blocks(frame: bytes) -> list[Any]:
    """The blocks of a frame without checksum, none of them marked as the last. Only the first of a frame that are compressed may
    be taken over into another: what they remember of offsets and tables begins with the frame."""
    flags = frame[4]
    single = flags >> 5 & 1
    at = 5 + (1 - single) + SIZES[flags >> 6] + (single if flags >> 6 == 0 else 0)
    found, view = list[Any](), memoryview(frame)
    while True:
        head = int.from_bytes(frame[at : at + 3], "little")
        size = 1 if head >> 1 & 3 == REPEATED else head >> 3
        found += [(head & ~1).to_bytes(3, "little"), view[at + 3 : at + 3 + size]]
        at += 3 + size
        if head & 1:
            return found
