"""Which scope and which connector: the smallest that does what was decided. Pure.

What a person decided is not widened, ever: where no connector can do it, a person is asked to do just that by hand. It
is narrowed only where nobody chose the scope (an emergency, or a measure that the policy lists as automatic) and what
the case is about lies in the smaller thing: content at a URL or site, traffic at a port. URL → site → port → machine →
service.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tipstaff.enforcement.connectors.contract import SCOPES, Target

#: What kinds of measure do the work of a block at each scope, the mildest first.
MILDER: Mapping[str, tuple[str, ...]] = {
    "url": ("url_block",),
    "site": ("park", "url_block"),
    "port": ("port_block",),
    "machine": ("walled_garden", "block", "suspend"),
    "service": ("suspend", "block"),
}
NARROWED = frozenset({"block", "suspend", "url_block", "port_block"})  # a decision for any other kind means that kind
#: Categories (policy/categories.toml) whose harm lies in what is shown: gone when the page or site is.
CONTENT = frozenset(
    ("csam", "terror", "phishing", "malware", "spyware", "spam_support", "copyright", "trademark", "harassment_hate",
     "ncii_violence", "defamation_privacy", "fraud_site", "gambling", "trade_secret_leak", "obscene")
)  # fmt: skip
#: Categories whose traffic leaves the machine: a port that the reports name is the one it came from, and to block it stops nothing.
OUTGOING = frozenset({"intrusion", "scan", "network_harm", "unauth_test"})
OUTWARDS = frozenset({25, 465, 587})  # mail that a machine sends: receiving it stays possible
BY_HAND = "person"


@dataclass(frozen=True)
class Offer:
    """One configured connector: its number, its name, what it can do, and its rank (lower is preferred)."""

    endpoint: int
    name: str
    connector: str
    does: frozenset[tuple[str, str]]
    rank: int = 100


@dataclass(frozen=True)
class Wanted:
    """What was decided, and what else the case names: texts by scope, already read by ``targets``."""

    kind: str
    scope: str
    category: str
    named: Mapping[str, str]
    may_narrow: bool = False  # nobody chose the scope


@dataclass(frozen=True)
class Choice:
    """``endpoint`` is None where nothing configured can do it, not even a person."""

    endpoint: int | None
    kind: str
    scope: str
    reason: str


def choose(wanted: Wanted, offers: Iterable[Offer]) -> Choice:
    """The smallest scope that the case names and a connector can serve, at most the one decided; with the reason."""
    ranked = sorted(offers, key=lambda offer: (offer.connector == BY_HAND, offer.rank, offer.name))
    passed: list[str] = []
    for scope, kinds in _ladder(wanted):
        if scope not in wanted.named:
            passed.append(f"the case names no {scope}")
            continue
        for kind in kinds:
            for offer in ranked:
                if (kind, scope) in offer.does and offer.connector != BY_HAND:
                    return Choice(offer.endpoint, kind, scope, _reason(wanted, kind, scope, offer.name, passed))
        passed.append(f"nothing configured can do {' or '.join(kinds)} of a {scope}")
    for offer in ranked:
        if offer.connector == BY_HAND:
            text = _reason(wanted, wanted.kind, wanted.scope, f"{offer.name} (by hand)", passed)
            return Choice(offer.endpoint, wanted.kind, wanted.scope, text)
    text = _reason(wanted, wanted.kind, wanted.scope, "nobody yet", passed)
    return Choice(None, wanted.kind, wanted.scope, text)


def _ladder(wanted: Wanted) -> list[tuple[str, tuple[str, ...]]]:
    """The scopes to try with their kinds, smallest first, ending with exactly what was decided."""
    decided = (wanted.scope, (wanted.kind,))
    if not wanted.may_narrow or wanted.kind not in NARROWED:
        return [decided]
    smaller = SCOPES[: SCOPES.index(wanted.scope)]
    if wanted.category not in CONTENT:
        smaller = tuple(scope for scope in smaller if scope not in {"url", "site"})
    if wanted.category in OUTGOING:
        smaller = tuple(scope for scope in smaller if scope != "port")
    return [*((scope, MILDER[scope]) for scope in smaller if scope != "machine" or wanted.scope == "service"), decided]


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _reason(wanted: Wanted, kind: str, scope: str, name: str, passed: list[str]) -> str:
    if (kind, scope) == (wanted.kind, wanted.scope):
        text = f"{_words(kind)} of the {scope}, as decided, by {name}"
    else:
        decided = f"the {_words(wanted.kind)} of the {wanted.scope} that was decided"
        text = f"{_words(kind)} of the {scope} by {name}, smaller than {decided}"
    return text + (f"; {'; '.join(passed)}" if passed else "")


def direction(kind: str, target: Target) -> str:
    """Which traffic a block stops: mail that leaves, requests that come to a service, all of a machine."""
    if kind != "port_block" or target.port is None:
        return "both"
    return "out" if target.port in OUTWARDS else "in"
