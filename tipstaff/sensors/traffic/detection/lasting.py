"""Findings from their opening to their end: one per detector, direction and subject at a time. Pure: writes nothing itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tipstaff.sensors.traffic.detection.findings import MOST_SERIES, Finding, Written, finding_id
from tipstaff.sensors.traffic.detection.sightings import Sighting

Key = tuple[str, str, str, str]
FIRST_UPDATE, LONGEST_UPDATE = 60, 900  # seconds from a document to the next while a finding lasts; doubled each time
LOOK = 8  # seconds after which the figures of a finding that goes on are worked out anew
MOST_OPEN = 20_000


@dataclass
class Open:
    """A finding that lasts; times in seconds."""

    finding: Finding
    last: int
    quiet: int
    next_write: int
    next_look: int = 0
    step: int = FIRST_UPDATE
    series: dict[float, float] = field(default_factory=dict)
    written: Written = field(default_factory=Written)

    def text(self) -> str:
        """Its JSON as of now."""
        return self.written.text_of(self.finding)


@dataclass(frozen=True)
class Evidence:
    """What the flows at hand show."""

    customer: int
    top_peers: Sequence[Mapping[str, Any]] = ()
    top_ports: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[Mapping[str, Any]] = ()


class Findings:
    """The open ones by key; ``turned_away`` counts what had no room."""

    def __init__(self) -> None:
        self.open: dict[Key, Open] = {}
        self.opened = self.ended = self.turned_away = 0

    def restore(self, left: Iterable[Finding], quiet: int, second: int) -> None:
        """Take up findings of an engine that ended."""
        for one in left:
            key = one.detector, one.direction, one.subject.kind, one.subject.value
            last = int(one.last_at.timestamp())
            series = {float(at): float(value) for at, value in one.series}
            self.open[key] = Open(one, last, quiet, second + FIRST_UPDATE, series=series)

    def goes_on(self, key: Key, last: int, second: int) -> bool:
        """Whether to know that it was still over at ``last`` is enough for now: no document is due, and its figures are fresh."""
        known = self.open.get(key)
        if known is None or second >= min(known.next_look, known.next_write):
            return False
        known.last = max(known.last, last)
        return True

    def see(self, sighting: Sighting, second: int, gather: Callable[[Sighting], Evidence | None]) -> Finding | None:
        """Open, or go on with, a finding; a document where one is due. ``gather`` says None where a second look denies it."""
        known = self.open.get(sighting.key)
        if known is None:
            return self._begin(sighting, second, gather)
        known.last, known.next_look = max(known.last, sighting.last), second + min(LOOK, known.quiet // 2)
        figures = {
            name: max(value, known.finding.figures.get(name, value)) if name.startswith("peak") or name == "fan_out" else value
            for name, value in sighting.figures.items()
        }
        limit_kept = known.finding.limit if known.finding.limit.figure in figures else sighting.limit
        known.finding = replace(
            known.finding, last_at=moment(known.last), figures=figures, limit=limit_kept,
            confidence=max(known.finding.confidence, sighting.confidence), words=sighting.words,
        )  # fmt: skip
        if second < known.next_write:
            return None
        known.step = min(known.step * 2, LONGEST_UPDATE)
        known.next_write = second + known.step
        self._picture(known, sighting, second)
        evidence = gather(sighting)
        if evidence is not None and evidence.samples:
            known.finding = _shown(known.finding, evidence)
        return known.finding

    def _begin(self, sighting: Sighting, second: int, gather: Callable[[Sighting], Evidence | None]) -> Finding | None:
        if len(self.open) >= MOST_OPEN:
            self.turned_away += 1
            return None
        evidence = gather(sighting)
        if evidence is None:
            return None
        opened = moment(sighting.began)
        fresh = Finding(
            finding_id(sighting.detector, sighting.direction, sighting.subject, opened), sighting.detector, sighting.kind,
            sighting.direction, sighting.subject, evidence.customer if evidence.customer > 0 else None, None, opened,
            moment(max(sighting.last, sighting.began)), None, dict(sighting.figures), sighting.limit, (), (), sighting.rate,
            sighting.confidence, sighting.confidence_why, (), (), sighting.words,
        )  # fmt: skip
        known = Open(_shown(fresh, evidence), max(sighting.last, sighting.began), sighting.quiet, second + FIRST_UPDATE)
        self._picture(known, sighting, second)
        self.open[sighting.key] = known
        self.opened += 1
        return known.finding

    def _picture(self, known: Open, sighting: Sighting, second: int) -> None:
        """Add what was measured since to the series, thinned where it grows too long."""
        points = sighting.series()
        known.series |= dict(points) if points else {float(second): float(sighting.figures[sighting.limit.figure])}
        times = sorted(known.series)
        while len(times) > MOST_SERIES:
            times = times[: len(times) // 2 : 2] + times[len(times) // 2 :]
        known.series = {at: known.series[at] for at in times}
        known.finding = replace(known.finding, series=tuple(known.series.items()))

    def end_quiet(self, second: int) -> list[Finding]:
        """Those that were not over their release for their quiet time; they ended when they were last."""
        over = [key for key, one in self.open.items() if second - one.last > one.quiet]
        ended = []
        for key in over:
            one = self.open.pop(key)
            ended.append(replace(one.finding, ended_at=moment(one.last), last_at=moment(one.last)))
        self.ended += len(ended)
        return ended


def _shown(finding: Finding, evidence: Evidence) -> Finding:
    return replace(finding, top_peers=evidence.top_peers, top_ports=evidence.top_ports, sample_flows=evidence.samples)


def moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
