"""What somebody asks on the Traffic screen, as its address says it, and the answer: bounded in time, rows and at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db import connection

from tipstaff.accounts.models import Customer
from tipstaff.faces.desk import streams
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.sensors.traffic import queries as sensors
from tipstaff.sensors.traffic.archive.asking import Questions
from tipstaff.sensors.traffic.archive.filters import parse_filter
from tipstaff.sensors.traffic.archive.questions import DIMENSIONS, Span
from tipstaff.sensors.traffic.models import Exporter

PERIODS = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
NAMES = {
    "local": "Our address", "peer": "Other address", "customer": "Customer", "peer_customer": "Customer at the other end",
    "direction": "Direction", "protocol": "Protocol", "local_port": "Our port", "peer_port": "Other port", "exporter": "Exporter",
    "input": "Input interface", "output": "Output interface", "src_as": "Source AS", "dst_as": "Destination AS",
    "tcp_flags": "TCP flags", "vlan": "VLAN", "family": "IP version",
}  # fmt: skip
MEASURES = {"bytes": ("Traffic", "bit/s", 8), "packets": ("Packets", "packets/s", 1), "flows": ("Records", "records/s", 1)}
VIEWS = {"lines": "Lines", "heat": "Heat", "sankey": "From and to"}
COUNTS = (5, 8, 12)
LONGEST = timedelta(days=400)
YEARS = range(1971, 3000)
LIMIT = 15.0  # seconds a question may take
LOCK = 7_117
KEPT = 20  # seconds that an answer may be old
PROTOCOLS = {1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "6in4", 47: "GRE", 50: "ESP", 51: "AH", 58: "ICMPv6",
             89: "OSPF", 132: "SCTP"}  # fmt: skip
DIRECTIONS = {0: "out", 1: "in", 2: "through"}
SERVICES = {21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 53: "dns", 80: "http", 110: "pop3", 123: "ntp", 143: "imap",
            161: "snmp", 389: "ldap", 443: "https", 445: "smb", 465: "smtps", 587: "submission", 993: "imaps", 1900: "ssdp",
            3306: "mysql", 3389: "rdp", 5060: "sip", 5432: "postgresql", 5900: "vnc", 6379: "redis",
            8080: "http-alt", 11211: "memcached"}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One question, whole. ``text``: the parameters of its address."""

    span: Span
    last: str
    dimension: str = "customer"
    second: str = "peer_port"
    measure: str = "bytes"
    view: str = "lines"
    count: int = 8
    where: str = ""
    before: bool = True
    exact: bool = False

    @property
    def step(self) -> timedelta:
        return streams.step_for(self.span.length)

    def address(self, **changes: Any) -> str:
        """The question as a query string, with some of it changed."""
        known: dict[str, Any] = {
            "by": self.dimension, "to_by": self.second, "measure": self.measure, "view": self.view, "n": self.count,
            "where": self.where, "before": "" if self.before else "off", "exact": "on" if self.exact else "",
        }  # fmt: skip
        known |= {"last": self.last} if self.last else {"from": text_of(self.span.start), "to": text_of(self.span.end)}
        return "?" + urlencode({name: value for name, value in (known | changes).items() if value not in ("", None)})


