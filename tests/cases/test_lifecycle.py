"""The table itself: complete, reachable, and nowhere from a clean bill to a restriction; both packs run through it."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.house.source import ROOT, package, shown
from tipstaff.cases import diagram
from tipstaff.cases.facts import Facts
from tipstaff.cases.lifecycle import BACK, RULES, SAME, NoRule, clause_of, decide
from tipstaff.cases.states import CLOCKS, COMPLIANT, OPEN, RESTRICTED, RUNS, TURN, Duty, Effect, Event, State, family
from tipstaff.kernel.errors import InputError, Refused
from tipstaff.policy import ladder, loading
from tipstaff.policy.edition import LadderMode, Role, Trigger

PACKS = {name: loading.load_packaged(name) for name in loading.packaged()}
S, E = State, Event


def facts(state, pack="dedicated-hosting", category="intrusion", **more):
    edition = PACKS[pack]
    kind = edition.categories[category]
    return Facts(state, edition, kind, str(kind.severity), **{"reachable": True, **more})


def leads(rule):
    """From each of its states to where, an appeal's way back included."""
    for state in rule.when:
        if rule.refused:
            continue
        targets = diagram_targets(rule)
        for target in targets:
            yield state, (state if target is SAME else target)


def diagram_targets(rule):
    return [S.ACKNOWLEDGED, S.DISCONNECTED, S.TERMINATED, S.RESOLVED] if rule.to is BACK else [rule.to]


def test_every_state_is_reachable():
    reached = {S.TRIAGE}
    while True:
        more = {to for rule in RULES for at, to in leads(rule) if at in reached} - reached
        if not more:
            break
        reached |= more
    assert set(State) - reached == set()


def test_every_clock_that_may_run_has_a_rule_without_guard_for_running_out():
    missing = [
        (state, kind)
        for state, kinds in RUNS.items()
        for kind in kinds
        if not any(state in rule.when and rule.event is CLOCKS[kind] and not rule.guarded for rule in RULES)
    ]
    assert missing == []


def test_a_rule_starts_only_clocks_that_may_run_where_it_leads():
    for rule in RULES:
        for _, to in leads(rule):
            for kind in rule.start:
                wanted = {"acknowledge", "resolve"} if kind == "customer" else {kind}
                assert wanted <= RUNS[to], (rule.text, to, kind)


def test_every_clock_is_started_by_a_rule_or_by_what_opens_a_case():
    started = {kind for rule in RULES for kind in rule.start}
    elsewhere = {"acknowledge", "resolve", "remind_acknowledge", "remind_resolve",  # 'customer'
                 "repeat", "alert", "cooperation", "pause"}  # opening, asking, pausing  # fmt: skip
    assert started - {"customer"} | elsewhere == set(CLOCKS)


def test_every_guarded_rule_has_an_unguarded_fallback():
    lonely = [
        (rule.text, state)
        for number, rule in enumerate(RULES)
        if rule.guarded
        for state in rule.when
        if not any(state in other.when and other.event is rule.event and not other.guarded for other in RULES[number + 1 :])
    ]
    assert lonely == []


def test_no_rule_stands_behind_one_that_always_fits():
    for number, rule in enumerate(RULES):
        for state in rule.when:
            hidden = [o.text for o in RULES[:number] if o.event is rule.event and state in o.when and not o.guarded]
            assert hidden == [], (rule.text, state)


def test_no_rule_leads_from_a_clean_bill_to_a_restriction():
    for rule in RULES:
        for at, to in leads(rule):
            if at in COMPLIANT:
                assert to not in RESTRICTED and not set(rule.effects) & {Effect.PROPOSE, Effect.EXECUTE, Effect.TERMINATE}
                assert to is at, rule.text


def test_what_ends_without_a_breach_lifts_every_restriction_and_strikes_nobody():
    for rule in RULES:
        if rule.to in COMPLIANT:
            assert Effect.LIFT_ALL in rule.effects and Effect.STRIKE not in rule.effects, rule.text


def test_only_two_people_terminate_and_nothing_by_time_alone_does():
    for rule in RULES:
        if rule.to is S.TERMINATED or Effect.TERMINATE in rule.effects:
            assert rule.event is E.TERMINATION_CONFIRMED and rule.when == (S.TERMINATION_PENDING,)


