"""Capture files to flow records: the decoders of the receiver, fed from files instead of a socket."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from tipstaff.sensors.traffic.captures import Datagram
from tipstaff.sensors.traffic.decoders.decoder import Decoder, gather
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.records import rows

AT_ONCE = 512  # datagrams in a batch
ROOM = 1 << 17


class Reader:
    """Decodes datagrams and hands out records; templates and samplers stay known from one file to the next."""

    def __init__(self, tunnels: int = 0) -> None:
        # A capture may be years old, and so may the clock of its exporter: its own times are kept as they are.
        self.decoder = Decoder(tunnels=tunnels, tolerance=0)
        self.columns = Columns.room(ROOM)
        self.taken: list[dict[str, Any]] = []

    def full(self, count: int) -> int:
        """Take the decoded flows out of the columns."""
        self.taken += rows(self.columns, count, self.decoder.sessions)
        return 0

    def read(self, datagrams: Iterable[Datagram]) -> Iterator[dict[str, Any]]:
        """One plain object per flow."""
        waiting = iter(datagrams)
        while chunk := list(islice(waiting, AT_ONCE)):
            self.full(self.decoder.decode(gather(chunk), self, 0))
            yield from self.taken
            self.taken = []
