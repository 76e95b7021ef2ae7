"""Reports, reporters and submissions of a batch: what is kept of each, and where it stands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import polars as pl
from django.db import connection
from django.db.models import F

from tipstaff.consent.models import OptOut
from tipstaff.intake.drafts import CONNECTED, Disposition
from tipstaff.kernel import bulk
from tipstaff.kernel.text import storable_document
from tipstaff.pipeline.columns import Item, Parsed, items_of, microseconds
from tipstaff.reports.bulk import KnownReporter
from tipstaff.reports.models import Report
from tipstaff.reports.rules import Action

INTAKE_TIME = timedelta(hours=4)  # the desk's own clock for what a machine cannot decide
ANSWERS = ("nothing to attribute", "held", "not assigned then", "not ours", "ambiguous")
UNMATCHED = ("nothing to attribute", "not assigned then", "ambiguous")
ASK_PERSON = int(Action.ASK_PERSON)
KNOWN = 1  # the trust of a source that an operator connected
CONFIGURED_SOURCES = CONNECTED  # an operator connected them: they are known


def reporter_key(item: Item) -> str:
    """Who reports, as an identity: a feed by its name wherever it comes from, else the address, else the source."""
    draft = item.draft
    if draft.feed:
        return f"feed:{draft.feed.split('/')[0]}"
    return (draft.reporter.email or "").lower()[:320] or f"source:{item.parsed.source}"


def reporter_rows(items: Sequence[Item]) -> list[tuple[str, str, str, str, int, int, str]]:
    return [
        (
            reporter_key(item),
            (item.draft.reporter.name or "")[:200],
            (item.draft.reporter.email or "").lower()[:320],
            (item.draft.reporter.organisation or "")[:200],
            first_trust(item),
            1,
            item.draft.reporter.authenticated_as or "",
        )
        for item in items
    ]


def first_trust(item: Item) -> int:
    """The trust of a reporter seen for the first time: a source that an operator connected is known, all others are not."""
    if not speaks_for_itself(item):
        return 0
    return KNOWN if item.draft.trust is None else item.draft.trust


def speaks_for_itself(item: Item) -> bool:
    """Whether the report is a connected source's own, and not one that it passes on for the mail address it states."""
    return item.parsed.kind in CONFIGURED_SOURCES and not reporter_key(item).count("@")


def is_vouched_for(item: Item) -> bool:
    """Whether it is certain who reports: a connected source itself, or a sender whom a trusted server authenticated."""
    return speaks_for_itself(item) or bool(item.draft.reporter.authenticated_as)


def trust_of(item: Item, stored: int) -> int:
    """The trust that counts for this report; distrust counts always, trust needs somebody to vouch for it.

    A trusted server vouches for the sender it authenticated, a connected source for itself. What a connected source
    passes on for somebody is known, and no more: whoever can post there could state any address.
    """
    if is_vouched_for(item):
        return stored
    return min(stored, 0) if item.parsed.kind not in CONFIGURED_SOURCES or stored < 0 else KNOWN


def verification(item: Item) -> dict[str, bool]:
    """The three elements of a report (G2-G4): name and contact, a locator, a description."""
    draft = item.draft
    located = draft.table is not None or any(event.ip or event.url or event.domain or event.customer for event in draft.events)
    named = bool(draft.reporter.email or draft.feed or item.parsed.kind in CONFIGURED_SOURCES)
    return {"reporter": named, "locator": located, "description": bool(draft.description or draft.report_type or draft.category)}


@dataclass(frozen=True)
class Numbers:
    """The ids of a batch's reports; ``again`` are those that were parsed before and keep their id."""

    ids: list[int]
    again: frozenset[int] = frozenset()
    withdrawn: tuple[int, ...] = ()  # reports of a submission that its new reading no longer has


