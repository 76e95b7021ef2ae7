"""Drafts into columns: one table of events for a whole batch of reports, whatever they came as. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import polars as pl

from tipstaff.intake.drafts import EventDraft, ReportDraft
from tipstaff.kernel import addresses

#: The columns of a batch. Times are microseconds since 1970 UTC; ``report`` is the report's place in the batch.
SCHEMA: dict[str, Any] = {
    "report": pl.Int32,
    "row": pl.Int32,
    "ip": pl.String,
    "port": pl.Int32,
    "domain": pl.String,
    "url": pl.String,
    "mailbox": pl.String,
    "occurred_at": pl.Int64,
    "earliest": pl.Int64,
    "latest": pl.Int64,
    "time_as_written": pl.String,
    "count": pl.Int32,
    "category": pl.String,
    "report_type": pl.String,
    "identity": pl.String,
    "details": pl.String,
}
LONGEST_TEXT = 4000  # characters of a URL or other free column; the evidence has the whole


@dataclass(frozen=True, slots=True)
class Parsed:
    """A submission with what parsing made of it."""

    submission: UUID
    received_at: datetime
    source: str
    sha256: str
    drafts: Sequence[ReportDraft]
    kind: str = "files"  # kind of the source


@dataclass(frozen=True, slots=True)
class Item:
    """One report of a batch, with the submission it came in."""

    parsed: Parsed
    draft: ReportDraft
    ordinal: int


def items_of(batch: Sequence[Parsed]) -> list[Item]:
    return [Item(parsed, draft, number) for parsed in batch for number, draft in enumerate(parsed.drafts)]


def event_table(items: Sequence[Item]) -> pl.DataFrame:
    """All events of the batch with the columns of SCHEMA and ``stated_at``, address text in canonical form."""
    frames = [_from_objects(items)]
    frames += [_from_table(place, item.draft) for place, item in enumerate(items) if item.draft.table is not None]
    table = pl.concat(frames) if len(frames) > 1 else frames[0]
    stated = pl.Series("stated_at", [_stated_at(item) for item in items], dtype=pl.String)
    normal, _ = addresses.normalise(table["ip"])
    return table.with_columns(
        normal.alias("ip"),
        stated.gather(table["report"]) if len(table) else pl.lit(None, pl.String).alias("stated_at"),
        pl.col("url").str.slice(0, LONGEST_TEXT),
        pl.col("domain").str.slice(0, 255),
        pl.when(pl.col("port").is_between(0, 65535)).then(pl.col("port")).alias("port"),
    )


def _stated_at(item: Item) -> str:
    """What stands for the time of an event that has none: when its report was written and numbered, else the bytes."""
    draft = item.draft
    if draft.reported_at is not None or draft.external_id:
        return f"{draft.reported_at.isoformat() if draft.reported_at else ''}/{draft.external_id or ''}"
    return item.parsed.sha256


def _from_objects(items: Sequence[Item]) -> pl.DataFrame:
    rows = [_row(place, item.draft, event) for place, item in enumerate(items) for event in item.draft.events]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _row(place: int, draft: ReportDraft, event: EventDraft) -> tuple[Any, ...]:
    details = dict(event.details)
    if event.found_in:
        details["found_in"] = event.found_in
    if event.protocol:
        details.setdefault("protocol", event.protocol)
    return (
        place,
        event.row,
        event.ip,
        event.port,
        event.domain,
        event.url,
        event.mailbox,
        _microseconds(event.occurred_at),
        _microseconds(event.earliest),
        _microseconds(event.latest),
        event.time_as_written,
        max(1, event.count),
        event.category or draft.category,
        event.report_type or draft.report_type or draft.format,
        "\x1f".join(event.identity) or None,
        orjson.dumps(details, default=str, option=orjson.OPT_NON_STR_KEYS).decode() if details else None,
    )


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1_000_000)


def _from_table(place: int, draft: ReportDraft) -> pl.DataFrame:
    table = draft.table
    assert table is not None
    have = set(table.columns)
    columns = []
    for name, dtype in SCHEMA.items():
        if name == "report":
            columns.append(pl.lit(place, pl.Int32).alias(name))
        elif name == "occurred_at" and name in have:
            columns.append(pl.col(name).dt.epoch("us").cast(pl.Int64))
        elif name in have:
            columns.append(pl.col(name).cast(dtype))
        else:
            columns.append(pl.lit(None, dtype).alias(name))
    return table.select(columns).with_columns(
        pl.col("category").fill_null(pl.lit(draft.category, pl.String)),
        pl.col("report_type").fill_null(draft.report_type or draft.format),
        pl.col("count").fill_null(1),
        # The raw row is in the evidence; the time as written is kept only where it could not be read.
        pl.when(pl.col("occurred_at").is_null()).then(pl.col("time_as_written")).alias("time_as_written"),
    )


def bounds(table: pl.DataFrame, received: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The widest interval in which each event happened, in microseconds: its time, what the report bounds, else from 1970 to
    the moment it was received."""
    exact = table["occurred_at"]
    earliest = pl.select(pl.coalesce(exact, table["earliest"], pl.lit(0))).to_series().to_numpy()
    latest = pl.select(pl.coalesce(exact, table["latest"])).to_series()
    return earliest, np.where(latest.is_null().to_numpy(), received, latest.fill_null(0).to_numpy())
