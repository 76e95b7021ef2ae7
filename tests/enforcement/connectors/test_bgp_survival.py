"""kill -9 of the speaker, of the router and of ourselves: no route is dropped that should stand, none is left that should not.

The router is watched all the time: every look at BIRD's own table is kept. Who puts back what a speaker forgot is the
reconciler; here its one step, "apply what ``actual`` does not show", is done by hand, at the moment that is tested.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.enforcement.connector_contract import bounds, order
from tests.enforcement.servers import need_programs
from tipstaff.enforcement.connectors.bgp import Bgp
from tipstaff.enforcement.connectors.contract import ConnectorError, OrderView, Receipt, State
from tipstaff.project.bench import routing
from tipstaff.project.bench.routing import RoutingBed
from tipstaff.project.processes import wait_until

pytestmark = pytest.mark.slow
ORDERS = [
    *(order(number, "block", "machine", f"203.0.113.{number}") for number in range(10, 30)),
    *(order(number, "block", "machine", f"2001:db8:7::{number:x}") for number in range(30, 40)),
    *(order(number, "port_block", "port", f"203.0.113.{number} tcp/25", direction="out") for number in range(40, 50)),
]
NETS = 40
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def bed() -> Iterator[RoutingBed]:
    need_programs(*routing.PROGRAMS)
    with RoutingBed() as made:
        yield made


@pytest.fixture
def bgp(bed: RoutingBed) -> Bgp:
    return Bgp(bed.settings, bounds())


class Watch(threading.Thread):
    """Looks at BIRD's table again and again; ``fewest`` and ``most`` are what it ever held while it could be asked."""

    def __init__(self, bed: RoutingBed) -> None:
        super().__init__(daemon=True)
        self.bed, self.counts, self.over = bed, [], threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.01):
            with contextlib.suppress(ConnectorError):
                self.counts.append(len(self.bed.bird().held()))

    def __enter__(self) -> "Watch":
        self.start()
        assert wait_until(lambda: len(self.counts) > 3, 60)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join(5)


def put_in_place(bgp: Bgp, orders: list[OrderView] = ORDERS) -> None:
    for one in orders:
        bgp.apply(one)
    assert wait_until(lambda: all_stand(bgp, orders), 60)


def all_stand(bgp: Bgp, orders: list[OrderView] = ORDERS) -> bool:
    return all(bgp.verify(Receipt(one)).state is State.IN_PLACE for one in orders)


def reconcile(bgp: Bgp, orders: list[OrderView] = ORDERS) -> int:
    """What the reconciler does: apply what is missing. How many were."""
    there = {thing.tag for thing in bgp.actual()}
    missing = [one for one in orders if one.tag not in there]
    for one in missing:
        bgp.apply(one)
    return len(missing)


def test_a_speaker_that_is_killed_and_restarted_gracefully_drops_nothing(bed: RoutingBed, bgp: Bgp) -> None:
    put_in_place(bgp)
    with Watch(bed) as watch:
        bed.kill("gobgpd")
        with pytest.raises(ConnectorError) as caught:
            bgp.actual()
        assert caught.value.retry
        bed.start_speaker("-r")
        assert reconcile(bgp) == len(ORDERS)
        bed.established()
        assert wait_until(lambda: all_stand(bgp), 60)
        time.sleep(1)
    assert min(watch.counts) == max(watch.counts) == NETS


def test_a_speaker_that_is_started_cold_has_everything_again(bed: RoutingBed, bgp: Bgp) -> None:
    """Without -r the router forgets when the session comes up again; all is announced by then, so it has it at once."""
    put_in_place(bgp)
    bed.kill("gobgpd")
    bed.start_speaker()
    assert reconcile(bgp) == len(ORDERS)
    bed.established()
    assert wait_until(lambda: all_stand(bgp) and len(bed.bird().held()) == NETS, 60)


def test_what_was_lifted_while_the_speaker_was_away_is_not_left_behind(bed: RoutingBed, bgp: Bgp) -> None:
    """The router still holds the route of a speaker that is gone; the order counts as lifted only when it does not."""
    put_in_place(bgp)
    gone, rest = ORDERS[0], ORDERS[1:]
    bed.kill("gobgpd")
    leaving = Receipt(replace(gone, leaving=True))
    for call in (lambda: bgp.lift(leaving), lambda: bgp.verify(leaving)):
        with pytest.raises(ConnectorError) as caught:
            call()
        assert caught.value.retry
    bed.start_speaker("-r")
    reconcile(bgp, rest)
    assert bgp.verify(leaving).state is State.IN_PLACE  # in the router, until it hears better
    bgp.lift(leaving)
    bed.established()
    assert wait_until(lambda: bgp.verify(leaving).state is State.ABSENT, 60)
    assert len(bed.bird().held()) == NETS - 1 and all_stand(bgp, rest)


def test_a_router_that_is_killed_has_everything_when_it_is_back(bed: RoutingBed, bgp: Bgp) -> None:
    put_in_place(bgp)
    bed.kill("bird")
    with pytest.raises(ConnectorError) as caught:
        bgp.verify(Receipt(ORDERS[0]))
    assert caught.value.retry
    bed.start_router()
    assert bgp.verify(Receipt(ORDERS[0])).state is State.ABSENT  # the router counts, not what the speaker would tell it
    bed.established()
    assert wait_until(lambda: all_stand(bgp), 60) and len(bed.bird().held()) == NETS


APPLY_FOREVER = """
import json, sys
from tests.enforcement.connectors.test_bgp_survival import ORDERS, Bgp, bounds
bgp = Bgp(json.loads(sys.argv[1]), bounds())
for one in ORDERS * 1000:
    bgp.apply(one)
    print("one", flush=True)
"""


@pytest.mark.parametrize("after", [0.0, 0.005, 0.02, 0.05, 0.1])
def test_we_are_killed_in_the_middle_of_applying(bed: RoutingBed, bgp: Bgp, after: float) -> None:
    """Whatever was done by then stays, whatever was not is missing, and going on makes it whole."""
    command = [sys.executable, "-c", APPLY_FOREVER, json.dumps(bed.settings)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"one\n"
    time.sleep(after)
    child.kill()
    child.wait(10)
    child.stdout.close()
    assert len(bgp.actual()) >= 1
    reconcile(bgp)
    assert wait_until(lambda: all_stand(bgp), 60) and len(bed.bird().held()) == NETS
    for one in ORDERS:
        bgp.lift(Receipt(replace(one, leaving=True)))
    assert wait_until(lambda: bed.bird().held() == [], 60) and bgp.actual() == frozenset()
