"""Reporters who went on after the warning (section O): a lead limits what their reports may do, for a time.

Each report is still taken, read and answered. While the limit stands it counts with the trust LIMITED at most: it opens no ticket
and reminds nobody by itself, and the operator's rules may leave it to a person (``trust_below``). It ends by itself, or a lead
lifts it.
"""

from datetime import datetime, timedelta

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.pipeline import warning
from tipstaff.policy.edition import Role
from tipstaff.reports.models import Reporter

USUAL, LONGEST = timedelta(days=30), timedelta(days=180)


def stands(reporter: Reporter, now: datetime) -> bool:
    """Whether the reporter is limited at that moment."""
    return reporter.limited_until is not None and reporter.limited_until > now


@transaction.atomic
def limit(*, reporter: int, reason: str, until: datetime, by: str, now: datetime) -> None:
    """A lead limits who was warned and went on past the threshold, until a moment within LONGEST; again, it is prolonged.

    Refused for who was not warned, or where too few reports were wrong since. InputError without a reason or with another time.
    """
    found, seen, why = warning.decided(reporter, reason, by, now)
    if found.warned_at is None:
        raise Refused("the reporter was not warned yet: a warning comes first; nothing was changed")
    if not now < until <= now + LONGEST:
        raise InputError(Problem("until", "is not a moment to come that is near enough", f"at most {LONGEST.days} days from now"))
    found.limited_at, found.limited_until = now, until
    found.save(update_fields=["limited_at", "limited_until"])
    record(
        by=by, action="reporter.limit", subject=f"reporter:{found.pk}", reason=why, now=now, until=until.isoformat(),
        warned_at=found.warned_at.isoformat(), wrong=len(seen.wrong), judged=seen.judged,
    )  # fmt: skip


@transaction.atomic
def lift(*, reporter: int, reason: str, by: str, now: datetime) -> None:
    """A lead ends a limit before its time; what comes from now on counts as before it."""
    people.require_person(by, Role.LEAD)
    why = reason.strip()[:500]
    if not why:
        raise InputError(Problem("reason", "is empty", "write why the limit ends; it stays inside"))
    found = Reporter.objects.select_for_update().filter(pk=reporter).first()
    if found is None:
        raise NotFound("There is no such reporter.")
    if found.limited_until is None or not stands(found, now):
        raise Refused("the reporter is not limited; nothing was changed")
    until, found.limited_until = found.limited_until, now
    found.save(update_fields=["limited_until"])
    record(by=by, action="reporter.lift", subject=f"reporter:{found.pk}", reason=why, now=now, until=until.isoformat())
