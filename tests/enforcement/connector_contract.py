"""What every connector must keep to, proven against its real peer. Not collected itself; a connector's test inherits it::

    class TestBgp(ConnectorContract):
        kind, scope = "block", "machine"
        targets = ("203.0.113.7", "203.0.113.8", "203.0.113.9")     # three of a customer's
        outside = "198.51.100.7"                                     # no customer's
        protected = "203.0.113.1"                                    # on the never-touch list

        @pytest.fixture
        def connector(self): …            # built with Bounds from ``bounds()``, its peer running
        def standing(self): …             # what the PEER holds, read without the connector; comparable with ==
        def plant(self, target): …        # put something that is not ours there, as another operator would
        def tamper(self, order): …        # change our own thing for the order, as another operator would
        def break_peer(self): …           # make the peer unreachable (stop it, unplug it)
        def mend_peer(self): …            # and reachable again, with what it held where it keeps that

``standing`` must show foreign things too, so that "everything else is untouched" can be asserted.
"""

import contextlib
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from tipstaff.enforcement import rails, targets
from tipstaff.enforcement.connectors import contract
from tipstaff.enforcement.connectors.contract import Connector, ConnectorError, InPlace, NotOurs, OrderView, Receipt, State
from tipstaff.kernel.errors import Refused

INSTANCE = "7f3a90c1"
EXPIRES = datetime(2031, 1, 1, tzinfo=UTC)
REFUSALS = (Refused, NotOurs)


def bounds(**changes: Any) -> rails.Bounds:
    """Bounds of a provider of documentation space, with its router, resolver and own names protected."""
    usual: dict[str, Any] = {
        "instance": INSTANCE,
        "own": tuple(targets.network(text) for text in ("203.0.113.0/24", "2001:db8:7::/48")),
        "protected": (
            rails.protection("203.0.113.1", "our router"),
            rails.protection("2001:db8:7::1", "our router"),
            rails.protection("desk.example.org", "this desk"),
            rails.protection("ours", "the desk's own machine"),
        ),
        "names": frozenset({"example.net", "example.com", "desk.example.org"}),
        "services": frozenset({"vps-1042", "101", "102", "103", "104", "carol1", "carol2", "carol3", "ours"}),
    }
    return rails.Bounds(**(usual | changes))


def order(number: int, kind: str, scope: str, text: str, **changes: Any) -> OrderView:
    """An order as the worker would hand it over; ``changes`` replace its fields."""
    usual: dict[str, Any] = {
        "number": number,
        "tag": contract.tag(INSTANCE, number),
        "kind": kind,
        "target": targets.parse(scope, text),
        "expires_at": EXPIRES,
        "case": 4312,
        "clause": "4.2",
        "reason": "phishing",
    }
    return OrderView(**(usual | changes))


