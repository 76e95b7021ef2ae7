"""Firing what is due, in the order of its true due time: never missed, never twice.

Rows are the truth: whatever was not fired when we were down is found and fired now, each with its true due time in the
journal. One sweeper at a time holds the turn, so that the order is one; any other stands by. A clock is marked in the
transaction that carries out what follows from it: killed in between, neither has happened.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from tipstaff.cases import authority, knowing, measures
from tipstaff.cases.advancing import Act, advance_many
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.knowing import Running
from tipstaff.cases.models import Case, Clock
from tipstaff.cases.states import CLOCKS, family

log = logging.getLogger(__name__)
BY = "system:clock"
TURN = 7_114_011  # the advisory lock of whoever sweeps
AT_ONCE = 2000
LOST = (OperationalError, InterfaceError)


def fire_due(*, now: datetime, most: int = AT_ONCE) -> int:
    """Fire up to ``most`` clocks that are due, the earliest first. Returns how many; 0 also when another has the turn."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [TURN])
            if not cursor.fetchone()[0]:
                return 0
        due = knowing.due(now, most)
        free = _free({clock.case for clock in due})
        mine = [clock for clock in due if clock.case in free]
        _fire(mine, now)
        measures.expire(now=now)
        _say_what_is_owed(now)
    return len(mine)


def _say_what_is_owed(now: datetime) -> None:
    """What is owed to an authority and past due goes to whoever is on call; one that cannot be said keeps nothing else back."""
    owed = authority.past_due(now)
    free = _free({row.case_id for row in owed}) if owed else set()
    for row in owed:
        if row.case_id not in free:
            continue
        try:
            authority.alarm(duty=row.pk, now=now)
        except LOST:
            raise
        except Exception:
            log.exception("nobody could be alerted of duty %s of case %s", row.pk, row.case_id)


def _free(cases: set[int]) -> set[int]:
    """Those that nobody else holds, held now. Somebody who answers at this very moment was first: the next look decides."""
    rows = Case.objects.select_for_update(skip_locked=True, no_key=True).filter(pk__in=cases).order_by("pk")
    return set(rows.values_list("pk", flat=True))


def _fire(clocks: Sequence[Running], now: datetime) -> None:
    """All of them; where one cannot be fired, halve until it stands alone, and let the rest go on."""
    if not clocks:
        return
    acts = [Act(clock.case, CLOCKS[family(clock.kind)], clock=clock) for clock in clocks]
    try:
        with transaction.atomic():
            advance_many(acts, by=BY, now=now)
    except LOST:
        raise
    except Exception as error:
        if len(clocks) > 1:
            half = len(clocks) // 2
            _fire(clocks[:half], now)
            _fire(clocks[half:], now)
            return
        log.exception("clock %s of case %s cannot be fired", clocks[0].kind, clocks[0].case)
        _give_to_a_person(clocks[0], error, now)


def _give_to_a_person(clock: Running, error: Exception, now: datetime) -> None:
    """It is fired, nothing follows by itself, and the case says so: a missed deadline must be seen."""
    what = "the database refused it" if isinstance(error, DatabaseError) else f"{type(error).__name__}: {error}"
    text = f"the clock {clock.kind} ran out at {clock.due_at:%Y-%m-%d %H:%M:%S} UTC, and what follows failed: {what[:300]}"
    case = locked(clock.case)
    Clock.objects.filter(pk=clock.pk).update(fired_at=now, note=what[:500])
    Case.objects.filter(pk=case.pk).update(needs_person=text, waiting_on="us")
    journal(case=case, kind="clock", text=text, by=BY, now=now, clock=clock.kind, due_at=clock.due_at.isoformat())
