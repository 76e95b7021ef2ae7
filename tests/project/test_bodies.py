"""Bodies over HTTP as machines send them, in chunks or cut off, and headers through a proxy, on the real web server."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.source import ROOT
from tipstaff.project import bodies
from tipstaff.project.bodies import Measured, Room, Turned
from tipstaff.project.processes import answers, wait_until
from tipstaff.project.turns import InTurn

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
APPLICATION = """
from ipaddress import ip_network
from pathlib import Path
from tipstaff.project.bodies import Measured
from tipstaff.project.proxies import Believing
from tipstaff.project.turns import InTurn

def page(environ, start):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    with Path("taken").open("ab") as taken:
        taken.write(body + b"|")
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ["REMOTE_ADDR"].encode() + b" " + body]

application = Believing(Measured(InTurn(page, 1), 1000), (ip_network("127.0.0.1/32"),))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """granian, as `tipstaff up` runs it, on a free port; and what the application took."""
    place = tmp_path_factory.mktemp("web")
    (place / "page.py").write_text(APPLICATION)
    port = free_port()
    words = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--blocking-threads", "90",
             "page:application"]  # fmt: skip
    known = os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{ROOT}"}
    with subprocess.Popen(words, cwd=place, env=known, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            assert wait_until(lambda: answers("127.0.0.1", port), 60)
            yield port, place / "taken"
        finally:
            running.terminate()


def ask(port: int, request: bytes, *, cut: bool = False, source: str = "127.0.0.1") -> tuple[bytes, bytes]:
    """The status line and the body of the answer; ``cut``: we say that nothing more comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0)) as connection:
        connection.sendall(request)
        if cut:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return answer.partition(b"\r\n")[0], answer.partition(b"\r\n\r\n")[2]


NGINX = """daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;
  uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{to};
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}
"""
SPELT = (b"X_Forwarded_For", b"X-Forwarded_For", b"X_Forwarded-For", b"X-Forwarded-For")


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_behind_nginx_nobody_writes_their_own_address_however_they_spell_it(server: tuple[int, Path], tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "nginx.conf").write_text(NGINX.format(place=tmp_path, port=port, to=server[0]))
    words = ["nginx", "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            assert wait_until(lambda: answers("127.0.0.1", port), 60)
            head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            seen = {name: ask(port, head + name + b": 203.0.113.66\r\n\r\n", source="127.0.0.2") for name in SPELT}
        finally:
            running.terminate()
    assert seen == dict.fromkeys(SPELT, (b"HTTP/1.1 200 OK", b"127.0.0.2 "))


def test_a_body_in_chunks_is_taken_whole(server: tuple[int, Path]) -> None:
    request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    assert ask(server[0], request) == (b"HTTP/1.1 200 OK", b"127.0.0.1 hello world")


def test_a_body_in_chunks_has_an_end(server: tuple[int, Path]) -> None:
    request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n800\r\n" + b"x" * 2048 + b"\r\n0\r\n\r\n"
    assert b" 413 " in ask(server[0], request)[0]


def test_a_body_that_ends_before_its_length_is_not_taken(server: tuple[int, Path]) -> None:
    status, _ = ask(server[0], HEAD + b"Content-Length: 50\r\n\r\ncut off here", cut=True)
    assert b" 200 " not in status
    assert ask(server[0], HEAD + b"Content-Length: 5\r\n\r\nwhole") == (b"HTTP/1.1 200 OK", b"127.0.0.1 whole")
    assert b"cut off" not in server[1].read_bytes()


def test_who_sends_slowly_keeps_nobody_waiting_and_one_network_not_all_the_room(server: tuple[int, Path]) -> None:
    """One thread makes pages; all of these send the beginning of a body, and then nothing."""
    beginnings = (b"Content-Length: 50\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    slow = [socket.create_connection(("127.0.0.1", server[0]), timeout=60) for _ in range(bodies.OF_ONE)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(HEAD + beginnings[number % 2])
        whole = HEAD + b"Content-Length: 5\r\n\r\nwhole"
        assert wait_until(lambda: b" 503 " in ask(server[0], whole)[0], 60), "all of them are waited for, and one more is too many"
        assert ask(server[0], whole, source="127.0.0.2") == (b"HTTP/1.1 200 OK", b"127.0.0.2 whole")
        assert ask(server[0], b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == (b"HTTP/1.1 200 OK", b"127.0.0.1 ")
    finally:
        for connection in slow:
            connection.close()
    assert wait_until(lambda: ask(server[0], whole) == (b"HTTP/1.1 200 OK", b"127.0.0.1 whole"), 60), "who went away left the room"


def test_large_bodies_have_room_for_so_many_and_one_network_for_half_of_them() -> None:
    room = Room(4 * bodies.SMALL)
    with room.held_for("a") as small, room.held_for("a") as first, room.held_for("b") as other, room.held_for("b") as last:
        small(bodies.SMALL)
        first(2 * bodies.SMALL)
        first(2 * bodies.SMALL)
        other(2 * bodies.SMALL - 1)
        for late in (small, last):
            with pytest.raises(Turned):
                late(bodies.SMALL + 2)
        last(bodies.SMALL)
    assert not room.held and not room.awaited


def test_a_body_that_is_too_long_is_not_read_unless_somebody_asks_for_it() -> None:
    def page(environ: dict[str, Any], start: Any) -> list[bytes]:
        with pytest.raises(ConnectionError):
            environ["wsgi.input"].read()
        return [b"looked at its length alone"]

    given = {"CONTENT_LENGTH": "9" * 5000, "wsgi.input": None, "REMOTE_ADDR": "192.0.2.1"}
    assert Measured(page, 1000)(given, None) == [b"looked at its length alone"]


def test_an_answer_that_is_made_piece_by_piece_is_made_by_one_thread_and_closed_by_it() -> None:
    threads = set()

    class Answer:
        streaming = True

        def __iter__(self) -> Iterator[bytes]:
            for piece in (b"one ", b"two"):
                threads.add(threading.current_thread().name)
                yield piece

        def close(self) -> None:
            threads.add(f"closed by {threading.current_thread().name}")

    pages = InTurn(lambda environ, start: Answer(), 1)
    assert b"".join(pages({}, None)) == b"one two"
    assert threads == {"page_0", "closed by page_0"}
    with pytest.raises(ZeroDivisionError):
        InTurn(lambda environ, start: [b"%d" % (1 // 0)], 1)({}, None)
