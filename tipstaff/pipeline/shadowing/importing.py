"""Taking in the other desk's decisions: all of a file or nothing of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.pipeline.models import OtherDecision
from tipstaff.pipeline.shadowing.decisions import Decision

_CHANGED = ["message_id", "external_id", "address", "received_at", "decided_at", "at", "customer", "category", "code", "decision",
            "outcome", "subject", "imported_at", "by"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """How many are new, how many were known and are read anew, and which days they speak of."""

    new: int
    known: int
    days: tuple[date, ...]


@transaction.atomic
def take(*, rows: Sequence[Decision], file: str, by: str, now: datetime, dry_run: bool = False) -> Taken:
    """Keep the rows; a reference that is known already is replaced. ``dry_run``: only count."""
    known = set(OtherDecision.objects.filter(reference__in=[row.reference for row in rows]).values_list("reference", flat=True))
    days = tuple(sorted({day_of(row) for row in rows}))
    taken = Taken(len(rows) - len(known), len(known), days)
    if dry_run:
        return taken
    OtherDecision.objects.bulk_create(
        [_row(row, by, now) for row in rows], batch_size=1000, update_conflicts=True, unique_fields=["reference"],
        update_fields=_CHANGED,
    )  # fmt: skip
    record(by=by, action="shadow.import", subject="shadow", now=now, rows=len(rows), file=file)
    return taken


def day_of(row: Decision) -> date:
    """The day that a decision counts for, UTC: of its receipt, else of the decision itself."""
    return _at(row).astimezone(UTC).date()


def _at(row: Decision) -> datetime:
    at = row.received_at or row.decided_at
    assert at is not None, "a row without a time is a problem of its file"
    return at


def _row(row: Decision, by: str, now: datetime) -> OtherDecision:
    return OtherDecision(
        reference=row.reference, message_id=row.message_id, external_id=row.external_id, address=row.address or None,
        received_at=row.received_at, decided_at=row.decided_at, at=_at(row), customer=row.customer, category=row.category,
        code=row.code, decision=row.decision, outcome=row.outcome, subject=row.subject, imported_at=now, by=by,
    )  # fmt: skip
