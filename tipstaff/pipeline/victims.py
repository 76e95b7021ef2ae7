"""Who was attacked: noted once for each finding, brought up to date by its later documents, and never a case."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from tipstaff.attribution.matching import State
from tipstaff.attribution.queries import who
from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.pipeline.columns import Item
from tipstaff.pipeline.filing import CONFIGURED_SOURCES
from tipstaff.pipeline.models import VictimNotice
from tipstaff.pipeline.permits import stated_moment

HELD = 1
MOST_PEERS = 5
COUNTED = ("packets", "bytes", "flows")
HARMING = frozenset({"ddos_origin", "network_harm", "intrusion"})  # what is aimed at somebody in particular
SHOWN = ("figures", "limit", "top_peers", "top_ports", "series", "sampling_rate", "confidence", "confidence_why")


def note(items: Sequence[Item], events: pl.DataFrame, report_ids: Sequence[int], now: datetime) -> int:
    """Write down what these new events say of customers who were attacked; how many notices are new."""
    victims = [place for place, item in enumerate(items) if item.draft.victim and item.parsed.kind in CONFIGURED_SOURCES]
    fresh = _harmed(items, events, report_ids, now)
    if not victims:
        return fresh
    ours = events.filter(pl.col("report").is_in(victims) & (pl.col("attribution") == HELD)).sort("occurred_at")
    for row in ours.iter_rows(named=True):
        item, finding = items[row["report"]], orjson.loads(row["details"] or b"{}").get("finding") or {}
        if finding.get("direction") != "out":
            fresh += _note(item, finding, row, report_ids[row["report"]], now)
    return fresh


def _harmed(items: Sequence[Item], events: pl.DataFrame, report_ids: Sequence[int], now: datetime) -> int:
    """Other customers of ours whom an attack from inside was aimed at (B11, B12). Its words would name who attacks: left out."""
    outward = [
        place
        for place, item in enumerate(items)
        if not item.draft.victim and item.parsed.kind in CONFIGURED_SOURCES and item.draft.category in HARMING
    ]
    if not outward:
        return 0
    aimed = []
    told = pl.col("details").is_not_null()  # rows of a feed say nothing beside: a million of them never become objects
    for row in events.filter(pl.col("report").is_in(outward) & (pl.col("attribution") == HELD) & told).iter_rows(named=True):
        finding = orjson.loads(row["details"] or b"{}").get("finding") or {}
        if finding.get("direction") == "out":
            aimed += [(row, finding, address, seen) for address, seen in _peers(finding)]
    fresh = 0
    for row, finding, address, seen in aimed:
        customer = _holder(address, finding, now)
        if customer is not None and customer != row["customer"]:
            about = {name: finding[name] for name in ("opened_at", "last_at", "ended_at", "detector") if name in finding}
            about |= {"subject": {"kind": "address", "value": address}, "figures": seen}
            place = row["report"]
            fresh += _note(items[place], about, row | {"customer": customer}, report_ids[place], now, aside=address)
    return fresh


def _peers(finding: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Whom an attack was aimed at most, each with what was seen towards it."""
    told = [one for one in finding.get("top_peers") or () if isinstance(one, dict)][:MOST_PEERS]
    sums = [{name: one[name] for name in COUNTED if isinstance(one.get(name), int | float)} for one in told]
    texts = [normal_ip(str(one.get("address") or "")) for one in told]
    return [(text, seen) for text, seen in zip(texts, sums, strict=True) if text]


def _holder(address: str, finding: dict[str, Any], now: datetime) -> int | None:
    """The one customer who held this address all through the attack; None where it is not ours, shared, or in doubt."""
    first, last = (stated_moment(finding.get(name), now) for name in ("opened_at", "last_at"))
    answer = who(ip=address, at=min(first, last), until=last)
    return answer.service.customer_id if answer.state == State.HELD and answer.service is not None else None


def _note(item: Item, finding: dict[str, Any], row: dict[str, Any], report: int, now: datetime, aside: str = "") -> bool:
    draft = item.draft
    key = f"{item.parsed.source}/{draft.external_id or item.parsed.submission}" + (f"/{aside}" if aside else "")
    seen_at = draft.reported_at or item.parsed.received_at
    ended = finding.get("ended_at")
    known: dict[str, Any] = {
        "last_at": stated_moment(finding.get("last_at"), seen_at),
        "ended_at": stated_moment(ended, seen_at) if ended else None,
        "words": "" if aside else draft.description or draft.subject or "",
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
