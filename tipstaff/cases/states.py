"""The words of the lifecycle: states, events, clocks and effects, as requirements section O names them. Pure."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    TRIAGE = "TRIAGE"  # the desk has not decided yet what this is
    RESTRICTED_CASE = "RESTRICTED_CASE"  # sealed: two named roles, no word to the customer
    TICKETED = "TICKETED"  # the customer has been told; its clocks run
    ACKNOWLEDGED = "ACKNOWLEDGED"  # the customer has answered and says what it will do
    FIX_CLAIMED = "FIX_CLAIMED"  # the customer says it is fixed; we look
    NOT_ADEQUATE = "NOT_ADEQUATE"  # handed back, once
    DISPUTED = "DISPUTED"  # the customer says the report is wrong; somebody else decides
    EMERGENCY_BLOCK = "EMERGENCY_BLOCK"  # blocked at once, narrowly, for some hours; the customer's clocks run
    DISCONNECT_PENDING = "DISCONNECT_PENDING"  # a proof is there, the final warning runs, approval is asked
    DISCONNECTED = "DISCONNECTED"
    RECONNECTED = "RECONNECTED"  # probation
    TERMINATION_PENDING = "TERMINATION_PENDING"  # final notice, two people
    TERMINATED = "TERMINATED"
    APPEAL = "APPEAL"
    RESOLVED = "RESOLVED"
    CLOSED_COMPLIANT = "CLOSED_COMPLIANT"  # no breach: left intact
    CLOSED_SPEECH = "CLOSED_SPEECH"  # protected speech
    CLOSED_EXCEPTION = "CLOSED_EXCEPTION"  # permit, research …
    CLOSED_FALSE = "CLOSED_FALSE"  # the report, or our decision, was wrong
    CLOSED_DUPLICATE = "CLOSED_DUPLICATE"
    CLOSED_ABSENT = "CLOSED_ABSENT"  # the finding is gone from fresh deliveries of its feeds
    CLOSED_NOT_OURS = "CLOSED_NOT_OURS"
    MERGED = "MERGED"


class Event(StrEnum):
    # the desk
    CLASSIFIED = "a person or rule says what it is"
    SEALED = "it must go unseen"
    EMERGENCY = "a live attack is to be blocked at once"
    FOUND_COMPLIANT = "found to be no breach"
    FOUND_SPEECH = "found to be protected speech"
    FOUND_EXCEPTION = "an exception of the policy holds"
    FIX_ACCEPTED = "the desk accepts the fix"
    FIX_NOT_ADEQUATE = "the desk finds it not adequate"
    DISPUTE_UPHELD = "the report was wrong"
    DISPUTE_REJECTED = "the dispute is rejected"
    SILENCE_CONFIRMED = "a person confirms that silence counts"
    RESTRICTION_ASKED = "a person asks for a restriction"
    RESTRICTION_APPROVED = "a second person approves it"
    EMERGENCY_CONFIRMED = "a second person confirms the emergency block"
    RESTORE_APPROVED = "the desk has the service restored"
    TERMINATION_ASKED = "a person asks for termination"
    TERMINATION_AT_ONCE = "termination without notice is asked"
    TERMINATION_CONFIRMED = "a second person confirms the termination"
    TERMINATION_WITHDRAWN = "the termination is withdrawn"
    APPEAL_OVERTURNED = "the appeal succeeds"
    APPEAL_UPHELD = "the decision stands"
    APPEAL_WITHDRAWN = "the appeal is withdrawn"
    DUPLICATE = "it is a duplicate"
    NOT_OURS = "it is not ours"
    REPORT_FALSE = "the report is false"
    ABSENT = "the finding is gone from its feeds"
    MERGED = "merged into another case"
    # the customer
    ACKNOWLEDGED = "the customer acknowledges"
    FIX_STATED = "the customer says it is fixed"
    DISPUTED = "the customer disputes"
    CONTACTED = "the customer gets in touch"
    APPEALED = "the customer appeals"
    # what is seen
    RETEST_OK = "a retest finds it fixed"
    RETEST_STILL = "a retest finds it still there"
    RETEST_UNCLEAR = "a retest cannot tell"
    EXECUTED = "a measure is in force"
    LIFTED = "the last measure is lifted"
    # time
    REMINDER_DUE = "a reminder is due"
    ACKNOWLEDGE_DUE = "the time to acknowledge is over"
    RESOLVE_DUE = "the time to resolve is over"
    REPEAT_FOUND = "the same again"
    QUIET_OVER = "the quiet period is over"
    DISPUTE_DUE = "the dispute should be decided"
    WARNING_OVER = "the final warning is over"
    EMERGENCY_OVER = "the emergency block ends"
    SECOND_DUE = "the second timer is over"
    PROBATION_OVER = "the probation is over"
    FINAL_NOTICE_OVER = "the final notice is over"
    DATA_WINDOW_OVER = "the time to fetch data is over"
    APPEAL_DUE = "the appeal should be decided"
    ALERT_DUE = "a critical case should have been taken"
    COOPERATION_DUE = "what was asked for is due"
    PAUSE_OVER = "a pause ends"


class Effect(StrEnum):
    """What a rule does beside the new state; ``cases.effects`` writes each as rows."""

    LIFT_ALL = "every measure is lifted"
    PROPOSE = "a restriction is proposed, the narrowest first"
    EXECUTE = "the approved measure is decided"
    WITHDRAW = "open requests are withdrawn"
    PAUSE_RESOLVE = "the time to resolve stands still (severity medium or lower)"
    PAUSE_ALL = "every clock of the case stands still"
    RESUME = "clocks that stood still go on"
    WANT_RETEST = "a retest is wanted"
    RETURN = "counts as handed back"
    STRIKE = "a strike by fault"
    PROPOSE_TERMINATION = "termination is proposed to two people"
    TERMINATE = "the service ends"
    REFUSE_LIST = "goes on the refusal list"
    CREDIT = "we were wrong: strike removed, minutes creditable, retractions proposed"
    REPORTER_WRONG = "the reporters' reports count as wrong"
    DELETE_CONTENT = "a work order to delete the content"
    ALERT = "whoever is on call is alerted"


class Duty(StrEnum):
    """Kinds of notices that the lifecycle owes; the pipeline renders each for its audience."""

    OPENED = "opened"
    RECURRING = "recurring"
    REMINDER = "reminder"
    DUE_CHANGED = "due_changed"
    EXTENSION_GRANTED = "extension_granted"
    EXTENSION_REFUSED = "extension_refused"
    FINAL_WARNING = "final_warning"
    EMERGENCY = "emergency"
    STATEMENT_OF_REASONS = "statement_of_reasons"
    DISCONNECTED = "disconnected"
    RESTORED = "restored"
    NOT_ADEQUATE = "not_adequate"
    RESOLVED = "resolved"
    CLOSED = "closed"
    LEFT_INTACT = "left_intact"
    RETRACTION = "retraction"
    DISPUTE_REJECTED = "dispute_rejected"
    APPEAL_RECEIVED = "appeal_received"
    APPEAL_DECIDED = "appeal_decided"
    TERMINATION_NOTICE = "termination_notice"
    TERMINATED = "terminated"
    CHILD_OPENED = "child_opened"
    COOPERATION = "cooperation"
    NEEDS_PERSON = "needs_person"


#: What runs out, by kind of clock. Reminders carry their percentage: 'remind_resolve_50'.
CLOCKS: Mapping[str, Event] = {
    "acknowledge": Event.ACKNOWLEDGE_DUE,
    "resolve": Event.RESOLVE_DUE,
    "remind_acknowledge": Event.REMINDER_DUE,
    "remind_resolve": Event.REMINDER_DUE,
    "repeat": Event.REPEAT_FOUND,
    "quiet": Event.QUIET_OVER,
    "dispute": Event.DISPUTE_DUE,
    "warning": Event.WARNING_OVER,
    "emergency": Event.EMERGENCY_OVER,
    "second": Event.SECOND_DUE,
    "probation": Event.PROBATION_OVER,
    "final_notice": Event.FINAL_NOTICE_OVER,
    "data_window": Event.DATA_WINDOW_OVER,
    "appeal": Event.APPEAL_DUE,
    "alert": Event.ALERT_DUE,
    "cooperation": Event.COOPERATION_DUE,
    "pause": Event.PAUSE_OVER,
}


def family(kind: str) -> str:
    """'remind_resolve' of 'remind_resolve_50'; any other kind is its own family."""
    return kind.rpartition("_")[0] if kind.startswith("remind_") else kind


_S = State
CLOSED = frozenset(state for state in State if state.startswith("CLOSED_")) | {_S.RESOLVED, _S.MERGED}
ENDED = CLOSED | {_S.TERMINATED}
OPEN = tuple(state for state in State if state not in ENDED)
#: The content is in order, or nothing was wrong: from here nothing leads to a restriction.
COMPLIANT = frozenset({_S.CLOSED_COMPLIANT, _S.CLOSED_SPEECH, _S.CLOSED_EXCEPTION, _S.CLOSED_FALSE, _S.CLOSED_NOT_OURS})
#: A measure is in force, or on its way.
RESTRICTED = frozenset({_S.EMERGENCY_BLOCK, _S.DISCONNECT_PENDING, _S.DISCONNECTED, _S.TERMINATION_PENDING, _S.TERMINATED})

_ALWAYS = frozenset({"alert", "cooperation", "pause"})
_RESOLVE = frozenset({"resolve", "remind_resolve"})
_CUSTOMER = _RESOLVE | {"acknowledge", "remind_acknowledge"}
#: Which clocks may run in a state; entering it cancels the others. An appeal makes them stand still instead.
RUNS: Mapping[State, frozenset[str]] = {
    **{state: frozenset() for state in ENDED},
    _S.TRIAGE: _ALWAYS,
    _S.RESTRICTED_CASE: _ALWAYS,
    _S.TICKETED: _ALWAYS | _CUSTOMER | {"repeat"},
    _S.ACKNOWLEDGED: _ALWAYS | _RESOLVE | {"repeat"},
    _S.FIX_CLAIMED: _ALWAYS | {"quiet"},
    _S.NOT_ADEQUATE: _ALWAYS | _RESOLVE,
    _S.DISPUTED: _ALWAYS | _RESOLVE | {"dispute"},
    _S.EMERGENCY_BLOCK: _ALWAYS | _CUSTOMER | {"emergency"},
    _S.DISCONNECT_PENDING: _ALWAYS | {"warning"},
    _S.DISCONNECTED: _ALWAYS | {"second"},
    _S.RECONNECTED: _ALWAYS | {"probation", "repeat"},
    _S.TERMINATION_PENDING: _ALWAYS | {"final_notice"},
    _S.TERMINATED: frozenset({"data_window"}),
    _S.APPEAL: _ALWAYS | {"appeal"},
}
#: Whose turn it is in a state.
TURN: Mapping[State, str] = {
    **dict.fromkeys(ENDED, ""),
    **dict.fromkeys((_S.TRIAGE, _S.RESTRICTED_CASE, _S.FIX_CLAIMED, _S.DISPUTED, _S.DISCONNECT_PENDING, _S.APPEAL), "us"),
    **dict.fromkeys((_S.TICKETED, _S.ACKNOWLEDGED, _S.NOT_ADEQUATE, _S.DISCONNECTED, _S.EMERGENCY_BLOCK), "customer"),
    _S.RECONNECTED: "customer",
    _S.TERMINATION_PENDING: "us",
}
#: What may stand still: the customer's times, never the desk's own.
PAUSABLE = frozenset({"acknowledge", "resolve", "remind_acknowledge", "remind_resolve", "warning", "second", "final_notice",
                      "data_window", "probation"})  # fmt: skip
