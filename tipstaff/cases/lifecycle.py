"""The life of a case, rule by rule, in the order and the words of requirements section O, driven by the pinned edition.

Pure: facts and an event in, a decision out; the first rule that fits decides. ``cases.advancing`` carries decisions out, and
nothing else assigns a state. Durations, guards and switches come from the edition; ``docs/lifecycle.md`` is drawn from RULES.
"""

from collections.abc import Sequence

from tipstaff.cases import facts as f
from tipstaff.cases.facts import Facts
from tipstaff.cases.rules import (
    BACK,
    CUSTOMER,
    EVERYBODY,
    REPORTER,
    SAME,
    UNPROVEN,
    Decision,
    NoRule,
    Rule,
    barred,
    handed_back,
    lacking,
    said,
    time_is_over,
)
from tipstaff.cases.states import CLOSED, COMPLIANT, OPEN, Duty, Effect, Event, State
from tipstaff.kernel.errors import Refused
from tipstaff.policy import ladder
from tipstaff.policy.edition import Trigger

S, E, D, X = State, Event, Duty, Effect
LIVE = (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.DISPUTED, S.FIX_CLAIMED)
WORKABLE = tuple(state for state in OPEN if state not in {S.RESTRICTED_CASE})
UNRESTRICTED = (S.TRIAGE, *LIVE)
APPEALABLE = (
    S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING, S.DISCONNECTED, S.RECONNECTED, S.TERMINATION_PENDING, S.TERMINATED,
    *(state for state in State if state in CLOSED and state not in COMPLIANT and state is not S.MERGED),
)  # fmt: skip

_DISREGARD = (S.TICKETED, S.EMERGENCY_BLOCK)
_FAILED = (S.ACKNOWLEDGED, S.NOT_ADEQUATE)
_REPEATABLE = (S.TICKETED, S.ACKNOWLEDGED, S.RECONNECTED)


