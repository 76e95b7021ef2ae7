"""Did our own flows see what a complaint describes? Pure: flows in, a careful answer out.

*Seen*: flows fit the complaint. *Not seen*: our exporters watched, and traffic of that size would hardly have escaped their
sampling. *Cannot tell*: nobody watched, nothing is kept of that time, the complaint says too little, or the sampling is too
coarse for the absence to mean anything. An answer weighs in verification; it never accuses by itself.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address

TELLING = 0.05  # with a greater chance of having missed it all, absence says nothing
LEEWAY = timedelta(minutes=5)  # flows exported late, and clocks a little off
SLOW_CLOCK = timedelta(minutes=15)  # how far off a complainant's clock may be, where the complaint is specific
NAMED = timedelta(seconds=30)  # from which difference on the clocks are said to differ
#: Offsets that people forget to write, or write with the wrong sign, in hours; the stated time is tried first.
FORGOTTEN = (0.0, *(sign * hours for hours in (1, 2, 3, 4, 5, 5.5, 6, 7, 8, 9, 9.5, 10, 11, 12) for sign in (1, -1)))
FARTHEST = 24.0  # hours: no two clocks of this world differ by more


def bare(address: str) -> str:
    """An address in its normal text, without a zone index (``%eth0``): that may hold any words, and this goes into questions."""
    return str(ip_address(address.partition("%")[0]))


class Verdict(StrEnum):
    SEEN = "seen"
    NOT_SEEN = "not seen"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Claim:
    """What a complaint says of one of our addresses: when (from, to), towards whom, and how much, where it says so.

    ``zone``: hours east of UTC as the complaint wrote it, None where it wrote none; ``zone_stated`` is then False.
    """

    start: datetime
    end: datetime
    peer: str | None = None
    peer_port: int | None = None
    local_port: int | None = None
    protocol: int | None = None
    packets: int | None = None
    zone_stated: bool = True
    zone: float | None = None


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
    exporter: int = 0
    source: str = ""


@dataclass(frozen=True)
class Watch:
    """Who watched: sampling rates of the exporters heard in that time (None: unknown), and since when flows are kept.

    ``skews``: by how much an exporter's clock is ahead, by its number; ``lost``: the share of flows lost on the way here.
    """

    rates: Sequence[int | None]
    kept_since: datetime | None
    skews: Mapping[int, timedelta] = field(default_factory=dict)
    lost: float = 0.0


@dataclass(frozen=True)
class Corroboration:
    """The answer, its reason in a sentence, the chance of having seen nothing of it, and the offset at which flows fit (hours).

    ``skew``: how far the nearest fitting flow lies from the (moved) time. ``tried``: every offset that was looked at.
    """

    verdict: Verdict
    reason: str
    missed: float | None = None
    offset: float = 0.0
    flows: tuple[Seen, ...] = ()
    skew: timedelta = timedelta(0)
    tried: tuple[float, ...] = ()


def chance_of_missing(packets: int, rate: int) -> float:
    """The probability that sampling 1 packet in ``rate`` picks none of ``packets``: (1 - 1/rate) ** packets."""
    if rate <= 1:
        return 0.0 if packets > 0 else 1.0
    return math.exp(packets * math.log1p(-1 / rate))


def fits(claim: Claim, flow: Seen, offset: timedelta, leeway: timedelta = LEEWAY) -> bool:
    """Whether a flow is what the complaint describes, its times moved by ``offset``; what it does not state fits anything."""
    if flow.end < claim.start + offset - leeway or flow.start > claim.end + offset + leeway:
        return False
    stated = (
        (claim.peer, flow.peer), (claim.peer_port, flow.peer_port),
        (claim.local_port, flow.local_port), (claim.protocol, flow.protocol),
    )  # fmt: skip
    return all(wanted is None or wanted == got for wanted, got in stated)


def tells(claim: Claim) -> bool:
    """Whether a flow at the stated time means anything: the complaint says whom, or a port of either end."""
    return claim.peer is not None or claim.peer_port is not None or claim.local_port is not None


def specific(claim: Claim) -> bool:
    """Whether a flow at another hour means anything: whom, or the port at our end. The port attacked is everybody's."""
    return claim.peer is not None or claim.local_port is not None


