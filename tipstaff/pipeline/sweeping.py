"""What time itself brings about: silent sources, findings that are gone, months that expire. Idempotent; any worker may."""

from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Q

from tipstaff.cases import keeping
from tipstaff.cases import services as cases
from tipstaff.evidence import services as evidence
from tipstaff.intake.models import Source
from tipstaff.kernel.errors import Refused
from tipstaff.kernel.models import Heartbeat
from tipstaff.pipeline import holds
from tipstaff.pipeline.digests import write_digests
from tipstaff.reports import bulk as reports

SWEEP_LOCK, EXPIRY_LOCK = 7_114_002, 7_114_003
ERASED_AT_ONCE = 1000
ORPHANED = timedelta(days=2)
ABSENT_DELIVERIES = 3  # fresh deliveries without the finding that close a case
EVENTS_KEPT = timedelta(days=400)
GONE = timedelta(days=1)


def sweep(*, now: datetime) -> None:
    """Do what is due, once: whoever holds the lock."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SWEEP_LOCK])
            if not cursor.fetchone()[0]:
                return
        note_silent_sources(now=now)
        close_absent_findings(now=now)
        write_digests(now=now)
        keeping.release_over(now=now)
        reports.ensure_partition(now)
        reports.ensure_partition(now + timedelta(days=7))
        Heartbeat.objects.filter(at__lt=now - GONE).delete()


def note_silent_sources(*, now: datetime) -> int:
    """Mark sources that have been silent for longer than they should be."""
    quiet = Source.objects.filter(enabled=True, expected_every__isnull=False, silent_since__isnull=True).filter(
        Q(last_received_at__lt=now - F("expected_every"))
        | Q(last_received_at__isnull=True, created_at__lt=now - F("expected_every"))
    )
    return quiet.update(silent_since=now)


def close_absent_findings(*, now: datetime, deliveries: int = ABSENT_DELIVERIES) -> int:
    """Close cases that rest on feeds alone, when each of these feeds came fresh ``deliveries`` times without them."""
    with connection.cursor() as cursor:
        cursor.execute(
            # A feed's bar is its third last fresh delivery: what was seen since stays. Most cases fall out by their newest report.
            """WITH bars AS MATERIALIZED (
                   SELECT feed, min(delivered_at) AS bar FROM (
                       SELECT feed, delivered_at, row_number() OVER (PARTITION BY feed ORDER BY delivered_at DESC) AS place
                       FROM reports_feeddelivery WHERE fresh) AS fresh
                   WHERE place <= %(deliveries)s GROUP BY feed HAVING count(*) >= %(deliveries)s)
               SELECT c.id FROM cases_case c
               WHERE c.closed_at IS NULL AND c.accepting AND c.refreshed_at < (SELECT max(bar) FROM bars)
                 AND EXISTS (SELECT FROM cases_casereport r WHERE r.case_id = c.id)
                 AND NOT EXISTS (
                       SELECT FROM cases_casereport r LEFT JOIN reports_feeddelivery d ON d.report_id = r.report_id
                       LEFT JOIN bars b ON b.feed = d.feed
                       WHERE r.case_id = c.id AND (b.bar IS NULL OR d.delivered_at >= b.bar))
               ORDER BY c.id LIMIT 1000""",
            {"deliveries": deliveries},
        )
        gone = [row[0] for row in cursor.fetchall()]
    return sum(_close_absent(case, deliveries, now) for case in gone)


def _close_absent(case: int, deliveries: int, now: datetime) -> bool:
    try:
        cases.close(
            case=case,
            outcome="CLOSED_ABSENT",
            by="system:sweep",
            now=now,
            reason=f"absent from {deliveries} fresh deliveries of its feeds",
        )
    except Refused:  # a person was quicker
        return False
    return True


def expire(*, now: datetime, keep: timedelta = EVENTS_KEPT) -> list[str]:
    """Drop the event partitions that are past their time; held events survive. Erase evidence past its retention, and remove
    packs that nobody names. Whoever holds the lock does it; the others find it done."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [EXPIRY_LOCK])
            if not cursor.fetchone()[0]:
                return []
        evidence.keep_holds_still()
        gone = _expire_partitions(f"reports_event_{(now - keep).astimezone(UTC):%Y_%m}", holds.in_force())
    while evidence.expire(held=holds.blobs, now=now, limit=ERASED_AT_ONCE) == ERASED_AT_ONCE:
        pass
    evidence.sweep_orphans(older_than=now - ORPHANED)
    return gone


def _expire_partitions(last: str, held: holds.Held) -> list[str]:
    """Those before ``last``; a partition with held events stays with these alone."""
    due = [part for part in reports.partitions() if part < last]
    with connection.cursor() as cursor:
        for part in due:
            cursor.execute("SELECT reports_expire_partition(%s, %s, %s)", [part, held.cases, held.customers])
    return due
