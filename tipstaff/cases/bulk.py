"""Groups of events into cases, many at a time: join, open, continue; journal and notices in the same transaction.

What merely refreshes an open case (nearly all of a daily feed) stays in columns; only what opens a case, or touches a
closed one, becomes objects.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import polars as pl
from django.db import connection

from tipstaff.cases import notices
from tipstaff.cases.grouping import Fate, Group, Known, Placement, place_all
from tipstaff.cases.opening import Beginning, Evidence, begin
from tipstaff.kernel import bulk
from tipstaff.kernel.errors import TipstaffError
from tipstaff.policy import deadlines
from tipstaff.policy.edition import Edition

MOMENT = pl.Datetime("us", "UTC")
KNOWN: dict[str, Any] = {
    "group_key": pl.String,
    "case_id": pl.Int64,
    "accepting": pl.Boolean,
    "closed_at": MOMENT,
    "window_until": MOMENT,
}
#: What refreshes a case: how many events, when, until when its window now runs, and the words for the journal.
REFRESH: dict[str, Any] = {
    "case_id": pl.Int64,
    "events": pl.Int64,
    "reports": pl.Int64,
    "first_at": MOMENT,
    "last_at": MOMENT,
    "until": MOMENT,
    "text": pl.String,
}
SHARES: dict[str, Any] = {"case_id": pl.Int64, "report_id": pl.Int64, "reporter_id": pl.Int64, "events": pl.Int64}
FEEDS: dict[str, Any] = {"case_id": pl.Int64, "feed": pl.String}
CASE: dict[str, Any] = {
    "id": pl.Int64,
    "customer_id": pl.Int64,
    "service_id": pl.Int64,
    "parent_id": pl.Int64,
    "category": pl.String,
    "clause": pl.String,
    "severity": pl.String,
    "edition_id": pl.Int64,
    "brand": pl.String,
    "state": pl.String,
    "group_key": pl.String,
    "headline": pl.String,
    "first_event_at": MOMENT,
    "last_event_at": MOMENT,
    "window_until": MOMENT,
    "provisional": pl.Boolean,
    "needs_person": pl.String,
    "waiting_on": pl.String,
    "desk_due_at": MOMENT,
    "ticketed_at": MOMENT,
    "ack_due_at": MOMENT,
    "resolve_due_at": MOMENT,
    "next_due_at": MOMENT,
    "noticed_at": MOMENT,
    "events": pl.Int64,
    "reports": pl.Int64,
    "reporters": pl.Int64,
}
EMPTY = (
    "outcome",
    "last_word_by",
    "harmed_party",
    "surface",
    "mode",
    "medium",
    "third_party_rule",
    "jurisdiction",
    "statute",
    "actor",
    "fault",
)

#: Acknowledge due, resolve due (a child's inside its parent's), and the beginning they come from.
Dues = tuple[datetime | None, datetime | None, Beginning]


class Overtaken(TipstaffError):
    """A person closed or merged a case between our look and our writing: look again."""


@dataclass(frozen=True, slots=True)
class Matter:
    """A group with what is needed to open a case for it."""

    group: Group
    edition_id: int
    edition: Edition
    at_event: Edition | None
    evidence: Evidence
    headline: str
    reports: tuple[tuple[int, int, int], ...]  # (report id, reporter id, events)
    feeds: tuple[str, ...]
    words: str  # '1 report (shadowserver scan_ntp)', for the journal
    parent: int | None = None  # place of the parent's matter in the sequence
    notice: "notices.Recipient | None" = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a matter."""

    case: int
    fate: Fate
    state: str


def known_cases(keys: Sequence[str]) -> pl.DataFrame:
    """Open and closed cases of these groups; a merged case answers with the one that it went into at last."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH RECURSIVE went AS (
                   SELECT group_key, id, merged_into_id FROM cases_case WHERE group_key = ANY(%s::uuid[])
                   UNION SELECT w.group_key, c.id, c.merged_into_id FROM went w JOIN cases_case c ON c.id = w.merged_into_id)
               SELECT w.group_key::text, c.id, c.accepting, c.closed_at, c.window_until
               FROM went w JOIN cases_case c ON c.id = w.id WHERE w.merged_into_id IS NULL""",
            [bulk.array_literal(keys)],
        )
        return pl.DataFrame(cursor.fetchall(), schema=KNOWN, orient="row")


