"""From rows of contacts that reached a mark to sightings. Pure but for the rows it reads."""

from collections.abc import Callable, Container, Iterator
from types import ModuleType

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.loads import inlined, kernel
from tipstaff.sensors.traffic.detection import contacts as K
from tipstaff.sensors.traffic.detection.detectors import brute_force, horizontal_scan, mail_burst, vertical_scan
from tipstaff.sensors.traffic.detection.detectors.fans import ANSWERED, LEAST_SAMPLED, Fan, Judged, Window, linear
from tipstaff.sensors.traffic.detection.findings import Limit, Subject
from tipstaff.sensors.traffic.detection.sightings import Aim, Flows, Mask, Sighting, in_turn
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.tracks import subject_of

DETECTORS: tuple[ModuleType, ...] = (horizontal_scan, vertical_scan, brute_force, mail_burst)
WATCHED_FOR = 60  # seconds
MOST_LOOKED = 1000  # rows of a concern in one second
QUIET = 300  # seconds without a contact over the limit after which a finding ends
#: How many distinct ones so many bits stand for.
PEERS, PORTS = (np.array([linear(bits, count) for count in range(bits + 1)]) for bits in (K.PEER_BITS, K.PORT_BITS))
Open = Container[tuple[str, str, str, str]]


def fan_of(fans: K.Fans, row: int, concern: int, second: int) -> Fan:
    """A row's windows in numbers."""
    K.age(fans.rows, row, second)
    distinct, short, long, answered, about = (
        int(fans.rows[row, word]) for word in (K.DISTINCT, K.SHORT, K.LONG, K.ANSWERED, K.ABOUT)
    )
    windows = tuple(
        Window(
            linear(K.PEER_BITS, distinct >> 16 * number & 0xFFFF),
            linear(K.PORT_BITS, distinct >> (32 + 16 * number) & 0xFFFF),
            (count & K.LOW) + (count >> 32),
            (answered >> 32 * number & 0xFFFF) + (answered >> (32 * number + 16) & 0xFFFF),
        )
        for number, count in enumerate((short, long))
    )
    direction = "in" if int(fans.rows[row, K.KEY]) & 1 else "out"
    name = K.CONCERNS[concern]
    return Fan(direction, name, (windows[0], windows[1]), about & 0xFFFFFFFF, about >> 32 & 0xFFFF, about >> 48 & 0xFF)


@kernel
def age_rows(rows, places, second):
    """Give the windows of all these rows their turn, see ``contacts.age``."""
    for place in places:
        K.age(rows, place, second)


def may_be_over(
    fans: K.Fans, places: NDArray[np.int64], least: NDArray[np.float64], concern: int, release: float
) -> NDArray[np.bool_]:
    """Which rows a detector could find over a limit, if everybody had the least that anybody has: nearly all are far below.

    The detectors' own conditions in their widest form; see ``fans.first_over``, ``fans.unanswered`` and ``brute_force.judge``.
    """
    found = np.zeros(len(places), np.bool_)
    judge_rows(fans.rows, places, least, concern, release, PEERS, PORTS, found)
    return found


@kernel
def judge_rows(rows, places, least, concern, release, peers, ports, found):
    """See ``may_be_over``."""
    for n in range(len(places)):
        row = rows[places[n]]
        inward, distinct = int64(row[K.KEY] & uint64(1)), row[K.DISTINCT]
        rate = max(float(row[K.ABOUT] & uint64(K.LOW)), 1.0)
        for window in range(2):
            count, told, limit = row[K.SHORT + window], row[K.ANSWERED] >> uint64(32 * window), least[inward, window]
            attempts = float((count & uint64(K.LOW)) + (count >> uint64(32)))
            answered = float((told & uint64(0xFFFF)) + (told >> uint64(16) & uint64(0xFFFF)))
            if concern == K.LOGIN:
                followed = attempts * brute_force.FOLLOWED <= answered <= attempts * brute_force.LONGEST
                if (rate <= 1 or followed) and surely(attempts, rate, attempts * rate) >= limit:
                    found[n] = True
                continue
            if concern == K.PROBE and attempts < ANSWERED * release * (attempts + 2 * answered):
                continue
            if inward == 0:  # by how many strangers one of ours was tried says nothing
                bits = int64(distinct >> uint64(16 * window) & uint64(0xFFFF))
                if at_most(peers[min(bits, len(peers) - 1)], attempts, rate) >= limit:
                    found[n] = True
            bits = int64(distinct >> uint64(32 + 16 * window) & uint64(0xFFFF))
            if at_most(ports[min(bits, len(ports) - 1)], attempts, rate) >= limit:
                found[n] = True


