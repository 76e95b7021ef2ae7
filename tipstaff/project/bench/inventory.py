"""An invented inventory with everything that makes attribution hard, and questions that aim at its edges.

Nested prefixes in IPv4 and IPv6, tenancies one after another with and without gaps, port shares, shared addresses with
names; half of the questions stand exactly on an edge of a prefix, a period or a port range. Documentation, benchmark
and carrier-grade NAT address space only (RFC 2544, RFC 3849, RFC 6598).
"""

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from random import Random

import numpy as np

from tipstaff.attribution.matching import Questions
from tipstaff.attribution.names import NameRow
from tipstaff.attribution.segments import HALF, Prefixes
from tipstaff.attribution.timelines import BEGINNING, END, AssignmentRows
from tipstaff.project.bench.oracle import Asked, Held, Named

DAY = 86_400_000_000
NOW = 1_767_225_600_000_000  # 2026-01-01 UTC in µs
OWN = ["198.18.0.0/15", "100.64.0.0/12", "2001:db8::/34"]
BEYOND = ["198.20.0.0/16", "2001:db8:8000::/34"]  # assigned from, but not listed as our own
SERVICES = 30_000
SERVICES_PER_CUSTOMER = 4

Network = IPv4Network | IPv6Network


class Inventory:
    """``held``, ``named`` and ``own``: rows for the oracle, from which ``columns`` makes those of the table."""

    def __init__(self, rows: int, seed: int = 1) -> None:
        self.random = Random(seed)  # noqa: S311 - repeatable, not secret
        self.held: list[Held] = []
        self.named: list[Named] = []
        self.own = [ip_network(text) for text in OWN]
        self.grounds: list[Network] = [*self.own, *map(ip_network, BEYOND)]
        self.seen: set[Network] = set()
        while len(self.held) < rows:
            self._add_prefix()

    def _add_prefix(self) -> None:
        ground = self.random.choice(self.grounds)
        network = self._inside(ground)
        if network in self.seen:
            return
        self.seen.add(network)
        if network.prefixlen < network.max_prefixlen and self.random.random() < 0.4:
            self.grounds.append(network)
        kind = self.random.random()
        if kind < 0.08:
            self._add_shares(network)
        elif kind < 0.18:
            self._add_crowd(network)
        else:
            self._add_tenancies(network, 0, 65536)

    def _inside(self, ground: Network) -> Network:
        deeper = self.random.choice([0, 1, 2, 4, 8, 16, 32, 64])
        length = min(ground.max_prefixlen, ground.prefixlen + deeper)
        start = int(ground.network_address) + (
            self.random.getrandbits(length - ground.prefixlen) << (ground.max_prefixlen - length)
        )
        return type(ground)((start, length))

    def _periods(self) -> list[tuple[int, int]]:
        """One tenancy after another; some touch, some leave a gap, the first and last may be open."""
        random = self.random
        moment = NOW - random.randrange(3000) * DAY
        found = []
        for _ in range(random.choice([1, 1, 1, 2, 2, 3, 5])):
            end = moment + random.randrange(1, 900) * DAY
            found.append((moment, end))
            moment = end + random.choice([0, 0, 1, random.randrange(400) * DAY])
        if random.random() < 0.15:
            found[0] = (BEGINNING, found[0][1])
        if random.random() < 0.6:
            found[-1] = (found[-1][0], END)
        return found

    def _add_tenancies(self, network: Network, port_from: int, port_to: int) -> None:
        service = self.random.randrange(SERVICES)
        for start, end in self._periods():
            if self.random.random() < 0.8:  # else a renewal by the same service
                service = self.random.randrange(SERVICES)
            self._add(network, start, end, port_from, port_to, service, False)

    def _add(self, network: Network, start: int, end: int, port_from: int, port_to: int, service: int, shared: bool) -> None:
        number = len(self.held) + 1
        customer = service // SERVICES_PER_CUSTOMER
        self.held.append(Held(number, network, start, end, port_from, port_to, service, customer, number % 3, shared))

    def _add_shares(self, network: Network) -> None:
        width = self.random.choice([8192, 16384, 32768])
        for port in range(self.random.choice([0, width]), 65536, width):
            self._add_tenancies(network, port, port + width)

    def _add_crowd(self, network: Network) -> None:
        for service in self.random.sample(range(SERVICES), self.random.randrange(1, 8)):
            for start, end in self._periods():
                self._add(network, start, end, 0, 65536, service, True)
            for kind in self.random.sample(["host", "domain", "mailbox", "domain"], self.random.randrange(3)):
                self._name(kind, service)

    def _name(self, kind: str, service: int) -> None:
        stem = f"{self.random.choice('abcdefgh')}{self.random.randrange(40)}.example"
        value = {"host": f"www.{stem}", "domain": stem, "mailbox": f"info@{stem}"}[kind]
        if kind == "domain" and self.random.random() < 0.3:
            value = f"shop.{stem}"
        for start, end in self._periods():
            self.named.append(Named(kind, value, service, service // SERVICES_PER_CUSTOMER, start, end, 7))

    def ask(self, count: int) -> list[Asked]:
        """Half of the questions on an edge, half anywhere."""
        return [self._ask(edge=bool(number % 2)) for number in range(count)]

    def _ask(self, *, edge: bool) -> Asked:
        random = self.random
        row = random.choice(self.held)
        moment = self._edge_of(row) if edge and random.random() < 0.8 else NOW - random.randrange(4000) * DAY
        moment += random.choice([-1, 0, 0, 1]) if edge else random.randrange(DAY)
        width = random.choice([0, 0, 0, 0, 0, 0, 0, 1, DAY, 300 * DAY])
        port = self._port(row, edge=edge)
        host, mailbox = self._names(row) if row.shared or random.random() < 0.05 else (None, None)
        asked = Asked(str(self._address(row, edge=edge)), moment, moment + width, port, host, mailbox)
        return replace(asked, address=None) if host and random.random() < 0.05 else asked

    def _edge_of(self, row: Held) -> int:
        return self.random.choice([edge for edge in (row.start, row.end) if BEGINNING < edge < END] or [NOW])

    def _address(self, row: Held, *, edge: bool) -> "object":
        network = row.network
        first, last = int(network.network_address), int(network.broadcast_address)
        kind = type(network.network_address)
        if edge:
            place = self.random.choice([first, last, first - 1, last + 1])
            return kind(min(max(place, 0), (1 << network.max_prefixlen) - 1))
        return kind(self.random.randint(first, last))

    def _port(self, row: Held, *, edge: bool) -> int:
        if self.random.random() < 0.3:
            return -1
        if edge:
            return min(max(self.random.choice([row.port_from, row.port_from - 1, row.port_to, row.port_to - 1]), 0), 65535)
        return self.random.randrange(65536)

    def _names(self, row: Held) -> tuple[str | None, str | None]:
        random = self.random
        name = random.choice(self.named).value if self.named else "a1.example"
        stem = name.split("@")[-1]
        host = random.choice([None, stem, f"deep.{stem}", f"x{stem}", f"www.{stem}"])
        mailbox = random.choice([None, None, f"info@{stem}", f"sales@{stem}"])
        return host, mailbox


def assignment_rows(held: list[Held]) -> AssignmentRows:
    """The oracle's rows as columns."""

    def column(kind: type, *values: int) -> np.ndarray:
        return np.array(values, kind)

    return AssignmentRows(
        column(np.int64, *(row.number for row in held)), prefix_columns([row.network for row in held]),
        column(np.int64, *(row.start for row in held)), column(np.int64, *(row.end for row in held)),
        column(np.int32, *(row.port_from for row in held)), column(np.int32, *(row.port_to for row in held)),
        column(np.int64, *(row.service for row in held)), column(np.int64, *(row.customer for row in held)),
        column(np.int64, *(row.source for row in held)), np.array([row.shared for row in held], bool),
        np.full(len(held), NOW, np.int64),
    )  # fmt: skip


def prefix_columns(networks: list[Network]) -> Prefixes:
    firsts = [int(network.network_address) for network in networks]
    return Prefixes(
        np.array([network.version for network in networks], np.uint8),
        np.array([first // HALF for first in firsts], np.uint64),
        np.array([first % HALF for first in firsts], np.uint64),
        np.array([network.prefixlen for network in networks], np.uint8),
    )


def name_rows(named: list[Named]) -> list[NameRow]:
    return [NameRow(row.kind, row.value, row.service, row.customer, row.start, row.end, row.source) for row in named]


def question_columns(asked: list[Asked]) -> Questions:
    """The oracle's questions as columns."""
    networks = [ip_network(row.address) if row.address else None for row in asked]
    firsts = [int(network.network_address) if network else 0 for network in networks]
    return Questions(
        np.array([network.version if network else 0 for network in networks], np.uint8),
        np.array([first // HALF for first in firsts], np.uint64),
        np.array([first % HALF for first in firsts], np.uint64),
        np.array([row.earliest for row in asked], np.int64),
        np.array([row.latest for row in asked], np.int64),
        np.array([row.port for row in asked], np.int32),
        [row.host for row in asked],
        [row.mailbox for row in asked],
    )