def settle(matters: Sequence[Matter], known: pl.DataFrame, now: datetime) -> list[Settled]:
    """Place every matter; open, join or continue cases. Parents come before their children in ``matters``."""
    if not matters:
        return []
    by_key: dict[UUID, list[Known]] = {}
    for key, number, accepting, closed_at, window_until in known.iter_rows():
        by_key.setdefault(UUID(key), []).append(Known(number, UUID(key), accepting, closed_at, window_until))
    placements = place_all([matter.group for matter in matters], by_key)
    settled = _open(matters, placements, now)
    pairs = list(zip(settled, matters, strict=True))
    shares = pl.DataFrame([(s.case, *share) for s, m in pairs for share in m.reports], schema=SHARES, orient="row")
    feeds = pl.DataFrame([(s.case, feed) for s, m in pairs for feed in m.feeds], schema=FEEDS, orient="row")
    joined = [(s.case, m) for s, m in pairs if s.fate in {Fate.JOIN, Fate.LATE}]
    rows = pl.DataFrame([_refresh_row(case, matter, now) for case, matter in joined], schema=REFRESH, orient="row")
    refresh(rows, shares, feeds, now, late={s.case for s in settled if s.fate is Fate.LATE})
    return settled


def _refresh_row(case: int, matter: Matter, now: datetime) -> tuple:
    group = matter.group
    until = now + matter.edition.categories[group.category].grouping_window
    return (
        case,
        group.events,
        len(matter.reports),
        group.first_at,
        group.last_at,
        until,
        f"{group.events} more event{'s' if group.events != 1 else ''} from {matter.words}",
    )


def _open(matters: Sequence[Matter], placements: Sequence[Placement], now: datetime) -> list[Settled]:
    fresh = [number for number, placement in enumerate(placements) if placement.fate in {Fate.NEW, Fate.CONTINUE}]
    numbers = dict(zip(fresh, bulk.allocate("cases_case", len(fresh)), strict=True))
    # A case that no longer takes events makes room for its continuation under the unique index.
    stale = [str(matters[n].group.key) for n in fresh if placements[n].fate is Fate.CONTINUE]
    if stale:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE cases_case SET accepting = false WHERE group_key = ANY(%s::uuid[]) AND accepting", [stale])
    beginnings = {
        n: begin(matters[n].group.category, matters[n].edition, matters[n].at_event, matters[n].evidence, now) for n in fresh
    }
    above = {n: numbers.get(n) or placements[n].case for n in {matter.parent for matter in matters} if n is not None}
    clocks = _clocks(beginnings, above)
    dues = {n: _nested(beginnings[n], clocks.get(matters[n].parent), matters[n].edition, now) for n in fresh}
    rows = pl.DataFrame([_case_row(numbers[n], matters[n], dues[n], above) for n in fresh], schema=CASE, orient="row")
    bulk.copy_frame(
        "cases_case",
        rows.with_columns(
            pl.lit(now).cast(MOMENT).alias("opened_at"),
            pl.lit(now).cast(MOMENT).alias("refreshed_at"),
            pl.lit("system").alias("opened_by"),
            pl.lit(True).alias("accepting"),
            *[pl.lit("").alias(name) for name in EMPTY],
        ),
    )
    _journal_openings(matters, placements, numbers, dues, now)
    return [
        Settled(numbers[n], p.fate, beginnings[n].state) if n in numbers else Settled(p.case or 0, p.fate, "")
        for n, p in enumerate(placements)
    ]


def _clocks(beginnings: Mapping[int, Beginning], above: Mapping[int, int | None]) -> dict[int | None, deadlines.Due]:
    """The clocks of the parents' matters: of those that open now, and of those that were open already."""
    there = {case: n for n, case in above.items() if n not in beginnings and case is not None}
    found: dict[int | None, deadlines.Due] = {
        n: deadlines.Due(beginnings[n].ack_due_at, beginnings[n].resolve_due_at) for n in above if n in beginnings
    }
    if there:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, ack_due_at, resolve_due_at FROM cases_case WHERE id = ANY(%s) AND closed_at IS NULL", [list(there)]
            )
            found |= {there[case]: deadlines.Due(ack, resolve) for case, ack, resolve in cursor.fetchall()}
    return found


