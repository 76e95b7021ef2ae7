"""kill -9 between each pair of steps, with real processes: whatever was done, the next run goes on from it.

The worker runs in a forked process that kills itself at the Nth boundary: before and after every call of the peer, before
and after every row that is written, inside transactions as well. N grows until a run comes through unharmed.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections

from tests.enforcement import given
from tests.enforcement.servers import namespaces, need
from tipstaff.accounts.models import Customer
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import carrying, ending, endpoints, feedback, moves, ordering, riding, switches, worker
from tipstaff.enforcement.models import Endpoint, Interruption, Order, OrderEntry
from tipstaff.enforcement.rails import Bounds
from tipstaff.enforcement.worker import Worker
from tipstaff.kernel.clock import now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
WRITERS = (
    (moves, "move"), (moves, "change"), (moves, "note"), (ending, "verified"), (ending, "reverted"), (ordering, "order_one"),
    (feedback, "in_force"), (feedback, "lifted"), (feedback, "ordered"), (riding, "carrier_for"), (riding, "hand_over"),
    (carrying, "carry"), (worker, "lift_asked"),
)  # fmt: skip
CALLS = ("snapshot", "apply", "verify", "lift", "actual")


class Boundaries:
    """Counts the boundaries that are passed, and ends this process for good at the one that was chosen."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.passed = fatal, 0

    def around(self, function: Callable) -> Callable:
        def wrapped(*words, **named):
            self.cross()
            result = function(*words, **named)
            self.cross()
            return result

        return wrapped

    def cross(self) -> None:
        self.passed += 1
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def killed_at(number: int, life: Callable[[], None], connector: type) -> bool:
    """Live that life in a process that dies at the boundary; False when it came to its end before."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            boundaries = Boundaries(number)
            for module, name in WRITERS:
                setattr(module, name, boundaries.around(getattr(module, name)))
            for name in CALLS:
                setattr(connector, name, boundaries.around(getattr(connector, name)))
            life()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the process failed on its own at {number}"
    return os.WIFSIGNALED(status)


def until(state: str, order_of: int) -> None:
    """Look as a worker does until the order of that measure is there."""
    for _ in range(40):
        Worker().step()
        order = Order.objects.filter(measure=order_of).first()
        if order is not None and order.state == state:
            return
        if order is not None:
            given.soon(order)
    raise AssertionError(f"not {state}: {Order.objects.filter(measure=order_of).values()}")


def live(measure: int) -> None:
    """From the decision to the block, and from the block to the free machine."""
    if not Measure.objects.filter(pk=measure, state__in=["lifting", "lifted"]).exists():
        until("verified", measure)
        ask_back(measure)
    until("reverted", measure)


def ask_back(measure: int) -> None:
    asked = {"state": "lifting", "lift_asked_at": now(), "lift_by": "bob", "lift_reason": "fixed"}
    Measure.objects.filter(pk=measure, state="in_force").update(**asked)


def standing(peer: Endpoint) -> set[str]:
    return {thing.tag for thing in endpoints.build(peer, Bounds(switches.current().instance)).actual()}


def every_boundary(carol: Customer, peer: Endpoint, connector: type) -> int:
    number = 0
    while True:
        number += 1
        measure = given.measure(given.case(carol)).pk
        died = killed_at(number, lambda measure=measure: live(measure), connector)
        row = Measure.objects.get(pk=measure)
        if row.state not in {"lifting", "lifted"}:
            until("verified", measure)
            assert standing(peer) == {Order.objects.get(measure=measure).tag}, number
            assert Measure.objects.get(pk=measure).state == "in_force"
            ask_back(measure)
        until("reverted", measure)
        order = Order.objects.get(measure=measure)
        assert standing(peer) == set(), f"left standing after a kill at boundary {number}"
        assert Measure.objects.get(pk=measure).state == "lifted", number
        kinds = list(OrderEntry.objects.filter(order=order).order_by("pk").values_list("kind", flat=True))
        for kind in ("proposed", "approved", "applying", "verified", "reverting", "reverted"):
            assert kinds.count(kind) == 1, f"{kind} in {kinds} after a kill at boundary {number}"
        interruption = Interruption.objects.get(order=order)
        assert interruption.ended_at is not None and interruption.ended_at >= interruption.started_at
        if not died:
            return number


@pytest.fixture(autouse=True)
def one_connection(monkeypatch) -> None:
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)
    monkeypatch.setattr(worker, "RECONCILE", 1e9)


def test_killed_anywhere_it_goes_on_with_a_file_as_peer(tmp_path: Path) -> None:
    from tipstaff.enforcement.connectors.journal import Journal

    carol, _ = given.inventory()
    boundaries = every_boundary(carol, given.journal(tmp_path), Journal)
    assert boundaries > 40


@pytest.fixture
def gateway() -> Iterator[str]:
    need("nft", "ip")
    with namespaces("gw") as names:
        yield names["gw"]


@pytest.mark.root
def test_killed_anywhere_it_goes_on_with_a_real_gateway(gateway: str) -> None:
    from tipstaff.enforcement.connectors.nftables import Nftables

    carol, _ = given.inventory()
    settings = {"command": f"ip netns exec {gateway} nft"}
    peer = endpoints.add(name="gw", connector="nftables", settings=settings, by="bob", now=now())
    given.go_live(peer)
    assert every_boundary(carol, peer, Nftables) > 40
    listing = subprocess.run(
        ["ip", "netns", "exec", gateway, "nft", "list", "table", "inet", "tipstaff"], capture_output=True, text=True
    )
    assert given.CAROL not in listing.stdout
