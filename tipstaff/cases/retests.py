"""Looks whether a fix holds: wanted here, run by enforcement's retests, recorded here with what they saw. Only for open cases."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tipstaff.cases import people
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Retest
from tipstaff.cases.states import ENDED, Event
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.edition import Role

KINDS = ("open_service", "open_relay", "url_status", "feed_quiet", "flow_quiet", "reporter_recheck")
OK, STILL, UNCLEAR = "ok", "still", "cannot tell"
EVENTS = {OK: Event.RETEST_OK, STILL: Event.RETEST_STILL, UNCLEAR: Event.RETEST_UNCLEAR}
AT_MOST, WITHIN = 6, timedelta(hours=1)  # looks at one case


@transaction.atomic
def want(*, case: int, kind: str, target: str, by: str, now: datetime) -> Retest:
    """Ask for a look. Refused for a case that has ended, and when it has been looked at too often in the hour."""
    if kind not in KINDS:
        raise InputError(Problem("kind", f"{kind!r} is no retest", f"one of {', '.join(KINDS)}"))
    people.require(by, Role.ANALYST)
    found = locked(case)
    if found.state in ENDED:
        raise Refused(f"case {found.pk} has ended ({found.state}): nothing is tested for it")
    if Retest.objects.filter(case=found, wanted_at__gt=now - WITHIN).count() >= AT_MOST:
        raise Refused(f"{AT_MOST} retests in an hour are enough for one case")
    waiting = Retest.objects.filter(case=found, kind=kind, target=target, at__isnull=True).first()
    return waiting or Retest.objects.create(case=found, kind=kind, target=target, wanted_at=now, by=by)


@transaction.atomic
def record(
    *, retest: int, outcome: str, text: str, by: str, now: datetime, detail: Mapping[str, Any] | None = None,
    evidence: int | None = None,
) -> Retest:  # fmt: skip
    """What a look found, with its evidence; the table decides what follows. Recorded twice, the first counts."""
    if outcome not in EVENTS:
        raise InputError(Problem("outcome", f"{outcome!r} is not known", f"one of {', '.join(EVENTS)}"))
    number = Retest.objects.filter(pk=retest).values_list("case_id", flat=True).first()
    if number is None:
        raise NotFound(f"there is no retest {retest}")
    case = locked(number)
    row = Retest.objects.select_for_update().get(pk=retest)
    if row.at is not None:
        return row
    row.at, row.outcome, row.text, row.detail, row.evidence_id = now, outcome, text[:2000], dict(detail or {}), evidence
    row.save(update_fields=["at", "outcome", "text", "detail", "evidence"])
    words = f"{row.kind} of {row.target}: {outcome} ({text[:500]})"
    if case.state in ENDED:
        journal(case=case, kind="retest", text=words, by=by, now=now, retest=row.pk)
        return row
    journal(case=case, kind="retest", text=words, by=by, now=now, internal=False, retest=row.pk, outcome=outcome)
    advance(Act(case.pk, EVENTS[outcome], words, given={"retest": outcome}, detail={"retest": row.pk}), by=by, now=now)
    return row