def test_every_state_says_whose_turn_it_is_and_which_clocks_run():
    assert set(TURN) == set(RUNS) == set(State)


def test_every_kind_of_reminder_is_a_clock():
    assert family("remind_resolve_50") in CLOCKS and family("second") == "second"


def test_the_page_in_the_docs_is_not_stale():
    assert (ROOT / "docs/lifecycle.md").read_text() == diagram.page(), "python -m tipstaff.cases.diagram > docs/lifecycle.md"


def test_what_the_table_does_not_know_is_refused_with_the_state():
    with pytest.raises(NoRule, match="CLOSED_COMPLIANT"):
        decide(facts(S.CLOSED_COMPLIANT), E.RESTRICTION_ASKED)


ASSIGNS = re.compile(
    r"^\s*case\.state(?:, case\.\w+)*\s*=[^=]|Case\.objects[^\n]*\.update\([^)]*\bstate="
    r"|UPDATE cases_case\b[^;]*?SET(?:(?!FROM|WHERE|RETURNING)[^;])*?[\s,]state\s*=",
    re.MULTILINE,
)
#: The table's hand; taking back what somebody did a moment ago.
MAY_ASSIGN = {"tipstaff/cases/advancing.py", "tipstaff/cases/undoing.py"}


def test_nothing_else_assigns_a_state():
    assert {shown(path) for path in package() if ASSIGNS.search(path.read_text())} == MAY_ASSIGN


# ---- the packs differ where their texts differ


@pytest.mark.parametrize(("pack", "to"), [("dedicated-hosting", S.DISCONNECT_PENDING), ("default", S.DISCONNECT_PENDING),
                                          ("managed-services", S.TICKETED)])  # fmt: skip
def test_silence_restricts_where_the_policy_says_will_and_waits_for_a_person_where_it_says_may(pack, to):
    found = decide(facts(S.TICKETED, pack), E.RESOLVE_DUE)
    assert found.state is to
    assert bool(found.rule.person) is (PACKS[pack].ladder.mode is LadderMode.DISCRETIONARY)
    assert found.rule.proof is Trigger.DISREGARDED


@pytest.mark.parametrize("pack", sorted(PACKS))
def test_under_every_pack_a_persons_decision_reaches_a_restriction(pack):
    proven = facts(S.TICKETED, pack, proofs=frozenset({Trigger.DISREGARDED, Trigger.DECISION}))
    assert decide(proven, E.RESTRICTION_ASKED).state is S.DISCONNECT_PENDING
    assert clause_of(decide(proven, E.RESTRICTION_ASKED).rule, proven) in PACKS[pack].clauses


@pytest.mark.parametrize("pack", sorted(PACKS))
def test_every_pack_reaches_termination_in_its_own_way(pack):
    ended = facts(S.DISCONNECTED, pack, measures=1)
    by_time = decide(ended, E.SECOND_DUE)
    assert (by_time.state is S.TERMINATION_PENDING) is (PACKS[pack].ladder.mode is LadderMode.MANDATORY)
    assert decide(ended, E.TERMINATION_ASKED).state is S.TERMINATION_PENDING


def test_both_failures_are_needed_where_the_policy_says_and():
    assert decide(facts(S.DISCONNECTED, contacted=True), E.SECOND_DUE).state is S.DISCONNECTED
    assert decide(facts(S.DISCONNECTED, retest="ok"), E.SECOND_DUE).state is S.DISCONNECTED
    assert decide(facts(S.DISCONNECTED), E.SECOND_DUE).state is S.TERMINATION_PENDING