def _nested(own: Beginning, parent: deadlines.Due | None, edition: Edition, now: datetime) -> Dues:
    """A child's clocks run inside its parent's (A6)."""
    if own.resolve_due_at is None or parent is None or parent.resolve is None:
        return own.ack_due_at, own.resolve_due_at, own
    inside = deadlines.child_due(edition, parent, now)
    resolve = min(own.resolve_due_at, inside.resolve or own.resolve_due_at)
    return min(own.ack_due_at or resolve, inside.ack or resolve, resolve), resolve, own


def _case_row(number: int, matter: Matter, dues: Dues, above: Mapping[int, int | None]) -> tuple:
    ack, resolve, own = dues
    group = matter.group
    parent = above.get(matter.parent) if matter.parent is not None else None
    next_due = min(filter(None, (ack, resolve)), default=own.desk_due_at)
    return (
        number,
        group.customer,
        group.service,
        parent,
        group.category,
        own.clause,
        own.severity,
        matter.edition_id,
        group.brand,
        own.state,
        str(group.key),
        matter.headline,
        group.first_at,
        group.last_at,
        own.window_until,
        matter.evidence.provisional,
        "; ".join(own.doubts),
        "customer" if own.ticketed_at else "us",
        own.desk_due_at,
        own.ticketed_at,
        ack,
        resolve,
        next_due,
        own.ticketed_at,
        group.events,
        len(matter.reports),
        len({reporter for _, reporter, _ in matter.reports}),
    )


def _journal_openings(
    matters: Sequence[Matter], placements: Sequence[Placement], numbers: Mapping[int, int], dues: Mapping[int, Dues], now: datetime
) -> None:
    journal, links, outbox = [], [], []
    for n, case in numbers.items():
        matter, (ack, resolve, own), before = matters[n], dues[n], placements[n].case
        then = "ticketed at once" if own.ticketed_at else "a person decides: " + "; ".join(own.doubts)
        detail = orjson.dumps({"reports": [report for report, _, _ in matter.reports], "state": own.state}).decode()
        journal.append(
            (
                case,
                "opened",
                f"{matter.group.events} event{'s' if matter.group.events != 1 else ''} from {matter.words}; {then}",
                detail,
            )
        )
        if placements[n].fate is Fate.CONTINUE and before is not None:
            links.append({"case_id": case, "other_id": before, "kind": "continues", "at": now, "by": "system"})
            journal.append((case, "link", f"continues case {before}", orjson.dumps({"case": before}).decode()))
        if own.ticketed_at and matter.notice and matter.edition.categories[matter.group.category].customer_told:
            told = notices.Dues(own.clause, ack, resolve)
            said = f"notice to {matter.notice.name or matter.notice.address} waits in the outbox"
            journal.append((case, "mail", said, orjson.dumps({"audience": "customer", "to": matter.notice.name}).decode()))
            outbox.append(notices.opening(case, matter.group.category, told, matter.edition, matter.headline, matter.notice, now))
    _write_journal(pl.DataFrame(journal, schema=["case_id", "kind", "text", "detail"], orient="row"), now)
    bulk.copy_frame("cases_caselink", pl.DataFrame(links, infer_schema_length=None))
    notices.promise(outbox)


def _write_journal(entries: pl.DataFrame, now: datetime) -> None:
    bulk.copy_frame(
        "cases_journalentry",
        entries.with_columns(pl.lit(now).cast(MOMENT).alias("at"), pl.lit("system").alias("actor"), pl.lit(True).alias("internal")),
    )


def refresh(
    cases: pl.DataFrame, shares: pl.DataFrame, feeds: pl.DataFrame, now: datetime, late: AbstractSet[int] = frozenset()
) -> None:
    """Refresh cases (columns of REFRESH), and say which reports (SHARES) and feeds (FEEDS) speak of which case.

    All but the ``late`` ones must be open still; Overtaken when one was closed meanwhile, so that nothing new is filed away
    unseen with a case that somebody has just finished.
    """
    if len(cases):
        closed = _update(cases, _fresh_reporters(shares), now) - late
        if closed:
            raise Overtaken(f"cases {sorted(closed)} were closed meanwhile")
        _write_journal(cases.select("case_id", pl.lit("events").alias("kind"), "text", pl.lit("{}").alias("detail")), now)
    _follow(shares, feeds, now)


