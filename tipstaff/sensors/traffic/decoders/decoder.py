"""Datagrams in, columns of flows out: what the kernels do for every datagram, and what happens once in a while.

Templates, options and sets without a template are rare and handled here, in the order in which they came; everything
else is one kernel call per format and batch. Pure: no socket and no clock; ``at`` says when a datagram was received.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders import sets
from tipstaff.sensors.traffic.decoders.index import Index
from tipstaff.sensors.traffic.decoders.known import LIFETIME_MS, PATIENCE_MS, Entry, Held, Stream, Templates, Waiting
from tipstaff.sensors.traffic.decoders.layout import NO_TEMPLATE, TEMPLATE, TEMPLATES, Sink
from tipstaff.sensors.traffic.decoders.netflow5 import decode_v5
from tipstaff.sensors.traffic.decoders.sampling import Samplers, read_records
from tipstaff.sensors.traffic.decoders.sessions import Sessions, open_datagrams
from tipstaff.sensors.traffic.decoders.sflow import decode_sflow
from tipstaff.sensors.traffic.decoders.templates import MOST_FIELDS, Template, Unusable, Withdrawal, read_templates

TOLERANCE_MS = 600_000  # an exporter's clock that is further off than this is not believed
SPECIALS = 4096  # templates, options and unknown sets handled in one batch; a flood of more is only counted
LIST = 1 << 16


@dataclass
class Batch:
    """``n`` datagrams in one buffer: offsets, lengths (-1: cut short on receipt), senders' address halves and ports, times."""

    buf: NDArray[np.uint8]
    off: NDArray[np.int64]
    lens: NDArray[np.int64]
    source: NDArray[np.uint64]
    port: NDArray[np.int64]
    at: NDArray[np.int64]  # ms since 1970; 0 unknown
    n: int


@dataclass(frozen=True)
class Policy:
    """What the operator says of an exporter: whether its flows count, its sampling rate where it tells none, its tunnels."""

    counts: bool = True
    rate: int = 0
    number: int = 0


