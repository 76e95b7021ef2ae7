"""Groups of events into cases, many at a time: join, open, continue; journal and notices in the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
import polars as pl
from django.db import connection

from tipstaff.cases import notices
from tipstaff.cases.grouping import Fate, Group, Known, Placement, place_all
from tipstaff.cases.opening import Beginning, Evidence, begin, child_due
from tipstaff.kernel import bulk
from tipstaff.policy.edition import Edition


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
    words: str  # 'Shadowserver scan_ntp', for the journal
    parent: int | None = None  # place of the parent's matter in the sequence
    notice: "notices.Recipient | None" = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a matter."""

    case: int
    fate: Fate
    state: str


#: Acknowledge due, resolve due (a child's inside its parent's), and the beginning they come from.
Dues = tuple[datetime | None, datetime | None, Beginning]


def settle(matters: Sequence[Matter], now: datetime) -> list[Settled]:
    """Place every matter; open, join or continue cases. Parents come before their children in ``matters``."""
    if not matters:
        return []
    known = _known([matter.group.key for matter in matters])
    placements = place_all([matter.group for matter in matters], known)
    settled = _open(matters, placements, now)
    joined = [(number, matter) for number, matter in enumerate(matters) if placements[number].fate in {Fate.JOIN, Fate.LATE}]
    _refresh([(settled[number].case, matter) for number, matter in joined], now)
    _follow(matters, settled, now)
    return settled


