"""Labelled attacks that stand out flow by flow, or against what is usual: listed peers, blocked hosts, foreign sources, uplinks,
baselines."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tipstaff.project.bench import flow_day
from tipstaff.project.bench.flow_attacks import Attack, Attacks, halves_text, seen_for_sure
from tipstaff.project.bench.flow_day import A_CUSTOMER, CAPACITY, HOGS, LINKS, NAMED, PORTS, STEADY, Day
from tipstaff.project.bench.flow_stage import Flows, flows, fours
from tipstaff.sensors.traffic.detection.detectors.fans import LEAST_SAMPLED
from tipstaff.sensors.traffic.detection.learned import Baselines

LISTED = ("203.0.113.0/28", "2001:db8:dead::/48")
BLOCKED_HOSTS = range(flow_day.BLOCKED.start, flow_day.BLOCKED.stop)
LISTED_4, LISTED_6 = 203 << 24 | 113 << 8 | 5, np.array([[0x20010DB8DEAD << 16, 9]], np.uint64)
TAUGHT = 9  # days before the benchmark's that the steady hosts were followed
WINDOW = 270  # seconds of the window of five minutes that an attack can count on


def standouts(attacks: Attacks, place: int, number: int) -> Iterator[Attack]:
    """One of each kind; ``place`` is the strength's, ``number`` counts all calls."""
    for sixth in (False, True):
        yield _listed(attacks, (6, 100, 1000)[place], sixth)
    for direction in ("out", "in"):
        yield _blocked(attacks, (240, 600, 2400)[place], direction, number)
        if number < (HOGS.stop - HOGS.start) // A_CUSTOMER:  # each has links of its own
            yield _interference(attacks, (0.75, 0.85, 0.95)[place], direction, number)
        yield _surge(attacks, (1.6, 2.5, 4.0)[place], direction, number)
    yield _foreign(attacks, (20, 500, 5000)[place], number, True)
    yield _foreign(attacks, (20, 500, 5000)[place], number, False)


def _listed(attacks: Attacks, pps: int, sixth: bool) -> Attack:
    day, who = attacks.day, attacks.host(sixth)
    peer = LISTED_6 if sixth else fours(np.array([LISTED_4]))

    def make(at: int) -> Flows:
        return day.out(np.full(1, who), peer, dst_port=8443, packets=pps, octets=pps * 90)

    visible = seen_for_sure(pps * 120 / attacks.rate, 3)
    return Attack("listed_peer", "out", attacks.shown(who), pps, 120, 3 / pps, make, (), visible, "listed peer")


def _blocked(attacks: Attacks, pps: int, direction: str, number: int) -> Attack:
    day, who = attacks.day, BLOCKED_HOSTS[number % len(BLOCKED_HOSTS)]

    def make(at: int) -> Flows:
        group = np.full(4, who)
        packets = np.full(4, pps // 4)
        peers = day.strangers(day.address[group])
        made = day.out if direction == "out" else day.into
        return made(group, peers, packets=packets, octets=packets * 200)

    visible = attacks.rate <= 1 or seen_for_sure(pps * 60 / attacks.rate, LEAST_SAMPLED)
    kind = {"out": "a block that leaks", "in": "an attack behind a block"}[direction]
    return Attack("blocked_service", direction, attacks.shown(who), pps, 60, 1000 / pps, make, (), visible, kind)


def _foreign(attacks: Attacks, pps: int, number: int, spoofed: bool) -> Attack:
    """Behind a customer's interface: random sources, or those of another customer."""
    day, behind = attacks.day, (number + (0 if spoofed else 32)) % ((NAMED.stop - NAMED.start) // A_CUSTOMER)
    customer = int(day.customer[NAMED.start + behind * A_CUSTOMER])
    other = attacks.host(True)  # in IPv4 the made-up day has private addresses, which leak from anybody

    def make(at: int) -> Flows:
        count = min(pps, 20)
        target = day.strangers(np.zeros((1, 2), np.uint64))
        sources: NDArray[np.uint64] = day.strangers(np.zeros((count, 2), np.uint64)) if spoofed else day.address[[other] * count]
        owner = 0 if spoofed else int(day.customer[other])
        return flows(count, sources, target, packets=pps // count, octets=pps // count * 60, flags=2, src_port=1025, dst_port=80,
                     input=PORTS + behind, src_customer=owner)  # fmt: skip

    visible = seen_for_sure(pps * WINDOW / attacks.rate, 20)
    kind = "spoofed sources" if spoofed else "another customer's source"
    lasts = 120 if attacks.rate <= 1 else 290
    return Attack("foreign_source", "out", ("customer", str(customer)), pps, lasts, 20 / pps, make,
                  (), visible, kind)  # fmt: skip


def _interference(attacks: Attacks, share: float, direction: str, number: int) -> Attack:
    """One customer takes most of an uplink of its own direction for a quarter of an hour, and others have the rest."""
    day, who, inward = attacks.day, HOGS.start + number * A_CUSTOMER, direction == "in"
    link = LINKS + 2 * number + inward

    def make(at: int) -> Flows:
        return day.alone(who, link, share, inward)

    customer = str(int(day.customer[who]))
    crossed = attacks.limit("timing.uplink_seconds")
    kind = f"{direction} over a shared uplink"
    return Attack("uplink_share", direction, ("customer", customer), share * CAPACITY, 840, crossed, make, (), True, kind)


def _surge(attacks: Attacks, strength: float, direction: str, number: int) -> Attack:
    """A steady host does several times what it does, and stays below every static limit."""
    day = attacks.day
    place = (2 * number + (direction == "in")) % len(day.usual)
    who = STEADY[place]
    bps = min(strength * 5 * day.usual[place], 1.7e9)

    def make(at: int) -> Flows:
        packets = np.array([int(bps / 8 / 1400)])
        one = np.array([who])
        made = day.into if direction == "in" else day.out
        return made(one, day.strangers(day.address[one]), packets=packets, octets=packets * 1400)

    return Attack(
        "unusual_traffic",
        direction,
        attacks.shown(who),
        strength,
        300,
        attacks.limit("timing.learned_seconds"),
        make,
        (),
        True,
        f"surge {direction}",
    )


def teach(baselines: Baselines, day: Day, midnight: int, hours: range) -> None:
    """What the steady hosts did in these hours of the days before, minute by minute."""
    places = []
    for number, address in enumerate(day.address[np.array(STEADY)]):
        direction = "in" if number % 2 else "out"
        places.append(baselines.place(f"{direction} address {halves_text(address)}", midnight - TAUGHT * 86400))
    for past in range(TAUGHT, 0, -1):
        for hour in hours:
            minutes = day.usual_minute(60)
            for minute in range(60):
                second = midnight - past * 86400 + hour * 3600 + minute * 60
                for at, bits in zip(places, minutes[:, minute].tolist(), strict=True):
                    baselines.learn(at, (bits, bits / 8 / 1400), second)
