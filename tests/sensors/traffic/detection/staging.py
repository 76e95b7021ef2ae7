"""Attacks in a few lines, played to the product's own counters and detectors."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tipstaff.project.bench.flow_stage import Stage, flows, four, join, six
from tipstaff.sensors.traffic.detection import configuration

AT = 1_770_000_000
OURS = {4: four(0xC6336407), 6: six(0x20010DB8 << 96 | 7)}  # 198.51.100.7, 2001:db8::7
TEXT = {4: "198.51.100.7", 6: "2001:db8::7"}
THEIRS = {4: four(0xCB007109), 6: six(0x20010DB8 << 96 | 0xFFFF << 64 | 9)}  # 203.0.113.9, 2001:db8:0:ffff::9


@dataclass(frozen=True)
class Case:
    """One detector's attack: its limit is a rate, or (``fan``) contacts within a window."""

    detector: str
    direction: str
    limit: str
    facts: dict[str, Any]
    fan: bool = False
    spread: str = ""  # "peers", "ports": what differs from contact to contact
    seconds: int = 12

    @property
    def name(self) -> str:
        return f"{self.detector}-{self.direction}"


SYN = {"protocol": 6, "flags": 2}
UDP = {"protocol": 17, "flags": 0}
PROBE = SYN | {"packets": 1, "octets": 44}
CASES = (
    Case("bit_flood", "in", "host.in.bps", {"size": 1400, "flags": 16}),
    Case("bit_flood", "out", "host.out.bps", {"size": 1400, "flags": 16}),
    Case("packet_flood", "in", "host.in.pps", {"size": 60, "flags": 16}),
    Case("packet_flood", "out", "host.out.pps", {"size": 60, "flags": 16}),
    Case("syn_flood", "in", "host.in.syn_pps", SYN | {"size": 60}),
    Case("syn_flood", "out", "host.out.syn_pps", SYN | {"size": 60}),
    Case("udp_flood", "in", "host.in.udp_pps", UDP | {"size": 100}),
    Case("udp_flood", "out", "host.out.udp_pps", UDP | {"size": 100}),
    Case("icmp_flood", "in", "host.in.icmp_pps", {"protocol": 1, "size": 84}),
    Case("icmp_flood", "out", "host.out.icmp_pps", {"protocol": 58, "size": 84}),
    Case("fragment_flood", "in", "host.in.fragment_pps", UDP | {"size": 1200, "fragment": 1}),
    Case("fragment_flood", "out", "host.out.fragment_pps", UDP | {"size": 1200, "fragment": 1}),
    Case("amplification", "in", "host.in.amplified_bps", UDP | {"size": 1300, "src_port": 389}),
    Case("amplification", "out", "host.out.amplified_bps", UDP | {"size": 1300, "src_port": 389}),
    Case("horizontal_scan", "out", "scan.out.peers_minute", PROBE | {"dst_port": 22}, True, "peers"),
    Case("horizontal_scan", "out", "scan.out.swept_minute", UDP | {"packets": 1, "octets": 60, "dst_port": 1900}, True, "peers"),
    Case("vertical_scan", "out", "scan.out.ports_minute", PROBE, True, "ports"),
    Case("vertical_scan", "in", "scan.in.ports_minute", PROBE, True, "ports"),
    Case("brute_force", "out", "login.out.attempts_minute", {"dst_port": 22, "packets": 14, "octets": 2600}, True),
    Case("brute_force", "in", "login.in.attempts_minute", {"dst_port": 3389, "packets": 14, "octets": 2600}, True),
    Case("mail_burst", "out", "mail.out.peers_minute", {"dst_port": 25, "packets": 12, "octets": 3000}, True, "peers"),
)


def burst(case: Case, family: int, share: float, second: int, limit: float):
    """The flows of a second at ``share`` of the limit; a fan spends its window's allowance evenly over ``case.seconds``."""
    if case.fan:
        count = round(share * limit / case.seconds)
        first = second * count
        facts = dict(case.facts)
        if case.spread == "ports":
            facts["dst_port"] = 1000 + (first + np.arange(count)) % 60_000
        peers = np.tile(THEIRS[family], (count, 1))
        if case.spread == "peers":
            peers[:, 1] += (first + np.arange(count)).astype(np.uint64) * np.uint64(257)
    else:
        count = 20
        facts = {name: value for name, value in case.facts.items() if name != "size"}
        packets = share * limit / (8 * case.facts["size"] if case.limit.endswith("bps") else 1) / count
        facts |= {"packets": round(packets), "octets": round(packets) * case.facts["size"]}
        peers = np.tile(THEIRS[family], (count, 1))
        peers[:, 1] += np.arange(count).astype(np.uint64)
    if case.direction == "out":
        return flows(count, OURS[family], peers, src_customer=17, **facts)
    return flows(count, peers, OURS[family], dst_customer=17, **facts)


def limit_of(case: Case, toml: str = "") -> float:
    version = 4
    address = int(OURS[version][1]) & 0xFFFFFFFF
    return configuration.read(toml).thresholds.applied(version, address, 32, 17)[case.limit]


def playing(toml: str = "", rate: int = 1, **more) -> Stage:
    return Stage(configuration.read(toml), hosts=2000, rate=rate, **more)


def play(stage: Stage, case: Case, family: int, share: float, first: int, seconds: int, limit: float):
    """Seconds of an attack; the documents that came."""
    found = []
    for second in range(first, first + seconds):
        found += stage.play(AT + second, burst(case, family, share, second, limit))
    return found


__all__ = ["AT", "CASES", "OURS", "TEXT", "Case", "burst", "flows", "join", "limit_of", "play", "playing"]
