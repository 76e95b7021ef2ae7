"""A file of the archive while it is written: beside its place, and renamed when it is whole and on the disk."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tipstaff.sensors.traffic.archive.columns import Arrays
from tipstaff.sensors.traffic.archive.parquet import Output

BOUNDED = ("ended", "local", "local_hi")  # columns whose least and greatest values are kept for searching
# Where one of these has one value in all of a group, its bounds say so, and compaction need not read it.
REPEATING = ("rate", "input", "output", "src_as", "dst_as", "vlan", "exporter", "marks", "family", "tos")


class Unfinished:
    """Groups of rows go into ``output``; then ``finish``, or ``give_up``. Every method may raise OSError."""

    def __init__(self, path: Path, *, level: int = 1, bounded: tuple[str, ...] = BOUNDED) -> None:
        self.path, self.beside = path, path.with_name(f".{path.name}.new")
        self.handle = self.beside.open("wb")
        self.output = Output(self.handle, level=level, bounded=bounded)

    def add(self, columns: Arrays, rows: int) -> None:
        """All rows of the columns, in groups of that many."""
        total = len(next(iter(columns.values())))
        for begin in range(0, total, rows):
            self.output.add({name: column[begin : begin + rows] for name, column in columns.items()})

    def finish(self, notes: Mapping[str, Any] | None = None) -> int:
        """Put it in its place; its size in bytes. ``notes`` are kept in it, to be read by ``files.note``."""
        try:
            size = self.output.close({name: json.dumps(value) for name, value in (notes or {}).items()})
            self.handle.flush()
            os.fsync(self.handle.fileno())
            self.handle.close()
            self.beside.replace(self.path)
        finally:
            self.give_up()
        return size

    def give_up(self) -> None:
        """Leave nothing behind."""
        try:
            self.handle.close()
        finally:
            self.beside.unlink(missing_ok=True)
