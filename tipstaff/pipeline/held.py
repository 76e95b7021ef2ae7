"""Events that a rule holds: they wait, counted, until a person lets them become cases or sets them aside."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from django.db import connection, transaction

from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.kernel import bulk
from tipstaff.pipeline import matters, reattribution
from tipstaff.pipeline.context import Context
from tipstaff.policy.edition import Role
from tipstaff.reports.bulk import lock_writer
from tipstaff.reports.rules import Action

MOST = 20_000


@dataclass(frozen=True)
class Waiting:
    """What waits for one customer in one category."""

    customer: int
    category: str
    events: int
    since: datetime


def waiting() -> list[Waiting]:
    """Held events by customer and category, the longest waiting first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT customer_id, category, count(*), min(received_at) FROM reports_event
               WHERE action = 4 AND customer_id IS NOT NULL GROUP BY 1, 2 ORDER BY 4"""
        )
        return [Waiting(*row) for row in cursor.fetchall()]


@transaction.atomic
def release(*, customer: int, category: str, context: Context, by: str, now: datetime) -> int:
    """Let held events open or join cases as if no rule had held them. Returns how many; call again while there are more."""
    people.require(by, Role.ANALYST)
    lock_writer()
    rows = _held(customer, category)
    if not len(rows):
        return 0
    facts = reattribution.report_facts(rows)
    events = rows.join(facts.select("report_id", "report", "trust"), on="report_id", how="left", maintain_order="left")
    events = events.drop("case_id").with_columns(
        pl.col("customer_before").alias("customer"),
        pl.col("service_before").alias("service"),
        pl.col("attribution_before").alias("attribution"),
        pl.col("provisional_before").alias("provisional"),
        pl.col("occurred_at").dt.epoch("us"),
        pl.lit(int(Action.OPEN_CASE), pl.Int16).alias("action"),
    )
    events = context.with_holders(events)
    found = matters.gather(events, facts.drop("trust"), context, now)
    settled = found.settle(context, now)
    _store(found.place(events, settled))
    record(by=by, action="reports.release", subject=f"customer:{customer}", now=now, category=category, events=len(rows))
    return len(rows)


@transaction.atomic
def set_aside(*, customer: int, category: str, by: str, reason: str, now: datetime) -> int:
    """Keep held events as a record only, with the reason on the record."""
    people.require(by, Role.ANALYST)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reports_event SET action = 1 WHERE action = 4 AND customer_id = %s AND category = %s", [customer, category]
        )
        count = cursor.rowcount
    record(
        by=by, action="reports.set_aside", subject=f"customer:{customer}", reason=reason, now=now, category=category, events=count
    )
    return count


def _held(customer: int, category: str) -> pl.DataFrame:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {reattribution.EVENT} FROM reports_event e WHERE e.action = 4 AND e.customer_id = %s AND e.category = %s
                ORDER BY e.key LIMIT {MOST}""",  # noqa: S608 - a fixed column list
            [customer, category],
        )
        return reattribution.frame(cursor.fetchall())


def _store(placed: pl.DataFrame) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE reports_event e SET action = 0, case_id = u.case_id FROM unnest(%s::uuid[], %s::bigint[]) AS u(key, case_id)
               WHERE e.key = u.key""",
            [bulk.array_of(placed["key"]), bulk.array_of(placed["case_id"])],
        )