def test_the_speech_gate_stands_only_where_the_policy_has_one():
    assert decide(facts(S.TICKETED, "dedicated-hosting", "harassment_hate"), E.RESOLVE_DUE).state is S.TICKETED
    with pytest.raises(Refused, match="speech gate"):
        decide(facts(S.TICKETED, "dedicated-hosting", "harassment_hate", immediate=True), E.RESTRICTION_ASKED)
    free = facts(S.TICKETED, "managed-services", "harassment_hate", proofs=frozenset({Trigger.DISREGARDED}))
    assert decide(free, E.RESTRICTION_ASKED).state is S.DISCONNECT_PENDING
    with pytest.raises(Refused, match="no speech gate"):
        decide(facts(S.TICKETED, "managed-services", "harassment_hate"), E.FOUND_SPEECH)
    ordered = facts(S.TICKETED, "dedicated-hosting", "harassment_hate", speech="doubtful", court_order=True)
    assert decide(ordered, E.RESOLVE_DUE).state is S.DISCONNECT_PENDING


# ---- guards that protect the customer, one by one


@pytest.mark.parametrize("guard", [{"by_hand_only": "hospital"}, {"reachable": False}])
def test_silence_restricts_nobody_whom_it_must_not(guard):
    for event in (E.RESOLVE_DUE, E.REPEAT_FOUND):
        found = decide(facts(S.TICKETED, **guard), event)
        assert found.state is S.TICKETED and found.rule.person and found.turn == "us"


def test_silence_of_somebody_never_reached_counts_once_a_person_confirms_it():
    assert decide(facts(S.TICKETED, reachable=False, silence_confirmed=True), E.SILENCE_CONFIRMED).state is S.DISCONNECT_PENDING


def test_advice_ends_with_its_finding_and_copyright_stops_at_notice():
    advised = decide(facts(S.TICKETED, category="vulnerable"), E.RESOLVE_DUE)
    assert advised.state is S.TICKETED and not advised.rule.person
    copyrighted = facts(S.TICKETED, category="copyright")
    assert decide(copyrighted, E.RESOLVE_DUE).state is S.TICKETED
    with pytest.raises(Refused, match="stops at notice"):
        decide(replace(copyrighted, immediate=True), E.RESTRICTION_ASKED)


def test_what_fits_no_clause_needs_a_second_reviewer():
    other = facts(S.TICKETED, category="other")
    assert decide(other, E.RESOLVE_DUE).state is S.TICKETED
    assert decide(replace(other, second_review=True), E.RESOLVE_DUE).state is S.DISCONNECT_PENDING


def test_a_fix_that_does_not_hold_goes_back_once():
    first = decide(facts(S.FIX_CLAIMED), E.RETEST_STILL)
    assert first.state is S.NOT_ADEQUATE and Effect.RETURN in first.rule.effects and first.rule.proof is None
    again = decide(facts(S.FIX_CLAIMED, returned=1), E.RETEST_STILL)
    assert again.state is S.DISCONNECT_PENDING and again.rule.proof is Trigger.INADEQUATE
    may = decide(facts(S.FIX_CLAIMED, "managed-services", returned=1), E.RETEST_STILL)
    assert may.state is S.NOT_ADEQUATE and may.rule.person


def test_the_quiet_period_decides_unless_it_was_seen_again():
    assert decide(facts(S.FIX_CLAIMED), E.QUIET_OVER).state is S.RESOLVED
    assert decide(facts(S.FIX_CLAIMED, seen_again=True), E.QUIET_OVER).state is S.NOT_ADEQUATE
    relay = facts(S.FIX_CLAIMED, category="open_relay")
    assert decide(relay, E.QUIET_OVER).state is S.FIX_CLAIMED
    assert decide(replace(relay, retest="ok"), E.QUIET_OVER).state is S.RESOLVED


def test_no_restriction_before_the_time_is_over_save_by_who_may_act_at_once():
    with pytest.raises(Refused, match="still runs"):
        decide(facts(S.TICKETED, early=True), E.RESTRICTION_ASKED)
    at_once = decide(facts(S.TICKETED, early=True, immediate=True), E.RESTRICTION_ASKED)
    assert at_once.state is S.DISCONNECT_PENDING and at_once.rule.start == ()


def test_an_emergency_block_needs_a_category_that_the_edition_lists():
    with pytest.raises(Refused, match="no immediate action"):
        decide(facts(S.TICKETED, category="spyware"), E.EMERGENCY)
    found = decide(facts(S.TRIAGE, category="ddos_origin"), E.EMERGENCY)
    assert found.state is S.EMERGENCY_BLOCK and (Duty.EMERGENCY, ("customer", "reseller")) in found.rule.notices


