"""Columns into tables: COPY and id allocation, inside the caller's transaction."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
from django.db import connection
from psycopg import sql

from tipstaff.kernel import binary


def native() -> Any:
    """The psycopg connection beneath Django's, for what Django's cursor does not offer."""
    connection.ensure_connection()
    return connection.connection


def copy_frame(table: str, frame: pl.DataFrame) -> None:
    """COPY a frame whose column names are the table's. Null is null, empty text stays empty; times need a zone."""
    if not len(frame):
        return
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    )
    content = frame.write_csv(include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00").encode()
    with connection.wrap_database_errors, native().cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content)


def copy_binary(table: str, frame: pl.DataFrame, types: Mapping[str, str]) -> None:
    """COPY a frame in the binary format: for the tables where every microsecond counts. ``types``: see kernel.binary."""
    if not len(frame):
        return
    columns, pieces = binary.stream(frame, types)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.wrap_database_errors, native().cursor() as cursor, cursor.copy(statement) as copy:
        for piece in pieces:
            copy.write(piece)


def allocate(table: str, count: int) -> list[int]:
    """``count`` fresh ids from the identity sequence of ``table``."""
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count])
        return [row[0] for row in cursor.fetchall()]


def array_of(column: pl.Series) -> str:
    """An array literal of numbers, moments, uuids or flags: built in columns, far cheaper to bind than a list."""
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.to_string("%Y-%m-%dT%H:%M:%S%.6f+00")
    return "{" + (column.cast(pl.String).fill_null("NULL").str.join(",").item() or "") + "}" if len(column) else "{}"


def quoted_array_of(column: pl.Series) -> str:
    """An array literal of any texts."""
    escaped = column.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    return array_of(pl.select('"' + pl.lit(escaped) + '"').to_series())


def array_of_texts(values: Iterable[str | None]) -> str:
    """An array literal of any texts; None is null. Binding a list costs several times as much."""
    return "{" + ",".join("NULL" if value is None else f'"{_quoted(value)}"' for value in values) + "}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        return value.replace("\\", "\\\\").replace('"', '\\"')
    return value


def array_of_bytes(values: Iterable[bytes]) -> str:
    """An array literal of bytea."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def array_of_values(values: Iterable[Any]) -> str:
    """An array literal of numbers, uuids and aware moments; None is null."""
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"
