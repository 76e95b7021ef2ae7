"""What a decision may know of a case, and the questions that the rules ask of it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tipstaff.cases.asked_for import Asked
from tipstaff.cases.states import State
from tipstaff.policy import ladder
from tipstaff.policy.edition import Category, Edition, Handling, Role, Severity, Trigger
from tipstaff.policy.switches import CustomerTimers, ReceivingSpam, SpeechGate

UNRESTRAINED = "unprotected"
RECEIVER = "receiver"  # the label of spam's sub-category
MILD = frozenset({Severity.MEDIUM, Severity.LOW, Severity.INFO})


@dataclass(frozen=True, slots=True)
class Facts:
    """One case at one moment. Times that matter are already turned into yes and no."""

    state: State
    edition: Edition
    category: Category
    severity: str
    running: frozenset[str] = frozenset()  # kinds of clocks that run
    proofs: frozenset[Trigger] = frozenset()
    by_hand_only: str = ""  # why nothing may happen by itself: protected class, contract (H10), managed by us (D5)
    reachable: bool = False  # the customer was told, and some contact has no problem
    answered: bool = False  # the customer has said something since the ticket
    silence_confirmed: bool = False
    acknowledged: bool = False
    returned: int = 0  # how often a fix was handed back
    retest: str = ""  # the last outcome since the fix was claimed, or since the restriction
    seen_again: bool = False  # events happened after the fix was claimed, or after the reconnection
    contacted: bool = False  # the customer got in touch since the restriction
    speech: str = ""  # the speech gate's verdict
    court_order: bool = False
    second_review: bool = False
    dispute_heard: bool = False
    early: bool = False  # the customer's time is not over yet
    overdue: bool = False  # it is over, and what follows from that was decided
    immediate: bool = False  # asked for at once, by somebody who may
    discretion: bool = False  # asked for in the provider's discretion, by a lead, and called so (A13)
    approved: bool = False  # a second person has approved a restriction
    measures: int = 0  # not yet lifted
    claimed: bool = False  # somebody at the desk owns the case
    held: bool = False  # a legal hold covers the case or the customer
    in_time: bool = True  # for an appeal
    about_measure: bool = False  # the appeal is about one measure, not the case
    resumes: State | None = None  # where an appeal came from
    exception: str = ""
    earlier_breach: bool = False  # the customer was told before about this kind
    contract: timedelta | None = None
    ticketed_at: datetime | None = None
    label: str = ""  # the sub-category that a person chose
    lacking: tuple[Asked, ...] = ()  # what the policy asks for before a restriction, and is missing
    unproven: tuple[Asked, ...] = ()  # the same before a fix is accepted
    extra: dict[str, str] = field(default_factory=dict)


Ask = Callable[[Facts], bool]


def has(facts: Facts, handling: Handling) -> bool:
    return handling in facts.category.handling


def advice_only(facts: Facts) -> bool:
    """An advisory ends with its finding; nothing follows from silence."""
    return has(facts, Handling.ADVICE_ONLY)


def stops_at_notice(facts: Facts) -> bool:
    """Copyright stops at notice until its own procedure decides."""
    return has(facts, Handling.COUNTER_NOTICE)


def by_hand_only(facts: Facts) -> bool:
    """A protected class, the contract, or that we manage the service ourselves forbids that anything happens by itself."""
    return bool(facts.by_hand_only)


def receiver(facts: Facts) -> bool:
    """Who merely received what others sent: a person decides, and nothing is held against it (B15, K9)."""
    return facts.label == RECEIVER


def targets_only(facts: Facts) -> bool:
    """The customer's times are targets: one that runs out brings the case to a person, and nothing follows by itself (K11)."""
    return facts.edition.switches.customer_timers is CustomerTimers.TARGETS


def not_covered(facts: Facts) -> bool:
    """The policy does not speak of those who merely received."""
    return receiver(facts) and facts.edition.switches.receiving_spam is ReceivingSpam.NOT_COVERED


def unheard(facts: Facts) -> bool:
    """Nobody knows whether the customer was ever reached: silence proves nothing."""
    return not (facts.answered or facts.reachable or facts.silence_confirmed)


def speech_undecided(facts: Facts) -> bool:
    """The speech gate is shut: no answers yet, or doubt without a court order."""
    gated = has(facts, Handling.SPEECH_GATE) and facts.edition.switches.speech_gate is not SpeechGate.NONE
    return gated and not (facts.speech == UNRESTRAINED or facts.court_order)


def unreviewed(facts: Facts) -> bool:
    """What fits no clause needs a second reviewer first."""
    return has(facts, Handling.SECOND_REVIEWER) and not facts.second_review


def lacking(facts: Facts) -> bool:
    """Something that the policy asks for before a restriction is not on record."""
    return bool(facts.lacking)


def unproven(facts: Facts) -> bool:
    """Something that the policy asks for before a fix is accepted is not on record."""
    return bool(facts.unproven)


def first_notice(facts: Facts) -> bool:
    """A kind that is told first and counts only when it comes again."""
    return has(facts, Handling.NOTICE_FIRST) and not facts.earlier_breach


