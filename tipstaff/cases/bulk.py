"""Groups of events into cases, many at a time: join, open, continue; journal and notices in the same transaction.

What merely refreshes an open case (nearly all of a daily feed) stays in columns; only what opens a case, or touches a
closed one, becomes objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import polars as pl
from django.db import connection

from tipstaff.audit.services import record
from tipstaff.cases import authority, keeping, openings, writing
from tipstaff.cases.grouping import Fate, Group, Known, Placement, place_all
from tipstaff.cases.opening import Beginning, Evidence, begin
from tipstaff.cases.refreshing import MOMENT, REFRESH, SHARES, refresh
from tipstaff.cases.states import Duty
from tipstaff.kernel import arrays, bulk
from tipstaff.policy import deadlines
from tipstaff.policy.edition import Edition

KNOWN: dict[str, Any] = {
    "group_key": pl.String,
    "case_id": pl.Int64,
    "accepting": pl.Boolean,
    "closed_at": MOMENT,
    "window_until": MOMENT,
    "noticed_at": MOMENT,
}
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
    words: str  # '1 report (shadowserver scan_ntp)', for the journal
    trusted_at: datetime | None  # when it happened last, of what reporters say who are not distrusted; None: they say nothing
    parent: int | None = None  # place of the parent's matter in the sequence


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a matter."""

    case: int
    fate: Fate
    state: str


def known_cases(keys: Sequence[str]) -> pl.DataFrame:
    """Open and closed cases of these groups; a merged case answers with the one that it went into at last.

    ``noticed_at`` is when the customer of an open ticket was last told, null where nobody was.
    """
    columns = arrays.rows(  # whole columns come back at a third of the cost of rows
        f"""SELECT {", ".join(f"array_agg({what})" for what in (*_SEEN, "c.merged_into_id"))}
            FROM unnest(%s) WITH ORDINALITY AS w(key, place) JOIN cases_case c ON c.group_key = w.key""",  # noqa: S608
        [arrays.array(pl.Series(keys, dtype=pl.String), "uuid")],
    )[0]
    found = _seen([column or [] for column in columns], {"merged": pl.Int64})
    merged = found.filter(pl.col("merged").is_not_null())
    found = found.filter(pl.col("merged").is_null()).drop("merged")
    if len(merged):
        went = arrays.rows(
            f"""WITH RECURSIVE went AS (
                   SELECT w.place, c.id, c.merged_into_id FROM unnest(%s, %s) AS w(place, id) JOIN cases_case c ON c.id = w.id
                   UNION SELECT w.place, c.id, c.merged_into_id FROM went w JOIN cases_case c ON c.id = w.merged_into_id)
               SELECT {", ".join(_SEEN)} FROM went w JOIN cases_case c ON c.id = w.id WHERE w.merged_into_id IS NULL""",  # noqa: S608
            [arrays.array(merged[name], "int8") for name in ("place", "merged")],
        )
        found = pl.concat([found, _seen(list(zip(*went, strict=True)) or [()] * len(_SEEN_AS))]).unique(maintain_order=True)
    return found.select(
        pl.Series("group_key", keys, dtype=pl.String).gather(found["place"] - 1).alias("group_key"),
        *[pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") if kind == MOMENT else name
          for name, kind in KNOWN.items() if name != "group_key"],
    )  # fmt: skip


def _seen(columns: Sequence[Sequence[Any]], more: Mapping[str, Any] | None = None) -> pl.DataFrame:
    kinds = {**_SEEN_AS, **(more or {})}
    return pl.DataFrame([pl.Series(name, column, dtype=kinds[name]) for name, column in zip(kinds, columns, strict=True)])


#: What is asked of a known case. Moments come as µs since 1970, which cost a third of what time stamps cost to read.
_MICROS = "(extract(epoch FROM {}) * 1000000)::bigint"
_SEEN = (
    "w.place", "c.id", "c.accepting", _MICROS.format("c.closed_at"), _MICROS.format("c.window_until"),
    "CASE WHEN c.closed_at IS NULL AND c.ticketed_at IS NOT NULL THEN " + _MICROS.format("c.noticed_at") + " END",
)  # fmt: skip
_SEEN_AS = {
    "place": pl.Int64,
    "case_id": pl.Int64, "accepting": pl.Boolean, "closed_at": pl.Int64, "window_until": pl.Int64, "noticed_at": pl.Int64,
}  # fmt: skip


