"""When the inventory learns something about the past: affected events go to whoever held the address, and every touched
case says so. What was said first is kept (``reports.Attributed``).

Found from the rows themselves: assignments recorded or superseded since the last look, and provisional events whose
source has spoken since. Doing it twice changes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
import polars as pl
from django.db import connection, transaction

from tipstaff.audit.services import record
from tipstaff.cases import wrong
from tipstaff.cases.rearranging import recount
from tipstaff.cases.refreshing import Overtaken
from tipstaff.kernel import bulk
from tipstaff.pipeline import matters, tallies
from tipstaff.pipeline.attributing import attribute
from tipstaff.pipeline.columns import SCHEMA
from tipstaff.pipeline.context import Context
from tipstaff.pipeline.models import Mark
from tipstaff.reports.bulk import lock_writer
from tipstaff.reports.models import Report

MARK = "reattribution"
OVERLAP = timedelta(minutes=10)  # events committed with the table of a moment ago are looked at once more
MOST = 20_000
LOOKS = 5
ACTOR = "system:reattribution"
EVENT = """e.key::text, e.received_at, e.case_id, e.report_id, e.occurred_at, e.earliest, e.latest, host(e.ip), e.port, e.domain,
    e.url, e.category, e.report_type, e.customer_id, e.service_id, e.assignment_id, e.attribution, e.provisional, e.action,
    e.details->>'mailbox'"""
_NAMES = (
    "key",
    "received",
    "case_id",
    "report_id",
    "occurred_at",
    "earliest",
    "latest",
    "ip",
    "port",
    "domain",
    "url",
    "category",
    "report_type",
    "customer_before",
    "service_before",
    "assignment_before",
    "attribution_before",
    "provisional_before",
    "action",
    "mailbox",
)


@dataclass
class Corrected:
    """What a pass changed: events, and the cases they left and joined."""

    events: int = 0
    left: set[int] = field(default_factory=set)
    joined: set[int] = field(default_factory=set)


def begin(now: datetime) -> bool:
    """Remember the first moment at which anything was attributed; whether it is now."""
    return Mark.objects.get_or_create(name=MARK, defaults={"at": now})[1]


def catch_up(context: Context, now: datetime) -> Corrected:
    """Bring stored events in line with what is known now. The first call only remembers the moment (``begin``)."""
    mark, is_first = Mark.objects.get_or_create(name=MARK, defaults={"at": now})
    total = Corrected()
    if is_first:
        return total
    for pages in (_pages(_IN_CHANGED_SPANS, mark.at - OVERLAP), _pages(_PROVISIONAL, mark.at)):
        for rows in pages:
            done = _correct(rows, context, now)
            total.events += done.events
            total.left |= done.left
            total.joined |= done.joined
    Mark.objects.filter(name=MARK).update(at=now)
    return total


def _pages(query: str, since: datetime) -> Iterator[pl.DataFrame]:
    """The events of a query in the order of their keys, at most MOST at a time: memory stays bounded at any size."""
    last = "00000000-0000-0000-0000-000000000000"
    while True:
        with connection.cursor() as cursor:
            cursor.execute(query, {"since": since, "last": last, "most": MOST})
            rows = cursor.fetchall()
        if rows:
            yield frame(rows)
        if len(rows) < MOST:
            return
        last = rows[-1][0]


def frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    moment = pl.Datetime("us", "UTC")
    types: dict[str, Any] = dict.fromkeys(_NAMES, pl.String)
    types |= dict.fromkeys(("received", "occurred_at", "earliest", "latest"), moment)
    types |= dict.fromkeys(("case_id", "report_id", "port", "customer_before", "service_before", "assignment_before"), pl.Int64)
    types |= {"attribution_before": pl.Int16, "action": pl.Int16, "provisional_before": pl.Boolean}
    return pl.DataFrame(rows, schema=types, orient="row")


# Events inside a prefix and period that an assignment recorded or superseded since then speaks of, or whose holder's names
# changed: on a shared address they decide.
_IN_CHANGED_SPANS = f"""
    WITH spans AS MATERIALIZED (
        SELECT DISTINCT set_masklen(network(prefix)::inet, CASE family(prefix) WHEN 4 THEN 32 ELSE 128 END) AS first,
            set_masklen(broadcast(prefix), CASE family(prefix) WHEN 4 THEN 32 ELSE 128 END) AS last,
            lower(period) AS start, upper(period) AS finish
        FROM accounts_assignment WHERE recorded_at > %(since)s OR superseded_at > %(since)s OR service_id IN (
            SELECT service_id FROM accounts_servicename WHERE recorded_at > %(since)s OR superseded_at > %(since)s))
    SELECT DISTINCT ON (e.key) {EVENT} FROM spans s JOIN reports_event e ON e.ip >= s.first AND e.ip <= s.last
    WHERE (s.finish IS NULL OR coalesce(e.occurred_at, e.earliest, '-infinity') < s.finish)
      AND (s.start IS NULL OR coalesce(e.occurred_at, e.latest, e.received_at) >= s.start) AND e.key > %(last)s::uuid
    ORDER BY e.key LIMIT %(most)s
