"""What is announced, said strictly; what is read, never guessed; and our messages are GoBGP's own."""

import struct
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.enforcement.connector_contract import INSTANCE, bounds, order
from tests.enforcement.servers import need_programs
from tests.enforcement.testbed.programs import found
from tipstaff.enforcement.connectors import bgp_routes
from tipstaff.enforcement.connectors.bgp import Bgp
from tipstaff.enforcement.connectors.bgp_routes import BLACKHOLE, Action, Owner, Route, Seen
from tipstaff.enforcement.connectors.bird import reading
from tipstaff.enforcement.connectors.contract import NotOurs
from tipstaff.enforcement.connectors.gobgp import encoding
from tipstaff.enforcement.connectors.gobgp import gobgp_pb2 as pb
from tipstaff.enforcement.rails import Flow
from tipstaff.kernel.errors import InputError, Refused

MARK = (65000, 1, 7)
nets4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)).map(
    lambda one: IPv4Network((one[0] >> (32 - one[1]) << (32 - one[1]), one[1]))
)
nets6 = st.tuples(st.integers(0, 2**128 - 1), st.integers(16, 128)).map(
    lambda one: IPv6Network((one[0] >> (128 - one[1]) << (128 - one[1]), one[1]))
)
ports = st.lists(st.integers(0, 65535), max_size=4).map(lambda found: tuple(sorted(set(found))))


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    nets = draw(st.sampled_from([nets4, nets6]))
    ends = draw(st.tuples(st.none() | nets, st.none() | nets).filter(any))
    protocol = draw(st.sampled_from(["", "tcp", "udp"]))
    given_ports = (draw(ports), draw(ports)) if protocol else ((), ())
    return Flow(ends[0], ends[1], protocol, *given_ports)


actions = st.one_of(
    st.just(Action()),
    st.floats(1, 1e9, width=32).map(lambda rate: Action(rate=rate)),
    st.tuples(st.integers(1, 2**16 - 1), st.integers(0, 2**32 - 1)).map(lambda pair: Action(redirect=pair)),
    st.tuples(st.integers(2**16, 2**32 - 1), st.integers(0, 2**16 - 1)).map(lambda pair: Action(redirect=pair)),
)


@given(flows(), actions)
def test_a_flow_rule_is_read_back_as_itself(flow: Flow, action: Action) -> None:
    """Through GoBGP's messages, and through the text that BIRD prints."""
    route = Route(MARK, flow=flow, action=action)
    seen = encoding.seen(pb.Path.FromString(encoding.path(route).SerializeToString()), route.family)
    assert seen.is_of(route)
    assert bgp_routes.route_of(route.net, MARK).flow == flow


@given(nets4 | nets6, st.sets(st.integers(0, 2**32 - 1), max_size=4))
def test_a_black_hole_is_read_back_as_itself(prefix: IPv4Network | IPv6Network, communities: set[int]) -> None:
    route = Route(MARK, prefix, "192.0.2.1" if prefix.version == 4 else "100::1", frozenset(communities))
    assert encoding.seen(encoding.path(route), route.family).is_of(route)
    assert bgp_routes.route_of(route.net, MARK).prefix == prefix


@given(st.text(max_size=80))
def test_no_other_text_is_a_route_of_ours(text: str) -> None:
    try:
        route = bgp_routes.route_of(text, MARK)
    except NotOurs:
        return
    assert ip_network(text) == route.prefix


@pytest.mark.parametrize(
    "text", ["203.0.113.999/32", "0.0.0.0/0", "203.0.113.7/31", "flow4 { }", "flow4 { dst 203.0.113.7/32; proto 1; }", ""]
)
def test_what_cannot_be_ours_is_no_route(text: str) -> None:
    with pytest.raises(NotOurs):
        bgp_routes.checked(bgp_routes.route_of(text, MARK).prefix, text)


@pytest.mark.parametrize(
    "text", ["0.0.0.0/32", "127.0.0.1/32", "224.0.0.1/32", "240.0.0.1/32", "169.254.0.1/32", "::/128", "ff02::1/128", "fe80::1/128"]
)
def test_no_martian_is_announced(text: str) -> None:
    with pytest.raises(NotOurs):
        bgp_routes.checked(ip_network(text), text)


def test_a_flow_rule_names_a_destination_or_a_source() -> None:
    """Rail 4, where the rule is made."""
    for flow in (
        Flow(protocol="tcp", destination_ports=(25,)),
        Flow(destination=ip_network("203.0.113.7/32"), destination_ports=(25,)),
    ):
        with pytest.raises(NotOurs, match="rail 4"):
            Route(MARK, flow=flow, action=Action())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drop", "drop"),
        ("rate 125000 bytes/s", "limit to 125,000 bytes/s (1 Mbit/s)"),
        ("redirect 65000:100", "redirect to the routing table with target 65000:100"),
        ("redirect 4200000000:100", "redirect to the routing table with target 4200000000:100"),
    ],
)
def test_an_action_with_its_unit(text: str, said: str) -> None:
    assert bgp_routes.action(text).text() == said


@pytest.mark.parametrize(
    "text",
    ["", "rate 5", "rate 5 bit/s", "rate -1 bytes/s", "rate 0 bytes/s", "rate ٣ bytes/s", "redirect 1", "redirect 70000:70000"],
)
def test_no_action(text: str) -> None:
    with pytest.raises(ValueError):
        bgp_routes.action(text)


