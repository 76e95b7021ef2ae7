"""Captured export datagrams, sent again."""

import socket
import time
from collections.abc import Iterable

from tipstaff.sensors.traffic.captures import Datagram


def replay(datagrams: Iterable[Datagram], host: str, port: int, speed: float) -> int:
    """Send to a UDP port in the order and, divided by ``speed``, at the distances of the capture (0: none); how many."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    count, began, first = 0, time.monotonic(), 0
    with socket.socket(family, socket.SOCK_DGRAM) as out:
        for one in datagrams:
            first = first or one.at
            if speed > 0 and one.at:
                ahead = (one.at - first) / 1000 / speed - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)
            out.sendto(one.payload, (host, port))
            count += 1
    return count
