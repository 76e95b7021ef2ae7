"""Bodies over HTTP as machines send them, in chunks or cut off, and headers through a proxy, on the real web server."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tipstaff.project.processes import answers, wait_until

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
APPLICATION = """
from ipaddress import ip_network
from pathlib import Path
from tipstaff.project.bodies import Measured
from tipstaff.project.proxies import Believing

def page(environ, start):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    with Path("taken").open("ab") as taken:
        taken.write(body + b"|")
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ["REMOTE_ADDR"].encode() + b" " + body]

application = Believing(Measured(page, 1000), (ip_network("127.0.0.1/32"),))
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
    words = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "page:application"]
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
