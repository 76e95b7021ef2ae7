"""nftables, proven with packets: a customer's machine, the gateway and the world, each a network namespace."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest

from tests.enforcement.connector_contract import ConnectorContract, bounds, order
from tests.enforcement.servers import cable, namespaces, need, run
from tipstaff.enforcement import targets
from tipstaff.enforcement.connectors.contract import NotOurs, Receipt, Rejected, State, tag
from tipstaff.enforcement.connectors.nftables import Nftables
from tipstaff.kernel.errors import InputError, Refused

CUSTOMER, OTHER, CUSTOMER6 = "203.0.113.7", "203.0.113.8", "2001:db8:7::7"
WORLD, WORLD6, GARDEN = "198.51.100.9", "2001:db8:9::9", "192.0.2.80"
# Answers one line, its own name, to whoever connects; one thread a port.
LISTEN = """
import socket, sys, threading
def serve(address, port):
    server = socket.create_server((address, port), family=socket.AF_INET6 if ':' in address else socket.AF_INET)
    while True:
        peer, _ = server.accept()
        peer.sendall((address + ' ' + str(port)).encode())
        peer.close()
for word in sys.argv[1:]:
    address, port = word.rsplit(',', 1)
    threading.Thread(target=serve, args=(address, int(port))).start()
print('ready', flush=True)
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.4, source_address=(sys.argv[3], 0)) as peer:
    print(peer.recv(100).decode())
