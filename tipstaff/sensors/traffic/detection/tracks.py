"""Subjects that the detection follows second by second, and what their seconds say. See ``counting.follow`` for how they fill."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address

import numpy as np
from numba import float64, int64, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic import series
from tipstaff.sensors.traffic.decoders.loads import kernel
from tipstaff.sensors.traffic.detection.findings import Subject

HOST, SUM = 0, 1
LEVELS = {"address": "host", "prefix": "prefix", "customer": "customer"}  # by kind of subject
JUDGED = 8  # the metrics that have limits: the first of a track's
FIRED, BEGAN, LAST_OVER, PEAK, MEAN, SAMPLES, NOISE = range(7)  # what ``weigh`` says of a metric; times in seconds
SURE, SURER = 1.64, 2.33  # one-sided 95 % and 99 % of the normal distribution
COARSEST = 16  # seconds of the longest step in which samples are counted
NOT_TRACKED = np.uint64(~C.TRACKED & (1 << 64) - 1)


@dataclass(slots=True, eq=False)  # hundreds are made in a second; nobody writes into one that is followed
class Track:
    """Who is followed: the row of which table, its subject in words and numbers, and since when."""

    slot: int
    table: int
    row: int
    end: int
    subject: Subject
    version: int
    address: int
    length: int
    customer: int
    since: int

    @property
    def direction(self) -> str:
        return "in" if self.end else "out"

    @property
    def level(self) -> str:
        return LEVELS[self.subject.kind]


@dataclass
class Tracks:
    """At most as many as the ring has room for; ``refused`` counts those that found none."""

    hosts: C.Hosts
    by_row: dict[tuple[int, int], Track] = field(default_factory=dict)
    by_subject: dict[tuple[str, str, str], Track] = field(default_factory=dict)  # by direction, kind and value
    free: list[int] = field(default_factory=list)
    refused: int = 0
    top: int = 0
    fresh: list[Track] = field(default_factory=list)  # whose limits nobody has asked for yet
    second: int = 0  # up to which seconds are told

    def __post_init__(self) -> None:
        room = self.hosts.ring.shape[1]
        self.free = list(range(room - 1, -1, -1))
        self.at: list[Track | None] = [None] * room
        #: By slot: which table its row is of, -1 for none; since when; its greatest second by metric; all bytes, packets, samples.
        self.table: NDArray[np.int8] = np.full(room, -1, np.int8)
        self.since: NDArray[np.int64] = np.zeros(room, np.int64)
        self.last_hot: NDArray[np.int64] = np.zeros(room, np.int64)  # when each was last near a limit
        #: By slot, for whom sums ask: direction, customer, and the key of the network that it is or lies in; 0 for a customer.
        self.end, self.customer = np.zeros(room, np.int8), np.zeros(room, np.int64)
        self.network: NDArray[np.uint64] = np.zeros(room, np.uint64)
        self.greatest, self.totals = np.zeros((room, JUDGED)), np.zeros((room, 3))
        #: By slot and metric, the sums of the last SHORTLY and LONG seconds.
        self.shortly, self.long = np.zeros((room, JUDGED)), np.zeros((room, JUDGED))
        self.unrolled: NDArray[np.int64] = np.full(room, -1, np.int64)  # the second for which each was unrolled

    def start(self, table: int, rows: NDArray[np.int64], customers: NDArray[np.int64], second: int) -> list[Track]:
        """Follow rows that nobody follows from now on, as far as there is room; who that is."""
        count = min(len(rows), len(self.free))
        self.refused += len(rows) - count
        if not count:
            return []
        rows, slots = rows[:count], np.array(self.free[: -count - 1 : -1])
        del self.free[-count:]
        held = self.rows(table)
        keys, sixes = held[rows, C.KEY].tolist(), self.hosts.table.six[rows].tolist() if table == HOST else [(0, 0)] * count
        begin(self.hosts.series, held, rows, slots)
        started = []
        for slot, row, key, six, customer in zip(
            slots.tolist(), rows.tolist(), keys, sixes, customers[:count].tolist(), strict=True
        ):
            subject, version, address, length = subject_of(key, six)
            track = Track(slot, table, row, key & 1, subject, version, address, length, customer, second)
            self.by_row[table, row] = self.by_subject["in" if key & 1 else "out", subject.kind, subject.value] = track
            self.at[slot] = track
            started.append(track)
        self.top = max(self.top, int(slots.max()) + 1)
        self.table[slots], self.since[slots], self.last_hot[slots], self.unrolled[slots] = table, second, second, -1
        self.end[slots], self.customer[slots] = [one.end for one in started], [one.customer for one in started]
        self.network[slots] = np.array([network_of(one) for one in started], np.uint64)
        self.fresh += started
        return started

    def release(self, tracks: Sequence[Track]) -> None:
        """Follow these no longer; their places are given out again in this order."""
        for track in reversed(tracks):
            del self.by_row[track.table, track.row]
            self.by_subject.pop((track.direction, track.subject.kind, track.subject.value), None)
            self.free.append(track.slot)
            self.at[track.slot] = None
        for table in (HOST, SUM):
            self.rows(table)[[one.row for one in tracks if one.table == table], C.MOMENT] &= NOT_TRACKED
        slots = [one.slot for one in tracks]
        self.table[slots], self.greatest[slots] = -1, 0

    def key_of(self, table: int, row: int) -> tuple[int, Sequence[int]]:
        """A row's key, and the halves of its address where that is one of IPv6."""
        key = int(self.rows(table)[row, C.KEY])
        return key, self.hosts.table.six[row].tolist() if key >> 63 and table == HOST else (0, 0)

    def parts(self, outer: Track) -> list[Track]:
        """Those that are part of a sum, in its direction."""
        if outer.level == "customer":
            found = (self.customer == outer.customer) & (self.network != 0)
        else:
            found = (self.network == network_of(outer)) & (self.table == HOST)
        slots = np.flatnonzero(found & (self.end == outer.end) & (self.table >= 0)).tolist()
        return [track for slot in slots if (track := self.at[slot]) is not None]

    def around(self, host: Track) -> list[Track]:
        """The network that a host lies in, where it is followed in that direction."""
        found = (self.network == network_of(host)) & (self.table == SUM) & (self.end == host.end)
        return [track for slot in np.flatnonzero(found).tolist() if (track := self.at[slot]) is not None]

    def rows(self, table: int) -> NDArray[np.uint64]:
        return self.hosts.sums.rows if table else self.hosts.table.rows

    def turn(self, second: int) -> None:
        """``second`` begins; seconds that nobody was told of have passed as well."""
        for passed in range(max(self.second + 1, second - C.LENGTH + 1), second):
            series.turn(self.hosts.series, self.top, passed)
        if second > self.second:
            series.sum_up(
                self.hosts.series, self.table[: self.top] >= 0, second, self.greatest, self.totals, self.shortly, self.long
            )
        self.second = second

    def seconds(self, slot: int) -> NDArray[np.float32]:
        """A track's seconds by place and metric."""
        self.unroll(np.array([slot]))
        seconds: NDArray[np.float32] = self.hosts.series.seconds[slot]
        return seconds

    def unroll(self, slots: NDArray[np.int64]) -> None:
        """Make the seconds of these tracks readable, where they are not."""
        slots = slots[self.unrolled[slots] != self.second]
        if len(slots):
            series.unroll(self.hosts.series, slots, self.second)
            self.unrolled[slots] = self.second

    def series(self, track: Track, metric: int, second: int, scale: float) -> list[tuple[float, float]]:
        """What the ring holds up to but not including ``second``: (time, value), from the first value on."""
        times = np.arange(second - C.LENGTH + 2, second)
        values = self.seconds(track.slot)[times % C.LENGTH, metric] * scale
        first = int(np.argmax(values > 0))
        return [(float(at), round(float(value), 1)) for at, value in zip(times[first:], values[first:], strict=True)]


