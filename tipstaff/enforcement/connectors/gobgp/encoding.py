"""Routes to and from GoBGP's messages. Pure; nothing of GoBGP's messages is known outside this package."""

import struct
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import DecodeError, Message

from tipstaff.enforcement.connectors.bgp_routes import PROTOCOLS, REDIRECT_AS2, REDIRECT_AS4, TRAFFIC_RATE, Route, Seen, flow_text
from tipstaff.enforcement.connectors.contract import Misunderstood
from tipstaff.enforcement.connectors.gobgp import gobgp_pb2 as pb
from tipstaff.enforcement.rails import Flow

FAMILIES = {
    "ipv4": pb.Family(afi=pb.Family.AFI_IP, safi=pb.Family.SAFI_UNICAST),
    "ipv6": pb.Family(afi=pb.Family.AFI_IP6, safi=pb.Family.SAFI_UNICAST),
    "flow4": pb.Family(afi=pb.Family.AFI_IP, safi=pb.Family.SAFI_FLOW_SPEC_UNICAST),
    "flow6": pb.Family(afi=pb.Family.AFI_IP6, safi=pb.Family.SAFI_FLOW_SPEC_UNICAST),
}
# RFC 8955 4.2.2: component types, and the operator "equal" with which each value of a list is compared.
DESTINATION, SOURCE, PROTOCOL, DESTINATION_PORT, SOURCE_PORT, EQUAL = 1, 2, 3, 5, 6, 0x01
EQUALITY = 0x07  # less, greater and equal bits
PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}
ORIGIN_IGP = 0


def path(route: Route) -> pb.Path:
    """The announcement of ``route``. A flow rule has no next hop of its own (RFC 8955 4)."""
    attributes: list[Message] = [pb.OriginAttribute(origin=ORIGIN_IGP)]
    if route.flow is None:
        attributes.append(_next_hop(route))
    else:
        attributes.append(pb.NextHopAttribute(next_hop="0.0.0.0" if route.family == "flow4" else "::"))  # noqa: S104
    if route.communities:
        attributes.append(pb.CommunitiesAttribute(communities=sorted(route.communities)))
    marks = sorted({route.mark, *route.others})
    attributes.append(pb.LargeCommunitiesAttribute(communities=[_mark(*one) for one in marks]))
    if route.action is not None:
        attributes.append(pb.ExtendedCommunitiesAttribute(communities=[_packed(_traffic_action(route))]))
    return pb.Path(family=FAMILIES[route.family], nlri=_packed(_nlri(route)), pattrs=[_packed(one) for one in attributes])


def withdrawal(route: Route) -> pb.Path:
    """What takes ``route`` away: only its net counts, but GoBGP wants a next hop that it can read."""
    placeholder = {"ipv4": "192.0.2.1", "ipv6": "100::1"}.get(route.family, "")
    return path(replace(route, next_hop=route.next_hop or placeholder))


def _mark(asn: int, desk: int, number: int) -> pb.LargeCommunity:
    return pb.LargeCommunity(global_admin=asn, local_data1=desk, local_data2=number)


def _next_hop(route: Route) -> Message:
    if route.family == "ipv4":
        return pb.NextHopAttribute(next_hop=route.next_hop)
    return pb.MpReachNLRIAttribute(family=FAMILIES["ipv6"], next_hops=[route.next_hop], nlris=[_packed(_nlri(route))])


def _nlri(route: Route) -> Message:
    if route.flow is None:
        assert route.prefix is not None
        return pb.IPAddressPrefix(prefix=str(route.prefix.network_address), prefix_len=route.prefix.prefixlen)
    flow, rules = route.flow, []
    for kind, prefix in ((DESTINATION, flow.destination), (SOURCE, flow.source)):
        if prefix is not None:
            rules.append(pb.FlowSpecIPPrefix(type=kind, prefix_len=prefix.prefixlen, prefix=str(prefix.network_address)))
    protocol = [PROTOCOLS[flow.protocol]] if flow.protocol else []
    numbers = ((PROTOCOL, protocol), (DESTINATION_PORT, flow.destination_ports), (SOURCE_PORT, flow.source_ports))
    components = [_component(kind, values) for kind, values in numbers if values]
    return pb.FlowSpecNLRI(rules=[_packed(rule) for rule in (*rules, *components)])


def _component(kind: int, values: Iterable[int]) -> pb.FlowSpecComponent:
    return pb.FlowSpecComponent(type=kind, items=[pb.FlowSpecComponentItem(op=EQUAL, value=value) for value in sorted(set(values))])


def _traffic_action(route: Route) -> Message:
    assert route.action is not None
    if route.action.redirect is None:
        return pb.TrafficRateExtended(rate=route.action.rate)
    asn, value = route.action.redirect
    if asn < 1 << 16:
        return pb.RedirectTwoOctetAsSpecificExtended(asn=asn, local_admin=value)
    return pb.RedirectFourOctetAsSpecificExtended(asn=asn, local_admin=value)


