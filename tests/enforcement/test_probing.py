"""When a block hides the attack: hold, look, back off, let go. The schedule alone, and on a real connector."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given as such_that
from hypothesis import strategies as st

from tests.cases.resolving import say
from tests.enforcement import given
from tests.pipeline.given import deliver, event, policy, report
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import restriction
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import leaks, probes, switches, worker
from tipstaff.enforcement.models import Order, OrderEntry, Probe
from tipstaff.enforcement.probing import Act, Phase, Standing, Timing, hold_of, step
from tipstaff.kernel.clock import frozen, now

T = datetime(2026, 6, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TIMING = Timing(timedelta(minutes=15), timedelta(seconds=60), 2, timedelta(hours=4))
HOLDING = Standing(Phase.HOLDING, T, 0, in_place=True)
OPEN = Standing(Phase.OPEN, T, 0, in_place=False)


def test_a_hold_ends_on_the_second() -> None:
    assert step(HOLDING, TIMING, T + TIMING.hold - SECOND) is Act.WAIT
    assert step(HOLDING, TIMING, T + TIMING.hold) is Act.WITHDRAW


def test_each_look_that_finds_the_attack_doubles_the_hold_to_the_cap() -> None:
    minutes = [hold_of(TIMING, looks).total_seconds() / 60 for looks in range(7)]
    assert minutes == [15, 30, 60, 120, 240, 240, 240] and hold_of(TIMING, 10**9) == TIMING.longest


def test_what_is_not_in_place_or_not_hidden_or_about_to_end_is_not_probed() -> None:
    late = T + TIMING.hold
    for other in (
        replace(HOLDING, in_place=False),
        replace(HOLDING, attack_at=late - SECOND),
        replace(HOLDING, ends_at=late + TIMING.look),
    ):
        assert step(other, TIMING, late) is Act.WAIT


def test_a_look_ends_with_the_attack_or_with_its_time() -> None:
    assert step(OPEN, TIMING, T + SECOND) is Act.WAIT
    assert step(replace(OPEN, attack_at=T - SECOND), TIMING, T + SECOND) is Act.WAIT, "what was seen before the look says nothing"
    assert step(replace(OPEN, attack_at=T + SECOND), TIMING, T + 2 * SECOND) is Act.BLOCK
    assert step(OPEN, TIMING, T + TIMING.look) is Act.LIFT


def test_a_withdrawal_and_a_new_block_are_waited_for() -> None:
    assert step(replace(HOLDING, phase=Phase.WITHDRAWING), TIMING, T) is Act.WAIT
    assert step(replace(OPEN, phase=Phase.WITHDRAWING), TIMING, T) is Act.WATCH
    assert step(replace(OPEN, phase=Phase.BLOCKING), TIMING, T) is Act.WAIT
    assert step(replace(HOLDING, phase=Phase.BLOCKING), TIMING, T) is Act.HOLD
    assert step(replace(HOLDING, phase=Phase.OVER), TIMING, T + timedelta(days=9)) is Act.WAIT


@such_that(st.sampled_from(Phase), st.integers(0, 10**6), st.integers(0, 50), st.booleans(), st.integers(-100, 10**6))
def test_nothing_is_blocked_or_lifted_but_out_of_a_look(phase: Phase, seconds: int, looks: int, there: bool, attack: int) -> None:
    standing = Standing(phase, T, looks, there, T + attack * SECOND)
    act = step(standing, TIMING, T + seconds * SECOND)
    assert act not in {Act.BLOCK, Act.LIFT} or phase is Phase.OPEN
    assert act is not Act.WITHDRAW or (phase is Phase.HOLDING and there and seconds * SECOND >= hold_of(TIMING, looks))


@pytest.fixture
def attack(db, tmp_path: Path, monkeypatch) -> Measure:
    """Carol's machine floods others, our flows saw it, and Bob blocks it; the block stands."""
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)
    for name, roles in (("alice", ["analyst"]), ("bob", ["lead"])):
        StaffMember.objects.update_or_create(username=name, defaults={"roles": roles})
    given.journal(tmp_path)
    given.inventory()
    policy()
    flood(now())
    words = {"kind": "block", "scope": "machine", "target": given.CAROL, "reason": "it floods others", "by": "bob"}
    made = restriction.emergency(case=Case.objects.get().pk, now=now(), **words)
    given.work()
    assert given.only().state == "verified"
    return made


