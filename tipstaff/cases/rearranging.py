"""Merge, split and move: events, reporters and history go along, and every such change can be undone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tipstaff.audit.services import record
from tipstaff.cases import people, wrong
from tipstaff.cases.advancing import Act, advance_many
from tipstaff.cases.grouping import group_key
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Case, CaseChange, CaseLink, Clock, MovedEvent, Notice
from tipstaff.cases.models_time import RUNNING
from tipstaff.cases.states import RUNS, Event, State, family
from tipstaff.cases.undoing import put_back
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.edition import Role

KEPT = ("state", "outcome", "accepting", "waiting_on", "events", "reports", "reporters", "merged_into_id")
STANDING = ("state", "outcome", "accepting", "waiting_on")  # put back together with the moments
TIMES = ("closed_at", "next_due_at", "first_event_at", "last_event_at")


@transaction.atomic
def merge(*, cases: Sequence[int], into: int, by: str, now: datetime, reason: str = "") -> CaseChange:
    """Carry everything of ``cases`` into one. All must be open and of one customer (a wrong merge accuses the wrong one)."""
    people.require(by, Role.ANALYST)
    _hold([into, *cases])
    target = _open(into)
    others = [_open(number) for number in sorted(set(cases) - {target.pk})]
    if not others:
        raise InputError(Problem("cases", "there is nothing to merge", "choose at least two cases"))
    strangers = [case.pk for case in others if case.customer_id != target.customer_id]
    if strangers:
        raise Refused(f"cases {strangers} belong to another customer; move the events that were attributed wrongly instead")
    change = CaseChange.objects.create(kind="merge", by=by, at=now, reason=reason, before=_snapshot([target, *others]))
    advance_many([Act(case.pk, Event.MERGED, f"into case {target.pk}", undoable=True) for case in others], by=by, now=now)
    for case in others:
        case.refresh_from_db()
        if case.state != State.MERGED:
            raise Refused(f"case {case.pk} has a restriction that stands: lift it, or merge the other cases into it")
        _carry(change, case.pk, target.pk, None)
        CaseLink.objects.get_or_create(case=target, other=case, kind="merged", defaults={"at": now, "by": by})
        case.merged_into = target
        case.save(update_fields=["merged_into"])
        journal(
            case=case,
            kind="merge",
            text=f"merged into case {target.pk}" + (f": {reason}" if reason else ""),
            by=by,
            now=now,
            into=target.pk,
            change=change.pk,
        )
    recount([target.pk, *[case.pk for case in others]])
    numbers = ", ".join(str(case.pk) for case in others)
    journal(
        case=target,
        kind="merge",
        text=f"took in case {numbers}" + (f": {reason}" if reason else ""),
        by=by,
        now=now,
        cases=[case.pk for case in others],
        change=change.pk,
    )
    record(by=by, action="case.merge", subject=f"case:{target.pk}", reason=reason, now=now, cases=[case.pk for case in others])
    return change


@transaction.atomic
def split(*, case: int, event_keys: Sequence[UUID], by: str, now: datetime, reason: str) -> tuple[Case, CaseChange]:
    """Set some events of a case apart in a case of their own. New events go on joining the old one."""
    people.require(by, Role.ANALYST)
    source = _open(case)
    _reasoned(reason)
    change = CaseChange.objects.create(kind="split", by=by, at=now, reason=reason, before=_snapshot([source]))
    fresh = Case.objects.get(pk=source.pk)
    fresh.pk, fresh.owner_id, fresh.opened_by, fresh.opened_at = None, source.owner_id, by, now
    fresh.group_key = group_key(source.customer_id, source.service_id, source.category, source.brand, part=f"split {change.pk}")
    _unrestricted(fresh)
    fresh.save(force_insert=True)
    Clock.objects.bulk_create(
        Clock(case=fresh, kind=clock.kind, started_at=clock.started_at, due_at=clock.due_at, note=f"split from case {source.pk}")
        for clock in Clock.objects.filter(RUNNING, case=source)
        if family(clock.kind) in RUNS[State(fresh.state)]
    )
    count = _carry(change, source.pk, fresh.pk, event_keys)
    if not count:
        raise InputError(Problem("events", f"are not in case {source.pk}", "choose events of this case"))
    recount([source.pk, fresh.pk])
    CaseLink.objects.create(case=fresh, other=source, kind="split_from", at=now, by=by)
    journal(case=fresh, kind="opened", text=f"split from case {source.pk}: {reason}", by=by, now=now, change=change.pk)
    journal(
        case=source,
        kind="split",
        text=f"{count} events split into case {fresh.pk}: {reason}",
        by=by,
        now=now,
        change=change.pk,
    )
    record(by=by, action="case.split", subject=f"case:{source.pk}", reason=reason, now=now, into=fresh.pk)
    fresh.refresh_from_db()
    return fresh, change


@transaction.atomic
def move(*, event_keys: Sequence[UUID], to: int, by: str, now: datetime, reason: str) -> CaseChange:
    """Carry events to another open case, also of another customer: a person has decided whose they are."""
    people.require(by, Role.ANALYST)
    _reasoned(reason)
    _hold([to, *_cases_of(event_keys)])
    target = _open(to)
    sources = _cases_of(event_keys) - {target.pk}
    if not sources:
        raise InputError(Problem("events", "are in that case already, or in none", "choose events of another case"))
    held = [locked(number) for number in sorted(sources)]
    change = CaseChange.objects.create(kind="move", by=by, at=now, reason=reason, before=_snapshot([target, *held]))
    for source in held:
        count = _carry(change, source.pk, target.pk, event_keys)
        journal(
            case=source, kind="move", text=f"{count} events moved to case {target.pk}: {reason}", by=by, now=now, change=change.pk
        )
    journal(case=target, kind="move", text=f"events moved here from {sorted(sources)}: {reason}", by=by, now=now, change=change.pk)
    recount([target.pk, *sources])
    for source in held:
        source.refresh_from_db()
        if not source.events and source.customer_id != target.customer_id and source.ticketed_at is not None:
            wrong.withdrawn(
                case=source.pk, reason=f"its events belong to somebody else (case {target.pk}): {reason}", by=by, now=now
            )
    record(by=by, action="case.move", subject=f"case:{target.pk}", reason=reason, now=now, sources=sorted(sources))
    return change


@transaction.atomic
def undo(*, change: int, by: str, now: datetime) -> CaseChange:
    """Take a change back: every event returns to where it was, and closed cases are what they were."""
    people.require(by, Role.ANALYST)
    found = CaseChange.objects.select_for_update().filter(pk=change).first()
    if found is None:
        raise NotFound(f"there is no change {change}")
    if found.undone_at is not None:
        raise Refused(f"change {change} was undone by {found.undone_by}")
    made = {str(number) for number in MovedEvent.objects.filter(change=found).values_list("to_case", flat=True)}
    about = sorted(made | set(found.before))
    later = CaseChange.objects.filter(pk__gt=found.pk, undone_at__isnull=True, before__has_any_keys=about).first()
    if later is not None:
        raise Refused(f"undo the later {later.kind} (change {later.pk}) of these cases first")
    _hold([int(number) for number in about])
    touched = _carry_back(found)
    for number, fields in found.before.items():
        case = Case.objects.select_for_update().get(pk=int(number))
        for name in KEPT:
            if name not in STANDING:
                setattr(case, name, fields[name])
        for name in ("first_event_at", "last_event_at"):
            setattr(case, name, datetime.fromisoformat(fields[name]) if fields[name] else None)
        # Where a newer case of the same group has taken its place meanwhile, it stands beside that one.
        taken = Case.objects.filter(group_key=case.group_key, accepting=True).exclude(pk=case.pk).exists()
        put_back(case, {**fields, "accepting": fields["accepting"] and not taken})
        Clock.objects.filter(case=case, cancelled_at=found.at).update(cancelled_at=None)
        Notice.objects.filter(case=case, created_at=found.at, rendered_at__isnull=True).update(refused="undone")
        case.save()
        journal(case=case, kind=found.kind, text=f"{found.kind} undone", by=by, now=now, change=found.pk)
    for number in touched - {int(number) for number in found.before}:  # the case that a split had made
        advance_many([Act(number, Event.DUPLICATE, "the split was undone")], by=by, now=now)
        journal(case=Case.objects.get(pk=number), kind=found.kind, text="the split was undone", by=by, now=now, change=found.pk)
    recount(sorted(touched | {int(number) for number in found.before}))
    found.undone_at, found.undone_by = now, by
    found.save(update_fields=["undone_at", "undone_by"])
    record(by=by, action=f"case.{found.kind}.undo", subject=f"change:{found.pk}", now=now)
    return found


def _unrestricted(fresh: Case) -> None:
    """What is set apart begins without the restrictions of its source: told already where its source was, else in TRIAGE."""
    if fresh.state not in {State.TRIAGE, State.TICKETED, State.ACKNOWLEDGED}:
        fresh.state, fresh.needs_person, fresh.waiting_on = State.TRIAGE, "split off: what is it by itself?", "us"
        fresh.ticketed_at = fresh.ack_due_at = fresh.resolve_due_at = fresh.fix_claimed_at = None
        fresh.next_due_at, fresh.returned = fresh.desk_due_at, 0


def _hold(numbers: Sequence[int]) -> None:
    """Lock these cases in one order, so that two people never wait for each other."""
    list(Case.objects.select_for_update().filter(pk__in=sorted(set(numbers))).order_by("pk").values_list("pk"))


def _open(number: int) -> Case:
    case = locked(number)
    if case.closed_at is not None:
        raise Refused(f"case {case.pk} is closed ({case.outcome})")
    return case


def _reasoned(reason: str) -> None:
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "say why these events belong elsewhere"))


def _snapshot(cases: Sequence[Case]) -> dict[str, Any]:
    def of(case: Case) -> dict[str, Any]:
        times = {name: at.isoformat() if (at := getattr(case, name)) else None for name in TIMES}
        return {name: getattr(case, name) for name in KEPT} | times

    return {str(case.pk): of(case) for case in cases}


def _cases_of(keys: Sequence[UUID]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT case_id FROM reports_event WHERE key = ANY(%s) AND case_id IS NOT NULL", [list(keys)])
        return {row[0] for row in cursor.fetchall()}


def _carry(change: CaseChange, source: int, target: int, keys: Sequence[UUID] | None) -> int:
    """Move events, all or the named ones, with the reports they came in; remember each. Returns how many."""
    chosen = "AND key = ANY(%(keys)s)" if keys is not None else ""
    values: dict[str, Any] = {"source": source, "target": target, "change": change.pk, "keys": list(keys or [])}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH moved AS (UPDATE reports_event SET case_id = %(target)s WHERE case_id = %(source)s {chosen} RETURNING key)
                INSERT INTO cases_movedevent (change_id, event_key, from_case, to_case)
                SELECT %(change)s, key, %(source)s, %(target)s FROM moved""",  # noqa: S608 - a fixed fragment
            values,
        )
        return cursor.rowcount


def _carry_back(change: CaseChange) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE reports_event e SET case_id = m.from_case FROM cases_movedevent m
               WHERE m.change_id = %s AND e.key = m.event_key AND e.case_id = m.to_case""",
            [change.pk],
        )
    pairs = MovedEvent.objects.filter(change=change).values_list("from_case", "to_case").distinct()
    return {number for pair in pairs for number in pair}


#: Whose events count for a case: its own, those of its clients' cases, and of what was merged into it with its clients.
_HOLDERS = """
    WITH RECURSIVE up AS (
        SELECT unnest(%(cases)s::bigint[]) AS id
        UNION SELECT unnest(ARRAY[c.parent_id, c.merged_into_id]) FROM up JOIN cases_case c ON c.id = up.id),
    holders AS (
        SELECT id AS root, id AS holder FROM up WHERE id IS NOT NULL
        UNION SELECT h.root, c.id FROM holders h JOIN cases_case c ON c.parent_id = h.holder OR c.merged_into_id = h.holder)
"""


def recount(cases: Sequence[int]) -> None:
    """Events, reports, reporters and the times of these cases and of those above them, from the events themselves."""
    values = {"cases": list(cases)}
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS + "SELECT DISTINCT root FROM holders", values)  # noqa: S608 - fixed words
        values = {"cases": [row[0] for row in cursor.fetchall()]}
        cursor.execute("DELETE FROM cases_casereport WHERE case_id = ANY(%(cases)s)", values)
        cursor.execute(
            f"""{_HOLDERS} INSERT INTO cases_casereport (case_id, report_id, reporter_id, events, at)
               SELECT h.root, e.report_id, r.reporter_id, count(*), min(e.received_at)
               FROM holders h JOIN reports_event e ON e.case_id = h.holder JOIN reports_report r ON r.id = e.report_id
               WHERE h.root = ANY(%(cases)s) GROUP BY 1, 2, 3""",  # noqa: S608
            values,
        )
        cursor.execute(
            f"""{_HOLDERS} UPDATE cases_case c SET events = coalesce(g.events, 0), reports = coalesce(g.reports, 0),
                   reporters = coalesce(g.reporters, 0), first_event_at = g.first_at, last_event_at = g.last_at
               FROM unnest(%(cases)s::bigint[]) AS n(id) LEFT JOIN (
                   SELECT h.root, count(*) AS events, count(DISTINCT e.report_id) AS reports, min(e.occurred_at) AS first_at,
                          max(e.occurred_at) AS last_at, count(DISTINCT r.reporter_id) AS reporters
                   FROM holders h JOIN reports_event e ON e.case_id = h.holder JOIN reports_report r ON r.id = e.report_id
                   GROUP BY 1) AS g ON g.root = n.id
               WHERE c.id = n.id""",  # noqa: S608
            values,
        )
