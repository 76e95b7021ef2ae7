"""Findings about what is blocked belong to the orders that block it, and open no case of their own."""

from collections.abc import Sequence
from datetime import datetime

import orjson
import polars as pl

from tipstaff.enforcement import leaks
from tipstaff.pipeline.columns import Item

KINDS = ("blocked_traffic", "blocked_traffic_victim")


def note(items: Sequence[Item], events: pl.DataFrame, report_ids: Sequence[int], now: datetime) -> int:
    """Tell the orders concerned; how many entries were made. Only our own sensors are asked."""
    places = [place for place, item in enumerate(items) if item.parsed.kind == "sensor" and (item.draft.report_type or "") in KINDS]
    if not places:
        return 0
    rows = events.filter(pl.col("report").is_in(places) & pl.col("ip").is_not_null())
    done = 0
    for row in rows.iter_rows(named=True):
        draft, finding = items[row["report"]].draft, orjson.loads(row["details"] or b"{}").get("finding") or {}
        done += leaks.seen(
            address=row["ip"], outgoing=draft.report_type == KINDS[0], finding=draft.external_id or "",
            words=str(finding.get("words") or ""), report=report_ids[row["report"]], now=now,
        )  # fmt: skip
    return done
