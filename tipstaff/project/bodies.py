"""Bodies as long as they say, taken whole before a page is worked on.

One in chunks (RFC 9112 section 7.1) states no length, so Django takes it for empty; one that ends before its stated length, because
whoever sent it went away, it takes for whole. Half a document in chunks cannot be told from a whole one here: its reader must, as
that of JSON does. Who sends slowly keeps a thread that does nothing else, of which there are many, and none that works (turns.py).
"""

import io
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

PIECE = 1 << 16  # bytes
SMALL = 1 << 18  # bytes of a body that always find room
WAITING = 256  # bodies that are waited for at once
OF_ONE = WAITING // 4  # of them from one network
TOGETHER = 4  # the largest bodies for which there is room at once; one network has half of it
TOO_LARGE = b"The body is larger than this server takes.\n"
NO_ROOM = b"Too many bodies are being sent at once. Try again.\n"
CUT = b"The body ended before its length.\n"


class Measured:
    """A WSGI application that is given every body whole, up to ``most`` bytes; a longer one of a stated length it cannot read."""

    def __init__(self, application: Callable[..., Iterable[bytes]], most: int) -> None:
        self.application, self.most = application, most
        self.room = Room(TOGETHER * most)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or ""
        if not length.isdecimal():
            if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
                return self.application(environ, start_response)
            stream = environ["wsgi.input"]
        elif len(length) > len(str(self.most)) or int(length) > self.most:
            return self.application(environ | {"wsgi.input": Unread()}, start_response)
        else:
            stream = Whole(environ["wsgi.input"], int(length))
        try:
            network = _network(environ)
            with self.room.held_for(network) as grow:
                with self.room.awaited_from(network):
                    body = self._all_of(stream, grow)
                taken = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
                return self.application(environ | taken, start_response)
        except Turned as turned:
            start_response(turned.status, [("Content-Type", "text/plain; charset=utf-8"), *turned.headers])
            return [turned.text]

    def _all_of(self, stream: Any, grow: Callable[[int], None]) -> bytes:
        body = bytearray()
        try:
            while piece := stream.read(PIECE):
                body += piece
                if len(body) > self.most:
                    raise Turned("413 Content Too Large", TOO_LARGE)
                grow(len(body))
        except ConnectionError:
            raise Turned("400 Bad Request", CUT) from None
        return bytes(body)


class Turned(Exception):
    """This body is not taken; what is answered."""

    def __init__(self, status: str, text: bytes) -> None:
        super().__init__(status)
        self.status, self.text = status, text
        self.headers = [("Content-Length", str(len(text)))] + ([("Retry-After", "5")] if text == NO_ROOM else [])


class Room:
    """How many bodies are waited for, and how many bytes of large ones are in hand: in all, and of one network."""

    def __init__(self, most: int) -> None:
        self.most, self.lock = most, threading.Lock()
        self.awaited: Counter[str] = Counter()
        self.held: Counter[str] = Counter()

    @contextmanager
    def awaited_from(self, network: str) -> Iterator[None]:
        """While one body is waited for. Raises Turned where too many are."""
        with self.lock:
            if self.awaited[network] >= OF_ONE or self.awaited.total() >= WAITING:
                raise Turned("503 Service Unavailable", NO_ROOM)
            self.awaited[network] += 1
        try:
            yield
        finally:
            with self.lock:
                self.awaited[network] -= 1
                self.awaited = +self.awaited

    @contextmanager
    def held_for(self, network: str) -> Iterator[Callable[[int], None]]:
        """Until the page of one body is done; what is given takes its size so far, and raises Turned where that is too much."""
        size = 0

        def grow(now: int) -> None:
            nonlocal size
            if now > max(SMALL, size):
                self._hold(network, now - size)
                size = now

        try:
            yield grow
        finally:
            with self.lock:
                self.held[network] -= size
                self.held = +self.held

    def _hold(self, network: str, more: int) -> None:
        with self.lock:
            if self.held.total() + more > self.most or self.held[network] + more > self.most // 2:
                raise Turned("503 Service Unavailable", NO_ROOM)
            self.held[network] += more


class Whole:
    """A body of ``length`` bytes. ConnectionError where it ends before."""

    def __init__(self, stream: Any, length: int) -> None:
        self.stream, self.length, self.left = stream, length, length

    def read(self, size: int) -> bytes:
        if not self.left:
            return b""
        piece: bytes = self.stream.read(min(size, self.left))
        self.left -= len(piece)
        if not piece:
            raise ConnectionError(f"the body ended after {self.length - self.left} of {self.length} bytes")
        return piece


class Unread:
    """A body that is too long to be read: who looks at its length first never asks for it."""

    def read(self, size: int = -1) -> bytes:
        raise ConnectionError("the body is larger than this server takes")

    readline = read


def _network(environ: dict[str, Any]) -> str:
    """Where it comes from: the address; of IPv6 its /64, which one sender has whole."""
    try:
        found = ip_address(environ.get("REMOTE_ADDR", ""))
    except ValueError:
        return ""
    found = getattr(found, "ipv4_mapped", None) or found
    return str(ip_network(f"{found}/64", strict=False)) if isinstance(found, IPv6Address) else str(found)
