"""What differs between a case as it was handled and as a draft would have handled it, in words. Pure.

Three answers are kept apart: what would have been different; what nobody can know, because a person would have decided
(``Difference.open``); and what cannot be compared at all (``Difference.unlike``).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tipstaff.cases.backtesting.past import Lived, Past, Step
from tipstaff.cases.states import ENDED, Event
from tipstaff.policy.diff import Change
from tipstaff.policy.edition import Edition
from tipstaff.policy.shapes import duration_text

MOST_CHANGES = 4  # of the edition that are named as the reason of one difference


class Sort(StrEnum):
    """What differs, the gravest first; the words of the totals."""

    CUT = "would have been disconnected"
    SPARED = "would not have been disconnected"
    SOONER = "would have been disconnected sooner"
    LATER = "would have been disconnected later"
    TERMINATED = "would have been terminated"
    KEPT = "would not have been terminated"
    ASKED = "a restriction would have been asked for"
    NOT_ASKED = "no restriction would have been asked for"
    STATE = "would have come out otherwise"
    BEGINNING = "would have begun otherwise"
    STRIKE = "another strike"
    CLAUSE = "another clause"
    SEVERITY = "another severity"
    DEADLINE = "another deadline"
    OPEN = "a person would have decided"
    UNLIKE = "cannot be compared"


@dataclass(frozen=True, slots=True)
class Difference:
    """One case. ``then``: replayed under its own edition; ``draft``: under the draft. Empty ``sorts``: no difference."""

    past: Past
    then: Lived
    draft: Lived
    sorts: tuple[Sort, ...] = ()
    why: tuple[str, ...] = ()
    open: tuple[str, ...] = ()  # what a person would have decided, or decided and could not have
    unlike: str = ""  # why it cannot be compared
    at: datetime | None = field(default=None)  # when the two first part


def compare(past: Past, then: Lived, draft: Lived, before: Edition, after: Edition, changes: Sequence[Change]) -> Difference:
    """One case under both. ``changes``: from the edition it was handled under to the draft."""
    if unlike := then.unknown or draft.unknown:
        return Difference(past, then, draft, (Sort.UNLIKE,), unlike=unlike)
    undecided = tuple(_undecided(then, draft))
    sorts = tuple(_sorts(then, draft, bool(undecided)))
    if not sorts:
        return Difference(past, then, draft)
    parting = _parting(then, draft)
    why = tuple(_why(then, draft, before, after, changes, parting))
    first = parting[1] or parting[0]
    return Difference(past, then, draft, sorts, why, undecided, at=first.at if first else None)


def not_comparable(past: Past, then: Lived, why: str) -> Difference:
    return Difference(past, then, then, (Sort.UNLIKE,), unlike=why)


def unfaithful(then: Lived, state: str, cut: bool) -> str:
    """Why the replay under a case's own edition does not tell what happened; empty where it does."""
    if then.state and then.state != state:
        return f"replayed under its own edition it would stand at {then.state}, and it stands at {state}"
    if bool(then.cut_at) != cut:
        said = "would have been disconnected, and was not" if then.cut_at else "would not have been disconnected, and was"
        return f"replayed under its own edition it {said}"
    return ""


# ---- which differences


def _sorts(then: Lived, draft: Lived, undecided: bool) -> Iterator[Sort]:
    yield from _restriction(then, draft, undecided)
    yield from _termination(then, draft, undecided)
    if then.state != draft.state and not undecided:
        yield Sort.STATE
    if bool(then.doubts) != bool(draft.doubts):
        yield Sort.BEGINNING
    if then.strike != draft.strike and not undecided:
        yield Sort.STRIKE
    if then.clause != draft.clause:
        yield Sort.CLAUSE
    if then.severity != draft.severity:
        yield Sort.SEVERITY
    if (then.ack, then.resolve) != (draft.ack, draft.resolve):
        yield Sort.DEADLINE
    if undecided:
        yield Sort.OPEN


def _restriction(then: Lived, draft: Lived, undecided: bool) -> Iterator[Sort]:
    if draft.cut_at and not then.cut_at:
        yield Sort.CUT
    elif then.cut_at and not draft.cut_at:
        yield from () if undecided else (Sort.SPARED,)
    elif then.cut_at and draft.cut_at and then.cut_at != draft.cut_at:
        yield Sort.SOONER if draft.cut_at < then.cut_at else Sort.LATER
    if draft.asked_at and not then.asked_at:
        yield Sort.ASKED
    elif then.asked_at and not draft.asked_at:
        yield Sort.NOT_ASKED


def _termination(then: Lived, draft: Lived, undecided: bool) -> Iterator[Sort]:
    if draft.ended_at and not then.ended_at:
        yield Sort.TERMINATED
    elif then.ended_at and not draft.ended_at and not undecided:
        yield Sort.KEPT


