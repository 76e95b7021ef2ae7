"""Subjects that the detection follows second by second, and what their seconds say. See ``counting.follow`` for how they fill."""

from dataclasses import dataclass, field
from ipaddress import IPv6Address

import numpy as np
from numba import float64, int64
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
    last_hot: dict[int, int] = field(default_factory=dict)
    fresh: list[Track] = field(default_factory=list)  # whose limits nobody has asked for yet
    second: int = 0  # up to which seconds are told

    def __post_init__(self) -> None:
        room = self.hosts.ring.shape[1]
        self.free = list(range(room - 1, -1, -1))
        self.at: list[Track | None] = [None] * room
        #: By slot: which table its row is of, -1 for none; since when; its greatest second by metric; all bytes, packets, samples.
        self.table: NDArray[np.int8] = np.full(room, -1, np.int8)
        self.since: NDArray[np.int64] = np.zeros(room, np.int64)
        #: By slot, for whom sums ask: direction, customer, and the key of the network that it is or lies in; 0 for a customer.
        self.end, self.customer = np.zeros(room, np.int8), np.zeros(room, np.int64)
        self.network: NDArray[np.uint64] = np.zeros(room, np.uint64)
        self.greatest, self.totals = np.zeros((room, JUDGED)), np.zeros((room, 3))
        #: By slot and metric, the sums of the last SHORTLY and LONG seconds.
        self.shortly, self.long = np.zeros((room, JUDGED)), np.zeros((room, JUDGED))
        self.unrolled: NDArray[np.int64] = np.full(room, -1, np.int64)  # the second for which each was unrolled

    def start(self, table: int, row: int, customer: int, second: int, who: Track | None = None) -> Track | None:
        """Follow a row from now on; None when there is no room. ``who``: what ``known_as`` said of it, where that was asked."""
        known = self.by_row.get((table, row))
        if known is not None:
            self.last_hot[known.slot] = second
            return known
        if not self.free:
            self.refused += 1
            return None
        slot = self.free.pop()
        self.top = max(self.top, slot + 1)
        rows = self.rows(table)
        series.clear(self.hosts.series, slot)
        rows[row, C.MOMENT] |= np.uint64((slot + 1) << C.TRACK_BIT)
        track = who or self.known_as(table, row, customer, second)
        track.slot = slot
        self.by_row[table, row] = self.by_subject[track.direction, track.subject.kind, track.subject.value] = track
        self.last_hot[slot] = second
        self.at[slot], self.table[slot], self.since[slot], self.unrolled[slot] = track, table, second, -1
        self.end[slot], self.customer[slot], self.network[slot] = track.end, track.customer, network_of(track)
        self.fresh.append(track)
        return track

    def known_as(self, table: int, row: int, customer: int, second: int) -> Track:
        """Who a row is about, without a place of its own."""
        key = int(self.rows(table)[row, C.KEY])
        hi, lo = self.hosts.table.six[row].tolist() if key >> 63 and table == HOST else (0, 0)
        subject, version, address, length = subject_of(key, (hi, lo))
        return Track(-1, table, row, key & 1, subject, version, address, length, customer, second)

    def release(self, track: Track) -> None:
        rows = self.rows(track.table)
        rows[track.row, C.MOMENT] &= NOT_TRACKED
        del self.by_row[track.table, track.row], self.last_hot[track.slot]
        self.by_subject.pop((track.direction, track.subject.kind, track.subject.value), None)
        self.free.append(track.slot)
        self.at[track.slot], self.table[track.slot] = None, -1
        self.greatest[track.slot] = 0

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
            series.unroll_some(self.hosts.series, slots, self.second)
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


def subject_of(key: int, six: tuple[int, int]) -> tuple[Subject, int, int, int]:
    """The subject that a row's key stands for: in words; family, first address and prefix length (0 for a customer)."""
    if key >> 63:
        address = six[0] << 64 | six[1]
        return Subject("address", str(IPv6Address(address))), 6, address, 128
    whole, tag = key >> 1 & (1 << 59) - 1, key >> 60
    if tag == 1:
        return Subject("prefix", f"{four_text(whole << 8)}/24"), 4, whole << 8, 24
    if tag == 2:
        return Subject("prefix", f"{IPv6Address(whole << 80)}/48"), 6, whole << 80, 48
    if tag == 3:
        return Subject("customer", str(whole)), 0, 0, 0
    return Subject("address", four_text(whole & 0xFFFFFFFF)), 4, whole & 0xFFFFFFFF, 32


def four_text(address: int) -> str:
    """An IPv4 address as text; hundreds begin to be followed in a second, and ``ipaddress`` takes its time."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


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
