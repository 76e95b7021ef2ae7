"""The sample's flow statistics: two days of what its customers' machines said to others, among it what they are complained about.

Written only where no flows are received, so that none of these lies beside a real one. Addresses are documentation addresses
(RFC 5737, RFC 3849), numbers of networks likewise (RFC 5398).
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from tipstaff.project.samples import mails
from tipstaff.sensors.traffic.archive import files

HOURS = 48
RATE = 1000  # one packet in so many was looked at
OUR_AS, FIRST_AS, NETWORKS = 64500, 64501, 8
TCP, UDP = 6, 17
SYN, SPOKEN = 0x02, 0x1B
EVERYWHERE = int(ip_address("192.0.2.0"))
FAR = int(ip_address("2001:db8:f000::")) >> 64
COMMANDED = "192.0.2.250"  # whose port 22 the sample's reporters speak of


class Habit(NamedTuple):
    """What one machine does: flows an hour at noon, to (or, where ``serves``, from) a port of the other, bytes in the median."""

    address: str
    flows: int
    port: int
    size: int
    serves: bool = False
    protocol: int = TCP
    flags: int = SPOKEN
    peer: str = ""
    steady: bool = False  # a machine that does not sleep at night


HABITS = (
    Habit(mails.OVERDUE, 260, 443, 24_000, serves=True),
    Habit("203.0.113.10", 120, 443, 52_000, serves=True),
    Habit("203.0.113.9", 90, 80, 18_000, serves=True),
    Habit("203.0.113.33", 60, 25, 9_000, serves=True),
    Habit(mails.SPAMMER, 140, 25, 4_200, steady=True),
    Habit("203.0.113.66", 40, 443, 7_000),
    Habit(mails.APPEALED, 70, 443, 900, flags=SYN, steady=True),
    Habit("203.0.113.134", 150, 443, 31_000, serves=True),
    Habit("203.0.113.151", 90, 51413, 88_000),
    Habit(mails.BEHIND_RESELLER, 170, 443, 46_000, serves=True),
    Habit("198.51.100.37", 60, 443, 15_000, serves=True),
    *(Habit(one, 55, 53, 3_100, serves=True, protocol=UDP, flags=0, steady=True) for one in mails.RESOLVERS),
    *(Habit(one, 18, 22, 320, flags=SYN, peer=COMMANDED, steady=True) for one in mails.LOGINS),
)
Holder = Callable[[str], int]
Columns = dict[str, NDArray[Any]]


def load(*, now: datetime, holder: Holder) -> int:
    """Write them into the archive of this instance; how many. None where flows are received, or some are there already.

    ``holder`` tells the number of the customer who has an address now; all of these had it for as long.
    """
    root = settings.STATE / "flows" / "archive"
    if settings.FLOWS["listen"] or settings.FLOWS["clickhouse"]["url"] or (root.exists() and files.stored(root)):
        return 0
    files.make_room(root)
    root.parent.chmod(0o700)
    count = 0
    for hour in range(HOURS, 0, -1):
        found = columns(now - timedelta(hours=hour), hour, holder)
        files.write(path(root, now - timedelta(hours=hour - 1)), found)
        count += len(found["src"])
    return count


def path(root: Path, at: datetime) -> Path:
    """Where the hour that ends then is kept."""
    return root / "fresh" / f"{files.stamp(int(at.timestamp() * 1000))}{files.SAMPLE}"


def erase() -> None:
    """Take the sample's flows out of the archive again."""
    for one in (settings.STATE / "flows" / "archive" / "fresh").glob(f"*{files.SAMPLE}"):
        one.unlink(missing_ok=True)


def columns(begins: datetime, seed: int, holder: Holder) -> Columns:
    """The flows of one hour as the archive's columns: the same hour and seed, the same flows."""
    chance = np.random.default_rng(seed)
    tide = 1 + 0.6 * np.sin((begins.hour + begins.minute / 60 - 7) / 24 * 2 * np.pi)
    parts = [_of(one, max(1, int(one.flows * (1 if one.steady else tide))), begins, chance, holder(one.address)) for one in HABITS]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of(habit: Habit, count: int, begins: datetime, chance: np.random.Generator, customer: int) -> Columns:
    """One machine's: half of what it serves is asked, half answered."""
    outward = chance.random(count) < (0.5 if habit.serves else 0.8)
    asks = outward != habit.serves  # whether the flow goes towards the port
    other, own = chance.integers(32768, 60999, count), np.full(count, habit.port)
    size = habit.size * chance.lognormal(0, 1, count) * np.where(asks == habit.serves, 0.1, 1)
    packets = np.maximum(size // 900, 1)
    lasted = chance.integers(0, 55_000, count)
    network = chance.integers(0, NETWORKS, count)
    ends = int(begins.timestamp() * 1000) + 55_000 + chance.integers(0, 3_540_000, count)
    found: Mapping[str, Any] = {
        **_addresses(habit, outward, network * 31 + chance.integers(1, 31, count)),
        "src_port": np.where(asks, other, own).astype(np.uint16), "dst_port": np.where(asks, own, other).astype(np.uint16),
        "src_as": np.where(outward, OUR_AS, FIRST_AS + network).astype(np.uint32),
        "dst_as": np.where(outward, FIRST_AS + network, OUR_AS).astype(np.uint32),
        "src_customer": np.where(outward, customer, 0).astype(np.int32),
        "dst_customer": np.where(outward, 0, customer).astype(np.int32),
        "input": np.where(outward, 2, 1).astype(np.uint32), "output": np.where(outward, 1, 2).astype(np.uint32),
        "bytes": np.maximum(size, 60).astype(np.uint64), "packets": packets.astype(np.uint64),
        "ended": ends, "lasted": lasted.astype(np.uint32),
    }  # fmt: skip
    same = {
        "protocol": (habit.protocol, np.uint8), "tcp_flags": (habit.flags, np.uint8), "tos": (0, np.uint8), "marks": (0, np.uint8),
        "rate": (RATE, np.uint32), "vlan": (0, np.uint16), "exporter": (0, np.uint32),
    }  # fmt: skip
    return {**found, **{name: np.full(count, value, kind) for name, (value, kind) in same.items()}}


def _addresses(habit: Habit, outward: NDArray[np.bool_], far: NDArray[np.int64]) -> Columns:
    """Both ends, as numbers; those of IPv6 in their own columns."""
    own = ip_address(habit.address)
    nothing = np.zeros(len(outward), np.uint64)
    here, there = np.full(len(outward), int(own) & 0xFFFFFFFFFFFFFFFF, np.uint64), far.astype(np.uint64)
    if own.version == 4:
        there = there + np.uint64(EVERYWHERE) if not habit.peer else np.full(len(outward), int(ip_address(habit.peer)), np.uint64)
        four = {"src": np.where(outward, here, there), "dst": np.where(outward, there, here)}
        six = dict.fromkeys(("src_hi", "src_lo", "dst_hi", "dst_lo"), nothing)
    else:
        high, far_high = np.uint64(int(own) >> 64), np.uint64(FAR)
        four = {"src": nothing, "dst": nothing}
        six = {
            "src_hi": np.where(outward, high, far_high), "src_lo": np.where(outward, here, there),
            "dst_hi": np.where(outward, far_high, high), "dst_lo": np.where(outward, there, here),
        }  # fmt: skip
    family = np.full(len(outward), own.version, np.uint8)
    return {name: column.astype(np.uint32) for name, column in four.items()} | six | {"family": family}
