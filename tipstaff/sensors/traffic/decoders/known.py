"""Which templates are known, of whom, since when; and sets that wait for theirs."""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders.index import Index
from tipstaff.sensors.traffic.decoders.templates import Field, Plans, Template

LIFETIME_MS = 24 * 3_600_000  # a template not refreshed for so long is forgotten (RFC 7011, 8.4)
# What there is room for: of a session, in all. Whoever counts for nothing gets less, as anybody can send from any address.
MOST_OF_SESSION, MOST_OF_STRANGER = 1024, 64
MOST_PLANS, MOST_ENTRIES = 4096, 65_536
PATIENCE_MS, MOST_HELD, MOST_HELD_SETS = 60_000, 4_000_000, 4096
REFUSED, KNOWN, NEW = range(3)  # what became of a template


class Stream(NamedTuple):
    """Where a template was announced: it also serves what the same exporter sends from other ports, until they differ."""

    exporter: bytes
    version: int
    domain: int


@dataclass
class Entry:
    template: Template
    plan: int
    at: int  # ms, when it was last announced


class Waiting(NamedTuple):
    """A set without a template: a datagram of its own with the header of the one it came in."""

    session: int
    number: int
    at: int
    datagram: bytes

    @classmethod
    def made(cls, session: int, number: int, at: int, header: bytes, body: bytes) -> "Waiting":
        """``header``: of NetFlow 9 (20 bytes), or of IPFIX (16), which states its length."""
        if len(header) == 16:
            header = header[:2] + struct.pack(">H", min(20 + len(body), 65535)) + header[4:]
        return cls(session, number, at, header + struct.pack(">HH", number, 4 + len(body)) + body)


@dataclass
class Read:
    """What a set of templates or options said: whether anything new, whether all of it could be taken in, its templates, for how
    many records of its datagram and for how many options it counts."""

    new: bool = False
    whole: bool = True
    entries: list[Entry] = field(default_factory=list)
    units: int = 0
    options: int = 0


@dataclass
class Templates:
    """Templates by session and number, their compiled plans, and the index that kernels search."""

    plans: Plans = field(default_factory=Plans)
    own: dict[int, dict[int, Entry]] = field(default_factory=dict)  # session → number → entry
    shared: dict[Stream, dict[int, Entry]] = field(default_factory=dict)  # the last word of any port
    numbers: dict[Template, int] = field(default_factory=dict)  # template → plan
    index: Index = field(default_factory=Index)
    options: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, bool))
    stale: bool = False
    changed: bool = False  # since it was last written down
    count: int = 0  # of entries, no less than there are

    def find(self, session: int, stream: Stream, number: int) -> Entry | None:
        """The session's own template, else the one that its exporter announced from another port."""
        return self.own.get(session, {}).get(number) or self.shared.get(stream, {}).get(number)

    def would_change(self, session: int, stream: Stream, template: Template) -> bool:
        """Whether a different template of that number is in use by that session."""
        entry = self.find(session, stream, template.number)
        return entry is not None and entry.template != template

    def learn(self, session: int, stream: Stream, template: Template, at: int, *, trusted: bool = True) -> int:
        """Take in a template: NEW, KNOWN already, or REFUSED, as there are too many."""
        mine = self.own.setdefault(session, {})
        entry = mine.get(template.number)
        if entry is not None and entry.template == template:
            entry.at = at
            return KNOWN
        if not self._room(mine, entry is None, trusted):
            return REFUSED
        mine[template.number] = Entry(template, self._plan(template), at)
        self.shared.setdefault(stream, {})[template.number] = mine[template.number]
        self.count += 1
        self.stale = self.changed = True
        return NEW

    def _room(self, mine: Mapping[int, Entry], more: bool, trusted: bool) -> bool:
        most, part = (MOST_OF_SESSION, 1) if trusted else (MOST_OF_STRANGER, 4)
        enough = len(self.plans.heads) < MOST_PLANS // part and self.count < MOST_ENTRIES // part
        return enough and (len(mine) < most or not more)

    def _plan(self, template: Template) -> int:
        if template not in self.numbers:
            self.numbers[template] = self.plans.add(template)
            flags = np.zeros(len(self.plans.heads), bool)
            flags[: len(self.options)] = self.options[: len(flags)]
            flags[-1] = template.options
            self.options = flags
        return self.numbers[template]

    def withdraw(self, session: int, stream: Stream, number: int) -> None:
        """Forget one template, or all (2) or all of options (3)."""
        for known in (self.own.get(session, {}), self.shared.get(stream, {})):
            for one in [one for one, entry in known.items() if number in (one, 3 if entry.template.options else 2)]:
                del known[one]
        self.stale = self.changed = True

    def forget(self, *, before: int) -> None:
        """Forget what was last announced before that moment."""
        for known in (*self.own.values(), *self.shared.values()):
            for number in [number for number, entry in known.items() if entry.at < before]:
                del known[number]
        self._compile_again()

    def keep(self, sessions: Mapping[int, int], exporter: Callable[[bytes], bool]) -> None:
        """Keep the templates of these sessions, by their old numbers, under the new ones, and of exporters that are to be kept."""
        self.own = {sessions[old]: known for old, known in self.own.items() if old in sessions}
        self.shared = {stream: known for stream, known in self.shared.items() if exporter(stream.exporter)}
        self._compile_again()

    def _compile_again(self) -> None:
        self.own = {session: known for session, known in self.own.items() if known}
        self.shared = {stream: known for stream, known in self.shared.items() if known}
        entries = [entry for known in (*self.own.values(), *self.shared.values()) for entry in known.values()]
        self.count = len(entries)
        self.plans, self.numbers, self.options = Plans(), {}, np.zeros(1, bool)
        for entry in entries:
            entry.plan = self._plan(entry.template)
        self.stale = self.changed = True

    def refresh(self, streams: Mapping[int, Stream]) -> None:
        """Make the kernels' index anew when something changed. ``streams``: every session's."""
        if not self.stale:
            return
        entries = {}
        for session, stream in streams.items():
            for number, entry in (self.shared.get(stream, {}) | self.own.get(session, {})).items():
                entries[session << 16 | number] = entry.plan
        self.index, self.stale = Index(entries), False

    def dump(self) -> Iterator[dict[str, object]]:
        """Every template that is worth keeping over a restart, as plain objects."""
        for stream, known in self.shared.items():
            for entry in known.values():
                yield {
                    "exporter": stream.exporter.hex(), "version": stream.version, "domain": stream.domain, "at": entry.at,
                    "number": entry.template.number, "fields": [list(one) for one in entry.template.fields],
                    "scope": entry.template.scope, "options": entry.template.options,
                }  # fmt: skip

    def load(self, rows: Iterator[dict[str, object]]) -> None:
        """Take back what ``dump`` gave; raises KeyError, TypeError or ValueError on anything else."""
        for row in rows:
            stream = Stream(bytes.fromhex(str(row["exporter"])), int(str(row["version"])), int(str(row["domain"])))
            listed = row["fields"]
            if not isinstance(listed, list) or len(self.plans.heads) >= MOST_PLANS:
                raise ValueError("no list of fields, or too many templates")
            fields = tuple(Field(int(one[0]), int(one[1]), int(one[2])) for one in listed)
            number, scope = int(str(row["number"])), int(str(row["scope"]))
            template = Template(number, stream.version, fields, scope, bool(row["options"]))
            self.shared.setdefault(stream, {})[number] = Entry(template, self._plan(template), int(str(row["at"])))
        self.stale = True


