"""From files as they came to files sorted by local address, so that one host's flows are found by reading little.

A compacted row is a flow seen from one of our own ends: ``local``, ``peer``, ``direction`` (0 out, 1 in, 2 neither end is
ours: local is the source). A flow with two local ends is there twice; the second has ``twin`` 1, and sums leave it out.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.archive.files import Stored
from tipstaff.sensors.traffic.archive.parquet import Chunk
from tipstaff.sensors.traffic.archive.unfinished import Unfinished
from tipstaff.sensors.traffic.decoders.loads import kernel

AT_ONCE = 1 << 20  # flows in one compacted file
OUT, IN, THROUGH = 0, 1, 2
TURNED = (("src", "dst", "local", "peer"), ("src_port", "dst_port", "local_port", "peer_port"))
TURNED_SIX = (("src_hi", "dst_hi", "local_hi", "peer_hi"), ("src_lo", "dst_lo", "local_lo", "peer_lo"))
CUSTOMERS = ("src_customer", "dst_customer", "customer", "peer_customer")
PLAIN = ("protocol", "tos", "tcp_flags", "rate", "input", "output", "src_as", "dst_as", "vlan", "exporter", "marks", "family",
         "bytes", "packets", "ended", "lasted")  # fmt: skip


def compact(root: Path, sources: list[Stored]) -> int:
    """Replace fresh files of one hour by sorted ones; how many flows that were. The sources go last: a kill repeats work,

    and a reader who looks in between leaves out the sources of a finished file by its list (``replaces``).
    """
    flows = 0
    for group in _groups(sources):
        came = Columns([one.path for one in group])
        name = f"{group[0].at:%Y%m%d%H}-{group[0].path.stem.split('-')[-1]}.parquet"
        made = Unfinished(root / "hours" / name)
        try:
            _write(made, Turned(came))
            made.finish({"replaces": [one.path.name for one in group]})
        finally:
            made.give_up()
        for one in group:
            one.path.unlink(missing_ok=True)
        flows += came.count
    return flows


def _write(made: Unfinished, turned: "Turned") -> None:
    """Column after column is turned, sorted and encoded, so that only one at a time is in memory; then group after group."""
    output, bounds = made.output, range(0, len(turned.rows), files.ROW_GROUP)
    kinds: dict[str, np.dtype[Any]] = {}
    encoded: list[dict[str, tuple[bytes, Chunk]]] = [{} for _ in bounds]
    for name, column in turned.columns():
        kinds[name] = column.dtype
        for chunks, begin in zip(encoded, bounds, strict=True):
            chunks[name] = output.encoder.encode(column[begin : begin + files.ROW_GROUP])
    output.begin(kinds, 0)
    for chunks in encoded:
        output.begin(kinds, next(iter(chunks.values()))[1].rows)
        for name, (pages, chunk) in chunks.items():
            output.put(name, pages, chunk)


def _groups(sources: list[Stored]) -> list[list[Stored]]:
    found: list[list[Stored]] = []
    room = 0
    for one in sources:
        rows = pq.read_metadata(one.path).num_rows
        if not found or room < rows:
            found.append([])
            room = AT_ONCE
        found[-1].append(one)
        room -= rows
    return found


class Columns:
    """The columns of several files as one, read when they are asked for; what only some have (IPv6) is zero in the others."""

    def __init__(self, paths: list[Path]) -> None:
        self.sources = [pq.ParquetFile(path, pre_buffer=False) for path in paths]
        self.names = frozenset(name for source in self.sources for name in source.schema_arrow.names)
        self.count = sum(source.metadata.num_rows for source in self.sources)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> NDArray[Any]:
        only = self._only(name)
        if only is not None:
            return np.broadcast_to(only, self.count)
        kind = next(source.schema_arrow.field(name).type for source in self.sources if name in source.schema_arrow.names)
        found = [
            _numbers(source.read([name], use_threads=False).column(0))
            if name in source.schema_arrow.names
            else np.zeros(source.metadata.num_rows, kind.to_pandas_dtype())
            for source in self.sources
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _only(self, name: str) -> NDArray[Any] | None:
        """The one value that all rows have, where the files' bounds say so."""
        found = set()
        for source in self.sources:
            place = source.schema_arrow.get_field_index(name)
            for number in range(source.num_row_groups) if place >= 0 else (-1,):
                bounds = source.metadata.row_group(number).column(place).statistics if number >= 0 else None
                if bounds is None or not bounds.has_min_max or bounds.min != bounds.max or bounds.null_count:
                    return None
                found.add(bounds.min)
        if len(found) != 1:
            return None
        return np.array(found.pop(), self.sources[0].schema_arrow.field(name).type.to_pandas_dtype())


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    if column.null_count:
        column = column.fill_null(0)
    return column.to_numpy()


