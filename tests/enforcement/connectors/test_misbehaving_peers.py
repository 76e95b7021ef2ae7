"""Peers that answer late, twice, wrongly or not at all: said as what it is, never believed, and nothing assumed to be done."""

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.enforcement.connector_contract import bounds, order
from tests.enforcement.testbed import misbehaving
from tests.enforcement.testbed.misbehaving import answer, drips, gone, grpc_server, late, listening, says, silent
from tipstaff.enforcement.connectors.bgp import Bgp
from tipstaff.enforcement.connectors.bird.control import Bird
from tipstaff.enforcement.connectors.contract import (
    ConnectorError,
    Misunderstood,
    NotOurs,
    OrderView,
    Receipt,
    Rejected,
    State,
    Unanswered,
    Unreachable,
)
from tipstaff.enforcement.connectors.dns import Dns
from tipstaff.enforcement.connectors.gobgp import encoding
from tipstaff.enforcement.connectors.gobgp import gobgp_pb2 as pb
from tipstaff.enforcement.connectors.http import Http
from tipstaff.kernel.errors import Refused
from tipstaff.project.commands.running import free_port

RRSET = {"name": "shop.example.net.", "type": "A", "ttl": 60, "records": [{"content": "198.51.100.1", "disabled": False}]}
ZONE = {
    "name": "example.net.",
    "kind": "Native",
    "rrsets": [RRSET],
}
PARK = order(1, "park", "site", "shop.example.net")
URL = order(1, "url_block", "url", "https://shop.example.net/login")
BLOCK = order(1, "block", "machine", "203.0.113.7")


class HastyDns(Dns):
    timeout = 0.6


class HastyHttp(Http):
    timeout = 0.6


class HastyBgp(Bgp):
    timeout = 0.6


def name_server(port: int) -> Dns:
    return HastyDns({"url": f"http://127.0.0.1:{port}", "api_key": "K", "park4": "192.0.2.80"}, bounds(), lambda name: "secret-key")


def calls(connector: Any, wanted: OrderView) -> list[Callable[[], object]]:
    """Everything that a worker may ask of a connector, but the first reading before an order."""
    receipt = Receipt(wanted)
    return [lambda: connector.verify(receipt), lambda: connector.lift(receipt), connector.actual, lambda: connector.apply(wanted)]


# -- PowerDNS's API


def test_nobody_listens_where_the_name_server_should_be() -> None:
    for call in calls(name_server(free_port()), PARK):
        with pytest.raises(Unreachable):
            call()


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (silent, Unanswered),
        (gone, Unanswered),
        (late(answer(orjson.dumps(ZONE))), Unanswered),
        (drips(answer(orjson.dumps(ZONE))), Unanswered),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"name\":"), Unanswered),
        (says(answer(b"", "500 Internal Server Error")), Unanswered),
        (says(answer(b"", "503 Service Unavailable")), Unanswered),
        (says(answer(b"no", "401 Unauthorized")), Rejected),
        (says(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"), Rejected),
        (says(b"220 mail.example.net ESMTP\r\n"), Unanswered),
        (says(b"\x00\xff\x00\xff" * 1000), Unanswered),
        (says(answer(b"<html>login</html>")), Misunderstood),
        (says(answer(b"[]]")), Misunderstood),
        (says(answer(b'"yes"')), Misunderstood),
        (says(answer(b'{"name": 5, "rrsets": []}')), Misunderstood),
        (says(answer(b'{"name": "example.net.", "rrsets": [{"name": "x."}]}')), Misunderstood),
        (says(answer(orjson.dumps({**ZONE, "rrsets": [{**RRSET, "records": [{"content": None}]}]}))), Misunderstood),
    ],
)  # fmt: skip
def test_a_name_server_that_misbehaves(behave: Callable[[socket.socket], None], error: type[ConnectorError]) -> None:
    with listening(behave) as (port, _):
        connector = name_server(port)
        for call in (
            lambda: connector.snapshot(PARK),
            lambda: connector.verify(Receipt(PARK)),
            lambda: connector.lift(Receipt(PARK)),
        ):
            with pytest.raises(error) as caught:
                call()
            assert "secret-key" not in str(caught.value)
            assert caught.value.retry is (error is not Misunderstood and error is not Rejected)


def test_what_a_name_server_said_twice_is_no_answer_to_the_next_question() -> None:
    """The second answer lies in the connection when the next question is asked; it must not be taken for its answer."""
    first, wrong = answer(orjson.dumps(ZONE)), answer(orjson.dumps({**ZONE, "rrsets": []}))

    def behave(link: socket.socket) -> None:
        link.sendall(first + wrong)
        while link.recv(65536):
            link.sendall(first + wrong)

    with listening(behave) as (port, _):
        connector = name_server(port)
        wanted = [RRSET]
        assert [connector.snapshot(PARK)["records"] for _ in range(4)] == [wanted] * 4


