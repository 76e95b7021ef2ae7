"""What a detector measured, for the page of a case: words, figures, a picture of the series with the limit, peers, flows. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tipstaff.reports.models import Event

WIDTH, HEIGHT, TOP = 560.0, 96.0, 8.0  # of the picture, in its own units; room above the highest point
SHOWN = 6  # findings of a case, the newest first
MOST_POINTS, MOST_ROWS = 600, 20
UNITS = {"bps": "bit/s", "pps": "packets/s", "fps": "flows/s"}
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6"}
FLOW = ("start", "src", "src_port", "dst", "dst_port", "protocol", "packets", "bytes", "sampling_rate")


@dataclass(frozen=True)
class Picture:
    """The series as a line, in a box of WIDTH by HEIGHT; ``limit_y`` None where no limit is known."""

    points: str
    area: str
    limit_y: float | None
    limit: str
    top: str
    first: datetime
    last: datetime

    @property
    def words(self) -> str:
        limit = f", limit {self.limit}" if self.limit_y is not None else ""
        return f"From {self.first:%H:%M:%S} to {self.last:%H:%M:%S} UTC, at most {self.top}{limit}"


@dataclass(frozen=True)
class Shown:
    """One finding as it stood when it was last written."""

    id: str
    detector: str
    direction: str
    subject: str
    words: str
    figures: list[tuple[str, str]]
    limit: Mapping[str, Any]
    sampling: str
    confidence: float | None
    confidence_why: str
    opened_at: datetime | None
    last_at: datetime | None
    ended_at: datetime | None
    note: str
    picture: Picture | None = None
    rows: list[tuple[datetime, str]] = field(default_factory=list)  # the picture's twin
    peers: Sequence[Mapping[str, Any]] = ()
    ports: Sequence[Mapping[str, Any]] = ()
    flows: list[list[Any]] = field(default_factory=list)


def of_events(events: Iterable[Event]) -> list[Shown]:
    """The findings that the events of a case carry, each as its newest document says, the newest first."""
    newest: dict[str, tuple[datetime, Shown]] = {}
    for event in events:
        details = event.details or {}
        finding = details.get("finding")
        if not isinstance(finding, dict) or not finding.get("id"):
            continue
        at, number = event.occurred_at or event.latest or event.received_at, str(finding["id"])
        if number not in newest or at >= newest[number][0]:
            newest[number] = (at, shown(finding, str(details.get("permit_note") or "")))
    return [one for _, one in sorted(newest.values(), key=lambda pair: pair[0], reverse=True)][:SHOWN]


def shown(finding: Mapping[str, Any], note: str = "") -> Shown:
    """A finding's document as it is shown; whatever it lacks stays empty."""
    limit, subject = _mapping(finding.get("limit")), _mapping(finding.get("subject"))
    rate, confidence = finding.get("sampling_rate"), finding.get("confidence")
    unit = str(limit.get("unit") or "")
    series = _series(finding.get("series"))
    return Shown(
        id=str(finding["id"]),
        detector=str(finding.get("detector") or "").replace("_", " "),
        direction={"in": "towards", "out": "from", "internal": "within"}.get(str(finding.get("direction")), "at"),
        subject=f"{'customer ' if subject.get('kind') == 'customer' else ''}{subject.get('value') or ''}",
        words=str(finding.get("words") or ""),
        figures=[(name.replace("_", " "), scaled(value, _unit(name))) for name, value in _mapping(finding.get("figures")).items()],
        limit=dict(limit) | {"said": scaled(limit.get("value"), unit), "figure": str(limit.get("figure") or "").replace("_", " ")},
        sampling="" if not isinstance(rate, int) else f"1 in {rate:,}" if rate else "not stated: figures are as exported",
        confidence=confidence if isinstance(confidence, int | float) else None,
        confidence_why=str(finding.get("confidence_why") or ""),
        opened_at=_moment(finding.get("opened_at")),
        last_at=_moment(finding.get("last_at")),
        ended_at=_moment(finding.get("ended_at")),
        note=note,
        picture=drawn(series, limit.get("value"), unit),
        rows=[(at, scaled(value, unit)) for at, value in series],
        peers=_listed(finding.get("top_peers")),
        ports=[_port(one) for one in _listed(finding.get("top_ports"))],
        flows=[_flow(one) for one in _listed(finding.get("sample_flows"))],
    )


def drawn(series: Sequence[tuple[datetime, float]], limit: Any, unit: str) -> Picture | None:
    """The picture of a series of at least two moments, with the line of its limit."""
    if len(series) < 2 or series[-1][0] <= series[0][0]:
        return None
    bound = float(limit) if isinstance(limit, int | float) and limit > 0 else None
    highest = max(max(value for _, value in series), bound or 0.0) or 1.0
    began, width = series[0][0], (series[-1][0] - series[0][0]).total_seconds()

    def y(value: float) -> float:
        return round(HEIGHT - (HEIGHT - TOP) * max(value, 0.0) / highest, 1)

    places = [f"{round(WIDTH * (at - began).total_seconds() / width, 1)},{y(value)}" for at, value in series]
    return Picture(
        points=" ".join(places),
        area=f"M0,{HEIGHT} L{' L'.join(places)} L{WIDTH},{HEIGHT} Z",
        limit_y=None if bound is None else y(bound),
        limit="" if bound is None else scaled(bound, unit),
        top=scaled(max(value for _, value in series), unit),
        first=began,
        last=series[-1][0],
    )


def scaled(value: Any, unit: str = "") -> str:
    """A figure as people read it: '2.5 Gbit/s', '812 addresses'."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    prefixed = unit in {"bit/s", "packets/s", "packet/s", "flows/s", "bytes/s"}
    size, letter = next(((s, p) for s, p in PREFIXES if abs(value) >= s), (1.0, "")) if prefixed else (1.0, "")
    number = f"{value / size:,.4g}" if prefixed or value % 1 else f"{value:,.0f}"
    return f"{number} {letter}{unit}".strip()


def _unit(name: str) -> str:
    return UNITS.get(name.rpartition("_")[2], "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [_mapping(one) for one in value[:MOST_ROWS]] if isinstance(value, list | tuple) else []


def _series(given: Any) -> list[tuple[datetime, float]]:
    listed = given[:MOST_POINTS] if isinstance(given, list | tuple) else ()
    pairs = [pair for pair in listed if isinstance(pair, list | tuple) and len(pair) == 2]
    numbers = [(at, value) for at, value in pairs if isinstance(at, int | float) and isinstance(value, int | float)]
    return [(datetime.fromtimestamp(at, UTC), float(value)) for at, value in numbers if 0 <= at < 4e9]


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _protocol(one: Mapping[str, Any]) -> str:
    said = one.get("protocol")
    return PROTOCOLS.get(said, str(said)) if isinstance(said, int) else str(said or "")


def _port(one: Mapping[str, Any]) -> dict[str, Any]:
    return dict(one) | {"name": _protocol(one)}


def _flow(one: Mapping[str, Any]) -> list[Any]:
    known = dict(one) | {"protocol": _protocol(one)}
    return ["" if known.get(name) is None else known[name] for name in FLOW]
