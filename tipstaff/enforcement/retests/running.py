"""Running the retests that are wanted: only for open cases, only in our own space, one at a time to a target, kept as evidence."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from tipstaff.attribution.queries import own_prefixes
from tipstaff.cases import retests
from tipstaff.cases.models import Case, Retest
from tipstaff.cases.states import ENDED
from tipstaff.enforcement.models import Protected
from tipstaff.enforcement.retests import (
    feed_quiet,
    flow_asking,
    flow_quiet,
    open_relay,
    open_service,
    recheck_letters,
    reporter_recheck,
    url_status,
)
from tipstaff.enforcement.retests.contract import UNCLEAR, Seen, Space
from tipstaff.evidence.services import Plain, keep
from tipstaff.kernel import shadow
from tipstaff.kernel.errors import Refused

log = logging.getLogger(__name__)
BY = "system:retest"
TARGET_PAUSE = timedelta(minutes=5)  # between two looks at the same target
AT_ONCE = 10
LATE = timedelta(hours=1)  # a worker that died while looking: another looks again after this time


def run_waiting(*, now: datetime, most: int = AT_ONCE) -> int:
    """Run what is wanted and due. Returns how many. The look itself happens outside any transaction."""
    done = 0
    if shadow.is_on():
        return done  # a look is a connection to a customer's machine
    for number in _due(now, most):
        with connection.cursor() as cursor:  # one worker at a time for one retest, held for the session, not in a transaction
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_SPACE, number % 2**31])
            if not cursor.fetchone()[0]:
                continue
        try:
            row = Retest.objects.filter(pk=number, at__isnull=True).select_related("case").first()
            if row is not None:
                _finish(row, _look(row, now), now)
                done += 1
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_SPACE, number % 2**31])
    return done


_SPACE = 7_114


def _due(now: datetime, most: int) -> list[int]:
    """Wanted ones, the oldest first; not while the same target was looked at a moment ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT ON (r.kind, r.target) r.id FROM cases_retest r
               WHERE r.at IS NULL AND r.wanted_at <= %s AND NOT EXISTS (
                   SELECT FROM cases_retest o WHERE o.kind = r.kind AND o.target = r.target AND o.at > %s)
               ORDER BY r.kind, r.target, r.wanted_at, r.id LIMIT %s""",
            [now, now - TARGET_PAUSE, most],
        )
        return [row[0] for row in cursor.fetchall()]


def _look(row: Retest, now: datetime) -> Seen:
    if row.case.state in ENDED:
        return Seen(UNCLEAR, f"not run: the case has ended ({row.case.state})")
    try:
        return LOOKS[row.kind](row, space(), now)
    except Refused as refused:
        return Seen(UNCLEAR, f"not run: {refused}")
    except DatabaseError:
        raise  # the loop waits for it
    except Exception as error:  # whatever a hostile answer or document brings about, the looks behind this one go on
        log.exception("retest %s of case %s failed", row.pk, row.case_id)
        return Seen(UNCLEAR, f"it failed: {type(error).__name__}")


@transaction.atomic
def _finish(row: Retest, seen: Seen, now: datetime) -> None:
    blob = keep(items=[Plain(seen.evidence, "application/octet-stream", "document")], now=now)[0] if seen.evidence else None
    retests.record(retest=row.pk, outcome=seen.outcome, text=seen.text, detail=seen.detail, evidence=blob, by=BY, now=now)


def space() -> Space:
    """Our own prefixes, without what is never touched: the never-touch list of orders, and the setting TIPSTAFF_NEVER_TEST."""
    listed = Protected.objects.filter(removed_at__isnull=True, prefix__isnull=False).values_list("prefix", flat=True)
    return Space(tuple(own_prefixes()), (*settings.NEVER_TEST, *filter(None, listed)))


def _url(row: Retest, own: Space, now: datetime) -> Seen:
    return url_status.look(row.target, own, known_hash=str(row.detail.get("known_hash", "")))


def _since(case: Case) -> datetime | None:
    return case.fix_claimed_at or case.ticketed_at


def _events_since(case: Case) -> tuple[int, int]:
    """Events that happened after the claim, and how many reporters they came from; whom nobody trusts counts for nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*), count(DISTINCT r.reporter_id) FROM reports_event e JOIN reports_report r ON r.id = e.report_id
               WHERE e.case_id = %s AND e.occurred_at > %s AND r.trust >= 0""",
            [case.pk, _since(case)],
        )
        events, reporters = cursor.fetchone()
        return events, reporters


def _feed(row: Retest, own: Space, now: datetime) -> Seen:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT f.feed, (SELECT count(*) FROM reports_feeddelivery d
                               WHERE d.feed = f.feed AND d.fresh AND d.delivered_at > %s AND d.newest_event_at > %s)
               FROM (SELECT DISTINCT d.feed FROM reports_feeddelivery d JOIN cases_casereport c ON c.report_id = d.report_id
                     WHERE c.case_id = %s) AS f""",
            [_since(row.case), _since(row.case), row.case_id],
        )
        deliveries = dict(cursor.fetchall())
    return feed_quiet.judge(_events_since(row.case)[0], deliveries)


def _reporters(row: Retest, own: Space, now: datetime) -> Seen:
    events, reporters = _events_since(row.case)
    asked = 0 if events else recheck_letters.ask(row.case, claimed_at=row.case.fix_claimed_at, now=now)
    return reporter_recheck.judge(events, reporters, row.case.reporters, asked)


def _flows(row: Retest, own: Space, now: datetime) -> Seen:
    since = _since(row.case)
    return flow_quiet.compare(flow_asking.ask(row.case, row.target, own, since, _found_since(row.case), now=now))


def _found_since(case: Case) -> int:
    """Findings of our own detectors on the case that were seen after the claim."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(DISTINCT r.external_id) FROM reports_event e JOIN reports_report r ON r.id = e.report_id
               WHERE e.case_id = %s AND r.format = 'flow-finding' AND e.occurred_at > %s""",
            [case.pk, _since(case)],
        )
        return int(cursor.fetchone()[0])


Look = Callable[[Retest, Space, datetime], Seen]
LOOKS: dict[str, Look] = {
    "open_service": lambda row, own, now: open_service.look(row.target, own),
    "open_relay": lambda row, own, now: open_relay.look(row.target, own),
    "url_status": _url,
    "feed_quiet": _feed,
    "flow_quiet": _flows,
    "reporter_recheck": _reporters,
}
