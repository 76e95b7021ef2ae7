"""Writing to the record."""

from datetime import datetime
from typing import Any

from tipstaff.audit.models import Entry


def record(*, by: str, action: str, subject: str, now: datetime, reason: str = "", **detail: Any) -> Entry:
    """Append one entry, inside the caller's transaction: the act and its record stand or fall together."""
    return Entry.objects.create(at=now, actor=by, action=action, subject=subject, reason=reason, detail=detail)
