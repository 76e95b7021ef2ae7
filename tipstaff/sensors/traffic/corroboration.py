"""Did our own flows see what a complaint describes? Pure: flows in, a careful answer out.

*Seen*: flows fit the complaint. *Not seen*: our exporters watched, and traffic of that size would hardly have escaped their
sampling. *Cannot tell*: nobody watched, nothing is kept of that time, or the sampling is too coarse for the absence to mean
anything. An answer weighs in verification; it never accuses by itself.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

TELLING = 0.05  # with a greater chance of having missed it all, absence says nothing
LEEWAY = timedelta(minutes=5)  # clocks of complainants and exporters, and flows exported late
#: Offsets that people forget to write, or write with the wrong sign, in hours; the stated time is tried first.
FORGOTTEN = (0.0, *(sign * hours for hours in (1, 2, 3, 4, 5, 5.5, 6, 7, 8, 9, 9.5, 10, 11, 12) for sign in (1, -1)))


class Verdict(StrEnum):
    SEEN = "seen"
    NOT_SEEN = "not seen"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Claim:
    """What a complaint says of one of our addresses: when (from, to), towards whom, and how much, where it says so."""

    start: datetime
    end: datetime
    peer: str | None = None
    peer_port: int | None = None
    local_port: int | None = None
    protocol: int | None = None
    packets: int | None = None
    zone_stated: bool = True


@dataclass(frozen=True)
class Seen:
    """One flow of the accused address as the archive has it: outgoing, and in both its exporter's figures."""

    start: datetime
    end: datetime
    peer: str
    peer_port: int
    local_port: int
    protocol: int
    packets: int
    rate: int | None


@dataclass(frozen=True)
class Watch:
    """Who watched: sampling rates of the exporters heard in that time (None: unknown), and since when flows are kept."""

    rates: Sequence[int | None]
    kept_since: datetime | None


@dataclass(frozen=True)
class Corroboration:
    """The answer, its reason in a sentence, the chance of having seen nothing of it, and the offset at which flows fit (hours)."""

    verdict: Verdict
    reason: str
    missed: float | None = None
    offset: float = 0.0
    flows: tuple[Seen, ...] = ()


def chance_of_missing(packets: int, rate: int) -> float:
    """The probability that sampling 1 packet in ``rate`` picks none of ``packets``: (1 - 1/rate) ** packets."""
    if rate <= 1:
        return 0.0 if packets > 0 else 1.0
    return math.exp(packets * math.log1p(-1 / rate))


def fits(claim: Claim, flow: Seen, offset: timedelta) -> bool:
    """Whether a flow is what the complaint describes, its times moved by ``offset``; what it does not state fits anything."""
    if flow.end < claim.start + offset - LEEWAY or flow.start > claim.end + offset + LEEWAY:
        return False
    stated = (
        (claim.peer, flow.peer), (claim.peer_port, flow.peer_port),
        (claim.local_port, flow.local_port), (claim.protocol, flow.protocol),
    )  # fmt: skip
    return all(wanted is None or wanted == got for wanted, got in stated)


def specific(claim: Claim) -> bool:
    """Whether the complaint says enough for a flow at another hour to mean anything: whom, or a port at their end."""
    return claim.peer is not None or claim.peer_port is not None


def corroborate(claim: Claim, flows: Iterable[Seen], watch: Watch) -> Corroboration:
    """What our flows say of a claim. ``flows``: those of the accused address within a day of it."""
    known = tuple(flows)
    offsets = FORGOTTEN if specific(claim) else FORGOTTEN[:1]
    for hours in offsets:
        found = tuple(flow for flow in known if fits(claim, flow, timedelta(hours=hours)))
        if found:
            return Corroboration(Verdict.SEEN, _seen(found, hours, claim), 0.0, hours, found)
    return _absent(claim, watch)


def _seen(found: tuple[Seen, ...], hours: float, claim: Claim) -> str:
    one = "1 flow fits" if len(found) == 1 else f"{len(found)} flows fit"
    if not hours:
        return f"{one} at the stated time"
    why = "its time zone is probably another one" if claim.zone_stated else "it states no time zone"
    return f"{one} when the stated time is moved by {hours:+g} h: {why}"


def _absent(claim: Claim, watch: Watch) -> Corroboration:
    """No flow fits: does that mean anything?"""
    if watch.kept_since is None or claim.start - LEEWAY < watch.kept_since:
        return Corroboration(Verdict.CANNOT_TELL, "flows of that time are not kept (any more)")
    if not watch.rates:
        return Corroboration(Verdict.CANNOT_TELL, "no exporter was heard at that time")
    rates = [rate for rate in watch.rates if rate]
    if len(rates) < len(watch.rates):
        return Corroboration(Verdict.CANNOT_TELL, "the sampling rate of an exporter is not known")
    # Which of our exporters it would have passed is not known: the one that sees least decides.
    packets = claim.packets if claim.packets is not None else 1
    missed = chance_of_missing(packets, max(rates))
    size = f"{packets} packets" if claim.packets is not None else "a single packet, as it does not say how many"
    told = f"sampling 1 in {max(rates)} would have missed {size} with probability {missed:.2g}"
    if missed > TELLING:
        return Corroboration(Verdict.CANNOT_TELL, told, missed)
    return Corroboration(Verdict.NOT_SEEN, f"no flow fits, and {told}", missed)
