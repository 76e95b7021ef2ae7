"""Every path of section O, from the first notice to the end, under both packs: "will" against "may"."""

from datetime import timedelta

import pytest

from tests.cases.resolving import HOUR, PACKS, Desk
from tipstaff.cases import (
    appeals,
    extensions,
    resolution,
    restriction,
    retests,
    services,
    speech,
    statements,
    termination,
    timing,
    wrong,
)
from tipstaff.cases.models import (
    Approval,
    Clock,
    Measure,
    Proof,
    Refusal,
    Retest,
    Retraction,
    Strike,
)
from tipstaff.evidence.models import Hold
from tipstaff.kernel.errors import Refused
from tipstaff.policy import queries as policy

pytestmark = pytest.mark.django_db
WILL, MAY = PACKS
both = pytest.mark.parametrize("pack", PACKS)
RESOLVE = {WILL: 24 * HOUR, MAY: 24 * HOUR}


def disconnected(pack, **more):
    """By the shortest way: silence under "will", a person's decision under "may"; another person approves."""
    desk = Desk(pack, **more).wait(25 * HOUR)
    if pack == WILL:
        row = Approval.objects.get(case=desk.number, what="restrict")
    else:
        row = desk.on(restriction.propose, kind="block", scope="machine", target="192.0.2.7", reason="no answer, it goes on")
    desk.do(restriction.approve, approval=row.pk, by="amy")
    desk.wait(13 * HOUR)  # the final warning
    desk.enforce()
    assert desk.state == "DISCONNECTED"
    return desk


# ---- TRIAGE


@both
def test_a_case_is_ticketed_acknowledged_fixed_and_resolved(pack):
    desk = Desk(pack)
    desk.on(statements.plan, by=desk.carol, cause="a weak password", fix="reset it", prevention="two factors",
            promised_at=desk.now + 2 * HOUR)  # fmt: skip
    assert desk.state == "ACKNOWLEDGED" and desk.case.promised_at
    desk.on(statements.claim_fix, by=desk.carol, text="the password is reset")
    assert desk.state == "FIX_CLAIMED"
    wanted = Retest.objects.get(case=desk.number)
    desk.do(retests.record, retest=wanted.pk, outcome="ok", text="nothing seen", by="system:retest")
    assert desk.state == "FIX_CLAIMED"
    desk.wait(49 * HOUR)
    assert desk.states() == ["TICKETED", "ACKNOWLEDGED", "FIX_CLAIMED", "RESOLVED"]
    assert "resolved" in desk.notices() and "resolved" in desk.notices("reporter")
    weights = policy.compiled(desk.case.edition).switches.fault_weights
    assert Strike.objects.get(case=desk.number).weight == min(weights.values())  # nobody said whose fault it was
    assert not Measure.objects.exists() and not Clock.objects.filter(fired_at=None, cancelled_at=None).exists()


@both
def test_a_strike_weighs_by_fault(pack):
    desk = Desk(pack)
    desk.on(services.set_facts, facts={"fault": "intentional"})
    desk.on(resolution.accept_fix, reason="the account is closed")
    assert Strike.objects.get().weight == 100


@both
def test_compliant_content_is_left_intact_and_every_restriction_lifted(pack):
    desk = disconnected(pack)
    desk.on(resolution.leave_intact, reason="lawful, and no breach", by="bob")
    assert desk.state == "CLOSED_COMPLIANT" and Measure.objects.get().state == "lifting"
    desk.enforce()
    assert Measure.objects.get().state == "lifted" and desk.state == "CLOSED_COMPLIANT"
    assert "left_intact" in desk.notices() and "left_intact" in desk.notices("reporter") and not Strike.objects.exists()
    with pytest.raises(Refused):
        desk.on(restriction.propose, kind="block", scope="machine", target="192.0.2.7", reason="after all", by="bob")