def _known(keys: Sequence[UUID]) -> Mapping[UUID, list[Known]]:
    """Open and the latest closed cases of these groups."""
    found: dict[UUID, list[Known]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, group_key, accepting, closed_at, window_until FROM cases_case
               WHERE group_key = ANY(%s::uuid[]) AND merged_into_id IS NULL
               UNION ALL
               SELECT t.id, c.group_key, t.accepting, t.closed_at, t.window_until
               FROM cases_case c JOIN cases_case t ON t.id = c.merged_into_id
               WHERE c.group_key = ANY(%s::uuid[])""",
            [bulk.array_literal([str(key) for key in keys])] * 2,
        )
        for number, key, accepting, closed_at, window_until in cursor.fetchall():
            found.setdefault(key, []).append(Known(number, key, accepting, closed_at, window_until))
    return found


def _open(matters: Sequence[Matter], placements: Sequence[Placement], now: datetime) -> list[Settled]:
    fresh = [number for number, placement in enumerate(placements) if placement.fate in {Fate.NEW, Fate.CONTINUE}]
    numbers = dict(zip(fresh, bulk.allocate("cases_case", len(fresh)), strict=True))
    # A case that no longer takes events makes room for its continuation under the unique index.
    stale = [placements[n].case for n in fresh if placements[n].fate is Fate.CONTINUE]
    if stale:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE cases_case SET accepting = false WHERE id = ANY(%s) AND accepting", [stale])
    beginnings = {
        n: begin(matters[n].group.category, matters[n].edition, matters[n].at_event, matters[n].evidence, now) for n in fresh
    }
    dues = {n: _nested(beginnings, n, matters[n], now) for n in fresh}
    rows = [_case_row(numbers, n, matters[n], dues[n], now) for n in fresh]
    bulk.copy_frame("cases_case", pl.DataFrame(rows, infer_schema_length=None))
    _journal_openings(matters, placements, numbers, dues, now)
    return [
        Settled(numbers[n], p.fate, beginnings[n].state) if n in numbers else Settled(p.case or 0, p.fate, "")
        for n, p in enumerate(placements)
    ]


def _nested(beginnings: Mapping[int, Beginning], number: int, matter: Matter, now: datetime) -> Dues:
    """(acknowledge due, resolve due) with a child's inside its parent's."""
    own = beginnings[number]
    parent = beginnings.get(matter.parent) if matter.parent is not None else None
    if own.resolve_due_at is None or parent is None or parent.resolve_due_at is None:
        return own.ack_due_at, own.resolve_due_at, own
    resolve = min(own.resolve_due_at, child_due(parent.resolve_due_at, now, matter.edition.timers.child_share))
    return min(own.ack_due_at or resolve, resolve), resolve, own


def _case_row(numbers: Mapping[int, int], n: int, matter: Matter, dues: Dues, now: datetime) -> dict:
    ack, resolve, own = dues
    group = matter.group
    next_due = min(filter(None, (ack, resolve)), default=own.desk_due_at)
    return {
        "id": numbers[n],
        "customer_id": group.customer,
        "service_id": group.service,
        "parent_id": numbers.get(matter.parent) if matter.parent is not None else None,
        "category": group.category,
        "clause": own.clause,
        "severity": own.severity,
        "edition_id": matter.edition_id,
        "brand": group.brand,
        "state": own.state,
        "outcome": "",
        "group_key": str(group.key),
        "accepting": True,
        "headline": matter.headline,
        "opened_at": now,
        "opened_by": "system",
        "first_event_at": group.first_at,
        "last_event_at": group.last_at,
        "refreshed_at": group.received_at,
        "window_until": own.window_until,
        "events": group.events,
        "reports": len(matter.reports),
        "reporters": len({r for _, r, _ in matter.reports}),
        "provisional": matter.evidence.provisional,
        "needs_person": "; ".join(own.doubts),
        "waiting_on": "customer" if own.ticketed_at else "us",
        "last_word_by": "",
        "desk_due_at": own.desk_due_at,
        "ticketed_at": own.ticketed_at,
        "ack_due_at": ack,
        "resolve_due_at": resolve,
        "next_due_at": next_due,
        "noticed_at": own.ticketed_at,
        "harmed_party": "",
        "surface": "",
        "mode": "",
        "medium": "",
        "third_party_rule": "",
        "jurisdiction": "",
        "statute": "",
        "actor": "",
        "fault": "",
    }


def _journal_openings(
    matters: Sequence[Matter],
    placements: Sequence[Placement],
    numbers: Mapping[int, int],
    dues: Mapping[int, Dues],
    now: datetime,
) -> None:
    journal, links, outbox = [], [], []
    for n, case in numbers.items():
        matter, own, before = matters[n], dues[n][2], placements[n].case
        text = f"{matter.group.events} events from {matter.words}; " + (
            "ticketed at once" if own.ticketed_at else "a person decides: " + "; ".join(own.doubts)
        )
        journal.append(_entry(case, now, "opened", text, {"reports": [r for r, _, _ in matter.reports], "state": own.state}))
        if placements[n].fate is Fate.CONTINUE and before is not None:
            links.append({"case_id": case, "other_id": before, "kind": "continues", "at": now, "by": "system"})
            journal.append(_entry(case, now, "link", f"continues case {before}", {"case": before}))
        if own.ticketed_at and matter.notice and matter.edition.categories[matter.group.category].customer_told:
            ack, resolve, _ = dues[n]
            told = notices.Dues(own.clause, ack, resolve)
            outbox.append(notices.opening(case, matter.group.category, told, matter.edition, matter.headline, matter.notice, now))
    bulk.copy_frame("cases_journalentry", pl.DataFrame(journal, infer_schema_length=None))
    bulk.copy_frame("cases_caselink", pl.DataFrame(links, infer_schema_length=None))
    notices.promise(outbox)


def _entry(case: int, at: datetime, kind: str, text: str, detail: dict) -> dict:
    return {
        "case_id": case,
        "at": at,
        "actor": "system",
        "kind": kind,
        "text": text,
        "detail": orjson.dumps(detail).decode(),
        "internal": True,
    }


def _refresh(joined: Sequence[tuple[int, Matter]], now: datetime) -> None:
    if not joined:
        return
    fresh_reporters = _fresh_reporters(joined)
    rows = [
        (
            case,
            m.group.events,
            len(m.reports),
            fresh_reporters.get(case, 0),
            m.group.first_at,
            m.group.last_at,
            m.group.received_at,
            m.group.received_at + m.edition.categories[m.group.category].grouping_window,
        )
        for case, m in joined
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE cases_case c SET events = c.events + g.events, reports = c.reports + g.reports,
                   reporters = c.reporters + g.reporters, first_event_at = least(c.first_event_at, g.first_at),
                   last_event_at = greatest(c.last_event_at, g.last_at), refreshed_at = greatest(c.refreshed_at, g.at),
                   window_until = CASE WHEN c.closed_at IS NULL THEN greatest(c.window_until, g.until) ELSE c.window_until END
               FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
                           %s::timestamptz[]) AS g(id, events, reports, reporters, first_at, last_at, at, until)
               WHERE c.id = g.id""",
            [list(column) for column in zip(*rows, strict=True)],
        )
    journal = [
        _entry(case, now, "events", f"{m.group.events} more events from {m.words}", {"reports": [r for r, _, _ in m.reports]})
        for case, m in joined
    ]
    bulk.copy_frame("cases_journalentry", pl.DataFrame(journal, infer_schema_length=None))
    _remind(joined, now)


