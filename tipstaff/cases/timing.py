"""The clocks of a case in people's hands: shorten, lengthen, pause, resume. Every change keeps its reason and is told."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from tipstaff.cases import dues, people, writing
from tipstaff.cases.journal import journal, locked, owe
from tipstaff.cases.models import Case, Clock, ClockChange, Pause, Proof, Statement
from tipstaff.cases.models_time import RUNNING
from tipstaff.cases.states import ENDED, PAUSABLE, Duty, State, family
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import deadlines
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition, Role, Trigger

DISPUTED, UNDER_APPEAL = "disputed", "under appeal"  # pauses of the lifecycle's own, which its rules end
SHOWN = ("acknowledge", "resolve", "quiet", "dispute", "warning", "emergency", "second", "probation", "final_notice", "data_window",
         "appeal")  # fmt: skip
MORE_TIME = "the customer asks for more time"
EXTENDED = (State.TICKETED, State.ACKNOWLEDGED, State.NOT_ADEQUATE)  # where a time that was over may be given anew
#: State → the clock that is the customer's in it: of what it measures, more may be asked for and given.
CUSTOMERS = {
    **dict.fromkeys((*EXTENDED, State.EMERGENCY_BLOCK, State.DISPUTED), "resolve"),
    State.DISCONNECT_PENDING: "warning", State.DISCONNECTED: "second", State.TERMINATION_PENDING: "final_notice",
}  # fmt: skip
NO_TIME = "no time of the customer's runs for this case now"


def customers_time(case: Case) -> datetime | None:
    """When the customer's time ends in the case's present state, or ended; None where none of its clocks runs."""
    kind = CUSTOMERS.get(State(case.state))
    if kind == "resolve" and case.state != State.DISPUTED:
        return case.resolve_due_at
    running = Clock.objects.filter(RUNNING, case=case, kind=kind).values_list("due_at", flat=True) if kind else ()
    return next(iter(running), None)


def asked(case: Case) -> "QuerySet[Statement]":
    """Requests for more of the time that runs now, which nobody has answered: at most one of each time."""
    rows = Statement.objects.filter(case=case, kind="extension", answered_at__isnull=True).order_by("pk")
    kind = CUSTOMERS.get(State(case.state), "resolve")
    if kind == "resolve":
        return rows
    began = Clock.objects.filter(case=case, kind=kind, fired_at__isnull=True, cancelled_at__isnull=True)
    return rows.filter(at__gte=began.values("started_at")[:1])


@transaction.atomic
def extend(*, case: int, until: datetime, reason: str, by: str, now: datetime) -> ClockChange:
    """Give more of the time that is the customer's in this state: to resolve, before a restriction, before the end.

    Nothing else moves or stands still. Refused where none runs, where it stands still, and beyond the law's limit.
    """
    found = locked(case)
    kind = CUSTOMERS.get(State(found.state), "resolve")
    if kind == "resolve":
        return change(case=case, resolve_due=until, reason=reason, by=by, now=now, what="extension")
    role = people.require(by, Role.ANALYST)
    clock = Clock.objects.filter(case=found, kind=kind, fired_at__isnull=True, cancelled_at__isnull=True).first()
    if clock is None:
        raise Refused(NO_TIME)
    if clock.pause_id is not None:
        raise Refused("the time stands still; end the pause first")
    if until <= max(now, clock.due_at):
        raise InputError(Problem("until", "is not later than the present time", "choose a later moment"))
    longest = deadlines.category(policy.compiled(found.edition), found.category).resolve_at_most
    if kind == "warning" and longest is not None and found.ticketed_at is not None and until > found.ticketed_at + longest:
        raise Refused(f"this lies beyond what the law allows: at most {found.ticketed_at + longest:%Y-%m-%d %H:%M} UTC")
    row = ClockChange.objects.create(
        case=found, clock=kind, change="extension", reason=reason.strip(), role=role, by=by, at=now, old_due_at=clock.due_at,
        new_due_at=until,
    )  # fmt: skip
    Clock.objects.filter(pk=clock.pk).update(due_at=until)
    retime([found.pk])
    text = f"more time, {kind.replace('_', ' ')}: until {until:%Y-%m-%d %H:%M} UTC ({reason.strip()})"
    journal(case=found, kind="clock", text=text, by=by, now=now, internal=False, change=row.pk, due_at=until.isoformat())
    return row


@transaction.atomic
def change(*, case: int, resolve_due: datetime, reason: str, by: str, now: datetime, what: str = "") -> ClockChange:
    """Shorten or lengthen the time to resolve (H3), or give time anew when it was over and nothing has followed from it yet.

    Refused beyond the law's limit, or into the past; the customer is told.
    """
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "a changed time needs its reason"))
    found = locked(case)
    role = people.require(by, Role.ANALYST)
    clock = Clock.objects.filter(case=found, kind="resolve", fired_at__isnull=True, cancelled_at__isnull=True).first()
    before = clock.due_at if clock is not None else _over(found, now)
    if found.ticketed_at is None or before is None:
        raise Refused("no time to resolve runs for this case")
    if clock is not None and clock.pause_id is not None:
        raise Refused("the time stands still; end the pause first")
    if resolve_due <= now:
        raise InputError(Problem("resolve_due", "lies in the past", "choose a later moment"))
    edition = policy.compiled(found.edition)
    current = deadlines.Due(found.ack_due_at, found.resolve_due_at)
    due = deadlines.changed(edition, found.category, ticketed_at=found.ticketed_at, current=current, resolve_due=resolve_due)
    longer = before < resolve_due
    row = ClockChange.objects.create(
        case=found, clock="resolve", change=what or ("lengthen" if longer else "shorten"), reason=reason.strip(), role=role, by=by,
        at=now, old_due_at=before, new_due_at=resolve_due,
    )  # fmt: skip
    if clock is None:
        clock = Clock.objects.create(case=found, kind="resolve", started_at=now, due_at=resolve_due)
        # What was proven by the time that ran out is not held against whom more was given; what a retest proved stays.
        silent = Q(trigger=Trigger.DISREGARDED) | Q(trigger=Trigger.INADEQUATE, at__gte=before)
        Proof.objects.filter(silent, case=found, withdrawn_at__isnull=True).update(withdrawn_at=now)
        asked = Statement.objects.filter(case=found, kind="extension", answered_at__isnull=True).exists()
        turn = {"waiting_on": "us", "needs_person": MORE_TIME} if asked else {"waiting_on": "customer", "needs_person": ""}
        Case.objects.filter(pk=found.pk).update(**turn)
    _move(found, edition, due, clock, now)
    text = f"the time to resolve is {'longer' if longer else 'shorter'}: until {resolve_due:%Y-%m-%d %H:%M} UTC ({reason.strip()})"
    journal(case=found, kind="clock", text=text, by=by, now=now, internal=False, change=row.pk, due_at=resolve_due.isoformat())
    owe(case=found, duty=Duty.DUE_CHANGED, now=now, due_at=resolve_due.isoformat(), reason=reason.strip())
    return row


def _over(case: Case, now: datetime) -> datetime | None:
    """When the customer's time was over, while a person may still give more; None otherwise."""
    due = case.resolve_due_at
    return due if due is not None and due <= now and case.state in EXTENDED else None


