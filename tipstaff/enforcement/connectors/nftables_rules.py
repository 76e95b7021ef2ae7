"""What nftables is told, as one JSON document, and what its listing says. Pure. Schema: libnftables-json(5).

One table of our own, which nothing else writes to. Single addresses lie in hash sets, so that orders never overlap and
each element carries its order's tag as its comment and its end as a timeout, by which the kernel ends a block even when
this desk is down. Wider prefixes, which two people ordered, are one rule each: rules may overlap, intervals may not.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from tipstaff.enforcement.connectors.contract import InPlace, OrderView

FAMILY = "inet"
DOES = frozenset({("block", "machine"), ("suspend", "machine"), ("walled_garden", "machine"), ("port_block", "port")})
Json = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """The table's name and, for the walled garden, where web requests are led and what else may be reached."""

    table: str = "tipstaff"
    garden4: str = ""
    garden6: str = ""
    open4: tuple[str, ...] = ()  # the portal, the resolver: what a customer in the garden needs to get out of it
    open6: tuple[str, ...] = ()


@dataclass(frozen=True)
class Element:
    """One element of one of our sets; ``value`` as nftables' JSON has it, here with tuples for concatenations."""

    set: str
    value: str | tuple[str, str, int]

    def json(self) -> Any:
        return self.value if isinstance(self.value, str) else {"concat": list(self.value)}

    def text(self) -> str:
        return self.value if isinstance(self.value, str) else " . ".join(map(str, self.value))


@dataclass(frozen=True)
class Found:
    """What a listing of our table holds: elements and wide rules with their comments ('' where there is none)."""

    elements: Mapping[Element, str]
    rules: Mapping[int, tuple[str, str]]  # handle -> comment, prefix


def elements(order: OrderView) -> tuple[Element, ...]:
    """The elements that stand for an order; empty for a wide prefix, which is a rule."""
    prefix = order.target.prefix
    assert prefix is not None
    if is_wide(order):
        return ()
    address, version = str(prefix.network_address), prefix.version
    if order.kind == "walled_garden":
        return (Element(f"garden{version}", address),)
    directions = ("in", "out") if order.direction == "both" else (order.direction,)
    if order.target.port is None:
        return tuple(Element(f"{direction}{version}", address) for direction in directions)
    value = (address, order.target.protocol, order.target.port)
    return tuple(Element(f"port_{direction}{version}", value) for direction in directions)


def is_wide(order: OrderView) -> bool:
    prefix = order.target.prefix
    return prefix is not None and prefix.prefixlen < prefix.max_prefixlen


def _table(layout: Layout) -> Json:
    return {"family": FAMILY, "table": layout.table}


def skeleton(layout: Layout) -> list[Json]:
    """The table with its sets and chains; adding what is there already changes nothing, and rules are written anew."""
    table = _table(layout)
    made: list[Json] = [{"add": {"table": {"family": FAMILY, "name": layout.table}}}]
    for version in (4, 6):
        address = f"ipv{version}_addr"
        kinds: dict[str, Any] = dict.fromkeys(("in", "out", "garden"), address)
        kinds |= {name: [address, "inet_proto", "inet_service"] for name in ("port_in", "port_out")}
        made += [
            {"add": {"set": {**table, "name": f"{name}{version}", "type": kind, "flags": ["timeout"]}}}
            for name, kind in kinds.items()
        ]
    hooks = {"forward": ("filter", "forward", -10), "garden": ("nat", "prerouting", -110)}
    for name, (kind, hook, priority) in hooks.items():
        chain = {"name": name, "type": kind, "hook": hook, "prio": priority, "policy": "accept"}
        made.append({"add": {"chain": {**table, **chain}}})
    made.append({"add": {"chain": {**table, "name": "wide"}}})
    for name in ("forward", "garden"):
        made.append({"flush": {"chain": {**table, "name": name}}})
    rules = [*_forward(layout), *_garden(layout)]
    return made + [{"add": {"rule": {**table, "chain": chain, "expr": expression}}} for chain, expression in rules]


