"""What a detector says: one finding about one of our addresses, prefixes or customers, with everything that led to it. Pure.

A finding is written as JSON, one document per file (see ``spool``): when it opens, now and then while it lasts, and when it
ends. All documents of one finding carry the same ``id``; the latest tells everything, so earlier ones may be skipped.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from tipstaff.kernel.errors import InputError, Problem
from tipstaff.sensors.traffic.detection import shapes

DIRECTIONS = ("in", "out", "internal")
SUBJECTS = ("address", "prefix", "customer")
MOST_FLOWS, MOST_TOP, MOST_SERIES = 20, 10, 600
GREAT = "top_peers", "top_ports", "sample_flows", "series"  # fields that most of a finding's text is of

#: Kind → category of the policy's list, type of XARF v4, value of the Reference Security Incident Taxonomy.
#: A victim is accused of nothing: no category.
KINDS: dict[str, tuple[str, str, str]] = {
    "ddos": ("ddos_origin", "connection/ddos", "availability:ddos"),
    "ddos_victim": ("", "connection/ddos", "availability:ddos"),
    "amplifier": ("open_relay", "vulnerability/open_service", "vulnerable:ddos-amplifier"),
    "port_scan": ("scan", "connection/port_scan", "information-gathering:scanner"),
    "port_scan_victim": ("", "connection/port_scan", "information-gathering:scanner"),
    "login_attack": ("intrusion", "connection/login_attack", "intrusion-attempts:brute-force"),
    "login_attack_victim": ("", "connection/login_attack", "intrusion-attempts:brute-force"),
    "spam": ("spam", "messaging/spam", "abusive-content:spam"),
    "listed_peer": ("compromised", "connection/infected_host", "malicious-code:infected-system"),
    "foreign_source": ("ip_misuse", "", "fraud:unauthorised-use-of-resources"),
    "blocked_traffic": ("network_harm", "", "availability:misconfiguration"),
    "blocked_traffic_victim": ("", "connection/ddos", "availability:ddos"),
    "uplink_share": ("network_harm", "", "availability:misconfiguration"),
    "unusual_traffic": ("network_harm", "", "availability:misconfiguration"),
}


@dataclass(frozen=True)
class Subject:
    """Whom a finding is about: ``kind`` address, prefix or customer; ``value`` its text, a customer's number in digits."""

    kind: str
    value: str


@dataclass(frozen=True)
class Limit:
    """What was exceeded: the figure it was compared with is ``figure`` of the finding's figures.

    ``applied``: whose threshold it is: "default", "customer 17", "prefix 198.51.100.0/24 of customer 17", "group mail servers",
    "learned"; ``why``: in a sentence, also how the limit was inherited or learned.
    """

    figure: str
    value: float
    unit: str
    applied: str
    why: str
    seconds: float = 0.0  # exceeded for so long before the finding opened


@dataclass(frozen=True)
class Finding:
    """One attack, scan, burst … from its opening on. Times are aware; figures are scaled by the sampling rate.

    ``figures``: names carry their unit: ``peak_bps``, ``mean_bps``, ``peak_pps``, ``fan_out`` (addresses), ``ports`` …
    ``top_peers``: {"address", "bytes", "packets", "flows"}; ``top_ports``: {"port", "protocol", "bytes", "packets", "flows"};
    both of the flows at hand, scaled. ``sample_flows``: with the names of ``tipstaff flows decode``, not scaled.
    ``series``: (seconds since 1970, value in the limit's unit), oldest first, for the picture with the limit's line.
    """

    id: str
    detector: str
    kind: str
    direction: str
    subject: Subject
    customer_id: int | None
    service_id: int | None
    opened_at: datetime
    last_at: datetime
    ended_at: datetime | None
    figures: Mapping[str, float]
    limit: Limit
    top_peers: Sequence[Mapping[str, Any]]
    top_ports: Sequence[Mapping[str, Any]]
    sampling_rate: int  # 1 in so many packets; 0: the exporter stated none, figures are as exported
    confidence: float
    confidence_why: str
    sample_flows: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    series: Sequence[tuple[float, float]] = field(default_factory=tuple)
    words: str = ""

    @property
    def category(self) -> str:
        """Code of the policy's list of categories; empty where nobody of ours is accused."""
        return KINDS[self.kind][0]

    @property
    def xarf(self) -> str:
        return KINDS[self.kind][1]

    @property
    def rsit(self) -> str:
        return KINDS[self.kind][2]

    def to_json(self) -> str:
        return json.dumps(self._plain(), allow_nan=False)

    def _plain(self) -> dict[str, Any]:
        """As ``asdict``, but without copies of everything inside, which took longer than the rest of a turn."""
        plain = dict(vars(self)) | {"subject": vars(self.subject), "limit": vars(self.limit)}
        for name in ("opened_at", "last_at", "ended_at"):
            plain[name] = None if plain[name] is None else stamp(plain[name])
        return plain


