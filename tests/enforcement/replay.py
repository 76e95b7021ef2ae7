"""Plays exchanges of ``tests/corpus/webhook`` back over real HTTP, in order: what is asked must be what stands there.

A request that is not the next one of the play is answered 400, kept in ``strange`` with what differs, and plays nothing.
The word SECRET in a recording stands for the secret of the tests.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.enforcement.panels import SECRET

FOLDER = Path(__file__).parents[1] / "corpus" / "webhook"


def recorded(preset: str) -> dict[str, dict[str, Any]]:
    """Every exchange of a preset by name."""
    text = (FOLDER / f"{preset}.json").read_text().replace("SECRET", SECRET)
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


class Replay:
    """A system that says only what was recorded; ``names`` are the exchanges to come."""

    def __init__(self, preset: str, *names: str) -> None:
        known = recorded(preset)
        self.left = [known[name] for name in names]
        self.strange: list[str] = []
        replay = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                said = replay.say(self.command, self.path, dict(self.headers.items()), content)
                body = said["body"] if isinstance(said["body"], str) else json.dumps(said["body"])
                self.send_response(said["status"], said["reason"])
                for name, value in said["headers"].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "Replay":
        self.thread.start()
        return self

    def __exit__(self, *told: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def say(self, method: str, path: str, headers: dict[str, str], content: bytes) -> dict[str, Any]:
        asked = _asked(method, path, headers, content)
        wanted = self.left[0]["request"] if self.left else None
        problem = _difference(wanted, asked) if wanted is not None else f"nothing more was to come, but {method} {path}"
        if problem:
            self.strange.append(problem)
            return {"status": 400, "reason": "Not recorded", "headers": {}, "body": problem}
        said: dict[str, Any] = self.left.pop(0)["response"]
        return said


def _asked(method: str, path: str, headers: dict[str, str], content: bytes) -> dict[str, Any]:
    parts, text = urlsplit(path), content.decode()
    kind = {name.lower(): value for name, value in headers.items()}
    asked: dict[str, Any] = {"method": method, "path": parts.path, "query": dict(parse_qsl(parts.query)), "headers": kind}
    if kind.get("content-type") == "application/json":
        return asked | {"json": json.loads(text)}
    return asked | {"form": dict(parse_qsl(text, keep_blank_values=True))} if text else asked


def _difference(wanted: dict[str, Any], asked: dict[str, Any]) -> str:
    """What of the request is not as recorded; of its headers those that the recording names."""
    for part in ("method", "path", "query", "form", "json"):
        if wanted.get(part) != asked.get(part):
            return f"{part}: recorded {wanted.get(part)!r}, asked {asked.get(part)!r}"
    for name, value in wanted["headers"].items():
        if asked["headers"].get(name) != value:
            return f"header {name}: recorded {value!r}, asked {asked['headers'].get(name)!r}"
    return ""