def number_reports(batch: Sequence[Parsed], items: Sequence[Item]) -> Numbers:
    """Ids for the reports. Parsing can be repeated: a report that is there already keeps its id."""
    with connection.cursor() as cursor:
        submissions = bulk.array_of_values([parsed.submission for parsed in batch])
        cursor.execute("SELECT submission_id, ordinal, id FROM reports_report WHERE submission_id = ANY(%s::uuid[])", [submissions])
        known = {(submission, ordinal): number for submission, ordinal, number in cursor.fetchall()}
    fresh = iter(bulk.allocate("reports_report", sum((i.parsed.submission, i.ordinal) not in known for i in items)))
    ids = [known.get((item.parsed.submission, item.ordinal)) or next(fresh) for item in items]
    return Numbers(ids, frozenset(known.values()) & frozenset(ids), tuple(sorted(set(known.values()) - set(ids))))


@dataclass(frozen=True)
class Standing:
    """What the inventory answered about each report's events (by its place), and why a person must look at it."""

    answers: dict[int, Counter[str]]
    reasons: dict[int, str]


def standing(numbers: Numbers, events: pl.DataFrame, reasons: Mapping[int, str]) -> Standing:
    """From the batch's new events; of a report that was read again, from all of its stored ones."""
    answers: dict[int, Counter[str]] = {}
    asked: dict[int, str] = {}
    counts = events.group_by("report", "attribution", pl.col("action") == ASK_PERSON, pl.col("category").is_null()).len()
    rows = list(counts.iter_rows())
    if numbers.again:
        places = {number: place for place, number in enumerate(numbers.ids) if number in numbers.again}
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT report_id, attribution, action = %s AND case_id IS NULL, category = '', count(*) FROM reports_event
                   WHERE report_id = ANY(%s) GROUP BY 1, 2, 3, 4""",
                [ASK_PERSON, list(places)],
            )
            repeated = [(places[number], *row) for number, *row in cursor.fetchall()]
        rows = [row for row in rows if row[0] not in places.values()] + repeated
    for place, state, is_asked, is_unknown, count in rows:
        answers.setdefault(place, Counter())[ANSWERS[state]] += count
        if is_asked:
            asked[place] = "a rule asks a person"
        elif is_unknown and ANSWERS[state] == "held":
            asked.setdefault(place, "what kind of abuse it is was not recognised")
    return Standing(answers, asked | dict(reasons))


def file_reports(
    items: Sequence[Item],
    numbers: Numbers,
    reporters: Mapping[str, KnownReporter],
    events: pl.DataFrame,
    duplicates: Mapping[int, int],
    answers: Mapping[int, Counter[str]],
    answerable: Sequence[bool],
    now: datetime,
) -> None:
    """Store one row for each report, and a delivery for each that belongs to a feed. ``answerable``: as the column, by place."""
    stored = dict(events.group_by("report").len().iter_rows())
    rows = [
        _report_row(item, number, reporters, stored.get(place, 0), duplicates.get(place, 0), answers.get(place, Counter()), now)
        | {"answerable": answerable[place]}
        for place, (item, number) in enumerate(zip(items, numbers.ids, strict=True))
    ]
    fresh = [row for row in rows if row["id"] not in numbers.again]
    if fresh:
        bulk.copy_frame("reports_report", pl.DataFrame(fresh, infer_schema_length=None))
    for row in rows:
        if row["id"] in numbers.again:
            _read_again(row)
    if numbers.withdrawn:
        Report.objects.filter(pk__in=numbers.withdrawn).update(state="withdrawn", events=0, revision=F("revision") + 1)
    _deliveries([(item, n) for item, n in zip(items, numbers.ids, strict=True) if n not in numbers.again], events, items, now)


def _read_again(row: dict[str, Any]) -> None:
    """A repeated reading replaces what the first one said; what was counted as a duplicate then is this report's own."""
    loaded = {
        name: orjson.loads(row[name]) if row[name] else None
        for name in ("xarf", "unmatched", "warnings", "needs", "copyright", "verification")
    }
    kept = {
        name: value
        for name, value in row.items()
        if name not in {"id", "submission_id", "ordinal", "revision", "events", "duplicates"}
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM reports_event WHERE report_id = %s", [row["id"]])
        events = cursor.fetchone()[0]
    Report.objects.filter(pk=row["id"]).update(**(kept | loaded), events=events, revision=F("revision") + 1)


def _report_row(
    item: Item,
    number: int,
    reporters: Mapping[str, KnownReporter],
    events: int,
    duplicates: int,
    answers: Counter[str],
    now: datetime,
) -> dict[str, Any]:
    draft, sealed = item.draft, item.draft.sealed
    met = verification(item)
    return {
        "id": number,
        "submission_id": str(item.parsed.submission),
        "ordinal": item.ordinal,
        "revision": 0,
        "reporter_id": reporters[reporter_key(item)].id,
        "format": draft.format,
        "disposition": str(draft.disposition),
        "state": report_state(item, events + duplicates, answers, met),
        "category": draft.category or "",
        "category_from": draft.category_from or "",
        "report_type": draft.report_type or "",
        "external_id": draft.external_id or "",
        "xarf": _json(draft.xarf),
        "subject": "" if sealed else (draft.subject or "")[:500],
        "description": "" if sealed else (draft.description or "")[:2000],
        "reported_at": draft.reported_at,
        "received_at": item.parsed.received_at,
        "events": events,
        "duplicates": duplicates,
        "unmatched": _json({k: v for k, v in answers.items() if k != "held"}),
        "warnings": _json(draft.warnings[:200]),
        "needs": _json(draft.needs),
        "copyright": _json(draft.copyright),
        "verification": _json(met),
        "trust": trust_of(item, reporters[reporter_key(item)].trust),
        "experimental": draft.experimental,
    }


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def report_state(item: Item, events: int, answers: Counter[str], met: Mapping[str, bool]) -> str:
    """Where the report stands (section O): received, incomplete, not_ours, verified, set_aside."""
    if item.draft.disposition is Disposition.NEEDS_A_PERSON or item.draft.sealed:
        return "received"
    if item.draft.disposition is not Disposition.REPORT:
        return "set_aside"
    if answers and set(answers) == {"not ours"}:
        return "not_ours"
    return "verified" if all(met.values()) else "incomplete"


def _deliveries(filed: Sequence[tuple[Item, int]], events: pl.DataFrame, items: Sequence[Item], now: datetime) -> None:
    places = {id(item): place for place, item in enumerate(items)}
    feeds = [(item.draft.feed, number, places[id(item)]) for item, number in filed if item.draft.feed]
    if not feeds:
        return
    # A clock that runs ahead must not make every later delivery look stale, nor may a forged one speak of absence.
    past = events.filter(pl.col("occurred_at") <= microseconds(now))
    newest = dict(past.group_by("report").agg(pl.col("occurred_at").max()).iter_rows())
    rows = [
        (feed, number, newest.get(place) if is_vouched_for(items[place]) else None, _rows(items[place]))
        for feed, number, place in feeds
    ]
    with connection.cursor() as cursor:
        # A delivery is fresh when it has an event newer than any delivery of the feed before it had.
        cursor.execute(
            """INSERT INTO reports_feeddelivery (feed, report_id, delivered_at, newest_event_at, rows, fresh)
               SELECT u.f, u.r, %s, to_timestamp(u.t / 1e6), u.n, u.t IS NOT NULL AND to_timestamp(u.t / 1e6) > coalesce(
                   (SELECT max(d.newest_event_at) FROM reports_feeddelivery d WHERE d.feed = u.f), '-infinity')
               FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::int[]) AS u(f, r, t, n)""",
            [now, *[list(column) for column in zip(*rows, strict=True)]],
        )


def _rows(item: Item) -> int:
    return len(item.draft.table) if item.draft.table is not None else len(item.draft.events)


def settle_submissions(batch: Sequence[Parsed], items: Sequence[Item], found: Standing, now: datetime) -> None:
    """Each submission's last word: parsed, waiting for a person with a reason, sealed, or set aside."""
    places: dict[Any, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(item.parsed.submission, []).append(place)
    rows = []
    for parsed in batch:
        mine = places.get(parsed.submission, [])
        state, reason = _standing(
            [items[p] for p in mine],
            [found.answers.get(p, Counter()) for p in mine],
            [found.reasons.get(p, "") for p in mine],
        )
        rows.append(_submission_row(parsed, [items[p] for p in mine], state, reason, now))
    _update(rows)
    _opt_outs(items, now)


def _standing(items: Sequence[Item], unmatched: Sequence[Counter[str]], reasons: Sequence[str]) -> tuple[str, str]:
    if any(item.draft.sealed for item in items):
        return "sealed", "sealed before anybody saw it"
    needs = [
        reason
        for item in items
        for reason in (item.draft.needs or ["a person decides what this is"])
        if item.draft.disposition is Disposition.NEEDS_A_PERSON
    ]
    needs += [reason for reason in reasons if reason]
    needs += [
        f"{counts[answer]} {'event is' if counts[answer] == 1 else 'events are'} {answer}"
        for counts in unmatched
        for answer in UNMATCHED
        if counts[answer]
    ]
    if needs:
        return "needs_person", "; ".join(dict.fromkeys(needs))[:2000]
    if any(item.draft.disposition is Disposition.REPORT for item in items):
        return "parsed", ""
    return "set_aside", items[0].draft.disposition.value if items else "nothing in it"


def _submission_row(parsed: Parsed, items: Sequence[Item], state: str, reason: str, now: datetime) -> tuple[Any, ...]:
    sealed = state == "sealed"
    first = items[0].draft if items else None
    trace = [] if sealed else [_trace(item) for item in items[:20]]
    return (
        str(parsed.submission),
        state,
        str(first.disposition) if first and not sealed else "",
        reason,
        _json(trace),
        "" if sealed or first is None else (first.subject or "")[:500],
        "" if sealed or first is None else (first.reporter.email or "").lower()[:320],
        now + INTAKE_TIME if state in {"needs_person", "sealed"} else None,
    )


def traced(batch: Sequence[Parsed]) -> list[dict[str, Any]]:
    """The traces of submissions that could not be filed."""
    return [storable_document(orjson.loads(_json(_trace(item)) or "{}")) for item in items_of(batch)[:20]]


def _trace(item: Item) -> dict[str, Any]:
    """What parsing found, for the person who must decide; the first events only."""
    draft = item.draft
    return {
        "format": draft.format,
        "disposition": str(draft.disposition),
        "category": draft.category,
        "category_from": draft.category_from,
        "needs": draft.needs,
        "warnings": draft.warnings[:20],
        "external_id": draft.external_id,
        "mapping": draft.mapping,
        "message_id": item.parsed.message_id,
        "events": [
            {
                "ip": e.ip,
                "port": e.port,
                "domain": e.domain,
                "url": e.url,
                "occurred_at": e.occurred_at,
                "details": e.details,
                "time_as_written": e.time_as_written,
                "found_in": e.found_in,
            }
            for e in draft.events[:20]
        ],
        "rows": len(draft.table) if draft.table is not None else len(draft.events),
    }


def _update(rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    columns: list[Any] = [bulk.array_of_texts(column) for column in list(zip(*rows, strict=True))[:-1]]
    columns[4] = f"[{','.join([row[4] for row in rows])}]"  # one document: in an array every quote of it would be escaped twice
    columns.append(bulk.array_of_values([row[-1] for row in rows]))
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE intake_submission s SET state = u.state, disposition = u.d, reason = u.reason, trace = u.trace,
                   subject = u.subject, sender = u.sender, due_at = u.due, claimed_by = '', claimed_until = NULL
               FROM ROWS FROM (unnest(%s::uuid[]), unnest(%s::text[]), unnest(%s::text[]), unnest(%s::text[]),
                       jsonb_array_elements(%s::jsonb), unnest(%s::text[]), unnest(%s::text[]), unnest(%s::timestamptz[]))
                   AS u(id, state, d, reason, trace, subject, sender, due)
               WHERE s.id = u.id""",
            columns,
        )


def _opt_outs(items: Sequence[Item], now: datetime) -> None:
    asked = [item for item in items if item.draft.disposition is Disposition.OPT_OUT and item.draft.reporter.email]
    OptOut.objects.bulk_create(
        [
            OptOut(
                address=(item.draft.reporter.email or "").lower(),
                asked_at=item.draft.reported_at,
                recorded_at=now,
                submission=str(item.parsed.submission),
            )
            for item in asked
        ],
        ignore_conflicts=True,
    )