def _move(case: Case, edition: Edition, due: deadlines.Due, clock: Clock, now: datetime) -> None:
    """The clock, the reminders that still lie ahead, and an acknowledgement that must not come later."""
    assert due.resolve is not None
    Clock.objects.filter(pk=clock.pk).update(due_at=due.resolve)
    running = Clock.objects.filter(case=case, fired_at__isnull=True, cancelled_at__isnull=True)
    if due.ack is not None:
        running.filter(kind="acknowledge", due_at__gt=due.ack).update(due_at=due.ack)
    running.filter(kind__startswith="remind_resolve_").update(cancelled_at=now)
    ahead = [start for start in dues.reminders(edition, "resolve", clock.started_at, due.resolve) if start.due_at > now]
    writing.write_clocks([(case.pk, start) for start in ahead])
    retime([case.pk])


@transaction.atomic
def pause(*, case: int, clocks: Iterable[str], reason: str, by: str, now: datetime, until: datetime | None = None) -> Pause:
    """Let clocks stand still, with a reason; ``until``: the pause ends by itself then."""
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "a pause needs its reason"))
    if until is not None and until <= now:
        raise InputError(Problem("until", "lies in the past", "choose a later moment"))
    people.require(by, Role.ANALYST)
    found = locked(case)
    if found.state in ENDED:
        raise Refused(f"case {found.pk} has ended ({found.state})")
    return stand_still(case=found, families=frozenset(clocks), reason=reason, by=by, now=now, until=until)


