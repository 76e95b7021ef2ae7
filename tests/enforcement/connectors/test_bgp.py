"""Black holes and flow rules by a real gobgpd, read from a real BIRD's own tables."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from tests.enforcement.connector_contract import ConnectorContract, bounds
from tests.enforcement.servers import need_programs
from tipstaff.enforcement.connectors.bgp import Bgp
from tipstaff.enforcement.connectors.bgp_routes import BLACKHOLE, Action, Route
from tipstaff.enforcement.connectors.contract import OrderView
from tipstaff.enforcement.connectors.gobgp.speaker import Speaker
from tipstaff.enforcement.rails import Flow
from tipstaff.project.bench import routing
from tipstaff.project.bench.routing import RoutingBed
from tipstaff.project.processes import wait_until


@pytest.fixture(scope="module")
def one_bed() -> Iterator[RoutingBed]:
    need_programs(*routing.PROGRAMS)
    with RoutingBed() as bed:
        yield bed


@pytest.fixture
def bed(one_bed: RoutingBed) -> Iterator[RoutingBed]:
    """A speaker and a router that hold nothing, and are empty again afterwards."""
    speaker = Speaker(one_bed.speaker_address, 5)
    yield one_bed
    for family in ("ipv4", "ipv6", "flow4", "flow6"):
        for seen in speaker.held(family):
            speaker.withdraw(bgp_route(seen.net))
    speaker.close()
    assert wait_until(lambda: not in_router(one_bed), 60)


def bgp_route(net: str) -> Route:
    from tipstaff.enforcement.connectors.bgp_routes import route_of

    return route_of(net, (65000, 1, 1))


def in_router(bed: RoutingBed) -> frozenset[Any]:
    """Everything that BIRD uses, without the time at which it learnt it."""
    return frozenset(replace(seen, words="") for seen in bed.bird().held())


class BgpContract(ConnectorContract):
    """``standing`` is BIRD's own tables, read once the speaker's announcements have reached it."""

    @pytest.fixture(autouse=True)
    def _bed(self, bed: RoutingBed) -> Iterator[None]:
        self.bed, self.theirs = bed, Speaker(bed.speaker_address, 5)
        yield
        self.theirs.close()

    @pytest.fixture
    def connector(self) -> Any:
        return Bgp(self.bed.settings, bounds())

    def standing(self) -> Any:
        self.settle()
        return in_router(self.bed)

    def settle(self) -> None:
        def same() -> bool:
            """What BIRD holds is what the speaker says it tells it."""
            told = {
                replace(seen, words="")
                for family in ("ipv4", "ipv6", "flow4", "flow6")
                for seen in self.theirs.told(routing.ROUTER, family)
            }
            return told == set(in_router(self.bed))

        assert wait_until(same, 60), in_router(self.bed)

    @abstractmethod
    def their_route(self, target: str) -> Route: ...

    def plant(self, target: str) -> None:
        self.theirs.announce([self.their_route(target)])

    def break_peer(self) -> None:
        self.bed.kill("gobgpd")

    def mend_peer(self) -> None:
        self.bed.start_speaker("-r")
        self.bed.established()


class TestBlackHole(BgpContract):
    kind, scope = "block", "machine"
    targets = ("203.0.113.7", "203.0.113.8", "203.0.113.9")
    outside, protected = "198.51.100.7", "203.0.113.1"

    def their_route(self, target: str) -> Route:
        return Route((65000, 7, 7), ip_network(target), "192.0.2.99", frozenset({BLACKHOLE}))

    def tamper(self, done: OrderView) -> None:
        (ours,) = Bgp(self.bed.settings, bounds()).routes(done)
        self.theirs.announce([replace(ours, communities=frozenset({BLACKHOLE}))])


class TestBlackHoleOfIpv6(TestBlackHole):
    targets = ("2001:db8:7::7", "2001:db8:7::8", "2001:db8:7::9")
    outside, protected = "2001:db8:8::7", "2001:db8:7::1"

    def their_route(self, target: str) -> Route:
        return Route((65000, 7, 7), ip_network(target), "100::99", frozenset({BLACKHOLE}))


class TestFlowRule(BgpContract):
    kind, scope = "port_block", "port"
    targets = ("203.0.113.7 tcp/25", "203.0.113.8 udp/53", "203.0.113.9 tcp/80")
    outside, protected = "198.51.100.7 tcp/25", "203.0.113.1 tcp/25"

    def their_route(self, target: str) -> Route:
        address, _, rest = target.partition(" ")
        protocol, _, port = rest.partition("/")
        flow = Flow(destination=ip_network(address), protocol=protocol, destination_ports=(int(port),))
        return Route((65000, 7, 7), flow=flow, action=Action(rate=1000.0))

    def tamper(self, done: OrderView) -> None:
        for ours in Bgp(self.bed.settings, bounds()).routes(done):
            self.theirs.announce([replace(ours, action=Action(rate=1000.0))])


class TestFlowRuleOfIpv6(TestFlowRule):
    targets = ("2001:db8:7::7 tcp/25", "2001:db8:7::8 udp/53", "2001:db8:7::9 tcp/80")
    outside, protected = "2001:db8:8::7 tcp/25", "2001:db8:7::1 tcp/25"
