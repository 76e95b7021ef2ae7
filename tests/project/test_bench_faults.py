"""The benchmark of faults with a few kills; and that its books would see what must not be."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.enforcement import given as orders_given
from tests.pipeline.given import CAROL, deliver, event, provider, report
from tipstaff.cases import measures
from tipstaff.cases.models import Case, Clock, JournalEntry
from tipstaff.enforcement.connectors.journal import Journal
from tipstaff.enforcement.models import Order
from tipstaff.enforcement.rails import Bounds
from tipstaff.kernel import clock
from tipstaff.project.bench import faults_orders
from tipstaff.project.bench.faults_books import Books
from tipstaff.project.bench.faults_load import Poured, fact

BASE = datetime(2026, 6, 10, tzinfo=UTC)


@pytest.mark.slow
def test_nothing_is_lost_doubled_missed_or_left_behind_when_parts_are_killed() -> None:
    command = [sys.executable, "-m", "tipstaff.project.cli", "bench", "faults", "--kills", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert [found[name] for name in ("kills", "lost", "doubled", "missed_deadlines", "doubled_orders")] == [4, 0, 0, 0, 0], found
    assert sum(found["killed"].values()) == 4 and found["record_faults"] == 0
    assert min(found["accepted"].values()) > 0 and found["orders"] > 3 and found["deadlines"] > 50 and found["messages"] > 0


def books(*taken: int, received: tuple[str, ...] = ()) -> Books:
    sender: Any = SimpleNamespace(name="api", poured=Poured(taken=list(taken), open={99}))
    smarthost: Any = SimpleNamespace(received=list(received))
    return Books([sender], smarthost, BASE)


def wrong(found: dict[str, int]) -> dict[str, int]:
    return {name: many for name, many in found.items() if many}


def happened(number: int, by: str = "rita@example.org") -> None:
    """The event that delivery ``number`` stands for is stored, as if it came from ``by``."""
    ip, moment = fact("api", number, BASE)
    deliver(report(event(ip, at=moment), by=by))


def test_no_two_deliveries_stand_for_the_same_event() -> None:
    facts = [fact(way, number, BASE) for way in ("mail", "api", "file") for number in range(0, 62_500, 7)]
    assert len(facts) == len(set(facts)) == 3 * 8929


@pytest.mark.django_db
def test_what_was_accepted_and_is_not_there_is_lost() -> None:
    provider()
    happened(1)
    assert wrong(books(1).lost()) == {}
    assert wrong(books(1, 2).lost()) == {"api_events": 1}


@pytest.mark.django_db
def test_what_is_there_twice_or_from_nowhere_is_counted() -> None:
    provider()
    happened(1)
    happened(99)  # begun and never answered: it may be there
    assert wrong(books(1, received=("<1@x>", "<2@x>")).doubled()) == {}
    happened(1, by="somebody.else@example.org")
    happened(5)
    assert wrong(books(1, received=("<1@x>", "<1@x>")).doubled()) == {"events": 1, "events_from_nowhere": 1, "messages": 1}


@pytest.mark.django_db
def test_a_deadline_that_came_and_nothing_followed_is_missed() -> None:
    provider()
    deliver(report(event(CAROL)))
    case = Case.objects.get()
    Clock.objects.filter(case=case).delete()
    assert wrong(books().missed([])) == {}
    due = BASE + timedelta(days=1)
    clock = Clock.objects.create(case=case, kind="resolve", started_at=BASE, due_at=due)
    assert wrong(books().missed([case.pk])) == {"due_and_not_fired": 1, "of_the_load": 1}
    Clock.objects.update(fired_at=due)
    assert wrong(books().missed([case.pk])) == {"fired_without_a_word": 1}
    said = {"clock": clock.kind, "due_at": due.isoformat()}
    entry = {"case": case, "at": due, "actor": "system:clock", "kind": "clock", "text": "", "detail": said}
    JournalEntry.objects.create(**entry)
    assert (wrong(books().missed([case.pk])), books().doubled()["clocks_fired"]) == ({}, 0)
    JournalEntry.objects.create(**entry)
    assert books().doubled()["clocks_fired"] == 1


@pytest.mark.django_db(transaction=True)
def test_what_stands_at_the_peer_without_an_order_or_an_order_without_it_is_counted(tmp_path) -> None:
    carol, _ = orders_given.inventory()
    endpoint = orders_given.journal(tmp_path)
    orders_given.measure(orders_given.case(carol))
    orders_given.work()
    order = Order.objects.get()
    decided = [orders_given.CAROL]
    assert order.state == "verified" and wrong(faults_orders.examine(endpoint, decided)) == {}
    Order.objects.update(state="reverted")
    assert wrong(faults_orders.examine(endpoint, decided)) == {"left_behind_or_without_order": 1}
    Order.objects.update(state="verified")
    peer = Journal(endpoint.settings, Bounds(""))
    for place in peer._standing():
        peer._write("lift", place, order.tag)
    assert wrong(faults_orders.examine(endpoint, [*decided, "203.0.113.99"])) == {"not_in_place": 1, "decisions_lost": 1}


@pytest.mark.django_db(transaction=True)
def test_a_decision_without_an_order_is_counted_unless_its_own_time_ran_out_first(tmp_path) -> None:
    carol, _ = orders_given.inventory()
    endpoint = orders_given.journal(tmp_path)
    moment = clock.now()
    row = orders_given.measure(orders_given.case(carol), expires_at=moment + timedelta(seconds=5))
    decided = [orders_given.CAROL]
    assert measures.expire(now=moment) == 0 and wrong(faults_orders.examine(endpoint, decided)) == {"decisions_without_order": 1}
    assert measures.expire(now=moment + timedelta(seconds=9)) == 1
    assert wrong(faults_orders.examine(endpoint, decided)) == {"ran_out_before_ordered": 1}
    type(row).objects.update(expires_at=moment + timedelta(hours=1))
    assert wrong(faults_orders.examine(endpoint, decided)) == {"decisions_without_order": 1}, "it was ended before its time"
