"""The life of an order, on a peer that is a file: proposed, approved, applied, read back, taken away again."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import IntegrityError, transaction

from tests.enforcement import given
from tipstaff.accounts.models import Assignment
from tipstaff.audit.models import Entry
from tipstaff.cases.models_measures import Measure
from tipstaff.cases.models_words import Notice
from tipstaff.enforcement import approving, endpoints, protecting, switches, transitions
from tipstaff.enforcement.models import Interruption, Order, OrderEntry
from tipstaff.kernel.clock import frozen, now
from tipstaff.kernel.errors import InputError, Refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]


def test_a_decision_becomes_an_order_that_is_applied_and_read_back(carol, peer) -> None:
    wanted = given.measure(given.case(carol))
    given.work()
    order = given.only()
    assert (order.state, order.endpoint, order.target) == ("verified", peer, "203.0.113.7/32")
    assert (order.requested_by, order.approved_by, order.clause) == ("alice", "bob", "4.2")
    assert order.verified_at and order.applied_at and order.snapshot_at and order.expires_at
    assert order.output.startswith("simulation") and order.plan and order.undo_plan
    assert given.standing(peer) == {order.tag}
    wanted.refresh_from_db()
    assert wanted.state == "in_force"
    assert [entry.kind for entry in order.entries.order_by("pk")] == ["proposed", "approved", "applying", "verified"]
    assert Entry.objects.filter(subject=f"order:{order.pk}", action="order.verified").count() == 1


def test_lifted_by_its_case_it_goes_and_the_interruption_ends(carol, peer) -> None:
    wanted = given.measure(given.case(carol))
    given.work()
    Measure.objects.filter(pk=wanted.pk).update(state="lifting", lift_asked_at=now(), lift_by="bob", lift_reason="fixed")
    given.work()
    order = given.only()
    assert order.state == "reverted" and order.revert_by == "bob" and given.standing(peer) == set()
    wanted.refresh_from_db()
    assert wanted.state == "lifted"
    interruption = Interruption.objects.get()
    assert interruption.started_at == order.applied_at and interruption.ended_at == order.lifted_at


def test_on_installation_nothing_is_done(carol, tmp_path: Path) -> None:
    """Rail 14."""
    peer = given.journal(tmp_path, live=False)
    wanted = given.measure(given.case(carol))
    given.work()
    order = given.only()
    assert (order.state, order.held) == ("approved", "dry run")
    assert order.plan and order.entries.filter(kind="dry_run").count() == 1
    assert not (tmp_path / "journal").exists()
    wanted.refresh_from_db()
    assert wanted.state == "ordered", "nobody is told that it is in force"
    given.go_live(peer)
    given.work()
    assert given.only().state == "approved", "what was held is not let loose by going live"
    approving.approve(number=order.pk, by="bob", now=now())
    given.work()
    assert given.only().state == "verified"


def test_each_of_the_two_switches_of_live_is_needed(carol, tmp_path: Path) -> None:
    peer = given.journal(tmp_path, live=False)
    endpoints.set_live(endpoint=peer, live=True, by="bob", reason="ready", now=now())
    given.measure(given.case(carol))
    given.work()
    assert given.only().held == "dry run"


def test_what_one_person_decided_alone_waits_for_another(carol, peer) -> None:
    given.measure(given.case(carol), confirmed_by=None, confirmed_at=None)
    given.work()
    order = given.only()
    assert order.state == "proposed"
    with pytest.raises(Refused, match="somebody else"):
        approving.approve(number=order.pk, by="alice", now=now())
    with pytest.raises(Refused, match="program"):
        approving.approve(number=order.pk, by="system:clock", now=now())
    approving.approve(number=order.pk, by="bob", now=now())
    given.work()
    assert given.only().state == "verified"


def test_declined_it_fails_and_the_case_hears_why(carol, peer) -> None:
    wanted = given.measure(given.case(carol), confirmed_by=None, confirmed_at=None)
    given.work()
    with pytest.raises(InputError):
        approving.decline(number=given.only().pk, by="bob", reason=" ", now=now())
    approving.decline(number=given.only().pk, by="bob", reason="the customer answered", now=now())
    wanted.refresh_from_db()
    assert given.only().state == "failed" and wanted.state == "refused" and "answered" in wanted.problem


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "approved", "approved_by": "alice"},
        {"state": "approved", "approved_by": ""},
        {"state": "applying", "approved_by": "bob", "needs_two": "termination", "requested_by": "system:clock"},
        {"state": "approved", "approved_by": "system:policy", "needs_two": "termination"},
        {"state": "approved", "approved_by": "bob", "second_by": "bob", "needs_two": "x", "requested_by": "system:clock"},
        {"state": "verified", "approved_by": "bob", "second_by": "system:x", "needs_two": "x", "requested_by": "system:clock"},
        {"state": "on holiday", "approved_by": "bob"},
        {"expires_at": None},
    ],
)
def test_8_the_database_itself_holds_to_two_people_states_and_expiry(carol, peer, columns) -> None:
    given.measure(given.case(carol), confirmed_by=None, confirmed_at=None)
    given.work(1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=given.only().pk).update(**columns)


def test_8_termination_takes_two_persons(carol, peer) -> None:
    given.measure(
        given.case(carol), kind="terminate", scope="service", target="vps-carol", decided_by="system:clock", confirmed_by="bob"
    )
    given.work()
    order = given.only()
    assert order.state == "proposed" and order.needs_two == "termination" and order.approved_by == "bob"
    with pytest.raises(Refused):
        approving.approve(number=order.pk, by="bob", now=now())
    approving.approve(number=order.pk, by="alice", now=now())
    given.work()
    assert given.only().state == "verified"


def test_8_two_people_may_lift_a_rail_that_is_theirs_to_lift(carol, peer) -> None:
    given.measure(
        given.case(carol), target=given.SHARED, decided_by="system:clock", confirmed_by=None, automatic=True, confirmed_at=None
    )
    given.work()
    order = given.only()
    assert order.state == "proposed" and "1 other customers share" in order.needs_two
    approving.approve(number=order.pk, by="alice", now=now())
    assert given.only().state == "proposed"
    approving.approve(number=order.pk, by="bob", now=now())
    assert given.only().state == "approved"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"target": given.DAVE}, "outside the prefixes"),
        ({"target": "198.51.100.7"}, "outside the prefixes"),
        ({"target": "0.0.0.0/0"}, "default route"),
        ({"target": "203.0.113.999"}, "no prefix"),
        ({"scope": "site", "kind": "park", "target": "dave.example.net"}, "no name that a customer holds"),
        ({"scope": "service", "kind": "suspend", "target": "vps-dave"}, "not the service"),
        ({"expires_at": "past"}, "ended at"),
        ({"expires_at": "far"}, "longer than 366 days"),
        ({"expires_at": "day", "emergency": True}, "longer than 24 hours"),
    ],
)
def test_a_measure_beyond_the_rails_is_refused_with_its_row(carol, peer, columns, words) -> None:
    ends = {"past": now() - timedelta(hours=1), "far": now() + timedelta(days=367), "day": now() + timedelta(hours=25)}
    if "expires_at" in columns:
        columns = {**columns, "expires_at": ends[columns["expires_at"]]}
    wanted = given.measure(given.case(carol), **columns)
    given.work()
    order = given.only()
    assert order.state == "failed" and words in order.problem
    wanted.refresh_from_db()
    assert wanted.state == "refused" and words in wanted.problem
    assert OrderEntry.objects.get(order=order).kind == "refused"
    assert words in Notice.objects.get(case=wanted.case, kind="alert").detail["text"]
    assert given.standing(peer) == set()


def test_2_a_resellers_case_may_touch_its_clients_machines(carol, peer) -> None:
    given.customer("Erin", "203.0.113.20", parent=carol)
    given.measure(given.case(carol), target="203.0.113.20")
    given.work()
    assert given.only().state == "verified"


def test_2_what_is_put_on_the_never_touch_list_is_not_touched(carol, peer) -> None:
    protecting.protect(what="203.0.113.6/31", why="our resolver", by="bob", now=now())
    given.measure(given.case(carol))
    given.work()
    assert "our resolver" in given.only().problem


def test_2_the_peers_of_our_own_connectors_are_never_touched(carol, tmp_path: Path) -> None:
    endpoints.add(name="gw", connector="nftables", settings={"command": "ssh root@203.0.113.7 nft"}, by="bob", now=now())
    given.measure(given.case(carol))
    given.work()
    assert "named in the settings of gw" in given.only().problem


def test_2_an_address_that_has_passed_on_since_it_was_approved_is_left_alone(carol, tmp_path: Path) -> None:
    peer = given.journal(tmp_path, live=False)
    given.measure(given.case(carol))
    given.work()
    Assignment.objects.filter(prefix="203.0.113.7/32").update(superseded_at=now())
    given.customer("Erin", given.CAROL)
    given.go_live(peer)
    approving.approve(number=given.only().pk, by="bob", now=now())
    given.work()
    order = given.only()
    assert order.state == "failed" and "outside the prefixes" in order.problem and given.standing(peer) == set()


def test_5_at_the_cap_the_next_is_refused_and_nothing_is_evicted(carol, peer) -> None:
    switches.set_limits(by="bob", reason="careful", now=now(), cap_customer=1)
    first = given.measure(given.case(carol))
    given.work()
    second = given.measure(given.case(carol), target=given.CAROL_TOO)
    given.work()
    orders = {order.measure_id: order for order in Order.objects.all()}
    assert orders[first.pk].state == "verified" and orders[second.pk].state == "failed"
    assert "the cap is 1" in orders[second.pk].problem and given.standing(peer) == {orders[first.pk].tag}
    assert Notice.objects.filter(kind="alert", case=second.case).exists()


def test_7_what_is_over_is_lifted_and_the_measure_with_it(carol, peer) -> None:
    wanted = given.measure(given.case(carol))
    given.work()
    with frozen(wanted.expires_at + timedelta(seconds=1)):
        given.work()
    order = given.only()
    wanted.refresh_from_db()
    assert order.state == "reverted" and wanted.state == "lifted" and given.standing(peer) == set()
    assert order.revert_reason == "its time is over"


def test_7_a_proposal_nobody_approved_ends_too(carol, peer) -> None:
    wanted = given.measure(given.case(carol), confirmed_by=None, confirmed_at=None)
    given.work()
    with frozen(wanted.expires_at + timedelta(seconds=1)):
        given.work()
        with pytest.raises(Refused):
            approving.approve(number=given.only().pk, by="bob", now=now())
    assert given.only().state == "failed"


def test_7_its_end_can_be_moved_by_somebody_else_and_not_too_far(carol, peer) -> None:
    given.measure(given.case(carol))
    given.work()
    order = given.only()
    later = order.expires_at + timedelta(days=2)
    with pytest.raises(Refused):
        approving.move_end(number=order.pk, until=later, by="alice", reason="goes on", now=now())
    with pytest.raises(InputError):
        approving.move_end(number=order.pk, until=now() + timedelta(days=367), by="bob", reason="goes on", now=now())
    approving.move_end(number=order.pk, until=later, by="bob", reason="goes on", now=now())
    given.work()
    order = given.only()
    assert order.expires_at == later and order.state == "verified" and not order.refresh


def test_9_what_somebody_else_changed_is_left_and_a_person_settles_it(carol, peer, tmp_path: Path) -> None:
    given.measure(given.case(carol))
    given.work()
    order = given.only()
    with (tmp_path / "journal").open("a") as handle:
        handle.write('{"act": "apply", "place": "block both 203.0.113.7/32", "tag": "noc"}\n')
    approving.lift(number=order.pk, by="bob", reason="fixed", now=now())
    given.work()
    order = given.only()
    assert order.state == "drifted" and "changed by somebody else" in order.problem
    assert (tmp_path / "journal").read_text().count("\n") == 2, "nothing was written over theirs"
    approving.settle(number=order.pk, by="bob", reason="the NOC has it", now=now())
    assert given.only().state == "reverted"


def test_12_the_stop_switch_begins_nothing_and_still_lifts(carol, peer) -> None:
    given.measure(given.case(carol))
    given.work()
    first = given.only()
    with pytest.raises(InputError):
        switches.stop(by="bob", reason="", now=now())
    switches.stop(by="bob", reason="maintenance", now=now())
    given.measure(given.case(carol), target=given.CAROL_TOO)
    given.work()
    second = Order.objects.latest("pk")
    assert second.state == "approved" and given.standing(peer) == {first.tag}
    approving.lift(number=first.pk, by="bob", reason="fixed", now=now())
    given.work()
    assert given.standing(peer) == set()
    switches.resume(by="bob", reason="done", now=now())
    given.work()
    assert given.standing(peer) == {second.tag}


def test_12_lift_all_lifts_all(carol, peer) -> None:
    for target in (given.CAROL, given.CAROL_TOO):
        given.measure(given.case(carol), target=target)
    given.work()
    given.measure(given.case(carol), confirmed_by=None, confirmed_at=None, target=given.CAROL)
    given.work(1)
    assert len(given.standing(peer)) == 2
    assert switches.lift_all(by="bob", reason="gone wrong", now=now()) == 3
    given.work()
    assert given.standing(peer) == set()
    assert set(Order.objects.values_list("state", flat=True)) == {"reverted", "failed"}
    assert Measure.objects.exclude(state="lifted").count() == 0


def test_two_orders_for_one_thing_and_the_last_takes_it_away(carol, peer) -> None:
    first, second = given.measure(given.case(carol)), given.measure(given.case(carol))
    given.work()
    one, two = Order.objects.order_by("pk")
    assert (one.state, two.state) == ("verified", "verified") and two.rides_on == one
    assert given.standing(peer) == {one.tag}
    approving.lift(number=one.pk, by="bob", reason="fixed", now=now())
    given.work()
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.state, two.state, two.rides_on) == ("reverted", "verified", None)
    assert given.standing(peer) == {two.tag} and two.tag == one.tag
    first.refresh_from_db()
    assert first.state == "lifted"
    approving.lift(number=two.pk, by="bob", reason="fixed", now=now())
    given.work()
    second.refresh_from_db()
    assert given.standing(peer) == set() and second.state == "lifted"


def test_10_the_table_allows_no_way_back_into_force(carol, peer) -> None:
    assert all(transitions.NEXT[state] == frozenset() for state in transitions.FINAL)
    for state in (transitions.REVERTING, transitions.REVERTED, transitions.FAILED):
        reached, seen = {state}, set()
        while reached - seen:
            one = (reached - seen).pop()
            seen.add(one)
            reached |= transitions.NEXT[one] - ({transitions.APPLYING} if one == transitions.DRIFTED else set())
        assert transitions.VERIFIED not in reached
    assert not transitions.allowed(transitions.PROPOSED, transitions.APPLYING)


def test_entries_and_credits_are_only_added_to(app) -> None:
    for table in ("enforcement_orderentry", "enforcement_credit"):
        for statement in (f"UPDATE {table} SET at = now()", f"DELETE FROM {table}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement)
            app.rollback()
