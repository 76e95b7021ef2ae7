"""What a rule would have done: replay it on past events, with and without it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.db import connection

from tipstaff.pipeline import context
from tipstaff.reports import rules
from tipstaff.reports.models import Rule
from tipstaff.reports.rules import Action, RuleSpec, parse_rule

PERIOD = timedelta(days=30)
MOST = 500_000  # events that are replayed, the newest first

_PAST = """
SELECT e.received_at::date AS day, host(e.ip) AS ip, e.port, e.category, e.report_type, e.customer_id AS customer,
       e.service_id AS service, s.name AS source, r.format, r.trust, coalesce(c.customer_class, '') AS customer_class,
       coalesce(nullif(v.protected_class, ''), c.protected_class, '') AS protected_class
FROM (SELECT * FROM reports_event WHERE received_at >= %s AND received_at <= %s ORDER BY received_at DESC LIMIT %s) e
JOIN reports_report r ON r.id = e.report_id
JOIN intake_submission m ON m.id = r.submission_id JOIN intake_source s ON s.id = m.source_id
LEFT JOIN accounts_customer c ON c.id = e.customer_id LEFT JOIN accounts_service v ON v.id = e.service_id
WHERE m.state <> 'sealed'
"""
_SCHEMA = {
    "day": pl.Date, "ip": pl.String, "port": pl.Int32, "category": pl.String, "report_type": pl.String, "customer": pl.Int64,
    "service": pl.Int64, "source": pl.String, "format": pl.String, "trust": pl.Int16, "customer_class": pl.String,
    "protected_class": pl.String,
}  # fmt: skip


def replay(*, rule: Rule, now: datetime) -> dict[str, Any]:
    """Cases that the last 30 days would have opened with this rule in its place, and without it; kept on the rule.

    Returns ``{'opened', 'instead_of', 'events', 'decided', 'actions', 'days'}``: cases with and without, events looked at,
    events that this rule decided, events by action.
    """
    spec = parse_rule(rule.name, rule.action, rule.conditions)
    others = list(Rule.objects.filter(enabled=True).exclude(pk=rule.pk).order_by("position", "id"))
    before = [_spec(row) for row in others if (row.position, row.pk) < (rule.position, rule.pk)]
    after = [_spec(row) for row in others if (row.position, row.pk) >= (rule.position, rule.pk)]
    events = past(now)
    known = context.load(now).defaults
    with_it, decided = rules.apply([*before, spec, *after], counted(events, [*before, spec, *after]), known)
    without, _ = rules.apply([*before, *after], counted(events, [*before, *after]), known)
    result = {
        "opened": _cases(events, with_it), "instead_of": _cases(events, without), "events": len(events),
        "decided": int((decided == len(before)).sum()), "days": PERIOD.days,
        "actions": {action.name.lower(): int((with_it == action).sum()) for action in Action},
    }  # fmt: skip
    Rule.objects.filter(pk=rule.pk).update(replay=result, replayed_at=now)
    return result


def _spec(row: Rule) -> RuleSpec:
    return parse_rule(row.name, row.action, row.conditions)


def past(now: datetime) -> pl.DataFrame:
    """The events of the last 30 days as columns, the newest MOST of them."""
    with connection.cursor() as cursor:
        cursor.execute(_PAST, [now - PERIOD, now, MOST])
        return pl.DataFrame(cursor.fetchall(), schema=_SCHEMA, orient="row")


def counted(events: pl.DataFrame, specs: Sequence[RuleSpec]) -> pl.DataFrame:
    """The events with ``recent``: how many of the same customer and category came in the counted days up to that day."""
    days = rules.counted_days(specs)
    if not days or not len(events):
        return events.with_columns(pl.lit(0, pl.Int64).alias("recent"))
    daily = events.group_by("customer", "category", "day").agg(pl.len().cast(pl.Int64).alias("number")).sort("day")
    rolled = daily.rolling("day", period=f"{days}d", group_by=["customer", "category"]).agg(pl.col("number").sum().alias("recent"))
    return events.join(rolled, on=["customer", "category", "day"], how="left", maintain_order="left", nulls_equal=True)


def _cases(events: pl.DataFrame, action: Any) -> int:
    opened = events.filter(pl.Series(action == Action.OPEN_CASE) & pl.col("customer").is_not_null())
    return opened.select(pl.struct("customer", "service", "category").n_unique()).item() if len(opened) else 0
