"""When a clock that starts now is due, with its reminders. Pure: facts and moments in, moments out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tipstaff.cases.facts import Facts
from tipstaff.cases.lifecycle import Decision
from tipstaff.cases.states import CLOCKS, RUNS, Effect, State
from tipstaff.policy import deadlines, ladder
from tipstaff.policy.edition import Edition
from tipstaff.policy.switches import Acknowledgement


@dataclass(frozen=True, slots=True)
class Start:
    """One clock to start."""

    kind: str
    started_at: datetime
    due_at: datetime


def starts(kinds: Iterable[str], facts: Facts, now: datetime, until: Mapping[str, datetime]) -> list[Start]:
    """The clocks of these kinds. ``until`` fixes some moments (a block's end, a parent's time), 'customer' means both timers.

    A clock that runs already is left alone, save where ``until`` names it.
    """
    found: list[Start] = []
    for kind in kinds:
        if kind == "customer":
            due = deadlines.due(_allowance(facts), now, facts.edition, facts.category.code)
            found += customer(facts.edition, now, _inside(due, until))
        elif kind == "resolve":
            found += _resolve(facts, now, until)
        else:
            due_at = until.get(kind) or now + length(kind, facts)
            found.append(Start(kind, now, due_at))
    return [start for start in found if start.kind not in facts.running or start.kind in until]


def customer(edition: Edition, now: datetime, due: deadlines.Due) -> list[Start]:
    """Both timers of the customer and their reminders; an acknowledgement is timed only where the policy asks for one."""
    found: list[Start] = []
    asked = edition.switches.acknowledgement is Acknowledgement.ASKED
    if due.ack is not None and asked:
        found.append(Start("acknowledge", now, due.ack))
        if due.resolve is None or due.ack < due.resolve:
            found += reminders(edition, "acknowledge", now, due.ack)
    if due.resolve is not None:
        found.append(Start("resolve", now, due.resolve))
        found += reminders(edition, "resolve", now, due.resolve)
    return found


def reminders(edition: Edition, kind: str, started_at: datetime, due_at: datetime) -> Iterator[Start]:
    """At the edition's percentages of the time, each a clock of its own."""
    moments = deadlines.reminders(edition, started_at, due_at)
    for percent, moment in zip(edition.ladder.reminders, moments, strict=True):
        yield Start(f"remind_{kind}_{percent}", started_at, moment)


def length(kind: str, facts: Facts) -> timedelta:
    """How long a clock of this kind runs under the edition."""
    timers = facts.edition.timers
    last = ladder.terminating(facts.edition)
    return {
        "quiet": timers.quiet_period,
        "dispute": timers.dispute_decided,
        "warning": min(timers.final_warning, facts.category.resolve or timers.final_warning),
        "emergency": timers.emergency_block,
        "second": (last.after if last else None) or timers.second_timer,
        "probation": timers.probation,
        "final_notice": timers.final_notice,
        "data_window": timers.retrieval_window,
        "appeal": timers.appeal_decided,
        "alert": timers.alert_every,
    }[kind]


def _allowance(facts: Facts) -> deadlines.Allowance:
    severity = facts.severity if facts.severity in list(facts.edition.severities) else None
    return deadlines.allowance(facts.edition, facts.category.code, severity=severity, contract=facts.contract)


def _inside(due: deadlines.Due, until: Mapping[str, datetime]) -> deadlines.Due:
    """A child's time lies inside its parent's (A6)."""
    resolve = min(filter(None, (due.resolve, until.get("resolve"))), default=None) if due.resolve else None
    return deadlines.Due(min(filter(None, (due.ack, until.get("acknowledge"), resolve)), default=None), resolve)


def _resolve(facts: Facts, now: datetime, until: Mapping[str, datetime]) -> list[Start]:
    due = until.get("resolve") or deadlines.due(_allowance(facts), now, facts.edition, facts.category.code).resolve
    return [] if due is None else [Start("resolve", now, due), *reminders(facts.edition, "resolve", now, due)]


def survivors(before: State, decision: Decision) -> frozenset[str]:
    """Which clocks survive: those of the new state; in an appeal, and on the way back from one, those that stand still too."""
    if decision.state is State.APPEAL:
        return frozenset(CLOCKS)
    if before is State.APPEAL and Effect.RESUME in decision.rule.effects:
        return frozenset(CLOCKS) - {"appeal"}
    return RUNS[decision.state]
