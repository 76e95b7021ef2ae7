"""A Parquet file of whole numbers, written one group of rows at a time, with as little work and memory as that takes.

Parquet format 2.11 (parquet.thrift, Encodings.md), its metadata in Thrift's compact protocol. A column that has one value in
a group costs a few bytes; one of few values becomes a dictionary with packed indices; every other is split into streams of
bytes (BYTE_STREAM_SPLIT) and compressed, see ``frames``. What only some groups have is zero in the others. Pure but for the
handle.
"""

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.archive.frames import QUICK, Compressor

MAGIC = b"PAR1"
FEW = 256  # values that are worth a dictionary
SAMPLE = 1024  # rows by which is judged whether there may be so few
WORTH = 0.25  # of a stream's size: what does not get as small as that is left as it is where time matters more
# Thrift's kinds of fields, then numbers from parquet.thrift.
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
INT32, INT64 = 1, 2
PLAIN, RLE, RLE_DICTIONARY, BYTE_STREAM_SPLIT = 0, 3, 8, 9
IN_DICTIONARY = (PLAIN, RLE, RLE_DICTIONARY)
UNCOMPRESSED, ZSTD = 0, 6
REQUIRED = 0
DATA_PAGE, DICTIONARY_PAGE = 0, 2
UNSIGNED = {1: 11, 2: 12, 4: 13, 8: 14}  # bytes → ConvertedType of an unsigned number
Numbers = NDArray[Any]
Field = tuple[int, int, Any]


def varint(value: int) -> bytes:
    """A number of no sign, seven bits a byte, the least first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def record(*fields: Field) -> bytes:
    """A Thrift struct of (number, kind, value) in order of their numbers; a struct's value is what this returned for it,

    a list's is its elements' kind and their bytes.
    """
    found, before = bytearray(), 0
    for number, kind, value in fields:
        found.append((number - before) << 4 | kind)
        before = number
        found += listed(*value) if kind == LIST else scalar(kind, value)
    return bytes(found) + b"\0"


def scalar(kind: int, value: Any) -> bytes:
    if kind in (I32, I64):
        return varint(value << 1 if value >= 0 else (-value << 1) - 1)
    return bytes(value) if kind == STRUCT else varint(len(value)) + value


def listed(kind: int, values: list[Any]) -> bytes:
    head = bytes([len(values) << 4 | kind]) if len(values) < 15 else bytes([0xF0 | kind]) + varint(len(values))
    return head + b"".join(scalar(kind, value) for value in values)


class Chunk(NamedTuple):
    """What the file's metadata say of one column of one group; ``least`` and ``most`` as plain values."""

    rows: int
    size: int
    raw: int  # bytes before they were compressed, headers with them
    codec: int
    encodings: tuple[int, ...]
    dictionary: int  # length of the dictionary's page, 0 without one
    least: bytes
    most: bytes


def physical(column: Numbers) -> Numbers:
    """As the format stores it: numbers of 32 or 64 bits."""
    return column if column.dtype.itemsize >= 4 else column.astype(np.uint32)


def bound(value: np.generic) -> bytes:
    """A value as the format stores it."""
    return value.tobytes() if value.itemsize >= 4 else (int(value) & 0xFFFFFFFF).to_bytes(4, "little")