def turned(columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Rows seen from their local ends, sorted by local address."""
    return dict(Turned(columns).columns())


class Turned:
    """Rows seen from their local ends, sorted by local address: which row of the source each is, then column by column."""

    def __init__(self, source: Mapping[str, NDArray[Any]] | Columns) -> None:
        self.source = source
        self.read = {name: source[name] for name in ("src_customer", "dst_customer", "src", "dst")}  # what is needed twice
        out, back = self.read["src_customer"], self.read["dst_customer"]
        count = len(out)
        direction, twins = np.empty(count, np.uint8), np.empty(count, np.int32)
        twins = twins[: sides(out, back, direction, twins)]
        rows = np.arange(count, dtype=np.int32)
        if len(twins):
            direction = np.concatenate([direction, np.full(len(twins), IN, np.uint8)])
            rows = np.concatenate([rows, twins])
        order = sort_order(self._keys(rows, direction))
        self.rows, self.direction, self.twin = rows[order], direction[order], (order >= count).astype(np.uint8)
        self.inward = (self.direction == IN).view(np.uint8)

    def _column(self, name: str) -> NDArray[Any]:
        known = self.read.get(name)
        return self.source[name] if known is None else known

    def _keys(self, rows: NDArray[np.int32], direction: NDArray[np.uint8]) -> list[NDArray[np.uint32]]:
        """Words of 32 bits to sort by, the least first: the local address, IPv6 behind IPv4."""
        inward = (direction == IN).view(np.uint8)

        def local(source: str, target: str) -> NDArray[Any]:
            first = self._column(source)
            ours = np.empty(len(rows), first.dtype)
            choose(first, self._column(target), rows, inward, ours)
            return ours

        words = [local("src", "dst")]
        if "src_hi" in self.source:
            for half in ("lo", "hi"):
                value = local(f"src_{half}", f"dst_{half}")
                words += [(value & np.uint64(0xFFFFFFFF)).astype(np.uint32), (value >> np.uint64(32)).astype(np.uint32)]
            words.append((np.asarray(self._column("family"))[rows] == 6).astype(np.uint32))
        return words

    def columns(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for one, other, local, peer in (*TURNED, CUSTOMERS, *(TURNED_SIX if "src_hi" in self.source else ())):
            first, second = self._column(one), self._column(other)
            ours, theirs = (np.empty(len(self.rows), first.dtype) for _ in range(2))
            orient(first, second, self.rows, self.inward, ours, theirs)
            yield local, ours
            yield peer, theirs
        for name in PLAIN:
            column = self.source[name]
            same = column.strides == (0,)
            yield name, np.broadcast_to(column[0], len(self.rows)) if same else np.take(column, self.rows, mode="clip")
        yield "direction", self.direction
        yield "twin", self.twin


def sort_order(words: list[NDArray[np.uint32]]) -> NDArray[np.int32]:
    """The order of rows by several 32-bit words, the least first: a radix sort, stable, 16 bits at a time."""
    count = len(words[0])
    order, other = np.arange(count, dtype=np.int32), np.empty(count, np.int32)
    places = np.zeros(1 << 16, np.int64)
    for word in words:
        for shift in (0, 16):
            if (
                count
                and ((word >> np.uint32(shift)) & np.uint32(0xFFFF) != (word[0] >> np.uint32(shift)) & np.uint32(0xFFFF)).any()
            ):
                distribute(word, shift, order, other, places)
                order, other = other, order
    return order


@kernel
def sides(source, target, direction, twins):
    """Which end of each flow is ours; into ``twins`` go the rows of which both are. How many those are."""
    found = 0
    for i in range(len(source)):
        if source[i] != 0:
            direction[i] = OUT
            if target[i] != 0:
                twins[found] = i
                found += 1
        else:
            direction[i] = IN if target[i] != 0 else THROUGH
    return found


@kernel
def choose(first, second, rows, inward, local):
    """Our own end's value of each row."""
    for i in range(len(rows)):
        local[i] = second[rows[i]] if inward[i] else first[rows[i]]


@kernel
def orient(first, second, rows, inward, local, peer):
    """Both ends' values of each row, our own end's apart."""
    for i in range(len(rows)):
        row = rows[i]
        if inward[i]:
            local[i], peer[i] = second[row], first[row]
        else:
            local[i], peer[i] = first[row], second[row]


@kernel
def distribute(word, shift, order, other, places):
    """One pass of a radix sort: from ``order`` to ``other``."""
    for value in range(len(places)):
        places[value] = 0
    for i in range(len(order)):
        places[(word[order[i]] >> shift) & 0xFFFF] += 1
    total = 0
    for value in range(len(places)):
        here = places[value]
        places[value] = total
        total += here
    for i in range(len(order)):
        value = (word[order[i]] >> shift) & 0xFFFF
        other[places[value]] = order[i]
        places[value] += 1
