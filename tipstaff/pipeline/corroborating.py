"""Asking our own flows about complaints: once after intake, once more when late flows must have arrived, and on demand.

A look takes some tens of milliseconds and happens outside any transaction. Feeds of many rows are looked at on demand only.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import connection

from tipstaff.cases import corroborated
from tipstaff.kernel.errors import Refused
from tipstaff.reports import corroborations
from tipstaff.reports.claims import KINDS, Happening, claims_of
from tipstaff.reports.models import Corroboration, Event
from tipstaff.sensors.traffic import queries as traffic
from tipstaff.sensors.traffic.archive.corroborating import Source, ask_all
from tipstaff.sensors.traffic.corroboration import Claim, Verdict, Watch
from tipstaff.sensors.traffic.corroboration import Corroboration as Answer

log = logging.getLogger(__name__)
BY = "system:flows"
LATE = timedelta(minutes=35)  # after which a long flow has been exported, by the longest usual active timeout
BACK = timedelta(days=2)  # how far a fresh start looks back
OVERLAP = timedelta(minutes=2)  # transactions that commit late
AT_ONCE = 20
LOCK = 7_116
EVENTS = 5  # of one report that are looked at
MOST_EVENTS = 500  # of a report, beyond which it is a feed


@dataclass
class Looker:
    """What has been looked at: every report of a case up to a number, and that number some time ago."""

    upto: int | None = None
    marks: list[tuple[datetime, int]] = field(default_factory=list)

    def step(self, now: datetime) -> int:
        """Look at what is new and at what is due again; how many events that were. One looks at a time, wherever it runs."""
        sources = traffic.sources()
        if not sources or not _locked("pg_try_advisory_lock"):
            return 0
        try:
            return self._look(sources, now)
        except Refused as away:  # a cluster or a program that does not answer: the next look comes
            log.warning("complaints are not looked for in flows: %s", away)
            return 0
        finally:
            _locked("pg_advisory_unlock")

    def _look(self, sources: Sequence[Source], now: datetime) -> int:
        if self.upto is None:
            self.upto = _first(now - BACK)
        found, newest, whole = _new(self.upto, AT_ONCE)
        done = sum(look(case=case, report=report, sources=sources, by=BY, now=now) for case, report in found)
        self.marks.append((now, newest))
        settled = [number for at, number in self.marks if at <= now - OVERLAP]
        if settled or not whole:  # where there is more than can be looked at at once, go on from there
            self.upto = max(self.upto, *settled, 0) if whole else newest
            self.marks = [(at, number) for at, number in self.marks if at > now - OVERLAP]
        return done + sum(_again(key, sources, now) for key in _due(now))


def _locked(function: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, 0)", [LOCK])
        return bool(cursor.fetchone()[0])


def _first(since: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(min(id), (SELECT coalesce(max(id), 0) + 1 FROM cases_casereport)) - 1 "
                       "FROM cases_casereport WHERE at >= %s", [since])  # fmt: skip
        return int(cursor.fetchone()[0])


def _new(upto: int, most: int) -> tuple[list[tuple[int, int]], int, bool]:
    """(case, report) after a number whose traffic could be seen and was not looked for; the last number; whether that was all."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT n.id, n.case_id, n.report_id,
                      r.events <= %s AND r.category = ANY(%s) AND r.format <> 'flow-finding' AND NOT EXISTS (
                          SELECT FROM reports_corroboration c WHERE c.report_id = n.report_id AND c.case_id = n.case_id)
               FROM (SELECT id, case_id, report_id FROM cases_casereport WHERE id > %s ORDER BY id LIMIT 2000) AS n
               JOIN reports_report r ON r.id = n.report_id ORDER BY n.id""",
            [MOST_EVENTS, sorted(KINDS), upto],
        )
        rows = cursor.fetchall()
    found: list[tuple[int, int]] = []
    for number, case, report, wanted in rows:
        if wanted and len(found) == most:
            return found, upto, False
        found += [(case, report)] if wanted else []
        upto = number
    return found, upto, len(rows) < 2000


def _due(now: datetime) -> list[int]:
    rows = Corroboration.objects.filter(again_at__lte=now).order_by("again_at").values_list("pk", flat=True)
    return list(rows[:AT_ONCE])


def _again(number: int, sources: Sequence[Source], now: datetime) -> int:
    row = Corroboration.objects.filter(pk=number, again_at__isnull=False).first()
    event = Event.objects.filter(key=row.event_key).first() if row else None
    if row is None or event is None or event.case_id is None:
        Corroboration.objects.filter(pk=number).update(again_at=None)
        return 0
    return _look_at([event], event.case_id, row.report_id, sources, BY, now)


def look(*, case: int, report: int, sources: Sequence[Source], by: str, now: datetime) -> int:
    """Look for the events of a report on a case; how many."""
    events = corroborations.events_to_look_at(case, report, sorted(KINDS), EVENTS)
    return _look_at(events, case, report, sources, by, now)


def look_now(*, case: int, by: str, now: datetime, most: int = 10) -> int:
    """Look again for what a case's newest reports describe, on somebody's demand. Refused where no flows are kept."""
    sources = traffic.sources()
    if not sources:
        raise Refused("No flow statistics are collected here, so there is nothing to look at: see docs/traffic.md.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT report_id FROM cases_casereport WHERE case_id = %s ORDER BY id DESC LIMIT %s", [case, most])
        reports = [row[0] for row in cursor.fetchall()]
    return sum(look(case=case, report=report, sources=sources, by=by, now=now) for report in reports)


def _look_at(events: list[Event], case: int, report: int, sources: Sequence[Source], by: str, now: datetime) -> int:
    before = corroborations.verdict_of(corroborations.of_case(case))
    answers = []
    for event in events:
        claims = claims_of(corroborations.happening(event))
        answer, watch = _answer(corroborations.happening(event), claims, sources)
        late = max((claim.end for claim in claims), default=now) + LATE
        again_at = late if answer.verdict is not Verdict.SEEN and claims and late > now else None
        corroborations.record(
            event=event, report=report, case=case, claims=claims, answer=answer, watch=watch, again_at=again_at, by=by, now=now
        )
        answers.append(answer)
    if answers:
        rows = corroborations.of_case(case)
        own = [row for row in rows if row.report_id == report]
        verdict = corroborations.verdict_of(own)
        if verdict is not None:
            corroborations.note(report=report, verdict=verdict)
        corroborated.weigh(case=case, before=before, after=corroborations.verdict_of(rows), reason=rows[0].reason, by=by, now=now)
    return len(answers)


def _answer(event: Happening, claims: Sequence[Claim], sources: Sequence[Source]) -> tuple[Answer, Watch]:
    """The answer to all claims of an event: one victim's flows are enough; not seen only where nobody's were."""
    if not claims:
        return Answer(Verdict.CANNOT_TELL, "the complaint names no time that flows could be looked for at"), Watch([], None)
    asked = [ask_all(sources, str(event.ip), claim) for claim in claims]
    for verdict in (Verdict.SEEN, Verdict.CANNOT_TELL, Verdict.NOT_SEEN):
        for answer, watch in asked:
            if answer.verdict is verdict:
                return replace(answer), watch
    raise AssertionError("an answer has one of three verdicts")
