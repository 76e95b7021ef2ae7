"""A Parquet file of whole numbers, written one group of rows at a time, with as little work and memory as that takes.

Parquet format 2.11 (parquet.thrift, Encodings.md), its metadata in Thrift's compact protocol. A column that has one value in
a group costs a few bytes; one of few values becomes a dictionary with packed indices; every other is split into streams of
bytes (BYTE_STREAM_SPLIT) and compressed. What only some groups have is zero in the others. Pure but for the handle.
"""

import struct
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"PAR1"
FEW = 256  # values that are worth a dictionary
SAMPLE = 1024  # rows by which is judged whether there may be so few
# Thrift's kinds of fields, then numbers from parquet.thrift.
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
INT32, INT64 = 1, 2
PLAIN, RLE, RLE_DICTIONARY, BYTE_STREAM_SPLIT = 0, 3, 8, 9
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


@dataclass(frozen=True)
class Chunk:
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


class Encoder:
    """From columns to chunks. ``level``: zstd's."""

    def __init__(self, level: int) -> None:
        self.zstd = zstd.ZstdCompressor(level=level)
        self.room = np.empty(0, np.uint8)

    def encode(self, column: Numbers) -> tuple[bytes, Chunk]:
        """The pages of a column of at least one row."""
        least, most = column.min(), column.max()
        ends = physical(np.array([least, most])).tobytes()
        bounds = ends[: len(ends) // 2], ends[len(ends) // 2 :]
        if least == most:
            return self._dictionary(column[:1], b"\x01" + varint(len(column) << 1) + b"\0", len(column), bounds)
        if np.unique(column[:: len(column) // SAMPLE + 1]).size <= FEW // 2:
            values = distinct(column, int(least), int(most))
            if values is not None and len(values) <= FEW:
                return self._dictionary(values, indices(column, values), len(column), bounds)
        return self._split(column, int(least), int(most), bounds)

    def _dictionary(self, values: Numbers, body: bytes, count: int, bounds: tuple[bytes, bytes]) -> tuple[bytes, Chunk]:
        plain = physical(values).tobytes()
        small = [self._compress(one) for one in (plain, body)] if len(body) > 64 else []
        codec = ZSTD if small and sum(map(len, small)) < len(plain) + len(body) else UNCOMPRESSED
        stored = small if codec == ZSTD else [plain, body]
        head = page_head(DICTIONARY_PAGE, len(plain), len(stored[0]), len(values), PLAIN)
        more = page_head(DATA_PAGE, len(body), len(stored[1]), count, RLE_DICTIONARY)
        pages = b"".join((head, stored[0], more, stored[1]))
        raw = len(head) + len(plain) + len(more) + len(body)
        return pages, Chunk(count, len(pages), raw, codec, (PLAIN, RLE, RLE_DICTIONARY), len(head) + len(stored[0]), *bounds)

    def _split(self, column: Numbers, least: int, most: int, bounds: tuple[bytes, bytes]) -> tuple[bytes, Chunk]:
        body = self.streams(column, least, most)
        stored = self._compress(body)
        head = page_head(DATA_PAGE, len(body), len(stored), len(column), BYTE_STREAM_SPLIT)
        size, raw = len(head) + len(stored), len(head) + len(body)
        return head + stored, Chunk(len(column), size, raw, ZSTD, (RLE, BYTE_STREAM_SPLIT), 0, *bounds)

    def streams(self, column: Numbers, least: int, most: int) -> Numbers:
        """First every value's lowest byte, then every second one and so on; what is the same in all is not looked at."""
        count, width = len(column), max(4, column.dtype.itemsize)
        if len(self.room) < count * width:
            self.room = np.empty(count * width, np.uint8)
        body, stored = self.room[: count * width], column.dtype.itemsize
        octets = np.ascontiguousarray(column).view(np.uint8)
        for place in range(width):
            stream = body[place * count : (place + 1) * count]
            if least >> 8 * place == most >> 8 * place:
                stream[:] = least >> 8 * place & 0xFF
            elif place < stored:
                stream[:] = octets[place::stored]
        return body

    def _compress(self, body: Any) -> bytes:
        return self.zstd.compress(body, zstd.ZstdCompressor.FLUSH_FRAME)


def distinct(column: Numbers, least: int, most: int) -> Numbers | None:
    """The values of a column in order; None where they lie too far apart to be counted cheaply."""
    if most - least >= 1 << 16:
        return None
    seen = np.zeros(most - least + 1, np.bool_)
    seen[column - column.dtype.type(least)] = True
    return (np.flatnonzero(seen) + least).astype(column.dtype)


def indices(column: Numbers, values: Numbers) -> bytes:
    """Each row's place among the values, packed into 1, 2, 4 or 8 bits, as one run (Encodings.md, RLE)."""
    least = values[0]
    places = np.zeros(int(values[-1]) - int(least) + 1, np.uint8)
    places[values - least] = np.arange(len(values))
    width = next(bits for bits in (1, 2, 4, 8) if len(values) <= 1 << bits)
    eights = (len(column) + 7) // 8
    found = np.zeros(eights * 8, np.uint8)
    np.take(places, column - least, out=found[: len(column)], mode="clip")
    step = 8 // width
    packed = found[::step].copy()
    for place in range(1, step):
        packed |= found[place::step] << np.uint8(place * width)
    return bytes([width]) + varint(eights << 1 | 1) + packed.tobytes()


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
            self.put(name, *self.encoder.encode(column))

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
        """Thrift's ColumnChunk."""
        fields: list[Field] = [
            (1, I32, stored_as(self.kinds[name])), (2, LIST, (I32, list(chunk.encodings))), (3, LIST, (BINARY, [name.encode()])),
            (4, I32, chunk.codec), (5, I64, chunk.rows), (6, I64, chunk.raw), (7, I64, chunk.size),
            (9, I64, begins + chunk.dictionary),
        ]  # fmt: skip
        fields += [(11, I64, begins)] if chunk.dictionary else []
        if name in self.bounded:
            fields.append((12, STRUCT, record((3, I64, 0), (5, BINARY, chunk.most), (6, BINARY, chunk.least))))
        return record((2, I64, 0), (3, STRUCT, record(*fields)))


def stored_as(kind: "np.dtype[Any]") -> int:
    return INT64 if kind.itemsize == 8 else INT32


def element(name: str, kind: "np.dtype[Any]") -> bytes:
    """Thrift's SchemaElement of a column that every row has."""
    fields: list[Field] = [(1, I32, stored_as(kind)), (3, I32, REQUIRED), (4, BINARY, name.encode())]
    return record(*fields, *([(6, I32, UNSIGNED[kind.itemsize])] if kind.kind == "u" else []))