def test_protected_speech_closes_without_a_strike_where_the_policy_has_a_gate():
    desk = Desk(WILL, "harassment_hate", ticket=False, told=False)
    answers = {question.code: "no" for question in speech.QUESTIONS} | {"public_concern": "yes"}
    row = desk.on(speech.review, answers=answers, reason="opinion on a public figure")
    assert (row.verdict, desk.state) == ("protected", "CLOSED_SPEECH") and not Strike.objects.exists()
    assert desk.notices() == []  # the customer was never accused


def test_doubtful_speech_is_not_restricted_without_a_court_order():
    desk = Desk(WILL, "harassment_hate")
    desk.on(services.set_facts, facts={"jurisdiction": "US", "statute": "18 USC 875(c)"})
    unsure = {question.code: "unsure" for question in speech.QUESTIONS}
    assert desk.on(speech.review, answers=unsure, reason="hard to say").verdict == "doubtful"
    desk.wait(25 * HOUR)
    assert desk.state == "TICKETED" and "speech" in desk.case.needs_person
    with pytest.raises(Refused, match="court order"):
        desk.on(restriction.propose, kind="url_block", scope="url", target="https://carol.example/x", reason="it is bad")
    desk.on(speech.review, answers=unsure, reason="the court has spoken", court_order="No. 26-1 (D. Example)")
    desk.on(restriction.propose, kind="url_block", scope="url", target="https://carol.example/x", reason="the court orders it")


def test_speech_is_a_case_like_any_other_where_the_policy_has_no_gate():
    desk = Desk(MAY, "harassment_hate").wait(25 * HOUR)
    assert "policy leaves the next step to a person" in desk.case.needs_person
    assert desk.on(restriction.propose, kind="park", scope="site", target="carol.example", reason="threats").pk


@both
def test_a_permit_or_other_exception_closes_the_case_untouched(pack):
    desk = Desk(pack, "intrusion", ticket=False, told=False)
    with pytest.raises(Refused, match="no such exception"):
        desk.on(resolution.exception, code="lawful_gambling", reason="no")
    desk.on(resolution.exception, code="written_consent", reason="permit 7 covers source and time")
    assert desk.state == "CLOSED_EXCEPTION" and not Strike.objects.exists()


# ---- time


@both
def test_reminders_come_at_half_and_four_fifths_of_the_time(pack):
    desk = Desk(pack)
    desk.wait(11 * HOUR)
    assert "reminder" not in desk.notices()
    desk.wait(2 * HOUR)
    assert desk.notices().count("reminder") == 1
    desk.wait(8 * HOUR)
    assert desk.notices().count("reminder") == 2
    due = [entry.detail["due_at"] for entry in desk.case.journal.filter(kind="clock", detail__event="REMINDER_DUE")]
    assert len(due) == 2


def test_silence_leads_to_a_warning_and_a_proposal_where_the_policy_says_will():
    desk = Desk(WILL).wait(25 * HOUR)
    assert desk.state == "DISCONNECT_PENDING" and "final_warning" in desk.notices()
    proof = Proof.objects.get(case=desk.number)
    assert proof.trigger == "disregarded"
    row = Approval.objects.get(case=desk.number)
    assert (row.requested_by, row.role, row.detail["scope"]) == ("system:clock", "analyst", "machine")
    desk.wait(13 * HOUR)
    assert desk.state == "DISCONNECT_PENDING" and "waits for approval" in desk.case.needs_person and not Measure.objects.exists()


def test_silence_waits_for_a_person_where_the_policy_says_may():
    desk = Desk(MAY).wait(60 * HOUR)
    assert desk.state == "TICKETED" and desk.case.waiting_on == "us" and not Approval.objects.exists()
    assert "leaves the next step to a person" in desk.case.needs_person


@both
def test_no_restriction_follows_from_silence_if_every_contact_bounced(pack):
    desk = Desk(pack)
    desk.contact.problem = "bounced 3 times"
    desk.contact.save()
    desk.wait(48 * HOUR)
    assert desk.state == "TICKETED" and "silence proves nothing" in desk.case.needs_person
    desk.on(resolution.confirm_silence, reason="told by phone on Monday, he laughed")
    if pack == WILL:
        assert desk.state == "DISCONNECT_PENDING" and Proof.objects.get().trigger == "disregarded"
    else:
        assert desk.state == "TICKETED" and "leaves the next step to a person" in desk.case.needs_person