def offsets(claim: Claim) -> tuple[float, ...]:
    """The hours by which a stated time is moved, the stated one first, then what its own zone suggests, then the usual ones.

    A zone of +2 written behind a time in UTC is 2 h early; one with the wrong sign is 4 h off.
    """
    if not specific(claim):
        return FORGOTTEN[:1]
    own = (claim.zone, 2 * claim.zone) if claim.zone else ()
    return tuple(dict.fromkeys((0.0, *(hours for hours in own if abs(hours) <= FARTHEST), *FORGOTTEN)))


def corroborate(claim: Claim, flows: Iterable[Seen], watch: Watch) -> Corroboration:
    """What our flows say of a claim. ``flows``: those of the accused address within a day of it."""
    known = tuple(_by_our_clock(flow, watch) for flow in flows)
    if not tells(claim):
        return _vague(claim, known, watch)
    tried = offsets(claim)
    leeways = (LEEWAY, SLOW_CLOCK) if specific(claim) else (LEEWAY,)
    for leeway in leeways:
        for hours in tried:
            found = tuple(flow for flow in known if fits(claim, flow, timedelta(hours=hours), leeway))
            if found:
                skew = min((_gap(claim, flow, timedelta(hours=hours)) for flow in found), key=abs)
                reason = _seen(found, hours, claim, skew)
                return Corroboration(Verdict.SEEN, reason, 0.0, hours, found, skew, tried)
    return replace(_absent(claim, watch), tried=tried)


def _by_our_clock(flow: Seen, watch: Watch) -> Seen:
    """The flow's times without its exporter's error."""
    skew = watch.skews.get(flow.exporter)
    return replace(flow, start=flow.start - skew, end=flow.end - skew) if skew else flow


def _gap(claim: Claim, flow: Seen, offset: timedelta) -> timedelta:
    """How long before (negative) or after the stated time the flow was; zero where they overlap."""
    if flow.end < claim.start + offset:
        return flow.end - claim.start - offset
    return max(flow.start - claim.end - offset, timedelta(0))


def _seen(found: tuple[Seen, ...], hours: float, claim: Claim, skew: timedelta) -> str:
    one = "1 flow fits" if len(found) == 1 else f"{len(found)} flows fit"
    said = f"{one} at the stated time"
    if hours:
        why = "its time zone is probably another one" if claim.zone_stated else "it states no time zone"
        said = f"{one} when the stated time is moved by {hours:+g} h: {why}"
    if abs(skew) >= NAMED:
        said += f"; {_length(abs(skew))} {'later' if skew > timedelta(0) else 'earlier'} than it says: the clocks differ"
    if claim.peer is None:
        said += "; it does not say whom, so that other traffic may fit as well"
    return said


def _length(period: timedelta) -> str:
    seconds = round(period.total_seconds())
    return f"{seconds} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _vague(claim: Claim, known: tuple[Seen, ...], watch: Watch) -> Corroboration:
    """A complaint that names neither whom nor a port: traffic at that time is no proof, none at all may be."""
    there = [flow for flow in known if fits(claim, flow, timedelta(0))]
    if not there:
        return replace(_absent(claim, watch), tried=(0.0,))
    said = f"it names neither whom nor a port; {len(there)} flows left the address at that time, which proves nothing"
    return Corroboration(Verdict.CANNOT_TELL, said, tried=(0.0,))


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
    picked = 1 - chance_of_missing(packets, max(rates))
    missed = 1 - picked * (1 - watch.lost)
    size = f"{packets} packets" if claim.packets is not None else "a single packet, as it does not say how many"
    told = f"sampling 1 in {max(rates)} would have missed {size} with probability {missed:.2g}"
    if watch.lost >= 0.01:
        told += f", {watch.lost:.0%} of the flows being lost on the way"
    if missed > TELLING:
        return Corroboration(Verdict.CANNOT_TELL, told, missed)
    return Corroboration(Verdict.NOT_SEEN, f"no flow fits, and {told}", missed)
