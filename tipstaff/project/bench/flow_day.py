"""A provider's day in flows: what ordinary hosts do, with everything that looks like an attack and is none.

Web and content servers, crawlers, gateways of many users, resolvers and name servers, mail servers and large senders,
monitoring, VPN, backups, downloads, peer-to-peer, log-ins by automation, and the scans that every address gets.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.project.bench.flow_stage import Flows, flows, fours, join

LOCAL_4, LOCAL_6 = 10 << 24 | 64 << 16, 0x20010DB8 << 32
A_CUSTOMER = 8  # hosts of a customer
SYN, WHOLE, ANSWER, ACK = 0x02, 0x1B, 0x1B, 0x10
CDN, MAILERS, MONITOR, RESOLVERS, NAMES, CRAWLERS, GATEWAYS, TUNNELS, BACKUPS = (
    slice(0, 8), slice(8, 16), slice(16, 18), slice(18, 21), slice(21, 24), slice(24, 29), slice(29, 49), slice(49, 54),
    slice(54, 74),
)  # fmt: skip
PEERS, MAIL, WEB, PLAIN = slice(80, 180), slice(180, 230), slice(230, 530), 600  # plain hosts begin there
BLOCKED = slice(PLAIN + 1000, PLAIN + 1040)
NAMED, HOGS, STEADY = (
    slice(1704, 2216),
    slice(2216, 2408),
    range(1705, 2572, 14),
)  # behind an interface each; on uplinks; with a usual
ATTACKERS = 2600  # from here on attacks take hosts that do nothing else unusual
UPLINK, CUSTOMER_PORT = 50, 7  # interfaces: a small uplink; behind the other one is one customer
PORTS, LINKS, CROWDED, EMPTY = 100, 200, 300, 301  # interfaces: of NAMED's customers, uplinks of HOGS' customers, two more
CAPACITY = 1_000_000_000  # bits a second of each uplink
WORKED = 0.25  # how the steady ones vary from minute to minute, as a logarithm's deviation

_OPERATOR = """
[default]
scan.in = {peers_minute = 120, peers_hour = 400}

[[group]]
name = "content delivery"
prefixes = ["10.64.0.0/29", "2001:db8::/125"]
host.out = {bps = 20_000_000_000, pps = 3_000_000}

[[prefix]]
network = "10.64.0.0/24"
prefix.out = {bps = 80_000_000_000, pps = 10_000_000}

[[group]]
name = "networks of customers with uplinks of their own"
prefixes = ["10.64.6.0/24", "10.64.7.0/24", "10.64.8.0/24", "10.64.9.0/24", "2001:db8::/48"]
prefix.out = {bps = 80_000_000_000, pps = 10_000_000, syn_pps = 200_000}
prefix.in = {bps = 200_000_000_000, pps = 20_000_000}

[[customer]]
id = 1
customer.out = {bps = 80_000_000_000, pps = 10_000_000}

[[group]]
name = "large mail senders"
prefixes = ["10.64.0.8/29"]
mail.out = {peers_minute = 600, peers_hour = "off"}

[[interface]]
exporter = "192.0.2.1"
index = 7
customers = [76]

