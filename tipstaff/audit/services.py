"""Writing to the record."""

from datetime import datetime
from typing import Any

from tipstaff.audit.models import Entry
from tipstaff.audit.personal import without


def record(*, by: str, action: str, subject: str, now: datetime, reason: str = "", **detail: Any) -> Entry:
    """Append one entry, inside the caller's transaction: the act and its record stand or fall together.

    It has no place in the chain yet: the sealer gives it one within a second of the commit. Mail addresses, addresses of
    machines and telephone numbers in ``reason``, ``subject`` and ``detail`` are replaced by digests.
    """
    return Entry.objects.create(
        at=now, actor=by, action=action, subject=without(subject), reason=without(reason), detail=without(detail)
    )