def _update(cases: pl.DataFrame, reporters: dict[int, int], now: datetime) -> set[int]:
    """Write the refreshment; returns which of the cases are closed."""
    fresh = [reporters.get(case, 0) for case in cases["case_id"].to_list()]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE cases_case c SET events = c.events + g.events, reports = c.reports + g.reports,
                   reporters = c.reporters + g.reporters, first_event_at = least(c.first_event_at, g.first_at),
                   last_event_at = greatest(c.last_event_at, g.last_at), refreshed_at = %s,
                   window_until = CASE WHEN c.closed_at IS NULL THEN greatest(c.window_until, g.until) ELSE c.window_until END
               FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
                   AS g(id, events, reports, reporters, first_at, last_at, until)
               WHERE c.id = g.id RETURNING CASE WHEN c.closed_at IS NOT NULL THEN c.id END""",
            [
                now,
                *[bulk.array_of(cases[name]) for name in ("case_id", "events", "reports")],
                fresh,
                *[bulk.array_of(cases[name]) for name in ("first_at", "last_at", "until")],
            ],
        )
        return {row[0] for row in cursor.fetchall()} - {None}


def _fresh_reporters(shares: pl.DataFrame) -> dict[int, int]:
    """How many reporters are new to each case."""
    pairs = shares.select("case_id", "reporter_id").unique()
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT p.case_id, count(*) FROM unnest(%s::bigint[], %s::bigint[]) AS p(case_id, reporter_id)
               WHERE NOT EXISTS (SELECT FROM cases_casereport r WHERE r.case_id = p.case_id AND r.reporter_id = p.reporter_id)
               GROUP BY 1""",
            [bulk.array_of(pairs["case_id"]), bulk.array_of(pairs["reporter_id"])],
        )
        return dict(cursor.fetchall())


def _follow(shares: pl.DataFrame, feeds: pl.DataFrame, now: datetime) -> None:
    """Which reports and feeds speak of which case."""
    together = shares.group_by("case_id", "report_id", "reporter_id").agg(pl.col("events").sum()).sort("case_id")
    feeds = feeds.unique().sort("case_id")
    with connection.cursor() as cursor:
        if len(together):
            cursor.execute(
                """INSERT INTO cases_casereport AS r (case_id, report_id, reporter_id, events, at)
                   SELECT u.c, u.r, u.p, u.n, %s FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::int[]) AS u(c, r, p, n)
                   ON CONFLICT (case_id, report_id) DO UPDATE SET events = r.events + excluded.events""",
                [now, *[bulk.array_of(together[name]) for name in ("case_id", "report_id", "reporter_id", "events")]],
            )
        if len(feeds):
            cursor.execute(
                """INSERT INTO cases_casefeed (case_id, feed, last_delivery_at)
                   SELECT u.c, u.f, %s FROM unnest(%s::bigint[], %s::text[]) AS u(c, f)
                   ON CONFLICT (case_id, feed) DO UPDATE SET last_delivery_at = excluded.last_delivery_at""",
                [now, bulk.array_of(feeds["case_id"]), feeds["feed"].to_list()],
            )


def remind(wanted: Mapping[int, tuple[timedelta, str, Edition, str, notices.Recipient]], now: datetime) -> int:
    """Notices about recurring events, each case at most one in the policy's interval (``Category.notice_every``).

    ``wanted`` maps a case to (interval, category, edition, headline, recipient). Returns how many were due.
    """
    if not wanted:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE cases_case c SET noticed_at = %s FROM unnest(%s::bigint[], %s::interval[]) AS g(id, every)
               WHERE c.id = g.id AND c.closed_at IS NULL AND c.ticketed_at IS NOT NULL AND c.noticed_at + g.every <= %s
               RETURNING c.id""",
            [now, list(wanted), [interval for interval, *_ in wanted.values()], now],
        )
        due = [row[0] for row in cursor.fetchall()]
    notices.promise(
        [notices.recurring(case, wanted[case][1], wanted[case][2], wanted[case][3], wanted[case][4], now) for case in due]
    )
    return len(due)


def due_for_notice(cases: Sequence[int], now: datetime, shortest: timedelta) -> list[int]:
    """Which of these open, ticketed cases had their last notice longer ago than the shortest interval."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM cases_case WHERE id = ANY(%s::bigint[]) AND closed_at IS NULL AND ticketed_at IS NOT NULL
               AND noticed_at <= %s""",
            [bulk.array_literal([str(case) for case in cases]), now - shortest],
        )
        return [row[0] for row in cursor.fetchall()]