def test_a_rate_is_in_bytes_on_the_wire() -> None:
    """RFC 8955 7.1: type 0x8006, two bytes that mean nothing, a float of bytes in a second."""
    raw = bgp_routes.action("rate 12500 bytes/s").extended_community().to_bytes(8, "big")
    assert raw[:4] == b"\x80\x06\x00\x00" and struct.unpack(">f", raw[4:]) == (12500.0,)


def test_whose_route_it_is() -> None:
    owner, other = Owner(65000, INSTANCE), Owner(65000, "0ther0ne")
    seen = Seen("203.0.113.7/32", "ipv4", large=frozenset({owner.mark(7), owner.mark(9), other.mark(8), (65000, 1, 1)}))
    assert owner.numbers(seen) == [7, 9] and other.numbers(seen) == [8]
    with pytest.raises(NotOurs):
        owner.mark(1 << 32)


BIRD = [
    "Table master4:",
    "203.0.113.9/32       blackhole [desk 01:02:25.356 from 127.0.0.3] * (100) [i]",
    "\tType: BGP univ",
    "\tBGP.next_hop: 192.0.2.1",
    "\tBGP.community: (65535,666) (65535,65281)",
    "\tBGP.large_community: (65000, 41292723, 1) (65000, 41292723, 2)",
    "                     unicast [core 2026-11-02 from 192.0.2.9] (100) [AS65001i]",
    "\tvia 192.0.2.9 on eth0",
    "\tBGP.community: (65001,1)",
    "",
    "Table flowtab6:",
    "flow6 { dst 2001:db8::21/128; src 2001:db8:1::/64; next header 6; sport 80; }  [desk 01:07:45.392 from 127.0.0.3] * (100) [i]",
    "\tBGP.ext_community: (rt, 65000, 1) (generic, 0x80060000, 0x47f42400)",
    "",
]


def test_what_bird_prints() -> None:
    (ours, best), (theirs, second), (flow, _) = reading.routes(BIRD)
    assert (ours.net, ours.family, best, second) == ("203.0.113.9/32", "ipv4", True, False)
    assert ours.communities == {BLACKHOLE, (65535 << 16) | 65281} and ours.large == {(65000, 41292723, 1), (65000, 41292723, 2)}
    assert theirs.net == ours.net and theirs.communities == {(65001 << 16) | 1}
    assert flow.family == "flow6" and flow.extended == {Action(rate=125000.0).extended_community()}


@given(st.lists(st.text(max_size=120), max_size=20))
def test_whatever_bird_prints_is_read_without_harm(lines: list[str]) -> None:
    assert len(reading.routes(lines)) <= len(lines)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("asn", "0"), ("asn", "AS65000"), ("asn", "4294967296"), ("routers", "bird:relative"), ("routers", "frr:/x"),
        ("machine", "hole"), ("communities", "65535"), ("communities", "70000:1"), ("next_hop4", "0.0.0.0"), ("next_hop4", "::1"),
        ("next_hop6", "192.0.2.1"), ("limit", "10 Mbit/s"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named(field: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Bgp({"asn": "65000", field: text}, bounds())
    assert caught.value.problems[0].where == field


def test_a_plan_says_the_unit_and_both_ways() -> None:
    plan = Bgp({"asn": "65000"}, bounds()).plan(order(7, "limit", "port", "203.0.113.7 udp/53"))
    assert "limit to 125,000 bytes/s (1 Mbit/s)" in plan.summary
    assert [one.split(":")[0] for one in plan.commands] == [
        "announce flow4 { dst 203.0.113.7/32; proto 17; dport 53; }",
        "announce flow4 { src 203.0.113.7/32; proto 17; dport 53; }",
    ]


def test_machines_by_flow_rule_where_routers_take_no_black_hole() -> None:
    connector = Bgp({"asn": "65000", "machine": "flow rule"}, bounds())
    (towards, away) = connector.routes(order(7, "block", "machine", "203.0.113.7"))
    assert (towards.net, away.net) == ("flow4 { dst 203.0.113.7/32; }", "flow4 { src 203.0.113.7/32; }")
    with pytest.raises(Refused):
        connector.routes(order(7, "walled_garden", "machine", "203.0.113.7"))


def test_our_messages_are_those_of_the_installed_gobgpd() -> None:
    """Names, numbers and types of every field against the descriptors that lie in the program itself."""
    need_programs("gobgpd")
    program = Path(found("gobgpd") or "").read_bytes()
    theirs = {one.name: one for name in (b"gobgp.proto", b"attribute.proto") for one in _described(program, name).message_type}
    for name, ours in pb.DESCRIPTOR.message_types_by_name.items():
        numbers = {field.number: field for field in theirs[name].field}
        for field in ours.fields:
            there = numbers[field.number]
            assert (there.name, there.type, there.label == 3) == (field.name, field.type, field.is_repeated), f"{name}.{field.name}"


def _described(program: bytes, name: bytes) -> descriptor_pb2.FileDescriptorProto:
    """The file's description as Go keeps it in a program: from its own name to where it stops making sense."""
    start = program.index(b"\n" + bytes([len(name)]) + name + b"\x12\x05apipb")
    end = start
    while end < start + 200_000:
        tag, size, at = program[end], 0, end + 1
        if tag >> 3 not in {1, 2, 3, 4, 5, 6, 7, 8, 12} or tag & 7 != 2:
            break
        shift = 0
        while True:
            size |= (program[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if program[at - 1] < 128:
                break
        end = at + size
        if tag >> 3 == 12:
            break
    return descriptor_pb2.FileDescriptorProto.FromString(program[start:end])
