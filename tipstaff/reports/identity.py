"""The identity of an event: what makes a redelivered one the same.

blake2b over reporter, report type, normalised address (or domain), port, time and the keys that the parser lists for its
type, led by the hour of the event: keys of one day lie together, so that deduplication stays in a few index pages
(measured: docs/decisions/0030-events-and-identity.md).
"""

from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

HOUR = 3_600_000_000  # microseconds
DIGEST = 12  # bytes; with the hour 16, a uuid


def event_keys(columns: pl.DataFrame, reporter: pl.Series) -> pl.Series:
    """The key of each event as 32 hexadecimal digits.

    ``columns`` has report_type, ip, domain, url, port, occurred_at (microseconds since 1970 UTC or null), time_as_written,
    stated_at (what stands for the time of an event without one: when its report was written, else the report's own hash)
    and identity. Columns that the sender adds, renames or reorders do not count.
    """
    timed = columns["occurred_at"]
    moment = pl.coalesce(pl.col("occurred_at").cast(pl.String), pl.col("time_as_written"), pl.col("stated_at"))
    where = pl.coalesce(pl.col("ip"), pl.col("domain"), pl.lit(""))
    text = columns.with_columns(reporter.alias("reporter")).select(
        pl.concat_str(
            [
                pl.col("reporter"),
                pl.col("report_type"),
                where,
                pl.col("port").cast(pl.String).fill_null(""),
                moment.fill_null(""),
                pl.col("url").fill_null(""),
                pl.col("identity").fill_null(""),
            ],
            separator="\x1e",
        )
    )
    return hexadecimal(_hours(timed), _digests(text.to_series()))


def _digests(texts: pl.Series) -> NDArray[np.uint8]:
    """The digest of each text. A fresh hash is copied: making one with its parameters costs half as much again."""
    begin, found = blake2b(digest_size=DIGEST).copy, []
    for text in texts.cast(pl.Binary).to_list():
        one = begin()
        one.update(text)
        found.append(one.digest())
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, DIGEST)


def _hours(occurred_at: pl.Series) -> NDArray[np.uint32]:
    hours = (occurred_at.fill_null(0) // HOUR).to_numpy().astype(np.int64)
    return np.clip(hours, 0, 0xFFFFFFFF).astype(np.uint32)


def hexadecimal(hours: NDArray[np.uint32], digests: NDArray[np.uint8]) -> pl.Series:
    whole = np.concatenate([hours.astype(">u4").view(np.uint8).reshape(-1, 4), digests], axis=1)
    text = whole.tobytes().hex()
    return pl.Series([text[at : at + 32] for at in range(0, len(text), 32)], dtype=pl.String)
