"""Bodies as long as they say. One in chunks (RFC 9112 section 7.1) states no length, so Django takes it for empty; one that ends
before its stated length, because whoever sent it went away, it takes for whole. Half a document in chunks cannot be told from a
whole one here: its reader must, as that of JSON does.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any

PIECE = 1 << 16  # bytes
TOO_LARGE = b"The body is larger than this server takes.\n"


class Measured:
    """A WSGI application that knows how long every body is; one in chunks is taken first, up to ``most`` bytes."""

    def __init__(self, application: Callable[..., Iterable[bytes]], most: int) -> None:
        self.application, self.most = application, most

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        stated = environ.get("CONTENT_LENGTH") or ""
        if stated.isdecimal():
            whole = Whole(environ["wsgi.input"], int(stated)) if int(stated) else environ["wsgi.input"]
            return self.application(environ | {"wsgi.input": whole}, start_response)
        if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            return self.application(environ, start_response)
        body = _all_of(environ["wsgi.input"], self.most)
        if body is None:
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(TOO_LARGE)))]
            start_response("413 Content Too Large", headers)
            return [TOO_LARGE]
        return self.application(environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}, start_response)


class Whole:
    """A body of ``length`` bytes. OSError where it ends before."""

    def __init__(self, stream: Any, length: int) -> None:
        self.stream, self.length, self.left = stream, length, length

    def read(self, size: int = -1) -> bytes:
        wanted = self.left if size is None or size < 0 else min(size, self.left)
        pieces = []
        while wanted:
            pieces.append(self._counted(self.stream.read(wanted)))
            wanted -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readline(self, size: int = -1) -> bytes:
        wanted = self.left if size is None or size < 0 else min(size, self.left)
        return self._counted(self.stream.readline(wanted)) if wanted else b""

    def _counted(self, piece: bytes) -> bytes:
        self.left -= len(piece)
        if not piece:
            raise ConnectionError(f"the body ended after {self.length - self.left} of {self.length} bytes")
        return piece


def _all_of(stream: Any, most: int) -> bytes | None:
    """All bytes of the stream, or None where there are more than ``most``."""
    body = bytearray()
    while piece := stream.read(PIECE):
        body += piece
        if len(body) > most:
            return None
    return bytes(body)