[[uplink]]
name = "transit"
exporter = "192.0.2.1"
index = 50
capacity_bps = 1_000_000_000
"""


def _tables() -> str:
    """Interfaces of customers, and uplinks of their own, as an operator names them."""
    rows = [
        f'[[interface]]\nexporter = "192.0.2.1"\nindex = {PORTS + number}\ncustomers = [{1 + who // A_CUSTOMER}]\n'
        for number, who in enumerate(range(NAMED.start, NAMED.stop, A_CUSTOMER))
    ]
    links = [*range(LINKS, LINKS + 2 * (HOGS.stop - HOGS.start) // A_CUSTOMER), CROWDED, EMPTY]
    return "\n".join(rows) + "\n".join(
        f'\n[[uplink]]\nname = "link {one}"\nexporter = "192.0.2.1"\nindex = {one}\ncapacity_bps = {CAPACITY}\n' for one in links
    )


OPERATOR = _OPERATOR + _tables()


@dataclass
class Day:
    """``hosts`` addresses, busy by ``mix`` times the usual; ``second`` gives the flows of a second of the day."""

    seed: int = 1
    hosts: int = 10_000
    mix: float = 1.0
    six: float = 0.3  # of the plain hosts, so many have IPv6
    rng: np.random.Generator = field(init=False)
    minute: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # what each steady host does in this one

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        number = np.arange(self.hosts)
        self.address = fours(LOCAL_4 + number)
        has_six = (self.rng.random(self.hosts) < self.six) & (number >= PLAIN)
        self.address[has_six] = np.stack([np.full(has_six.sum(), LOCAL_6 | 1), number[has_six].astype(np.uint64)], 1).astype(
            np.uint64
        )
        self.customer = 1 + number // A_CUSTOMER
        self.has_six = has_six
        weight = 1 / np.arange(1, self.hosts - PLAIN + 1) ** 0.9
        self.share = np.cumsum(weight) / weight.sum()
        self.servers = fours(self.rng.integers(1 << 24, 200 << 24, 5000))  # the rest of the world that clients like
        self.servers_6 = self._six(5000)
        self.exchangers = fours(self.rng.integers(1 << 24, 200 << 24, 4000))
        self.usual = np.exp(self.rng.normal(math.log(8e7), 0.3, len(STEADY)))  # bits a second of each steady one

    def _six(self, count: int) -> NDArray[np.uint64]:
        hi = np.uint64(0x2A00 << 48) + self.rng.integers(0, 1 << 40, count).astype(np.uint64)
        return np.stack([hi, self.rng.integers(0, 1 << 60, count).astype(np.uint64)], 1)

    def strangers(self, like: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Remote addresses of the family of each local one."""
        found = fours(self.rng.integers(1 << 24, 200 << 24, len(like)))
        sixth = like[:, 0] != 0
        found[sixth] = self._six(int(sixth.sum()))
        return found

    def clients(self, count: int) -> NDArray[np.int64]:
        """Plain hosts by Zipf's law; the blocked ones do nothing, for the block works."""
        who = PLAIN + np.searchsorted(self.share, self.rng.random(count))
        return np.where((who >= BLOCKED.start) & (who < BLOCKED.stop), who + 50, who)

    def level(self, second: int) -> float:
        """How busy the hour is, from 0.35 at night to 1."""
        return self.mix * (0.675 + 0.325 * math.sin((second % 86400 / 86400 - 0.375) * 2 * math.pi))

    def out(self, who: NDArray[np.int64], to: NDArray[np.uint64], **more: Any) -> Flows:
        return flows(len(who), self.address[who], to, src_customer=self.customer[who], **more)

    def into(self, who: NDArray[np.int64], of: NDArray[np.uint64], **more: Any) -> Flows:
        return flows(len(who), of, self.address[who], dst_customer=self.customer[who], **more)

    def both(
        self, who: NDArray[np.int64], peer: NDArray[np.uint64], port: Any, packets: NDArray[np.int64], back: NDArray[np.int64],
        protocol: int = 6, lasts: Any = 0, serves: bool = False,
    ) -> list[Flows]:  # fmt: skip
        """A conversation: what our hosts send and what they get; ``serves``: the port is ours."""
        high = self.rng.integers(20_000, 60_000, len(who))
        mine, theirs = (port, high) if serves else (high, port)
        small, large = self.rng.integers(60, 400, len(who)), self.rng.integers(500, 1460, len(who))
        sizes = (large, small) if serves else (small, large)
        flags = WHOLE if protocol == 6 else 0
        common: dict[str, Any] = {"protocol": protocol, "flags": flags, "lasts": lasts}
        return [
            self.out(who, peer, src_port=mine, dst_port=theirs, packets=packets, octets=packets * sizes[0], **common),
            self.into(who, peer, src_port=theirs, dst_port=mine, packets=back, octets=back * sizes[1], **common),
        ]

    def second(self, second: int) -> Flows:
        """Everything that ordinary hosts do."""
        busy = self.level(second)
        parts: list[Flows] = []
        for make in (
            self._browsing, self._serving, self._calling, self._naming, self._mailing, self._moving, self._watching, self._crossing,
            self._keeping,
        ):  # fmt: skip
            parts += make(second, busy)
        return join(parts)

    def some(self, mean: float) -> int:
        return int(self.rng.poisson(mean))

    def picked(self, where: slice, count: int) -> NDArray[np.int64]:
        return self.rng.integers(where.start, where.stop, count)

    def sizes(self, count: int) -> NDArray[np.int64]:
        return np.minimum((self.rng.pareto(1.2, count) + 1) * 8, 20_000).astype(np.int64)

    def _browsing(self, second: int, busy: float) -> list[Flows]:
        who = self.clients(self.some(80 * busy))
        sixth = self.has_six[who]
        place = self.rng.integers(0, 5000, len(who))
        peer = np.where(sixth[:, None], self.servers_6[place], self.servers[place])
        sizes = self.sizes(len(who))
        found = self.both(who, peer, 443, sizes // 2 + 3, sizes, lasts=self.rng.integers(0, 20_000, len(who)))
        quic = self.clients(self.some(20 * busy))
        sizes = self.sizes(len(quic))
        return found + self.both(quic, self.strangers(self.address[quic]), 443, sizes // 2 + 2, sizes, protocol=17)

    def _serving(self, second: int, busy: float) -> list[Flows]:
        who = self.picked(WEB, self.some(60 * busy))
        sizes = self.sizes(len(who))
        found = self.both(who, self.strangers(self.address[who]), 443, sizes, sizes // 2 + 2, serves=True)
        cdn = self.picked(CDN, self.some(2.4 * busy))  # each about 2 Gbit/s, up to 6
        many = self.rng.integers(100_000, 1_500_000, len(cdn))
        long, peers = self.rng.integers(2_000, 30_000, len(cdn)), self.strangers(self.address[cdn])
        found.append(self.out(cdn, peers, src_port=443, dst_port=50_000, packets=many, octets=many * 1400, lasts=long))
        times = self.picked(NAMES, self.some(40 * busy))
        found += self.both(
            times, self.strangers(self.address[times]), 123, np.full(len(times), 2), np.full(len(times), 2), 17, 0, True
        )
        return found

    def _calling(self, second: int, busy: float) -> list[Flows]:
        """Crawlers, gateways and peer-to-peer: many peers, and some of them dead."""
        crawl = self.picked(CRAWLERS, self.some(40 * busy))
        found = self._calls(crawl, 0.04, self.rng.choice([443, 80], len(crawl)))
        gate = self.picked(GATEWAYS, self.some(40 * busy))
        found += self._calls(gate, 0.08, self.rng.choice([443, 443, 443, 80, 993, 5228, 8443], len(gate)))
        swarm = self.picked(PEERS, self.some(25 * busy))
        return found + self._calls(swarm, 0.6, self.rng.integers(1024, 65535, len(swarm)))

    def _calls(self, who: NDArray[np.int64], dead: float, port: NDArray[np.int64]) -> list[Flows]:
        lost = self.rng.random(len(who)) < dead
        quiet, peers = who[lost], self.strangers(self.address[who])
        found = [self.out(quiet, peers[lost], src_port=41_000, dst_port=port[lost], flags=SYN, packets=3, octets=180)]
        sizes = self.sizes(int((~lost).sum()))
        return found + self.both(who[~lost], peers[~lost], port[~lost], sizes // 2 + 3, sizes)

    def _naming(self, second: int, busy: float) -> list[Flows]:
        ask = self.picked(RESOLVERS, self.some(60 * busy))
        one = np.ones(len(ask), np.int64)
        found = self.both(ask, self.strangers(self.address[ask]), 53, one, one, protocol=17)
        tell = self.picked(NAMES, self.some(60 * busy))
        one = np.ones(len(tell), np.int64)
        found += self.both(tell, self.strangers(self.address[tell]), 53, one, one, protocol=17, serves=True)
        return found

    def _mailing(self, second: int, busy: float) -> list[Flows]:
        small = self.picked(MAIL, self.some(1.5 * busy))
        letter = second // 600 % 12 == 0  # the newsletter goes out
        large = self.picked(MAILERS, self.some(20.0 if letter else 1.0))
        who = np.concatenate([small, large])
        place = np.where(
            who < MAILERS.stop, self.rng.integers(0, 4000, len(who)), (who * 37 + self.rng.integers(0, 30, len(who))) % 4000
        )
        sizes = self.sizes(len(who))
        found = self.both(who, self.exchangers[place], 25, sizes + 6, np.full(len(who), 9))
        submit = self.clients(self.some(0.5 * busy))
        sizes = self.sizes(len(submit))
        return found + self.both(
            submit, self.servers[self.rng.integers(0, 20, len(submit))], 587, sizes + 6, np.full(len(submit), 12)
        )

    def _moving(self, second: int, busy: float) -> list[Flows]:
        """Backups, downloads and tunnels: records of a minute, reported at its end."""
        found: list[Flows] = []
        if second % 5 == 0:
            back = BACKUPS.start + np.array([second // 5 % 12, (second // 5 + 5) % 12])
            count = self.rng.integers(1_000_000, 4_500_000, 2)
            found.append(self.out(back, self.servers[back % 40], src_port=45_000, dst_port=22, packets=count, octets=count * 1400,
                                  lasts=60_000, output=UPLINK + 1))  # fmt: skip
        if second % 7 == 0:
            who = self.clients(2)
            count = self.rng.integers(200_000, 2_000_000, 2)
            found.append(self.into(who, self.strangers(self.address[who]), src_port=443, dst_port=50_001, packets=count,
                                   octets=count * 1400, lasts=30_000))  # fmt: skip
        vpn = self.picked(TUNNELS, self.some(1 * busy))  # some 30,000 packets a second each
        count = self.rng.integers(1_000, 300_000, len(vpn))
        found += self.both(vpn, self.strangers(self.address[vpn]), 51820, count, count, 17, 60_000, True)
        small = BACKUPS.start + self.rng.integers(0, 20, 3)
        found.append(self.out(small, self.servers[small % 40], packets=20_000, octets=20_000_000, lasts=1_000, output=UPLINK))
        return found

    def _watching(self, second: int, busy: float) -> list[Flows]:
        """Monitoring and automation, which are internal, and what comes from outside to everybody."""
        found = [self._checks(second, 5)]
        if second % 600 < 60:
            found.append(self._inside(np.array([BACKUPS.stop + 1]), 1, second, flags=WHOLE, port=22, packets=40, octets=6_000))
        who = self.rng.integers(0, self.hosts, self.some(30))
        port = self.rng.choice([22, 23, 80, 443, 445, 3389, 5900, 8080, 6379, 2375], len(who))
        found.append(
            self.into(who, self.strangers(self.address[who]), src_port=50_000, dst_port=port, flags=SYN, packets=1, octets=44)
        )
        tried = self.rng.integers(0, self.hosts, self.some(8))
        found += self.both(
            tried, self.strangers(self.address[tried]), 22, np.full(len(tried), 12), np.full(len(tried), 14), serves=True
        )
        return found

    def _checks(self, second: int, a_second: int) -> Flows:
        watch = np.full(a_second, MONITOR.start)
        ping = self._inside(watch, a_second, second, protocol=1, port=2048, packets=2, octets=168, flags=0)
        banner = self._inside(watch, a_second, second, flags=WHOLE, port=22, packets=5, octets=330)
        return join([ping, banner])

    def _crossing(self, second: int, busy: float) -> list[Flows]:
        """Interfaces and uplinks: own addresses and private ones that leak; one link that all share, one that is nearly empty,
        and one that a customer fills for less than ten minutes."""
        who = self.picked(NAMED, 6)
        own = self.out(who, self.strangers(self.address[who]), input=PORTS + (who - NAMED.start) // A_CUSTOMER)
        leaks = fours(np.array([192 << 24 | 168 << 16 | second % 200, 10 << 24 | 5, 100 << 24 | 70 << 16 | 9]))
        lost = flows(3, leaks, self.servers[:3], packets=40, octets=4_000, input=PORTS + self.rng.integers(0, 64, 3))
        all_of_them = np.arange(HOGS.start, HOGS.stop, A_CUSTOMER)
        each = np.full(len(all_of_them), CAPACITY * 0.92 / 8 / 1400 / len(all_of_them)).astype(np.int64)
        shared = self.out(all_of_them, self.servers[:24], packets=each, octets=each * 1400, output=CROWDED)
        parts = [own, lost, shared, self.alone(HOGS.start, EMPTY, 0.4)]
        if second % 3600 < 480:  # too short to be interference
            parts.append(self.alone(HOGS.stop - 8, EMPTY, 0.5))
        return parts

    def alone(self, who: int, link: int, share: float, inward: bool = False) -> Flows:
        """A customer that takes so much of a link."""
        one = np.array([who])
        packets = np.array([int(CAPACITY * share / 8 / 1400)])
        if inward:
            return self.into(one, self.strangers(self.address[one]), packets=packets, octets=packets * 1400, input=link)
        return self.out(one, self.strangers(self.address[one]), packets=packets, octets=packets * 1400, output=link)

    def usual_minute(self, count: int) -> NDArray[np.float64]:
        """So many minutes of each steady host, in bits a second: (hosts, minutes)."""
        return self.usual[:, None] * np.exp(self.rng.normal(0, WORKED, (len(self.usual), count)))

    def _keeping(self, second: int, busy: float) -> list[Flows]:
        """Hosts that do the same all day, more or less: sending, receiving in turn."""
        if second % 60 == 0 or not len(self.minute):
            self.minute = self.usual_minute(1)[:, 0]
        packets = self.rng.poisson(self.minute / 8 / 1400)
        who = np.array(STEADY)
        sends = np.arange(len(who)) % 2 == 0
        return [
            self.out(who[sends], self.strangers(self.address[who[sends]]), packets=packets[sends], octets=packets[sends] * 1400),
            self.into(
                who[~sends], self.strangers(self.address[who[~sends]]), packets=packets[~sends], octets=packets[~sends] * 1400
            ),
        ]

    def _inside(self, who: NDArray[np.int64], count: int, second: int, port: int, **more: Any) -> Flows:
        to = PLAIN + (second * count + np.arange(count)) % 300
        made = self.out(who, self.address[to], src_port=42_000, dst_port=port, **more)
        return made | {"dst_customer": self.customer[to]}
