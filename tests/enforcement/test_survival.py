"""The worker with a real speaker and a real router that are killed under it: what should stand stands again, and no more."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.enforcement import given
from tests.enforcement.connector_contract import order
from tests.enforcement.servers import need_programs
from tipstaff.enforcement import endpoints, switches, worker
from tipstaff.enforcement.models import Endpoint, Order
from tipstaff.enforcement.rails import Bounds
from tipstaff.kernel.clock import now
from tipstaff.project.bench import routing
from tipstaff.project.bench.routing import RoutingBed
from tipstaff.project.processes import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ADDRESSES = (given.CAROL, given.CAROL_TOO, "203.0.113.21", "203.0.113.22")


@pytest.fixture(autouse=True)
def always_reconciling(monkeypatch) -> None:
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)
    monkeypatch.setattr(worker, "RECONCILE", 0.0)


@pytest.fixture
def bed() -> Iterator[RoutingBed]:
    need_programs(*routing.PROGRAMS)
    with RoutingBed() as made:
        yield made


@pytest.fixture
def core(bed: RoutingBed) -> Endpoint:
    """Four of Carol's machines black-holed at a real router, by orders."""
    carol, _ = given.inventory()
    service = carol.services.first()
    for address in ADDRESSES[2:]:
        service.assignments.create(prefix=f"{address}/32", period=given.EVER, recorded_at=now())
    made = endpoints.add(name="core", connector="bgp", settings=bed.settings, by="bob", now=now())
    given.go_live(made)
    for address in ADDRESSES:
        given.measure(given.case(carol), target=address)
    settled(bed, set(ADDRESSES))
    return made


def held(bed: RoutingBed) -> set[str]:
    return {seen.net.partition("/")[0] for seen in bed.bird().held()}


def settled(bed: RoutingBed, wanted: set[str]) -> None:
    """Look as the worker does until the router holds exactly that."""

    def there() -> bool:
        for waiting in Order.objects.filter(next_try_at__isnull=False):
            given.soon(waiting)
        Endpoint.objects.update(try_again_at=None)
        given.work(1)
        return held(bed) == wanted

    assert wait_until(there, 60, step=0.2), (held(bed), wanted, list(Order.objects.values_list("state", "problem")))


def all_verified() -> bool:
    given.work(2)
    return set(Order.objects.values_list("state", flat=True)) == {"verified"}


def test_a_speaker_that_was_killed_and_forgot_everything(core: Endpoint, bed: RoutingBed) -> None:
    bed.kill("gobgpd")
    given.work(2)
    core.refresh_from_db()
    assert core.away_since is not None, "it is said that the speaker does not answer"
    bed.start_speaker("-r")
    bed.established()
    settled(bed, set(ADDRESSES))
    assert wait_until(all_verified, 60)


def test_a_router_that_was_killed_learns_again(core: Endpoint, bed: RoutingBed) -> None:
    bed.kill("bird")
    given.work(2)
    bed.start_router()
    bed.established()
    settled(bed, set(ADDRESSES))
    assert wait_until(all_verified, 60)


def test_a_stray_of_ours_leaves_the_router_and_somebody_elses_route_stays(core: Endpoint, bed: RoutingBed) -> None:
    connector = endpoints.build(core, Bounds(switches.current().instance))
    (ours,) = connector.routes(order(4711, "block", "machine", "203.0.113.30"))
    (other,) = connector.routes(order(4712, "block", "machine", "203.0.113.31"))
    theirs = replace(other, mark=(64999, 7, 7))
    connector.speaker.announce([ours, theirs])
    assert wait_until(lambda: len(held(bed)) == 6, 60)
    settled(bed, {*ADDRESSES, "203.0.113.31"})


def test_lift_all_empties_the_router(core: Endpoint, bed: RoutingBed) -> None:
    switches.lift_all(by="bob", reason="gone wrong", now=now())
    settled(bed, set())
    assert set(Order.objects.values_list("state", flat=True)) == {"reverted"}
