"""Columns of times: the usual forms at once, everything else by :func:`times.read_time`, each distinct text once."""

import re
from collections.abc import Callable
from typing import Protocol

import numpy as np
import polars as pl

from tipstaff.intake.reading.times import read_time

COMMON = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ")
MOST_STRANGE = 50_000
_OFFSET = re.compile(r"^([+-])(\d{2}):?(\d{2})$")
_UTC = pl.Datetime("us", "UTC")
_EARLIEST, _LATEST = 1980, 2100
Complain = Callable[[np.ndarray, pl.Series | None, str], None]


class Timing(Protocol):
    """What is known of the times beside their text."""

    @property
    def time(self) -> tuple[str, ...]: ...
    @property
    def zone(self) -> str | None: ...
    @property
    def formats(self) -> tuple[str, ...]: ...


def read_moments(text: pl.Series | None, timing: Timing, complain: Complain) -> dict[str, pl.Series | None]:
    """``occurred_at``, ``time_as_written`` and, where a time is not exact, ``earliest`` and ``latest``.

    A time without a zone is exact only where ``timing.zone`` says whose time it is.
    """
    if text is None:
        return {}
    moments, open_at = _at_once(text, timing)
    bounds: dict[str, pl.Series | None] = {}
    if open_at.any() and not timing.zone:
        bounds, open_at = _bounds_at_once(text, open_at, timing.formats)
    if open_at.any():
        moments, more = _one_by_one(text, moments, open_at, timing.zone)
        bounds = {name: _either(bounds.get(name), more.get(name)) for name in {*bounds, *more}}
    year = moments.dt.year()
    strange = (~year.is_between(_EARLIEST, _LATEST)).fill_null(False).to_numpy()
    if strange.any():
        moments = pl.select(pl.when(pl.Series(~strange)).then(moments)).to_series()
    stated, column = text.is_not_null().to_numpy(), " and ".join(timing.time)
    unread = stated & moments.is_null().to_numpy()
    bounded = np.zeros(len(text), bool) if "earliest" not in bounds else bounds["earliest"].is_not_null().to_numpy()  # type: ignore[union-attr]
    complain(unread & bounded, text, f"column {column} does not fix a moment (zone or hour is missing): no exact time")
    complain(unread & ~bounded, text, f"column {column} holds no possible time: left out")
    return {"occurred_at": moments, "time_as_written": text, **bounds}


def _at_once(text: pl.Series, timing: Timing) -> tuple[pl.Series, np.ndarray]:
    """Moments of the usual forms, and which texts are still to be read."""
    found = pl.repeat(None, len(text), dtype=_UTC, eager=True)
    left = text.is_not_null().to_numpy()
    for form in (*timing.formats, *COMMON):
        if not left.any():
            break
        if form.endswith("Z"):
            zone: str | None = "UTC"
        elif "%z" in form:
            zone = None
        elif timing.zone:
            zone = timing.zone
        else:
            continue
        read = _parse(text if left.all() else pl.select(pl.when(pl.Series(left)).then(text)).to_series(), form, zone)
        if read is None:
            continue
        found = read if found.null_count() == len(found) else pl.select(pl.coalesce(found, read)).to_series()
        left &= read.is_null().to_numpy()
    return found, left


def _parse(text: pl.Series, form: str, zone: str | None) -> pl.Series | None:
    sample = text.drop_nulls().head(100)
    try:
        if sample.str.to_datetime(form, strict=False, time_unit="us").null_count() == len(sample):
            return None  # not this form, or hardly ever: no pass over all rows
        read = text.str.to_datetime(form, strict=False, time_unit="us")
    except pl.exceptions.PolarsError:
        return None
    if zone is None:
        return read.dt.convert_time_zone("UTC")
    offset = _OFFSET.match(zone)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return read.dt.offset_by(f"{'-' if offset[1] == '+' else ''}{minutes}m").dt.replace_time_zone("UTC")
    try:  # an hour that came twice or never when clocks changed stays open
        return read.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    except pl.exceptions.PolarsError:
        return None


def _bounds_at_once(text: pl.Series, left: np.ndarray, formats: tuple[str, ...]) -> tuple[dict[str, pl.Series | None], np.ndarray]:
    """Bounds of full times whose zone nobody knows: all zones that there are (UTC-12 to UTC+14)."""
    waiting = pl.select(pl.when(pl.Series(left)).then(text)).to_series()
    read = [one for form in (*formats, *COMMON) if "z" not in form.lower() and (one := _parse(waiting, form, "UTC")) is not None]
    if not read:
        return {}, left
    local = pl.select(pl.coalesce(*read)).to_series()
    sane = local.dt.year().is_between(_EARLIEST, _LATEST).fill_null(False)
    local = pl.select(pl.when(sane).then(local)).to_series()
    bounds = {"earliest": local.dt.offset_by("-14h"), "latest": local.dt.offset_by("12h")}
    return bounds, left & local.is_null().to_numpy()  # type: ignore[return-value]


def _either(one: pl.Series | None, other: pl.Series | None) -> pl.Series | None:
    if one is None or other is None:
        return one if other is None else other
    return pl.select(pl.coalesce(one, other)).to_series()


def _one_by_one(
    text: pl.Series, moments: pl.Series, left: np.ndarray, zone: str | None
) -> tuple[pl.Series, dict[str, pl.Series | None]]:
    distinct = text.filter(pl.Series(left)).unique().head(MOST_STRANGE).to_list()
    known = zone if zone and not _OFFSET.match(zone) else None
    suffix = f" {zone}" if zone and not known else ""
    read = [read_time(value, zone=known) for value in distinct]
    if suffix:  # a fixed offset holds for what states none
        read = [
            one if one is None or one.at else read_time(value + suffix) or one for one, value in zip(read, distinct, strict=True)
        ]
    frame = pl.DataFrame(
        {
            "text": pl.Series(distinct, dtype=pl.String),
            "at": pl.Series([one.at if one else None for one in read], dtype=_UTC),
            "earliest": pl.Series([one.earliest if one and not one.at else None for one in read], dtype=_UTC),
            "latest": pl.Series([one.latest if one and not one.at else None for one in read], dtype=_UTC),
        }
    )
    joined = text.to_frame("text").join(frame, on="text", how="left", maintain_order="left")
    at = pl.select(pl.coalesce(moments, joined["at"])).to_series()
    if joined["earliest"].null_count() == len(joined):
        return at, {}
    return at, {name: pl.select(pl.when(at.is_null()).then(joined[name])).to_series() for name in ("earliest", "latest")}