def flood(at: datetime) -> None:
    """Our flows see the flood at that moment."""
    deliver(report(event(ip=given.CAROL, at=at), category="ddos_origin", format="flow-finding"), now=at)


def looked(at: datetime, rounds: int = 4) -> Probe:
    """The worker at a moment, with its looks at probes."""
    with frozen(at):
        for _ in range(rounds):
            probes.look(now=at)
            given.work(2)
    return Probe.objects.get()


def test_an_attack_that_is_back_is_blocked_again_by_the_same_measure_for_twice_as_long(attack: Measure) -> None:
    began = given.only().verified_at
    assert looked(began + timedelta(minutes=14)).phase == "holding"
    away = began + timedelta(minutes=16)
    assert looked(away).phase == "open"
    attack.refresh_from_db()
    assert (given.only().state, attack.state) == ("reverted", "in_force"), "the case still stands under its measure"
    flood(away + 5 * SECOND)
    probe = looked(away + 10 * SECOND)
    first, second = Order.objects.order_by("pk")
    assert (probe.phase, probe.looks, probe.order) == ("holding", 1, second)
    assert (second.state, second.measure, second.expires_at, second.approved_by) == (
        "verified",
        attack,
        first.expires_at,
        first.approved_by,
    )
    assert OrderEntry.objects.get(order=second, kind="proposed").detail == {"after": first.pk}
    again = second.verified_at
    assert looked(again + timedelta(minutes=29)).phase == "holding" and looked(again + timedelta(minutes=31)).phase == "open"
    said = JournalEntry.objects.filter(kind="order", text__startswith="the attack is back")
    assert said.count() == 1


def test_an_attack_that_stays_away_ends_the_block(attack: Measure) -> None:
    away = given.only().verified_at + timedelta(minutes=16)
    assert looked(away).phase == "open"
    assert looked(away + 30 * SECOND).phase == "open"
    probe = looked(away + 61 * SECOND)
    attack.refresh_from_db()
    assert (probe.phase, attack.state) == ("over", "lifted") and Order.objects.count() == 1
    assert JournalEntry.objects.filter(text__startswith="the attack did not come back").exists()


def test_nothing_is_taken_away_that_could_not_be_put_back(attack: Measure, settings) -> None:
    away = given.only().verified_at + timedelta(minutes=16)
    looked(away - timedelta(minutes=5))
    switches.stop(by="bob", reason="maintenance", now=now())
    assert looked(away).phase == "holding" and given.only().state == "verified"
    settings.PROBE_HOLD_MINUTES = 0
    assert probes.look(now=away) == 0


def test_a_block_that_a_second_person_confirmed_is_left_alone(attack: Measure) -> None:
    began = given.only().verified_at
    looked(began + timedelta(minutes=1))
    say(attack.case_id, by="alice", now=began + timedelta(minutes=2))
    restriction.confirm_emergency(measure=attack.pk, reason="it is a booter", by="alice", now=began + timedelta(minutes=2))
    assert looked(began + timedelta(minutes=16)).phase == "over" and given.only().state == "verified"


def test_a_rail_that_forbids_the_new_block_is_told_and_ends_it(attack: Measure) -> None:
    away = given.only().verified_at + timedelta(minutes=16)
    looked(away)
    from tipstaff.enforcement.models import Protected

    Protected.objects.create(prefix="203.0.113.0/29", why="a router moved here", by="bob", added_at=now())
    flood(away + 5 * SECOND)
    probe = looked(away + 10 * SECOND)
    attack.refresh_from_db()
    assert (probe.phase, attack.state, Order.objects.count()) == ("over", "lifted", 1) and "never touched" in probe.outcome


def test_traffic_of_what_is_blocked_is_told_to_its_order_once(attack: Measure) -> None:
    assert leaks.watched() == [f"{given.CAROL}/32"]
    words = {"address": given.CAROL, "outgoing": True, "finding": "f1", "words": "it still sent 9 packets", "report": 1}
    assert leaks.seen(**words, now=now()) == 1 and leaks.seen(**words, now=now()) == 0
    assert leaks.seen(**(words | {"address": given.DAVE}), now=now()) == 0
    assert OrderEntry.objects.get(kind="leak").text.endswith("it still sent 9 packets")
    assert JournalEntry.objects.filter(case=attack.case, kind="order", text__contains="the block leaks").exists()