"""  # noqa: S608 - a fixed column list
_PROVISIONAL = f"""
    SELECT {EVENT} FROM reports_event e WHERE e.provisional AND e.key > %(last)s::uuid ORDER BY e.key LIMIT %(most)s
"""  # noqa: S608


def _correct(rows: pl.DataFrame, context: Context, now: datetime) -> Corrected:
    """Ask again for these events; write what differs, in one transaction."""
    answers = attribute(_questions(rows), rows["received"].dt.epoch("us").to_numpy(), context)
    known = rows.with_columns(answers.select("customer", "service", "assignment", "attribution", "provisional"))
    differs = known.filter(
        pl.col("customer").ne_missing(pl.col("customer_before"))
        | pl.col("service").ne_missing(pl.col("service_before"))
        | pl.col("assignment").ne_missing(pl.col("assignment_before"))
        | (pl.col("attribution") != pl.col("attribution_before"))
    )
    settled = known.filter(pl.col("provisional_before") & ~pl.col("provisional"))
    if not len(differs) and not len(settled):
        return Corrected()
    for _ in range(LOOKS):
        try:
            with transaction.atomic():
                lock_writer()
                unchanged = _unchanged(differs)
                done = _move(unchanged, context, now) if len(unchanged) else Corrected()
                _settle_provisional(settled)
            return done
        except Overtaken as error:  # a person closed a case in the same moment
            overtaken = error
    raise overtaken


def _unchanged(rows: pl.DataFrame) -> pl.DataFrame:
    """Without the events that another worker or a person has dealt with since they were read; the next look finds the rest."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT key::text, case_id, customer_id, attribution FROM reports_event WHERE key = ANY(%s::uuid[]) FOR UPDATE""",
            [bulk.array_of(rows["key"])],
        )
        schema = {"key": pl.String, "case_id": pl.Int64, "customer_before": pl.Int64, "attribution_before": pl.Int16}
        there = pl.DataFrame(cursor.fetchall(), schema=schema, orient="row")
    return rows.join(there, on=list(schema), how="semi", nulls_equal=True, maintain_order="left")


def _placed_by_hand(keys: pl.Series) -> list[str]:
    """Which of these events a person put into their case: a machine does not overrule that."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT m.event_key::text FROM cases_movedevent m JOIN cases_casechange c ON c.id = m.change_id
               WHERE c.kind = 'move' AND c.undone_at IS NULL AND m.event_key = ANY(%s::uuid[])""",
            [bulk.array_of(keys)],
        )
        return [row[0] for row in cursor.fetchall()]


def _questions(rows: pl.DataFrame) -> pl.DataFrame:
    """Stored events as the columns that attribution asks with."""
    micros = [pl.col(name).dt.epoch("us").alias(name) for name in ("occurred_at", "earliest", "latest")]
    have = rows.with_columns(micros)
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in have.columns]
    return have.with_columns(missing).with_columns(pl.col("port").cast(pl.Int32))


def _move(differs: pl.DataFrame, context: Context, now: datetime) -> Corrected:
    """Keep what was said, store what is known, and put the events into the right customers' cases."""
    movers = differs.filter(
        pl.col("customer").ne_missing(pl.col("customer_before"))
        | pl.col("service").ne_missing(pl.col("service_before"))
        | (pl.col("attribution") != pl.col("attribution_before"))
    )
    movers = movers.filter(~pl.col("key").is_in(_placed_by_hand(movers["key"])))
    facts = report_facts(movers)
    events = movers.join(facts.select("report_id", "report", "trust"), on="report_id", how="left", maintain_order="left").drop(
        "case_id"
    )
    events = context.with_holders(events)
    events = events.with_columns(pl.col("occurred_at").dt.epoch("us"), pl.col("category").replace("", None))
    found = matters.gather(events, facts.drop("trust"), context, now) if len(events) else matters.Gathered()
    settled = found.settle(context, now)
    placed = found.place(events, settled).select("key", pl.col("case_id").alias("case_after")) if len(events) else None
    after = (
        differs.join(placed, on="key", how="left", maintain_order="left")
        if placed is not None
        else differs.with_columns(pl.lit(None, pl.Int64).alias("case_after"))
    )
    moved = set(movers["key"].to_list())
    after = after.with_columns(
        pl.when(pl.col("key").is_in(list(moved))).then("case_after").otherwise("case_id").alias("case_after")
    )
    _store(after, now)
    tallies.move(after)
    return _tell(after, now)