def _match(left: Any, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _field(version: int, name: str) -> Json:
    return {"payload": {"protocol": "ip" if version == 4 else "ip6", "field": name}}


PROTOCOL, PORT = {"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "dport"}}
DROP: Json = {"drop": None}


def _forward(layout: Layout) -> Iterator[tuple[str, list[Any]]]:
    yield "forward", [{"jump": {"target": "wide"}}]
    for version in (4, 6):
        for name, field in (("in", "daddr"), ("out", "saddr")):
            yield "forward", [_match(_field(version, field), f"@{name}{version}"), DROP]
            key = {"concat": [_field(version, field), PROTOCOL, PORT]}
            yield "forward", [_match(PROTOCOL, {"set": ["tcp", "udp"]}), _match(key, f"@port_{name}{version}"), DROP]
        source, back = _match(_field(version, "saddr"), f"@garden{version}"), _match(_field(version, "daddr"), f"@garden{version}")
        garden, opened = (layout.garden4, layout.open4) if version == 4 else (layout.garden6, layout.open6)
        for place in filter(None, (garden, *opened)):
            yield "forward", [source, _match(_field(version, "daddr"), place), {"accept": None}]
        yield "forward", [back, _match({"ct": {"key": "state"}}, ["established", "related"], "in"), {"accept": None}]
        yield "forward", [source, DROP]
        yield "forward", [back, DROP]


def _garden(layout: Layout) -> Iterator[tuple[str, list[Any]]]:
    """Web requests without TLS go to the garden's page; nothing else is bent, so no certificate is ever wrong."""
    for version, family, garden in ((4, "ip", layout.garden4), (6, "ip6", layout.garden6)):
        if garden:
            web = _match({"payload": {"protocol": "tcp", "field": "dport"}}, 80)
            source = _match(_field(version, "saddr"), f"@garden{version}")
            yield "garden", [source, web, {"dnat": {"family": family, "addr": garden}}]


def _element(layout: Layout, element: Element, verb: str, **extra: Any) -> Json:
    value = {"elem": {"val": element.json(), **extra}} if extra else element.json()
    return {verb: {"element": {**_table(layout), "name": element.set, "elem": [value]}}}


def addition(layout: Layout, order: OrderView, timeout: int, found: Found) -> list[Json]:
    """The document that puts an order in place; ``timeout`` in seconds. What is there is replaced in the same step."""
    made = skeleton(layout)
    if is_wide(order):
        if any(comment == order.tag for comment, _ in found.rules.values()):
            return made
        return made + [_wide(layout, order, field) for field in _wide_fields(order)]
    for element in elements(order):
        if element in found.elements:
            made.append(_element(layout, element, "delete"))
        made.append(_element(layout, element, "add", timeout=timeout, comment=order.tag))
    return made


def _wide_fields(order: OrderView) -> tuple[str, ...]:
    return {"in": ("daddr",), "out": ("saddr",), "both": ("daddr", "saddr")}[order.direction]


def _wide(layout: Layout, order: OrderView, field: str) -> Json:
    prefix = order.target.prefix
    assert prefix is not None
    place = {"prefix": {"addr": str(prefix.network_address), "len": prefix.prefixlen}}
    expression = [_match(_field(prefix.version, field), place), DROP]
    return {"add": {"rule": {**_table(layout), "chain": "wide", "comment": order.tag, "expr": expression}}}


def removal(layout: Layout, tag: str, found: Found) -> list[Json]:
    """The document that takes away all that carries this very tag; empty when nothing does."""
    return removals(layout, {tag}, found)


def removals(layout: Layout, tags: Collection[str], found: Found) -> list[Json]:
    """The same for many tags."""
    made = [_element(layout, element, "delete") for element, comment in found.elements.items() if comment in tags]
    for handle, (comment, _) in found.rules.items():
        if comment in tags:
            made.append({"delete": {"rule": {**_table(layout), "chain": "wide", "handle": handle}}})
    return made


def read(listing: Json) -> Found:
    """A listing of the table (``nft -j list table``) as elements and rules. Raises KeyError or ValueError on others."""
    kept: dict[Element, str] = {}
    rules: dict[int, tuple[str, str]] = {}
    for entry in listing["nftables"]:
        if "set" in entry:
            for one in entry["set"].get("elem", ()):
                body = one["elem"] if isinstance(one, dict) and "elem" in one else {"val": one}
                kept[Element(entry["set"]["name"], _value(body["val"]))] = body.get("comment", "")
        elif "rule" in entry and entry["rule"]["chain"] == "wide":
            rule = entry["rule"]
            rules[rule["handle"]] = (rule.get("comment", ""), _rule_prefix(rule["expr"]))
    return Found(kept, rules)


def _value(value: Any) -> str | tuple[str, str, int]:
    if isinstance(value, str):
        return value
    address, protocol, port = value["concat"]
    return str(address), str(protocol), int(port)


def _rule_prefix(expression: Iterable[Json]) -> str:
    for part in expression:
        if "match" in part and isinstance(right := part["match"]["right"], dict) and "prefix" in right:
            return str(ip_network(f"{right['prefix']['addr']}/{right['prefix']['len']}"))
    return ""


def strays(found: Found, own: str) -> frozenset[InPlace]:
    """All that carries a tag of this installation (``own`` is 'tipstaff:<instance>:'), once for each tag."""
    names = {comment: element.text() for element, comment in found.elements.items() if comment.startswith(own)}
    names |= {comment: prefix for comment, prefix in found.rules.values() if comment.startswith(own)}
    return frozenset(InPlace(tag, target) for tag, target in names.items())
