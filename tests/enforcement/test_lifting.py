"""Rail 12 in masses: what is asked back at once goes at the peer together, is read back together and settled in whole batches."""

from pathlib import Path

import pytest
from django.db import transaction

from tests.enforcement import given
from tipstaff.accounts.models import Customer
from tipstaff.audit.models import Entry
from tipstaff.cases.models import Case, JournalEntry, Notice
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import feedback, lifting, switches
from tipstaff.enforcement.connectors.journal import Journal
from tipstaff.enforcement.models import Endpoint, Interruption, Order
from tipstaff.kernel.clock import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]


def test_what_is_lifted_in_masses_goes_at_the_peer_together_and_each_is_settled(carol, peer, monkeypatch) -> None:
    """A dozen of ours at once; one of them was changed by somebody else meanwhile, and is left as it is."""
    service = carol.services.first()
    addresses = [f"203.0.113.{100 + number}" for number in range(12)]
    for address in addresses:
        service.assignments.create(prefix=f"{address}/32", period=given.EVER, recorded_at=now())
        given.measure(given.case(carol), target=address)
    given.work()
    assert len(given.standing(peer)) == 12
    path = Path(peer.settings["path"])
    with path.open("a") as handle:
        handle.write('{"act": "apply", "place": "block both 203.0.113.105/32", "tag": "noc"}\n')
    together: list[frozenset[str]] = []
    whole = Journal.lift_together

    def counted(self, receipts):
        together.append(whole(self, receipts))
        return together[-1]

    monkeypatch.setattr(Journal, "lift_together", counted)
    assert switches.lift_all(by="bob", reason="gone wrong", now=now()) == 12
    given.work()
    assert [len(gone) for gone in together] == [11], "in one go, but for what is not ours any more"
    states = dict(Order.objects.values_list("target", "state"))
    assert states.pop("203.0.113.105/32") == "drifted" and set(states.values()) == {"reverted"}
    for order in Order.objects.filter(state="reverted"):
        kinds = list(order.entries.order_by("pk").values_list("kind", flat=True))
        assert kinds[-3:] == ["revert_asked", "reverting", "reverted"] and order.lifted_at and order.ended_at
        assert order.entries.get(kind="reverting").actor == "bob"
    assert Entry.objects.filter(action="order.reverting", actor="bob").count() == 12 and given.standing(peer) == set()
    assert Interruption.objects.filter(ended_at__isnull=False).count() == 11
    assert '"tag": "noc"' in path.read_text().splitlines()[12]


class Killed(BaseException):
    """As if the program had ended here."""


def killed(*_: object) -> int:
    raise Killed


def test_killed_after_the_peer_was_cleared_the_next_look_settles_them(carol, peer, monkeypatch) -> None:
    service = carol.services.first()
    for number in range(10):
        service.assignments.create(prefix=f"203.0.113.{100 + number}/32", period=given.EVER, recorded_at=now())
        given.measure(given.case(carol), target=f"203.0.113.{100 + number}")
    given.work()
    switches.lift_all(by="bob", reason="gone wrong", now=now())
    monkeypatch.setattr(lifting, "_settle", killed)
    with pytest.raises(Killed):
        lifting.together(peer, switches.current())
    monkeypatch.undo()
    assert given.standing(peer) == set() and set(Order.objects.values_list("state", flat=True)) == {"reverting"}
    assert lifting.together(peer, switches.current()) == 10  # whoever comes next
    assert set(Order.objects.values_list("state", flat=True)) == {"reverted"}
    assert Measure.objects.exclude(state="lifted").count() == 0


def a_dozen(carol: Customer, peer: Endpoint, of: list[Case]) -> None:
    """In force, four blocks for each of three cases, and all asked back."""
    for number in range(12):
        address = f"203.0.113.{100 + number}"
        carol.services.first().assignments.create(prefix=f"{address}/32", period=given.EVER, recorded_at=now())
        given.measure(of[number % 3], target=address)
    given.work()
    assert len(given.standing(peer)) == 12 and {row.state for row in Case.objects.all()} == {"DISCONNECTED"}
    switches.lift_all(by="bob", reason="gone wrong", now=now())


def written(of: list[Case]) -> list[object]:
    """All that the way back leaves on the record, without numbers and moments."""
    rows = [list(one.entries.order_by("pk").values_list("kind", "actor", "text")) for one in Order.objects.order_by("pk")]
    order_kinds = [[*row[:-1], row[-1][:2]] for row in rows]  # but for the words of the peer when it was read back
    lines = [
        list(JournalEntry.objects.filter(case=one).order_by("pk").values_list("kind", "actor", "text", "internal")) for one in of
    ]
    notices = [sorted(Notice.objects.filter(case=one).values_list("kind", "audience")) for one in of]
    acts = sorted(Entry.objects.filter(action__startswith="order.re").values_list("actor", "action"))
    ended = list(Interruption.objects.order_by("order").values_list("ended_at", flat=True))
    assert all(ended) and ended == list(Order.objects.order_by("pk").values_list("lifted_at", flat=True))
    states = list(Case.objects.order_by("pk").values_list("state", "waiting_on", "needs_person"))
    measures = list(Measure.objects.order_by("pk").values_list("state", flat=True))
    return [order_kinds, lines, notices, acts, states, measures]


def test_settled_together_leaves_the_record_that_one_by_one_leaves(carol, peer, monkeypatch) -> None:
    """Batches that end in the midst of a case; the case is told once, when the last of its measures is lifted."""
    cases = [given.case(carol) for _ in range(3)]
    a_dozen(carol, peer, cases)
    point = transaction.savepoint()
    kept = Path(peer.settings["path"]).read_bytes()
    monkeypatch.setattr(lifting, "BATCH", 5)
    assert lifting.together(peer, switches.current()) == 12
    in_batches = written(cases)
    transaction.savepoint_rollback(point)
    Path(peer.settings["path"]).write_bytes(kept)
    monkeypatch.setattr(lifting, "MANY", 100)
    given.work()
    one_by_one = written(cases)
    assert in_batches == one_by_one
    assert {state for state, _, _ in in_batches[4]} == {"RECONNECTED"} and given.standing(peer) == set()


def test_a_batch_that_fails_leaves_the_ones_before_it_whole_and_the_rest_go_one_by_one(carol, peer, monkeypatch) -> None:
    a_dozen(carol, peer, [given.case(carol) for _ in range(3)])
    whole, batches = feedback.lifted_many, []

    def torn(numbers, *, now):
        batches.append(numbers)
        if len(batches) == 2:
            raise ConnectionResetError("the second batch is torn")
        whole(numbers, now=now)

    monkeypatch.setattr(feedback, "lifted_many", torn)
    monkeypatch.setattr(lifting, "BATCH", 5)
    assert lifting.together(peer, switches.current()) == 0
    assert Order.objects.filter(state="reverted").count() == Measure.objects.filter(state="lifted").count() == 5
    assert Interruption.objects.filter(ended_at__isnull=False).count() == 5
    given.work()
    assert set(Measure.objects.values_list("state", flat=True)) == {"lifted"}
    assert Entry.objects.filter(action="order.reverted").count() == 12