@both
def test_no_restriction_follows_from_silence_of_somebody_who_was_never_told(pack):
    desk = Desk(pack, told=False).wait(48 * HOUR)
    assert desk.state == "TICKETED" and "silence proves nothing" in desk.case.needs_person


@both
def test_a_protected_class_and_a_contract_forbid_that_anything_happens_by_itself(pack):
    terms = {"protected_class": "hospital"} if pack == WILL else {"contract": {"no_automation": True}}
    desk = Desk(pack)
    type(desk.customer).objects.filter(pk=desk.customer.pk).update(**terms)
    desk.wait(48 * HOUR)
    assert desk.state == "TICKETED" and "forbids that anything happens by itself" in desk.case.needs_person


@pytest.mark.parametrize(("manager", "goes_to"), [("provider", "TICKETED"), ("customer", "DISCONNECT_PENDING")])
def test_a_service_that_we_manage_is_not_cut_off_for_the_customers_silence(manager, goes_to):
    desk = Desk(WILL)
    type(desk.case.service).objects.filter(pk=desk.case.service_id).update(managed_by=manager)
    desk.wait(48 * HOUR)
    assert desk.state == goes_to
    assert ("our managing it forbids that anything happens by itself" in desk.case.needs_person) is (manager == "provider")


def test_a_contract_lengthens_the_time():
    desk = Desk(WILL, ticket=False)
    type(desk.customer).objects.filter(pk=desk.customer.pk).update(contract={"notice_hours": 96})
    desk.on(services.classify, category="intrusion")
    desk.wait(90 * HOUR)
    assert desk.state == "TICKETED" and not desk.case.needs_person
    desk.wait(7 * HOUR)
    assert desk.state == "DISCONNECT_PENDING"


@both
def test_the_time_is_shortened_lengthened_extended_and_paused_with_reasons(pack):
    desk = Desk(pack)
    first = desk.case.resolve_due_at
    desk.on(timing.change, resolve_due=first + 10 * HOUR, reason="a holiday there")
    asked = desk.on(statements.ask_extension, until=first + 30 * HOUR, reason="the vendor sleeps", by=desk.carol)
    with pytest.raises(Refused, match="lead"):
        desk.do(extensions.grant, statement=asked.pk, by="alice")
    desk.do(extensions.grant, statement=asked.pk, by="bob")
    assert desk.case.resolve_due_at == first + 30 * HOUR
    pause = desk.on(timing.pause, clocks=["resolve", "remind_resolve"], reason="our own outage")
    desk.wait(100 * HOUR)
    assert desk.state == "TICKETED" and not desk.case.needs_person
    desk.do(timing.resume, pause=pause.pk)
    desk.wait(52 * HOUR)
    assert not desk.case.needs_person
    desk.wait(3 * HOUR)
    assert (desk.state == "DISCONNECT_PENDING") is (pack == WILL)
    assert [row.change for row in desk.case.clock_changes.order_by("pk")] == ["lengthen", "extension"]
    assert {"due_changed", "extension_granted"} <= set(desk.notices())


@both
def test_more_time_that_is_refused_leaves_the_time_as_it_is(pack):
    desk = Desk(pack)
    before = desk.case.resolve_due_at
    asked = desk.on(statements.ask_extension, until=before + 30 * HOUR, reason="please", by=desk.carol)
    desk.do(extensions.refuse, statement=asked.pk, reason="it harms others", by="bob")
    assert desk.case.resolve_due_at == before and "extension_refused" in desk.notices()


# ---- the other two proofs