RULES: tuple[Rule, ...] = (
    # ---- TRIAGE
    Rule("a person or rule classifies", (S.TRIAGE,), E.CLASSIFIED, S.TICKETED, step="ticket", start=("customer",),
         notices=((D.OPENED, CUSTOMER),)),
    Rule("illegal imagery or imminent threat: sealed, no word to the customer", (S.TRIAGE, S.TICKETED), E.SEALED, S.RESTRICTED_CASE,
         effects=(X.ALERT,)),
    Rule("sealed, and found to be no breach", (S.RESTRICTED_CASE,), E.FOUND_COMPLIANT, S.CLOSED_COMPLIANT,
         effects=(X.LIFT_ALL, X.WITHDRAW)),
    Rule("sealed, and the report was false", (S.RESTRICTED_CASE,), E.REPORT_FALSE, S.CLOSED_FALSE, effects=(X.LIFT_ALL,
         X.WITHDRAW)),
    Rule("sealed, and dealt with", (S.RESTRICTED_CASE,), E.FIX_ACCEPTED, S.RESOLVED),
    *barred(E.EMERGENCY, UNRESTRICTED),
    Rule("a live attack is blocked at once although the customer disputes", (S.DISPUTED,), E.EMERGENCY, S.EMERGENCY_BLOCK,
         only=(f.immediate_allowed,), step="restrict", start=("customer", "emergency"), notices=((D.EMERGENCY, CUSTOMER),),
         effects=(X.RESUME,), person="a dispute is undecided: look at it beside the emergency block"),
    Rule("a live attack is blocked at once, narrowly, for some hours", UNRESTRICTED, E.EMERGENCY, S.EMERGENCY_BLOCK,
         only=(f.immediate_allowed,), step="restrict", start=("customer", "emergency"), notices=((D.EMERGENCY, CUSTOMER),)),
    Rule("the edition lists this category for no immediate action", UNRESTRICTED, E.EMERGENCY,
         refused="the policy lists this category for no immediate action"),
    Rule("compliant: left intact, every restriction lifted", WORKABLE, E.FOUND_COMPLIANT, S.CLOSED_COMPLIANT,
         effects=(X.LIFT_ALL, X.WITHDRAW), notices=((D.LEFT_INTACT, EVERYBODY),)),
    Rule("protected speech: left intact", WORKABLE, E.FOUND_SPEECH, S.CLOSED_SPEECH, only=(f.speech_protected,),
         effects=(X.LIFT_ALL, X.WITHDRAW), notices=((D.LEFT_INTACT, EVERYBODY),)),
    Rule("this policy protects no speech", WORKABLE, E.FOUND_SPEECH, refused="this policy has no speech gate for this category"),
    Rule("an exception of the policy holds: left intact", WORKABLE, E.FOUND_EXCEPTION, S.CLOSED_EXCEPTION,
         only=(f.listed_exception,), effects=(X.LIFT_ALL, X.WITHDRAW), notices=((D.LEFT_INTACT, EVERYBODY),)),
    Rule("no such exception here", WORKABLE, E.FOUND_EXCEPTION, refused="the policy lists no such exception for this category"),
    # ---- TICKETED and what the customer says
    Rule("what it would remind of is over", (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.EMERGENCY_BLOCK), E.REMINDER_DUE,
         unless=(f.early,)),
    Rule("reminder", (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.EMERGENCY_BLOCK), E.REMINDER_DUE,
         notices=((D.REMINDER, CUSTOMER),)),
    Rule("no reminder while a dispute waits for us", (S.DISPUTED,), E.REMINDER_DUE),
    Rule("nobody acknowledged, and all of the time is over", (S.TICKETED, S.EMERGENCY_BLOCK), E.ACKNOWLEDGE_DUE, unless=(f.early,)),
    Rule("nobody acknowledged in time: the customer is reminded, the time to resolve goes on", (S.TICKETED, S.EMERGENCY_BLOCK),
         E.ACKNOWLEDGE_DUE, notices=((D.REMINDER, CUSTOMER),)),
    Rule("the customer acknowledges too late: a person gives time, or goes on", (S.TICKETED, S.NOT_ADEQUATE), E.ACKNOWLEDGED,
         S.ACKNOWLEDGED, only=(f.overdue,), step="acknowledge", person="answered when the time was over: give more time, or go on"),
    Rule("the customer acknowledges; that is no admission", (S.TICKETED, S.NOT_ADEQUATE), E.ACKNOWLEDGED, S.ACKNOWLEDGED,
         step="acknowledge"),
    Rule("the customer answers", (S.ACKNOWLEDGED, S.FIX_CLAIMED, S.DISPUTED, S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING,
         S.DISCONNECTED, S.RECONNECTED, S.TERMINATION_PENDING, S.APPEAL), E.ACKNOWLEDGED),
    Rule("the customer says it is fixed: we look", (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.DISPUTED), E.FIX_STATED,
         S.FIX_CLAIMED, start=("quiet",), effects=(X.WANT_RETEST,)),
    Rule("fixed during the final warning: we look", (S.DISCONNECT_PENDING,), E.FIX_STATED, S.FIX_CLAIMED, unless=(f.handed_back,
         f.restricted),
         start=("quiet",), effects=(X.WANT_RETEST, X.WITHDRAW)),
    Rule("fixed, said again during the final warning: we look, the warning goes on", (S.DISCONNECT_PENDING,), E.FIX_STATED,
         effects=(X.WANT_RETEST,), person="the customer says again that it is fixed"),
    Rule("a fix while restricted: we look, then restore", (S.EMERGENCY_BLOCK, S.DISCONNECTED, S.TERMINATION_PENDING), E.FIX_STATED,
         effects=(X.WANT_RETEST,), person="the customer says it is fixed: verify and restore"),
    Rule("said again", (S.FIX_CLAIMED, S.RECONNECTED, S.APPEAL), E.FIX_STATED, effects=(X.WANT_RETEST,)),
    Rule("the customer gets in touch", tuple(s for s in WORKABLE if s is not S.TRIAGE), E.CONTACTED),
    # ---- FIX_CLAIMED
    Rule("the retest finds it fixed: the quiet period decides", (S.FIX_CLAIMED,), E.RETEST_OK),
    *handed_back((S.FIX_CLAIMED,), E.RETEST_STILL, "the retest still finds it"),
    *handed_back((S.FIX_CLAIMED, S.ACKNOWLEDGED), E.FIX_NOT_ADEQUATE, "the desk finds it not adequate"),
    Rule("the retest cannot tell: a person, or the quiet period", (S.FIX_CLAIMED,), E.RETEST_UNCLEAR),
    Rule("fixed: it may be restored", (S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING, S.DISCONNECTED, S.TERMINATION_PENDING), E.RETEST_OK,
         person="a retest finds it fixed: restore"),
    Rule("a retest elsewhere is kept", tuple(s for s in OPEN if s not in {S.FIX_CLAIMED, S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING,
         S.DISCONNECTED, S.TERMINATION_PENDING}), E.RETEST_OK),
    Rule("a retest elsewhere is kept", tuple(s for s in OPEN if s is not S.FIX_CLAIMED), E.RETEST_STILL),
    Rule("a retest elsewhere is kept", tuple(s for s in OPEN if s is not S.FIX_CLAIMED), E.RETEST_UNCLEAR),
    *handed_back((S.FIX_CLAIMED,), E.QUIET_OVER, "seen again in the quiet period", f.not_quiet),
    Rule("quiet, but no retest could confirm it: a person looks", (S.FIX_CLAIMED,), E.QUIET_OVER, only=(f.untested,),
         person="the quiet period is over, and no retest has confirmed the fix"),
    Rule("quiet, but what proves the fix is not on record: a person looks", (S.FIX_CLAIMED,), E.QUIET_OVER, only=(f.unproven,),
         person="the quiet period is over; before the fix counts the policy asks for this: {unproven}"),
    Rule("quiet: resolved", (S.FIX_CLAIMED,), E.QUIET_OVER, S.RESOLVED, effects=(X.STRIKE, X.LIFT_ALL),
         notices=((D.RESOLVED, EVERYBODY),)),
    Rule("what proves the fix is not on record", (S.TICKETED, S.ACKNOWLEDGED, S.FIX_CLAIMED, S.NOT_ADEQUATE, S.DISPUTED,
         S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING, S.RECONNECTED), E.FIX_ACCEPTED, only=(f.unproven,), refused=UNPROVEN),
    Rule("the desk accepts the fix", (S.TICKETED, S.ACKNOWLEDGED, S.FIX_CLAIMED, S.NOT_ADEQUATE, S.DISPUTED, S.EMERGENCY_BLOCK,
         S.DISCONNECT_PENDING, S.RECONNECTED), E.FIX_ACCEPTED, S.RESOLVED, effects=(X.STRIKE, X.LIFT_ALL, X.WITHDRAW),
         notices=((D.RESOLVED, EVERYBODY),)),
    Rule("settled in triage, before anybody was accused", (S.TRIAGE,), E.FIX_ACCEPTED, S.RESOLVED, notices=((D.RESOLVED,
         REPORTER),)),
    Rule("restricted: restore first", (S.DISCONNECTED, S.TERMINATION_PENDING, S.APPEAL), E.FIX_ACCEPTED,
         refused="the service is restricted or under appeal: restore it, or decide the appeal"),
    # ---- DISPUTED
    Rule("the customer disputes: somebody else decides", (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE, S.FIX_CLAIMED,
         S.DISCONNECT_PENDING), E.DISPUTED, S.DISPUTED, unless=(f.dispute_heard, f.restricted), start=("dispute",),
         effects=(X.PAUSE_RESOLVE, X.WITHDRAW)),
    Rule("disputed again, or when a measure is decided: the way is an appeal", (S.TICKETED, S.ACKNOWLEDGED, S.NOT_ADEQUATE,
         S.FIX_CLAIMED, S.DISCONNECT_PENDING),
         E.DISPUTED, person="the customer disputes again what was decided"),
    Rule("disputed while restricted: somebody looks, an appeal stays open", (S.DISPUTED, S.EMERGENCY_BLOCK, S.DISCONNECTED,
         S.RECONNECTED, S.TERMINATION_PENDING, S.APPEAL), E.DISPUTED, person="the customer disputes"),
    Rule("a false report: no strike", WORKABLE, E.DISPUTE_UPHELD, S.CLOSED_FALSE,
         effects=(X.LIFT_ALL, X.WITHDRAW, X.REPORTER_WRONG, X.CREDIT), notices=((D.CLOSED, EVERYBODY),)),
    Rule("a false report: no strike", WORKABLE, E.REPORT_FALSE, S.CLOSED_FALSE,
         effects=(X.LIFT_ALL, X.WITHDRAW, X.REPORTER_WRONG, X.CREDIT), notices=((D.CLOSED, EVERYBODY),)),
    lacking(E.DISPUTE_REJECTED, (S.DISPUTED,)),
    Rule("the dispute is rejected: the customer's time goes on", (S.DISPUTED,), E.DISPUTE_REJECTED, S.ACKNOWLEDGED,
         start=("resolve",),
         effects=(X.RESUME,), notices=((D.DISPUTE_REJECTED, CUSTOMER),)),
    Rule("a dispute that nobody decides is a lead's; silence of ours never counts against the customer", (S.DISPUTED,),
         E.DISPUTE_DUE,
         start=("dispute",), person="a dispute is undecided past its time"),
    Rule("no restriction while a dispute is undecided", (S.DISPUTED,), E.RESOLVE_DUE,
         person="the time is over while a dispute is undecided"),
    # ---- to DISCONNECT_PENDING: three proofs, each its own
    *time_is_over(_DISREGARD, E.RESOLVE_DUE, Trigger.DISREGARDED, "the time to resolve is over without a word"),
    *time_is_over(_FAILED, E.RESOLVE_DUE, Trigger.INADEQUATE, "the time to resolve is over and it is not solved"),
    *time_is_over(_REPEATABLE, E.REPEAT_FOUND, Trigger.REPEATED, "the same again within the time of a repeat"),
    *time_is_over((S.TICKETED,), E.SILENCE_CONFIRMED, Trigger.DISREGARDED, "a person confirms that silence counts"),
    *barred(E.RESTRICTION_ASKED, (*LIVE, S.RECONNECTED, S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING)),
    Rule("no restriction while a dispute is undecided", (S.DISPUTED,), E.RESTRICTION_ASKED, unless=(f.immediate_allowed,),
         refused="decide the dispute first"),
    Rule("not before the customer's time is over", (*LIVE, S.RECONNECTED), E.RESTRICTION_ASKED, only=(f.too_early,),
         refused="the customer's time still runs, nothing is proven, and the policy lists no immediate action by you here"),
    Rule("asked for at once: approval, no warning", (*LIVE, S.RECONNECTED, S.EMERGENCY_BLOCK), E.RESTRICTION_ASKED,
         S.DISCONNECT_PENDING,
         only=(f.asked_at_once,), step="restrict"),
    Rule("asked by a person: final warning and approval", (*LIVE, S.RECONNECTED, S.EMERGENCY_BLOCK), E.RESTRICTION_ASKED,
         S.DISCONNECT_PENDING, only=(f.ladder_says(Trigger.DECISION),), step="restrict", proof=Trigger.DECISION, start=("warning",),
         notices=((D.FINAL_WARNING, CUSTOMER),)),
    Rule("in the provider's discretion, a lead says: final warning and approval", (*LIVE, S.RECONNECTED, S.EMERGENCY_BLOCK),
         E.RESTRICTION_ASKED, S.DISCONNECT_PENDING, only=(f.in_discretion,), step="restrict", proof=Trigger.DECISION,
         start=("warning",), notices=((D.FINAL_WARNING, CUSTOMER),)),
    Rule("the ladder's proofs are missing", (*LIVE, S.RECONNECTED, S.EMERGENCY_BLOCK), E.RESTRICTION_ASKED,
         refused="the policy asks for a proof first: disregarded, inadequate or repeated"),
    lacking(E.RESTRICTION_ASKED, (S.DISCONNECTED, S.RESTRICTED_CASE)),
    Rule("another measure is asked for", (S.DISCONNECT_PENDING, S.DISCONNECTED, S.RESTRICTED_CASE), E.RESTRICTION_ASKED,
         step="restrict"),
    # ---- DISCONNECT_PENDING → DISCONNECTED
    lacking(E.RESTRICTION_APPROVED, (S.DISCONNECT_PENDING, S.DISCONNECTED, S.EMERGENCY_BLOCK, S.RESTRICTED_CASE)),
    Rule("approved, the final warning still runs", (S.DISCONNECT_PENDING,), E.RESTRICTION_APPROVED, only=(f.warned,),
         unless=(f.asked_at_once,)),
    Rule("approved: carried out", (S.DISCONNECT_PENDING, S.DISCONNECTED, S.EMERGENCY_BLOCK, S.RESTRICTED_CASE),
         E.RESTRICTION_APPROVED, step="restrict",
         effects=(X.EXECUTE,)),
    Rule("the final warning is over, and what the policy asks for first is missing: a person gives it, and decides",
         (S.DISCONNECT_PENDING,), E.WARNING_OVER, only=(f.lacking,),
         person="the final warning is over, a restriction waits for approval, and the policy asks for this first: {lacking}"),
    Rule("the final warning is over and approval is there: carried out", (S.DISCONNECT_PENDING,), E.WARNING_OVER,
         only=(f.approved,),
         step="restrict", effects=(X.EXECUTE,)),
    Rule("the final warning is over, and the edition lists the measure as automatic", (S.DISCONNECT_PENDING,), E.WARNING_OVER,
         only=(f.automatic,), step="restrict", effects=(X.EXECUTE,)),
    Rule("the final warning is over: somebody must approve", (S.DISCONNECT_PENDING,), E.WARNING_OVER,
         person="the final warning is over; a restriction waits for approval"),
    Rule("in force", (S.DISCONNECT_PENDING,), E.EXECUTED, S.DISCONNECTED, step="restrict", start=("second",),
         notices=((D.STATEMENT_OF_REASONS, CUSTOMER),)),
    Rule("the emergency block is in force", (S.EMERGENCY_BLOCK,), E.EXECUTED),
    Rule("a further measure is in force", tuple(s for s in State if s not in {S.DISCONNECT_PENDING, S.EMERGENCY_BLOCK}),
         E.EXECUTED),
    # ---- EMERGENCY_BLOCK
    lacking(E.EMERGENCY_CONFIRMED, (S.EMERGENCY_BLOCK,)),
    Rule("a second person confirms: it stays", (S.EMERGENCY_BLOCK,), E.EMERGENCY_CONFIRMED, S.DISCONNECTED, step="restrict",
         start=("second",), notices=((D.STATEMENT_OF_REASONS, CUSTOMER),)),
    Rule("no confirmation while an appeal is undecided", (S.APPEAL,), E.EMERGENCY_CONFIRMED,
         refused="decide the appeal first; the block ends by itself meanwhile"),
    Rule("unconfirmed: it ends by itself, the ticket goes on", (S.EMERGENCY_BLOCK,), E.EMERGENCY_OVER, S.TICKETED,
         effects=(X.LIFT_ALL,), notices=((D.RESTORED, CUSTOMER),)),
    Rule("it ends by itself under appeal too", (S.APPEAL,), E.EMERGENCY_OVER, effects=(X.LIFT_ALL,)),
    # ---- DISCONNECTED → RECONNECTED
    Rule("nothing was restricted", (S.TERMINATION_PENDING,), E.RESTORE_APPROVED, unless=(f.restricted,),
         refused="nothing is restricted here: a lead withdraws the termination"),
    Rule("contact and verification are missing", (S.DISCONNECTED, S.TERMINATION_PENDING), E.RESTORE_APPROVED, only=(f.unverified,),
         refused="the customer has not been in touch, or the last retest still finds it; a lead may lift it with a reason"),
    Rule("contact, statement, verified: restored", (S.DISCONNECTED, S.TERMINATION_PENDING, S.EMERGENCY_BLOCK), E.RESTORE_APPROVED,
         effects=(X.LIFT_ALL, X.WITHDRAW)),
    Rule("back in service: probation", (S.DISCONNECTED, S.TERMINATION_PENDING), E.LIFTED, S.RECONNECTED, start=("probation",),
         effects=(X.WITHDRAW,),
         notices=((D.RESTORED, EVERYBODY),)),
    Rule("the emergency block is lifted: the ticket goes on", (S.EMERGENCY_BLOCK,), E.LIFTED, S.TICKETED, notices=((D.RESTORED,
         CUSTOMER),)),
    Rule("nothing is in force any more, and the appeal goes on", (S.APPEAL,), E.LIFTED, notices=((D.RESTORED, CUSTOMER),)),
    Rule("nothing is in force any more", tuple(s for s in State if s not in {S.DISCONNECTED, S.TERMINATION_PENDING,
         S.EMERGENCY_BLOCK, S.APPEAL}),
         E.LIFTED),
    Rule("quiet through the probation: resolved", (S.RECONNECTED,), E.PROBATION_OVER, S.RESOLVED, effects=(X.STRIKE,),
         notices=((D.RESOLVED, EVERYBODY),)),
    # ---- termination: both failures, two people, final notice, data window
    Rule("the second timer is over: neither addressed nor resolved", (S.DISCONNECTED,), E.SECOND_DUE, S.TERMINATION_PENDING,
         only=(f.ladder_terminates(),), unless=(f.by_hand_only, f.unheard, f.lacking), step="terminate", start=("final_notice",),
         notices=((D.TERMINATION_NOTICE, CUSTOMER),), effects=(X.PROPOSE_TERMINATION,)),
    Rule("the second timer is over: a person decides", (S.DISCONNECTED,), E.SECOND_DUE,
         person="the second timer is over; the next step is a person's"),
    Rule("the second timer still runs", (S.DISCONNECTED,), E.TERMINATION_ASKED, only=(f.second_runs,),
         refused="the second timer still runs"),
    lacking(E.TERMINATION_ASKED, (S.DISCONNECTED, S.DISCONNECT_PENDING, *LIVE)),
    Rule("asked by a person: final notice, two people", (S.DISCONNECTED, S.DISCONNECT_PENDING, *LIVE), E.TERMINATION_ASKED,
         S.TERMINATION_PENDING, only=(f.ladder_terminates(Trigger.DECISION),), unless=(f.stops_at_notice, f.speech_undecided,
         f.unreviewed, f.restricted_first),
         step="terminate", start=("final_notice",), notices=((D.TERMINATION_NOTICE, CUSTOMER),), effects=(X.PROPOSE_TERMINATION,)),
    Rule("the rung is not open", (S.DISCONNECTED, S.DISCONNECT_PENDING, *LIVE), E.TERMINATION_ASKED,
         refused="the policy ends a service only after a restriction, when the matter was neither addressed nor resolved"),
    lacking(E.TERMINATION_AT_ONCE, (*LIVE, S.TRIAGE, S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING, S.DISCONNECTED, S.RECONNECTED)),
    Rule("without notice: two people and the reason, never by itself", (*LIVE, S.TRIAGE, S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING,
         S.DISCONNECTED, S.RECONNECTED), E.TERMINATION_AT_ONCE, S.TERMINATION_PENDING, unless=(f.stops_at_notice,
         f.speech_undecided),
         step="terminate", effects=(X.PROPOSE_TERMINATION,)),
    Rule("barred", (*LIVE, S.TRIAGE, S.EMERGENCY_BLOCK, S.DISCONNECT_PENDING, S.DISCONNECTED, S.RECONNECTED), E.TERMINATION_AT_ONCE,
         refused="the speech gate or the category's own procedure comes first"),
    Rule("the final notice still runs", (S.TERMINATION_PENDING,), E.TERMINATION_CONFIRMED, only=(f.notice_runs,),
         refused="the final notice still runs"),
    lacking(E.TERMINATION_CONFIRMED, (S.TERMINATION_PENDING,)),
    Rule("two people: terminated", (S.TERMINATION_PENDING,), E.TERMINATION_CONFIRMED, S.TERMINATED, step="terminate",
         start=("data_window",), effects=(X.TERMINATE, X.STRIKE, X.REFUSE_LIST), notices=((D.TERMINATED, CUSTOMER), (D.CLOSED,
         REPORTER))),
    Rule("the final notice is over: two people may confirm", (S.TERMINATION_PENDING,), E.FINAL_NOTICE_OVER,
         person="the final notice is over; termination waits for a second person"),
    Rule("withdrawn: the restriction stays", (S.TERMINATION_PENDING,), E.TERMINATION_WITHDRAWN, S.DISCONNECTED,
         only=(f.restricted,),
         start=("second",), effects=(X.WITHDRAW,)),
    Rule("withdrawn", (S.TERMINATION_PENDING,), E.TERMINATION_WITHDRAWN, S.ACKNOWLEDGED, start=("resolve",), effects=(X.WITHDRAW,)),
    Rule("a hold stands: nothing is deleted, we look again later", (S.TERMINATED,), E.DATA_WINDOW_OVER, only=(f.held,),
         start=("data_window",)),
    Rule("the time to fetch data is over: the content may go", (S.TERMINATED,), E.DATA_WINDOW_OVER, effects=(X.DELETE_CONTENT,)),
    # ---- APPEAL
    Rule("the time to appeal is over", APPEALABLE, E.APPEALED, only=(f.too_late,), refused="the time to appeal is over"),
    Rule("an appeal: somebody else decides, every clock stands still", APPEALABLE, E.APPEALED, S.APPEAL, start=("appeal",),
         effects=(X.PAUSE_ALL,), notices=((D.APPEAL_RECEIVED, CUSTOMER),)),
    Rule("the measure was wrong: undone, the case goes on", (S.APPEAL,), E.APPEAL_OVERTURNED, S.ACKNOWLEDGED,
         only=(f.was_restricted,),
         start=("resolve",), effects=(X.LIFT_ALL, X.WITHDRAW, X.CREDIT), notices=((D.APPEAL_DECIDED, CUSTOMER),)),
    Rule("the measure was wrong: undone", (S.APPEAL,), E.APPEAL_OVERTURNED, BACK, only=(f.about_measure,),
         effects=(X.RESUME, X.LIFT_ALL, X.CREDIT), notices=((D.APPEAL_DECIDED, CUSTOMER),)),
    Rule("overturned: undone, restored, credited, with an apology", (S.APPEAL,), E.APPEAL_OVERTURNED, S.CLOSED_FALSE,
         effects=(X.LIFT_ALL, X.WITHDRAW, X.CREDIT), notices=((D.APPEAL_DECIDED, CUSTOMER),)),
    Rule("the decision stands", (S.APPEAL,), E.APPEAL_UPHELD, BACK, effects=(X.RESUME,), notices=((D.APPEAL_DECIDED, CUSTOMER),)),
    Rule("withdrawn", (S.APPEAL,), E.APPEAL_WITHDRAWN, BACK, effects=(X.RESUME,)),
    Rule("an appeal that nobody decides is a lead's", (S.APPEAL,), E.APPEAL_DUE, start=("appeal",),
         person="an appeal is undecided past its time"),
    Rule("the same again under appeal: whoever decides it sees that", (S.APPEAL,), E.REPEAT_FOUND,
         person="the same again while an appeal is undecided"),
    Rule("a pause ends, and the appeal holds its clocks on", (S.APPEAL,), E.PAUSE_OVER),
    # ---- other ends
    Rule("a duplicate", WORKABLE, E.DUPLICATE, S.CLOSED_DUPLICATE, unless=(f.restricted,)),
    Rule("a restriction stands", WORKABLE, E.DUPLICATE, refused="a restriction stands: lift it first, or merge the cases"),
    Rule("not ours: whoever was told hears so", WORKABLE, E.NOT_OURS, S.CLOSED_NOT_OURS, effects=(X.LIFT_ALL, X.WITHDRAW, X.CREDIT),
         notices=((D.CLOSED, EVERYBODY),)),
    Rule("gone from its feeds", UNRESTRICTED, E.ABSENT, S.CLOSED_ABSENT, notices=((D.CLOSED, CUSTOMER),)),
    Rule("a finding that we block is absent because we block it", tuple(s for s in WORKABLE if s not in UNRESTRICTED), E.ABSENT,
         refused="a restriction stands: absence proves nothing"),
    Rule("merged into another case", WORKABLE, E.MERGED, S.MERGED, unless=(f.restricted,)),
    Rule("a restriction stands", WORKABLE, E.MERGED,
         refused="a restriction stands on this case: lift it, or merge the other into this one"),
    # ---- whoever is on call
    Rule("somebody has taken it", OPEN, E.ALERT_DUE, only=(f.claimed,)),
    Rule("a critical case that nobody has taken: the next level is alerted", OPEN, E.ALERT_DUE, start=("alert",),
         effects=(X.ALERT,)),
    Rule("what was asked for is due", OPEN, E.COOPERATION_DUE, person="the customer has not answered what was asked for"),
    Rule("a pause ends", tuple(s for s in OPEN if s is not S.APPEAL), E.PAUSE_OVER, effects=(X.RESUME,)),
)  # fmt: skip


