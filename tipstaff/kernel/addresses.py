"""Columns of address text to numbers and back, a million at a time.

Strict like :mod:`ipaddress`: four decimal octets without leading zeros, RFC 4291 text for IPv6, no zone index, no
mask, no surrounding space. An IPv4-mapped address (``::ffff:a.b.c.d``) is that IPv4 address.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

LONGEST = 45  # characters of the longest IPv6 text, RFC 4291 2.2 form 3
MAPPED = np.uint64(0xFFFF)
_OCTETS = pl.Series([str(value) for value in range(256)])


class Addresses(NamedTuple):
    """Parallel arrays. An IPv4 address is ``hi == 0, lo == its 32 bits``; where ``valid`` is False the rest is 0."""

    family: NDArray[np.uint8]  # 4, 6, or 0
    hi: NDArray[np.uint64]
    lo: NDArray[np.uint64]
    valid: NDArray[np.bool_]


def parse(column: "pl.Series | Sequence[str | None]") -> Addresses:
    """The addresses of a column of text; null, masked and impossible ones are not valid."""
    text = column if isinstance(column, pl.Series) else pl.Series(column, dtype=pl.String)
    rows = len(text)
    family, hi, lo = np.zeros(rows, np.uint8), np.zeros(rows, np.uint64), np.zeros(rows, np.uint64)
    if text.dtype != pl.String:  # a column of nulls only
        return Addresses(family, hi, lo, np.zeros(rows, bool))
    length = text.str.len_bytes().fill_null(0).to_numpy()
    colon = text.str.contains(":", literal=True).fill_null(False).to_numpy()
    dots = text.str.count_matches(".", literal=True).fill_null(0).to_numpy()
    at = np.flatnonzero(~colon & (dots == 3) & (length >= 7) & (length <= 15))
    if len(at):
        lo[at], good = _dotted(text.gather(at))
        family[at[good]] = 4
    at = np.flatnonzero(colon & (length <= LONGEST))
    if len(at):
        family[at], hi[at], lo[at] = _colons(text.gather(at))
    return Addresses(family, hi, lo, family > 0)


def _dotted(text: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Values and validity of texts known to hold exactly three dots, from their joined bytes."""
    joined = text.str.join("\n").item() + "\n"
    letters = np.frombuffer(joined.encode(), np.uint8).copy()
    letters[np.cumsum(text.str.len_bytes().to_numpy().astype(np.int64) + 1) - 1] = 46
    ends = np.flatnonzero(letters == 46)  # four a row: three dots and the row's end
    width = np.diff(ends, prepend=-1) - 1
    digits = letters - np.uint8(48)  # anything but a digit wraps round to more than 9
    ones, tens, hundreds = digits[ends - 1], digits[ends - 2], digits[ends - 3]
    wide, wider = width >= 2, width >= 3
    good: NDArray[np.bool_] = (width >= 1) & (width <= 3) & (ones <= 9)
    good &= ~wide | ((tens <= 9) & (wider | (tens > 0)))
    good &= ~wider | ((hundreds <= 2) & (hundreds > 0))
    value = ones.astype(np.uint16) + wide * tens * np.uint16(10) + wider * hundreds * np.uint16(100)
    good &= value <= 255
    octets = np.where(good, value, 0).astype(np.uint8).reshape(-1, 4)
    whole: NDArray[np.bool_] = np.logical_and.reduce(good.reshape(-1, 4), axis=1)
    return np.where(whole, octets.view(">u4").ravel(), 0).astype(np.uint64), whole


def _colons(text: pl.Series) -> tuple[NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint64]]:
    """Family, high and low half of texts with a colon; each distinct text is read once."""
    distinct = text.unique()
    packed, refused = [], []
    for number, written in enumerate(distinct.to_list()):
        try:
            packed.append(socket.inet_pton(socket.AF_INET6, written))
        except (OSError, ValueError):
            packed.append(bytes(16))
            refused.append(number)
    halves = np.frombuffer(b"".join(packed), ">u8").reshape(-1, 2).astype(np.uint64)
    hi, lo = halves[:, 0], halves[:, 1].copy()
    mapped = (hi == 0) & (lo >> np.uint64(32) == MAPPED)
    lo[mapped] &= np.uint64(0xFFFFFFFF)
    family = np.where(mapped, 4, 6).astype(np.uint8)
    family[refused] = 0
    order = _positions(text, distinct)
    return family[order], hi[order], lo[order]


def _positions(text: pl.Series, distinct: pl.Series) -> NDArray[np.int64]:
    """For each text its place in ``distinct``."""
    places = pl.DataFrame({"text": distinct, "place": np.arange(len(distinct))})
    return text.to_frame("text").join(places, on="text", how="left", maintain_order="left")["place"].to_numpy()


def to_text(addresses: Addresses) -> pl.Series:
    """The canonical text of each address (RFC 5952 for IPv6), null where it is not valid."""
    written = pl.repeat(None, len(addresses.family), dtype=pl.String, eager=True)
    at = np.flatnonzero(addresses.family == 4)
    if len(at):
        octets = addresses.lo[at].astype(">u4").view(np.uint8).reshape(-1, 4)
        parts = [_OCTETS.gather(octets[:, number]).alias(str(number)) for number in range(4)]
        written = written.scatter(at, pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator=".")).to_series())
    at = np.flatnonzero(addresses.family == 6)
    if len(at):
        written = written.scatter(at, pl.Series(_colon_texts(addresses.hi[at], addresses.lo[at])))
    return written


def _colon_texts(hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> list[str]:
    packed = np.stack([hi, lo], axis=1).astype(">u8").tobytes()
    texts = [socket.inet_ntop(socket.AF_INET6, packed[start : start + 16]) for start in range(0, len(packed), 16)]
    # inet_ntop writes ::a.b.c.d for the deprecated IPv4-compatible range; ipaddress, and so the database, does not.
    return [str(IPv6Address(text)) if "." in text else text for text in texts]


def normalise(column: "pl.Series | Sequence[str | None]") -> tuple[pl.Series, Addresses]:
    """The column in canonical text, null where it is no address, and its numbers."""
    text = column if isinstance(column, pl.Series) else pl.Series(column, dtype=pl.String)
    addresses = parse(text)
    if text.dtype != pl.String:
        return text.cast(pl.String), addresses
    colon = text.str.contains(":", literal=True).fill_null(False).to_numpy()
    kept = text.to_frame("text").select(pl.when(pl.Series(addresses.valid)).then("text")).to_series()
    at = np.flatnonzero(colon & addresses.valid)  # strict dotted text is canonical already
    if len(at):
        some = Addresses(addresses.family[at], addresses.hi[at], addresses.lo[at], addresses.valid[at])
        kept = kept.scatter(at, to_text(some))
    return kept, addresses
