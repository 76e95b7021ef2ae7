"""Drafts into columns: one table of events for a whole batch of reports, whatever they came as. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import polars as pl

from tipstaff.intake.drafts import CONNECTED, EventDraft, ReportDraft
from tipstaff.kernel import addresses
from tipstaff.pipeline.cleaning import cleaned

#: The columns of a batch. Times are microseconds since 1970 UTC; ``report`` is the report's place in the batch.
SCHEMA: dict[str, Any] = {
    "report": pl.Int32,
    "row": pl.Int32,
    "ip": pl.String,
    "port": pl.Int32,
    "domain": pl.String,
    "url": pl.String,
    "mailbox": pl.String,
    "stated_customer": pl.Int32,
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
LONGEST_DETAILS = 65_536
#: Names of details that mean something to us: what a stranger's document calls so is kept as what it stated.
OURS = frozenset({"finding", "permits", "permit_note", "found_in", "mailbox", "left_out"})
DETECTORS = frozenset({"flow-finding", "fastnetmon", "alertmanager", "prometheus"})  # formats that tell of findings
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
#: What both Python and PostgreSQL can say: the years 1 to 9999.
FIRST_MOMENT = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
LAST_MOMENT = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
AHEAD = timedelta(minutes=90) // MICROSECOND  # that a clock, or summer time, may be wrong by
WIDEST_ZONE = timedelta(hours=14) // MICROSECOND  # east of Greenwich
OF_NUMBERS = {"family": pl.UInt8, "hi": pl.UInt64, "lo": pl.UInt64}
NUMBERS = tuple(OF_NUMBERS)  # of an address
MOMENTS = ("occurred_at", "earliest", "latest")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A submission with what parsing made of it."""

    submission: UUID
    received_at: datetime
    source: str
    sha256: str
    drafts: Sequence[ReportDraft]
    kind: str = "files"  # kind of the source
    message_id: str = ""  # of the mail that it came as


@dataclass(frozen=True, slots=True)
class Item:
    """One report of a batch, with the submission it came in."""

    parsed: Parsed
    draft: ReportDraft
    ordinal: int


def items_of(batch: Sequence[Parsed]) -> list[Item]:
    return [Item(parsed, cleaned(draft), number) for parsed in batch for number, draft in enumerate(parsed.drafts)]


def event_table(items: Sequence[Item]) -> pl.DataFrame:
    """All events of the batch with the columns of SCHEMA and ``stated_at``, address text in canonical form.

    ``family``, ``hi`` and ``lo`` are the same addresses as numbers, read once for all that comes.
    """
    frames = [_from_objects(items)]
    frames += [_from_table(place, item.draft) for place, item in enumerate(items) if item.draft.table is not None]
    table = pl.concat(frames) if len(frames) > 1 else frames[0]
    stated = pl.Series("stated_at", [_stated_at(item) for item in items], dtype=pl.String)
    if table["family"].null_count():  # not all of it comes with numbers
        normal, numbers = addresses.normalise(table["ip"])
        table = table.with_columns(
            normal.alias("ip"), pl.Series("family", numbers.family), pl.Series("hi", numbers.hi), pl.Series("lo", numbers.lo)
        )
    return table.with_columns(
        stated.gather(table["report"]) if len(table) else pl.lit(None, pl.String).alias("stated_at"),
        *[_storable_moment(name) for name in MOMENTS],
        pl.col("url").str.slice(0, LONGEST_TEXT),
        pl.col("domain").str.slice(0, 255),
        pl.when(pl.col("port").is_between(0, 65535)).then(pl.col("port")).alias("port"),
    )


def _storable_moment(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_between(FIRST_MOMENT, LAST_MOMENT)).then(pl.col(name)).alias(name)


def _stated_at(item: Item) -> str:
    """What stands for the time of an event that has none: when its report was written and numbered, else the bytes."""
    draft = item.draft
    if draft.reported_at is not None or draft.external_id:
        return f"{draft.reported_at.isoformat() if draft.reported_at else ''}/{draft.external_id or ''}"
    return item.parsed.sha256


def _from_objects(items: Sequence[Item]) -> pl.DataFrame:
    rows = [_row(place, item, event) for place, item in enumerate(items) for event in item.draft.events]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(
        [pl.lit(None, dtype).alias(name) for name, dtype in OF_NUMBERS.items()]
    )