class Encoder:
    """From columns to chunks. ``level``: zstd's; with QUICK what compresses badly is not compressed at all."""

    def __init__(self, level: int) -> None:
        self.zstd = Compressor(level)
        self.room, self.shifted = np.empty(0, np.uint8), np.empty(0, np.uint64)
        self.random: dict[str, int] = {}  # how many of a column's lower streams are stored as they are
        self.many: set[str] = set()  # columns that had more values than a dictionary takes

    def encode(self, column: Numbers, name: str = "") -> tuple[bytes, Chunk]:
        """The pages of a column of at least one row; those of one ``name`` are expected to be alike."""
        if column.strides == (0,):
            return self._alone(column, bound(column[0]))
        least, most = column.min(), column.max()
        if least == most:
            return self._alone(column, bound(least))
        bounds = bound(least), bound(most)
        found = few(column, int(least), int(most)) if name not in self.many else None
        if found is not None:
            return self._dictionary(*found, len(column), bounds)
        if name:
            self.many.add(name)
        return self._split(column, int(least), int(most), bounds, name)

    def _alone(self, column: Numbers, value: bytes) -> tuple[bytes, Chunk]:
        """One value in all rows."""
        body = b"\x01" + varint(len(column) << 1) + b"\0"
        head = page_head(DICTIONARY_PAGE, len(value), len(value), 1, PLAIN) + value
        pages = head + page_head(DATA_PAGE, len(body), len(body), len(column), RLE_DICTIONARY) + body
        return pages, Chunk(len(column), len(pages), len(pages), UNCOMPRESSED, IN_DICTIONARY, len(head), value, value)

    def _dictionary(self, values: Numbers, body: bytes, count: int, bounds: tuple[bytes, bytes]) -> tuple[bytes, Chunk]:
        plain = physical(values).tobytes()
        worth = len(body) > 64 and (self.zstd.level != QUICK or self._worth(body[: len(body) // 8]))
        small = [self.zstd.whole(one) for one in (plain, body)] if worth else []
        codec = ZSTD if small and sum(map(len, small)) < len(plain) + len(body) else UNCOMPRESSED
        stored = small if codec == ZSTD else [plain, body]
        head = page_head(DICTIONARY_PAGE, len(plain), len(stored[0]), len(values), PLAIN)
        more = page_head(DATA_PAGE, len(body), len(stored[1]), count, RLE_DICTIONARY)
        pages = b"".join((head, stored[0], more, stored[1]))
        raw = len(head) + len(plain) + len(more) + len(body)
        return pages, Chunk(count, len(pages), raw, codec, IN_DICTIONARY, len(head) + len(stored[0]), *bounds)

    def _split(self, column: Numbers, least: int, most: int, bounds: tuple[bytes, bytes], name: str) -> tuple[bytes, Chunk]:
        count, width = len(column), max(4, column.dtype.itemsize)
        body = self.streams(column, least, most)
        same = [(least >> 8 * place & 0xFF, count) for place in range(len(body) // count, width)]
        random = self._random(body, count, name) * count
        stored = self.zstd.spliced(body[:random], body[random:], same)
        head = page_head(DATA_PAGE, count * width, len(stored), count, BYTE_STREAM_SPLIT)
        size, raw = len(head) + len(stored), len(head) + count * width
        return head + stored, Chunk(count, size, raw, ZSTD, (RLE, BYTE_STREAM_SPLIT), 0, *bounds)

    def _random(self, body: Numbers, count: int, name: str) -> int:
        """How many streams, from the lowest on, are not worth compressing, as a part of the first ones of that name says."""
        if self.zstd.level != QUICK:
            return 0
        found = self.random.get(name)
        if found is None:
            parts = (body[begin : begin + count // 8 + 1] for begin in range(0, len(body), count))
            found = next((place for place, part in enumerate(parts) if self._worth(part)), len(body) // count)
            if name:
                self.random[name] = found
        return found

    def _worth(self, part: Any) -> bool:
        return len(self.zstd.whole(part)) < WORTH * len(part)

    def streams(self, column: Numbers, least: int, most: int) -> Numbers:
        """First every value's lowest byte, then every second one and so on, as far as they are not the same in all."""
        count, stored = len(column), column.dtype.itemsize
        places = next((place for place in range(stored) if least >> 8 * place == most >> 8 * place), stored)
        if len(self.room) < count * places:
            self.room = np.empty(count * places, np.uint8)
        if len(self.shifted) < count:
            self.shifted = np.empty(count, np.uint64)
        body = self.room[: count * places]
        words = column.astype(np.uint32) if stored == 8 and places <= 4 else column
        rest = self.shifted.view(words.dtype)[:count]
        for place in range(places):  # as numbers, which the processor shifts many of at once; it gathers bytes one by one
            part = np.right_shift(words, words.dtype.type(8 * place), out=rest) if place else words
            np.copyto(body[place * count : (place + 1) * count], part, casting="unsafe")
        return body


def few(column: Numbers, least: int, most: int) -> tuple[Numbers, bytes] | None:
    """The values of a column in order, and each row's place among them (see ``packed``); None where they are more than FEW, or too
    far apart to be counted cheaply."""
    if most - least >= 1 << 16:
        return None
    sample, base = column[:: len(column) // SAMPLE + 1], column.dtype.type(least)
    seen = np.zeros(most - least + 1, np.bool_)
    seen[sample - base] = True
    if np.count_nonzero(seen) > FEW // 2:
        return None
    if most - least < FEW:
        near = (column - base).astype(np.uint8).tobytes()
        first = np.flatnonzero(seen).astype(np.uint8).tobytes()
        there = bytes(sorted({*first, *near.translate(None, first)}))  # what the sample has not is mostly nothing
        table = bytearray(FEW)
        for place, value in enumerate(there):
            table[value] = place
        values = (np.frombuffer(there, np.uint8).astype(np.int64) + least).astype(column.dtype)
        return values, packed(np.frombuffer(near.translate(table), np.uint8), len(values))
    seen[column - base] = True
    distinct = np.flatnonzero(seen)
    if len(distinct) > FEW:
        return None
    ranks = np.zeros(len(seen), np.uint8)
    ranks[distinct] = np.arange(len(distinct))
    return (distinct + least).astype(column.dtype), packed(np.take(ranks, column - base, mode="clip"), len(distinct))


def packed(places: NDArray[np.uint8], values: int) -> bytes:
    """Places among so many values, packed into 1, 2, 4 or 8 bits, as one run (Encodings.md, RLE)."""
    width = next(bits for bits in (1, 2, 4, 8) if values <= 1 << bits)
    eights = (len(places) + 7) // 8
    found = np.zeros(eights * 8, np.uint8)
    found[: len(places)] = places
    step = 8 // width  # so many places stand side by side in a word, and move together in its lowest byte
    words = found.view(f"<u{step}")
    together = words.copy()
    for place in range(1, step):
        together |= words >> words.dtype.type(place * (8 - width))
    return bytes([width]) + varint(eights << 1 | 1) + together.astype(np.uint8).tobytes()


@lru_cache(maxsize=256)
def page_head(kind: int, raw: int, stored: int, count: int, encoding: int) -> bytes:
    """Thrift's PageHeader; of a dictionary ``count`` is of its values, else of the rows."""
    if kind == DICTIONARY_PAGE:
        more: Field = (7, STRUCT, record((1, I32, count), (2, I32, encoding)))
    else:
        more = (5, STRUCT, record((1, I32, count), (2, I32, encoding), (3, I32, RLE), (4, I32, RLE)))
    return record((1, I32, kind), (2, I32, raw), (3, I32, stored), more)


@dataclass
class Group:
    """Rows that were written: where each column begins, and what it is."""

    rows: int
    chunks: dict[str, tuple[int, Chunk]] = field(default_factory=dict)


class Output:
    """A file in the making: groups of rows, then ``close``. ``bounded``: columns whose least and greatest values are kept."""

    def __init__(self, handle: BinaryIO, *, level: int = 1, bounded: Collection[str] = ()) -> None:
        self.handle, self.bounded, self.encoder = handle, bounded, Encoder(level)
        self.kinds: dict[str, np.dtype[Any]] = {}
        self.groups: list[Group] = []
        self.size = handle.write(MAGIC)

    def add(self, columns: Mapping[str, Numbers]) -> None:
        """Write a group of rows, column by column."""
        rows = len(next(iter(columns.values())))
        self.begin({name: column.dtype for name, column in columns.items()}, rows)
        for name, column in columns.items() if rows else ():
            self.put(name, *self.encoder.encode(column, name))

    def begin(self, kinds: Mapping[str, "np.dtype[Any]"], rows: int) -> None:
        """A group of so many rows begins; each of its columns follows by ``put``."""
        for name, kind in kinds.items():
            self.kinds.setdefault(name, kind)
        if rows:
            self.groups.append(Group(rows))

    def put(self, name: str, pages: bytes, chunk: Chunk, group: int = -1) -> None:
        self.groups[group].chunks[name] = (self.size, chunk)
        self.size += self.handle.write(pages)

    def close(self, notes: Mapping[str, str] | None = None) -> int:
        """Write what lacks and the metadata, with ``notes``; the file's size. The handle stays open."""
        for number, group in enumerate(self.groups):
            for name in self.kinds.keys() - group.chunks.keys():
                self.put(name, *self.encoder.encode(np.zeros(group.rows, self.kinds[name])), group=number)
        told = self._metadata(notes or {})
        self.size += self.handle.write(told + struct.pack("<I", len(told)) + MAGIC)
        return self.size

    def _metadata(self, notes: Mapping[str, str]) -> bytes:
        """Thrift's FileMetaData."""
        columns = [element(name, kind) for name, kind in self.kinds.items()]
        root = record((4, BINARY, b"schema"), (5, I32, len(columns)))
        pairs = [record((1, BINARY, name.encode()), (2, BINARY, value.encode())) for name, value in notes.items()]
        return record(
            (1, I32, 2), (2, LIST, (STRUCT, [root, *columns])), (3, I64, sum(group.rows for group in self.groups)),
            (4, LIST, (STRUCT, [self._row_group(group) for group in self.groups])), (5, LIST, (STRUCT, pairs)),
            (6, BINARY, b"tipstaff"), (7, LIST, (STRUCT, [record((1, STRUCT, record()))] * len(columns))),
        )  # fmt: skip

    def _row_group(self, group: Group) -> bytes:
        columns = [self._column(name, *group.chunks[name]) for name in self.kinds]
        raw, size = (sum(getattr(chunk, part) for _, chunk in group.chunks.values()) for part in ("raw", "size"))
        return record((1, LIST, (STRUCT, columns)), (2, I64, raw), (3, I64, group.rows), (6, I64, size))

    def _column(self, name: str, begins: int, chunk: Chunk) -> bytes:
        """Thrift's ColumnChunk; written out, as there is one for every column of every group."""
        numbers = (chunk.rows, chunk.raw, chunk.size)
        told = front(name, stored_as(self.kinds[name]), chunk.encodings, chunk.codec)
        told += b"".join(b"\x16" + varint(one << 1) for one in numbers) + b"\x26" + varint(begins + chunk.dictionary << 1)
        if chunk.dictionary:
            told += b"\x26" + varint(begins << 1)
        if name in self.bounded:
            told += b"\x1c" if chunk.dictionary else b"\x3c"
            told += record((3, I64, 0), (5, BINARY, chunk.most), (6, BINARY, chunk.least))
        return b"\x26\0\x1c" + told + b"\0\0"


@lru_cache(maxsize=1024)
def front(name: str, kind: int, encodings: tuple[int, ...], codec: int) -> bytes:
    """What Thrift's ColumnMetaData begins with, its end left open."""
    fields: list[Field] = [(1, I32, kind), (2, LIST, (I32, list(encodings))), (3, LIST, (BINARY, [name.encode()])), (4, I32, codec)]
    return record(*fields)[:-1]


def stored_as(kind: "np.dtype[Any]") -> int:
    return INT64 if kind.itemsize == 8 else INT32


def element(name: str, kind: "np.dtype[Any]") -> bytes:
    """Thrift's SchemaElement of a column that every row has."""
    fields: list[Field] = [(1, I32, stored_as(kind)), (3, I32, REQUIRED), (4, BINARY, name.encode())]
    return record(*fields, *([(6, I32, UNSIGNED[kind.itemsize])] if kind.kind == "u" else []))
