"""The replay as a table: a past made up by hand, two packs, and what comes of it. No database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from tipstaff.cases.backtesting.comparing import Sort, compare
from tipstaff.cases.backtesting.past import Happening, Kind, Past, Told
from tipstaff.cases.backtesting.replaying import replay
from tipstaff.cases.states import Event
from tipstaff.policy import loading
from tipstaff.policy.diff import differences
from tipstaff.policy.edition import Opening, Role

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WILL, MAY = "dedicated-hosting", "managed-services"
ANALYST, LEAD = frozenset({Role.ANALYST}), frozenset({Role.ANALYST, Role.LEAD, Role.TWO_PERSONS})
both = pytest.mark.parametrize("pack", [WILL, MAY])


@cache
def edition(pack, category="intrusion", **fields):
    found = loading.load_packaged(pack)
    return replace(found, categories={**found.categories, category: replace(found.categories[category], **fields)})


def act(hours, event, by="alice", ranks=ANALYST, **more):
    return Happening(NOW + hours * HOUR, Kind.ACT, by, ranks, event=event, **more)


def says(hours, event):
    at = NOW + hours * HOUR
    return [Happening(at, Kind.SAID, "Carol"), Happening(at, Kind.ACT, "contact:1", event=event)]


def past(*happenings, **more):
    flat = [one for item in happenings for one in (item if isinstance(item, list) else [item])]
    opened = Happening(NOW, Kind.OPENED)
    ordered = tuple(sorted([opened, *flat], key=lambda one: (one.at, one.kind)))
    usual = {
        "told": Told(timedelta(0)),
        "doubts": (),
        "suggested": "block",
        "category": "intrusion",
        "facts": frozenset({"actor", "fault"}),
    }  # what the policy wants before a restriction
    return Past(1, 7, opened_at=NOW, happenings=ordered, **{**usual, **more})


def lived(pack, *happenings, hours=200, fields=None, **more):
    return replay(past(*happenings, **more), edition(pack, **(fields or {})), NOW + hours * HOUR)


def test_silence_restricts_where_the_policy_says_will_and_asks_a_person_where_it_says_may():
    will, may = lived(WILL), lived(MAY)
    assert (will.state, will.asked_at, will.cut_at) == ("DISCONNECT_PENDING", NOW + 24 * HOUR, None)
    assert will.waits == "the final warning is over; a restriction waits for approval"
    assert may.state == "TICKETED" and may.asked_at is None and "leaves the next step to a person" in may.waits


@both
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"told": Told(None)}, "nobody knows that the customer was reached"),
        ({"told": Told(timedelta(0), ((NOW, None),))}, "nobody knows that the customer was reached"),
        ({"by_hand_only": "hospital"}, "a protected class or the contract"),
    ],
)
def test_what_forbids_the_clock_forbids_it_in_a_replay_too(pack, more, words):
    found = lived(pack, **more)
    assert found.state == "TICKETED" and words in found.waits


@both
def test_a_fix_that_holds_is_resolved_with_its_strike(pack):
    found = lived(
        pack, says(1, Event.ACKNOWLEDGED), says(5, Event.FIX_STATED), act(6, Event.RETEST_OK, "system:retest", frozenset())
    )
    assert found.state == "RESOLVED" and found.strike > 0 and found.struck_at is not None
    assert found.steps[-1].at == NOW + 5 * HOUR + edition(pack).timers.quiet_period


def test_what_is_listed_as_automatic_is_carried_out_in_its_time_and_ends_in_a_proposal_to_terminate():
    listed = lived(WILL, fields={"automatic": ("block",)})
    assert listed.cut_at == NOW + 36 * HOUR and listed.state == "TERMINATION_PENDING" and listed.ended_at is None
    slow = lived(WILL, fields={"automatic": ("block",)}, enforced_after=3 * HOUR, hours=40)
    assert slow.cut_at == NOW + 39 * HOUR and slow.state == "DISCONNECTED"
    other = lived(WILL, fields={"automatic": ("block",)}, suggested="url_block")
    assert other.cut_at is None and "waits for approval" in other.waits
    failed = lived(WILL, fields={"automatic": ("block",)}, enforcement_failed=True)
    assert failed.cut_at is None and "never came into force" in failed.waits


def test_peoples_decisions_happen_at_their_own_time_or_are_said_to_have_no_place():
    approved = act(30, Event.RESTRICTION_APPROVED, "bob", LEAD, detail={"kind": "block", "scope": "machine"})
    will, may = lived(WILL, approved), lived(MAY, approved)
    assert will.cut_at == NOW + 36 * HOUR and will.moot == ()
    assert may.cut_at is None and len(may.moot) == 1 and "nothing waited for approval then" in may.moot[0]
    ended = lived(WILL, act(2, Event.FIX_ACCEPTED), act(30, Event.REPORT_FALSE, "bob"))
    assert ended.state == "RESOLVED" and ended.moot == () and "2026-06-16 18:00 UTC, bob" in ended.late[0]


@both
def test_a_rank_that_the_edition_asks_for_is_asked_of_the_person_who_decided(pack):
    found = edition(pack)
    steps = tuple(replace(step, approval=Role.LEAD) for step in found.ladder.steps)
    strict = replace(found, ladder=replace(found.ladder, steps=steps))
    by_alice = past(
        act(25, Event.RESTRICTION_ASKED, detail={"kind": "block", "scope": "machine"}),
        act(26, Event.RESTRICTION_APPROVED, "amy", ANALYST, detail={"kind": "block", "scope": "machine"}),
    )
    refused = replay(by_alice, strict, NOW + 60 * HOUR)
    assert refused.cut_at is None and any("the approval takes: lead" in words for words in refused.moot)


@both
def test_pauses_and_changed_times_of_people_are_kept(pack):
    paused = [
        Happening(NOW + 2 * HOUR, Kind.PAUSE, "bob", LEAD, word="resolve,acknowledge"),
        Happening(NOW + 12 * HOUR, Kind.RESUME, "bob", LEAD),
    ]
    over = next(step for step in lived(pack, paused).steps if step.event is Event.RESOLVE_DUE)
    assert over.at == NOW + 34 * HOUR
    given = Happening(NOW + HOUR, Kind.DUE, "bob", LEAD, moment=NOW + 50 * HOUR)
    over = next(step for step in lived(pack, given).steps if step.event is Event.RESOLVE_DUE)
    assert over.at == NOW + 50 * HOUR


def test_a_child_has_its_time_inside_its_parents():
    child = lived(WILL, parent=("intrusion", NOW - 4 * HOUR, None))
    assert child.resolve == 20 * HOUR * edition(WILL).timers.child_share / 100


@both
def test_a_dispute_stops_and_its_rejection_lets_the_time_go_on(pack):
    found = lived(pack, says(1, Event.DISPUTED), act(3, Event.DISPUTE_REJECTED, "amy"), act(4, Event.FIX_ACCEPTED, "amy"))
    assert [step.state for step in found.steps][:4] == ["TICKETED", "DISPUTED", "ACKNOWLEDGED", "RESOLVED"]


def test_an_appeal_that_succeeds_undoes_the_restriction_and_the_strike():
    lives = lived(
        WILL,
        says(40, Event.APPEALED),
        act(50, Event.APPEAL_OVERTURNED, "colin", yes=True),
        fields={"automatic": ("block",)},
        hours=51,
    )
    assert lives.cut_at == NOW + 36 * HOUR and lives.state == "ACKNOWLEDGED" and lives.strike == 0


def test_another_opening_leaves_the_case_to_a_person_and_what_followed_is_open():
    now, then = edition(WILL), edition(WILL, opening=Opening.TRIAGE)
    story = past(says(1, Event.ACKNOWLEDGED), act(20, Event.FIX_ACCEPTED, "amy"))
    until = NOW + 100 * HOUR
    before, draft = replay(story, now, until), replay(story, then, until, at_event=then)
    changes = differences(loading.canonical(now), loading.canonical(then))
    found = compare(story, before, draft, now, then, changes)
    assert Sort.BEGINNING in found.sorts and "the draft: category intrusion, opening: ticket → triage" in found.why


def test_what_an_edition_does_not_know_is_said():
    unknown = lived(WILL, category="no such kind")
    assert unknown.unknown == "the edition knows no category no such kind" and unknown.steps == ()
    moved = lived(WILL, Happening(NOW + HOUR, Kind.CATEGORY, "bob", LEAD, word="gone"))
    assert "gone" in moved.unknown


def test_a_thousand_lives_are_replayed_without_going_in_circles():
    endless = replace(edition(WILL), timers=replace(edition(WILL).timers, dispute_decided=timedelta(0)))
    found = replay(past(says(1, Event.DISPUTED)), endless, NOW + 1000 * HOUR)
    assert found.state == "DISPUTED" and len(found.steps) <= 5002