@both
def test_a_fix_that_does_not_hold_goes_back_once_and_then_the_ladder_speaks(pack):
    desk = Desk(pack)
    for turn in (1, 2):
        desk.on(statements.claim_fix, by=desk.carol, text=f"fixed, {turn}")
        row = Retest.objects.filter(case=desk.number, at=None).get()
        desk.do(retests.record, retest=row.pk, outcome="still", text="still seen", by="system:retest")
        if turn == 1:
            assert desk.state == "NOT_ADEQUATE" and "not_adequate" in desk.notices() and not Proof.objects.exists()
    assert Proof.objects.get().trigger == "inadequate"
    assert desk.state == ("DISCONNECT_PENDING" if pack == WILL else "NOT_ADEQUATE")
    assert pack == WILL or "person" in desk.case.needs_person


@both
def test_the_same_again_within_the_time_is_a_repeat_with_its_own_proof(pack):
    from tests.pipeline.given import CAROL, deliver, event, report
    from tipstaff.accounts.models import Customer
    from tipstaff.cases.models import Case

    desk = Desk(pack)
    desk.on(resolution.accept_fix, reason="patched")
    desk.wait(20 * 24 * HOUR)
    found = event(CAROL, at=desk.now - HOUR)
    deliver(report(found, category="intrusion", category_from="keyword intrusion (en)"), kind="smtp", now=desk.now)
    again = Case.objects.get(closed_at=None)
    desk.number = again.pk
    desk.on(services.classify, category="intrusion")
    desk.tell()
    desk.wait(timedelta(seconds=2))
    if pack == WILL:
        assert desk.state == "DISCONNECT_PENDING" and Proof.objects.get().trigger == "repeated"
    else:
        assert desk.state == "TICKETED" and Proof.objects.get().trigger == "repeated"
    assert Customer.objects.filter(pk=desk.customer.pk).exists()


# ---- DISPUTED


@both
def test_a_dispute_is_decided_by_somebody_else_and_a_false_report_leaves_no_strike(pack):
    desk = Desk(pack)
    desk.on(statements.dispute, by=desk.carol, text="that address was not ours then")
    assert desk.state == "DISPUTED"
    with pytest.raises(Refused, match="somebody else"):
        desk.on(resolution.decide_dispute, decision="upheld", reason="he is right", by="alice")
    desk.on(resolution.decide_dispute, decision="upheld", reason="the log shows another address", by="amy")
    assert desk.state == "CLOSED_FALSE" and not Strike.objects.exists()
    from tipstaff.reports.models import Reporter

    assert Reporter.objects.get().unfounded == 1
    assert {row.audience for row in Retraction.objects.all()} == {"customer"}


@both
def test_a_rejected_dispute_lets_the_time_go_on_and_a_grave_one_does_not_stop_it(pack):
    grave = Desk(pack)
    grave.on(statements.dispute, by=grave.carol, text="no")
    assert Clock.objects.filter(case=grave.number, kind="resolve", pause=None, cancelled_at=None).exists()
    grave.wait(30 * HOUR)
    assert grave.state == "DISPUTED" and not Proof.objects.exists()  # our silence never counts against the customer
    grave.on(resolution.decide_dispute, decision="rejected", reason="three sources say so", by="amy")
    assert grave.state == "ACKNOWLEDGED" and "dispute_rejected" in grave.notices()
    assert Clock.objects.filter(case=grave.number, kind="resolve", fired_at=None, cancelled_at=None).exists()


@both
def test_a_dispute_of_a_milder_matter_stops_the_time(pack):
    mild = Desk(pack, "scan")
    mild.on(statements.dispute, by=mild.carol, text="no")
    held = Clock.objects.get(case=mild.number, kind="resolve")
    assert held.pause is not None
    left = held.due_at - mild.now
    mild.wait(200 * HOUR)
    assert mild.state == "DISPUTED"
    mild.on(resolution.decide_dispute, decision="rejected", reason="it is seen", by="amy")
    assert mild.case.resolve_due_at - mild.now == pytest.approx(left, abs=timedelta(seconds=5))


# ---- restriction, restoring, termination


