"""A person as a connector: asked, confirmed, asked to undo; the list of work orders is its peer."""

from typing import ClassVar

import pytest

from tests.enforcement import given
from tests.enforcement.connector_contract import ConnectorContract, bounds
from tipstaff.cases.models_words import Notice
from tipstaff.enforcement import approving, switches, worker
from tipstaff.enforcement.connectors import person
from tipstaff.enforcement.connectors.contract import ConnectorError, State
from tipstaff.enforcement.connectors.person import Person
from tipstaff.enforcement.models import WorkOrder
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Refused

pytestmark = pytest.mark.django_db


class TestPerson(ConnectorContract):
    kind, scope = "block", "machine"
    targets: ClassVar[tuple[str, str, str]] = ("203.0.113.7", "203.0.113.8", "203.0.113.9")
    outside, protected = "198.51.100.7", "203.0.113.1"

    @pytest.fixture
    def connector(self) -> Person:
        self.made = Person({"note": "rack 4"}, bounds())
        return self.made

    def settle(self) -> None:
        for one in WorkOrder.objects.filter(state__in=["asked", "undo_asked"]):
            person.confirm(number=one.pk, by="nora", now=now())

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


@pytest.fixture(autouse=True)
def one_connection(monkeypatch) -> None:
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)


@pytest.fixture
def carol():
    switches.go_live(live=True, by="bob", reason="ready", now=now())
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
    person.confirm(number=asked.pk, by="nora", now=now())
    given.work()
    wanted.refresh_from_db()
    assert given.only().state == "verified" and wanted.state == "in_force"
    approving.lift(number=order.pk, by="bob", reason="fixed", now=now())
    given.work()
    assert given.only().state == "reverting" and WorkOrder.objects.get().state == "undo_asked"
    person.confirm(number=asked.pk, by="nora", now=now())
    given.soon(given.only())
    given.work()
    assert given.only().state == "reverted"


def test_what_cannot_be_done_fails_with_the_persons_words(carol) -> None:
    wanted = given.measure(given.case(carol))
    given.work()
    asked = WorkOrder.objects.get()
    with pytest.raises(InputError):
        person.refuse(number=asked.pk, by="nora", reason="", now=now())
    person.refuse(number=asked.pk, by="nora", reason="the switch is not ours", now=now())
    given.soon(given.only())
    given.work()
    wanted.refresh_from_db()
    assert given.only().state == "failed" and "the switch is not ours" in wanted.problem
    with pytest.raises(Refused):
        person.confirm(number=asked.pk, by="nora", now=now())
