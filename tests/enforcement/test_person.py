"""A person as a connector: asked, confirmed, asked to undo; the list of work orders is its peer."""

from typing import ClassVar

import pytest

from tests.enforcement import given
from tests.enforcement.connector_contract import ConnectorContract, bounds
from tipstaff.audit.models import Entry
from tipstaff.cases.models_words import Notice
from tipstaff.enforcement import approving, by_hand, interruptions, queries, switches
from tipstaff.enforcement.connectors.contract import ConnectorError, State
from tipstaff.enforcement.connectors.person import Person
from tipstaff.enforcement.models import Credit, Interruption, WorkOrder
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]


class TestPerson(ConnectorContract):
    kind, scope = "block", "machine"
    targets: ClassVar[tuple[str, str, str]] = ("203.0.113.7", "203.0.113.8", "203.0.113.9")
    outside, protected = "198.51.100.7", "203.0.113.1"

    @pytest.fixture
    def connector(self) -> Person:
        given.staff(nora="network")
        self.made = Person({"note": "rack 4"}, bounds())
        return self.made

    def settle(self) -> None:
        for one in WorkOrder.objects.filter(state__in=["asked", "undo_asked"]):
            by_hand.confirm(number=one.pk, by="nora", now=now())

    def standing(self) -> object:
        return sorted(WorkOrder.objects.exclude(state__in=["undone", "cancelled"]).values_list("tag", "target", "state"))

    def plant(self, target: str) -> None:
        columns = {"instructions": "x", "undo_instructions": "x", "asked_at": now(), "state": "done"}
        WorkOrder.objects.create(tag="noc-9", target=f"{target}/32", **columns)

    def tamper(self, done) -> None:
        WorkOrder.objects.filter(tag=done.tag).update(state="undone", undone_by="the NOC")

    def test_a_peer_that_is_away_is_said_and_may_be_tried_again(self, connector, monkeypatch):  # type: ignore[override]
        """Its peer is our own database: where that is away, the contract's error says so."""
        from django.db import OperationalError

        def gone(*words, **named):
            raise OperationalError("gone")

        receipt = self.carry_out(connector, self.order())
        for name in ("filter", "get_or_create"):
            monkeypatch.setattr(WorkOrder.objects, name, gone)
        for call in (
            lambda: connector.apply(self.order(2, self.targets[1])),
            lambda: connector.verify(receipt),
            lambda: connector.lift(receipt),
            connector.actual,
        ):
            with pytest.raises(ConnectorError) as caught:
                call()
            assert caught.value.retry

    def test_until_it_is_confirmed_it_is_pending(self, connector) -> None:
        receipt = connector.apply(self.order())
        assert connector.verify(receipt).state is State.PENDING
        connector.lift(receipt)
        assert connector.verify(receipt).state is State.ABSENT, "what nobody had done yet is called off"


@pytest.fixture
def carol():
    given.staff(bob="lead")
    switches.go_live(live=True, by="bob", reason="ready", now=now())
    given.staff(nora="network", alice="analyst", bea="billing", lena="lead")
    return given.inventory()[0]


def test_what_no_connector_can_do_is_asked_of_a_person_and_confirmed(carol) -> None:
    wanted = given.measure(given.case(carol))
    given.work()
    order = given.only()
    asked = WorkOrder.objects.get()
    assert (order.state, asked.state) == ("applying", "asked") and order.endpoint.name == "by-hand"
    assert "203.0.113.7/32" in asked.instructions and "until" in asked.instructions and "4.2" in asked.instructions
    assert "waits for a person" in Notice.objects.get(kind="alert").detail["text"]
    wanted.refresh_from_db()
    assert wanted.state == "ordered"
    by_hand.confirm(number=asked.pk, by="nora", now=now())
    given.work()
    wanted.refresh_from_db()
    assert given.only().state == "verified" and wanted.state == "in_force"
    approving.lift(number=order.pk, by="bob", reason="fixed", now=now())
    given.work()
    assert given.only().state == "reverting" and WorkOrder.objects.get().state == "undo_asked"
    by_hand.confirm(number=asked.pk, by="nora", now=now())
    given.soon(given.only())
    given.work()
    assert given.only().state == "reverted"