def _row(place: int, item: Item, event: EventDraft) -> tuple[Any, ...]:
    draft, details = item.draft, _stated(item, event.details)
    if event.found_in:
        details["found_in"] = event.found_in
    if event.protocol:
        details.setdefault("protocol", event.protocol)
    if event.mailbox:
        details["mailbox"] = event.mailbox  # asked again when the inventory is corrected
    return (
        place,
        event.row,
        event.ip,
        event.port,
        event.domain,
        event.url,
        event.mailbox,
        event.customer,
        _microseconds(event.occurred_at),
        _microseconds(event.earliest),
        _microseconds(event.latest),
        event.time_as_written,
        event.count,
        event.category or draft.category,
        event.report_type or draft.report_type or draft.format,
        "\x1f".join(event.identity) or None,
        _details(details) if details else None,
    )


def _stated(item: Item, details: Mapping[str, Any]) -> dict[str, Any]:
    """What the parser kept beside. A finding counts as one only from a detector's format out of a connected source: else any
    document could show what our flows never saw."""
    detector = item.draft.format in DETECTORS and item.parsed.kind in CONNECTED
    kept = {"finding"} if detector else frozenset()
    return {f"stated_{name}" if name in OURS - kept else name: value for name, value in details.items()}


def _details(details: dict[str, Any]) -> str:
    text = orjson.dumps(details, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    if len(text) <= LONGEST_DETAILS:
        return text
    return orjson.dumps({"found_in": details.get("found_in"), "left_out": f"{len(text)} characters, see the evidence"}).decode()


def microseconds(at: datetime) -> int:
    """Since 1970, exactly: a float would lose one now and then, and with it the identity of the event."""
    return (at - EPOCH) // MICROSECOND


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _from_table(place: int, draft: ReportDraft) -> pl.DataFrame:
    table = draft.table
    assert table is not None
    have = set(table.columns)
    columns = []
    for name, dtype in (SCHEMA | OF_NUMBERS).items():
        if name == "report":
            columns.append(pl.lit(place, pl.Int32).alias(name))
        elif name in MOMENTS and name in have:
            columns.append(pl.col(name).cast(pl.Datetime("us", "UTC")).dt.epoch("us").cast(pl.Int64))
        elif name in have:
            columns.append(_storable_column(name, dtype))
        else:
            columns.append(pl.lit(None, dtype).alias(name))
    return table.select(columns).with_columns(
        pl.col("category").fill_null(pl.lit(draft.category, pl.String)),
        pl.col("report_type").fill_null(draft.report_type or draft.format),
        pl.col("count").fill_null(1),
        # The raw row is in the evidence; the time as written is kept only where it could not be read.
        pl.when(pl.col("occurred_at").is_null()).then(pl.col("time_as_written")).alias("time_as_written"),
    )


def _storable_column(name: str, dtype: Any) -> pl.Expr:
    """A column as its type; what does not fit (a count of many digits) is null rather than the end of the whole feed."""
    column = pl.col(name).cast(dtype, strict=False)
    if dtype == pl.String:
        return column.str.replace_all("\0", "", literal=True)  # PostgreSQL takes no NUL
    return column.clip(1) if name == "count" else column


def bounds(table: pl.DataFrame, received: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The widest interval in which each event happened, in microseconds: its time, what the report bounds, else from 1970 to
    the moment it was received.

    Nothing is reported before it happened. A time after that by more than a clock goes wrong is one of another zone, or of a clock
    that tells nothing: whoever holds the address then, or now, is not accused by it.
    """
    exact = table["occurred_at"]
    earliest = pl.select(pl.coalesce(exact, table["earliest"], pl.lit(0))).to_series().to_numpy()
    latest = pl.select(pl.coalesce(exact, table["latest"])).to_series()
    stated = np.where(latest.is_null().to_numpy(), received, latest.fill_null(0).to_numpy())
    early = exact.is_not_null().to_numpy() & (stated > received + AHEAD)
    if not early.any():
        return earliest, stated
    first = np.where(stated <= received + WIDEST_ZONE, stated - WIDEST_ZONE, 0)
    return np.where(early, first, earliest), np.where(early, received, stated)