def network_of(track: Track) -> int:
    """A number for the /24 or /48 that a track is or lies in; 0 for a customer."""
    if not track.length:
        return 0
    return C.NETWORK_4 | track.address >> 8 if track.version == 4 else C.NETWORK_6 | track.address >> 80


def place_of(key: int, six: Sequence[int]) -> tuple[int, int, int]:
    """Family, first address and prefix length of whom a row's key stands for; zeros for a customer."""
    if key >> 63:
        return 6, six[0] << 64 | six[1], 128
    whole, tag = key >> 1 & (1 << 59) - 1, key >> 60
    if tag == 1:
        return 4, whole << 8, 24
    if tag == 2:
        return 6, whole << 80, 48
    return (0, 0, 0) if tag == 3 else (4, whole & 0xFFFFFFFF, 32)


def level_of(key: int) -> str:
    """host, prefix or customer."""
    return "host" if key >> 63 or key >> 60 == 0 else "customer" if key >> 60 == 3 else "prefix"


def subject_of(key: int, six: Sequence[int]) -> tuple[Subject, int, int, int]:
    """The subject that a row's key stands for: in words; then as ``place_of``."""
    version, address, length = place_of(key, six)
    if length in (24, 48):
        network = four_text(address) if version == 4 else str(IPv6Address(address))
        return Subject("prefix", f"{network}/{length}"), version, address, length
    if length:
        return Subject("address", four_text(address) if version == 4 else str(IPv6Address(address))), version, address, length
    return Subject("customer", str(key >> 1 & (1 << 59) - 1)), version, address, length


