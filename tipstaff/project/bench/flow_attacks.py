"""Labelled attacks in several strengths, for every detector, in IPv4 and IPv6: what each is, and floods. See also ``flow_fans``
and ``flow_standouts``."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.project.bench import flow_day
from tipstaff.project.bench.flow_day import ACK, SYN, Day
from tipstaff.project.bench.flow_stage import Flows, flows, fours
from tipstaff.sensors.traffic.detection.thresholds import Thresholds
from tipstaff.sensors.traffic.records import address_text

STRENGTHS = (1.6, 4.0, 15.0)
LASTING = 40  # seconds of a flood
SURE, SURER = 1.64, 2.4  # deviations: what a detector may ask for, and what an attack must have beyond


@dataclass
class Attack:
    """What happens, to or by whom, and which findings are right. ``crossed``: seconds from its start until its limit is."""

    detector: str
    direction: str
    subject: tuple[str, str]
    strength: float
    lasts: int
    crossed: float
    make: Callable[[int], Flows]
    also: tuple[str, ...] = ()
    visible: bool = True
    kind: str = ""  # what it is, where a detector has several
    start: int = 0


def halves_text(halves: NDArray[np.uint64]) -> str:
    return address_text(int(halves[0]).to_bytes(8, "big") + int(halves[1]).to_bytes(8, "big"))


def seen_for_sure(mean: float, needed: int) -> bool:
    """Whether at least ``needed`` packets are seen with 99 % certainty where ``mean`` are expected (Poisson)."""
    fewer, term = 0.0, math.exp(-mean) if mean < 700 else 0.0
    for count in range(needed):
        fewer += term
        term *= mean / (count + 1)
    return fewer <= 0.01


@dataclass
class Attacks:
    """Makes them on hosts that take no other part; ``rate``: the sampling that they must be visible at."""

    day: Day
    limits: Thresholds
    rate: int = 1
    next_host: int = flow_day.ATTACKERS
    next_net: int = 0

    def host(self, sixth: bool) -> int:
        """A host that no other attack uses."""
        while bool(self.day.has_six[self.next_host]) != sixth:
            self.next_host += 1
        self.next_host += 1
        return self.next_host - 1

    def limit(self, name: str) -> float:
        return self.limits.default.values[name]

    def shown(self, who: int) -> tuple[str, str]:
        """The subject that a host is in findings."""
        return "address", halves_text(self.day.address[who])

    def everything(self, repeats: int) -> Iterator[Attack]:
        """Every kind in every strength, in both families in turn."""
        from tipstaff.project.bench import flow_fans, flow_standouts

        for turn in range(repeats):
            for place, strength in enumerate(STRENGTHS):
                sixth = (turn + place) % 2 == 1
                yield from self._floods(strength, sixth)
                yield from self._carpets(strength, sixth)
                yield from flow_fans.fans(self, place, sixth)
                yield from flow_standouts.standouts(self, place, len(STRENGTHS) * turn + place)

    # Rates.

    def _floods(self, strength: float, sixth: bool) -> Iterator[Attack]:
        general = ("bit_flood", "packet_flood")
        for direction in ("in", "out"):
            yield self._flood("bit_flood", direction, "bps", strength, sixth, 1400, general, protocol=6, flags=ACK)
            yield self._flood("packet_flood", direction, "pps", strength, sixth, 60, general, protocol=6, flags=ACK)
            yield self._flood("syn_flood", direction, "syn_pps", strength, sixth, 60, general, protocol=6, flags=SYN)
            yield self._flood("udp_flood", direction, "udp_pps", strength, sixth, 300, general, protocol=17, flags=0)
            icmp = 58 if sixth else 1
            yield self._flood("icmp_flood", direction, "icmp_pps", strength, sixth, 84, general, protocol=icmp, flags=0, port=0)
            yield self._flood("fragment_flood", direction, "fragment_pps", strength, sixth, 1200, general, protocol=17, flags=0,
                              fragment=1)  # fmt: skip
            more, port = (*general, "udp_flood"), (389, 123, 1900, 11211)[self.next_host % 4]
            yield self._flood(
                "amplification", direction, "amplified_bps", strength, sixth, 1300, more, protocol=17, flags=0, sport=port
            )

    def _flood(
        self, detector: str, direction: str, name: str, strength: float, sixth: bool, size: int, also: tuple[str, ...], *,
        protocol: int, flags: int, port: int = 80, sport: int = 0, fragment: int = 0,
    ) -> Attack:  # fmt: skip
        who = self.host(sixth)
        limit = self.limit(f"host.{direction}.{name}")
        pps = strength * limit / (8 * size if name.endswith("bps") else 1)

        targets = self.day.strangers(self.day.address[np.full(3, who)])  # a flood has its victims, and keeps to them

        def make(at: int) -> Flows:
            count = 150
            packets = self.day.rng.multinomial(round(pps), np.full(count, 1 / count))
            group = np.full(count, who)
            peers = self.day.strangers(self.day.address[group])
            ours = sport if sport else self.day.rng.integers(1024, 65535, count)
            more: dict[str, Any] = {
                "protocol": protocol, "flags": flags, "packets": packets, "octets": packets * size, "fragment": fragment,
                "src_port": ours, "dst_port": port,
            }  # fmt: skip
            return self.day.out(group, targets.repeat(50, 0), **more) if direction == "out" else self.day.into(group, peers, **more)

        limit_pps = limit / (8 * size if name.endswith("bps") else 1)
        kind = {"in": "victim of ", "out": "sender of "}[direction] + detector
        return Attack(detector, direction, self.shown(who), strength, LASTING, 3.0, make, also, self.tells(pps, limit_pps), kind)

    def tells(self, pps: float, limit: float) -> bool:
        """Whether all the samples of a flood can tell the two rates apart, with 99 % certainty to spare."""
        if self.rate <= 1:
            return True
        seen, least = pps * LASTING / self.rate, limit * LASTING / self.rate
        return seen >= 20 and seen - least >= (SURE + SURER) * math.sqrt(seen)

    # Sums: each host is far below its own limit.

    def _carpets(self, strength: float, sixth: bool) -> Iterator[Attack]:
        way = min(strength, 8.0)
        yield self._carpet("prefix", "in", "bps", way, sixth, 1, 1400, protocol=6, flags=ACK)
        yield self._carpet("prefix", "in", "syn_pps", way, sixth, 1, 60, protocol=6, flags=SYN)
        yield self._carpet("prefix", "in", "udp_pps", way, sixth, 1, 300, protocol=17, flags=0)
        yield self._carpet("prefix", "in", "amplified_bps", way, sixth, 1, 1300, protocol=17, flags=0, src_port=389)
        yield self._carpet("prefix", "out", "syn_pps", way, sixth, 1, 60, protocol=6, flags=SYN)
        whole = self.limit("customer.in.bps") * min(strength, 4.0)
        nets = math.ceil(whole / self.limit("prefix.in.bps") * 2.5)  # each network below its limit
        yield self._carpet("customer", "in", "bps", min(strength, 4.0), sixth, nets, 1400, protocol=6, flags=ACK)

    def _carpet(
        self, level: str, direction: str, name: str, strength: float, sixth: bool, nets: int, size: int, **facts: int
    ) -> Attack:
        """So many whole networks (/24, /48) of a customer of their own, whose hosts get, or send, little each."""
        limit = self.limit(f"{level}.{direction}.{name}") / (8 * size if name.endswith("bps") else 1)
        pps, first, count = strength * limit, self.next_net, 250
        self.next_net += nets
        customer = 50_000 + first
        numbers = np.arange(count * nets)
        ours = networks(first + numbers // count, 1 + numbers % count, sixth)
        whom = np.full(count * nets, customer) if level == "customer" else customer + 1_000 + numbers // 8

        def make(at: int) -> Flows:
            packets = self.day.rng.poisson(pps / len(ours), len(ours))
            other = self.day.strangers(ours)
            common = {"packets": packets, "octets": packets * size, **facts}
            if direction == "out":
                made = flows(len(ours), ours, other[:1], src_customer=whom, **common)
            else:
                made = flows(len(ours), other, ours, dst_customer=whom, **common)
            return {key: column[packets > 0] for key, column in made.items()}

        subject = ("customer", str(customer)) if level == "customer" else ("prefix", network_text(first, sixth))
        kind = f"carpet over a {level}, {name} {direction}"
        return Attack("carpet_bombing", direction, subject, strength, LASTING, 3.0, make, (), self.tells(pps, limit), kind)


def networks(nets: NDArray[np.int64], hosts: NDArray[np.int64], sixth: bool) -> NDArray[np.uint64]:
    """Addresses of networks of ours that do nothing else."""
    if not sixth:
        return fours((10 << 24) + (128 << 16) + (nets << 8) + hosts)
    high = np.uint64(0x20010DB8 << 32) | (np.uint64(0x1000) + nets.astype(np.uint64)) << np.uint64(16)
    return np.stack([high, hosts.astype(np.uint64)], 1)


def network_text(net: int, sixth: bool) -> str:
    return f"2001:db8:{0x1000 + net:x}::/48" if sixth else f"10.{128 + (net >> 8)}.{net & 255}.0/24"
