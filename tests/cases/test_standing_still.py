"""Clocks that stand still: none is lost, none goes on where nothing follows from it, and no pause is left behind."""

from datetime import timedelta

import pytest

from tests.cases.resolving import HOUR, PACKS, Desk
from tipstaff.cases import appeals, lifecycle, measures, resolution, restriction, retests, statements, termination, timing
from tipstaff.cases.lifecycle import APPEALABLE
from tipstaff.cases.models import Clock, Measure, Pause, Retest
from tipstaff.cases.models_time import RUNNING
from tipstaff.cases.states import CLOCKS, PAUSABLE, RUNS, State
from tipstaff.kernel.errors import Refused

pytestmark = pytest.mark.django_db
both = pytest.mark.parametrize("pack", PACKS)


def blocked(pack: str) -> Desk:
    desk = Desk(pack, "ddos_origin")
    desk.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="a flood", hours=4)
    desk.enforce()
    return desk


def test_every_clock_that_goes_on_in_an_appeal_has_a_rule_there() -> None:
    going_on = {kind for state in APPEALABLE for kind in RUNS[state] - PAUSABLE} | RUNS[State.APPEAL]
    ruled = {rule.event for rule in lifecycle.RULES if State.APPEAL in rule.when and not rule.guarded}
    assert {kind for kind in going_on if CLOCKS[kind] not in ruled} == set()


@both
def test_an_emergency_block_ends_by_itself_in_an_appeal_too_and_the_customer_hears_so_once(pack: str) -> None:
    desk = blocked(pack)
    appeal = desk.on(appeals.file, grounds="it is our own test", by=desk.carol)
    with pytest.raises(Refused, match="appeal"):
        desk.do(restriction.confirm_emergency, measure=Measure.objects.get().pk, reason="it goes on", by="bob")
    desk.wait(5 * HOUR)
    desk.enforce()
    assert Measure.objects.get().state == "lifted" and desk.state == "APPEAL"
    assert desk.notices().count("restored") == 1
    desk.do(appeals.decide, appeal=appeal.pk, decision="upheld", reason="it was a flood", by="bea")
    assert desk.state == "TICKETED" and desk.notices().count("restored") == 1
    assert Clock.objects.filter(RUNNING, case=desk.number, kind="resolve").exists()


@both
def test_nobody_lets_clocks_go_on_while_an_appeal_is_undecided(pack: str) -> None:
    desk = blocked(pack)
    desk.on(appeals.file, grounds="it is our own test", by=desk.carol)
    with pytest.raises(Refused, match="appeal"):
        desk.do(timing.resume, pause=Pause.objects.get(ended_at=None).pk)
    assert not Clock.objects.filter(RUNNING, case=desk.number, kind="resolve").exists()


@both
def test_a_pause_that_ends_in_an_appeal_lets_no_clock_run_before_the_decision(pack: str) -> None:
    desk = blocked(pack)
    desk.on(timing.pause, clocks=["resolve"], reason="waits for our own engineers", until=desk.now + 6 * HOUR)
    due = Clock.objects.get(case=desk.number, kind="resolve", cancelled_at=None).due_at
    begun = desk.now
    appeal = desk.on(appeals.file, grounds="no", by=desk.carol)
    desk.wait(3 * 24 * HOUR)
    assert not Clock.objects.filter(RUNNING, case=desk.number, kind="resolve").exists()
    desk.do(appeals.decide, appeal=appeal.pk, decision="upheld", reason="four sources", by="bea")
    resolve = Clock.objects.get(RUNNING, case=desk.number, kind="resolve")
    assert resolve.due_at - due == pytest.approx(desk.now - begun, abs=timedelta(seconds=5))
    assert not Pause.objects.filter(case=desk.number, ended_at=None).exists()


@both
def test_the_end_of_an_appeal_does_not_end_what_a_person_paused_for_longer(pack: str) -> None:
    desk = blocked(pack)
    kept = desk.on(timing.pause, clocks=["resolve"], reason="waits for our own engineers", until=desk.now + 90 * 24 * HOUR)
    appeal = desk.on(appeals.file, grounds="no", by=desk.carol)
    desk.do(appeals.decide, appeal=appeal.pk, decision="upheld", reason="four sources", by="bea")
    assert list(Pause.objects.filter(case=desk.number, ended_at=None)) == [kept]


@both
def test_a_dispute_that_ends_by_a_fix_leaves_no_pause_behind(pack: str) -> None:
    desk = Desk(pack, "scan")
    desk.on(statements.dispute, text="we saw nothing", by=desk.carol)
    assert Pause.objects.get(case=desk.number).ended_at is None
    desk.on(statements.claim_fix, text="found it after all", by=desk.carol)
    for row in Retest.objects.filter(at=None):
        desk.do(retests.record, retest=row.pk, outcome="still", text="still there", detail={})
    if desk.state != "NOT_ADEQUATE":
        desk.on(resolution.not_adequate, reason="it is still there")
    assert desk.state == "NOT_ADEQUATE" and Clock.objects.filter(RUNNING, case=desk.number, kind="resolve").exists()
    assert not Pause.objects.filter(case=desk.number, ended_at=None).exists()


@both
def test_a_live_attack_under_dispute_stops_no_clock_for_good_and_forgets_no_dispute(pack: str) -> None:
    desk = Desk(pack, "ddos_origin")
    desk.on(timing.pause, clocks=["resolve"], reason="until Monday", until=desk.now + 2 * HOUR)
    desk.on(statements.dispute, text="it is not us", by=desk.carol)
    desk.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="a flood", hours=4)
    assert "dispute" in desk.case.needs_person and desk.case.waiting_on == "us"


@both
def test_what_failed_at_the_peer_does_not_keep_a_case_disconnected_for_ever(pack: str) -> None:
    desk = Desk(pack, "ddos_origin")
    block = desk.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="a flood", hours=4)
    desk.do(restriction.confirm_emergency, measure=block.pk, reason="it goes on", by="bob")
    desk.do(measures.failed, measure=block.pk, problem="the router refused it", by="system:enforcement")
    assert desk.state == "DISCONNECTED"
    desk.on(statements.comment, text="they called", via="desk")
    desk.on(restriction.restore, reason="nothing stands, and it is fixed")
    assert desk.state == "RECONNECTED"


@both
def test_nothing_is_restored_where_nothing_was_restricted(pack: str) -> None:
    desk = Desk(pack, "billing_fraud")
    desk.on(termination.immediate, reason="the whole contract is false", by="bob")
    desk.on(statements.comment, text="they called", via="desk")
    with pytest.raises(Refused, match="withdraw"):
        desk.on(restriction.restore, reason="a mistake")
    assert termination.pending(desk.number) is not None
    desk.on(termination.withdraw, reason="a mistake", by="bob")
    assert desk.state == "ACKNOWLEDGED"
