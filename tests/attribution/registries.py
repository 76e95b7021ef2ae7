"""Registries' answers in their real format, and a registry that runs on the loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def bootstrap(*services: tuple[str, ...]) -> dict[str, Any]:
    """A bootstrap file (RFC 9224): (prefix, URL, …) per service."""
    return {"version": "1.0", "services": [[[prefix], list(urls)] for prefix, *urls in services]}


def answer(first: str, last: str, mail: Any, *, nested: bool = False) -> dict[str, Any]:
    """A network (RFC 9083) with one abuse contact."""
    card = ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Abuse desk"], ["email", {}, "text", mail]]]
    contact = {"objectClassName": "entity", "handle": "AB-1", "roles": ["abuse"], "vcardArray": card}
    entities = [{"objectClassName": "entity", "roles": ["registrant"], "entities": [contact]}] if nested else [contact]
    return {
        "objectClassName": "ip network", "handle": "NET-1", "name": "ELSEWHERE", "startAddress": first, "endAddress": last,
        "entities": entities,
    }  # fmt: skip


@dataclass
class Registry:
    """What the server will say by path, and what it was asked."""

    address: str = ""
    pages: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def running() -> Iterator[Registry]:
    state = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            status, body = state.pages.get(self.path, (404, {}))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body)
                content = b""
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