def stand_still(
    *, case: Case, families: frozenset[str], reason: str, by: str, now: datetime, until: datetime | None = None
) -> Pause:
    """As ``pause``, for a case that is locked already; without a person's role."""
    running = Clock.objects.filter(case=case, fired_at__isnull=True, cancelled_at__isnull=True, pause__isnull=True)
    chosen = [clock for clock in running if family(clock.kind) in families & PAUSABLE or clock.kind in families & PAUSABLE]
    if not chosen:
        raise Refused("none of these clocks runs")
    row = Pause.objects.create(
        case=case, clocks=[clock.kind for clock in chosen], reason=reason, from_at=now, until_at=until, by=by
    )
    Clock.objects.filter(pk__in=[clock.pk for clock in chosen]).update(pause=row)
    if until is not None:
        Clock.objects.filter(case=case, kind="pause", fired_at__isnull=True, cancelled_at__isnull=True).update(cancelled_at=now)
        Clock.objects.create(case=case, kind="pause", started_at=now, due_at=until, note=reason)
    journal(
        case=case, kind="clock", text=f"{', '.join(row.clocks)} stand still: {reason}", by=by, now=now, internal=False, pause=row.pk
    )
    retime([case.pk])
    return row


@transaction.atomic
def resume(*, pause: int, by: str, now: datetime) -> Pause:
    """End a pause: its clocks go on, later by as long as it lasted."""
    row = Pause.objects.filter(pk=pause).first()
    if row is None:
        raise NotFound(f"there is no pause {pause}")
    people.require(by, Role.ANALYST)
    case = locked(row.case_id)
    if case.state == State.APPEAL:
        raise Refused("every clock stands still until the appeal is decided")
    if not go_on(case=case, by=by, now=now, only=row.pk):
        raise Refused("that pause has ended already")
    return Pause.objects.get(pk=pause)


def go_on(*, case: Case, by: str, now: datetime, only: int | None = None, due: bool = False) -> int:
    """End pauses of the case: ``only`` one; ``due``: those whose time is over; else those and the lifecycle's own. How many.

    What a person paused for longer, or until further notice, stays as that person left it.
    """
    rows = Pause.objects.filter(case=case, ended_at__isnull=True)
    over = Q(until_at__lte=now)
    own = Q(reason__in=(DISPUTED, UNDER_APPEAL), until_at__isnull=True)
    ended = list(rows.filter(pk=only) if only else rows.filter(over if due else over | own))
    for row in ended:
        lasted = now - row.from_at
        for clock in Clock.objects.filter(pause=row, fired_at__isnull=True, cancelled_at__isnull=True):
            Clock.objects.filter(pk=clock.pk).update(due_at=clock.due_at + lasted, pause=None)
        row.ended_at, row.ended_by = now, by
        row.save(update_fields=["ended_at", "ended_by"])
        journal(case=case, kind="clock", text=f"{', '.join(row.clocks)} go on", by=by, now=now, internal=False, pause=row.pk)
    if ended:
        Clock.objects.filter(case=case, kind="pause", fired_at__isnull=True, cancelled_at__isnull=True, due_at__lte=now).update(
            cancelled_at=now
        )
        retime([case.pk])
    return len(ended)


def retime(cases: Iterable[int]) -> None:
    """The moments shown in lists, from the clocks that run."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE cases_case c SET next_due_at = g.due, resolve_due_at = coalesce(g.resolve, c.resolve_due_at),
                   ack_due_at = coalesce(g.ack, c.ack_due_at)
               FROM (SELECT n.id, min(k.due_at) FILTER (WHERE k.kind = ANY(%s) AND k.pause_id IS NULL) AS due,
                            min(k.due_at) FILTER (WHERE k.kind = 'resolve') AS resolve,
                            min(k.due_at) FILTER (WHERE k.kind = 'acknowledge') AS ack
                     FROM unnest(%s::bigint[]) AS n(id) LEFT JOIN cases_clock k
                          ON k.case_id = n.id AND k.fired_at IS NULL AND k.cancelled_at IS NULL GROUP BY 1) AS g
               WHERE c.id = g.id""",
            [list(SHOWN), list(cases)],
        )
