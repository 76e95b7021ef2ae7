"""Where a case stands, in the customer's words: what is due and when, what happens next, which answers are open."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tipstaff.cases import timing
from tipstaff.cases.knowing import by_hand_only
from tipstaff.cases.lifecycle import APPEALABLE
from tipstaff.cases.models import Case, Clock, Measure, Pause
from tipstaff.cases.models_time import RUNNING
from tipstaff.cases.states import ENDED, State
from tipstaff.policy.edition import Edition, LadderMode

S = State
ANSWERABLE = frozenset({S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING, S.DISCONNECTED,
                        S.TERMINATION_PENDING})  # fmt: skip
#: Answer → the states in which the page offers it; each has a rule in the lifecycle that does not refuse it (tested).
OPEN_IN: Mapping[str, frozenset[State]] = {
    "acknowledge": frozenset({S.TICKETED, S.EMERGENCY_BLOCK}),
    "plan": ANSWERABLE,
    "fix": ANSWERABLE | {S.DISPUTED},
    "dispute": frozenset({S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.FIX_CLAIMED, S.DISCONNECT_PENDING, S.EMERGENCY_BLOCK,
                          S.DISCONNECTED, S.RECONNECTED, S.TERMINATION_PENDING}),
    "extension": frozenset(timing.CUSTOMERS),
    "forward": frozenset({S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE}),
    "withdraw": frozenset({S.APPEAL}),
}  # fmt: skip
#: State → the clock that its page shows.
SHOWN = {
    S.FIX_CLAIMED: "quiet", S.DISPUTED: "dispute", S.DISCONNECT_PENDING: "warning", S.DISCONNECTED: "second",
    S.RECONNECTED: "probation", S.TERMINATION_PENDING: "final_notice", S.TERMINATED: "data_window", S.APPEAL: "appeal",
}  # fmt: skip
#: State → (big words where no time is the customer's, what the time is for).
HEADS: Mapping[State, tuple[str, str]] = {
    S.FIX_CLAIMED: ("We are checking", "We look whether it stays fixed until then."),
    S.DISPUTED: ("We are looking at it again", "Somebody who has not worked on this case decides by then."),
    S.DISCONNECT_PENDING: ("", "before we restrict it"),
    S.DISCONNECTED: ("", "to get in touch with us, before the service may end"),
    S.RECONNECTED: ("Back in service", "We watch it until then."),
    S.TERMINATION_PENDING: ("", "to get in touch with us, before the service ends"),
    S.TERMINATED: ("", "to fetch your content"),
    S.APPEAL: ("Under appeal", "Somebody who had no part in the decision decides by then."),
}
#: State → (word, icon, tone).
STATES: Mapping[str, tuple[str, str, str]] = {
    S.TICKETED: ("Your turn", "next", ""),
    S.ACKNOWLEDGED: ("Your turn", "next", ""),
    S.NOT_ADEQUATE: ("Not solved yet", "over", "warn"),
    S.FIX_CLAIMED: ("We are checking", "done", "us"),
    S.DISPUTED: ("We decide on your objection", "scale", "us"),
    S.EMERGENCY_BLOCK: ("Blocked in an emergency", "bolt", "bad"),
    S.DISCONNECT_PENDING: ("Final warning", "over", "bad"),
    S.DISCONNECTED: ("Restricted", "bolt", "bad"),
    S.RECONNECTED: ("Back in service, watched", "done", ""),
    S.TERMINATION_PENDING: ("The service is to end", "over", "bad"),
    S.TERMINATED: ("The service has ended", "done", "off"),
    S.APPEAL: ("Under appeal", "scale", "us"),
    S.RESOLVED: ("Resolved", "check", "good"),
    S.CLOSED_COMPLIANT: ("Closed, no breach", "check", "good"),
    S.CLOSED_SPEECH: ("Closed, protected speech", "check", "good"),
    S.CLOSED_EXCEPTION: ("Closed, it was allowed", "check", "good"),
    S.CLOSED_FALSE: ("Closed, the report was wrong", "check", "good"),
    S.CLOSED_DUPLICATE: ("Closed, a duplicate", "done", "off"),
    S.CLOSED_ABSENT: ("Closed, no longer seen", "check", "good"),
    S.CLOSED_NOT_OURS: ("Closed, not in our network", "done", "off"),
    S.MERGED: ("Part of another case", "done", "off"),
}
#: Until one of these, what was reported is alleged, and every page says so.
DECIDED = frozenset({S.RESOLVED, S.TERMINATED, S.DISCONNECTED, S.RECONNECTED, S.TERMINATION_PENDING})


@dataclass(frozen=True)
class Standing:
    """``head``: words or '' where the time left is said; ``what``: what the time is for; ``at``: when it is over."""

    case: Case
    now: datetime
    clocks: Mapping[str, datetime]
    paused: bool = False
    planned: bool = False
    client: bool = False  # the case is a client's, seen by its reseller

    @property
    def state(self) -> State:
        return State(self.case.state)

    @property
    def badge(self) -> tuple[str, str, str]:
        if self.state in (S.TICKETED, S.ACKNOWLEDGED) and self.planned and self.case.waiting_on == "us":
            return "We read your answer", "done", "us"
        if self.client and STATES[self.state][0] == "Your turn":
            return "Your client’s turn", "next", ""
        return STATES[self.state]

    @property
    def alleged(self) -> bool:
        return self.state not in DECIDED

    @property
    def at(self) -> datetime | None:
        """When the time is over that counts now."""
        if self.state in ENDED and self.state is not S.TERMINATED:
            return None
        if self.state in SHOWN:
            return self.clocks.get(SHOWN[self.state]) or self.case.next_due_at
        return self.case.ack_due_at if self.to_acknowledge else self.case.resolve_due_at

    @property
    def to_acknowledge(self) -> bool:
        """Whether the next that is owed is an acknowledgement."""
        due = self.case.ack_due_at
        waits = self.state in OPEN_IN["acknowledge"] and self.case.acknowledged_at is None
        return waits and due is not None and due > self.now

    @property
    def late(self) -> bool:
        mine = self.state in (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.EMERGENCY_BLOCK)
        return mine and not self.paused and self.at is not None and self.at <= self.now

    @property
    def pressing(self) -> bool:
        """Whether it is late, or the next step would be a restriction or an end."""
        return self.late or self.state in (S.DISCONNECT_PENDING, S.DISCONNECTED, S.TERMINATION_PENDING, S.EMERGENCY_BLOCK)

    @property
    def head(self) -> str:
        """Words in the place of the time left; empty where the time is what counts."""
        if self.state in HEADS:
            return HEADS[self.state][0]
        return STATES[self.state][0] if self.state in ENDED else ""

    @property
    def what(self) -> str:
        if self.state in HEADS:
            return HEADS[self.state][1]
        if self.state in ENDED:
            return ""
        if self.to_acknowledge:
            return "to acknowledge"
        if self.state is S.NOT_ADEQUATE:
            return "to put it right"
        if self.client:
            return "for your client"
        return "to put it right" if self.planned else "to send us your plan"


def of(case: Case, now: datetime, *, planned: bool = False, client: bool = False) -> Standing:
    """The standing of one case, its clocks read."""
    clocks = dict(Clock.objects.filter(RUNNING, case=case).values_list("kind", "due_at"))
    still = Pause.objects.filter(case=case, ended_at=None, clocks__overlap=["resolve", "acknowledge"]).exists()
    return Standing(case, now, clocks, still and case.state != S.APPEAL, planned, client)


def offers(case: Case, answer: str) -> bool:
    """Whether the page offers an answer now."""
    if answer == "comment":
        return True
    if answer == "acknowledge" and case.acknowledged_at is not None:
        return False
    if answer == "extension" and (timing.customers_time(case) is None or more_time_asked(case) is not None):
        return False
    return State(case.state) in OPEN_IN.get(answer, ())


def more_time_asked(case: Case) -> datetime | None:
    """Until when more time was asked for, while nobody has answered."""
    return timing.asked(case).values_list("promised_at", flat=True).first()


def appeal_until(case: Case, measure: Measure | None, edition: Edition) -> datetime | None:
    """Until when a measure, or the case's outcome, may be appealed against; None where there is nothing to appeal."""
    decided = measure.decided_at if measure else case.closed_at
    if State(case.state) not in APPEALABLE or decided is None:
        return None
    return decided + edition.timers.appeal_within