@inlined
def at_most(seen, attempts, rate):
    """The most distinct ones that so many seen in so many attempts may stand for."""
    repeated = max(attempts - seen, 0.0)
    probable = min(attempts * attempts / (2 * (repeated + 1.64 * np.sqrt(repeated) + 2.7)), seen * rate)
    return surely(seen, rate, seen if rate <= 1 else max(seen, probable))


@inlined
def surely(seen, rate, least):
    """The most that ``fans.over`` may take a count for: enough samples must have been seen, and what noise may add is taken off."""
    if rate <= 1:
        return least
    certain = seen * rate * (1 - 1.64 / np.sqrt(max(seen, 1.0)))
    return min(least, certain) if seen >= LEAST_SAMPLED else 0.0


def sightings(
    contacts: K.Contacts, thresholds: Thresholds, open_keys: Open, second: int, watch: Callable[[int, tuple[int, int]], None]
) -> Iterator[Sighting]:
    """Look at every row that reached a mark since the last time. ``watch`` is told whose answers to count.

    Who asks may stop at any time: concerns take turns, and so do the rows of each, from where it was stopped the last time.
    """
    waiting = []
    for concern, fans in enumerate(contacts.fans):
        count = min(int(fans.hot_count[0]), len(fans.hot))
        fans.hot_count[0] = 0
        places = np.unique(fans.hot[:count])
        age_rows(fans.rows, places, second)
        if concern == K.PROBE:
            _watch(contacts, fans, places, second, watch)
        places = places[may_be_over(fans, places, contacts.least[concern], concern, contacts.release)]
        turn = int(np.searchsorted(places, contacts.told[concern], "right"))
        rows = np.roll(places, -turn)[:MOST_LOOKED].tolist()
        waiting.append(_of_concern(contacts, concern, rows, thresholds, open_keys, second))
    yield from in_turn(waiting)


def _of_concern(
    contacts: K.Contacts, concern: int, rows: list[int], thresholds: Thresholds, open_keys: Open, second: int
) -> Iterator[Sighting]:
    fans = contacts.fans[concern]
    for row in rows:
        contacts.told[concern] = row
        key, six = int(fans.rows[row, K.KEY]), (int(fans.six[row, 0]), int(fans.six[row, 1]))
        subject, version, address, length = subject_of(key, six)
        last = int(fans.rows[row, K.LAST])
        customer = int(np.uint32(last >> 32).astype(np.int32)) if last >> 32 else 0
        applied = thresholds.applied(version, address, length, customer)
        fan = fan_of(fans, row, concern, second)
        aim = Aim(version, address, length, customer, key & 1, keep_of(concern))
        for detector in DETECTORS:
            if fan.concern in detector.CONCERNS:
                was = (detector.NAME, fan.direction, subject.kind, subject.value) in open_keys
                judged = detector.judge(fan, applied, applied["timing.release"] if was else 1.0)
                if judged is not None:
                    yield _sighting(detector, fan, judged, applied, subject, customer, second, aim)


def _watch(
    contacts: K.Contacts, fans: K.Fans, places: NDArray[np.int64], second: int, watch: Callable[[int, tuple[int, int]], None]
) -> None:
    """Have the answers to these hosts counted; again after a minute, as a host's row of counters is given away after two."""
    watched = contacts.watched
    if len(watched) > len(fans.rows):
        watched.clear()
    for key, hi, lo in zip(fans.rows[places, K.KEY].tolist(), *fans.six[places].T.tolist(), strict=True):
        if not 0 <= second - watched.get((key, hi, lo), 0) < WATCHED_FOR:
            watched[key, hi, lo] = second
            watch(key, (hi, lo))


