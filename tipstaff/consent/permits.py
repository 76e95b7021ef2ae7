"""Does a permit cover what was seen? Pure: scopes and a deed in, the permits that cover it or why none does out.

A permit names hosts of ours, the direction (tests by them, or of them), where it says so whom and with what, and a window. It
holds from its approval on: consent is prior (requirements D1), and nothing makes it so afterwards. What it covers is annotated;
whatever lies outside by a host, a peer or a second is judged as if there were no permit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network
TEST, RESEARCH = "test", "research"
KINDS = {TEST: "Security test", RESEARCH: "Research exception"}
OUT, IN, BOTH = "out", "in", "both"
DIRECTIONS = {OUT: "from these hosts", IN: "against these hosts", BOTH: "from and against these hosts"}
#: The exceptions of an edition that a kind of permit proves.
PROVES = {TEST: frozenset({"written_consent"}), RESEARCH: frozenset({"research_scanner", "research"})}


@dataclass(frozen=True, slots=True)
class Scope:
    """What one approved permit allows. Empty ``targets`` or ``kinds``: it names none, and any fits.

    The window is [``starts_at``, ``ends_at``): never before its approval, and over with its revocation.
    """

    id: int
    kind: str
    direction: str
    hosts: tuple[Network, ...]
    starts_at: datetime
    ends_at: datetime
    services: frozenset[int] = frozenset()
    targets: tuple[Network, ...] = ()
    kinds: frozenset[str] = frozenset()  # detectors and codes of categories
    customer: int | None = None  # whose consent it is: an address that went to somebody else is no longer covered


@dataclass(frozen=True, slots=True)
class Deed:
    """What was seen: our address or prefix, when (both ends), which way, of which kinds, and towards whom where that is known."""

    local: Network | None
    starts_at: datetime
    ends_at: datetime
    direction: str = OUT
    kinds: frozenset[str] = frozenset()
    peers: tuple[Network, ...] = ()
    service: int | None = None
    customer: int | None = None  # to whom it is attributed


@dataclass(frozen=True, slots=True)
class Answer:
    """The permits that cover a deed together, in the order of their windows; or none, and the nearest reason."""

    permits: tuple[Scope, ...] = ()
    why_not: str = ""

    def __bool__(self) -> bool:
        return bool(self.permits)


def covering(scopes: Iterable[Scope], deed: Deed) -> Answer:
    """Which permits cover a deed from its first to its last moment; windows that touch or overlap add up."""
    reasons, fitting = [], []
    for scope in scopes:
        why = unfit(scope, deed)
        if not why:
            fitting.append(scope)
        elif why != "hosts":
            reasons.append(f"permit {scope.id} does not cover it: {why}")
    used = _in_time(fitting, deed)
    if used:
        return Answer(used)
    reasons += [f"permit {one.id} does not cover it: {_outside(one, deed)}" for one in fitting]
    return Answer((), reasons[0] if reasons else "")


def unfit(scope: Scope, deed: Deed) -> str:
    """Why a scope does not fit a deed, its time apart; 'hosts' where it speaks of others altogether, empty where it fits."""
    here = deed.service is not None and deed.service in scope.services
    if not here and (deed.local is None or not _within(deed.local, scope.hosts)):
        return "hosts"
    if scope.customer is not None and scope.customer != deed.customer:
        return "it is the consent of another customer than held the address then"
    if scope.direction not in (deed.direction, BOTH):
        return f"it is for tests {DIRECTIONS[scope.direction]}, and this went the other way"
    if scope.kinds and not scope.kinds & deed.kinds:
        return f"it is for {', '.join(sorted(scope.kinds))} only"
    if scope.targets and not deed.peers:
        return "it names the other side, and who that was is not known"
    if scope.targets and (stray := [peer for peer in deed.peers if not _within(peer, scope.targets)]):
        return f"{_shown(stray[0])} is none of those it names"
    return ""


def _in_time(scopes: Sequence[Scope], deed: Deed) -> tuple[Scope, ...]:
    """The scopes whose windows cover the deed without a gap."""
    reached, used = deed.starts_at, []
    for scope in sorted(scopes, key=lambda one: (one.starts_at, one.id)):
        if scope.starts_at <= reached < scope.ends_at:
            used.append(scope)
            reached = scope.ends_at
        if reached > deed.starts_at and deed.ends_at <= reached:
            return tuple(used)
    return ()


def _outside(scope: Scope, deed: Deed) -> str:
    window = f"its window is {scope.starts_at:%Y-%m-%d %H:%M:%S} to {scope.ends_at:%Y-%m-%d %H:%M:%S} UTC"
    if deed.starts_at < scope.starts_at:
        return f"{window}, and this began before it"
    return f"{window}, and this was after it" if deed.starts_at >= scope.ends_at else f"{window}, and this went on beyond it"


def _within(one: Network, networks: Iterable[Network]) -> bool:
    return any(one.version == network.version and one.subnet_of(network) for network in networks)  # type: ignore[arg-type]


def _shown(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