def speech_protected(facts: Facts) -> bool:
    return facts.edition.switches.speech_gate is not SpeechGate.NONE and has(facts, Handling.SPEECH_GATE)


def listed_exception(facts: Facts) -> bool:
    return facts.exception in facts.category.exceptions


def immediate_allowed(facts: Facts) -> bool:
    """The edition lets somebody act at once in this category (K2)."""
    return facts.category.immediate is not Role.NOBODY


def early(facts: Facts) -> bool:
    """The customer's time still runs."""
    return facts.early


def overdue(facts: Facts) -> bool:
    """The customer's time was over before, and no clock runs any more."""
    return facts.overdue


def too_early(facts: Facts) -> bool:
    """The customer's time still runs, nothing is proven, and this is no category for immediate action (H1)."""
    return facts.early and not facts.immediate and not facts.proofs - {Trigger.DECISION}


def handed_back(facts: Facts) -> bool:
    return facts.returned > 0


def dispute_heard(facts: Facts) -> bool:
    return facts.dispute_heard


def not_quiet(facts: Facts) -> bool:
    """It was seen again after the fix, or the retest still finds it."""
    return facts.seen_again or facts.retest == "still"


def untested(facts: Facts) -> bool:
    """The category asks for a retest, and none has found it fixed."""
    return has(facts, Handling.RETEST) and facts.retest != "ok"


def approved(facts: Facts) -> bool:
    return facts.approved


def automatic(facts: Facts) -> bool:
    """The edition lists a measure for this category that needs no person, and nothing forbids it here."""
    return bool(facts.category.automatic) and not facts.by_hand_only and not speech_undecided(facts)


def asked_at_once(facts: Facts) -> bool:
    return facts.immediate


def in_discretion(facts: Facts) -> bool:
    return facts.discretion


def restricted(facts: Facts) -> bool:
    """Some measure is not lifted yet."""
    return facts.measures > 0


def restricted_first(facts: Facts) -> bool:
    """The ladder's rungs follow one another, nothing has been restricted yet, and the category is no matter for ending at once."""
    ordered = facts.edition.ladder.ordered and not has(facts, Handling.TERMINATION_REVIEW)
    return ordered and facts.state is not State.DISCONNECTED


def warned(facts: Facts) -> bool:
    """The final warning still runs."""
    return "warning" in facts.running


def unverified(facts: Facts) -> bool:
    """The customer has not been in touch, or the retest still finds it."""
    return not facts.contacted or facts.retest == "still"


def claimed(facts: Facts) -> bool:
    return facts.claimed


def held(facts: Facts) -> bool:
    return facts.held


def too_late(facts: Facts) -> bool:
    return not facts.in_time


def about_measure(facts: Facts) -> bool:
    return facts.about_measure


def was_restricted(facts: Facts) -> bool:
    """The appeal is about the one measure that stands, so that nothing is restricted without it."""
    return facts.about_measure and facts.resumes in RESTRICTED_BEFORE and facts.measures <= 1


def notice_runs(facts: Facts) -> bool:
    """The final notice still runs, and this is no termination without notice."""
    return "final_notice" in facts.running and not facts.immediate


def seen_again(facts: Facts) -> bool:
    return facts.seen_again


def ladder_says(trigger: Trigger | None) -> Ask:
    """The edition's rung for a restriction is open with this proof."""

    def says(facts: Facts) -> bool:
        proofs = facts.proofs | ({trigger} if trigger else set())
        return any(step.guard.holds(proofs) for step in ladder.restricting(facts.edition))

    says.__doc__ = "the ladder's rung is open" + (f": {trigger}" if trigger else "")
    return says


def ladder_terminates(*also: Trigger) -> Ask:
    """The edition's rung for termination is open: both failures, or a decision, as it says."""

    def says(facts: Facts) -> bool:
        step = ladder.terminating(facts.edition)
        proofs = (facts.proofs - {Trigger.DECISION}) | set(also)  # the decision to restrict is none to terminate
        if not facts.contacted:
            proofs |= {Trigger.NOT_ADDRESSED}
        if facts.retest != "ok":
            proofs |= {Trigger.NOT_RESOLVED}
        return step is not None and step.guard.holds(proofs)

    says.__doc__ = "the ladder's last rung is open"
    return says


def second_runs(facts: Facts) -> bool:
    """The second timer still runs, and the ladder's rungs follow one another."""
    return facts.edition.ladder.ordered and "second" in facts.running


RESTRICTED_BEFORE = frozenset({State.EMERGENCY_BLOCK, State.DISCONNECTED, State.TERMINATION_PENDING, State.TERMINATED})


def strike_weight(facts: Facts, fault: str, ticketed_at: datetime | None) -> int:
    """Percent of a strike (K17): none for advice, what stops at notice, or a kind told first; unknown fault counts least."""
    if any(ask(facts) for ask in (advice_only, stops_at_notice, first_notice, receiver)) or ticketed_at is None:
        return 0
    weights = facts.edition.switches.fault_weights
    return weights.get(fault, min(weights.values(), default=0))