def _sighting(
    detector: ModuleType, fan: Fan, judged: Judged, applied: Applied, subject: Subject, customer: int, second: int, aim: Aim
) -> Sighting:
    sampled = fan.rate > 1
    confidence = 0.95 if not sampled else round(min(0.95, 0.5 + 0.5 * (1 - 1 / max(judged.seen, 1) ** 0.5)), 3)
    why = f"{judged.seen:.0f} seen at 1 in {fan.rate}" if sampled else "distinct ones are estimated within some 5 %"
    if not fan.rate:
        confidence, why = 0.8, "the exporter states no sampling rate: it may be more"
    unit = {"fan_out": "addresses", "ports": "ports", "attempts": "attempts"}[judged.figure]
    limit = Limit(judged.figure, judged.limit_value, unit, applied.label(judged.limit), applied.why(judged.limit), 0.0)
    words = f"{subject.value} {judged.words}; the limit is {judged.limit_value:.0f} {unit} ({limit.applied})."
    kind = detector.KIND + ("_victim" if fan.direction == "in" else "")
    return Sighting(
        detector.NAME, kind, fan.direction, subject, customer, second - 1, second - 1, judged.figures, limit, fan.rate, confidence,
        why, words, aim, QUIET,
    )  # fmt: skip


def keep_of(concern: int) -> Callable[[Flows], Mask]:
    """Which flows belong to a concern."""
    if concern == K.PROBE:
        return lambda flows: (flows.narrow[L.PROTOCOL] == 6) & (flows.narrow[L.TCP_FLAGS] & 0x12 == 2)
    if concern == K.SWEEP:
        return lambda flows: flows.narrow[L.PROTOCOL] != 6
    ports = brute_force.PORTS if concern == K.LOGIN else mail_burst.PORTS
    return lambda flows: (flows.narrow[L.PROTOCOL] == 6) & np.isin(flows.narrow[L.DST_PORT], ports)


#: Per concern and direction the limits of the short and of the long window that a detector compares with what a row counts.
LIMITS = {
    K.PROBE: (("scan.out.peers", "scan.out.ports"), ("scan.in.ports",)), K.SWEEP: (("scan.out.swept",), ()),
    K.LOGIN: (("login.out.attempts",), ("login.in.attempts",)), K.MAIL: (("mail.out.peers",), ()),
}  # fmt: skip


def mark(contacts: K.Contacts, thresholds: Thresholds) -> None:
    """From which counts on rows are looked at: half of the least limit that anybody has, so that open findings stay in view."""
    release = contacts.release = min(thresholds.least("timing.release"), 1.0)
    for concern, ways in LIMITS.items():
        for end, names in enumerate(ways):
            for window, length in enumerate(("minute", "hour")):
                least = min((thresholds.least(f"{name}_{length}") for name in names), default=np.inf)
                contacts.least[concern, end, window] = least * release
                contacts.marks[concern, end, window] = max(1, int(min(least / 2, 1 << 40)))
            of = K.OF_ATTEMPTS if concern == K.LOGIN else K.OF_PORTS if end else K.OF_BOTH
            contacts.marks[concern, end, K.MARK_OF] = of


def port_marks() -> np.ndarray:
    """What each port says of a flow; see ``counting``."""
    from tipstaff.sensors.traffic.detection.detectors import amplification

    ports = np.zeros(65536, np.uint8)
    ports[list(brute_force.PORTS)] |= C.PORT_LOGIN
    ports[list(mail_burst.PORTS)] |= C.PORT_MAIL
    ports[list(amplification.PORTS)] |= C.PORT_AMPLIFIER
    ports[[443, 500, 1194, 4500, 51820]] |= C.PORT_SERVICE  # QUIC, IPsec, OpenVPN, WireGuard
    probed = set(amplification.PORTS) - {53, 123, 5353} | {5060, 623, 1434, 47808}
    ports[sorted(probed)] |= C.PORT_PROBED
    return ports
