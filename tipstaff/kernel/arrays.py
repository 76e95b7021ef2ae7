"""Columns as parameters of a statement: arrays in PostgreSQL's binary format, bound by the server.

A feed asks about thousands of rows at a time. As text every moment costs the server a microsecond to read, and the whole literal
is escaped here and lexed there; in this form nothing is parsed. The statement is planned with its values, as it is with literals.
Format: dimensions, whether there are nulls, the element's type, length and lower bound of the one dimension, then each element
as a 32-bit length (-1 for null) with its bytes (PostgreSQL's source, ``array_recv``).
"""

import struct
from collections.abc import Sequence
from typing import Any

import polars as pl
import psycopg
from django.db import connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

from tipstaff.kernel import binary

#: PostgreSQL's numbers of each type and of its array (pg_type.dat; they never change).
TYPES = {
    "bool": (16, 1000), "int2": (21, 1005), "int4": (23, 1007), "int8": (20, 1016), "text": (25, 1009),
    "timestamptz": (1184, 1185), "uuid": (2950, 2951),
}  # fmt: skip


class Array(bytes):
    """An array in binary form; its subclasses say of which type."""


class _Plain(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


_ARRAYS = {name: type(f"Array_{name}", (Array,), {}) for name in TYPES}
_DUMPERS = [(_ARRAYS[name], type(f"Dumper_{name}", (_Plain,), {"oid": array})) for name, (_, array) in TYPES.items()]


def array(column: pl.Series, kind: str) -> Array:
    """The column as an array of ``kind``, one of TYPES."""
    found = binary.ENCODERS[kind](column) if len(column) else None
    head = struct.pack(">iiI", 1 if found else 0, int(column.null_count() > 0), TYPES[kind][0])
    if found is None:
        return _ARRAYS[kind](head)
    body = binary.even(found) if len(found.content) and binary.is_even(found) else b"".join(binary.values(found))
    return _ARRAYS[kind](head + struct.pack(">ii", len(column), 1) + body)


def rows(statement: str, parameters: Sequence[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    """Execute a statement whose parameters may be arrays, in the transaction of the caller; its rows, if it has any."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        for kind, dumper in _DUMPERS:
            cursor.adapters.register_dumper(kind, dumper)
        cursor.execute(statement, parameters, prepare=False, binary=True)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []
