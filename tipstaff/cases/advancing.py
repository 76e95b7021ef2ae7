"""The one place where a case changes its state: rows are locked, facts are gathered, the table decides, everything is written.

``advance_many`` is a batch in the caller's transaction or one of its own; ``advance`` is a batch of one that raises what is
refused. Messages are rendered by whoever sends them, after the commit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
from django.db import connection, transaction
from django.db.models import Model
from django.db.models.base import ModelState

from tipstaff.accounts import contracts
from tipstaff.accounts.models import Customer, Service
from tipstaff.cases import asked_for, dues, effects, knowing, writing
from tipstaff.cases.facts import Facts
from tipstaff.cases.knowing import Running
from tipstaff.cases.lifecycle import Decision, NoRule, decide
from tipstaff.cases.models import Case
from tipstaff.cases.states import ENDED, Effect, Event, State, family
from tipstaff.kernel import bulk
from tipstaff.kernel.errors import NotFound, Refused

M = TypeVar("M", bound=Model)
#: For this long a person may take back what was just decided; nobody is told meanwhile.
UNDO_TIME = timedelta(seconds=30)
#: Clocks whose end is shown in lists as the moment that counts.
SHOWN = frozenset({"acknowledge", "resolve", "quiet", "dispute", "warning", "emergency", "second", "probation", "final_notice"}) | {
    "data_window",
    "appeal",
}


#: What a decision reads or writes; anything else of a case is read when somebody asks for it.
_OF_CASE = (
    "id", "customer_id", "service_id", *writing.COLUMNS, "category", "clause", "severity", "edition_id", "brand", "headline",
    "parent_id", "owner_id", *asked_for.FACTS, "label", "seen_at", "desk_due_at", "last_event_at",
)  # fmt: skip
_OF_CUSTOMER = ("id", "contract", "protected_class", "parent_id")
_OF_SERVICE = ("id", "protected_class", "managed_by")
_CUSTOMERS = ", ".join(contracts.AT_OPENING if name == "contract" else f"u.{name}" for name in _OF_CUSTOMER)
_LOCK = f"""
    SELECT {", ".join(f"c.{name}" for name in _OF_CASE)}, {_CUSTOMERS},
        {", ".join(f"s.{name}" for name in _OF_SERVICE)}
    FROM cases_case c JOIN accounts_customer u ON u.id = c.customer_id LEFT JOIN accounts_service s ON s.id = c.service_id
    WHERE c.id = ANY(%s::bigint[]) ORDER BY c.id FOR NO KEY UPDATE OF c
"""  # noqa: S608 - our own words only


@dataclass(frozen=True, slots=True)
class Act:
    """One event of one case: what was said with it, what only the caller knows, and the clock that ran out."""

    case: int
    event: Event
    words: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    until: Mapping[str, datetime] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    clock: Running | None = None
    undoable: bool = False  # nobody is told before the time to undo has passed
    told: bool = False  # whoever is concerned knows already: nobody is told again


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an act; ``decision`` is None where the table refused it or the clock no longer ran."""

    case: Case
    before: State
    decision: Decision | None
    facts: Facts
    refused: str = ""


@transaction.atomic
def advance(act: Act, *, by: str, now: datetime) -> Outcome:
    """One act. Raises NotFound, or Refused with the table's reason."""
    (outcome,) = advance_many([act], by=by, now=now)
    if outcome.refused:
        raise Refused(outcome.refused)
    return outcome


@transaction.atomic
def advance_many(acts: Sequence[Act], *, by: str, now: datetime) -> list[Outcome]:
    """Every act in its order. What the table refuses is an outcome with the reason, and changes nothing."""
    return [outcome for run in _runs(acts) for outcome in _advance(run, by, now)]


def _runs(acts: Sequence[Act]) -> Iterator[list[Act]]:
    """Stretches in which no case comes twice, so that a later act sees what an earlier one did."""
    run: list[Act] = []
    seen: set[int] = set()
    for act in acts:
        if act.case in seen:
            yield run
            run, seen = [], set()
        run.append(act)
        seen.add(act.case)
    if run:
        yield run


