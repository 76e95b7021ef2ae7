"""A machine that is looked at may be anybody's: it drips its answer, its name leads to several places, its document lies."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import pytest

from tests.cases.resolving import Desk
from tipstaff.cases import retests
from tipstaff.cases.models import Retest
from tipstaff.enforcement.retests import bounded, open_relay, running, url_status
from tipstaff.enforcement.retests.contract import OK, STILL, UNCLEAR, Space

HERE = Space((ip_network("127.0.0.0/8"),))
PATIENT = 120  # seconds that a test waits for what should take one


@contextmanager
def dripping(first: bytes) -> Iterator[int]:
    """A server that says ``first``, then a byte now and then, for ever."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            channel, _ = door.accept()
            with channel:
                try:
                    channel.sendall(first)
                    while not stop.wait(0.02):
                        channel.sendall(b"x")
                except OSError:
                    return  # hung up

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            stop.set()


@pytest.mark.parametrize(("first", "look"), [
    (b"HTTP/1.1 200 OK\r\n\r\n", lambda port: url_status.look(f"http://127.0.0.1:{port}/x", HERE)),
    (b"HTTP/1.1 200 OK\r\nX-Slow: ", lambda port: url_status.look(f"http://127.0.0.1:{port}/x", HERE)),
    (b"\x16\x03", lambda port: url_status.look(f"https://127.0.0.1:{port}/x", HERE)),
    (b"220-", lambda port: open_relay.look(f"127.0.0.1:{port}", HERE)),
], ids=["body", "header", "tls", "smtp"])  # fmt: skip
def test_a_server_that_drips_its_answer_holds_nobody(monkeypatch, first: bytes, look) -> None:
    monkeypatch.setattr(bounded, "LONGEST", 0.3)
    seen = []
    with dripping(first) as port:
        thread = threading.Thread(target=lambda: seen.append(look(port)), daemon=True)
        thread.start()
        thread.join(PATIENT)
    assert len(seen) == 1 and seen[0].outcome in {STILL, UNCLEAR}, "it ended, and nothing was found to be in order"


def test_of_a_name_with_several_addresses_ours_is_asked(monkeypatch) -> None:
    def answered(*addresses: str):
        return lambda host, port, **more: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(url_status.socket, "getaddrinfo", answered("192.0.2.1", "127.0.0.1"))
    asked = []

    def get(*words) -> tuple[int, str, bytes]:
        asked.append((words[1], words[4]))
        return 200, "", b"still there"

    monkeypatch.setattr(url_status, "_get", get)
    assert url_status.look("http://shop.example.com/ä b", HERE).outcome == STILL and asked == [("127.0.0.1", "/%C3%A4%20b")]
    monkeypatch.setattr(url_status.socket, "getaddrinfo", answered("192.0.2.1", "198.51.100.1"))
    assert url_status.look("http://shop.example.com/", HERE).outcome == OK and len(asked) == 1


@pytest.mark.django_db
def test_a_look_that_fails_in_an_unknown_way_keeps_no_other_waiting(monkeypatch) -> None:
    desk, looked = Desk(), []
    now = desk.now

    def fails(row: Retest, *more: object) -> None:
        looked.append(row.target)
        raise AttributeError("'str' object has no attribute 'get'")

    monkeypatch.setitem(running.LOOKS, "url_status", fails)
    for target in ("http://192.0.2.1/a", "http://192.0.2.1/b"):
        retests.want(case=desk.number, kind="url_status", target=target, by="alice", now=now)
    assert running.run_waiting(now=now) == 2 and len(looked) == 2
    assert set(Retest.objects.values_list("outcome", "text")) == {(UNCLEAR, "it failed: AttributeError")}
