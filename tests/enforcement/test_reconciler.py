"""Desired against actual, all the time: drift repaired, only our own removed, and a stop before a mass change."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given as those
from hypothesis import strategies as st

from tests.enforcement import given
from tipstaff.accounts.models import Assignment
from tipstaff.cases.models_words import Notice
from tipstaff.enforcement import reconciler, switches, worker
from tipstaff.enforcement.connectors.contract import InPlace, tag
from tipstaff.enforcement.models import Endpoint, Order
from tipstaff.enforcement.reconciling import Limits, compare, must_stop
from tipstaff.kernel.clock import now

HERE = "7f3a90c1"


def things(*numbers: int, instance: str = HERE) -> set[InPlace]:
    return {InPlace(tag(instance, number), f"203.0.113.{number}") for number in numbers}


def tags(*numbers: int) -> set[str]:
    return {tag(HERE, number) for number in numbers}


numbers = st.sets(st.integers(1, 60))


@those(numbers, numbers, numbers, numbers)
def test_only_what_is_ours_and_unasked_for_is_a_stray(desired, known, actual, foreign) -> None:
    everything = things(*actual) | things(*foreign, instance="0ther0ne") | {InPlace("noc ticket 4", "203.0.113.99")}
    found = compare(tags(*desired), tags(*known), everything, HERE)
    assert {thing.tag for thing in found.strays} == tags(*(actual - desired - known))
    assert set(found.missing) == tags(*(desired - actual))


@those(numbers, numbers)
def test_6_an_empty_desired_state_never_withdraws_anything(known, actual) -> None:
    found = compare(set(), tags(*known), things(*actual), HERE)
    assert not found.strays or must_stop(found, Limits(1000, 100))


@those(st.sets(st.integers(1, 400), min_size=1), st.sets(st.integers(1, 400), min_size=1), st.integers(1, 50), st.integers(1, 100))
def test_6_more_than_n_or_a_share_stops_it(desired, actual, most, percent) -> None:
    found = compare(tags(*desired), set(), things(*actual), HERE)
    changes, size = len(desired ^ actual), max(len(desired), len(actual))
    why = must_stop(found, Limits(most, percent))
    if changes > most or (changes > 1 and changes * 100 > size * percent):
        assert why
    else:
        assert not why
    assert not must_stop(found, Limits(most, percent), allowed=changes)


def test_6_a_peer_that_lost_its_memory_is_given_everything_back() -> None:
    found = compare(tags(*range(1, 400)), set(), set(), HERE)
    assert len(found.missing) == 399 and must_stop(found, Limits()) == ""


@pytest.fixture(autouse=True)
def one_connection(monkeypatch) -> None:
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)
    monkeypatch.setattr(worker, "RECONCILE", 0.0)


def write(path: Path, act: str, place: str, by: str) -> None:
    with (path / "journal").open("a") as handle:
        handle.write(f'{{"act": "{act}", "place": "{place}", "tag": "{by}"}}\n')


@pytest.mark.django_db
def test_what_fell_off_is_put_back_and_said(carol, peer, tmp_path: Path) -> None:
    given.measure(given.case(carol))
    given.work()
    order = given.only()
    write(tmp_path, "lift", "block both 203.0.113.7/32", order.tag)
    assert given.standing(peer) == set()
    given.work()
    order = given.only()
    assert order.state == "verified" and given.standing(peer) == {order.tag}
    kinds = [entry.kind for entry in order.entries.order_by("pk")]
    assert kinds.count("drifted") == 1 and kinds[-1] == "verified"
    assert "had drifted" in Notice.objects.get(kind="alert").detail["text"]


@pytest.mark.django_db
def test_what_somebody_changed_waits_for_a_person(carol, peer, tmp_path: Path) -> None:
    given.measure(given.case(carol))
    given.work()
    write(tmp_path, "apply", "block both 203.0.113.7/32", "noc")
    given.work()
    assert given.only().state == "drifted" and given.only().next_try_at is None
    assert (tmp_path / "journal").read_text().count("\n") == 2


@pytest.mark.django_db
def test_a_stray_of_ours_goes_and_what_others_put_there_stays(carol, peer, tmp_path: Path) -> None:
    for target in (given.CAROL, given.CAROL_TOO):
        given.measure(given.case(carol), target=target)
    given.work()
    instance = switches.current().instance
    write(tmp_path, "apply", "block both 203.0.113.99/32", tag(instance, 4711))
    write(tmp_path, "apply", "block both 203.0.113.98/32", tag("0ther0ne", 4711))
    before = given.standing(peer)
    assert tag(instance, 4711) in before
    given.work(2)
    assert given.standing(peer) == before - {tag(instance, 4711)}
    assert "0ther0ne" in (tmp_path / "journal").read_text().splitlines()[-2] or "lift" in (tmp_path / "journal").read_text()


@pytest.mark.django_db
def test_6_a_database_that_lost_its_orders_withdraws_nothing(carol, peer, tmp_path: Path) -> None:
    """Restored from an old backup, it knows of no order; what stands at the router stands until a person says otherwise."""
    instance = switches.current().instance
    for number in range(1, 6):
        write(tmp_path, "apply", f"block both 203.0.113.{number}/32", tag(instance, 900 + number))
    given.work(3)
    peer.refresh_from_db()
    assert len(given.standing(peer)) == 5 and "nothing is desired" in peer.halted
    given.measure(given.case(carol))
    given.work()
    assert given.only().state == "verified", "a halted reconciler does not keep up orders"
    assert len(given.standing(peer)) == 6
    reconciler.go_on(endpoint=peer, changes=5, by="bob", reason="old ones, looked at each", now=now())
    given.work(3)
    assert given.standing(peer) == {given.only().tag}
    peer.refresh_from_db()
    assert peer.mass_allowed == 0 and peer.halted == ""


@pytest.mark.django_db
def test_while_stopped_it_repairs_nothing(carol, peer, tmp_path: Path) -> None:
    given.measure(given.case(carol))
    given.work()
    switches.stop(by="bob", reason="the NOC works at the router", now=now())
    write(tmp_path, "lift", "block both 203.0.113.7/32", "x")
    given.work()
    assert given.standing(peer) == set()
    switches.resume(by="bob", reason="done", now=now())
    given.work()
    assert given.standing(peer) == {given.only().tag}


@pytest.mark.django_db
def test_an_address_that_passes_to_another_customer_is_let_go(carol, peer) -> None:
    wanted = given.measure(given.case(carol))
    given.work()
    Assignment.objects.filter(prefix="203.0.113.7/32").update(superseded_at=now())
    given.customer("Erin", given.CAROL)
    given.work()
    order = given.only()
    wanted.refresh_from_db()
    assert order.state == "reverted" and "no longer this customer's" in order.revert_reason and wanted.state == "lifted"
    assert given.standing(peer) == set()


@pytest.mark.django_db
def test_a_peer_that_is_away_is_said_and_nothing_is_guessed(carol, peer, tmp_path: Path) -> None:
    given.measure(given.case(carol))
    given.work()
    (tmp_path / "journal").rename(tmp_path / "kept")
    (tmp_path / "journal").mkdir()
    given.work(2)
    peer.refresh_from_db()
    assert peer.away_since is not None and "cannot be read" in peer.problem
    assert given.only().state == "verified"
    (tmp_path / "journal").rmdir()
    (tmp_path / "kept").rename(tmp_path / "journal")
    given.soon(given.only())
    given.work(2)
    peer.refresh_from_db()
    assert peer.away_since is None and peer.problem == ""


@pytest.mark.django_db
def test_orders_for_a_peer_that_is_away_wait_and_then_go_through(carol, peer, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    given.measure(given.case(carol))
    given.work()
    order = given.only()
    assert order.state == "applying" and order.attempts == 1 and order.next_try_at > now()
    assert order.entries.filter(kind="retry").count() == 1
    assert "does not get through" in Notice.objects.get(kind="alert").detail["text"]
    (tmp_path / "journal").rmdir()
    given.soon(order)
    given.work()
    assert given.only().state == "verified"


@pytest.mark.django_db
def test_given_up_it_fails_only_when_nothing_is_left(carol, peer, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    wanted = given.measure(given.case(carol))
    for _ in range(14):
        given.work(1)
        for order in Order.objects.all():
            given.soon(order)
    order = given.only()
    assert order.state == "reverting" and order.failing, "what it may have left must be looked for first"
    (tmp_path / "journal").rmdir()
    given.soon(order)
    given.work()
    wanted.refresh_from_db()
    assert given.only().state == "failed" and wanted.state == "failed" and "cannot be" in wanted.problem


def test_a_round_is_due_after_its_time() -> None:
    fresh = Endpoint(name="x", reconciled_at=now())
    assert not reconciler.is_due(fresh, now(), 10) and reconciler.is_due(fresh, now() + timedelta(seconds=11), 10)
    assert not reconciler.is_due(Endpoint(name="x", halted="why"), now(), 10)