def settle(
    matters: Sequence[Matter],
    known: pl.DataFrame,
    now: datetime,
    joins: pl.DataFrame | None = None,
    shares: pl.DataFrame | None = None,
) -> list[Settled]:
    """Place every matter; open, join or continue cases. Parents come before their children in ``matters``.

    ``joins`` (columns of REFRESH) and ``shares`` (SHARES) are what refreshes open cases besides: written in the same strokes.
    """
    settled = _open(matters, _placements(matters, known), now) if matters else []
    pairs = list(zip(settled, matters, strict=True))
    own = pl.DataFrame([(s.case, *share) for s, m in pairs for share in m.reports], schema=SHARES, orient="row")
    joined = [(s.case, m) for s, m in pairs if s.fate in {Fate.JOIN, Fate.LATE}]
    rows = pl.DataFrame([_refresh_row(case, matter, now) for case, matter in joined], schema=REFRESH, orient="row")
    late = {s.case for s in settled if s.fate is Fate.LATE}
    refresh(_both(rows, joins), _both(own, shares), now, late=late)
    return settled


def _placements(matters: Sequence[Matter], known: pl.DataFrame) -> list[Placement]:
    by_key: dict[UUID, list[Known]] = {}
    wanted = {str(matter.group.key) for matter in matters}
    for key, number, accepting, closed_at, window_until, _ in known.filter(pl.col("group_key").is_in(wanted)).iter_rows():
        by_key.setdefault(UUID(key), []).append(Known(number, UUID(key), accepting, closed_at, window_until))
    return place_all([matter.group for matter in matters], by_key)


def _both(rows: pl.DataFrame, more: pl.DataFrame | None) -> pl.DataFrame:
    return rows if more is None or not len(more) else pl.concat([rows, more]) if len(rows) else more


def _refresh_row(case: int, matter: Matter, now: datetime) -> tuple:
    group = matter.group
    until = now + matter.edition.categories[group.category].grouping_window
    return (
        case,
        group.events,
        len(matter.reports),
        group.first_at,
        matter.trusted_at,
        until,
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
    kinds = [(numbers[n], matters[n].edition.categories[matters[n].group.category]) for n in fresh]
    keeping.hold_new(kinds, now=now)
    authority.owe_reports(kinds, now=now)
    openings.start_clocks([_opened(numbers[n], matters[n], dues[n], placements[n]) for n in fresh], now)
    return [
        Settled(numbers[n], p.fate, beginnings[n].state) if n in numbers else Settled(p.case or 0, p.fate, "")
        for n, p in enumerate(placements)
    ]


def _opened(number: int, matter: Matter, dues: Dues, placement: Placement) -> openings.Opened:
    ack, resolve, own = dues
    told = matter.edition.categories[matter.group.category].customer_told
    before = placement.case if placement.fate is Fate.CONTINUE else None
    last = matter.trusted_at
    return openings.Opened(
        number, matter.group.category, matter.edition, own.severity, own.ticketed_at is not None, told, ack, resolve, last, before
    )


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
    journal, links, owed = [], [], []
    for n, case in numbers.items():
        matter, (_, _, own), before = matters[n], dues[n], placements[n].case
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
        if own.ticketed_at and matter.edition.categories[matter.group.category].customer_told:
            owed.append((case, str(Duty.OPENED), "customer", "{}", now))
    _write_journal(pl.DataFrame(journal, schema=["case_id", "kind", "text", "detail"], orient="row"), now)
    bulk.copy_frame("cases_caselink", pl.DataFrame(links, infer_schema_length=None))
    writing.write_notices(owed, now)
    opened: dict[str, list[int]] = {}
    for n, case in numbers.items():
        opened.setdefault(str(dues[n][2].state), []).append(case)
    if opened:  # one entry for the batch
        record(by="system", action="case.open", subject=f"{len(numbers)} cases", now=now, cases=opened)


def _write_journal(entries: pl.DataFrame, now: datetime) -> None:
    bulk.copy_frame(
        "cases_journalentry",
        entries.with_columns(pl.lit(now).cast(MOMENT).alias("at"), pl.lit("system").alias("actor"), pl.lit(True).alias("internal")),
    )
