"""From rows of contacts that reached a mark to sightings. Pure but for the rows it reads."""

from collections.abc import Callable, Container, Iterator
from types import ModuleType

import numpy as np

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection import contacts as K
from tipstaff.sensors.traffic.detection.detectors import brute_force, horizontal_scan, mail_burst, vertical_scan
from tipstaff.sensors.traffic.detection.detectors.fans import Fan, Judged, Window, linear
from tipstaff.sensors.traffic.detection.findings import Limit, Subject
from tipstaff.sensors.traffic.detection.sightings import Aim, Flows, Mask, Sighting
from tipstaff.sensors.traffic.detection.thresholds import Applied, Thresholds
from tipstaff.sensors.traffic.detection.tracks import subject_of

DETECTORS: tuple[ModuleType, ...] = (horizontal_scan, vertical_scan, brute_force, mail_burst)
QUIET = 300  # seconds without a contact over the limit after which a finding ends
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


def sightings(
    contacts: K.Contacts, thresholds: Thresholds, open_keys: Open, second: int, watch: Callable[[int, tuple[int, int]], None]
) -> Iterator[Sighting]:
    """Look at every row that reached a mark since the last time. ``watch`` is told whose answers to count."""
    for concern, fans in enumerate(contacts.fans):
        count = min(int(fans.hot_count[0]), len(fans.hot))
        fans.hot_count[0] = 0
        for row in np.unique(fans.hot[:count]).tolist():
            key, six = int(fans.rows[row, K.KEY]), (int(fans.six[row, 0]), int(fans.six[row, 1]))
            if concern == K.PROBE:
                watch(key, six)
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


def mark(contacts: K.Contacts, thresholds: Thresholds) -> None:
    """From which counts on rows are looked at: half of the least limit that anybody has, so that open findings stay in view."""

    def half(*names: str) -> int:
        return max(1, int(min(min(thresholds.least(name) for name in names) / 2, 1 << 40)))

    marks = contacts.marks
    marks[K.PROBE] = half("scan.out.peers_minute", "scan.out.ports_minute"), half("scan.out.peers_hour", "scan.out.ports_hour"), 0
    marks[K.SWEEP] = half("scan.out.swept_minute"), half("scan.out.swept_hour"), 0
    marks[K.LOGIN] = half("login.out.attempts_minute"), half("login.out.attempts_hour"), 1
    marks[K.MAIL] = half("mail.out.peers_minute"), half("mail.out.peers_hour"), 0


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
