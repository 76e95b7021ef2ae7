"""Columns as PostgreSQL's binary COPY format, built with NumPy: the server parses nothing, and no row becomes an object.

Format: signature, then each row as a 16-bit count of fields and each field as a 32-bit length (-1 for null) with its bytes
in network order (PostgreSQL documentation, COPY, "Binary Format").
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tipstaff.kernel import addresses

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
PIECE = 16_384  # rows
WIDEST = 64  # bytes up to which every value of a column gets the room of the longest
WORDS = {1: "u1", 2: "u2", 4: "u4", 8: "u8"}  # moved as one, twice as fast as the same bytes as an opaque field
EPOCH_2000 = 946_684_800_000_000  # µs from 1970 to PostgreSQL's own epoch


class Field(NamedTuple):
    """One column: the length of each value in bytes (-1 null) and all values' bytes, one after another."""

    length: NDArray[np.int32]
    content: NDArray[np.uint8]


def stream(frame: pl.DataFrame, types: Mapping[str, str]) -> tuple[list[str], Iterator[bytes]]:
    """The order of the columns, those of wide and uneven text last, and the frame in it as one binary COPY stream, in pieces.

    ``types`` names the PostgreSQL type of each column. A piece holds PIECE rows: the server takes one while the next is made, and
    no more than one lies in memory.
    """
    wide = [name for name in frame.columns if types[name] in {"text", "jsonb"} and _is_wide(frame[name])]
    narrow = [name for name in frame.columns if name not in wide]
    pieces = (_rows(frame[at : at + PIECE], types, narrow, wide) for at in range(0, len(frame), PIECE))
    return narrow + wide, chain([SIGNATURE], pieces, [TRAILER])


def _is_wide(column: pl.Series) -> bool:
    length = column.cast(pl.String).str.len_bytes()
    most = int(length.max() or 0)  # type: ignore[arg-type]
    return most >= WIDEST and (length.min() != most or column.null_count() > 0)


def _rows(frame: pl.DataFrame, types: Mapping[str, str], narrow: Sequence[str], wide: Sequence[str]) -> bytes:
    """Some rows. Columns form a block of records, each as wide as its longest value needs; what a shorter or null value leaves over
    is taken out of the whole at once. Only wide texts of uneven width are joined value by value."""
    fields = {name: ENCODERS[types[name]](frame[name]) for name in frame.columns}
    whole, size = _records([fields[name] for name in narrow], len(fields))
    if not wide:
        return whole
    ends = np.cumsum(size)
    heads = [whole[begin:end] for begin, end in zip((ends - size).tolist(), ends.tolist(), strict=True)]
    return b"".join(chain.from_iterable(zip(heads, *[values(fields[name]) for name in wide], strict=True)))


def _width(field: Field) -> int:
    return max(0, int(field.length.max()))


def is_even(field: Field) -> bool:
    """Whether every row is as wide as the others."""
    return int(field.length.min()) == _width(field)


def _records(fields: Sequence[Field], count: int) -> tuple[bytes, NDArray[np.int64]]:
    """The rows of these columns, led by ``count`` of fields, one after another; and the size of each in bytes."""
    widths = [_width(field) for field in fields]
    block = np.zeros(len(fields[0].length) if fields else 0, _layout(widths))
    block["fields"] = count
    size = np.full(len(block), block.dtype.itemsize, np.int64)
    kept: NDArray[np.bool_] | None = None  # which bytes of the block are said
    for place, (field, width) in enumerate(zip(fields, widths, strict=True)):
        block[f"length{place}"] = field.length
        if not width:
            continue
        values = block[f"value{place}"]
        if is_even(field):
            values[:] = field.content.view(values.dtype)
            continue
        inside = np.arange(width) < field.length[:, None]
        padded = np.zeros((len(block), width), np.uint8)
        padded[inside] = field.content
        values[:] = padded.view(values.dtype).ravel()
        kept = np.ones((len(block), block.dtype.itemsize), bool) if kept is None else kept
        at = block.dtype.fields[f"value{place}"][1]  # type: ignore[index]
        kept[:, at : at + width] = inside
        size -= width - np.maximum(field.length, 0)
    octets = block.view(np.uint8)
    return (octets if kept is None else octets[kept.ravel()]).tobytes(), size


def _layout(widths: Sequence[int]) -> np.dtype[Any]:
    """A record: the count of fields, then each field's length and room for its widest value, without gaps."""
    parts: list[tuple[str, str]] = [("fields", ">i2")]
    for place, width in enumerate(widths):
        parts.append((f"length{place}", ">i4"))
        if width:
            parts.append((f"value{place}", WORDS.get(width, f"V{width}")))
    return np.dtype(parts)


def even(field: Field) -> bytes:
    """Length and content of each row, all rows of one width (``is_even``)."""
    width = _width(field)
    block = np.empty(len(field.length), [("length", ">i4"), ("value", WORDS.get(width, f"V{width}"))])
    block["length"] = width
    block["value"] = field.content.view(block.dtype["value"])
    return block.tobytes()