class Decoder:
    """The state of all exporters, and the way of a batch through it."""

    def __init__(
        self, *, strangers: Policy = Policy(), tunnels: int = 0, sessions: int = 4096, tolerance: int = TOLERANCE_MS
    ) -> None:
        self.sessions = Sessions(sessions)
        self.templates, self.samplers, self.held = Templates(), Samplers(), Held()
        self.policies: Mapping[bytes, Policy] = {}
        self.strangers, self.tunnels, self.tolerance = strangers, tunnels, tolerance
        self.streams: dict[int, Stream] = {}
        self.rates = Index()
        self.found: NDArray[np.int64] = np.zeros((LIST, sets.SET), np.int64)
        self.places, self.widths = np.zeros(MOST_FIELDS + 1, np.int64), np.zeros(MOST_FIELDS + 1, np.int64)
        self._room(1024)
        self.refreshed: dict[tuple[int, bytes], None] = {}

    def _room(self, datagrams: int) -> None:
        self.session_of: NDArray[np.int64] = np.full(datagrams, -1, np.int64)
        self.units, self.waiting, self.others = (np.zeros(datagrams, np.int64) for _ in range(3))

    def configure(self, policies: Mapping[bytes, Policy]) -> None:
        """What the operator says of each exporter, by its 16 address bytes, from the next batch on."""
        self.policies = policies
        self._apply(range(len(self.sessions)))

    def _apply(self, numbers: range) -> None:
        for number in numbers:
            row = self.sessions.state[number]
            address = self.sessions.address(number)
            policy = self.policies.get(address, self.strangers)
            self.streams[number] = Stream(address, int(row[S.KIND]), int(row[S.DOMAIN]))
            row[S.COUNTS], row[S.EXPORTER] = policy.counts, policy.number
        self.templates.stale = True
        self._rates()

    def _rates(self) -> None:
        """The samplers' index and each session's defaults anew."""
        entries = {}
        for number, stream in self.streams.items():
            row = self.sessions.state[number]
            policy = self.policies.get(stream.exporter, self.strangers)
            force = self.samplers.in_force(stream.exporter, stream.domain, policy.rate)
            row[S.DEFAULT_RATE], row[S.CONFIGURED] = force.unnamed, force.unknown
            for sampler, rate in force.samplers.items():
                if sampler:
                    entries[number << 33 | (sampler & 0x1FFFFFFFF)] = rate
        self.rates = Index(entries)

    def decode(self, batch: Batch, sink: Sink, pos: int) -> int:
        """Decode a batch into ``sink`` from column ``pos`` on; the next free column."""
        if batch.n > len(self.session_of):
            self._room(batch.n)
        self.units[: batch.n] = self.waiting[: batch.n] = self.others[: batch.n] = 0
        known, s = len(self.sessions), self.sessions
        open_datagrams(
            batch.buf, batch.off, batch.lens, batch.n, batch.source, batch.port, batch.at,
            s.keys, s.index, s.state, s.count, s.refused, self.session_of,
        )  # fmt: skip
        if len(s) > known:
            self._apply(range(known, len(s)))
        pos = self._each(decode_v5, batch, sink, pos, self.tolerance)
        pos = self._sets(batch, sink, pos)
        pos = self._each(decode_sflow, batch, sink, pos, self.tunnels)
        sets.account_nine(batch.buf, batch.off, batch.lens, batch.n, self.session_of, s.state, self.units, self.others)
        sets.follow_ipfix(batch.buf, batch.off, batch.n, self.session_of, s.state, self.units, self.waiting)
        return pos

    def _each(self, kernel: "object", batch: Batch, sink: Sink, pos: int, setting: int) -> int:
        """A kernel that decodes whole datagrams, again and again until all are done."""
        first = 0
        while True:
            c = sink.columns
            first, pos = kernel(  # type: ignore[operator]
                batch.buf, batch.off, batch.lens, first, batch.n, self.session_of, self.sessions.state, batch.at, setting,
                c.narrow, c.wide, pos,
            )  # fmt: skip
            if first >= batch.n:
                return int(pos)
            pos = sink.full(int(pos))

    def _sets(self, batch: Batch, sink: Sink, pos: int) -> int:
        first = 0
        while first < batch.n:
            first, count = sets.list_sets(
                batch.buf, batch.off, batch.lens, first, batch.n, self.session_of, self.sessions.state, self.found
            )  # fmt: skip
            pos = self._listed(batch, int(count), sink, pos)
        return pos

    def _listed(self, batch: Batch, count: int, sink: Sink, pos: int) -> int:
        """Decode what is in the list of sets; where templates or options change something, what came before goes first."""
        if not count:
            return pos
        done, learned = 0, False
        if self._plans(0, count):
            specials = np.flatnonzero(self.found[:count, sets.PLAN] < 0)
            for j in specials[:SPECIALS].tolist():
                if self._changes(batch, j):
                    self._plans(done, j)
                    pos = self._flows(batch, done, j, sink, pos)
                    done = j
                learned |= self._special(batch, j)
            self._plans(done, count)
            self._missing(batch, specials[specials >= 0])
        pos = self._flows(batch, done, count, sink, pos)
        return self._again(batch, sink, pos) if learned and self.held.waiting else pos

    def _plans(self, first: int, last: int) -> int:
        self.templates.refresh(self.streams)
        index, options = self.templates.index, self.templates.options
        return int(sets.find_plans(self.found, first, last, self.session_of, index.keys, index.values, options))

    def _flows(self, batch: Batch, first: int, last: int, sink: Sink, pos: int) -> int:
        plans, rates = self.templates.plans, self.rates
        while first < last:
            c = sink.columns
            first, pos = sets.decode_sets(
                batch.buf, batch.off, self.found, first, last, self.session_of, self.sessions.state, batch.at, self.tolerance,
                self.units, plans.heads, plans.steps, plans.absent, plans.sizes, self.places, self.widths, rates.values, rates.keys,
                c.narrow, c.wide, pos,
            )  # fmt: skip
            if first < last:
                pos = sink.full(int(pos))
        return int(pos)

    def _body(self, batch: Batch, j: int) -> bytes:
        place, size = int(self.found[j, sets.OFFSET]), int(self.found[j, sets.LENGTH])
        return batch.buf[place : place + size].tobytes()

    def _at(self, batch: Batch, j: int) -> tuple[int, int, int]:
        """Datagram, session and time (ms; the export's where the receipt's is unknown) of a listed set."""
        i = int(self.found[j, sets.DATAGRAM])
        session = int(self.session_of[i])
        return i, session, int(batch.at[i]) or int(self.sessions.state[session, S.EXPORTED])

    def _changes(self, batch: Batch, j: int) -> bool:
        """Whether that set gives a template in use another meaning, or tells new sampling rates."""
        _, session, _ = self._at(batch, j)
        number, stream = int(self.found[j, sets.NUMBER]), self.streams[session]
        if number < 4:
            body = self._body(batch, j)
            if (session, body) in self.refreshed:
                return False
            made = read_templates(body, number, stream.version)
            return any(
                isinstance(one, Withdrawal) or (isinstance(one, Template) and self.templates.would_change(session, stream, one))
                for one in made
            )
        entry = self.templates.find(session, stream, number)
        return entry is not None and entry.template.options

    def _special(self, batch: Batch, j: int) -> bool:
        """Learn from a template set or an options set; whether a template was learned."""
        i, session, at = self._at(batch, j)
        number, stream = int(self.found[j, sets.NUMBER]), self.streams[session]
        if number >= 256:
            entry = self.templates.find(session, stream, number)
            if entry is not None and entry.template.options:
                self._options(i, session, stream, entry, self._body(batch, j))
            return False
        if number not in ((0, 1) if stream.version == 9 else (2, 3)):
            return False  # reserved set ids
        return self._templates(i, session, stream, number, self._body(batch, j), at)

    def _options(self, i: int, session: int, stream: Stream, entry: Entry, body: bytes) -> None:
        changed = False
        for record in read_records(entry.template, body):
            self.units[i] += 1
            self.others[i] += 1
            self.sessions.state[session, S.OPTIONS] += 1
            changed |= self.samplers.tell(stream.exporter, stream.domain, record)
        if changed:
            self._rates()

    def _templates(self, i: int, session: int, stream: Stream, number: int, body: bytes, at: int) -> bool:
        learned, whys = False, self.sessions.state[session, S.WHY :]
        for one in read_templates(body, number, stream.version):
            if isinstance(one, Unusable):
                whys[TEMPLATE] += 1
                break
            if isinstance(one, Withdrawal):
                self.templates.withdraw(session, stream, one.number)
                continue
            self.units[i] += stream.version == 9
            self.others[i] += stream.version == 9
            if self.templates.learn(session, stream, one, at):
                learned = True
            else:
                whys[TEMPLATES] += 1
        if len(self.refreshed) > 10_000:
            self.refreshed.clear()
        self.refreshed[(session, body)] = None
        return learned

    def _missing(self, batch: Batch, specials: NDArray[np.int64]) -> None:
        """Count the sets that still have no template, and keep them for a while."""
        for j in specials.tolist():
            if self.found[j, sets.PLAN] != sets.NO_PLAN:
                continue
            i, session, at = self._at(batch, j)
            self.sessions.state[session, S.WHY + NO_TEMPLATE] += 1
            self.waiting[i] += self.found[j, sets.LENGTH]
            body = self._body(batch, j)
            size = 20 if self.sessions.state[session, S.KIND] == 9 else 16
            header = bytearray(batch.buf[int(batch.off[i]) : int(batch.off[i]) + size].tobytes())
            if size == 16:
                struct.pack_into(">H", header, 2, min(20 + len(body), 65535))
            self.held.keep(
                Waiting(session, at, bytes(header) + struct.pack(">HH", int(self.found[j, sets.NUMBER]), 4 + len(body)) + body)
            )

    def _again(self, batch: Batch, sink: Sink, pos: int) -> int:
        """Decode what waited for a template that has come; the rest goes on waiting."""
        waiting = self.held.take(max(self._at(batch, 0)[2], 0))
        ready = [one for one in waiting if self._has_template(one)]
        for one in waiting:
            if not self._has_template(one):
                self.held.keep(one)
        if not ready:
            return pos
        late = gather([(one.datagram, bytes(16), 0, one.at) for one in ready])
        state = self.sessions.state
        kept = self.session_of, self.units, self.waiting, self.others, self.found
        self._room(late.n)
        self.session_of[: late.n] = [one.session for one in ready]
        self.found = np.zeros((sets.MOST_SETS + late.n, sets.SET), np.int64)
        _, count = sets.list_sets(late.buf, late.off, late.lens, 0, late.n, self.session_of, state, self.found)
        self._plans(0, int(count))
        pos = self._flows(late, 0, int(count), sink, pos)
        rescued = [(one, int(units)) for one, units in zip(ready, self.units, strict=False)]
        self.session_of, self.units, self.waiting, self.others, self.found = kept
        for one, units in rescued:
            self._rescued(batch, one, units)
        return pos

    def _rescued(self, batch: Batch, one: Waiting, units: int) -> None:
        """Take records back that were, or would be, counted as undecodable."""
        row = self.sessions.state[one.session]
        here = np.flatnonzero(self.session_of[: batch.n] == one.session)
        inside = next((i for i in here.tolist() if self.waiting[i]), None)
        if inside is not None and self.waiting[inside] >= len(one.datagram) - 24:  # it came in this very batch
            self.units[inside] += units
            self.waiting[inside] -= min(int(self.waiting[inside]), len(one.datagram) - 20)
        elif row[S.KIND] == 10 and row[S.WAITING] > 0:
            row[S.NEXT] = (row[S.NEXT] + units) & 0xFFFFFFFF
            row[S.WAITING] = 0
        else:
            back = min(units, int(row[S.UNDECODABLE]))
            row[S.UNDECODABLE] -= back
            row[S.RECEIVED] -= back

    def _has_template(self, one: Waiting) -> bool:
        size = 20 if self.sessions.state[one.session, S.KIND] == 9 else 16
        (number,) = struct.unpack_from(">H", one.datagram, size)
        return self.templates.find(one.session, self.streams[one.session], number) is not None

    def make_room(self, now: int) -> None:
        """Where sessions get scarce, forget those that count for nothing and those long silent; ``now`` in ms.

        Anybody can fill the table from made-up addresses; those that the operator confirmed keep their places.
        """
        if not self.sessions.crowded:
            return
        state = self.sessions.state[: len(self.sessions)]
        numbers = np.flatnonzero((state[:, S.COUNTS] != 0) & (state[:, S.SEEN] > now - S.IDLE_MS)).tolist()
        renumbered = {old: new for new, old in enumerate(numbers)}
        self.sessions.keep(numbers)
        self.held.take(now + PATIENCE_MS + 1)
        self.refreshed.clear()
        own = self.templates.own
        self.templates.own = {renumbered[old]: known for old, known in own.items() if old in renumbered}
        self.streams = {}
        self._apply(range(len(self.sessions)))

    def forget_old(self, now: int) -> None:
        """Forget templates that nobody refreshed for a day; ``now`` in ms."""
        self.templates.forget(before=now - LIFETIME_MS)
        self.refreshed.clear()


def gather(datagrams: Sequence[tuple[bytes, bytes, int, int]]) -> Batch:
    """A batch of (payload, sender's 16 address bytes, port, ms received); the buffer ends with the last payload."""
    lens = np.array([len(one[0]) for one in datagrams], np.int64)
    off = np.zeros(len(lens), np.int64)
    off[1:] = np.cumsum(lens)[:-1]
    return Batch(
        np.frombuffer(bytearray(b"".join(one[0] for one in datagrams)), np.uint8),
        off,
        lens,
        np.frombuffer(b"".join(one[1] for one in datagrams), ">u8").reshape(-1, 2).astype(np.uint64),
        np.array([one[2] for one in datagrams], np.int64),
        np.array([one[3] for one in datagrams], np.int64),
        len(lens),
    )