"""


class Net:
    """The three namespaces and what can be asked of them."""

    def __init__(self, names: dict[str, str]) -> None:
        self.customer, self.gateway, self.world = names["customer"], names["gateway"], names["world"]
        self.servers: list[subprocess.Popen[str]] = []

    def build(self) -> None:
        cable(self.customer, f"{CUSTOMER}/24,{OTHER}/24,{CUSTOMER6}/64", self.gateway, "203.0.113.1/24,2001:db8:7::1/64", "c")
        cable(self.world, f"{WORLD}/24,{GARDEN}/32,{WORLD6}/64", self.gateway, "198.51.100.1/24,2001:db8:9::1/64", "w")
        run("ip", "-n", self.gateway, "route", "add", f"{GARDEN}/32", "dev", "wb")
        for space, four, six in ((self.customer, "203.0.113.1", "2001:db8:7::1"), (self.world, "198.51.100.1", "2001:db8:9::1")):
            run("ip", "-n", space, "route", "add", "default", "via", four)
            run("ip", "-n", space, "-6", "route", "add", "default", "via", six)
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            run("ip", "netns", "exec", self.gateway, "sh", "-c", f"echo 1 > /proc/sys/net/{name}")
        self.listen(self.world, *(f"{a},{p}" for a in (WORLD, WORLD6, GARDEN) for p in (25, 80, 443)))
        self.listen(self.customer, *(f"{a},{p}" for a in (CUSTOMER, OTHER, CUSTOMER6) for p in (25, 80)))

    def listen(self, space: str, *places: str) -> None:
        server = subprocess.Popen(
            ["ip", "netns", "exec", space, sys.executable, "-c", LISTEN, *places], stdout=subprocess.PIPE, text=True
        )
        self.servers.append(server)
        assert server.stdout is not None and server.stdout.readline() == "ready\n"

    def close(self) -> None:
        for server in self.servers:
            server.kill()
            server.communicate()

    def ask(self, space: str, target: str, port: int, source: str) -> str:
        """What the server at the other end says; empty where no packet comes through."""
        words = ["ip", "netns", "exec", space, sys.executable, "-c", ASK, target, str(port), source]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()

    def out(self, port: int = 80, source: str = CUSTOMER) -> bool:
        target = WORLD6 if ":" in source else WORLD
        return self.ask(self.customer, target, port, source) == f"{target} {port}"

    def into(self, port: int = 80, target: str = CUSTOMER) -> bool:
        return self.ask(self.world, target, port, WORLD6 if ":" in target else WORLD) == f"{target} {port}"


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    need("nft", "ip")
    with namespaces("customer", "gateway", "world") as names:
        made = Net(names)
        try:
            made.build()
            yield made
        finally:
            made.close()


def nftables(space: str, **settings: str) -> Nftables:
    usual = {"command": f"ip netns exec {space} nft", "garden4": GARDEN, "open": "198.51.100.53"}
    return Nftables({**usual, **settings}, bounds())


@pytest.fixture
def gateway(net: Net) -> Iterator[Nftables]:
    yield nftables(net.gateway)
    subprocess.run(["ip", "netns", "exec", net.gateway, "nft", "flush", "ruleset"], check=True)


def test_a_block_stops_packets_both_ways_and_only_its_machine(net: Net, gateway: Nftables) -> None:
    assert net.out() and net.into()
    receipt = gateway.apply(order(1, "block", "machine", CUSTOMER))
    assert not net.out() and not net.into()
    assert net.out(source=OTHER) and net.into(target=OTHER)
    gateway.lift(receipt)
    assert net.out() and net.into()


def test_a_block_of_ipv6(net: Net, gateway: Nftables) -> None:
    assert net.out(source=CUSTOMER6)
    receipt = gateway.apply(order(1, "block", "machine", CUSTOMER6))
    assert not net.out(source=CUSTOMER6) and not net.into(target=CUSTOMER6)
    assert net.out()
    gateway.lift(receipt)
    assert net.out(source=CUSTOMER6) and net.into(target=CUSTOMER6)


def test_one_direction_only(net: Net, gateway: Nftables) -> None:
    gateway.apply(order(1, "block", "machine", CUSTOMER, direction="in"))
    listing = gateway._list()
    assert {element.set for element in listing.elements} == {"in4"}


def test_port_25_out_is_blocked_and_nothing_else(net: Net, gateway: Nftables) -> None:
    receipt = gateway.apply(order(1, "port_block", "port", f"{CUSTOMER} tcp/25", direction="out"))
    assert not net.out(25)
    assert net.out(80) and net.into(25), "mail may still come in, and the web works"
    assert net.out(25, source=OTHER)
    gateway.lift(receipt)
    assert net.out(25)


def test_the_walled_garden_shows_its_page_and_opens_nothing_else(net: Net, gateway: Nftables) -> None:
    receipt = gateway.apply(order(1, "walled_garden", "machine", CUSTOMER))
    assert net.ask(net.customer, WORLD, 80, CUSTOMER) == f"{GARDEN} 80", "any web page is the garden's"
    assert not net.out(443) and not net.out(25) and not net.into()
    assert net.ask(net.customer, GARDEN, 443, CUSTOMER) == f"{GARDEN} 443"
    assert net.out(source=OTHER)
    gateway.lift(receipt)
    assert net.out() and net.out(443) and net.into()


def test_a_walled_garden_without_a_page_is_refused(net: Net) -> None:
    with pytest.raises(Rejected, match="garden6"):
        nftables(net.gateway).apply(order(1, "walled_garden", "machine", CUSTOMER6))


def test_a_wide_prefix_needs_two_people_and_is_one_rule(net: Net, gateway: Nftables) -> None:
    wide = order(1, "block", "machine", "203.0.113.0/29", people=frozenset({"bob"}))
    unprotected = replace(bounds(), protected=())
    gateway.bounds = unprotected
    with pytest.raises(Refused, match="more than one address"):
        gateway.apply(wide)
    receipt = gateway.apply(replace(wide, people=frozenset({"bob", "alice"})))
    assert gateway.verify(receipt).state is State.IN_PLACE
    assert not net.out() and net.out(source=OTHER)
    inside = gateway.apply(order(2, "block", "machine", CUSTOMER))
    assert gateway.lift_together([receipt]) == frozenset() and not net.out(), "each wide one is looked at by itself"
    gateway.lift(receipt)
    assert not net.out(), "the single address inside the prefix has an order of its own"
    gateway.lift(inside)
    assert net.out()


def test_the_kernel_ends_a_block_even_when_nobody_lifts_it(net: Net, gateway: Nftables) -> None:
    receipt = gateway.apply(order(1, "block", "machine", CUSTOMER))
    listing = json.loads(run("ip", "netns", "exec", net.gateway, "nft", "-j", "list", "table", "inet", "tipstaff"))
    ends = [one["elem"]["timeout"] for entry in listing["nftables"] for one in entry.get("set", {}).get("elem", ())]
    assert len(ends) == 2 and all(end > 0 for end in ends)
    gateway.lift(receipt)


def test_applying_again_moves_the_end(net: Net, gateway: Nftables) -> None:
    first = order(1, "block", "machine", CUSTOMER)
    gateway.apply(first)
    before = _timeouts(net)
    gateway.apply(replace(first, expires_at=first.expires_at.replace(year=2033)))
    assert all(new > old for new, old in zip(_timeouts(net), before, strict=True))


def _timeouts(net: Net) -> list[int]:
    listing = json.loads(run("ip", "netns", "exec", net.gateway, "nft", "-j", "list", "table", "inet", "tipstaff"))
    return [one["elem"]["timeout"] for entry in listing["nftables"] for one in entry.get("set", {}).get("elem", ())]


def test_a_change_that_fails_leaves_everything_as_it_was(net: Net, gateway: Nftables) -> None:
    gateway.apply(order(1, "block", "machine", CUSTOMER))
    before = gateway._list()
    document = [{"add": {"element": {"family": "inet", "table": "tipstaff", "name": "in4", "elem": ["203.0.113.9"]}}}]
    with pytest.raises(Rejected):
        gateway._change(
            [*document, {"delete": {"element": {"family": "inet", "table": "tipstaff", "name": "in4", "elem": ["203.0.113.99"]}}}]
        )
    assert gateway._list() == before


def test_somebody_elses_tables_are_never_read_as_ours_nor_changed(net: Net, gateway: Nftables) -> None:
    theirs = "table inet noc {\nset in4 {\ntype ipv4_addr\nelements = { 203.0.113.9 }\n}\n}\n"
    run("ip", "netns", "exec", net.gateway, "nft", "-f", "-", given=theirs)
    before = run("ip", "netns", "exec", net.gateway, "nft", "list", "table", "inet", "noc")
    receipt = gateway.apply(order(1, "block", "machine", CUSTOMER))
    gateway.lift(receipt)
    assert run("ip", "netns", "exec", net.gateway, "nft", "list", "table", "inet", "noc") == before


def test_ten_thousand_blocks_are_read_back_whole(net: Net, gateway: Nftables) -> None:
    gateway.apply(order(1, "block", "machine", CUSTOMER))
    space = [str(address) for address in targets.network("203.0.0.0/18").hosts()][:10_000]
    elements = [
        {"elem": {"val": text, "timeout": 3600, "comment": tag("7f3a90c1", number)}} for number, text in enumerate(space, 100)
    ]
    gateway._change([{"add": {"element": {"family": "inet", "table": "tipstaff", "name": "in4", "elem": elements}}}])
    assert len(gateway.actual()) == 10_001
    receipt = gateway.apply(order(2, "block", "machine", OTHER))
    assert gateway.verify(receipt).state is State.IN_PLACE


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError):
        Nftables({"table": "inet; flush ruleset"}, bounds())


class TestNftables(ConnectorContract):
    kind, scope = "block", "machine"
    targets: ClassVar[tuple[str, str, str]] = (CUSTOMER, OTHER, "203.0.113.9")
    outside, protected = "198.51.100.7", "203.0.113.1"

    @pytest.fixture
    def connector(self, net: Net) -> Iterator[Nftables]:
        self.space = net.gateway
        made = self.made = nftables(net.gateway)
        made._change(rules_skeleton(made))
        yield made
        subprocess.run(["ip", "netns", "exec", net.gateway, "nft", "flush", "ruleset"], check=True)

    def nft(self, *words: str, given: str | None = None) -> str:
        return run("ip", "netns", "exec", self.space, "nft", *words, given=given)

    def standing(self) -> object:
        listing = json.loads(self.nft("-j", "list", "ruleset"))["nftables"]
        sets = {entry["set"]["name"]: entry["set"].get("elem", []) for entry in listing if "set" in entry}
        bare = {name: sorted((one["elem"]["val"], one["elem"].get("comment", "")) for one in elem) for name, elem in sets.items()}
        rules = [json.dumps(entry["rule"]["expr"]) for entry in listing if "rule" in entry]
        return bare, rules

    def plant(self, target: str) -> None:
        self.nft("add", "element", "inet", "tipstaff", "in4", f'{{ {target} timeout 1h comment "noc ticket 9" }}')

    def tamper(self, done) -> None:
        address = str(done.target.prefix.network_address)
        self.nft("delete", "element", "inet", "tipstaff", "in4", f"{{ {address} }}")
        self.nft("add", "element", "inet", "tipstaff", "in4", f'{{ {address} timeout 1h comment "noc ticket 10" }}')

    def break_peer(self) -> None:
        self.made.command = ["ip", "netns", "exec", "ts-no-such-namespace", "nft"]

    def mend_peer(self) -> None:
        self.made.command = ["ip", "netns", "exec", self.space, "nft"]


def rules_skeleton(made: Nftables) -> list:
    from tipstaff.enforcement.connectors import nftables_rules

    return nftables_rules.skeleton(made.layout)


class TestNftablesPorts(TestNftables):
    kind, scope = "port_block", "port"
    targets: ClassVar[tuple[str, str, str]] = (f"{CUSTOMER} tcp/25", f"{CUSTOMER} udp/53", f"{OTHER} tcp/25")
    outside, protected = "198.51.100.7 tcp/25", "203.0.113.1 tcp/179"

    def standing(self) -> object:
        listing = json.loads(self.nft("-j", "list", "ruleset"))["nftables"]
        sets = {entry["set"]["name"]: entry["set"].get("elem", []) for entry in listing if "set" in entry}
        return {
            name: sorted((str(one["elem"]["val"]), one["elem"].get("comment", "")) for one in elem) for name, elem in sets.items()
        }

    def plant(self, target: str) -> None:
        address, _, rest = target.partition(" ")
        protocol, _, port = rest.partition("/")
        self.nft(
            "add", "element", "inet", "tipstaff", "port_in4", f'{{ {address} . {protocol} . {port} timeout 1h comment "noc" }}'
        )

    def tamper(self, done) -> None:
        value = f"{done.target.prefix.network_address} . {done.target.protocol} . {done.target.port}"
        self.nft("delete", "element", "inet", "tipstaff", "port_in4", f"{{ {value} }}")
        self.nft("add", "element", "inet", "tipstaff", "port_in4", f'{{ {value} timeout 1h comment "noc ticket 10" }}')


def test_a_receipt_of_nothing_is_absent_where_there_is_no_table(net: Net, gateway: Nftables) -> None:
    wanted = order(5, "block", "machine", CUSTOMER)
    assert gateway.verify(Receipt(wanted)).state is State.ABSENT
    assert gateway.actual() == frozenset()
    gateway.lift(Receipt(wanted))
    with pytest.raises(NotOurs):
        gateway.remove(next(iter({_thing()})))


def _thing():
    from tipstaff.enforcement.connectors.contract import InPlace

    return InPlace("noc", CUSTOMER)
