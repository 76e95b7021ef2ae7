"""Servers that answer late, twice, wrongly, in part or not at all, on real sockets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

LATE = 3.0  # seconds; more than any patience of the tests


@contextmanager
def listening(behave: Callable[[socket.socket], None], path: Path | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that does ``behave`` with every connection; its port (0 for a Unix socket), and the first bytes of each."""
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    server.bind(str(path) if path else ("127.0.0.1", 0))
    server.listen(16)
    port = 0 if path else server.getsockname()[1]
    heard: list[bytes] = []
    over, open_ones = threading.Event(), []

    def serve() -> None:
        while not over.is_set():
            try:
                link, _ = server.accept()
            except OSError:
                return
            open_ones.append(link)
            threading.Thread(target=work, args=(link,), daemon=True).start()

    def work(link: socket.socket) -> None:
        try:
            if not path:
                heard.append(link.recv(65536))
            behave(link)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield port, heard
    finally:
        over.set()
        server.close()
        for link in open_ones:
            link.close()


def silent(link: socket.socket) -> None:
    time.sleep(LATE)


def gone(link: socket.socket) -> None:
    link.close()


def says(*parts: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    def behave(link: socket.socket) -> None:
        for part in parts:
            link.sendall(part)
            time.sleep(pause)
        link.shutdown(socket.SHUT_WR)  # no more is coming; what still comes from there is read, or the kernel would reset
        while link.recv(65536):
            pass

    return behave


def late(answer: bytes) -> Callable[[socket.socket], None]:
    def behave(link: socket.socket) -> None:
        time.sleep(LATE)
        link.sendall(answer)

    return behave


def drips(answer: bytes, pause: float = 0.2) -> Callable[[socket.socket], None]:
    return says(*(answer[at : at + 1] for at in range(len(answer))), pause=pause)


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@contextmanager
def grpc_server(**methods: Callable) -> Iterator[str]:
    """A gRPC server of GoBGP's names whose methods do what they are given: ``(request bytes) -> iterable of answer bytes``."""

    def handler(name: str, do: Callable) -> grpc.RpcMethodHandler:
        if name in {"ListPath", "ListPeer"}:
            return grpc.unary_stream_rpc_method_handler(lambda request, context: iter(do(request)))
        if name == "AddPathStream":
            return grpc.stream_unary_rpc_method_handler(lambda requests, context: do(b"".join(requests)))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: do(request))

    server = grpc.server(ThreadPoolExecutor(8))
    handlers = {name: handler(name, do) for name, do in methods.items()}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("apipb.GobgpApi", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait(5)