@both
def test_nobody_approves_his_own_action(pack):
    desk = Desk(pack).wait(25 * HOUR)
    row = desk.on(restriction.propose, kind="suspend", scope="service", target="1", reason="all of it is bad", by="bob")
    with pytest.raises(Refused, match="his own"):
        desk.do(restriction.approve, approval=row.pk, by="bob")
    with pytest.raises(Refused, match="lead"):
        desk.do(restriction.approve, approval=row.pk, by="amy")
    desk.do(restriction.approve, approval=row.pk, by="bea")


@both
def test_contact_statement_and_verification_restore_the_service_and_probation_resolves_it(pack):
    desk = disconnected(pack)
    assert "statement_of_reasons" in desk.notices() and Measure.objects.get().state == "in_force"
    with pytest.raises(Refused, match="in touch"):
        desk.on(restriction.restore, reason="why not")
    desk.on(statements.claim_fix, by=desk.carol, text="the host is reinstalled")
    row = Retest.objects.get(case=desk.number)
    desk.do(retests.record, retest=row.pk, outcome="ok", text="quiet", by="system:retest")
    desk.on(restriction.restore, reason="verified")
    assert desk.state == "DISCONNECTED"
    desk.enforce()
    assert desk.state == "RECONNECTED" and "restored" in desk.notices() and "restored" in desk.notices("reporter")
    desk.wait(31 * 24 * HOUR)
    assert desk.state == "RESOLVED" and Strike.objects.count() == 1


def test_both_failures_and_two_people_end_the_service_where_the_policy_says_will():
    desk = disconnected(WILL).wait(73 * HOUR)
    assert desk.state == "TERMINATION_PENDING" and "termination_notice" in desk.notices()
    desk.do(termination.confirm, approval=termination.pending(desk.number).pk, by="alice")  # the first of two people
    with pytest.raises(Refused, match="final notice"):
        desk.do(termination.confirm, approval=termination.pending(desk.number).pk, by="bob")
    desk.wait(73 * HOUR)
    assert desk.state == "TERMINATION_PENDING"  # time alone ends nothing
    with pytest.raises(Refused, match="his own"):
        desk.do(termination.confirm, approval=termination.pending(desk.number).pk, by="alice")
    with pytest.raises(Refused, match="lead"):
        desk.do(termination.confirm, approval=termination.pending(desk.number).pk, by="amy")
    desk.do(termination.confirm, approval=termination.pending(desk.number).pk, by="bob")
    assert desk.state == "TERMINATED" and Refusal.objects.count() == 1 and Strike.objects.count() == 1
    assert Measure.objects.filter(kind="terminate", decided_by="alice", confirmed_by="bob").exists()


def test_a_person_asks_for_the_end_where_the_policy_says_may():
    desk = disconnected(MAY).wait(80 * HOUR)
    assert desk.state == "DISCONNECTED" and "next step is a person" in desk.case.needs_person
    row = desk.on(termination.propose, reason="a month of fraud", by="alice")
    desk.wait(73 * HOUR)
    desk.do(termination.confirm, approval=row.pk, by="bob")
    assert desk.state == "TERMINATED"


def test_a_customer_who_answers_is_not_terminated_by_time():
    desk = disconnected(WILL)
    desk.on(statements.comment, by=desk.carol, text="we are on it")
    desk.wait(80 * HOUR)
    assert desk.state == "DISCONNECTED" and desk.case.needs_person


@both
def test_after_the_end_there_is_time_to_fetch_data_and_a_hold_keeps_it(pack):
    desk = Desk(pack)
    row = desk.on(termination.immediate, reason="a forged contract", by="bob")
    assert desk.case.rulings.get().kind == "immediate_termination"
    desk.do(termination.confirm, approval=row.pk, by="bea")
    assert desk.state == "TERMINATED"
    hold = Hold.objects.create(scope=f"customer:{desk.customer.pk}", reason="court", placed_by="colin", placed_at=desk.now)
    desk.wait(15 * 24 * HOUR)
    assert not Measure.objects.filter(kind="work_order").exists()
    hold.released_at = desk.now
    hold.save()
    desk.wait(15 * 24 * HOUR)
    assert "delete the content" in Measure.objects.get(kind="work_order").target


