"""One packet in how many: every way exporters say it, and which word counts where several were said.

A rate is said by an options record for a sampler, an interface or a whole observation domain, in an element of its
own: the interval itself (34, 50), interval and space (305, 306: RFC 5477, 8.2.4), size and population (309, 310: 8.2.7),
or a probability (311: 8.2.8). Options may come on another source id than the records they speak of.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

from tipstaff.sensors.traffic.decoders.templates import VARIABLE, Template

SAMPLER_IDS = (48, 302)
INTERFACES = (-3, 10)  # the scope "interface" of NetFlow 9 (RFC 3954, 6.1), ingressInterface of IPFIX
MOST = 0xFFFFFFFF
LATEST = 1 << 48  # ms since 1970


class Told(NamedTuple):
    """A rate and by which element it was told."""

    rate: int
    source: str


#: Who is meant: an exporter's sampler in an observation domain; sampler None for the whole domain, below 0 for one interface.
Scope = tuple[int, int | None]
MOST_SCOPES, MOST_IN_ALL = 4096, 65_536  # an exporter that counts for nothing has room for a sixteenth of them


def read_records(template: Template, body: bytes) -> Iterable[dict[int, bytes]]:
    """The records of an options set as element → bytes; scope fields of NetFlow 9 as -1 - type. Stops at what does not fit."""
    place = 0
    while place + template.least <= len(body):
        record: dict[int, bytes] = {}
        for number, one in enumerate(template.fields):
            size = one.size
            if size == VARIABLE:
                size, place = _variable(body, place)
            if place + size > len(body):
                return
            element = -1 - one.number if number < template.scope and template.version == 9 else one.number
            if not one.enterprise:
                record.setdefault(element, body[place : place + size])
            place += size
        yield record


def _variable(body: bytes, place: int) -> tuple[int, int]:
    """Length of a variable field and where it begins; longer than all where it is cut short."""
    if place >= len(body):
        return len(body) + 1, place
    if body[place] < 255:
        return body[place], place + 1
    if place + 3 > len(body):
        return len(body) + 1, place
    return struct.unpack_from(">H", body, place + 1)[0], place + 3


def told_rate(record: Mapping[int, bytes]) -> Told | None:
    """The rate that an options record tells; where it holds several, its selector algorithm (304) says which one counts."""
    value = {element: int.from_bytes(raw, "big") for element, raw in record.items() if 0 < len(raw) <= 8}
    ways = {1: _by_space, 3: _by_population, 4: _by_probability}
    first = ways.pop(value.get(304, 0), None)
    for way in (*filter(None, [first]), *ways.values(), _by_interval):
        if told := way(value, record):
            return told
    return None


def _by_space(value: Mapping[int, int], record: Mapping[int, bytes]) -> Told | None:
    # Without the space (306) between them, a count of packets says nothing about those that were passed over.
    return _told((value[305] + value[306]) / value[305], "305/306") if value.get(305) and 306 in value else None


def _by_population(value: Mapping[int, int], record: Mapping[int, bytes]) -> Told | None:
    return _told(value[310] / value[309], "309/310") if value.get(309) and value.get(310) else None


def _by_probability(value: Mapping[int, int], record: Mapping[int, bytes]) -> Told | None:
    raw = record.get(311, b"")
    if len(raw) not in (4, 8):
        return None
    probability = struct.unpack(">d" if len(raw) == 8 else ">f", raw)[0]
    return _told(1 / probability, "311") if 1e-9 < probability <= 1 else None


def _by_interval(value: Mapping[int, int], record: Mapping[int, bytes]) -> Told | None:
    return next((_told(value[element], str(element)) for element in (34, 50) if value.get(element)), None)


def _told(rate: float, source: str) -> Told | None:
    whole = round(rate)
    return Told(whole, f"options, element {source}") if 1 <= whole <= MOST else None


def sampler_of(record: Mapping[int, bytes]) -> int | None:
    """The sampler that an options record speaks of, an interface as -1 - its index; None when it speaks of the whole exporter."""
    for element in SAMPLER_IDS:
        for key in (element, -1 - element):
            if 0 < len(record.get(key, b"")) <= 8:
                return int.from_bytes(record[key], "big")
    for key in INTERFACES:
        if 0 < len(record.get(key, b"")) <= 4:
            return -1 - int.from_bytes(record[key], "big")
    return None


def _is_named(sampler: int | None) -> TypeGuard[int]:
    """Flow records name samplers; rates of interfaces count only where all agree, since no record says which one applies to it."""
    return sampler is not None and sampler >= 0


def begun_at(template: Template, record: Mapping[int, bytes]) -> int:
    """When an exporter of IPFIX began, in ms since 1970 (160, systemInitTimeMilliseconds); 0 where the record does not tell."""
    raw = record.get(160, b"") if template.version == 10 else b""
    return min(int.from_bytes(raw, "big"), LATEST) if 0 < len(raw) <= 8 else 0


@dataclass(frozen=True)
class InForce:
    """What applies to one observation domain."""

    samplers: dict[int, int]  # sampler → rate
    unnamed: int  # records that name no sampler
    unknown: int  # records that name sampler 0 or one that nobody announced
    source: str


class Samplers:
    """Everything that was told, and what follows from it."""

    def __init__(self) -> None:
        self.told: dict[bytes, dict[Scope, Told]] = {}
        self.count = 0

    def tell(self, exporter: bytes, domain: int, record: Mapping[int, bytes], *, trusted: bool = True) -> bool:
        """Take in an options record; whether anything is different now. There is room for so many scopes."""
        told = told_rate(record)
        if told is None:
            return False
        mine, scope = self.told.setdefault(exporter, {}), (domain, sampler_of(record))
        if mine.get(scope) == told:
            return False
        part = 1 if trusted else 16
        if scope not in mine:
            if len(mine) >= MOST_SCOPES // part or self.count >= MOST_IN_ALL // part:
                return False
            self.count += 1
        mine[scope] = told
        return True

    def keep(self, exporter: Callable[[bytes], bool]) -> None:
        """Forget what all others told."""
        self.told = {one: mine for one, mine in self.told.items() if exporter(one)}
        self.count = sum(len(mine) for mine in self.told.values())

    def in_force(self, exporter: bytes, domain: int, configured: int) -> InForce:
        """Own domain first, then the exporter's other domains, then what the operator configured, then unknown (0)."""
        everywhere = self.told.get(exporter, {})
        samplers = {sampler: told.rate for (_, sampler), told in everywhere.items() if _is_named(sampler)}
        own = {sampler: told for (where, sampler), told in everywhere.items() if where == domain}
        samplers |= {sampler: told.rate for sampler, told in own.items() if _is_named(sampler)}
        whole = own.get(None) or next((told for (_, sampler), told in everywhere.items() if sampler is None), None)
        unknown = whole or (Told(configured, "configured") if configured else None)
        rates = {told.rate for told in own.values()} or {told.rate for told in everywhere.values()}
        single = Told(rates.pop(), next(iter((own or everywhere).values())).source) if len(rates) == 1 else None
        unnamed = whole or single or unknown
        source = unnamed.source if unnamed else f"{len(samplers)} samplers" if samplers else "unknown"
        return InForce(samplers, unnamed.rate if unnamed else 0, unknown.rate if unknown else 0, source)
