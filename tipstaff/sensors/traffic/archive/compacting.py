"""From files as they came to files sorted by local address, so that one host's flows are found by reading little.

A compacted row is a flow seen from one of our own ends: ``local``, ``peer``, ``direction`` (0 out, 1 in, 2 neither end is
ours: local is the source). A flow with two local ends is there twice; the second has ``twin`` 1, and sums leave it out.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.archive.files import Stored
from tipstaff.sensors.traffic.decoders.loads import kernel

AT_ONCE = 1_000_000  # flows in one compacted file
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
        table = pa.concat_tables([_read(one.path) for one in group], promote_options="default")
        columns = {name: _numbers(table.column(name)) for name in table.column_names}
        del table
        made = pa.table(turned(columns))
        name = f"{group[0].at:%Y%m%d%H}-{group[0].path.stem.split('-')[-1]}.parquet"
        files.write_table(root / "hours" / name, made, notes={"replaces": [one.path.name for one in group]})
        for one in group:
            one.path.unlink(missing_ok=True)
        flows += len(columns["src"])
    return flows


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


def _read(path: Path) -> pa.Table:
    return pq.ParquetFile(path, pre_buffer=False).read(use_threads=False)


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    if column.null_count:
        column = column.fill_null(0)
    return column.to_numpy()


def turned(columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Rows seen from their local ends, sorted by local address."""
    source, target = columns["src_customer"], columns["dst_customer"]
    direction = np.where(source != 0, OUT, np.where(target != 0, IN, THROUGH)).astype(np.uint8)
    twins = np.flatnonzero((source != 0) & (target != 0))
    count = len(direction)
    direction = np.concatenate([direction, np.full(len(twins), IN, np.uint8)])
    rows = (
        np.concatenate([np.arange(count, dtype=np.int32), twins.astype(np.int32)])
        if len(twins)
        else np.arange(count, dtype=np.int32)
    )
    order = sort_order(_keys(columns, rows, direction))
    rows, direction = rows[order], direction[order]
    inward = (direction == IN).view(np.uint8)
    found: dict[str, NDArray[Any]] = {}
    pairs = (*TURNED, CUSTOMERS, *(TURNED_SIX if "src_hi" in columns else ()))
    for one, other, local, peer in pairs:
        found[local], found[peer] = (np.empty(len(rows), columns[one].dtype) for _ in range(2))
        orient(columns[one], columns[other], rows, inward, found[local], found[peer])
    for name in PLAIN:
        found[name] = np.take(columns[name], rows, mode="clip")
    found |= {"direction": direction, "twin": (order >= count).astype(np.uint8)}
    return found


def _keys(columns: dict[str, NDArray[Any]], rows: NDArray[np.int32], direction: NDArray[np.uint8]) -> list[NDArray[np.uint32]]:
    """Words of 32 bits to sort by, the least first: the local address, IPv6 behind IPv4."""
    inward = direction == IN

    def local(source: str, target: str) -> NDArray[Any]:
        return np.where(inward, columns[target][rows], columns[source][rows])

    words = [local("src", "dst").astype(np.uint32)]
    if "src_hi" in columns:
        for half in ("lo", "hi"):
            value = local(f"src_{half}", f"dst_{half}")
            words += [(value & np.uint64(0xFFFFFFFF)).astype(np.uint32), (value >> np.uint64(32)).astype(np.uint32)]
        words.append((columns["family"][rows] == 6).astype(np.uint32))
    return words


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
