"""Which flows an address had around a time, and who watched meanwhile: asked of our archive and of what else is kept."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from tipstaff.sensors.traffic.archive.asking import Archive, Questions, Span
from tipstaff.sensors.traffic.corroboration import Claim, Corroboration, Seen, Watch, bare, corroborate, offsets

EXACT = timedelta(minutes=20)  # looked at first: most claims are right about their time
BESIDE = timedelta(hours=1)
MOST = 50_000


class Source(Protocol):
    """Something that keeps flows: our archive, nfdump's files, a table of somebody's ClickHouse."""

    name: str

    def flows(self, address: str, span: Span, claim: Claim) -> list[Seen]:
        """Outgoing flows of an address in a span that can be what is claimed, at most MOST."""

    def watch(self, span: Span) -> Watch:
        """Who watched in that time."""


class Own:
    """Our own archive; ``skews`` and ``lost`` as the receiver last reported them of the exporters."""

    name = "archive"

    def __init__(self, archive: Questions, *, skews: dict[int, timedelta] | None = None, lost: float = 0.0) -> None:
        self.archive, self.skews, self.lost = archive, skews or {}, lost

    def flows(self, address: str, span: Span, claim: Claim) -> list[Seen]:
        wanted = {
            "peer": bare(claim.peer) if claim.peer else None,
            "peer_port": claim.peer_port,
            "local_port": claim.local_port,
            "protocol": claim.protocol,
        }
        where = " and ".join(["direction out", *(f"{name} {value}" for name, value in wanted.items() if value is not None)])
        rows = self.archive.flows_of(address, span, limit=MOST, where=where).as_objects()
        return [
            Seen(
                row["start"], row["end"], row["peer"], row["peer_port"], row["local_port"], row["protocol"], row["packets"],
                row["sampling_rate"], row["exporter"], self.name,
            )
            for row in rows
        ]  # fmt: skip

    def watch(self, span: Span) -> Watch:
        rates = [rate or None for rate in self.archive.rates(span)]
        return Watch(rates, self.archive.kept_since(), self.skews, self.lost)


def ask(archive: Archive, address: str, claim: Claim) -> Corroboration:
    """What the archive says of a claim against one of our addresses."""
    return ask_all([Own(archive)], address, claim)[0]


def ask_all(sources: Sequence[Source], address: str, claim: Claim) -> tuple[Corroboration, Watch]:
    """What everything that keeps flows says of a claim, and who watched. First at the stated time, then within a day of it."""
    exact = Span(claim.start - EXACT, claim.end + EXACT)
    watch = joined(source.watch(exact) for source in sources)
    answer = corroborate(claim, _flows(sources, address, exact, claim), watch)
    if answer.flows or len(offsets(claim)) == 1:
        return answer, watch
    around = timedelta(hours=max(map(abs, offsets(claim)))) + BESIDE
    wide = Span(claim.start - around, claim.end + around)
    return corroborate(claim, _flows(sources, address, wide, claim), watch), watch


def _flows(sources: Sequence[Source], address: str, span: Span, claim: Claim) -> list[Seen]:
    return [flow for source in sources for flow in source.flows(address, span, claim)]


def joined(watches: Iterable[Watch]) -> Watch:
    """Several watchers as one: whoever kept that time counts, and the one that sees least decides."""
    known = [one for one in watches if one.kept_since is not None]
    if not known:
        return Watch([], None)
    kept: datetime = min(one.kept_since for one in known if one.kept_since is not None)
    skews = {number: skew for one in known for number, skew in one.skews.items()}
    return Watch([rate for one in known for rate in one.rates], kept, skews, max(one.lost for one in known))