def report_facts(events: pl.DataFrame) -> pl.DataFrame:
    """What grouping wants to know of the reports of these events, from their rows."""
    ids = events["report_id"].unique().to_list()
    rows = list(
        Report.objects.filter(pk__in=ids).values_list(
            "id", "reporter_id", "category_from", "format", "report_type", "verification", "trust", "experimental"
        )
    )
    feeds: Mapping[int, str] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT report_id, feed FROM reports_feeddelivery WHERE report_id = ANY(%s)", [ids])
        feeds = dict(cursor.fetchall())
    return pl.DataFrame(
        [
            (
                place,
                pk,
                reporter,
                origin.startswith(("structure", "person")),
                experimental,
                all((met or {}).values()),
                f"{form} {kind}".strip(),
                feeds.get(pk),
                trust,
            )
            for place, (pk, reporter, origin, form, kind, met, trust, experimental) in enumerate(rows)
        ],
        schema={
            "report": pl.Int32,
            "report_id": pl.Int64,
            "reporter_id": pl.Int64,
            "structured": pl.Boolean,
            "experimental": pl.Boolean,
            "verified": pl.Boolean,
            "kind": pl.String,
            "feed": pl.String,
            "trust": pl.Int32,
        },
        orient="row",
    )


def _store(after: pl.DataFrame, now: datetime) -> None:
    before = [
        {
            "customer": row["customer_before"],
            "service": row["service_before"],
            "assignment": row["assignment_before"],
            "attribution": row["attribution_before"],
            "case": row["case_id"],
        }
        for row in after.iter_rows(named=True)
    ]
    then = [
        {
            "customer": row["customer"],
            "service": row["service"],
            "assignment": row["assignment"],
            "attribution": row["attribution"],
            "case": row["case_after"],
        }
        for row in after.iter_rows(named=True)
    ]
    bulk.copy_frame(
        "reports_attributed",
        pl.DataFrame(
            {
                "event_key": after["key"],
                "at": [now] * len(after),
                "by": [ACTOR] * len(after),
                "before": [orjson.dumps(row).decode() for row in before],
                "after": [orjson.dumps(row).decode() for row in then],
                "cause": ["the inventory was corrected"] * len(after),
            }
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE reports_event e SET customer_id = u.c, service_id = u.s, assignment_id = u.a, attribution = u.t,
                   provisional = u.p, case_id = u.case_id
               FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::bigint[], %s::smallint[], %s::boolean[], %s::bigint[])
                   AS u(key, c, s, a, t, p, case_id)
               WHERE e.key = u.key""",
            [
                bulk.array_of(after[name])
                for name in ("key", "customer", "service", "assignment", "attribution", "provisional", "case_after")
            ],
        )


def _tell(after: pl.DataFrame, now: datetime) -> Corrected:
    """Each case that lost or gained events says so in its journal; one that lost all waits for a person."""
    lost = after.filter(pl.col("case_id").is_not_null() & pl.col("case_id").ne_missing(pl.col("case_after")))
    counts = dict(lost.group_by("case_id").len().iter_rows())
    joined = set(after.filter(pl.col("case_after").is_not_null())["case_after"].to_list()) - set(counts)
    recount(sorted(counts))
    with connection.cursor() as cursor:
        for case, count in sorted(counts.items()):
            cursor.execute(
                """UPDATE cases_case SET needs_person = CASE WHEN closed_at IS NULL THEN %s ELSE needs_person END
                   WHERE id = %s RETURNING events""",
                [f"{count} of its events belong to another customer, as the inventory says since {now:%Y-%m-%d}", case],
            )
            left = cursor.fetchone()
            text = f"{count} events re-attributed to whoever held the address then" + (
                "; none is left" if left and left[0] == 0 else ""
            )
            cursor.execute(
                """INSERT INTO cases_journalentry (case_id, at, actor, kind, text, detail, internal)
                   VALUES (%s, %s, %s, 'attribution', %s, %s, true)""",
                [case, now, ACTOR, text, orjson.dumps({"events": count}).decode()],
            )
            if left and left[0] == 0:
                wrong.withdrawn(case=case, reason="none of its events was this customer's", by=ACTOR, now=now)
    record(
        by=ACTOR,
        action="reports.reattribute",
        subject=f"{len(after)} events",
        now=now,
        cases_left=sorted(counts),
        cases_joined=sorted(joined),
    )
    return Corrected(len(after), set(counts), joined)


def _settle_provisional(settled: pl.DataFrame) -> None:
    """The source has spoken: these answers stand, and so do the cases that waited for them."""
    if not len(settled):
        return
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reports_event SET provisional = false WHERE key = ANY(%s::uuid[])", [bulk.array_of(settled["key"])])
        numbers = settled["case_id"].drop_nulls().unique()
        cursor.execute(
            """UPDATE cases_case c SET provisional = false WHERE id = ANY(%s::bigint[]) AND provisional
               AND NOT EXISTS (SELECT FROM reports_event e WHERE e.case_id = c.id AND e.provisional)""",
            [bulk.array_of(numbers)],
        )
