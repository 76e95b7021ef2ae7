"""The rules of attribution in plain Python, one question at a time: slow, and easy to believe."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

STATES = {"nothing": 0, "held": 1, "not assigned": 2, "not ours": 3, "ambiguous": 4}
FACTS = {"none": 0, "prefix": 1, "port": 2, "host": 3, "domain": 4, "mailbox": 5, "throughout": 6, "all ports": 7}


@dataclass(frozen=True)
class Held:
    number: int
    network: IPv4Network | IPv6Network
    start: int
    end: int
    port_from: int
    port_to: int
    service: int
    customer: int
    source: int
    shared: bool


@dataclass(frozen=True)
class Named:
    kind: str
    value: str
    service: int
    customer: int
    start: int
    end: int
    source: int


@dataclass(frozen=True)
class Asked:
    address: str | None
    earliest: int
    latest: int
    port: int
    host: str | None
    mailbox: str | None


class Oracle:
    def __init__(self, held, named, own):
        self.named, self.own = named, own
        self.by_network: dict = {}
        for row in held:
            if row.start < row.end and row.port_from < row.port_to:
                self.by_network.setdefault(row.network, []).append(row)
        self.lengths = sorted({(network.version, network.prefixlen) for network in self.by_network})
        self.by_name: dict = {}
        for name in named:
            self.by_name.setdefault((name.kind, name.value), []).append(name)

    def answer(self, asked):
        """(state, assignment, service, customer, source, fact) as numbers, -1 for none."""
        if asked.address is None:
            return self.answer_name(asked)
        if asked.earliest > asked.latest:
            return self.plain("ambiguous")
        address = ip_address(asked.address)
        over = self.rows_over(address)
        points = [
            self.holder(over, moment, port, asked) for port in self.ports(over, asked) for moment in self.moments(over, asked)
        ]
        if "ambiguous" in points:
            return self.plain("ambiguous")
        services = {point and point[0].service for point in points}
        if services == {None}:
            inside = any(address in network for network in self.own if network.version == address.version)
            return self.plain("not assigned" if inside else "not ours")
        if len(services) > 1:
            return self.plain("ambiguous")
        row, fact = points[0]
        if fact == "prefix":
            fact = self.fact(row, asked)
        return STATES["held"], row.number, row.service, row.customer, row.source, FACTS[fact]

    def fact(self, row, asked):
        if asked.earliest < asked.latest:
            return "throughout"
        if (row.port_from, row.port_to) == (0, 65536):
            return "prefix"
        return "all ports" if asked.port < 0 else "port"

    def plain(self, state):
        return STATES[state], -1, -1, -1, -1, 0

    def rows_over(self, address):
        bits = address.max_prefixlen
        kind = IPv4Network if address.version == 4 else IPv6Network
        found = []
        for length in (length for version, length in self.lengths if version == address.version):
            network = kind((int(address) >> (bits - length) << (bits - length), length))
            found += self.by_network.get(network, [])
        return found

    def moments(self, over, asked):
        """The first moment, and every later one at which anything could change."""
        edges = {edge for row in [*over, *self.names(asked)] for edge in (row.start, row.end)}
        return [asked.earliest, *sorted(edge for edge in edges if asked.earliest < edge <= asked.latest)]

    def ports(self, over, asked):
        if asked.port >= 0:
            return [asked.port]
        return sorted({0} | {edge for row in over for edge in (row.port_from, row.port_to) if edge < 65536})

    def holder(self, over, moment, port, asked):
        """None, 'ambiguous', or (row, fact) at one moment and port."""
        active = [row for row in over if row.start <= moment < row.end and row.port_from <= port < row.port_to]
        if not active:
            return None
        longest = max(row.network.prefixlen for row in active)
        holders = sorted((row for row in active if row.network.prefixlen == longest), key=lambda row: row.number)
        if len(holders) == 1:
            return holders[0], "prefix"
        for kind, value in keys(asked.host, asked.mailbox):
            services = {n.service for n in self.by_name.get((kind, value), []) if n.start <= moment < n.end}
            meant = services & {row.service for row in holders}
            if len(meant) > 1:
                return "ambiguous"
            if meant:
                return next(row for row in holders if row.service in meant), kind
        if len({row.service for row in holders}) == 1:
            return holders[0], "prefix"
        return "ambiguous"

    def names(self, asked):
        return [name for key in keys(asked.host, asked.mailbox) for name in self.by_name.get(key, [])]

    def answer_name(self, asked):
        for key in keys(asked.host, asked.mailbox):
            level = self.by_name.get(key, [])
            edges = {edge for name in level for edge in (name.start, name.end)}
            moments = [asked.earliest, *(edge for edge in edges if asked.earliest < edge <= asked.latest)]
            holders = [{name.service for name in level if name.start <= moment < name.end} for moment in moments]
            if not any(holders):
                continue
            if len(set.union(*holders)) > 1 or not all(holders):
                return self.plain("ambiguous")
            name = next(name for name in level if name.start <= asked.latest and name.end > asked.earliest)
            return STATES["held"], -1, name.service, name.customer, name.source, FACTS[key[0]]
        return self.plain("nothing")


def keys(host, mailbox):
    found = []
    if host:
        found.append(("host", host))
        found += [("domain", suffix) for suffix in suffixes(host)]
    if mailbox:
        found.append(("mailbox", mailbox))
        found += [("domain", suffix) for suffix in suffixes(mailbox.split("@")[1])]
    return found


def suffixes(name):
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]
