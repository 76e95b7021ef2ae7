"""BIRD's control socket: the protocol that birdc speaks, read-only (``restrict`` is the first thing we say).

A reply is lines ``CODE-text`` with a last line ``CODE text``; lines that start with a space go on under the last code,
lines that start with ``+`` are news we did not ask for. Codes from 8000 are errors (BIRD's doc/reply_codes).
"""

import socket
import time
from collections import deque
from dataclasses import dataclass
from ipaddress import ip_network

from tipstaff.enforcement.connectors.bgp_routes import Route, Seen
from tipstaff.enforcement.connectors.bird import reading
from tipstaff.enforcement.connectors.contract import Misunderstood, Unanswered, Unreachable

LARGEST_REPLY = 256_000_000  # bytes; a route with its attributes takes about 300
QUICK = 5.0  # seconds for a question about one route; a whole table may take all the time that is allowed
NOT_FOUND = 8001  # "Network not found"


@dataclass(frozen=True)
class Reply:
    """Lines without their codes, and the last code."""

    lines: tuple[str, ...]
    code: int


class Bird:
    """One router, read through its control socket. Every question is a connection of its own and has a time limit."""

    def __init__(self, path: str, timeout: float) -> None:
        self.path, self.timeout, self.whole = path, min(timeout, QUICK), timeout
        self.name = f"BIRD at {path}"

    def find(self, route: Route) -> list[Seen]:
        """The routes of that net which BIRD uses."""
        return [seen for seen, best in self._routes(route.net) if best]

    def refused(self, route: Route) -> bool:
        """Whether BIRD got the route and its import filter keeps it out (needs ``import keep filtered``)."""
        return bool(self._routes(route.net, "filtered"))

    def held(self) -> list[Seen]:
        """Every route of every table that BIRD uses."""
        return [seen for seen, best in self._routes() if best]

    def _routes(self, net: str = "", *words: str) -> list[tuple[Seen, bool]]:
        if net and not net.startswith("flow"):
            ip_network(net)  # nothing else may ever be part of a command
        reply = self.ask(
            " ".join(("show route", *((net,) if net else ()), *words, "table all all")), self.timeout if net else self.whole
        )
        if reply.code == NOT_FOUND:
            return []
        if reply.code >= 8000:
            raise Misunderstood(f"{self.name} answered {reply.code} {' '.join(reply.lines)[:200]!r}")
        return [(seen, best) for seen, best in reading.routes(reply.lines) if not net or seen.net == net]

    def ask(self, command: str, within: float | None = None) -> Reply:
        """One command, in restricted mode. Raises Unreachable, Unanswered, Misunderstood."""
        deadline = time.monotonic() + (within or self.timeout)
        try:
            link = socket.socket(socket.AF_UNIX)
        except OSError as error:
            raise Unreachable(f"{self.name}: {error}") from error
        with link:
            link.settimeout(self.timeout)
            try:
                link.connect(self.path)
            except OSError as error:
                raise Unreachable(f"{self.name}: {error.strerror or error}") from error
            conversation = _Conversation(link, deadline, self.name)
            conversation.reply()  # its greeting
            if (answer := conversation.say("restrict")).code != 16:
                raise Misunderstood(f"{self.name} is not restricted but answered {answer.code}")
            return conversation.say(command)


class _Conversation:
    def __init__(self, link: socket.socket, deadline: float, name: str) -> None:
        self.link, self.deadline, self.name = link, deadline, name
        self.unread, self.got = b"", 0
        self.lines: deque[bytes] = deque()

    def say(self, command: str) -> Reply:
        try:
            self.link.sendall(command.encode("ascii") + b"\n")
        except OSError as error:
            raise Unanswered(f"{self.name} broke the connection: {error}") from error
        return self.reply()

    def reply(self) -> Reply:
        lines: list[str] = []
        while True:
            line = self._line()
            if line.startswith("+"):
                continue
            if line.startswith(" "):
                lines.append(line[1:])
                continue
            code, mark, text = line[:4], line[4:5], line[5:]
            if not code.isdecimal() or mark not in {" ", "-"}:
                raise Misunderstood(f"{self.name} said {line[:80]!r}, which is no reply of BIRD's")
            lines.append(text)
            if mark == " ":
                return Reply(tuple(lines), int(code))

    def _line(self) -> str:
        while not self.lines:
            *whole, self.unread = (self.unread + self._some()).split(b"\n")
            self.lines.extend(whole)
        return self.lines.popleft().decode("utf-8", "replace")

    def _some(self) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Unanswered(f"{self.name} did not finish its answer in time")
        self.link.settimeout(left)
        try:
            some = self.link.recv(1 << 20)
        except OSError as error:
            raise Unanswered(f"{self.name} did not answer: {error}") from error
        if not some:
            raise Unanswered(f"{self.name} closed the connection in the middle of an answer")
        self.got += len(some)
        if self.got > LARGEST_REPLY:
            raise Misunderstood(f"{self.name} sent more than {LARGEST_REPLY} bytes")
        return some