def text_of(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def read(given: Mapping[str, str], now: datetime, zone: ZoneInfo) -> Asked:
    """The question that an address asks. Raises InputError with every problem; what is not said is the customary."""
    problems: list[Problem] = []
    last = given.get("last", "")
    whole = timedelta(minutes=1)
    end = datetime.fromtimestamp(now.timestamp() // whole.total_seconds() * 60, UTC) + whole
    if given.get("from"):
        start, end = (
            moment("from", given["from"], zone, problems) or end,
            (moment("to", given.get("to", ""), zone, problems) if given.get("to") else end) or end,
        )
        last = ""
        if not problems and not timedelta(0) < end - start <= LONGEST:
            problems.append(Problem("from", "is not before the end, or more than 400 days before it", "name an earlier moment"))
            start = end - timedelta(hours=1)
    else:
        last = last if last in PERIODS else "6h"
        start = end - PERIODS[last]
    chosen = {
        name: _choice(key, given.get(key, ""), known, default, problems)
        for name, key, known, default in (
            ("dimension", "by", DIMENSIONS, "customer"), ("second", "to_by", DIMENSIONS, "peer_port"),
            ("measure", "measure", MEASURES, "bytes"), ("view", "view", VIEWS, "lines"),
        )
    }  # fmt: skip
    where = given.get("where", "").strip()
    try:
        parse_filter(where)
    except InputError as wrong:
        problems += wrong.problems
    count = int(given["n"]) if given.get("n") in {str(one) for one in COUNTS} else 8
    if problems:
        raise InputError(problems)
    return Asked(
        Span(start, end),
        last,
        count=count,
        where=where,
        before=given.get("before") != "off",
        exact=given.get("exact") == "on",
        **chosen,
    )


def _choice(key: str, text: str, known: Any, default: str, problems: list[Problem]) -> str:
    if text and text not in known:
        problems.append(Problem(key, f"{text!r} is not known", f"known are {', '.join(known)}"))
    return text if text in known else default


def moment(key: str, text: str, zone: ZoneInfo, problems: list[Problem]) -> datetime | None:
    """A moment as the address or the form gives it; without an offset in the viewer's zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        problems.append(Problem(key, f"{text!r} is no time", "write it like 2026-02-11T14:05"))
        return None
    if found.year not in YEARS:
        problems.append(Problem(key, f"{found.year} is no year of flows", "write it like 2026-02-11T14:05"))
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)


@dataclass
class Found:
    """What a question brought. Amounts are sums over the span; ``lines[place][step]``, the last of them all others."""

    values: list[Any] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)  # of each value, then of all others
    lines: list[list[int]] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    total: int = 0
    total_before: int | None = None
    unscaled: bool = False
    seconds: list[Any] = field(default_factory=list)  # values of the second dimension
    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    estimated: bool = False
    rows: int = 0


def answer(asked: Asked, by: int, now: datetime) -> Found:
    """Ask the archive; one question of one person at a time. The same asked again soon is not asked again."""
    whole = asked.address(last="", **{"from": text_of(asked.span.start), "to": text_of(asked.span.end)})
    key = f"desk:traffic:{blake2b(whole.encode(), digest_size=16).hexdigest()}"
    known: Found | None = cache.get(key)
    if known is not None:
        return known
    with turn(by):
        found = _ask(asked)
    cache.set(key, found, KEPT)
    return found


@contextmanager
def turn(by: int) -> Iterator[None]:
    """One question at a time for each person, wherever the pages are served."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, by % 2**31])
        if not cursor.fetchone()[0]:
            raise Refused("Your last question to the archive is still being answered: wait for it, or ask for less.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, by % 2**31])


def _ask(asked: Asked) -> Found:
    found = Found()
    store, found.estimated, found.rows = sensors.explorer(asked.span, exact=asked.exact, limit=LIMIT)
    common: dict[str, Any] = {"measure": asked.measure, "where": asked.where}
    top = store.top(asked.dimension, asked.span, count=asked.count, **common)
    column = top.names.index(asked.measure)
    found.values, found.unscaled = [row[0] for row in top.rows], any(row[-1] for row in top.rows)
    found.amounts = [row[column] for row in top.rows]
    rows = store.lines(asked.dimension, asked.span, step=asked.step, values=found.values, **common)
    found.lines = _grid(rows, asked.span, asked.step, len(found.values))
    found.total = sum(map(sum, found.lines))
    found.amounts.append(max(found.total - sum(found.amounts), 0))
    if asked.before:
        earlier = asked.span.before()
        gone = store.lines(asked.dimension, earlier, step=asked.step, **common)
        found.before = _grid(gone, earlier, asked.step, 0)[0]
        found.total_before = sum(found.before)
    if asked.view == "sankey":
        _flow_between(store, asked, found, common)
    return found


def _flow_between(store: Questions, asked: Asked, found: Found, common: dict[str, Any]) -> None:
    second = store.top(asked.second, asked.span, count=asked.count, **common)
    found.seconds = [row[0] for row in second.rows]
    found.pairs = store.pairs((asked.dimension, asked.second), asked.span, values=(found.values, found.seconds), **common)


def _grid(rows: Sequence[tuple[datetime, int, int]], span: Span, step: timedelta, values: int) -> list[list[int]]:
    """Amounts by value and step; the last row is all others."""
    width = int(step.total_seconds())
    first = int(span.start.timestamp()) // width * width
    count = max(1, -(-(int(span.end.timestamp()) - first) // width))
    grid = [[0] * count for _ in range(values + 1)]
    for at, place, amount in rows:
        slot = (int(at.timestamp()) - first) // width
        if 0 <= slot < count:
            grid[place][slot] += amount
    return grid


def labels(dimension: str, values: Sequence[Any]) -> list[str]:
    """What people call the values."""
    if dimension in ("customer", "peer_customer"):
        names = dict(Customer.objects.filter(pk__in=[one for one in values if one]).values_list("pk", "name"))
        return [names.get(one, f"customer {one}") if one else "not ours" for one in values]
    if dimension == "exporter":
        known = {one.pk: one.name or one.address for one in Exporter.objects.filter(pk__in=values)}
        return [known.get(one, f"exporter {one}") for one in values]
    return [_label(dimension, one) for one in values]


def _label(dimension: str, value: Any) -> str:
    if value is None:
        return "no address"
    if dimension == "direction":
        return DIRECTIONS.get(value, str(value))
    if dimension == "protocol":
        return PROTOCOLS.get(value, str(value))
    if dimension in ("local_port", "peer_port"):
        return f"{value} {SERVICES[value]}" if value in SERVICES else str(value)
    if dimension == "tcp_flags":
        return flags(value)
    if dimension in ("src_as", "dst_as"):
        return f"AS{value}" if value else "not told"
    return f"IPv{value}" if dimension == "family" else str(value)


def flags(value: int) -> str:
    return (
        " ".join(name for bit, name in enumerate(("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")) if value >> bit & 1)
        or "none"
    )


def unknown_before(asked: Asked, found: Found, kept: datetime) -> int:
    """Steps at the beginning of the period before of which nothing is kept, neither flows (since ``kept``) nor their sums."""
    earlier = asked.span.before()
    steps = min(int((kept - earlier.start) / asked.step), len(found.before))
    return steps if steps > 0 and not any(found.before[:steps]) else 0


def only(asked: Asked, parts: Sequence[tuple[str, Any]]) -> str:
    """The address of the same question of these values of dimensions alone; empty where one of them cannot be named."""
    if any(value is None for _, value in parts):
        return ""
    for dimension, value in parts:
        asked = replace(asked, where=narrowed(asked, dimension, value))
    return asked.address()


def narrowed(asked: Asked, dimension: str, value: Any) -> str:
    """The filter with one more condition."""
    one = f"{dimension} {value}"
    return f"({asked.where}) and {one}" if " or " in asked.where.lower() else f"{asked.where} and {one}" if asked.where else one