class Written:
    """A finding's JSON, written out when it changed, its greater part (samples, the picture) when that did."""

    def __init__(self) -> None:
        self._of: Finding | None = None
        self._parts: tuple[Any, ...] = ()
        self._head = self._text = ""

    def text_of(self, finding: Finding) -> str:
        """As ``to_json`` but for the order of fields and spaces."""
        if finding is self._of:
            return f"{self._head},{self._text}"
        plain = finding._plain()
        parts = tuple(plain.pop(name) for name in GREAT)
        if not self._parts or any(mine is not theirs for mine, theirs in zip(self._parts, parts, strict=True)):
            self._parts, self._text = parts, _compact(dict(zip(GREAT, parts, strict=True)))[1:]
        self._of, self._head = finding, _compact(plain)[:-1]
        return f"{self._head},{self._text}"


def _compact(plain: dict[str, Any]) -> str:
    return json.dumps(plain, allow_nan=False, separators=(",", ":"))


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def finding_id(detector: str, direction: str, subject: Subject, opened_at: datetime) -> str:
    """The same for every document of a finding; sorts by detector and time."""
    whole = "|".join((detector, direction, subject.kind, subject.value, stamp(opened_at)))
    return f"{detector}-{opened_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"


def from_json(text: str | bytes, *, source: str = "finding") -> Finding:
    """A finding from its JSON; raises InputError with every problem found, each naming the field."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(Problem(source, f"is no JSON: {error}", "write it with Finding.to_json")) from error
    problems: list[Problem] = []
    if not isinstance(plain, dict):
        raise InputError(Problem(source, "is no JSON object", "write it with Finding.to_json"))
    known = {one.name for one in fields(Finding)}
    problems += [Problem(f"{source}.{name}", "is no field of a finding", "remove it") for name in sorted(set(plain) - known)]
    read = shapes.Reading(source, plain, problems)
    found = _read(read)
    if not problems:
        _cross(read, found)
    if problems:
        raise InputError(problems)
    return Finding(**found)


def _read(read: shapes.Reading) -> dict[str, Any]:
    number = shapes.number
    return {
        "id": read.text("id", least=1, most=200),
        "detector": read.text("detector", least=1, most=80),
        "kind": read.choice("kind", tuple(KINDS)),
        "direction": read.choice("direction", DIRECTIONS),
        "subject": _subject(read),
        "customer_id": read.whole("customer_id", optional=True),
        "service_id": read.whole("service_id", optional=True),
        "opened_at": read.moment("opened_at"),
        "last_at": read.moment("last_at"),
        "ended_at": read.moment("ended_at", optional=True),
        "figures": read.mapping("figures", number),
        "limit": _limit(read),
        "top_peers": read.listing("top_peers", MOST_TOP, shapes.is_mapping),
        "top_ports": read.listing("top_ports", MOST_TOP, shapes.is_mapping),
        "sampling_rate": read.whole("sampling_rate") or 0,
        "confidence": read.fraction("confidence"),
        "confidence_why": read.text("confidence_why"),
        "sample_flows": read.listing("sample_flows", MOST_FLOWS, shapes.is_mapping),
        "series": tuple((float(at), float(value)) for at, value in read.listing("series", MOST_SERIES, shapes.is_pair)),
        "words": read.text("words"),
    }


def _subject(read: shapes.Reading) -> Subject:
    inner = read.inside("subject")
    kind, value = inner.choice("kind", SUBJECTS), inner.text("value", least=1, most=80)
    if kind and value and not shapes.is_subject(kind, value):
        inner.wrong("value", f"{value!r} is no {kind}", "write an address, a prefix, or a customer's number")
    return Subject(kind, value)


def _limit(read: shapes.Reading) -> Limit:
    inner = read.inside("limit")
    return Limit(
        inner.text("figure", least=1), inner.figure("value"), inner.text("unit"), inner.text("applied", least=1),
        inner.text("why"), inner.figure("seconds", optional=True),
    )  # fmt: skip


def _cross(read: shapes.Reading, found: Mapping[str, Any]) -> None:
    """What only two fields together can have wrong."""
    if found["last_at"] < found["opened_at"]:
        read.wrong("last_at", "is before opened_at", "a finding is last seen after it opened")
    if found["ended_at"] is not None and found["ended_at"] < found["opened_at"]:
        read.wrong("ended_at", "is before opened_at", "a finding ends after it opened")
    if found["limit"].figure not in found["figures"]:
        read.wrong("limit.figure", f"{found['limit'].figure!r} is none of the figures", "name the figure that was compared")
    if not all(math.isfinite(value) for value in found["figures"].values()):
        read.wrong("figures", "hold a figure that is not finite", "leave it out")
