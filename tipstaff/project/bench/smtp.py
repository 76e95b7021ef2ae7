"""How many mails a second the listener accepts, each on the disk before its 250, from eight connections."""

import multiprocessing
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tipstaff.intake.sources import smtp
from tipstaff.intake.spool import Spool
from tipstaff.kernel.errors import TipstaffError

CONNECTIONS = 8
BODY = 7000  # bytes, the size of an ordinary complaint


def mail(number: int) -> bytes:
    """A complaint of about ``BODY`` bytes."""
    head = (
        f"From: Rita <rita@example.org>\r\nTo: abuse@example.net\r\nMessage-ID: <{number}@example.org>\r\n"
        f"Date: Mon, 02 Nov 2026 10:15:00 +0000\r\nSubject: attack from 192.0.2.{number % 250 + 1}\r\n\r\n"
    )
    line = f"Nov  2 10:{number % 60:02}:01 mx sshd[{number % 30000}]: Failed password for root from 192.0.2.{number % 250 + 1}\r\n"
    return (head + line * (BODY // len(line))).encode()


def send(address: tuple[str, int], numbers: Sequence[int], gate: Any) -> None:
    """One sender on one connection; every mail waits for its 250 before the next begins."""
    mails = [mail(number) + b".\r\n" for number in numbers]
    with socket.create_connection(address, timeout=60) as connection, connection.makefile("rb") as replies:

        def reply(expected: bytes) -> None:
            while (line := replies.readline())[3:4] == b"-":
                pass
            if not line.startswith(expected):
                raise TipstaffError(f"the listener answered {line!r}")

        reply(b"220")
        connection.sendall(b"EHLO sender.example.org\r\n")
        reply(b"250")
        gate.wait(60)
        for content in mails:
            for command in (b"MAIL FROM:<rita@example.org>", b"RCPT TO:<abuse@example.net>"):
                connection.sendall(command + b"\r\n")
                reply(b"250")
            connection.sendall(b"DATA\r\n")
            reply(b"354")
            connection.sendall(content)
            reply(b"250")


def run(*, rows: int = 20_000, connections: int = CONNECTIONS) -> dict[str, Any]:
    """Accept ``rows`` mails over ``connections`` connections; the senders are processes of their own. Fsync is on."""
    directory = Path(tempfile.mkdtemp(prefix="tipstaff-bench-"))
    spool, stop, ready = Spool(directory / "spool"), threading.Event(), threading.Event()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listening = smtp.Listening(port=port, recipients=("abuse@example.net",), hostname="desk.example.net")
    thread = threading.Thread(target=smtp.run, args=([listening], spool, stop.is_set, lambda found: ready.set()))
    thread.start()
    try:
        if not ready.wait(20):
            raise TipstaffError(f"the listener did not start on 127.0.0.1:{port}; the lines above say why")
        wall, spent = _deliver(("127.0.0.1", port), rows, connections)
        kept = spool.count()
    finally:
        stop.set()
        thread.join()
        shutil.rmtree(directory, ignore_errors=True)
    return {
        "mails_per_s": round(rows / wall),
        "cpu_ms_per_mail": round(spent * 1000 / rows, 2),
        "mails": rows,
        "on_disk": kept,
        "connections": connections,
        "bytes_per_mail": len(mail(1)),
        "cores": os.cpu_count(),
    }


def _deliver(address: tuple[str, int], rows: int, connections: int) -> tuple[float, float]:
    """Seconds of wall time and of this process's CPU, from the moment when every sender is connected."""
    spawn = multiprocessing.get_context("spawn")
    gate = spawn.Barrier(connections + 1)
    senders = [spawn.Process(target=send, args=(address, range(start, rows, connections), gate)) for start in range(connections)]
    for sender in senders:
        sender.start()
    gate.wait(60)
    began, cpu = time.perf_counter(), time.process_time()
    for sender in senders:
        sender.join()
    if failed := [sender for sender in senders if sender.exitcode]:
        raise TipstaffError(f"{len(failed)} of {connections} senders failed; the lines above say why")
    return time.perf_counter() - began, time.process_time() - cpu
