"""Labelled attacks by fan-out: scans, log-ins, mail; from ours to the world and from the world to ours."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tipstaff.project.bench.flow_attacks import SURE, SURER, Attack, Attacks, network_text, networks
from tipstaff.project.bench.flow_day import SYN, WHOLE
from tipstaff.project.bench.flow_stage import Flows, flows
from tipstaff.sensors.traffic.detection.detectors.fans import LEAST_SAMPLED

SHORT, LONG = 120, 1500  # seconds; the slow ones, and sampled ones, show themselves over half an hour
PROBE = {"flags": SYN, "packets": 1, "octets": 44}
UNREPEATED = 5.4  # of k samples that repeat none, at least k² / 5.4 are the distinct ones with 95 % certainty


def fans(attacks: Attacks, place: int, sixth: bool) -> Iterator[Attack]:
    """One of each kind, of the strength at ``place``; faster where fewer packets are seen."""
    fast = 1 if attacks.rate <= 10 else 3 if attacks.rate <= 200 else 10
    port = (22, 23, 445)[place]
    yield _fan(attacks, "horizontal_scan", "scan.out.peers", fast * (0.3, 6.0, 60.0)[place], sixth, dict(dst_port=port, **PROBE))
    yield _fan(attacks, "horizontal_scan", "scan.out.swept", min(fast * (5.0, 60.0, 400.0)[place], 800.0), sixth,
               dict(protocol=17, flags=0, packets=1, octets=60, dst_port=1900), kind="sweep of a UDP service")  # fmt: skip
    yield _fan(attacks, "vertical_scan", "scan.out.ports", fast * (0.3, 5.0, 60.0)[place], sixth, PROBE, ports=True)
    yield _fan(attacks, "vertical_scan", "scan.in.ports", fast * (0.5, 8.0, 60.0)[place], sixth, PROBE, ports=True)
    yield _sweep(attacks, fast * (6.0, 20.0, 60.0)[place], sixth)
    login = {"flags": WHOLE, "packets": 14, "octets": 2600, "dst_port": (22, 3389, 5900)[place]}
    yield _fan(attacks, "brute_force", "login.out.attempts", fast * (0.6, 4.0, 30.0)[place], sixth, login, peers=3)
    yield _fan(attacks, "brute_force", "login.in.attempts", fast * (2.5, 12.0, 40.0)[place], sixth, login, peers=400)
    mail = {"flags": WHOLE, "packets": 12, "octets": 3000, "dst_port": (25, 587, 465)[place]}
    yield _fan(attacks, "mail_burst", "mail.out.peers", fast * (0.6, 3.0, 25.0)[place], sixth, mail)


def _fan(
    attacks: Attacks, detector: str, limit: str, a_second: float, sixth: bool, facts: dict[str, Any], peers: int = 0,
    ports: bool = False, kind: str = "",
) -> Attack:  # fmt: skip
    """``a_second`` contacts; ``peers`` that they go to or come from in turn, else each has one of its own."""
    day, who = attacks.day, attacks.host(sixth)
    direction = limit.split(".")[1]
    target = day.strangers(day.address[np.full(max(peers, 1), who)])
    lasts = LONG if a_second < 2 or attacks.rate > 1 else SHORT
    first_port = int(day.rng.integers(1, 20_000))

    def make(at: int) -> Flows:
        count = int(a_second * (at + 1)) - int(a_second * at)
        group = np.full(count, who)
        other = target[day.rng.integers(0, len(target), count)] if peers or ports else day.strangers(day.address[group])
        more = dict(facts)
        if ports:
            more["dst_port"] = (first_port + int(a_second * at) + np.arange(count)) % 65536
        more["src_port"] = day.rng.integers(61_000, 65_000, count)
        return day.out(group, other, **more) if direction == "out" else day.into(group, other, **more)

    crossed, visible = _crossing(attacks, limit, a_second, lasts)
    what = kind or f"{detector} {direction}"
    return Attack(detector, direction, attacks.shown(who), a_second, lasts, crossed, make, (), visible, what)


def _sweep(attacks: Attacks, a_second: float, sixth: bool) -> Attack:
    """A stranger who tries one address after the other of a network of ours; of a /48, others than of a /24, there are enough."""
    day, net = attacks.day, attacks.next_net
    attacks.next_net += 1
    room = 60_000 if sixth else 250
    source = day.strangers(networks(np.array([net]), np.array([1]), sixth))
    lasts = LONG if attacks.rate > 1 else SHORT

    def make(at: int) -> Flows:
        numbers = np.arange(int(a_second * at), int(a_second * (at + 1))) % room
        ours = networks(np.full(len(numbers), net), 1 + numbers, sixth)
        return flows(len(numbers), source, ours, dst_port=22, src_port=50_001, dst_customer=49_000 + numbers // 8, **PROBE)

    crossed, visible = _crossing(attacks, "scan.in.peers", a_second, lasts)
    subject = "prefix", network_text(net, sixth)
    visible = visible and (sixth or attacks.rate <= 1)
    return Attack("horizontal_scan", "in", subject, a_second, lasts, crossed, make, (), visible, "a stranger sweeps our space")


def _crossing(attacks: Attacks, limit: str, a_second: float, lasts: int) -> tuple[float, bool]:
    """When it crosses one of its limits, and whether enough is seen of it for 99 % certainty."""
    times, told = [], attacks.rate <= 1
    for window, length in (("minute", 30), ("hour", 1500)):
        needed = attacks.limit(f"{limit}_{window}")
        held = min(length, lasts)
        if a_second * held < needed * 1.05:
            continue
        times.append(needed / a_second)
        seen = a_second * held / attacks.rate
        low = seen - (SURE + SURER) * math.sqrt(seen)
        enough = low * attacks.rate >= needed and seen - SURER * math.sqrt(seen) >= LEAST_SAMPLED
        if not limit.endswith("attempts"):  # so many samples must tell that they do not repeat few
            enough = enough and (seen - SURER * math.sqrt(seen)) ** 2 / UNREPEATED >= needed
        told = told or enough
    return min(times, default=math.inf), bool(times) and told