def next_steps(standing: Standing) -> list[tuple[str, datetime | None]]:
    """(sentence, the {moment} in it) of what happens next, in order; none about a moment that nobody has set."""
    return [(text, at) for text, at in _next_steps(standing) if at is not None or "{moment}" not in text]


def _next_steps(standing: Standing) -> Iterator[tuple[str, datetime | None]]:
    state, case = standing.state, standing.case
    if state in (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.EMERGENCY_BLOCK):
        if standing.to_acknowledge:
            yield "You acknowledge before {moment}.", case.ack_due_at
        if not standing.planned and case.resolve_due_at and case.resolve_due_at <= standing.now:
            yield "Your time for a plan ended on {moment}. Send it now, or tell us that it is fixed.", case.resolve_due_at
        elif not standing.planned and case.resolve_due_at:
            yield "You send a plan, or tell us that it is fixed, before {moment}.", case.resolve_due_at
        elif not standing.planned:
            yield "You send a plan, or tell us that it is fixed.", None
        else:
            yield "You do what you planned, and tell us that it is fixed.", None
        yield "A person reads what you write.", None
        yield "We look again, then close the case and tell who reported it that it is solved.", None
    elif state is S.FIX_CLAIMED:
        yield "We look again by ourselves, and wait whether it comes back until {moment}.", standing.at
        yield "If it stays quiet the case is closed, and who reported it is told that it is solved.", None
        yield "If it is still there you hear from us.", None
    elif state is S.DISPUTED:
        yield "Somebody who has not worked on this case reads what you wrote and decides.", None
        yield "If you are right, the case is closed, nothing is held against you, and we tell who we told.", None
        yield "If not, you hear why, and your time goes on.", None
    elif state is S.DISCONNECT_PENDING:
        yield "Until {moment} you can still answer: say what you did, or why we are wrong.", standing.at
        yield "After that we may restrict the smallest part that helps. A person approves it.", None
    elif state in (S.DISCONNECTED, S.TERMINATION_PENDING):
        yield "You get in touch with us here, and say what was done.", None
        yield "We look again, and put the service back.", None
        if standing.at:
            yield "Without a word from you the service may end after {moment}. Two people decide that.", standing.at
    elif state is S.RECONNECTED:
        yield "We watch until {moment} whether it comes back. Then the case is closed.", standing.at
    elif state is S.APPEAL:
        yield "Somebody who had no part in the decision reads your appeal. All clocks stand still meanwhile.", None
        yield "If you are right, it is undone, and the time your service was down is credited.", None
    elif state is S.TERMINATED:
        yield "You can fetch your content until {moment}.", standing.at
    else:
        yield "Nothing is left to do. Write to us if you have a question.", None


def without_answer(standing: Standing, edition: Edition) -> str:
    """What follows from silence, as the edition says it: will, or may; may where nothing happens by itself, or time ran out."""
    if standing.state not in (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE):
        return ""
    must = edition.ladder.mode is LadderMode.MANDATORY and not standing.late and not by_hand_only(standing.case)
    if standing.planned and must:
        return "If it is not fixed by then you get a final warning; after it we restrict the smallest part that helps."
    if standing.planned:
        return "If it is not fixed by then a person looks at it; you get a final warning before we may restrict anything."
    if must:
        return "Without an answer you get a final warning; after it we restrict the smallest part that helps."
    return "Without an answer a person looks at it; you get a final warning before we may restrict anything."
