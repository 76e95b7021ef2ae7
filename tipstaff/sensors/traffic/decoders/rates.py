"""The sampling rates of all sessions: worked out when an exporter tells others, in a form that kernels search."""

from collections.abc import Iterable, Mapping

from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders.index import Index
from tipstaff.sensors.traffic.decoders.known import Allowance, Stream
from tipstaff.sensors.traffic.decoders.sampling import Samplers
from tipstaff.sensors.traffic.decoders.sessions import Sessions

SAMPLER_BITS = 33


class Rates:
    """Each session's defaults stand in its state, the rates of named samplers in ``index`` (session << 33 | sampler).

    Only sessions whose flows count are in the index: it stays small, whoever else tells what.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions, self.samplers, self.index = sessions, Samplers(), Index()
        self.of: dict[bytes, list[int]] = {}  # sessions by exporter
        self.named: dict[int, dict[int, int]] = {}  # sampler → rate by session
        self.waiting: dict[bytes, None] = {}  # exporters that told something new
        self.configured: dict[int, int] = {}

    def begin(self) -> None:
        """All sessions were numbered anew."""
        self.of.clear()
        self.named.clear()
        self.configured.clear()

    def add(self, streams: Mapping[int, Stream], configured: Mapping[int, int]) -> None:
        """Sessions that are new, or whose exporters are known as others now; ``configured``: what the operator said of each."""
        for number, stream in streams.items():
            mine = self.of.setdefault(stream.exporter, [])
            if number not in self.configured:
                mine.append(number)
        self.configured.update(configured)
        self._work_out(streams, streams)

    def settle(self, streams: Mapping[int, Stream], allowances: Mapping[bool, Allowance]) -> None:
        """Work out what is new, as far as that is allowed; the rest waits for the next time."""
        if not self.waiting:
            return
        for exporter in [*self.waiting]:
            mine = self.of.get(exporter, [])
            counts = any(self.sessions.state[number, S.COUNTS] for number in mine)
            if allowances[counts].take(1 + len(mine) * (1 + len(self.samplers.told.get(exporter, ())) // 32)):
                del self.waiting[exporter]
                self._work_out(mine, streams)

    def _work_out(self, numbers: Iterable[int], streams: Mapping[int, Stream]) -> None:
        changed = False
        for number in numbers:
            row = self.sessions.state[number]
            force = self.samplers.in_force(streams[number].exporter, streams[number].domain, self.configured.get(number, 0))
            row[S.DEFAULT_RATE], row[S.CONFIGURED] = force.unnamed, force.unknown
            named = {sampler & ((1 << SAMPLER_BITS) - 1): rate for sampler, rate in force.samplers.items() if sampler}
            named = named if row[S.COUNTS] else {}
            if named != self.named.get(number, {}):
                self.named[number], changed = named, True
        if changed:
            self.index = Index(
                {number << SAMPLER_BITS | sampler: rate for number, named in self.named.items() for sampler, rate in named.items()}
            )
