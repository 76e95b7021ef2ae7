"""kill -9 between each pair of steps, with real processes and real peers: the next run goes on from what the rows say."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.enforcement import given
from tests.enforcement.killing import mortals
from tests.enforcement.servers import namespaces, need, need_programs
from tipstaff.accounts.models import Customer
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import endpoints
from tipstaff.enforcement.models import Endpoint, Interruption, Order, OrderEntry
from tipstaff.kernel.clock import now
from tipstaff.project.bench import routing
from tipstaff.project.bench.routing import RoutingBed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def carol() -> Customer:
    return given.inventory()[0]


def every_boundary(carol: Customer, url: str, connector: str, standing: Callable[[], int], step: int = 1) -> int:
    """Die at each boundary in turn and go on; ``standing`` counts what the peer itself holds. How many boundaries there are."""
    with mortals(url) as die:
        number = 1
        while True:
            measure = given.measure(given.case(carol)).pk
            died = die(measure, connector, number)
            if Measure.objects.get(pk=measure).state not in {"lifting", "lifted"}:
                die(measure, connector, 0, "verified")
                assert standing() == 1, f"not standing after a kill at boundary {number}"
                assert Measure.objects.get(pk=measure).state == "in_force", number
            die(measure, connector, 0)
            assert standing() == 0, f"left standing after a kill at boundary {number}"
            the_record_is_whole(measure, number)
            if not died:
                return number
            number += step


def the_record_is_whole(measure: int, number: int) -> None:
    """Each step happened once, however often it was begun."""
    order = Order.objects.get(measure=measure)
    assert Measure.objects.get(pk=measure).state == "lifted", number
    kinds = list(OrderEntry.objects.filter(order=order).order_by("pk").values_list("kind", flat=True))
    for kind in ("proposed", "approved", "applying", "verified", "reverting", "reverted"):
        assert kinds.count(kind) == 1, f"{kind} in {kinds} after a kill at boundary {number}"
    interruption = Interruption.objects.get(order=order)
    assert interruption.ended_at is not None and interruption.ended_at >= interruption.started_at


def test_with_a_file_as_peer(carol: Customer, database_url: str, tmp_path: Path) -> None:
    from tipstaff.enforcement.connectors.journal import Journal
    from tipstaff.enforcement.rails import Bounds

    given.journal(tmp_path)
    journal = Journal({"path": str(tmp_path / "journal")}, Bounds(""))
    assert every_boundary(carol, database_url, "journal", lambda: len(journal._standing())) > 40


def test_taken_away_and_settled_together(carol: Customer, database_url: str, tmp_path: Path) -> None:
    """Die at each boundary of the way back that many orders go together; whoever comes next settles each once."""
    peer, number = given.journal(tmp_path), 0
    with mortals(database_url) as die:
        while True:
            measure = given.measure(given.case(carol)).pk
            die(measure, "journal", 0, "verified")
            number += 1
            died = die(measure, "journal", number, many=1)
            die(measure, "journal", 0, many=1)
            assert given.standing(peer) == set(), f"left standing after a kill at boundary {number}"
            the_record_is_whole(measure, number)
            if not died:
                break
    assert number > 15


def acting(name: str, connector: str, settings: dict[str, str]) -> Endpoint:
    made = endpoints.add(name=name, connector=connector, settings=settings, by="bob", now=now())
    given.go_live(made)
    return made


@pytest.fixture
def gateway() -> Iterator[str]:
    need("nft", "ip")
    with namespaces("gw") as names:
        yield names["gw"]


@pytest.mark.root
def test_with_a_real_gateway(carol: Customer, database_url: str, gateway: str) -> None:
    def standing() -> int:
        words = ["ip", "netns", "exec", gateway, "nft", "list", "ruleset"]
        return min(1, subprocess.run(words, capture_output=True, text=True, check=True).stdout.count(given.CAROL))

    acting("gw", "nftables", {"command": f"ip netns exec {gateway} nft"})
    assert every_boundary(carol, database_url, "nftables", standing, step=2) > 40


@pytest.fixture
def bed() -> Iterator[RoutingBed]:
    need_programs(*routing.PROGRAMS)
    with RoutingBed() as made:
        yield made


def test_with_a_real_speaker_and_a_real_router(carol: Customer, database_url: str, bed: RoutingBed) -> None:
    """Decision → order → route read back from the router → lifted."""
    acting("core", "bgp", bed.settings)
    assert every_boundary(carol, database_url, "bgp", lambda: len(bed.bird().held()), step=3) > 40
