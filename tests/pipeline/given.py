"""A small provider and ways to deliver reports to it, for tests."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import polars as pl

from tests.accounts.given import delivered, held
from tipstaff.accounts.models import StaffMember
from tipstaff.evidence.services import Plain, keep
from tipstaff.intake.drafts import EventDraft, ReportDraft, Reporter
from tipstaff.intake.models import Submission
from tipstaff.intake.services import ensure_source
from tipstaff.pipeline import batch, context
from tipstaff.pipeline.columns import Parsed
from tipstaff.policy import loading, services

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)
CAROL, DAVE, EMMA = "192.0.2.7", "198.51.100.9", "203.0.113.5"


def policy(pack="default"):
    edition = loading.load_packaged(pack)
    to = "abuse@example.net"
    stored = services.draft(edition=edition, effective_from=BEFORE, by="system:test", now=BEFORE, intake_address=to)
    return services.publish(stored=stored.pk, by="system:second", now=BEFORE)


def colleagues(**roles):
    """Alice, an analyst, and Bob, a lead, unless others are named: colleagues(alice="analyst")."""
    given = roles or {"alice": "analyst", "bob": "lead"}
    return {name: StaffMember.objects.get_or_create(username=name, defaults={"roles": [role]})[0] for name, role in given.items()}


def provider(*more, pack="default"):
    """Carol, Dave, and Emma behind the reseller Rory; the default policy in force."""
    delivered(
        held("192.0.2.0/24", "carol-1", "2026-01-01"),
        held("198.51.100.0/24", "dave-1", "2026-01-01"),
        held("203.0.113.0/24", "rory-1", "2026-01-01"),
        held("203.0.113.0/28", "emma-1", "2026-01-01"),
        *more,
        now=NOW,
    )
    policy(pack)


def event(ip=CAROL, at=NOW - timedelta(hours=2), **more):
    found = {"ip": "test", "occurred_at": "test"}
    return EventDraft(ip=ip, occurred_at=at, found_in=found, **more)


def report(*events, category="phishing", by="rita@example.org", **more):
    more.setdefault("category_from", "structure xarf")
    more.setdefault("format", "xarf-4")
    return ReportDraft(reporter=Reporter(name="Rita", email=by), category=category, events=list(events), description="seen", **more)


def feed(addresses, at=NOW - timedelta(hours=3), report_type="scan_ntp", category="vulnerable", **columns):
    """A delivery of a feed as a table, one row an address."""
    table = pl.DataFrame({"ip": list(addresses), "row": list(range(1, len(addresses) + 1)), **columns}).with_columns(
        pl.lit(at).cast(pl.Datetime("us", "UTC")).alias("occurred_at"),
        pl.col("row").cast(pl.Int32),
        pl.lit(123, pl.Int32).alias("port"),
    )
    return ReportDraft(
        format="shadowserver",
        feed=f"shadowserver/{report_type}",
        report_type=report_type,
        category=category,
        category_from="structure shadowserver",
        table=table,
    )


def submission(content=None, source="desk", kind="api", now=NOW):
    """A stored submission without a parsed meaning."""
    raw = content or uuid4().bytes
    row = ensure_source(name=source, kind=kind, now=now)
    blob = keep(items=[Plain(raw)], now=now)[0]
    return Submission.objects.create(id=uuid4(), source=row, source_ref=str(uuid4()), blob_id=blob, received_at=now)


def deliver(*drafts, now=NOW, kind="api", source=None):
    """Commit drafts as one submission; the outcome."""
    source = source or kind
    row = submission(source=source, kind=kind, now=now)
    parsed = Parsed(
        submission=row.pk, received_at=now, source=source, sha256=bytes(row.blob.sha256).hex(), drafts=list(drafts), kind=kind
    )
    return batch.commit([parsed], context.load(now), now)
