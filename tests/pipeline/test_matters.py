"""Groups of a feed say the same whether they are asked one by one or all at once."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from tipstaff.pipeline import matters

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
NOBODYS = SimpleNamespace(editions=SimpleNamespace(at=lambda brand, at: None), parents={3: 2})


def events(reports: int, rows: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    places = pl.Series("report", rng.integers(0, reports, rows), dtype=pl.Int32)
    found = pl.DataFrame(
        {
            "customer": rng.integers(1, 9, rows), "service": pl.Series([None, 4] * (rows // 2), dtype=pl.Int64),
            "category": rng.choice(["scan", "open"], rows), "brand": pl.Series([None] * rows, dtype=pl.String),
            "occurred_at": rng.integers(1, 10**15, rows), "ip": [None, "192.0.2.7"] * (rows // 2), "domain": ["example.org"] * rows,
            "url": pl.Series([None] * rows, dtype=pl.String), "provisional": rng.random(rows) < 0.1,
            "protected_class": pl.Series([None] * rows, dtype=pl.String), "report": places, "trust": places * 2 - 1,
        }
    )  # fmt: skip
    number = pl.int_range(reports, dtype=pl.Int32, eager=True)
    facts = {
        "report": number, "structured": number % 2 == 0, "experimental": number % 3 == 1, "verified": number % 5 < 3,
        "kind": "kind " + number.cast(pl.String), "feed": ["feed"] * reports, "report_id": number.cast(pl.Int64) + 70,
        "reporter_id": number.cast(pl.Int64) // 2 + 5,
    }  # fmt: skip
    return found.join(pl.DataFrame(facts), on="report", how="left", maintain_order="left")


@pytest.mark.parametrize("reports", [1, 5])
def test_a_feed_and_many_reports_are_grouped_alike(reports, monkeypatch):
    wanted = events(reports)
    groups = matters._groups(wanted, NOBODYS, NOW)
    shares = matters._shares(wanted, groups)
    monkeypatch.setattr(matters, "FEW", len(wanted))
    assert groups.equals(matters._groups(wanted, NOBODYS, NOW))
    assert groups["reports"].max() == reports
    assert groups["child"].sum() == groups.filter(pl.col("customer") == 3).height > 0
    counted = wanted.group_by(*matters.KEYS, "report_id", "reporter_id").len("events")
    numbered = groups.select("group", *matters.KEYS).join(counted, on=list(matters.KEYS), nulls_equal=True).drop(matters.KEYS)
    assert shares.sort(pl.all()).equals(numbered.select(shares.columns).cast(shares.schema).sort(pl.all()))