def _remind(joined: Sequence[tuple[int, Matter]], now: datetime) -> None:
    """At most one notice about recurring events in the policy's interval (``Category.notice_every``)."""
    by_case = {case: matter for case, matter in joined if matter.notice}
    if not by_case:
        return
    intervals = [by_case[case].edition.categories[by_case[case].group.category].notice_every for case in by_case]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE cases_case c SET noticed_at = %s FROM unnest(%s::bigint[], %s::interval[]) AS g(id, every)
               WHERE c.id = g.id AND c.closed_at IS NULL AND c.ticketed_at IS NOT NULL AND c.noticed_at + g.every <= %s
               RETURNING c.id""",
            [now, list(by_case), intervals, now],
        )
        due = [row[0] for row in cursor.fetchall()]
    notices.promise(
        [
            notices.recurring(
                case, by_case[case].group.category, by_case[case].edition, by_case[case].headline, by_case[case].notice, now
            )
            for case in due
        ]
    )


def _fresh_reporters(joined: Sequence[tuple[int, Matter]]) -> dict[int, int]:
    """How many reporters are new to each case."""
    pairs = sorted({(case, reporter) for case, matter in joined for _, reporter, _ in matter.reports})
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT p.case_id, count(*) FROM unnest(%s::bigint[], %s::bigint[]) AS p(case_id, reporter_id)
               WHERE NOT EXISTS (SELECT FROM cases_casereport r WHERE r.case_id = p.case_id AND r.reporter_id = p.reporter_id)
               GROUP BY 1""",
            [[case for case, _ in pairs], [reporter for _, reporter in pairs]],
        )
        return dict(cursor.fetchall())


def _follow(matters: Sequence[Matter], settled: Sequence[Settled], now: datetime) -> None:
    """Which reports and feeds speak of which case."""
    reports = [
        (s.case, report, reporter, events) for s, m in zip(settled, matters, strict=True) for report, reporter, events in m.reports
    ]
    feeds = sorted({(s.case, feed) for s, m in zip(settled, matters, strict=True) for feed in m.feeds})
    with connection.cursor() as cursor:
        if reports:
            cursor.execute(
                """INSERT INTO cases_casereport AS r (case_id, report_id, reporter_id, events, at)
                   SELECT u.c, u.r, min(u.p), sum(u.n), %s FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::int[]) AS u(c, r, p, n)
                   GROUP BY 1, 2 ON CONFLICT (case_id, report_id) DO UPDATE SET events = r.events + excluded.events""",
                [now, *[list(column) for column in zip(*reports, strict=True)]],
            )
        if feeds:
            cursor.execute(
                """INSERT INTO cases_casefeed (case_id, feed, last_delivery_at)
                   SELECT u.c, u.f, %s FROM unnest(%s::bigint[], %s::text[]) AS u(c, f)
                   ON CONFLICT (case_id, feed) DO UPDATE SET last_delivery_at = excluded.last_delivery_at""",
                [now, [case for case, _ in feeds], [feed for _, feed in feeds]],
            )
