"""Which templates are known, of whom, since when; and sets that wait for theirs."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders.index import Index
from tipstaff.sensors.traffic.decoders.templates import Field, Plans, Template

LIFETIME_MS = 24 * 3_600_000  # a template not refreshed for so long is forgotten (RFC 7011, 8.4)
MOST_OF_SESSION, MOST_PLANS = 1024, 4096
PATIENCE_MS, MOST_HELD = 60_000, 4_000_000


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
    at: int
    datagram: bytes


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

    def find(self, session: int, stream: Stream, number: int) -> Entry | None:
        """The session's own template, else the one that its exporter announced from another port."""
        return self.own.get(session, {}).get(number) or self.shared.get(stream, {}).get(number)

    def would_change(self, session: int, stream: Stream, template: Template) -> bool:
        """Whether a different template of that number is in use by that session."""
        entry = self.find(session, stream, template.number)
        return entry is not None and entry.template != template

    def learn(self, session: int, stream: Stream, template: Template, at: int) -> bool:
        """Take in a template; False when there are too many already."""
        mine = self.own.setdefault(session, {})
        entry = mine.get(template.number)
        if entry is not None and entry.template == template:
            entry.at = at
            return True
        if (entry is None and len(mine) >= MOST_OF_SESSION) or len(self.plans.heads) >= MOST_PLANS:
            return False
        mine[template.number] = Entry(template, self._plan(template), at)
        self.shared.setdefault(stream, {})[template.number] = mine[template.number]
        self.stale = self.changed = True
        return True

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

    def forget(self, *, before: int, keep: frozenset[int] | None = None) -> None:
        """Forget what was last announced before that moment, and, where ``keep`` is given, other sessions' templates."""
        for session, known in [*self.own.items()]:
            gone = [n for n, entry in known.items() if entry.at < before or (keep is not None and session not in keep)]
            for number in gone:
                del known[number]
        for shared in self.shared.values():
            for number in [n for n, entry in shared.items() if entry.at < before]:
                del shared[number]
        self._compile_again()

    def _compile_again(self) -> None:
        entries = [entry for known in (*self.own.values(), *self.shared.values()) for entry in known.values()]
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
    """Sets that arrived before their template: kept for a minute, up to 4 MB."""

    def __init__(self) -> None:
        self.waiting: deque[Waiting] = deque()
        self.size = 0

    def keep(self, one: Waiting) -> None:
        if self.size + len(one.datagram) > MOST_HELD or len(one.datagram) > 65535:
            return
        self.waiting.append(one)
        self.size += len(one.datagram)

    def take(self, now: int) -> list[Waiting]:
        """Everything that is not too old; the store is empty then."""
        found = [one for one in self.waiting if now - one.at <= PATIENCE_MS]
        self.waiting.clear()
        self.size = 0
        return found
