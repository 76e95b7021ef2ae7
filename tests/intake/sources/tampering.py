"""Stands between a reader and an IMAP server, and changes what the server answers to chosen commands."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: From a command and the server's whole answer to what the reader gets: bytes, and whether the connection ends after them;
#: None for the answer as it is.
Change = Callable[[bytes, bytes], tuple[bytes, bool] | None]


@dataclass
class Tampering:
    """``change`` may be set anew at any time; ``commands`` are those that came, in order."""

    port: int
    change: Change = field(default=lambda command, answer: None)
    commands: list[bytes] = field(default_factory=list)


@contextmanager
def tampering(server: int) -> Iterator[Tampering]:
    """A listener of its own before the one at ``server``."""
    listener = socket.create_server(("127.0.0.1", 0))
    found = Tampering(listener.getsockname()[1])
    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", server))
            ends.extend((client, upstream))
            threads.append(threading.Thread(target=_carry, args=(client, upstream, found)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for end in ends:
            _end(end)
        for thread in threads:
            thread.join()


def _carry(client: socket.socket, upstream: socket.socket, found: Tampering) -> None:
    """Command by command: the reader sends none before the last one was answered."""
    with client, upstream, client.makefile("rb") as asked, upstream.makefile("rb") as said:
        try:
            client.sendall(said.readline())
            while command := asked.readline():
                found.commands.append(command)
                upstream.sendall(command)
                answer = _answer(said, command.split(b" ")[0])
                content, ends = found.change(command, answer) or (answer, False)
                client.sendall(content)
                if ends:
                    return
        except OSError:
            return
        finally:
            _end(client)


def _answer(said, tag: bytes) -> bytes:
    """Up to the tagged line; literals are not looked into."""
    whole = b""
    while line := said.readline():
        whole += line
        if literal := re.search(rb"\{(\d+)\}\r\n$", line):
            whole += said.read(int(literal[1]))
        elif line.startswith(tag + b" "):
            break
    return whole


def _end(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
