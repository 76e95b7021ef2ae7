"""The life of a batch, read from top to bottom: parsed reports in, events and cases committed, in one transaction.

drafts → columns → attributed → identified → (lock) known ones dropped → ruled → grouped → cases → stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from django.db import transaction

from tipstaff.cases import bulk as cases
from tipstaff.cases.refreshing import Overtaken
from tipstaff.intake.drafts import Disposition
from tipstaff.pipeline import again, answers, blocked, filing, matters, permits, replies, sealed, tallies, victims
from tipstaff.pipeline.attributing import attribute, stated
from tipstaff.pipeline.columns import NUMBERS, Item, Parsed, event_table, items_of, microseconds
from tipstaff.pipeline.context import Context
from tipstaff.reports import bulk as reports
from tipstaff.reports import rules
from tipstaff.reports.bulk import KnownReporter
from tipstaff.reports.identity import event_keys
from tipstaff.reports.rules import Action

HELD, NOT_ASSIGNED, AMBIGUOUS = 1, 2, 4
LOOKS = 5  # times that a batch looks again when a person closes a case in the same moment


@dataclass
class Outcome:
    """What a batch did, in counts, and what became of each case it touched."""

    events: int = 0
    duplicates: int = 0
    cases_opened: int = 0
    cases_joined: int = 0
    unmatched: int = 0
    settled: list[cases.Settled] = field(default_factory=list)


def commit(batch: Sequence[Parsed], context: Context, now: datetime) -> Outcome:
    """Write everything that the batch means, or nothing of it."""
    items = items_of(batch)
    table = prepare(items, context)
    for _ in range(LOOKS):
        try:
            return _commit(batch, items, table, context, now)
        except Overtaken as error:  # a person was quicker
            overtaken = error
    raise overtaken


def _commit(batch: Sequence[Parsed], items: Sequence[Item], table: pl.DataFrame, context: Context, now: datetime) -> Outcome:
    with transaction.atomic():
        reports.lock_writer()
        known_reporters = reports.reporters(rows=filing.reporter_rows(items), now=now)
        fresh, duplicates = _drop_known(table)
        annotated = permits.annotate(_ruled(fresh, items, known_reporters, context, now), context, now)
        fresh = annotated.events
        numbers = filing.number_reports(batch, items)
        again.withdraw(numbers, table, now)
        found = matters.gather(fresh, matters.item_facts(items, numbers.ids, known_reporters), context, now)
        settled = found.settle(context, now)
        placed = found.place(fresh, settled)
        # Partitions are by the time the database took the row, so that one batch fills one partition.
        reports.store_events(_storable(placed, numbers.ids, now), now)
        standing = filing.standing(numbers, placed, found.reasons)
        people = [answers.may_be_written_to(item, context.own_addresses) for item in items]
        filing.file_reports(items, numbers, known_reporters, placed, duplicates, standing.answers, people, now)
        filing.settle_submissions(batch, items, standing, now)
        sealed.seal(batch, context, now)
        permits.keep_uses(annotated.uses, numbers.ids, now)
        victims.note(items, placed, numbers.ids, now)
        blocked.note(items, placed, numbers.ids, now)
        replies.file_replies(items, now)
        answers.write_back(items, known_reporters, context.own_addresses, now)
        tallies.add(placed, now)
    opened = sum(s.fate in {"new", "continue"} for s in settled)
    unmatched = int((placed["attribution"].is_in([NOT_ASSIGNED, AMBIGUOUS])).sum())
    joined = len(settled) - opened + len(found.joins)
    return Outcome(len(placed), int(sum(duplicates.values())), opened, joined, unmatched, settled)


def prepare(items: Sequence[Item], context: Context) -> pl.DataFrame:
    """Everything that needs no lock: columns, attribution, identity; sorted by key."""
    table = event_table([item if _counts(item) else _without_events(item) for item in items])
    moments = np.array([microseconds(item.parsed.received_at) for item in items], np.int64)
    received = moments[table["report"].to_numpy()] if len(table) else np.empty(0, np.int64)
    table = attribute(table, received, context)
    table = stated(table, [item.parsed.kind == "sensor" for item in items], context.customers["customer"])
    reporters = pl.Series("reporter", [filing.reporter_key(item) for item in items], dtype=pl.String)
    of_event = reporters.gather(table["report"]) if len(table) else reporters.clear()
    return table.with_columns(event_keys(table, of_event).alias("key")).sort("key", maintain_order=True)


def _counts(item: Item) -> bool:
    """Whether the draft's events are facts: a report, not sealed. What a person must decide makes no event yet."""
    return item.draft.disposition is Disposition.REPORT and not item.draft.sealed


def _without_events(item: Item) -> Item:
    return replace(item, draft=replace(item.draft, events=[], table=None))


def _drop_known(table: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, int]]:
    """The events that are not stored yet, once each, and how many of each report were there already."""
    first = table.filter(table["key"].ne_missing(table["key"].shift()))  # the table is sorted by key
    fresh = first.filter(~pl.Series(reports.known_keys(first["key"])))
    have = dict(table.group_by("report").len().iter_rows())
    kept = dict(fresh.group_by("report").len().iter_rows())
    return fresh, {place: count - kept.get(place, 0) for place, count in have.items()}


def _ruled(
    events: pl.DataFrame, items: Sequence[Item], known: dict[str, KnownReporter], context: Context, now: datetime
) -> pl.DataFrame:
    """The events with brand, protection, trust, and the action that the operator's rules give them."""
    facts = pl.DataFrame(
        {
            "report": pl.Series(range(len(items)), dtype=pl.Int32),
            "source": [item.parsed.source for item in items],
            "format": [item.draft.format for item in items],
            "trust": pl.Series([filing.trust_of(item, known[filing.reporter_key(item)].trust) for item in items], dtype=pl.Int32),
        }
    )
    events = events.join(facts, on="report", how="left", maintain_order="left")
    events = context.with_holders(events)
    days = rules.counted_days(context.rules)
    events = events.with_columns(
        tallies.recent(events, now - timedelta(days=days)) if days else pl.lit(0, pl.Int64).alias("recent")
    )
    action, decided = rules.apply(context.rules, events, context.defaults)
    action = np.where(matters.accepted_risk(events, context.risks), np.int8(Action.RECORD_ONLY), action)
    victims = {place for place, item in enumerate(items) if item.draft.victim}
    if victims:  # whatever a rule says: who was attacked is accused of nothing
        action = np.where(events["report"].is_in(list(victims)).to_numpy(), np.int8(Action.RECORD_ONLY), action)
    return events.with_columns(pl.Series("action", action.astype(np.int16)), pl.Series("rule", decided))


def _storable(events: pl.DataFrame, report_ids: Sequence[int], now: datetime) -> pl.DataFrame:
    """The events (sorted by key) as the table wants them, in the order of their cases: heap and case index stay clustered."""
    ids = pl.Series("ids", report_ids, dtype=pl.Int64)
    moment = pl.Datetime("us", "UTC")
    return events.with_columns(
        (ids.gather(events["report"]) if len(events) else ids.clear()).alias("report_id"),
        pl.lit(now.astimezone(UTC)).cast(moment).alias("received_at"),
        *[pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for name in ("occurred_at", "earliest", "latest")],
        pl.col("customer").alias("customer_id"),
        pl.col("service").alias("service_id"),
        pl.col("assignment").alias("assignment_id"),
        pl.col("category").fill_null(""),
        pl.struct(NUMBERS).alias("ip"),
    ).sort("case_id", nulls_last=True, maintain_order=True)
