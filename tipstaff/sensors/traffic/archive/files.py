"""The archive on disk: which files there are, what their columns mean, and how they are written so that none is ever half there.

fresh/20260211T140512-000017.parquet     as they came, a few seconds each
hours/2026021114-001.parquet             compacted, sorted by local address
thin/2026021114-001.parquet              a weighted sample of the same, for questions about very many flows
minutes/, coarse/                        rolled up to minutes, then hours
held/                                    kept for a hold beyond their time
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tipstaff.sensors.traffic.archive.columns import FOLDERS, KINDS, SAMPLE, SIX, Arrays, arrays, make_room, stamp
from tipstaff.sensors.traffic.archive.unfinished import BOUNDED, Unfinished

__all__ = [
    "FOLDERS",
    "KINDS",
    "SAMPLE",
    "Stored",
    "arrays",
    "make_room",
    "note",
    "replaced",
    "rows_of",
    "stamp",
    "stored",
    "watched",
    "write",
]

ROW_GROUP = 1 << 17
# What repeats from flow to flow is worth a dictionary; the rest is split into streams of bytes, which zstd likes.
REPEATING = ("rate", "input", "output", "src_as", "dst_as", "vlan", "exporter", "marks", "family", "protocol", "tos", "tcp_flags")
ALSO_REPEATING = ("direction", "twin")  # of compacted files
SPLIT = (
    "src", "dst", "src_port", "dst_port", "bytes", "packets", "ended", "lasted", "src_customer", "dst_customer", *SIX,
    "local", "peer", "local_hi", "local_lo", "peer_hi", "peer_lo", "local_port", "peer_port", "customer", "peer_customer",
)  # fmt: skip


def write(path: Path, columns: Arrays, *, level: int = 1, group: int = ROW_GROUP) -> int:
    """Write a Parquet file of whole numbers beside its place, then rename it; its size in bytes."""
    made = Unfinished(path, level=level)
    try:
        made.add(columns, group)
        return made.finish()
    finally:
        made.give_up()


def write_table(
    path: Path, table: pa.Table, *, level: int = 1, group: int = ROW_GROUP, notes: Mapping[str, Any] | None = None
) -> int:
    """As ``write``, what Arrow holds already; least and greatest values of times and local addresses are kept for searching.

    ``notes`` are kept in the file, to be read by ``note``.
    """
    fresh = path.with_name(f".{path.name}.new")
    names = set(table.column_names)
    table = table.replace_schema_metadata(None)
    try:
        with (
            fresh.open("wb") as handle,
            pq.ParquetWriter(
                handle,
                table.schema,
                compression="zstd",
                compression_level=level,
                use_dictionary=[name for name in (*REPEATING, *ALSO_REPEATING) if name in names],
                column_encoding={name: "BYTE_STREAM_SPLIT" for name in SPLIT if name in names},
                write_statistics=[name for name in BOUNDED if name in names],
                store_schema=False,
            ) as writer,
        ):
            writer.add_key_value_metadata({name: json.dumps(value) for name, value in (notes or {}).items()})
            writer.write_table(table, row_group_size=group)
            writer.close()
            handle.flush()
            os.fsync(handle.fileno())
            size = handle.tell()
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return size


def note(path: Path, name: str) -> Any:
    """What was noted in a file when it was written; None where nothing was, or the file went away."""
    try:
        noted = pq.read_metadata(path).metadata or {}
        return json.loads(noted[name.encode()])
    except (OSError, pa.ArrowInvalid, KeyError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _replaced(path: Path, changed: int) -> frozenset[str]:
    return frozenset(note(path, "replaces") or ())


def replaced(root: Path, hours: Iterable[str]) -> frozenset[str]:
    """Names of fresh files of those hours (2026021114) that a compacted one holds already: a kill, or a reader, came between."""
    found: frozenset[str] = frozenset()
    for hour in set(hours):
        for path in (root / "hours").glob(f"{hour}-*.parquet"):
            with suppress(FileNotFoundError):
                found |= _replaced(path, path.stat().st_mtime_ns)
    return found


@dataclass(frozen=True)
class Stored:
    """One file of the archive: its kind, and the hour (or day, of coarse ones) that it belongs to, as its name says."""

    path: Path
    kind: str
    at: datetime

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


@lru_cache(maxsize=4096)
def rows_of(path: Path) -> int:
    """Rows of a file, as its footer says; 0 where it went away. A file never changes under its name."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid):
        return 0


def watched(path: Path) -> list[list[int]] | None:
    """[minute since 1970, sampling rate] heard in a compacted file, as its sample notes; None where there is no such note."""
    sample = path.parent.parent / "thin" / path.name
    try:
        return _watched(sample, sample.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=4096)
def _watched(path: Path, changed: int) -> list[list[int]] | None:
    found: list[list[int]] | None = note(path, "watched")
    return found


@lru_cache(maxsize=1 << 16)
def _filed(name: str) -> datetime | None:
    """The hour or day that a file's name says; None for a name that is none of ours."""
    digits = name.split("-")[0].replace("T", "")
    if name.startswith(".") or not digits.isdecimal() or not 8 <= len(digits) <= 14:
        return None
    with suppress(ValueError):
        return datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return None


def stored(root: Path, *kinds: str) -> list[Stored]:
    """The files of those kinds (all where none is named), oldest first; unfinished, foreign and replaced ones are left out."""
    found = []
    for kind in kinds or KINDS:
        for path in (root / kind).glob("*.parquet"):
            at = _filed(path.name)
            if at is not None:
                found.append(Stored(path, kind, at))
    gone = replaced(root, (f"{one.at:%Y%m%d%H}" for one in found if one.kind == "fresh"))
    whole = [one for one in found if one.kind != "fresh" or one.path.name not in gone]
    return sorted(whole, key=lambda one: (one.at, one.path.name))