@both
def test_immediate_termination_is_a_leads_with_a_reason_and_a_second_person(pack):
    desk = Desk(pack)
    with pytest.raises(Refused, match="lead"):
        desk.on(termination.immediate, reason="now", by="alice")
    row = desk.on(termination.immediate, reason="danger for others", by="bob")
    with pytest.raises(Refused, match="his own"):
        desk.do(termination.confirm, approval=row.pk, by="bob")


# ---- EMERGENCY_BLOCK


@both
def test_a_live_attack_is_blocked_at_once_and_the_block_ends_by_itself(pack):
    desk = Desk(pack, "ddos_origin", ticket=False, told=False)
    with pytest.raises(Refused, match="narrow"):
        desk.on(restriction.emergency, kind="suspend", scope="service", target="1", reason="flood")
    measure = desk.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="40 Gbit/s out", hours=4)
    assert desk.state == "EMERGENCY_BLOCK" and desk.notices()[0] == "emergency" and desk.case.ticketed_at
    desk.enforce()
    desk.wait(5 * HOUR)
    measure.refresh_from_db()
    assert measure.state == "lifting"
    desk.enforce()
    assert desk.state == "TICKETED" and "restored" in desk.notices()


@both
def test_a_second_person_confirms_an_emergency_block(pack):
    desk = Desk(pack, "ddos_origin")
    measure = desk.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="flood")
    with pytest.raises(Refused, match="his own"):
        desk.do(restriction.confirm_emergency, measure=measure.pk, reason="sure", by="alice")
    desk.enforce()
    desk.do(restriction.confirm_emergency, measure=measure.pk, reason="it goes on", by="amy")
    desk.wait(30 * HOUR)
    measure.refresh_from_db()
    assert desk.state == "DISCONNECTED" and measure.state == "in_force"


# ---- APPEAL


@both
def test_an_appeal_is_decided_by_somebody_else_and_undoes_everything(pack):
    desk = disconnected(pack)
    appeal = desk.on(appeals.file, grounds="the address was reassigned the day before", by=desk.carol)
    assert desk.state == "APPEAL" and not Clock.objects.filter(case=desk.number, kind="second", pause=None).exists()
    for name in ("alice", "amy"):
        with pytest.raises(Refused, match="no part"):
            desk.do(appeals.decide, appeal=appeal.pk, decision="overturned", reason="right", by=name)
    desk.do(appeals.decide, appeal=appeal.pk, decision="overturned", reason="the ledger agrees", by="bea")
    desk.enforce()
    measure = Measure.objects.get()
    assert desk.state == "CLOSED_FALSE" and measure.state == "lifted" and measure.overturned_at
    assert "appeal_decided" in desk.notices() and not Strike.objects.filter(removed_at=None).exists()
    row = Retraction.objects.get(audience="customer")
    desk.do(wrong.decide, retraction=row.pk, decision="sent", by="bea")
    assert desk.notices()[-1] == "retraction"


@both
def test_an_appeal_that_fails_leaves_everything_where_it_was(pack):
    desk = disconnected(pack)
    left = Clock.objects.get(case=desk.number, kind="second", fired_at=None, cancelled_at=None).due_at - desk.now
    appeal = desk.on(appeals.file, grounds="no", by=desk.carol)
    desk.wait(5 * 24 * HOUR)
    desk.do(appeals.decide, appeal=appeal.pk, decision="upheld", reason="four sources", by="bea")
    assert desk.state == "DISCONNECTED"
    second = Clock.objects.get(case=desk.number, kind="second", fired_at=None, cancelled_at=None)
    assert second.due_at - desk.now == pytest.approx(left, abs=timedelta(seconds=5))


