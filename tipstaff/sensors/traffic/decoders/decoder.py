"""Datagrams in, columns of flows out: what the kernels do for every datagram, and what happens once in a while.

Templates, options and sets without a template are rare and handled here, in the order in which they came; everything
else is one kernel call per format and batch. Pure: no socket and no clock; ``at`` says when a datagram was received.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import known as K
from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders import sets
from tipstaff.sensors.traffic.decoders.layout import NO_TEMPLATE, TEMPLATE, TEMPLATES, Sink
from tipstaff.sensors.traffic.decoders.netflow5 import decode_v5
from tipstaff.sensors.traffic.decoders.rates import Rates
from tipstaff.sensors.traffic.decoders.sampling import begun_at, read_records
from tipstaff.sensors.traffic.decoders.sessions import Sessions, open_datagrams
from tipstaff.sensors.traffic.decoders.sflow import decode_sflow
from tipstaff.sensors.traffic.decoders.templates import MOST_FIELDS, Template, Unusable, Withdrawal, read_templates

TOLERANCE_MS = 600_000  # an exporter's clock that is further off than this is not believed
# Templates and options are read as far as is allowed, at once and a second; a flood of more is only counted.
ALLOWED, ALLOWED_STRANGERS = (100_000, 30_000), (40_000, 10_000)
DEAR = 5000  # what it costs to forget the templates of all who count for nothing
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
        self.templates, self.rates, self.held = K.Templates(), Rates(self.sessions), K.Held()
        self.samplers = self.rates.samplers
        self.allowances = {True: K.Allowance(*ALLOWED), False: K.Allowance(*ALLOWED_STRANGERS)}  # by whether flows count
        self.policies: Mapping[bytes, Policy] = {}
        self.strangers, self.tunnels, self.tolerance = strangers, tunnels, tolerance
        self.streams: dict[int, K.Stream] = {}
        self.found: NDArray[np.int64] = np.zeros((LIST, sets.SET), np.int64)
        self.places, self.widths = np.zeros(MOST_FIELDS + 1, np.int64), np.zeros(MOST_FIELDS + 1, np.int64)
        self._room(1024)
        self.repeats: dict[tuple[int, bytes], K.Read] = {}  # templates and options that said nothing new, by session and digest

    def _room(self, datagrams: int) -> None:
        self.session_of: NDArray[np.int64] = np.full(datagrams, -1, np.int64)
        self.units, self.waiting, self.others = (np.zeros(datagrams, np.int64) for _ in range(3))

    def configure(self, policies: Mapping[bytes, Policy]) -> None:
        """What the operator says of each exporter, by its 16 address bytes, from the next batch on."""
        self.policies = policies
        self.repeats.clear()
        self._apply(range(len(self.sessions)))

    def _policy(self, exporter: bytes) -> Policy:
        return self.policies.get(exporter, self.strangers)

    def _counts(self, exporter: bytes) -> bool:
        return self._policy(exporter).counts

    def _apply(self, numbers: range) -> None:
        for number in numbers:
            row = self.sessions.state[number]
            stream = K.Stream(self.sessions.address(number), int(row[S.KIND]), int(row[S.DOMAIN]))
            policy = self._policy(stream.exporter)
            self.streams[number] = stream
            row[S.COUNTS], row[S.EXPORTER] = policy.counts, policy.number
            self.templates.stale |= bool(self.templates.shared.get(stream))
        streams = {number: self.streams[number] for number in numbers}
        self.rates.add(streams, {number: self._policy(stream.exporter).rate for number, stream in streams.items()})

    def decode(self, batch: Batch, sink: Sink, pos: int) -> int:
        """Decode a batch into ``sink`` from column ``pos`` on; the next free column."""
        if batch.n > len(self.session_of):
            self._room(batch.n)
        self.units[: batch.n] = self.waiting[: batch.n] = self.others[: batch.n] = 0
        known, s = len(self.sessions), self.sessions
        for allowance in self.allowances.values():
            allowance.fill(int(batch.at[0]) if batch.n else 0)
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
        done, learned, fresh = 0, False, False
        if self._plans(0, count):
            specials = np.flatnonzero(self.found[:count, sets.PLAN] < 0)
            for j, without, allowance in self._worth(specials):
                if (without and not learned) or self._repeated(batch, j, allowance):
                    continue
                if not allowance.take(1 + int(self.found[j, sets.LENGTH]) // 16):
                    self.sessions.state[self._at(batch, j)[1], S.WHY + TEMPLATES] += self.found[j, sets.NUMBER] < 4
                    continue
                if self._changes(batch, j):
                    self._plans(done, j)
                    pos = self._flows(batch, done, j, sink, pos)
                    done = j
                learned |= self._special(batch, j)
                fresh = True
            if fresh:
                self._plans(done, count)
            self._missing(batch, specials)
        pos = self._flows(batch, done, count, sink, pos)
        return self._again(batch, sink, pos) if learned and self.held.waiting else pos

    def _worth(self, specials: NDArray[np.int64]) -> Iterator[tuple[int, bool, K.Allowance]]:
        """Sets that say anything, whether they are without a template, and what pays for reading them."""
        listed = self.found[specials]
        counts = self.sessions.state[self.session_of[listed[:, sets.DATAGRAM]], S.COUNTS]
        columns = listed[:, sets.LENGTH].tolist(), listed[:, sets.PLAN].tolist(), counts.tolist()
        for j, length, plan, count in zip(specials.tolist(), *columns, strict=True):
            if length:
                yield j, plan == sets.NO_PLAN, self.allowances[count != 0]

    def _repeated(self, batch: Batch, j: int, allowance: K.Allowance) -> bool:
        """Whether a set says what it said before; then it is only counted."""
        if not allowance.take(1):
            return False
        i, session, at = self._at(batch, j)
        known = self.repeats.get((session, self._digest(batch, j)))
        if known is not None:
            for entry in known.entries:
                entry.at = at
            self._count(i, session, known)
        return known is not None

    def _count(self, i: int, session: int, read: K.Read) -> None:
        self.units[i] += read.units
        self.others[i] += read.units
        self.sessions.state[session, S.OPTIONS] += read.options

    def _digest(self, batch: Batch, j: int) -> bytes:
        return hashlib.blake2b(self._body(batch, j), digest_size=16, salt=self.found[j, sets.NUMBER].tobytes()).digest()

    def _plans(self, first: int, last: int) -> int:
        self.templates.refresh(self.streams)
        index, options = self.templates.index, self.templates.options
        return int(sets.find_plans(self.found, first, last, self.session_of, index.keys, index.values, options))

    def _flows(self, batch: Batch, first: int, last: int, sink: Sink, pos: int) -> int:
        self.rates.settle(self.streams, self.allowances)
        plans, rates = self.templates.plans, self.rates.index
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
            made = read_templates(self._body(batch, j), number, stream.version)
            return any(
                isinstance(one, Withdrawal) or (isinstance(one, Template) and self.templates.would_change(session, stream, one))
                for one in made
            )
        entry = self.templates.find(session, stream, number)
        return entry is not None and entry.template.options

    def _special(self, batch: Batch, j: int) -> bool:
        """Learn from a template set or an options set; whether a template was learned."""
        i, session, at = self._at(batch, j)
        number, stream, body = int(self.found[j, sets.NUMBER]), self.streams[session], self._body(batch, j)
        if number >= 256:
            entry = self.templates.find(session, stream, number)
            read = self._options(session, stream, entry, body) if entry and entry.template.options else K.Read(whole=False)
        elif number in ((0, 1) if stream.version == 9 else (2, 3)):
            read = self._templates(session, stream, number, body, at)
        else:
            return False  # reserved set ids
        self._count(i, session, read)
        if read.new:
            self.repeats.clear()  # what was said before may mean a change now
        elif read.whole and len(self.repeats) < 10_000:
            self.repeats[session, self._digest(batch, j)] = read
        return read.new and bool(read.entries)

    def _options(self, session: int, stream: K.Stream, entry: K.Entry, body: bytes) -> K.Read:
        """Take in what an options set tells."""
        new, trusted, records = False, bool(self.sessions.state[session, S.COUNTS]), list(read_records(entry.template, body))
        for record in records:
            new |= self.samplers.tell(stream.exporter, stream.domain, record, trusted=trusted)
            self.sessions.began(session, begun_at(entry.template, record))
        if new:
            self.rates.waiting[stream.exporter] = None
        return K.Read(new, units=len(records), options=len(records))

    def _templates(self, session: int, stream: K.Stream, number: int, body: bytes, at: int) -> K.Read:
        """Learn the templates of a set."""
        read, whys = K.Read(), self.sessions.state[session, S.WHY :]
        for one in read_templates(body, number, stream.version):
            if isinstance(one, Unusable):
                whys[TEMPLATE] += 1
                read.whole = False
                break
            if isinstance(one, Withdrawal):
                self.templates.withdraw(session, stream, one.number)
                read.new = True
                continue
            read.units += stream.version == 9
            found = self._learn(session, stream, one, at)
            read.new |= found == K.NEW
            if found == K.REFUSED:
                whys[TEMPLATES] += 1
                read.whole = False
            else:
                read.entries.append(self.templates.own[session][one.number])
        return read

    def _learn(self, session: int, stream: K.Stream, one: Template, at: int) -> int:
        """Learn a template; those who count find room in the place of those who do not."""
        trusted = bool(self.sessions.state[session, S.COUNTS])
        found = self.templates.learn(session, stream, one, at, trusted=trusted)
        if found == K.REFUSED and trusted and len(self.templates.own[session]) < K.MOST_OF_SESSION:
            counted = {number: number for number in self.templates.own if self.sessions.state[number, S.COUNTS]}
            if len(counted) < len(self.templates.own) and self.allowances[True].take(DEAR):
                self.templates.keep(counted, self._counts)
                self.repeats.clear()
                found = self.templates.learn(session, stream, one, at)
        return found

    def _missing(self, batch: Batch, specials: NDArray[np.int64]) -> None:
        """Count the sets that still have no template, and keep them for a while."""
        missing = specials[self.found[specials, sets.PLAN] == sets.NO_PLAN]
        if not len(missing):
            return
        datagrams = self.found[missing, sets.DATAGRAM]
        np.add.at(self.sessions.state, (self.session_of[datagrams], S.WHY + NO_TEMPLATE), 1)
        np.add.at(self.waiting, datagrams, self.found[missing, sets.LENGTH])
        for j in missing[self.found[missing, sets.LENGTH] > 0].tolist():
            i, session, at = self._at(batch, j)
            if self.held.full(at):
                break
            o, number = int(batch.off[i]), int(self.found[j, sets.NUMBER])
            nine = self.sessions.state[session, S.KIND] == 9
            head = batch.buf[o : o + (20 if nine else 16)].tobytes()
            self.held.keep(K.Waiting.made(session, number, at, head, self._body(batch, j)))

    def _again(self, batch: Batch, sink: Sink, pos: int) -> int:
        """Decode what waited for a template that has come; the rest goes on waiting."""
        at, ready = self._at(batch, 0)[2], list[K.Waiting]()
        for session, number in [*self.held.waiting]:
            entry = self.templates.find(session, self.streams[session], number)
            if entry is None:
                continue
            came = self.held.take(session, number, at)
            if not entry.template.options:
                ready += came
                continue
            for one in came:
                size = 24 if self.sessions.state[session, S.KIND] == 9 else 20
                read = self._options(session, self.streams[session], entry, one.datagram[size:])
                self.sessions.state[session, S.OPTIONS] += read.options
                self._rescued(batch, one, read.units)
        return self._late(batch, ready, sink, pos) if ready else pos

    def _late(self, batch: Batch, ready: Sequence[K.Waiting], sink: Sink, pos: int) -> int:
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

    def _rescued(self, batch: Batch, one: K.Waiting, units: int) -> None:
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
        self.held.clear()
        self.repeats.clear()
        self.templates.keep(renumbered, self._counts)
        self.samplers.keep(self._counts)
        self.streams = {}
        self.rates.begin()
        self._apply(range(len(self.sessions)))

    def forget_old(self, now: int) -> None:
        """Forget templates that nobody refreshed for a day; ``now`` in ms."""
        self.templates.forget(before=now - K.LIFETIME_MS)
        self.repeats.clear()


def gather(datagrams: Sequence[tuple[bytes, bytes, int, int]]) -> Batch:
    """A batch of (payload, sender's 16 address bytes, port, ms received); the buffer ends with the last payload."""
    lens = np.array([len(one[0]) for one in datagrams], np.int64)
    off = np.zeros(len(lens), np.int64)
    off[1:] = np.cumsum(lens)[:-1]
    source = np.frombuffer(b"".join(one[1] for one in datagrams), ">u8").reshape(-1, 2).astype(np.uint64)
    port, at = (np.array([one[n] for one in datagrams], np.int64) for n in (2, 3))
    buf = np.frombuffer(bytearray(b"".join(one[0] for one in datagrams)), np.uint8)
    return Batch(buf, off, lens, source, port, at, len(lens))
