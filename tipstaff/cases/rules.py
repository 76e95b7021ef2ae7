"""What a line of the lifecycle is, and the groups of lines that follow one another wherever they stand. Pure."""

from dataclasses import dataclass
from enum import Enum

from tipstaff.cases import facts as f
from tipstaff.cases.asked_for import titles
from tipstaff.cases.facts import Ask, Facts
from tipstaff.cases.states import TURN, Duty, Effect, Event, State
from tipstaff.kernel.errors import Refused
from tipstaff.policy.edition import Trigger


class To(Enum):
    """Where a rule leads when it is no state by name."""

    SAME = "stays"
    BACK = "where the appeal came from"


SAME, BACK = To.SAME, To.BACK
#: '{lacking}' and '{unproven}' stand for what is missing, by name.
MISSING = "the policy asks for this first: {lacking}. State it with this step, or under “Facts the policy asks for” on the case"
UNPROVEN = "the policy asks for this before a fix counts: {unproven}. State it with this step"
CUSTOMER, REPORTER = ("customer", "reseller"), ("reporter",)
EVERYBODY = (*CUSTOMER, *REPORTER)
Notices = tuple[tuple[Duty, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. ``only``: all must hold; ``unless``: none may. ``refused``: the act is not open, and why."""

    text: str
    when: tuple[State, ...]
    event: Event
    to: State | To = SAME
    only: tuple[Ask, ...] = ()
    unless: tuple[Ask, ...] = ()
    step: str = ""  # the ladder's rung in whose name it happens; 'restrict': the restricting rung that is open
    proof: Trigger | None = None
    start: tuple[str, ...] = ()  # clocks; 'customer': acknowledge, resolve and their reminders
    notices: Notices = ()
    effects: tuple[Effect, ...] = ()
    person: str = ""  # why a person must look
    refused: str = ""

    @property
    def guarded(self) -> bool:
        return bool(self.only or self.unless)


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows: the new state and everything that goes with it."""

    rule: Rule
    state: State
    clause: str
    person: str = ""  # why a person must look, with what is missing

    @property
    def turn(self) -> str:
        """Whose turn it is then."""
        return "us" if self.rule.person else TURN[self.state]


def said(words: str, facts: Facts) -> str:
    """A rule's words with what is missing in this case."""
    return words.replace("{lacking}", titles(facts.lacking)).replace("{unproven}", titles(facts.unproven))


class NoRule(Refused):
    """The lifecycle says nothing about this event in this state."""


S, E, D, X = State, Event, Duty, Effect


OURS_TO_ACT = "a protected class or the contract or our managing it forbids that anything happens by itself"


def time_is_over(when: tuple[State, ...], event: Event, proof: Trigger, what: str) -> tuple[Rule, ...]:
    """What follows when the customer's time ran out, or the same came again: who goes first, then what the ladder says."""

    def person(ask: Ask, why: str, proven: Trigger | None = None) -> Rule:
        return Rule(f"{what}: {why}", when, event, only=(ask,), proof=proven, person=f"{what}; {why}")

    return (
        Rule(f"{what}, but it is advice: it ends with its finding", when, event, only=(f.advice_only,)),
        person(f.stops_at_notice, "the case stops at notice until its own procedure decides"),
        person(f.unheard, "nobody knows that the customer was reached, and silence proves nothing: a person confirms or tells"),
        person(f.by_hand_only, OURS_TO_ACT, proof),
        person(f.receiver, "who merely received is not restricted by itself"),
        person(f.speech_undecided, "the speech gate has not been passed", proof),
        person(f.unreviewed, "a second reviewer has not agreed that it is a breach", proof),
        person(f.first_notice, "a kind that is told first and counts when it comes again"),
        Rule(
            f"{what}: the policy restricts",
            when,
            event,
            S.DISCONNECT_PENDING,
            only=(f.ladder_says(proof),),
            unless=(f.targets_only,) if event is E.RESOLVE_DUE else (),
            step="restrict",
            proof=proof,
            start=("warning",),
            notices=((D.FINAL_WARNING, CUSTOMER),),
            effects=(X.PROPOSE,),
        ),
        Rule(f"{what}: the policy may restrict, a person decides", when, event, proof=proof,
        person=f"{what}; the policy leaves the next step to a person"),
    )  # fmt: skip


def handed_back(when: tuple[State, ...], event: Event, what: str, *only: Ask) -> tuple[Rule, ...]:
    """A fix that does not hold goes back to the customer once; the second time the ladder says what follows."""
    inadequate = Trigger.INADEQUATE
    stops = (f.stops_at_notice, f.advice_only, f.by_hand_only, f.receiver, f.speech_undecided, f.unreviewed, f.first_notice)
    return (
        Rule(f"{what}: back to the customer, once", when, event, S.NOT_ADEQUATE, only=only, unless=(f.handed_back,),
             start=("resolve",), notices=((D.NOT_ADEQUATE, CUSTOMER),), effects=(X.RETURN,)),
        Rule(f"{what} again: the policy restricts", when, event, S.DISCONNECT_PENDING, only=(*only, f.ladder_says(inadequate)),
             unless=stops, step="restrict", proof=inadequate, start=("warning",), notices=((D.FINAL_WARNING, CUSTOMER),),
             effects=(X.PROPOSE,)),
        Rule(f"{what} again: a person decides", when, event, S.NOT_ADEQUATE, only=only, proof=inadequate,
             notices=((D.NOT_ADEQUATE, CUSTOMER),), person=f"{what} again; the next step is a person's"),
    )  # fmt: skip


def barred(event: Event, when: tuple[State, ...]) -> tuple[Rule, ...]:
    """What keeps even a person from restricting. A live attack is blocked at once, and what is asked for is owed afterwards."""

    def no(ask: Ask, why: str) -> Rule:
        return Rule(f"no restriction: {why}", when, event, only=(ask,), refused=why)

    return (
        no(f.not_covered, "the policy does not speak of those who merely received"),
        no(f.stops_at_notice, "a copyright case stops at notice until its own procedure decides"),
        no(f.speech_undecided, "the speech gate has not been passed; in doubt nothing is restricted without a court order"),
        no(f.unreviewed, "a second reviewer must agree first that it is a breach"),
        *(() if event is E.EMERGENCY else (lacking(event, when),)),
    )


def lacking(event: Event, when: tuple[State, ...]) -> Rule:
    """No restriction, and no breach, without what the policy wants to be known first."""
    return Rule("what the policy asks for first is missing", when, event, only=(f.lacking,), refused=MISSING)
