"""A front asked as a browser would ask it, to read back what it really answers. Speaks HTTP/1.1 to one address."""

import socket
import time
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from tipstaff.enforcement.connectors.contract import Misunderstood, Unanswered, Unreachable
from tipstaff.enforcement.connectors.http_rules import Asked

PATIENCE = 5.0  # seconds; a front that takes longer for a page of ours is in trouble


@dataclass(frozen=True)
class Front:
    host: str
    port: int


@dataclass(frozen=True)
class Answer:
    """``case``: the reference on our blocked page, None when the answer is no blocked page of ours."""

    status: int
    case: str | None


def answer(front: Front, wanted: Asked, timeout: float) -> Answer:
    """What the front gives for that request. Raises Unreachable, Unanswered, Misunderstood."""
    where = f"the front at {front.host}:{front.port}"
    target = quote_from_bytes(wanted.path or b"/", safe="/") + (f"?{wanted.args}" if wanted.args is not None else "")
    patience = min(timeout, PATIENCE)
    deadline = time.monotonic() + patience
    try:
        link = socket.create_connection((front.host, front.port), timeout=patience)
    except OSError as error:
        raise Unreachable(f"{where}: {error}") from error
    with link:
        try:
            link.sendall(f"GET {target} HTTP/1.0\r\nHost: {wanted.host}\r\nUser-Agent: tipstaff\r\n\r\n".encode("latin-1"))
            head = _head(link, deadline)
        except (OSError, TimeoutError) as error:
            raise Unanswered(f"{where}: {error}") from error
    return _read(head, where)


def _head(link: socket.socket, deadline: float) -> bytes:
    """Up to the blank line, 64 kB at most, within the time left."""
    got = b""
    while b"\r\n\r\n" not in got and len(got) < 65536:
        link.settimeout(max(deadline - time.monotonic(), 0.001))
        if time.monotonic() > deadline:
            raise TimeoutError("no whole answer in time")
        some = link.recv(8192)
        if not some:
            break
        got += some
    return got


def _read(head: bytes, where: str) -> Answer:
    first, _, rest = head.partition(b"\r\n")
    words = first.split(None, 2)
    if not first:
        raise Unanswered(f"{where} closed the connection without an answer")
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit() or b"\r\n\r\n" not in head:
        raise Misunderstood(f"{where} said {first[:80]!r}, which is no answer in HTTP")
    names = dict(line.split(b":", 1) for line in rest.partition(b"\r\n\r\n")[0].split(b"\r\n") if b":" in line)
    lower = {name.lower(): value.strip().decode("latin-1") for name, value in names.items()}
    case = lower.get(b"x-blocked-reference")
    return Answer(int(words[1]), case if case and int(words[1]) in {403, 451} else None)