def test_approval_before_the_warning_is_over_waits_for_it():
    waits = decide(facts(S.DISCONNECT_PENDING, running=frozenset({"warning"}), approved=True), E.RESTRICTION_APPROVED)
    assert waits.rule.effects == ()
    assert decide(facts(S.DISCONNECT_PENDING, approved=True), E.WARNING_OVER).rule.effects == (Effect.EXECUTE,)
    assert decide(facts(S.DISCONNECT_PENDING), E.WARNING_OVER).rule.person


def test_only_listed_pairs_are_carried_out_without_a_person():
    listed = facts(S.DISCONNECT_PENDING)
    listed = replace(listed, category=replace(listed.category, automatic=("url_block",)))
    assert decide(listed, E.WARNING_OVER).rule.effects == (Effect.EXECUTE,)
    assert decide(replace(listed, by_hand_only="hospital"), E.WARNING_OVER).rule.person


def test_restoring_takes_contact_and_no_failing_retest():
    for bad in ({"contacted": False}, {"contacted": True, "retest": "still"}):
        with pytest.raises(Refused, match="in touch"):
            decide(facts(S.DISCONNECTED, **bad), E.RESTORE_APPROVED)
    assert Effect.LIFT_ALL in decide(facts(S.DISCONNECTED, contacted=True, retest="ok"), E.RESTORE_APPROVED).rule.effects
    assert decide(facts(S.DISCONNECTED), E.LIFTED).state is S.RECONNECTED


def test_a_hold_keeps_the_content():
    held = decide(facts(S.TERMINATED, held=True), E.DATA_WINDOW_OVER)
    assert held.rule.start == ("data_window",) and held.rule.effects == ()
    assert decide(facts(S.TERMINATED), E.DATA_WINDOW_OVER).rule.effects == (Effect.DELETE_CONTENT,)


def test_an_appeal_that_fails_leads_back_to_where_it_came_from():
    assert decide(facts(S.APPEAL, resumes=S.TERMINATED), E.APPEAL_UPHELD).state is S.TERMINATED
    assert decide(facts(S.APPEAL, resumes=S.DISCONNECTED), E.APPEAL_OVERTURNED).state is S.CLOSED_FALSE
    one = facts(S.APPEAL, resumes=S.DISCONNECTED, about_measure=True)
    assert decide(one, E.APPEAL_OVERTURNED).state is S.ACKNOWLEDGED
    with pytest.raises(Refused, match="time to appeal"):
        decide(facts(S.RESOLVED, in_time=False), E.APPEALED)


def test_every_open_state_can_end_without_a_breach():
    for state in set(OPEN):
        found = decide(facts(state), E.FOUND_COMPLIANT)
        assert found.state is S.CLOSED_COMPLIANT and Effect.LIFT_ALL in found.rule.effects


# ---- editions whose ladder cannot be climbed are refused when they are loaded


def broken(**changes):
    content = loading.canonical(PACKS["dedicated-hosting"])
    steps = content["ladder"]["steps"]
    for step in steps:
        step.update(changes.get(step["code"], {}))
    content["switches"].update(changes.get("switches", {}))
    return content


@pytest.mark.parametrize(("changes", "words"), [
    ({"disconnect": {"guard": {"any_of": ["not_addressed"], "all_of": []}}}, "'disconnect' is unreachable"),
    ({"disconnect": {"approval_whole_service": "nobody"}}, "nobody may approve"),
    ({"switches": {"acknowledgement": "not_asked"}}, "no acknowledgement is asked"),
    ({"disconnect": {"guard": {"any_of": [], "all_of": ["not_resolved"]}}}, "nothing can prove not_resolved"),
])  # fmt: skip
def test_an_edition_with_a_state_that_cannot_be_reached_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        loading.from_content(broken(**changes))
    assert loading.from_content(broken())


def test_the_packs_know_a_rung_for_each_measure():
    for edition in PACKS.values():
        for measure in ladder.MEASURES:
            assert ladder.step_for(edition, measure), (edition.name, measure)
        assert ladder.terminating(edition).approval is Role.TWO_PERSONS
        assert edition.timers.final_warning <= timedelta(days=1)
