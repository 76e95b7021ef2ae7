"""Pages are made by a few threads, each with its connection to the database; whoever sends or reads slowly keeps none of them.

The web server's own threads, of which there are many more, take the body before and send the answer afterwards.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import IO, Any

IN_MEMORY = 1 << 20  # bytes of an answer that is made piece by piece; what is more waits in a file
PIECE = 1 << 16


class InTurn:
    """A WSGI application whose pages are made, to their last byte, by ``threads`` threads."""

    def __init__(self, application: Callable[..., Iterable[bytes]], threads: int) -> None:
        self.application = application
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="page")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.pool.submit(self._page, environ, start_response).result()

    def _page(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer: Any = self.application(environ, start_response)
        try:
            if not getattr(answer, "streaming", False):
                return [b"".join(answer)]
            kept: IO[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed when it was sent
            for piece in answer:
                kept.write(piece)
            kept.seek(0)
            return _sent(kept)
        finally:
            if hasattr(answer, "close"):
                answer.close()


def _sent(kept: IO[bytes]) -> Iterator[bytes]:
    with kept:
        while piece := kept.read(PIECE):
            yield piece