def test_what_cannot_be_done_fails_with_the_persons_words(carol) -> None:
    wanted = given.measure(given.case(carol))
    given.work()
    asked = WorkOrder.objects.get()
    with pytest.raises(InputError):
        by_hand.refuse(number=asked.pk, by="nora", reason="", now=now())
    by_hand.refuse(number=asked.pk, by="nora", reason="the switch is not ours", now=now())
    given.soon(given.only())
    given.work()
    wanted.refresh_from_db()
    assert given.only().state == "failed" and "the switch is not ours" in wanted.problem
    with pytest.raises(Refused):
        by_hand.confirm(number=asked.pk, by="nora", now=now())


def asked_of(carol) -> WorkOrder:
    given.measure(given.case(carol))
    given.work()
    return WorkOrder.objects.get()


@pytest.mark.parametrize("by", ["alice", "bea", "dave", "system:clock", ""])
def test_only_who_may_carry_out_an_order_answers_a_work_order(carol, by) -> None:
    asked = asked_of(carol)
    with pytest.raises(Refused, match="carry out an order"):
        by_hand.confirm(number=asked.pk, by=by, now=now())
    with pytest.raises(Refused, match="carry out an order"):
        by_hand.refuse(number=asked.pk, by=by, reason="no", now=now())
    asked.refresh_from_db()
    assert asked.state == "asked" and given.only().state == "applying"


def test_a_lead_may_too_and_what_was_said_stands_in_the_orders_journal(carol) -> None:
    asked = asked_of(carol)
    by_hand.confirm(number=asked.pk, by="lena", note="port 14 shut", now=now())
    given.work()
    said = list(given.only().entries.order_by("pk").values_list("actor", "kind", "text"))
    assert ("lena", "by_hand_done", "done by hand: port 14 shut") in said
    assert said[-1][1] == "verified" and "done by lena" in said[-1][2]
    assert Entry.objects.filter(action="work_order.done", actor="lena", subject=f"work_order:{asked.pk}").count() == 1


def test_what_cannot_be_undone_stays_asked_and_is_trouble_until_it_is(carol) -> None:
    asked = asked_of(carol)
    by_hand.confirm(number=asked.pk, by="nora", now=now())
    given.work()
    approving.lift(number=given.only().pk, by="bob", reason="fixed", now=now())
    given.work()
    with pytest.raises(InputError):
        by_hand.refuse(number=asked.pk, by="nora", reason=" ", now=now())
    by_hand.refuse(number=asked.pk, by="nora", reason="the rack is locked until Monday", now=now())
    given.soon(given.only())
    given.work()
    order = given.only()
    assert order.state == "reverting" and "the rack is locked until Monday" in order.problem
    assert WorkOrder.objects.get().state == "undo_asked" and queries.view("trouble", now()).get() == order
    assert Notice.objects.filter(kind="alert", detail__text__icontains="the rack is locked").count() == 1
    by_hand.confirm(number=asked.pk, by="nora", note="open again", now=now())
    given.soon(given.only())
    given.work()
    assert given.only().state == "reverted" and WorkOrder.objects.get().undone_by == "nora"


@pytest.fixture
def over(carol) -> Interruption:
    """An interruption that is over, and whose decision stands."""
    asked = asked_of(carol)
    by_hand.confirm(number=asked.pk, by="nora", now=now())
    given.work()
    approving.lift(number=given.only().pk, by="bob", reason="fixed", now=now())
    given.work()
    with pytest.raises(Refused, match="goes on"):
        interruptions.grant(number=Interruption.objects.get().pk, reason="goodwill", by="bea", now=now())
    by_hand.confirm(number=asked.pk, by="nora", now=now())
    given.soon(given.only())
    given.work()
    return Interruption.objects.get(ended_at__isnull=False)


def test_billing_gives_minutes_back_once_and_nobody_else_may(over) -> None:
    for by in ("nora", "alice", "dave", "system:clock"):
        with pytest.raises(Refused, match="grant a credit"):
            interruptions.grant(number=over.pk, reason="goodwill", by=by, now=now())
    with pytest.raises(InputError):
        interruptions.grant(number=over.pk, reason=" ", by="bea", now=now())
    assert not Credit.objects.exists()
    made = interruptions.grant(number=over.pk, reason="agreed by phone", by="bea", now=now())
    over.refresh_from_db()
    assert (made.by, made.reason, made.customer.name) == ("bea", "agreed by phone", "Carol") and over.given_back_at
    with pytest.raises(Refused, match="already"):
        interruptions.grant(number=over.pk, reason="again", by="lena", now=now())
    assert Credit.objects.count() == 1 and interruptions.give_back(now=now()) == 0
