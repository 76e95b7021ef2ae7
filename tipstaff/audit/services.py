"""Writing to the record."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import polars as pl

from tipstaff.audit.models import Entry
from tipstaff.audit.personal import without
from tipstaff.kernel import bulk


def record(*, by: str, action: str, subject: str, now: datetime, reason: str = "", **detail: Any) -> Entry:
    """Append one entry, inside the caller's transaction: the act and its record stand or fall together.

    It has no place in the chain yet: the sealer gives it one within a second of the commit. Mail addresses, addresses of
    machines and telephone numbers in ``reason``, ``subject`` and ``detail`` are replaced by digests.
    """
    return Entry.objects.create(
        at=now, actor=by, action=action, subject=without(subject), reason=without(reason), detail=without(detail)
    )


def refused(*, by: str, subject: str, why: str, now: datetime, what: str = "rule", **detail: Any) -> Entry:
    """Put on the record that somebody tried what is not theirs to do: ``what`` is 'role' at a door, 'rule' for an act.

    Written apart from the act, whose transaction is undone. ``detail``: method and path, as the list of tries shows them.
    """
    return record(by=by, action=f"refused.{what}", subject=subject, reason=why[:1000], now=now, **detail)


def record_many(*, by: str, action: str, rows: Iterable[tuple[str, dict[str, Any]]], now: datetime) -> None:
    """Append an entry for each (subject, detail) of one batch, in one stroke; for decisions that are made by the thousand."""
    frame = pl.DataFrame(
        [(without(subject), json.dumps(without(detail))) for subject, detail in rows],
        schema={"subject": pl.String, "detail": pl.String},
        orient="row",
    )
    same = {"at": pl.lit(now).cast(pl.Datetime("us", "UTC")), "actor": pl.lit(by), "action": pl.lit(action), "reason": pl.lit("")}
    bulk.copy_frame("audit_entry", frame.with_columns(**same))