def _packed(message: Message) -> Packed:
    packed = Packed()
    packed.Pack(message)
    return packed


def seen(found: pb.Path, family: str) -> Seen:
    """A path of GoBGP's, as it holds it. Raises Misunderstood for what is no route of this family."""
    try:
        net = _net(found.nlri, family)
        communities: set[int] = set()
        large: set[tuple[int, int, int]] = set()
        extended: set[int] = set()
        for attribute in found.pattrs:
            _read_attribute(attribute, communities, large, extended)
    except (DecodeError, ValueError, struct.error, OverflowError) as error:
        raise Misunderstood(f"GoBGP answered with a route that cannot be read: {error}") from error
    return Seen(net, family, frozenset(communities), frozenset(large), frozenset(extended), "stale" if found.stale else "")


def _net(packed: Packed, family: str) -> str:
    if family.startswith("ipv"):
        unicast = _unpacked(packed, pb.IPAddressPrefix)
        return str(_network(unicast.prefix, unicast.prefix_len, family))
    rules = _unpacked(packed, pb.FlowSpecNLRI).rules
    parts: dict[str, Any] = {}
    for rule in rules:
        if rule.Is(pb.FlowSpecIPPrefix.DESCRIPTOR):
            prefix = _unpacked(rule, pb.FlowSpecIPPrefix)
            name = {DESTINATION: "destination", SOURCE: "source"}[prefix.type]
            parts[name] = _network(prefix.prefix.partition("/")[0], prefix.prefix_len, family)
        else:
            component = _unpacked(rule, pb.FlowSpecComponent)
            values = tuple(item.value for item in component.items)
            if component.type not in _NAMES or any(item.op & EQUALITY != EQUAL for item in component.items):
                return f"{family} of others: {component.type}"
            parts[_NAMES[component.type]] = values
    return _flow_net(parts, family)


_NAMES = {PROTOCOL: "protocol", DESTINATION_PORT: "destination_ports", SOURCE_PORT: "source_ports"}


def _flow_net(parts: dict[str, Any], family: str) -> str:
    """Rules that we never make get a name of their own that meets none of ours."""
    numbers = parts.get("protocol", ())
    if len(numbers) > 1 or any(number not in PROTOCOL_NAMES for number in numbers) or not parts.keys() & {"destination", "source"}:
        return f"{family} of others: protocols {numbers}"
    parts["protocol"] = PROTOCOL_NAMES[numbers[0]] if numbers else ""
    return flow_text(Flow(**parts))


def _network(address: str, length: int, family: str) -> IPv4Network | IPv6Network:
    network = ip_network(f"{address}/{length}", strict=False)
    if not family.endswith(str(network.version)):
        raise ValueError(f"{network} among {family} routes")
    return network


def _read_attribute(attribute: Packed, communities: set[int], large: set[tuple[int, int, int]], extended: set[int]) -> None:
    """By the name alone which of three attributes it is; the others say nothing of an order. A table has many of them."""
    kind = attribute.type_url.rpartition(".")[2]
    if kind == "CommunitiesAttribute":
        communities.update(_unpacked(attribute, pb.CommunitiesAttribute).communities)
    elif kind == "LargeCommunitiesAttribute":
        for one in _unpacked(attribute, pb.LargeCommunitiesAttribute).communities:
            large.add((one.global_admin, one.local_data1, one.local_data2))
    elif kind == "ExtendedCommunitiesAttribute":
        for packed in _unpacked(attribute, pb.ExtendedCommunitiesAttribute).communities:
            extended.update(_traffic_number(packed))


def _traffic_number(packed: Packed) -> tuple[int, ...]:
    """The traffic actions among the extended communities, as the number on the wire; the others are not ours to judge."""
    if packed.Is(pb.TrafficRateExtended.DESCRIPTOR):
        rate = _unpacked(packed, pb.TrafficRateExtended)
        return ((TRAFFIC_RATE << 48) | (rate.asn << 32) | int.from_bytes(struct.pack(">f", rate.rate), "big"),)
    if packed.Is(pb.RedirectTwoOctetAsSpecificExtended.DESCRIPTOR):
        two = _unpacked(packed, pb.RedirectTwoOctetAsSpecificExtended)
        return ((REDIRECT_AS2 << 48) | (two.asn << 32) | two.local_admin,)
    if packed.Is(pb.RedirectFourOctetAsSpecificExtended.DESCRIPTOR):
        four = _unpacked(packed, pb.RedirectFourOctetAsSpecificExtended)
        return ((REDIRECT_AS4 << 48) | (four.asn << 16) | four.local_admin,)
    return ()


def _unpacked(packed: Packed, kind: Any) -> Any:
    message = kind()
    if not packed.Unpack(message):
        raise DecodeError(f"{packed.type_url[:80]!r} where {kind.DESCRIPTOR.name} belongs")
    return message
