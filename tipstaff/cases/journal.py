"""The two rows that nearly every act writes: what happened, and who must be told."""

from datetime import datetime, timedelta
from typing import Any

from tipstaff.cases.models import Case, JournalEntry, Notice
from tipstaff.cases.states import Duty
from tipstaff.kernel.errors import NotFound


def journal(*, case: Case, kind: str, text: str, by: str, now: datetime, internal: bool = True, **detail: Any) -> JournalEntry:
    """Append to the case's timeline."""
    return JournalEntry.objects.create(case=case, at=now, actor=by, kind=kind, text=text, detail=detail, internal=internal)


def locked(number: int) -> Case:
    """The case, held until the transaction ends; a merged one leads to where it went."""
    case = Case.objects.select_for_update().filter(pk=number).first()
    if case is None:
        raise NotFound(f"there is no case {number}")
    return locked(case.merged_into_id) if case.merged_into_id else case


def owe(
    *, case: Case, duty: Duty, now: datetime, audiences: tuple[str, ...] = ("customer", "reseller"), after: timedelta | None = None,
    **detail: Any,
) -> list[Notice]:  # fmt: skip
    """Owe a notice to each audience; a reseller only where the customer has one, a customer only who was told of the case."""
    fits = {
        "customer": case.ticketed_at is not None,
        "reseller": case.ticketed_at is not None and case.customer.parent_id is not None,
    }
    rows = [
        Notice(case=case, kind=duty, audience=audience, detail=detail, created_at=now, not_before=now + (after or timedelta()))
        for audience in audiences
        if fits.get(audience, True)
    ]
    return Notice.objects.bulk_create(rows)