def _undecided(then: Lived, draft: Lived) -> Iterator[str]:
    """Where the draft needs a person whose decision nobody knows."""
    for words in draft.moot:
        if not any(words.rpartition(" (")[0] == known.rpartition(" (")[0] for known in then.moot):
            yield f"decided by a person: {words}"
    if draft.late and ((then.cut_at and not draft.cut_at) or (then.ended_at and not draft.ended_at)):
        yield from (f"after the draft would have ended the case, a person decided: {words}" for words in draft.late)
    if draft.waits and draft.waits != then.waits and draft.state not in ENDED:
        yield f"it would wait for a person: {draft.waits}"
    if draft.ticketed_at and not then.ticketed_at:
        yield "the customer would have been told, and what it would have answered nobody knows"


# ---- why


def _why(
    then: Lived, draft: Lived, before: Edition, after: Edition, changes: Sequence[Change], parting: tuple[Step | None, Step | None]
) -> Iterator[str]:
    if bool(then.doubts) != bool(draft.doubts):
        yield f"opened: {'; '.join(draft.doubts) or 'ticketed at once'}, instead of: {'; '.join(then.doubts) or 'ticketed at once'}"
    if then.clause != draft.clause:
        yield f"clause {_clause(after, draft.clause)} instead of {_clause(before, then.clause)}"
    if then.severity != draft.severity:
        yield f"severity {draft.severity} instead of {then.severity}"
    if then.ticketed_at and draft.ticketed_at:
        yield from _times(then, draft)
    old, new = parting
    if new is not None:
        yield _said(new) + (f", instead of: {_said(old)}" if old is not None else "")
    elif old is not None:
        yield f"not any more: {_said(old)}"
    yield from _reasons(changes, draft.category, [step for step in parting if step is not None], then, draft)


def _times(then: Lived, draft: Lived) -> Iterator[str]:
    for name, old, new in (("acknowledge", then.ack, draft.ack), ("resolve", then.resolve, draft.resolve)):
        if old != new:
            yield f"{_length(new)} to {name} instead of {_length(old)}, clause {draft.clause}"


def _length(time: timedelta | None) -> str:
    return "no time" if time is None else duration_text(timedelta(minutes=round(time.total_seconds() / 60)))


def _clause(edition: Edition, number: str) -> str:
    found = edition.clauses.get(number)
    return f"{number} ({found.title})" if found else number


def _said(step: Step) -> str:
    clause = f", clause {step.clause}" if step.clause else ""
    return f"{step.at:%Y-%m-%d %H:%M} UTC {step.state}: {step.rule}{clause}"


def _parting(then: Lived, draft: Lived) -> tuple[Step | None, Step | None]:
    """The first step in which the two lives differ; reminders, which change nothing, are not counted."""
    old, new = _telling(then.steps), _telling(draft.steps)
    for one, other in zip(old, new, strict=False):
        if (one.event, one.rule, one.state, one.person) != (other.event, other.rule, other.state, other.person):
            return (one, other)
    shorter = min(len(old), len(new))
    if len(old) != len(new):
        return (old[shorter] if len(old) > shorter else None, new[shorter] if len(new) > shorter else None)
    moved = [(one, other) for one, other in zip(old, new, strict=True) if one.at != other.at]
    return moved[0] if moved else (None, None)


def _telling(steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if step.event not in (Event.REMINDER_DUE, Event.ACKNOWLEDGE_DUE)]


#: Which of the timers bears on what runs out.
_TIMERS = {
    Event.QUIET_OVER: "quiet_period", Event.DISPUTE_DUE: "dispute_decided", Event.WARNING_OVER: "final_warning",
    Event.EMERGENCY_OVER: "emergency_block", Event.SECOND_DUE: "second_timer", Event.PROBATION_OVER: "probation",
    Event.FINAL_NOTICE_OVER: "final_notice", Event.APPEAL_DUE: "appeal_decided", Event.REPEAT_FOUND: "repeat_within",
    Event.APPEALED: "appeal_within",
}  # fmt: skip
_FIELDS = frozenset({
    "resolve", "resolve_at_most", "severity", "clause", "handling", "automatic", "immediate", "opening", "exceptions",
    "business_time", "required_facts",
})  # fmt: skip


def _reasons(changes: Sequence[Change], code: str, steps: Sequence[Step], then: Lived, draft: Lived) -> Iterator[str]:
    """Those changes of the edition that bear on this case, the nearest first."""
    timers = {_TIMERS[step.event] for step in (*steps, *draft.steps, *then.steps) if step.event in _TIMERS}
    switches = {"speech_gate", "acknowledgement"} | ({"fault_weights"} if then.strike != draft.strike else set())

    def rank(change: Change) -> int:
        if change.section == "categories" and change.key == code and change.field in _FIELDS:
            return 0
        if steps and change.section == "switches" and "customer_timers" in {change.field, change.key}:
            return 0  # whether anything follows from silence at all (K11)
        if change.section == "ladder" and steps:
            return 1
        if change.section == "timers" and (change.field in timers or change.key in timers):
            return 2
        if change.section == "switches" and (change.field in switches or change.key in switches):
            return 3
        return 9

    bearing = sorted(((rank(change), place) for place, change in enumerate(changes)), key=lambda pair: pair)
    found = [str(changes[place]) for order, place in bearing if order < 9]
    yield from (f"the draft: {words}" for words in found[:MOST_CHANGES])
    if len(found) > MOST_CHANGES:
        yield f"and {len(found) - MOST_CHANGES} more changes of the draft that bear on it"