@both
def test_an_appeal_against_one_measure_undoes_that_measure(pack):
    desk = disconnected(pack)
    measure = Measure.objects.get()
    appeal = desk.on(appeals.file, grounds="too wide", by=desk.carol, measure=measure.pk)
    desk.do(appeals.decide, appeal=appeal.pk, decision="overturned", reason="a URL would do", by="bea")
    desk.enforce()
    measure.refresh_from_db()
    assert desk.state == "ACKNOWLEDGED" and measure.state == "lifted" and measure.overturned_at


@both
def test_an_appeal_of_a_closed_case_has_its_time_and_its_strike_goes(pack):
    desk = Desk(pack)
    desk.on(resolution.accept_fix, reason="done")
    closed = desk.case.closed_at
    desk.wait(100 * 24 * HOUR)
    appeal = desk.on(appeals.file, grounds="we never did it", by=desk.carol)
    desk.do(appeals.decide, appeal=appeal.pk, decision="upheld", reason="you did", by="bea")
    assert desk.state == "RESOLVED" and desk.case.closed_at == closed
    appeal = desk.on(appeals.file, grounds="new evidence", by=desk.carol)
    desk.do(appeals.decide, appeal=appeal.pk, decision="overturned", reason="indeed", by="colin")
    assert desk.state == "CLOSED_FALSE" and Strike.objects.get().removed_at
    with pytest.raises(Refused):
        desk.on(appeals.file, grounds="again", by=desk.carol)


@both
def test_the_time_to_appeal_ends(pack):
    desk = Desk(pack)
    desk.on(resolution.accept_fix, reason="done")
    desk.wait(185 * 24 * HOUR)
    with pytest.raises(Refused, match="time to appeal"):
        desk.on(appeals.file, grounds="late", by=desk.carol)


# ---- what fits no clause, and discretion


@both
def test_what_fits_no_clause_needs_a_reasoned_decision_and_a_second_reviewer(pack):
    desk = Desk(pack, "other").wait(26 * HOUR)
    assert desk.state == "TICKETED" and "second reviewer" in desk.case.needs_person
    with pytest.raises(Refused, match="second reviewer"):
        desk.on(restriction.propose, kind="block", scope="machine", target="192.0.2.7", reason="bad")
    ruling = desk.on(resolution.judge_other, reason="it harms the neighbours", by="alice")
    with pytest.raises(Refused, match="his own"):
        desk.do(resolution.agree, ruling=ruling.pk, by="alice")
    desk.do(resolution.agree, ruling=ruling.pk, by="amy")
    asked = {WILL: "bob", MAY: "bob"}[pack]
    row = desk.on(
        restriction.propose,
        kind="block",
        scope="machine",
        target="192.0.2.7",
        reason="as reviewed",
        by=asked,
        discretion=pack == WILL,
    )
    assert desk.state == "DISCONNECT_PENDING" and row.requested_by == "bob"


def test_discretion_is_a_leads_and_is_called_so():
    desk = Desk(WILL)
    desk.on(statements.acknowledge, by=desk.carol)
    type(desk.case).objects.filter(pk=desk.number).update(resolve_due_at=desk.now - HOUR)
    with pytest.raises(Refused, match="proof first"):
        desk.on(restriction.propose, kind="block", scope="machine", target="192.0.2.7", reason="the spirit of it", by="bob")
    with pytest.raises(Refused, match="lead"):
        desk.on(
            restriction.propose, kind="block", scope="machine", target="192.0.2.7", reason="spirit", by="alice", discretion=True
        )
    desk.on(restriction.propose, kind="block", scope="machine", target="192.0.2.7", reason="spirit", by="bob", discretion=True)
    assert desk.case.rulings.get().kind == "discretion" and desk.state == "DISCONNECT_PENDING"


@both
def test_copyright_stops_at_notice(pack):
    desk = Desk(pack, "copyright").wait(100 * HOUR)
    assert desk.state == "TICKETED" and "stops at notice" in desk.case.needs_person
    with pytest.raises(Refused, match="stops at notice"):
        desk.on(restriction.propose, kind="url_block", scope="url", target="https://carol.example/f", reason="infringing")
    desk.on(resolution.accept_fix, reason="removed")
    assert not Strike.objects.exists()