def four_text(address: int) -> str:
    """An IPv4 address as text; hundreds begin to be followed in a second, and ``ipaddress`` takes its time."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


@kernel
def begin(tracks, rows, followed, slots):
    """Tracks begin: no rates yet (their seconds are written when somebody asks), and each row names its slot."""
    for n in range(len(slots)):
        slot = slots[n]
        tracks.steps[slot] = 0
        tracks.amplified[slot] = 0
        tracks.base[slot] = 0
        rows[followed[n], C.MOMENT] |= uint64(slot + 1) << uint64(C.TRACK_BIT)


@kernel
def coarsely(ring, slot, metric, second, limit, grain, span, earliest):
    """How many of the last seconds tell that a sampled rate is over its limit with 99 % certainty; 0 where none do.

    As for single seconds, ``span`` steps in a row must be over, and all but the greatest together, but for what sampling may
    hide: a short burst is no flood.
    """
    step = int64(2)
    while step <= COARSEST and span * step <= C.LENGTH - 2 and second - span * step >= earliest:
        least = limit * step
        least = max(0.0, least - 2 * np.sqrt(least * grain))
        rest = limit * step * (span - 1)
        rest = max(0.0, rest - 2 * np.sqrt(rest * grain))
        whole, greatest, lasted = float64(0), float64(0), True
        for part in range(span):
            held = float64(0)
            for moment in range(second - (part + 1) * step, second - part * step):
                held += float64(ring[slot, moment & C.LAST_PLACE, metric])
            whole += held
            greatest = max(greatest, held)
            if held < least or held == 0:
                lasted = False
                break
        width = span * step
        if lasted and whole - greatest >= rest and whole / width - SURER * np.sqrt(whole * grain) / width >= limit:
            return int64(width)
        step *= 2
    return int64(0)


@kernel
def weigh(ring, slots, second, limits, lasting, seconds, earliest, out):
    """Look at each slot's seconds before ``second``: ``out[n, metric]`` as FIRED … NOISE.

    A metric fires where it was at or above its limit for ``seconds[n]`` seconds in a row, by its mean with 95 % certainty, and
    each second but for what sampling alone may hide. The noise of a sampled figure is that of a Poisson count: the square root
    of the packets seen (Duffield, Lund & Thorup 2003). ``limits`` are in the ring's units a second, ``lasting`` those above
    which it goes on; what is older than ``earliest`` was judged before. ``ring``: seconds by slot, place and metric.
    """
    length = C.LENGTH
    for n in range(len(slots)):
        slot, span = slots[n], seconds[n]
        packets, seen, octets = float64(0), float64(0), float64(0)
        out[n] = 0
        for moment in range(second - length + 2, second):
            place = moment & C.LAST_PLACE
            packets += ring[slot, place, 1]
            octets += ring[slot, place, 0]
            seen += ring[slot, place, 8]
            for metric in range(8):
                if ring[slot, place, metric] > out[n, metric, 3]:
                    out[n, metric, 3] = ring[slot, place, metric]
        sampled = seen > 0 and packets > 1.01 * seen
        for metric in range(8):
            limit = limits[n, metric]
            fired, began, last, peak, total, over = int64(0), int64(0), int64(0), float64(0), float64(0), int64(0)
            grain = float64(0)
            if sampled:
                grain = octets / seen if metric == 0 or metric == 6 else packets / seen
            floor = max(0.0, limit - 2 * np.sqrt(limit * grain))
            if out[n, metric, 3] < floor or out[n, metric, 3] == 0:  # no second of it may count: most metrics of most tracks
                out[n, metric, 3] = 0.0
                continue
            run, window = int64(0), float64(0)
            for moment in range(max(second - length + 2, earliest[n, metric]), second):
                value = float64(ring[slot, moment & C.LAST_PLACE, metric])
                run = run + 1 if value >= floor and value > 0 else int64(0)
                window = window + value if run else float64(0)
                if run > span:
                    window -= float64(ring[slot, (moment - span) & C.LAST_PLACE, metric])
                if value >= lasting[n, metric] and value > 0:
                    last = int64(moment)
                if run >= span and window / span - SURE * np.sqrt(window * grain) / span >= limit:
                    if not fired:
                        fired, began = int64(1), int64(moment) - span + 1
                if fired and value > peak:
                    peak = value
            if sampled and not fired:
                width = coarsely(ring, slot, metric, second, limit, grain, span, earliest[n, metric])
                if width:
                    fired, began, peak = int64(1), int64(second) - width, out[n, metric, 3]
                    last = max(last, began)
            if fired:
                for moment in range(began, last + 1):
                    total += float64(ring[slot, moment & C.LAST_PLACE, metric])
                    over += 1
            out[n, metric, 0], out[n, metric, 1], out[n, metric, 2] = fired, began, last
            out[n, metric, 3] = peak
            out[n, metric, 4] = total / over if over else 0.0
            out[n, metric, 5] = total / grain if grain > 0 else 0.0
            out[n, metric, 6] = np.sqrt(limit * grain / span) if grain > 0 else 0.0