def _advance(acts: Sequence[Act], by: str, now: datetime) -> list[Outcome]:
    cases = locked([act.case for act in acts])
    missing = [act.case for act in acts if act.case not in cases]
    if missing:
        raise NotFound(f"there is no case {missing[0]}")
    known = knowing.load(list(cases.values()), {act.event for act in acts})
    work = writing.Work(now, by)
    outcomes = [_decide(cases[act.case], act, known, work) for act in acts]
    work.write()
    effects.carry_out(
        [
            effects.Given(outcome.case, outcome.decision, outcome.facts, act.words or outcome.decision.rule.text, by, now)
            for outcome, act in zip(outcomes, acts, strict=True)
            if outcome.decision is not None and outcome.decision.rule.effects
        ]
    )
    return outcomes


def locked(numbers: Sequence[int]) -> dict[int, Case]:
    """The cases, held in one order until the transaction ends; customers and services beside them.

    By thousands each second: as rows, since making models the usual way costs more than all that is decided with them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [bulk.array_of_values(sorted(set(numbers)))])
        rows = cursor.fetchall()
    first, second = len(_OF_CASE), len(_OF_CASE) + len(_OF_CUSTOMER)
    found = {}
    for row in rows:
        case = _partly(Case, _OF_CASE, row[:first])
        case.customer = _partly(Customer, _OF_CUSTOMER, row[first:second])
        case.customer.contract = orjson.loads(row[first + 1])
        case.service = _partly(Service, _OF_SERVICE, row[second:]) if row[second] is not None else None
        found[case.pk] = case
    return found


def _partly(model: type[M], names: Sequence[str], values: Sequence[Any]) -> M:
    """A row of the database with these of its fields; Django reads any other one when it is asked for."""
    row = model.__new__(model)
    row._state = ModelState()
    row._state.adding, row._state.db = False, connection.alias
    row.__dict__.update(zip(names, values, strict=True))
    return row


def _decide(case: Case, act: Act, known: knowing.Known, work: writing.Work) -> Outcome:
    facts = knowing.facts_of(case, known, work.now, act.given, act.clock.kind if act.clock else "")
    if act.clock is not None:
        if not any(clock.pk == act.clock.pk and clock.pause is None for clock in known.clocks.get(case.pk, ())):
            return Outcome(case, facts.state, None, facts)  # cancelled or paused by an act before it
        work.fired.append(act.clock.pk)
    try:
        decision = decide(facts, act.event)
    except Refused as refused:
        if act.clock is not None:
            work.journal(case, "clock", f"{act.event}: nothing follows ({refused})", detail=_clock_detail(act, work.now))
        return Outcome(case, facts.state, None, facts, "" if act.clock and isinstance(refused, NoRule) else str(refused))
    _carry(case, act, facts, decision, known.clocks.get(case.pk, []), work)
    return Outcome(case, facts.state, decision, facts)


def _carry(case: Case, act: Act, facts: Facts, decision: Decision, clocks: Sequence[Running], work: writing.Work) -> None:
    """The new state on the row, its clocks, the journal, the proof and who must be told."""
    rule, before, stood = decision.rule, _before(case), writing.standing(case)
    left = [clock for clock in clocks if act.clock is None or clock.pk != act.clock.pk]
    gone = [clock for clock in left if family(clock.kind) not in dues.survivors(facts.state, decision)]
    left = [clock for clock in left if clock not in gone]
    work.cancelled += [clock.pk for clock in gone]
    work.idle |= {clock.pause for clock in gone if clock.pause is not None}
    starts = dues.starts(rule.start, facts, work.now, act.until)
    replaced = {start.kind for start in starts}
    work.cancelled += [clock.pk for clock in left if clock.kind in replaced]
    left = [clock for clock in left if clock.kind not in replaced]
    work.starts += [(case.pk, start) for start in starts]
    passed = act.clock.due_at if act.clock is not None else case.next_due_at if case.needs_person else None
    _set(case, facts, decision, starts, left, work.now)
    _keep_in_sight(case, passed, work.now)
    work.changed.append((case, stood))
    if rule.proof and rule.proof not in facts.proofs:
        work.proofs.append((case.pk, rule.proof, act.words or rule.text, dict(act.detail)))
    _note(case, act, facts, decision, before, work)


def _set(
    case: Case, facts: Facts, decision: Decision, starts: Sequence[dues.Start], left: Sequence[Running], now: datetime
) -> None:
    rule, state = decision.rule, decision.state
    moments = {start.kind: start.due_at for start in starts}
    changed = state is not facts.state
    case.state = state
    if rule.person:
        case.needs_person = decision.person
    elif changed or facts.state is State.TRIAGE:
        case.needs_person = ""
    if changed or rule.person:
        case.waiting_on = decision.turn
    if (state is State.TICKETED and case.ticketed_at is None) or (state is State.EMERGENCY_BLOCK and case.ticketed_at is None):
        case.ticketed_at = case.noticed_at = now
    case.ack_due_at = moments.get("acknowledge", case.ack_due_at)
    case.resolve_due_at = moments.get("resolve", case.resolve_due_at)
    if state is State.FIX_CLAIMED and changed:
        case.fix_claimed_at = now
    if Effect.RETURN in rule.effects:
        case.returned += 1
    if state is State.ACKNOWLEDGED and case.acknowledged_at is None:
        case.acknowledged_at = now
    if state in ENDED and changed:
        case.closed_at, case.accepting = now, False
        case.outcome = state
    elif state not in ENDED and case.closed_at is not None:  # an appeal brings it back to the desk
        case.closed_at, case.outcome = None, ""
    shown = [clock.due_at for clock in left if clock.pause is None and clock.kind in SHOWN]
    shown += [moment for kind, moment in moments.items() if kind in SHOWN]
    case.next_due_at = min(shown, default=case.desk_due_at if state is State.TRIAGE else None)


def _keep_in_sight(case: Case, passed: datetime | None, now: datetime) -> None:
    """A case whose time ran out and that waits for a person stays where the desk looks first: among what is past due."""
    if case.needs_person and case.state not in ENDED and passed is not None and passed <= now:
        case.next_due_at = min(filter(None, (passed, case.next_due_at)))


def _before(case: Case) -> dict[str, Any]:
    """What ``undo`` puts back."""
    moment = case.next_due_at.isoformat() if case.next_due_at else ""
    return {
        "state": case.state,
        "accepting": case.accepting,
        "next_due_at": moment,
        "waiting_on": case.waiting_on,
        "needs_person": case.needs_person,
    }


def _clock_detail(act: Act, now: datetime) -> dict[str, Any]:
    if act.clock is None:
        return {}
    late = max((now - act.clock.due_at).total_seconds(), 0)
    return {"clock": act.clock.kind, "due_at": act.clock.due_at.isoformat(), "late_s": round(late, 3)}


def _note(case: Case, act: Act, facts: Facts, decision: Decision, before: dict[str, Any], work: writing.Work) -> None:
    rule, changed = decision.rule, decision.state is not facts.state
    kind = "state" if changed else "clock" if act.clock is not None else "event"
    text = f"{decision.state}: {rule.text}" if changed else rule.text
    if act.words:
        text += f" ({act.words})" if act.clock is not None else f": {act.words}"
    detail = {"event": act.event.name, "clause": decision.clause, **_clock_detail(act, work.now), **act.detail}
    if changed:
        detail |= {"state": str(decision.state), "before": before}
    sealed = State.RESTRICTED_CASE in (facts.state, decision.state)
    work.journal(case, kind, text, detail=detail, internal=bool(rule.person) or sealed or act.event is Event.ALERT_DUE)
    if act.told or (case.ticketed_at is None and decision.state not in ENDED):
        return
    for duty, audiences in rule.notices:
        work.owe(
            case,
            duty,
            _audiences(case, audiences, sealed, facts),
            {"clause": decision.clause, "event": act.event.name, **act.detail},
            act.undoable,
        )


def _audiences(case: Case, audiences: Sequence[str], sealed: bool, facts: Facts) -> list[str]:
    """Whom it concerns: nobody where sealed, no customer who was never told, a reseller only where there is one."""
    told = case.ticketed_at is not None and facts.category.customer_told
    fits = {"customer": told, "reseller": told and case.customer.parent_id is not None, "reporter": True}
    return [] if sealed else [audience for audience in audiences if fits.get(audience, True)]