def decide(facts: Facts, event: Event, rules: Sequence[Rule] = RULES) -> Decision:
    """The first rule that fits. Raises Refused with the rule's reason, NoRule where the table says nothing."""
    for rule in rules:
        if rule.event is event and facts.state in rule.when and _fits(rule, facts):
            if rule.refused:
                raise Refused(said(rule.refused, facts))
            return Decision(rule, _target(rule, facts), clause_of(rule, facts), said(rule.person, facts))
    raise NoRule(f"this is not open while the case is {facts.state}: {event}")


def _fits(rule: Rule, facts: Facts) -> bool:
    return all(ask(facts) for ask in rule.only) and not any(ask(facts) for ask in rule.unless)


def _target(rule: Rule, facts: Facts) -> State:
    if rule.to is SAME:
        return facts.state
    if rule.to is BACK:
        return facts.resumes or S.ACKNOWLEDGED
    assert isinstance(rule.to, State)
    return rule.to


def clause_of(rule: Rule, facts: Facts) -> str:
    """The number of the clause in whose name it happens: the rung's, else the case's own."""
    steps = {step.code: step for step in facts.edition.ladder.steps}
    if rule.step == "restrict":
        proofs = facts.proofs | ({rule.proof} if rule.proof else set())
        found = [step for step in ladder.restricting(facts.edition) if step.guard.holds(proofs)]
        return (found or list(ladder.restricting(facts.edition)) or list(facts.edition.ladder.steps))[0].clause
    return steps[rule.step].clause if rule.step in steps else facts.category.clause
