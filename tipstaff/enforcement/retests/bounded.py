"""Connections of retests, which end in time whatever the other side does.

A timeout holds for each read alone: a server that sends a byte every few seconds would keep us for days, and with us every
other retest that waits.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tipstaff.enforcement.retests.contract import PATIENCE

LONGEST = 30.0  # seconds of one connection


@contextmanager
def connected(address: str, port: int) -> Iterator[socket.socket]:
    """A TCP connection that is shut down after LONGEST seconds; whoever reads then sees its end."""
    with socket.create_connection((address, port), timeout=PATIENCE) as channel:
        twin = socket.socket(fileno=os.dup(channel.fileno()))  # the first one may be taken over by TLS
        timer = threading.Timer(LONGEST, _hang_up, [twin])
        timer.daemon = True
        timer.start()
        try:
            yield channel
        finally:
            timer.cancel()
            timer.join()
            twin.close()


def _hang_up(twin: socket.socket) -> None:
    with suppress(OSError):
        twin.shutdown(socket.SHUT_RDWR)
