"""What the policy wants on record before a decision: what is missing, how a person states it, and what is owed after a block."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import asked_for, people
from tipstaff.cases.asked_for import Asked
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.knowing import facts_of, load
from tipstaff.cases.models import Case, Ruling
from tipstaff.cases.states import Event
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.policy.edition import Role

OWED = "blocked at once; the policy asks for this now"
MOST = 4000  # characters of one statement


def before_restricting(case: Case) -> tuple[Asked, ...]:
    """What is still missing before a restriction, or before a breach is found."""
    return facts_of(case, load([case], {Event.RESTRICTION_ASKED}), case.opened_at, {}).lacking


@transaction.atomic
def state(*, case: int, points: Mapping[str, str], by: str, now: datetime) -> list[Ruling]:
    """Put on record what the special handling of a category asks for (``asked_for.POINTS``), each as a ruling in words.

    Empty words state nothing. Raises InputError for what nobody asks for.
    """
    held = people.require(by, Role.ANALYST)
    found = locked(case)
    unknown = [Problem(code, "is nothing that a policy asks for", f"one of {', '.join(asked_for.POINTS)}")
               for code in points if code not in asked_for.POINTS]  # fmt: skip
    long = [Problem(code, f"is longer than {MOST} characters", "shorten it") for code, text in points.items() if len(text) > MOST]
    if unknown or long:
        raise InputError(unknown + long)
    rows = []
    for code, text in points.items():
        if not text.strip():
            continue
        row = Ruling.objects.create(case=found, kind=code, decision="stated", reason=text.strip(), role=held, by=by, at=now)
        journal(case=found, kind="fact", text=f"{asked_for.POINTS[code]}: {row.reason}", by=by, now=now, ruling=row.pk)
        record(by=by, action="case.stated", subject=f"case:{found.pk}", reason=code, now=now, ruling=row.pk)
        rows.append(row)
    if rows:
        settle(found)
    return rows


def owe(case: Case, missing: tuple[Asked, ...], *, by: str, now: datetime) -> None:
    """After a block that waited for nothing: what is missing stands on the case until somebody gives it."""
    if missing:
        text = f"{OWED}: {asked_for.titles(missing)}"
        Case.objects.filter(pk=case.pk).update(needs_person=text)
        journal(case=case, kind="fact", text=text, by=by, now=now)


def settle(case: Case) -> None:
    """What was owed after a block is given by now, or less of it is missing."""
    words = Case.objects.filter(pk=case.pk).values_list("needs_person", flat=True).first() or ""
    if words.startswith(OWED):
        left = asked_for.titles(before_restricting(case))
        Case.objects.filter(pk=case.pk).update(needs_person=f"{OWED}: {left}" if left else "")