def test_a_name_server_that_says_yes_and_does_nothing_is_not_believed() -> None:
    """Parking was acknowledged, and what is read back says that it is not there."""

    class Obliging(BaseHTTPRequestHandler):
        def say(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = orjson.dumps(ZONE) if self.command == "GET" else b""
            self.send_response(200 if body else 204)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_PATCH = say

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Obliging)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        connector = name_server(server.server_port)
        kept = order(1, "park", "site", "shop.example.net", undo=connector.snapshot(PARK))
        connector.apply(kept)
        assert connector.verify(Receipt(kept)).state is State.ABSENT
    finally:
        server.shutdown()
        server.server_close()


# -- the web front


def web(port: int, directory: Path) -> Http:
    return HastyHttp({"directory": str(directory), "nginx": "false", "front": f"127.0.0.1:{port}"}, bounds())


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (silent, Unanswered),
        (gone, Unanswered),
        (late(answer(b"")), Unanswered),
        (drips(answer(b"")), Unanswered),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), Misunderstood),
        (says(b"\x15\x03\x01\x00\x02\x02\x16"), Misunderstood),
        (says(b"HTTP/1.1 403 Forbidden\r\nX-Blocked-Reference: 4312"), Misunderstood),
    ],
)
def test_a_front_that_misbehaves(behave: Callable[[socket.socket], None], error: type[ConnectorError], tmp_path: Path) -> None:
    with listening(behave) as (port, _):
        connector = web(port, tmp_path / "tipstaff")
        for call in calls(connector, URL):
            with pytest.raises(error):
                call()
    assert not (tmp_path / "tipstaff" / "blocks.conf").exists()


def test_a_front_that_says_blocked_by_itself_is_not_taken_for_ours(tmp_path: Path) -> None:
    with listening(says(answer(b"forbidden", "403 Forbidden"))) as (port, _):
        assert web(port, tmp_path).verify(Receipt(URL)).state is State.ABSENT


def test_an_nginx_that_cannot_be_tested_changes_nothing(tmp_path: Path) -> None:
    with listening(says(answer(b""))) as (port, _):
        connector = web(port, tmp_path)
        with pytest.raises(Rejected, match="nothing was changed"):
            connector.apply(URL)
    assert not (tmp_path / "blocks.conf").exists()


# -- BIRD's control socket


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (silent, Unanswered),
        (gone, Unanswered),
        (late(b"0001 BIRD 2.0.12 ready.\n"), Unanswered),
        (drips(b"0001 BIRD 2.0.12 ready.\n0016 Access restricted\n0000 \n"), Unanswered),
        (says(b"0001 BIRD 2.0.12 ready.\n0016 Access restricted\n1007-Table master4:\n"), Unanswered),
        (says(b"0001 BIRD 2.0.12 ready.\n0000 \n0000 \n"), Misunderstood),  # not restricted: nothing more is said to it
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Misunderstood),
        (says(b"\xff\xfe\x00\n" * 10), Misunderstood),
        (says(b"0001 BIRD 2.0.12 ready.\n0016 Access restricted\n9001 syntax error\n"), Misunderstood),
    ],
)
def test_a_router_that_misbehaves(behave: Callable[[socket.socket], None], error: type[ConnectorError], tmp_path: Path) -> None:
    path = tmp_path / "b.ctl"
    with listening(behave, path):
        router = Bird(str(path), 0.5)
        for call in (router.held, lambda: router.find(route())):
            with pytest.raises(error):
                call()


def test_a_router_that_says_everything_twice_says_it_once(tmp_path: Path) -> None:
    """Each question is a connection of its own, read to the end of its answer: what follows answers nothing."""
    lines = b"0001 BIRD 2.0.12 ready.\n0016 Access restricted\n8001 Network not found\n"
    path = tmp_path / "b.ctl"
    with listening(says(lines + lines), path):
        assert Bird(str(path), 1).find(route()) == []


