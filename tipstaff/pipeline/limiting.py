"""Reporters who went on after the warning (section O): a lead limits what their reports may do, for a time.

Each report is still taken, read and answered, and kept on the case it belongs to. While the limit stands it counts with the trust
LIMITED at most: by itself it opens no ticket, moves no case and reminds nobody, and the operator's rules may leave it to a person
(``trust_below``). It ends by itself, or a lead lifts it.
"""

from datetime import datetime, timedelta

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.pipeline import warning
from tipstaff.reports.models import Reporter

USUAL, LONGEST = timedelta(days=30), timedelta(days=180)


def stands(reporter: Reporter, now: datetime) -> bool:
    """Whether the reporter is limited at that moment."""
    return reporter.limited_until is not None and reporter.limited_until > now


@transaction.atomic
def limit(*, reporter: int, reason: str, until: datetime, by: str, now: datetime) -> datetime:
    """A lead limits who was warned and went on past the threshold, until a moment within LONGEST; again, it is prolonged.

    Returns until when it stands: what was said before is never shortened by it. Refused for who was not warned, or where too few
    reports were wrong since. InputError without a reason or with another time.
    """
    found, seen, why = warning.decided(reporter, reason, by, now)
    if found.warned_at is None:
        raise Refused("the reporter was not warned yet: a warning comes first; nothing was changed")
    if not now < until <= now + LONGEST:
        raise InputError(Problem("until", "is not a moment to come that is near enough", f"at most {LONGEST.days} days from now"))
    until = max(until, found.limited_until or until)
    found.limited_at, found.limited_until = now, until
    found.save(update_fields=["limited_at", "limited_until"])
    record(
        by=by, action="reporter.limit", subject=f"reporter:{found.pk}", reason=why, now=now, until=until.isoformat(),
        warned_at=found.warned_at.isoformat(), wrong=len(seen.wrong), judged=seen.judged,
    )  # fmt: skip
    return until


@transaction.atomic
def lift(*, reporter: int, reason: str, by: str, now: datetime) -> None:
    """A lead ends a limit before its time; what comes from now on counts as before it."""
    found, why = warning.taken(reporter, reason, by, "write why the limit ends; it stays inside")
    if found.limited_until is None or not stands(found, now):
        raise Refused("the reporter is not limited; nothing was changed")
    until, found.limited_until = found.limited_until, now
    found.save(update_fields=["limited_until"])
    record(by=by, action="reporter.lift", subject=f"reporter:{found.pk}", reason=why, now=now, until=until.isoformat())
