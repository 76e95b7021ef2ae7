"""Who may connect to the mail listener, how often, and for which recipients. Pure: the caller says what time it is."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

ROLES = ("abuse", "postmaster", "security", "noc")  # RFC 2142: mailboxes of every domain
REMEMBERED = 10_000  # peers whose rate is known


@dataclass(frozen=True)
class Recipients:
    """The desk's own addresses. ``abuse@example.net`` covers ``abuse+4312.x@example.net`` too; ``example.net`` a whole domain.

    With no list, ``anyone`` says whether every recipient is taken (behind an MTA on this host) or only the role
    mailboxes of RFC 2142. Nothing is ever sent on, so no listing makes a relay.
    """

    listed: frozenset[str] = frozenset()
    anyone: bool = False

    @classmethod
    def of(cls, listed: Sequence[str], *, anyone: bool) -> "Recipients":
        known = frozenset(entry.strip().lower().lstrip("@") for entry in listed if entry.strip())
        return cls(known, anyone and not known)

    def covers(self, address: str) -> bool:
        local, at, domain = address.strip().strip("<>").lower().rpartition("@")
        if not at:
            return address.strip("<> ").lower() == "postmaster"  # RFC 5321 4.5.1: without a domain
        local = local.strip('"')
        base = local.partition("+")[0]
        if self.anyone or base == "postmaster":
            return True
        if not self.listed:
            return base in ROLES
        return domain in self.listed or f"{base}@{domain}" in self.listed or f"{local}@{domain}" in self.listed


@dataclass(frozen=True)
class Caps:
    """Limits of the listener; the rate is messages a minute from one address."""

    connections: int = 200
    connections_per_peer: int = 20
    messages_per_minute: int = 6_000
    recipients: int = 100


#: For a listener on the loopback: one MTA of ours brings everybody's mail.
TRUSTED = Caps(connections_per_peer=200, messages_per_minute=600_000)


@dataclass
class Door:
    """Counts open connections and recent messages by peer."""

    caps: Caps
    open: "Counter[str]" = field(default_factory=Counter)
    _buckets: "OrderedDict[str, tuple[float, float]]" = field(default_factory=OrderedDict)

    def enter(self, peer: str) -> str:
        """Why this connection is refused, or an empty text; then ``leave`` must follow."""
        if self.open.total() >= self.caps.connections:
            return f"421 4.3.2 too many connections ({self.caps.connections}), try again later"
        if self.open[peer] >= self.caps.connections_per_peer:
            return f"421 4.7.0 too many connections from {peer} ({self.caps.connections_per_peer}), try again later"
        self.open[peer] += 1
        return ""

    def leave(self, peer: str) -> None:
        self.open[peer] -= 1
        if self.open[peer] <= 0:
            del self.open[peer]

    def message(self, peer: str, at: float) -> bool:
        """Whether ``peer`` may send a message now; ``at`` is in seconds of any steady clock."""
        rate = self.caps.messages_per_minute
        left, seen = self._buckets.pop(peer, (float(rate), at))
        left = min(float(rate), left + (at - seen) * rate / 60)
        allowed = left >= 1
        self._buckets[peer] = (left - 1 if allowed else left, at)
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return allowed
