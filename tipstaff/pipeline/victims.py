"""Who was attacked: noted once for each finding, brought up to date by its later documents, and never a case."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from tipstaff.pipeline.columns import Item
from tipstaff.pipeline.filing import CONFIGURED_SOURCES
from tipstaff.pipeline.models import VictimNotice
from tipstaff.pipeline.permits import stated_moment

HELD = 1
SHOWN = ("figures", "limit", "top_peers", "top_ports", "series", "sampling_rate", "confidence", "confidence_why")


def note(items: Sequence[Item], events: pl.DataFrame, report_ids: Sequence[int], now: datetime) -> int:
    """Write down what these new events say of customers who were attacked; how many notices are new."""
    victims = [place for place, item in enumerate(items) if item.draft.victim and item.parsed.kind in CONFIGURED_SOURCES]
    if not victims:
        return 0
    ours = events.filter(pl.col("report").is_in(victims) & (pl.col("attribution") == HELD)).sort("occurred_at")
    fresh = 0
    for row in ours.iter_rows(named=True):
        item, finding = items[row["report"]], orjson.loads(row["details"] or b"{}").get("finding") or {}
        if finding.get("direction") != "out":
            fresh += _note(item, finding, row, report_ids[row["report"]], now)
    return fresh


def _note(item: Item, finding: dict[str, Any], row: dict[str, Any], report: int, now: datetime) -> bool:
    draft = item.draft
    key = f"{item.parsed.source}/{draft.external_id or item.parsed.submission}"
    seen_at = draft.reported_at or item.parsed.received_at
    ended = finding.get("ended_at")
    known: dict[str, Any] = {
        "last_at": stated_moment(finding.get("last_at"), seen_at),
        "ended_at": stated_moment(ended, seen_at) if ended else None,
        "words": draft.description or draft.subject or "",
        "detail": {name: finding[name] for name in SHOWN if name in finding},
        "report_id": report,
    }
    notice, made = VictimNotice.objects.get_or_create(
        finding=key,
        defaults=known
        | {
            "customer_id": row["customer"],
            "subject": _subject(finding, row),
            "kind": draft.report_type or draft.format,
            "detector": str(finding.get("detector") or draft.format),
            "opened_at": stated_moment(finding.get("opened_at"), seen_at),
            "recorded_at": now,
        },
    )
    if not made and known["last_at"] >= notice.last_at:
        VictimNotice.objects.filter(pk=notice.pk).update(**known)
    return made


def _subject(finding: dict[str, Any], row: dict[str, Any]) -> str:
    subject = finding.get("subject") or {}
    if subject.get("kind") == "customer":
        return f"customer {subject.get('value')}"
    return str(subject.get("value") or row["ip"] or "")