class ConnectorContract(ABC):
    """Inherit this; see the module's docstring for what to provide."""

    kind: ClassVar[str]
    scope: ClassVar[str]
    targets: ClassVar[tuple[str, str, str]]
    outside: ClassVar[str]
    protected: ClassVar[str]

    @abstractmethod
    def standing(self) -> Any: ...

    @abstractmethod
    def plant(self, target: str) -> None: ...

    @abstractmethod
    def tamper(self, done: OrderView) -> None: ...

    @abstractmethod
    def break_peer(self) -> None: ...

    @abstractmethod
    def mend_peer(self) -> None: ...

    def settle(self) -> None:  # noqa: B027 - most peers act at once
        """Wait for a peer that acts later; a person confirms here."""

    def order(self, number: int = 1, target: str | None = None, **changes: Any) -> OrderView:
        usual = {"kind": self.kind, "scope": self.scope, "text": target or self.targets[0]}
        return order(number, **(usual | changes))

    def carry_out(self, connector: Connector, wanted: OrderView) -> Receipt:
        """As the worker does: snapshot, apply, settle. The receipt holds the undo snapshot."""
        kept = OrderView(**{**vars(wanted), "undo": connector.snapshot(wanted)})
        receipt = connector.apply(kept)
        self.settle()
        return receipt

    def take_away(self, connector: Connector, receipt: Receipt) -> None:
        connector.lift(receipt)
        self.settle()

    def tags(self, connector: Connector) -> set[str]:
        return {thing.tag for thing in connector.actual()}

    # -- what it is

    def test_it_says_what_it_is_and_what_it_can_do(self, connector: Connector) -> None:
        assert connector.name and connector.label and connector.name == connector.name.lower()
        assert (self.kind, self.scope) in connector.does
        assert all(scope in contract.SCOPES for _, scope in connector.does)
        assert 0 < connector.timeout <= 60

    def test_its_form_names_each_field_once_and_marks_secrets(self, connector: Connector) -> None:
        names = [field.name for field in connector.form]
        assert len(names) == len(set(names))
        suspicious = ("password", "secret", "token", "api_key")
        assert all(field.secret for field in connector.form if field.name.lower().endswith(suspicious))
        assert all(field.label for field in connector.form)

    def test_a_plan_tells_what_would_be_done_and_does_nothing(self, connector: Connector) -> None:
        before = self.standing()
        plan = connector.plan(self.order())
        assert plan.summary and plan.commands and plan.undo
        assert plan == connector.plan(self.order())
        assert self.standing() == before

    # -- doing and undoing

    def test_applied_is_read_back_and_lifted_leaves_what_was_there(self, connector: Connector) -> None:
        before = self.standing()
        receipt = self.carry_out(connector, self.order())
        assert self.standing() != before
        assert connector.verify(receipt).state is State.IN_PLACE
        assert contract.tag(INSTANCE, 1) in self.tags(connector)
        self.take_away(connector, receipt)
        assert connector.verify(receipt).state is State.ABSENT
        assert self.standing() == before
        assert contract.tag(INSTANCE, 1) not in self.tags(connector)

    def test_applying_twice_equals_once(self, connector: Connector) -> None:
        before = self.standing()
        first = self.carry_out(connector, self.order())
        once = self.standing()
        again = connector.apply(first.order)
        self.settle()
        assert self.standing() == once
        assert connector.verify(again).state is State.IN_PLACE
        self.take_away(connector, again)
        assert self.standing() == before

    def test_a_crash_before_the_receipt_was_kept_is_survived(self, connector: Connector) -> None:
        """The worker then knows the order with its snapshot, and nothing of what ``apply`` gave back."""
        before = self.standing()
        known = self.carry_out(connector, self.order()).order
        assert connector.verify(Receipt(known)).state is State.IN_PLACE
        self.take_away(connector, Receipt(known))
        assert self.standing() == before

    def test_before_it_is_applied_it_is_absent(self, connector: Connector) -> None:
        assert connector.verify(Receipt(self.order())).state is State.ABSENT

    def test_lifting_what_is_not_there_is_success(self, connector: Connector) -> None:
        before = self.standing()
        self.take_away(connector, Receipt(self.order(99, self.targets[2])))
        assert self.standing() == before

    def test_lifting_twice_is_success(self, connector: Connector) -> None:
        before = self.standing()
        receipt = self.carry_out(connector, self.order())
        self.take_away(connector, receipt)
        self.take_away(connector, receipt)
        assert self.standing() == before

    def test_many_go_together_and_nothing_else_does(self, connector: Connector) -> None:
        """With ``lift_together`` in one go, else one by one: ours are gone, what others put there stays."""
        self.plant(self.targets[2])
        before = self.standing()
        receipts = [self.carry_out(connector, self.order(number, self.targets[number - 1])) for number in (1, 2)]
        if lift := getattr(connector, "lift_together", None):
            never_ours = Receipt(self.order(3, self.targets[2]))
            leaving = [Receipt(replace(one.order, leaving=True), one.handle) for one in (*receipts, never_ours)]
            assert connector.gone_together(leaving[:2]) == frozenset(), "they stand"
            assert lift([*receipts, never_ours]) == {receipt.order.tag for receipt in receipts}
            assert lift([]) == lift(receipts) == frozenset()
            self.settle()
            gone = {one.order.tag for one in leaving if connector.verify(one).state is State.ABSENT}
            assert connector.gone_together(leaving) == gone >= {receipt.order.tag for receipt in receipts}
        else:
            for receipt in receipts:
                self.take_away(connector, receipt)
        assert self.standing() == before and self.tags(connector) == set()

    def test_orders_do_not_touch_one_another(self, connector: Connector) -> None:
        before = self.standing()
        one = self.carry_out(connector, self.order(1, self.targets[0]))
        only_one = self.standing()
        two = self.carry_out(connector, self.order(2, self.targets[1]))
        assert {contract.tag(INSTANCE, 1), contract.tag(INSTANCE, 2)} <= self.tags(connector)
        self.take_away(connector, two)
        assert self.standing() == only_one
        assert connector.verify(one).state is State.IN_PLACE
        self.take_away(connector, one)
        assert self.standing() == before

    # -- what it must leave alone

    def test_what_others_put_there_is_neither_ours_nor_touched(self, connector: Connector) -> None:
        self.plant(self.targets[2])
        with_theirs = self.standing()
        assert self.tags(connector) == set()
        receipt = self.carry_out(connector, self.order(1, self.targets[0]))
        self.take_away(connector, receipt)
        with contextlib.suppress(NotOurs):  # success and refusal are both right, touching is not
            self.take_away(connector, Receipt(self.order(3, self.targets[2])))
        assert self.standing() == with_theirs

    def test_what_was_changed_since_is_not_taken_away(self, connector: Connector) -> None:
        receipt = self.carry_out(connector, self.order())
        self.tamper(receipt.order)
        changed = self.standing()
        assert connector.verify(receipt).state in {State.FOREIGN, State.ABSENT}
        if connector.verify(receipt).state is State.FOREIGN:
            with pytest.raises(NotOurs):
                connector.lift(receipt)
        else:
            connector.lift(receipt)
        assert self.standing() == changed

    def test_only_our_own_strays_are_removed(self, connector: Connector) -> None:
        before = self.standing()
        self.carry_out(connector, self.order())
        found = {thing.tag: thing for thing in connector.actual()}
        ours = found[contract.tag(INSTANCE, 1)]
        with pytest.raises(REFUSALS):
            connector.remove(InPlace("somebody:else:1", ours.target, ours.handle))
        with pytest.raises(REFUSALS):
            connector.remove(InPlace(contract.tag("0ther0ne", 1), ours.target, ours.handle))
        assert contract.tag(INSTANCE, 1) in self.tags(connector)
        connector.remove(ours)
        self.settle()
        assert self.tags(connector) == set()
        assert self.standing() == before

    def test_removing_a_stray_that_has_gone_is_success(self, connector: Connector) -> None:
        receipt = self.carry_out(connector, self.order())
        stray = next(iter(connector.actual()))
        self.take_away(connector, receipt)
        connector.remove(stray)
        self.settle()
        assert self.tags(connector) == set()

    # -- the rails stand where the action is

    def settled(self) -> Any:
        """What the peer holds, once it had the time to do what it was asked."""
        self.settle()
        return self.standing()

    def test_it_refuses_what_is_not_ours(self, connector: Connector) -> None:
        before = self.standing()
        with pytest.raises(REFUSALS):
            connector.apply(self.order(1, self.outside))
        assert self.settled() == before

    def test_it_refuses_what_is_on_the_never_touch_list(self, connector: Connector) -> None:
        before = self.standing()
        with pytest.raises(REFUSALS):
            connector.apply(self.order(1, self.protected))
        assert self.settled() == before

    def test_it_refuses_an_order_without_expiry(self, connector: Connector) -> None:
        before = self.standing()
        for expiry in (None, EXPIRES.replace(tzinfo=None)):
            with pytest.raises(REFUSALS):
                connector.apply(self.order(expires_at=expiry))
        assert self.settled() == before

    def test_it_refuses_an_order_of_another_installation(self, connector: Connector) -> None:
        before = self.standing()
        with pytest.raises(REFUSALS):
            connector.apply(self.order(tag=contract.tag("0ther0ne", 1)))
        assert self.settled() == before

    def test_it_refuses_what_it_cannot_do(self, connector: Connector) -> None:
        before = self.standing()
        with pytest.raises(REFUSALS):
            connector.apply(self.order(kind="paint_it_blue"))
        assert self.settled() == before

    # -- when the peer is away

    def test_a_peer_that_is_away_is_said_and_may_be_tried_again(self, connector: Connector) -> None:
        receipt = self.carry_out(connector, self.order())
        self.break_peer()
        for call in (
            lambda: connector.apply(self.order(2, self.targets[1])),
            lambda: connector.verify(receipt),
            lambda: connector.lift(receipt),
            lambda: connector.actual(),
        ):
            with pytest.raises(ConnectorError) as caught:
                call()
            assert caught.value.retry, caught.value
            assert str(caught.value)
        self.mend_peer()
        connector.apply(receipt.order)
        self.settle()
        assert connector.verify(receipt).state is State.IN_PLACE
        self.take_away(connector, receipt)
        assert connector.verify(receipt).state is State.ABSENT


__all__ = ["EXPIRES", "INSTANCE", "ConnectorContract", "bounds", "order"]
