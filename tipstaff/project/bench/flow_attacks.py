"""Labelled attacks in several strengths, for every detector, in IPv4 and IPv6."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.project.bench import flow_day
from tipstaff.project.bench.flow_day import ACK, SYN, WHOLE, Day
from tipstaff.project.bench.flow_stage import Flows, fours
from tipstaff.sensors.traffic.detection.thresholds import Thresholds
from tipstaff.sensors.traffic.records import address_text

LISTED = "203.0.113.0/28"
BLOCKED_HOSTS = range(flow_day.BLOCKED.start, flow_day.BLOCKED.stop)
STRENGTHS = (1.6, 4.0, 15.0)
REPEATED = 10.0  # repetitions that counting in bits may feign
LASTING, LONG = 40, 1500  # seconds of a flood; of what shows itself over an hour


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
    start: int = 0


def halves_text(halves: NDArray[np.uint64]) -> str:
    return address_text(int(halves[0]).to_bytes(8, "big") + int(halves[1]).to_bytes(8, "big"))


@dataclass
class Attacks:
    """Makes them on hosts that take no other part; ``rate``: the sampling that they must be visible at."""

    day: Day
    limits: Thresholds
    rate: int = 1
    next_host: int = flow_day.PLAIN + 2000

    def host(self, sixth: bool) -> int:
        """A host that no other attack uses."""
        while bool(self.day.has_six[self.next_host]) != sixth:
            self.next_host += 1
        self.next_host += 1
        return self.next_host - 1

    def limit(self, name: str) -> float:
        return self.limits.default.values[name]

    def everything(self, repeats: int) -> Iterator[Attack]:
        """Every kind in every strength, in both families in turn."""
        for turn in range(repeats):
            for strength in STRENGTHS:
                sixth = (turn + STRENGTHS.index(strength)) % 2 == 1
                yield from self._floods(strength, sixth)
                yield from self._fans(strength, sixth)
                yield from self._others(strength, sixth, turn)

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
            more = (*general, "udp_flood")
            yield self._flood(
                "amplification", direction, "amplified_bps", strength, sixth, 1300, more, protocol=17, flags=0, sport=389
            )
        yield self._carpet(strength)

    def _flood(
        self, detector: str, direction: str, name: str, strength: float, sixth: bool, size: int, also: tuple[str, ...], *,
        protocol: int, flags: int, port: int = 80, sport: int = 0, fragment: int = 0,
    ) -> Attack:  # fmt: skip
        who = self.host(sixth)
        limit = self.limit(f"host.{direction}.{name}")
        pps = strength * limit / (8 * size if name.endswith("bps") else 1)

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
            return (
                self.day.out(group, peers[:3].repeat(50, 0), **more) if direction == "out" else self.day.into(group, peers, **more)
            )

        limit_pps = limit / (8 * size if name.endswith("bps") else 1)
        visible = self._visible_rate(pps, limit_pps)
        subject = "address", halves_text(self.day.address[who])
        return Attack(detector, direction, subject, strength, LASTING, 3.0, make, also, visible)

    def _visible_rate(self, pps: float, limit: float) -> bool:
        """Whether three seconds of samples can tell the two rates apart, with 99 % certainty to spare."""
        if self.rate <= 1:
            return True
        seen, least = pps * 3 / self.rate, limit * 3 / self.rate
        return seen - least >= (1.64 + 2.4) * math.sqrt(seen)

    def _carpet(self, strength: float) -> Attack:
        """A whole /24, each host below its own limit."""
        first = (self.host(False) // 256 + 1) * 256
        self.next_host = first + 256
        bps = min(strength, 8.0) * self.limit("prefix.in.bps")
        count = 250

        def make(at: int) -> Flows:
            who = first + np.arange(count)
            packets = np.full(count, round(bps / 8 / 1400 / count))
            four = fours(flow_day.LOCAL_4 + who)
            made = self.day.into(who, self.day.strangers(four), protocol=6, flags=ACK, packets=packets, octets=packets * 1400)
            return made | {"dst": four}

        net = f"10.{64 + (first >> 16)}.{first >> 8 & 255}.0/24"
        visible = self._visible_rate(bps / 8 / 1400, self.limit("prefix.in.bps") / 8 / 1400)
        return Attack("carpet_bombing", "in", ("prefix", net), strength, LASTING, 3.0, make, (), visible)

    # Fan-out.

    def _fans(self, strength: float, sixth: bool) -> Iterator[Attack]:
        index = STRENGTHS.index(strength)
        scan = {"flags": SYN, "packets": 1, "octets": 44}
        yield self._fan("horizontal_scan", "scan.out.peers", (0.3, 6.0, 80.0)[index], sixth, dict(dst_port=22, **scan))
        yield self._fan("horizontal_scan", "scan.out.swept", (5.0, 60.0, 400.0)[index], sixth,
                        dict(protocol=17, flags=0, packets=1, octets=60, dst_port=1900))  # fmt: skip
        yield self._fan("vertical_scan", "scan.out.ports", (0.3, 5.0, 60.0)[index], sixth, scan, ports=True)
        login = {"flags": WHOLE, "packets": 14, "octets": 2600, "dst_port": (22, 3389, 5900)[index]}
        yield self._fan("brute_force", "login.out.attempts", (0.6, 4.0, 30.0)[index], sixth, login, peers=3)
        mail = {"flags": WHOLE, "packets": 12, "octets": 3000, "dst_port": (25, 587, 465)[index]}
        yield self._fan("mail_burst", "mail.out.peers", (0.6, 3.0, 25.0)[index], sixth, mail)

    def _fan(
        self, detector: str, limit: str, a_second: float, sixth: bool, facts: dict[str, Any], peers: int = 0, ports: bool = False
    ) -> Attack:
        who = self.host(sixth)
        target = self.day.strangers(self.day.address[np.full(max(peers, 1), who)])
        lasts = LONG if a_second < 2 or self.rate > 1 else 120
        first_port = int(self.day.rng.integers(1, 20_000))

        def make(at: int) -> Flows:
            count = int(a_second * (at + 1)) - int(a_second * at)
            group = np.full(count, who)
            to = (
                target[self.day.rng.integers(0, len(target), count)]
                if peers or ports
                else self.day.strangers(self.day.address[group])
            )
            more = dict(facts)
            if ports:
                more["dst_port"] = first_port + int(a_second * at) + np.arange(count)
            return self.day.out(group, to, src_port=self.day.rng.integers(61_000, 65_000, count), **more)

        crossed, visible = self._crossing(limit, a_second, lasts)
        subject = "address", halves_text(self.day.address[who])
        return Attack(detector, "out", subject, a_second, lasts, crossed, make, (), visible)

    def _crossing(self, limit: str, a_second: float, lasts: int) -> tuple[float, bool]:
        """When it crosses one of its limits, and whether enough is seen of it."""
        times = []
        for window, length in (("minute", 30), ("hour", 1800)):
            needed = self.limit(f"{limit}_{window}")
            if a_second * min(length, lasts) >= needed * 1.05:
                times.append(needed / a_second)
        seen = a_second * min(lasts, 1800) / self.rate
        visible = self.rate <= 1 or (seen - 2.4 * math.sqrt(seen) >= 12 and bool(times))
        if self.rate > 1 and visible:
            low = seen - (1.64 + 2.4) * math.sqrt(seen)
            needed = self.limit(f"{limit}_hour")
            visible = low * self.rate >= needed
            if not limit.endswith("attempts"):  # so many samples must tell that they do not repeat few
                visible &= seen**2 / (2 * REPEATED) >= needed
        return min(times, default=math.inf), bool(times) and visible

    # What stands out flow by flow.

    def _others(self, strength: float, sixth: bool, turn: int) -> Iterator[Attack]:
        who = self.host(False)
        subject = "address", halves_text(self.day.address[who])
        enough = self.rate <= 1 or strength * 4 * 120 / self.rate > 12

        def call(at: int) -> Flows:
            group = np.full(1, who)
            packets = round(strength * 4)
            return self.day.out(
                group, fours(np.array([(203 << 24) + (113 << 8) + 5])), dst_port=8443, packets=packets, octets=packets * 90
            )

        yield Attack("listed_peer", "out", subject, strength, 120, 1.0, call, (), enough)
        blocked = BLOCKED_HOSTS[(STRENGTHS.index(strength) + 3 * turn) % len(BLOCKED_HOSTS)]

        def leak(at: int) -> Flows:
            group = np.full(4, blocked)
            packets = round(strength * 150)
            return self.day.out(group, self.day.strangers(self.day.address[group]), packets=packets, octets=packets * 200)

        shown = "address", halves_text(self.day.address[blocked])
        whole = 1000 / (4 * round(strength * 150))
        yield Attack("blocked_service", "out", shown, strength, 60, whole, leak, (), self.rate <= 100)