def test_no_router_at_all(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        Bird(str(tmp_path / "none"), 1).held()


def route():
    return HastyBgp({"asn": "65000"}, bounds()).routes(BLOCK)[0]


# -- GoBGP


def speaker(address: str) -> Bgp:
    return HastyBgp({"speaker": address, "asn": "65000"}, bounds())


@pytest.mark.parametrize("behave", [silent, gone, late(b"x"), says(answer(b"{}")), says(b"\x00" * 500)])
def test_something_else_than_a_speaker(behave: Callable[[socket.socket], None]) -> None:
    with listening(behave) as (port, _):
        connector = speaker(f"127.0.0.1:{port}")
        for call in calls(connector, BLOCK):
            with pytest.raises(ConnectorError) as caught:
                call()
            assert caught.value.retry


def listed(*paths: pb.Path) -> list[bytes]:
    return [pb.ListPathResponse(destination=pb.Destination(paths=paths)).SerializeToString()]


def peers(*_: bytes) -> list[bytes]:
    family = pb.AfiSafi(state=pb.AfiSafiState(family=encoding.FAMILIES["ipv4"], enabled=True))
    state = pb.PeerState(neighbor_address="127.0.0.2", session_state=pb.PeerState.ESTABLISHED)
    return [pb.ListPeerResponse(peer=pb.Peer(state=state, afi_safis=[family])).SerializeToString()]


def test_a_speaker_that_answers_late() -> None:
    def sleepy(request: bytes) -> list[bytes]:
        misbehaving.time.sleep(misbehaving.LATE)
        return []

    with grpc_server(ListPath=sleepy, ListPeer=sleepy) as address, pytest.raises(Unanswered):
        speaker(address).actual()


def test_a_speaker_that_acknowledges_and_holds_nothing_is_not_believed() -> None:
    """The announcement is said to have worked, and is not in the speaker's table: an error, and it is withdrawn again."""
    withdrawn = []

    def delete(request: bytes) -> bytes:
        withdrawn.append(pb.DeletePathRequest.FromString(request).path)
        return b""

    with grpc_server(ListPath=lambda _: [], ListPeer=peers, AddPathStream=lambda _: b"", DeletePath=delete) as address:
        connector = speaker(address)
        with pytest.raises(Misunderstood, match="holds something else"):
            connector.apply(BLOCK)
    assert [encoding.seen(one, "ipv4").net for one in withdrawn] == ["203.0.113.7/32"]


def test_a_speaker_that_announces_something_else_is_found_out() -> None:
    """GoBGP took 203.0.113.999 and announced 0.0.0.0/32: what it holds is compared with what was meant."""
    wrong = encoding.path(route())
    wrong.nlri.Pack(pb.IPAddressPrefix(prefix="0.0.0.0", prefix_len=32))

    def holds(request: bytes) -> list[bytes]:
        return [] if pb.ListPathRequest.FromString(request).table_type == pb.ADJ_OUT else listed(wrong)

    calls = {"ListPeer": peers, "AddPathStream": lambda _: b"", "DeletePath": lambda _: b""}
    with grpc_server(ListPath=holds, **calls) as address, pytest.raises(Misunderstood):
        speaker(address).apply(BLOCK)


def test_a_speaker_that_says_everything_twice_says_it_once() -> None:
    twice = listed(encoding.path(route()), encoding.path(route())) * 2

    def holds(request: bytes) -> list[bytes]:
        return twice if pb.ListPathRequest.FromString(request).family == encoding.FAMILIES["ipv4"] else []

    with grpc_server(ListPath=holds, ListPeer=lambda _: peers() * 2) as address:
        assert {(thing.tag, thing.target) for thing in speaker(address).actual()} == {(BLOCK.tag, "203.0.113.7/32")}


@pytest.mark.parametrize(
    "packed",
    [
        pb.IPAddressPrefix(prefix="203.0.113.999", prefix_len=32),
        pb.IPAddressPrefix(prefix="203.0.113.7", prefix_len=99),
        pb.IPAddressPrefix(prefix="2001:db8::1", prefix_len=128),
        pb.FlowSpecNLRI(),
        pb.Family(),
    ],
)
def test_routes_that_no_speaker_holds_are_not_guessed_at(packed) -> None:
    odd = encoding.path(route())
    odd.nlri.Pack(packed)
    with grpc_server(ListPath=lambda _: listed(odd), ListPeer=peers) as address, pytest.raises(Misunderstood):
        speaker(address).actual()


def test_answers_that_are_no_messages() -> None:
    with grpc_server(ListPath=lambda _: [b"\xff\xff\xff"], ListPeer=lambda _: [b"\xff"]) as address, pytest.raises(ConnectorError):
        speaker(address).actual()


def test_a_speaker_of_another_version_is_said() -> None:
    with grpc_server(GetBgp=lambda _: b"") as address, pytest.raises(Misunderstood, match="UNIMPLEMENTED"):
        speaker(address).actual()


def test_a_speaker_that_keeps_it_from_a_neighbour_is_said() -> None:
    def holds(request: bytes) -> list[bytes]:
        return [] if pb.ListPathRequest.FromString(request).table_type == pb.ADJ_OUT else listed(encoding.path(route()))

    with grpc_server(ListPath=holds, ListPeer=peers, AddPathStream=lambda _: b"") as address:
        connector = speaker(address)
        with pytest.raises(Rejected, match="export policy"):
            connector.apply(BLOCK)


# -- what is not ours


@pytest.mark.parametrize("target", ["198.51.100.7", "203.0.113.1", "2001:db8:8::7"])
def test_a_route_outside_our_prefixes_is_never_announced(target: str) -> None:
    announced: list[bytes] = []

    def announce(request: bytes) -> bytes:
        announced.append(request)
        return b""

    with grpc_server(ListPath=lambda _: [], ListPeer=peers, AddPathStream=announce) as address:
        connector = speaker(address)
        with pytest.raises((Refused, NotOurs), match="rail 2"):
            connector.apply(order(1, "block", "machine", target))
    assert announced == []