def values(field: Field) -> list[bytes]:
    """Length and content of each row as bytes."""
    prefixes = field.length.astype(">i4").tobytes()
    real = np.maximum(field.length, 0)
    ends = np.cumsum(real)
    content = field.content.tobytes()
    bounds = zip(range(0, len(prefixes), 4), (ends - real).tolist(), ends.tolist(), strict=True)
    return [prefixes[at : at + 4] + content[begin:end] for at, begin, end in bounds]


def _put(out: NDArray[np.uint8], at: NDArray[np.int64], values: NDArray[np.uint8]) -> None:
    for byte in range(values.shape[1]):
        out[at + byte] = values[:, byte]


def _nulls(column: pl.Series) -> NDArray[np.bool_]:
    """Where nothing stands. Each call of polars on a column costs a fifth of a millisecond: most columns need none."""
    return column.is_null().to_numpy() if column.null_count() else np.zeros(len(column), bool)


def _filled(column: pl.Series, value: Any) -> NDArray[Any]:
    return (column.fill_null(value) if column.null_count() else column).to_numpy()


def _fixed(column: pl.Series, kind: str, values: NDArray[Any]) -> Field:
    wide = values.astype(kind)
    if not column.null_count():
        return Field(np.full(len(wide), wide.dtype.itemsize, np.int32), wide.view(np.uint8))
    null = _nulls(column)
    length = np.where(null, -1, wide.dtype.itemsize).astype(np.int32)
    return Field(length, wide[~null].view(np.uint8))


def _integer(kind: str) -> Callable[[pl.Series], Field]:
    def encode(column: pl.Series) -> Field:
        return _fixed(column, kind, _filled(column.cast(pl.Int64), 0))

    return encode


def _boolean(column: pl.Series) -> Field:
    return _fixed(column, ">i1", _filled(column, False))


def _moment(column: pl.Series) -> Field:
    micros = _filled(column.cast(pl.Datetime("us", "UTC")).to_physical(), 0)
    return _fixed(column, ">i8", micros - EPOCH_2000)


def _text(column: pl.Series) -> Field:
    column = column.cast(pl.String)
    if len(column) and not column.null_count() and (column == column[0]).all():
        value = np.frombuffer(column[0].encode(), np.uint8)
        return Field(np.full(len(column), len(value), np.int32), np.tile(value, len(column)))
    length = _filled(column.str.len_bytes().cast(pl.Int32), -1)
    joined = (column.drop_nulls().str.join("").item() or "") if len(column) else ""
    return Field(length, np.frombuffer(joined.encode(), np.uint8))


def _jsonb(column: pl.Series) -> Field:
    marked = column.cast(pl.String)
    return _text(pl.select(pl.lit("\x01") + marked).to_series())  # the version byte of jsonb's wire form


def _uuid(column: pl.Series) -> Field:
    """From 32 hexadecimal digits."""
    null = _nulls(column)
    digits = (column.drop_nulls().str.replace_all("-", "", literal=True).str.join("").item() or "") if len(column) else ""
    return Field(np.where(null, -1, 16).astype(np.int32), np.frombuffer(bytes.fromhex(digits), np.uint8))


def _numbers(column: pl.Series) -> addresses.Addresses:
    if column.dtype == pl.String or column.dtype == pl.Null:
        return addresses.parse(column)
    family, hi, lo = (column.struct.field(name).to_numpy() for name in ("family", "hi", "lo"))
    return addresses.Addresses(family, hi, lo, family > 0)


def _inet(column: pl.Series) -> Field:
    """Hosts in canonical text, or as a struct of family, hi and lo.

    Family 2 is IPv4, 3 is IPv6; then mask length, 0 for inet, and the number of bytes."""
    found = _numbers(column)
    length = np.select([found.family == 4, found.family == 6], [8, 20], -1).astype(np.int32)
    real = np.maximum(length, 0)
    start = np.cumsum(real) - real
    out = np.zeros(int(real.sum()), np.uint8)
    four, six = np.flatnonzero(found.family == 4), np.flatnonzero(found.family == 6)
    if len(four):
        head = np.tile(np.array([2, 32, 0, 4], np.uint8), (len(four), 1))
        _put(out, start[four], np.hstack([head, found.lo[four].astype(">u4").view(np.uint8).reshape(-1, 4)]))
    if len(six):
        head = np.tile(np.array([3, 128, 0, 16], np.uint8), (len(six), 1))
        halves = [half[six].astype(">u8").view(np.uint8).reshape(-1, 8) for half in (found.hi, found.lo)]
        _put(out, start[six], np.hstack([head, *halves]))
    return Field(length, out)


ENCODERS: Mapping[str, Callable[[pl.Series], Field]] = {
    "int2": _integer(">i2"), "int4": _integer(">i4"), "int8": _integer(">i8"), "bool": _boolean, "timestamptz": _moment,
    "text": _text, "jsonb": _jsonb, "uuid": _uuid, "inet": _inet,
}  # fmt: skip
