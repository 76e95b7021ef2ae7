"""What is written about reporters."""

from datetime import datetime

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.reports.models import Reporter


@transaction.atomic
def confirm(*, reporter: int, now: datetime, by: str = "reporter") -> Reporter:
    """The reporter followed our link: the address is theirs. The first time counts; trust is for the desk to give."""
    found = Reporter.objects.select_for_update().get(pk=reporter)
    if found.confirmed_at is None:
        found.confirmed_at = now
        found.save(update_fields=["confirmed_at"])
        record(by=by, action="reporter.confirm", subject=f"reporter:{found.pk}", now=now)
    return found
