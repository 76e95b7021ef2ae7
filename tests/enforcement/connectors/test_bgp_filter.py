"""Rail 13: the router's own filter and limit, run by a real BIRD just as docs/connectors/bgp.md gives them."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.enforcement.connector_contract import bounds, order
from tests.enforcement.servers import need_programs
from tipstaff.enforcement.connectors.bgp import Bgp
from tipstaff.enforcement.connectors.bgp_routes import BLACKHOLE, Action, Route
from tipstaff.enforcement.connectors.contract import Receipt, State
from tipstaff.enforcement.rails import Flow
from tipstaff.project.bench import routing
from tipstaff.project.bench.routing import RoutingBed
from tipstaff.project.processes import wait_until

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "connectors" / "bgp.md"
OURS = (65000, 5, 5)
FINE = Route(OURS, ip_network("203.0.113.99/32"), "192.0.2.1", frozenset({BLACKHOLE}))


def documented(limit: int = 12000) -> str:
    """The text for BIRD with the test's addresses, port and network in place of the document's."""
    (text,) = re.findall(r"```bird\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    text = text.replace("local 192.0.2.1 as 64500", f"local {routing.ROUTER} port PORT as 65000").replace(
        "192.0.2.10", routing.SPEAKER
    )
    text = text.replace("64500", "65000").replace("import limit 12000", f"import limit {limit}")
    frame = "router id 10.0.0.2;\nipv4 table master4;\nipv6 table master6;\nprotocol device {}\n"
    return (frame + text).replace("{", "{{").replace("}", "}}").replace("PORT", "{port}")


@pytest.fixture(scope="module")
def bed() -> Iterator[RoutingBed]:
    need_programs(*routing.PROGRAMS)
    with RoutingBed(router_conf=documented()) as made:
        yield made


def nets(bed: RoutingBed) -> set[str]:
    return {seen.net for seen in bed.bird().held()}


def after(bed: RoutingBed, *routes: Route) -> set[str]:
    """What BIRD took of the routes, once it has one that was announced after them."""
    connector = Bgp(bed.settings, bounds())
    connector.speaker.announce(routes)
    connector.speaker.announce([FINE])
    assert wait_until(lambda: FINE.net in nets(bed), 60)
    taken = nets(bed) - {FINE.net}
    for route in (*routes, FINE):
        connector.speaker.withdraw(route)
    assert wait_until(lambda: not nets(bed), 60)
    return taken


def hole(text: str, next_hop: str = "192.0.2.1", communities: frozenset[int] = frozenset({BLACKHOLE}), mark=OURS) -> Route:
    return Route(mark, ip_network(text), next_hop, communities)


def test_what_is_a_customers_is_taken(bed: RoutingBed) -> None:
    flow = Route(
        OURS, flow=Flow(destination=ip_network("203.0.113.7/32"), protocol="tcp", destination_ports=(25,)), action=Action()
    )
    away = Route(OURS, flow=Flow(source=ip_network("2001:db8:7::7/128")), action=Action())
    routes = (hole("203.0.113.7/32"), hole("2001:db8:7::7/128", "100::1"), flow, away)
    assert after(bed, *routes) == {route.net for route in routes}


@pytest.mark.parametrize(
    "route",
    [
        hole("198.51.100.7/32"),  # not ours
        hole("203.0.113.0/24"),  # wider than one address
        hole("0.0.0.0/0"),
        hole("203.0.113.1/32"),  # a router
        hole("203.0.113.53/32"),  # a resolver
        hole("203.0.113.7/32", communities=frozenset()),  # no black hole
        hole("203.0.113.7/32", mark=(64999, 5, 5)),  # not the desk's
        hole("2001:db8:7::1/128", "100::1"),
        hole("2001:db8:8::7/128", "100::1"),
        hole("2001:db8:7::/64", "100::1"),
        Route(OURS, flow=Flow(destination=ip_network("198.51.100.7/32")), action=Action()),
        Route(OURS, flow=Flow(source=ip_network("203.0.113.7/32"), destination=ip_network("203.0.113.53/32")), action=Action()),
        Route(OURS, flow=Flow(source=ip_network("2001:db8:8::7/128")), action=Action()),
        Route((64999, 5, 5), flow=Flow(destination=ip_network("203.0.113.7/32")), action=Action()),
    ],
    ids=lambda route: route.net,
)
def test_what_is_not_is_refused_by_the_router_itself(bed: RoutingBed, route: Route) -> None:
    assert after(bed, route) == set()


def test_an_order_that_the_router_refuses_is_not_in_force_and_says_why(bed: RoutingBed) -> None:
    """The desk's list and the router's are out of step: the speaker announces, the router does not take it."""
    connector = Bgp(bed.settings, bounds())
    wanted = order(1, "block", "machine", "203.0.113.53")
    connector.apply(wanted)
    assert wait_until(lambda: "filter refuses" in connector.verify(Receipt(wanted)).detail, 60)
    assert connector.verify(Receipt(wanted)).state is State.ABSENT
    connector.lift(Receipt(wanted))


def test_the_routers_limit_holds() -> None:
    need_programs(*routing.PROGRAMS)
    with RoutingBed(router_conf=documented(limit=3)) as bed:
        connector = Bgp(bed.settings, bounds())
        connector.speaker.announce([hole(f"203.0.113.{number}/32") for number in range(10, 20)])
        assert wait_until(lambda: len(nets(bed)) == 3, 60)