class Held:
    """Sets that arrived before their template, by session and number: kept for a minute, up to 4 MB and 4,096 sets."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[int, int], list[Waiting]] = {}
        self.size = self.count = 0
        self.swept = 0  # ms

    def full(self, at: int) -> bool:
        """Whether there is no room, also not for want of forgetting; that is looked at once a second."""
        if self._roomy:
            return False
        if abs(at - self.swept) >= 1000:
            self.swept = at
            for key in [*self.waiting]:
                for one in self.take(*key, at):
                    self.keep(one)
        return not self._roomy

    @property
    def _roomy(self) -> bool:
        return self.size <= MOST_HELD - 65535 and self.count < MOST_HELD_SETS

    def keep(self, one: Waiting) -> None:
        if len(one.datagram) <= 65535:
            self.waiting.setdefault((one.session, one.number), []).append(one)
            self.size += len(one.datagram)
            self.count += 1

    def take(self, session: int, number: int, at: int) -> list[Waiting]:
        """What waits for that template and is not too old."""
        found = self.waiting.pop((session, number), [])
        self.size -= sum(len(one.datagram) for one in found)
        self.count -= len(found)
        return [one for one in found if abs(at - one.at) <= PATIENCE_MS]

    def clear(self) -> None:
        self.waiting.clear()
        self.size = self.count = 0


class Allowance:
    """Work that rare things may cause, in steps of some 10 µs: a store that fills up again with time.

    Each kind of sender has one of its own, so that nobody made up can take time from those who count.
    """

    def __init__(self, most: int, a_second: int) -> None:
        self.most, self.a_second = most, a_second
        self.left, self.at = float(most), 0

    def fill(self, at: int) -> None:
        """``at`` is now in ms; 0 where that is not known, as in files."""
        passed = at - self.at if 0 < self.at <= at else 1_000_000
        self.left, self.at = min(self.most, self.left + passed * self.a_second / 1000), at

    def take(self, cost: int) -> bool:
        """Whether there is still something left; then it is taken, and may fall below nothing once."""
        if self.left <= 0:
            return False
        self.left -= cost
        return True
