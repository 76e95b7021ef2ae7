"""What every connector is: it says what it would do, does it, reads it back, and takes it away again.

Pure: no Django, no sockets, no clock. A connector is one file beside this one, with its pure plan builder beside it
where that is more than a few lines, and one line in ``tipstaff/enforcement/registry.py``. It is built with its settings
and the :class:`~tipstaff.enforcement.rails.Bounds` of this installation, and asks them again before each ``apply``: the
last rail stands where the action is. ``tests/enforcement/connector_contract.py`` holds what it must keep to.

How the worker uses one, each step committed before the next, so that kill -9 anywhere leaves a state to go on from::

    undo = connector.snapshot(order)              # stored with the order
    receipt = connector.apply(order with undo)    # stored
    connector.verify(receipt)                     # IN_PLACE -> verified
    …
    connector.lift(receipt)                       # after verify said that what stands there is still ours
    connector.verify(receipt)                     # ABSENT -> reverted

After a crash the worker has no receipt but only the order; it then verifies and lifts ``Receipt(order)``, so ``handle``
may speed a connector up but nothing may depend on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import Any, ClassVar, Protocol

from tipstaff.kernel.errors import TipstaffError

SCOPES = ("url", "site", "port", "machine", "service")  # from the smallest


@dataclass(frozen=True)
class Field:
    """One setting of a connector's form. A secret one holds the name of an environment variable, never the secret."""

    name: str
    label: str
    meaning: str = ""
    secret: bool = False
    required: bool = True
    default: str = ""


@dataclass(frozen=True)
class Target:
    """What an order acts on, taken apart by :func:`tipstaff.enforcement.targets.parse`; ``text`` is its canonical form.

    By scope: ``url`` has url and host; ``site`` has host (A-labels, lower case); ``port`` has prefix, protocol and port;
    ``machine`` has prefix (a /32 or /128 unless two people said otherwise); ``service`` has reference.
    """

    scope: str
    text: str
    prefix: IPv4Network | IPv6Network | None = None
    protocol: str = ""  # 'tcp' or 'udp'
    port: int | None = None
    host: str = ""
    url: str = ""
    reference: str = ""  # the service's identifier in the provider's own system
    host_prefixes: tuple[IPv4Network | IPv6Network, ...] = ()  # where a url or site lives, as far as known


@dataclass(frozen=True)
class OrderView:
    """What a connector sees of an order. ``expires_at`` is aware and always there; ``undo`` is what ``snapshot`` gave."""

    number: int
    tag: str  # 'tipstaff:<instance>:<number>', to be left on the thing itself where its medium can carry it
    kind: str  # of the measure: block, park, suspend, terminate, port_block, url_block, walled_garden, work_order …
    target: Target
    expires_at: datetime
    case: int
    clause: str
    reason: str = ""
    undo: Mapping[str, Any] = field(default_factory=dict)  # JSON
    direction: str = "both"  # which traffic: 'in' (towards the target), 'out' (from it), 'both'
    customer: str = ""  # the customer's identifier in the provider's own system, where known
    people: frozenset[str] = frozenset()  # who asked for it and who approved it; wide prefixes and deletions need two
    leaving: bool = False  # it is being lifted: what is only half gone is IN_PLACE then, and ABSENT otherwise


@dataclass(frozen=True)
class Plan:
    """What would be done and undone, as a person reads it: exact commands or requests, never a secret in them."""

    summary: str
    commands: tuple[str, ...]
    undo: tuple[str, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """What an ``apply`` did. ``handle`` is JSON of the connector's own (ids the peer gave); may be empty, see above."""

    order: OrderView
    handle: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""  # what the peer answered, for the screen


class State(Enum):
    """What stands at the peer, read from the peer itself, never from an acknowledgement."""

    IN_PLACE = "in place"  # exactly ours
    ABSENT = "absent"  # nothing of ours, nothing of others in its stead
    FOREIGN = "foreign"  # something else stands there, or ours was changed by somebody
    PENDING = "pending"  # the peer, or a person, has not done it yet


@dataclass(frozen=True)
class Verification:
    state: State
    detail: str = ""  # what was read, in a sentence
    output: str = ""  # the peer's own words


@dataclass(frozen=True)
class InPlace:
    """One thing of ours that stands at the peer: which order's it is, by its tag, and how the peer names it."""

    tag: str
    target: str  # Target.text, or the peer's own name of the thing
    handle: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)


class ConnectorError(TipstaffError):
    """Something went wrong at the peer. ``retry``: whether trying the same again later may help."""

    retry = False


class Unreachable(ConnectorError):
    """The peer cannot be reached or is not ready; nothing was done."""

    retry = True


class Unanswered(ConnectorError):
    """The peer did not answer in time, or the connection broke: it may have acted. Read back before repeating."""

    retry = True


class Rejected(ConnectorError):
    """The peer understood and said no; the same again gives the same answer."""


class Misunderstood(ConnectorError):
    """The peer's answer is not what this connector knows: nothing is assumed, a person looks."""


class NotOurs(ConnectorError):
    """What stands there is not ours, or outside the bounds; it is left alone."""


class Connector(Protocol):
    """One way to act; ``does`` lists the pairs (kind of measure, scope) it can serve.

    Built as ``Klass(settings, bounds, secret)``: the form's values as text, the Bounds, and a function from the name of
    an environment variable to the secret in it. Building one touches nothing; what is wrong with the settings raises
    InputError there. ``timeout`` (seconds) bounds every call: a peer that does not answer raises :class:`Unanswered`,
    or :class:`Unreachable` when it is certain that nothing was done.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    form: ClassVar[tuple[Field, ...]]
    does: ClassVar[frozenset[tuple[str, str]]]
    timeout: float

    def plan(self, order: OrderView) -> Plan:
        """What ``apply`` and ``lift`` would do; touches nothing and asks nobody."""

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        """What stands there now, as JSON: all that ``lift`` needs to put it back. Reads only."""

    def apply(self, order: OrderView) -> Receipt:
        """Do it. Applying twice equals once. Refuses (``Refused`` or :class:`NotOurs`) what the bounds do not allow."""

    def verify(self, receipt: Receipt) -> Verification:
        """Read back from the peer that counts (the router, not the speaker's acknowledgement)."""

    def lift(self, receipt: Receipt) -> None:
        """Take it away and put back what was there. Lifting what is not there is success; a foreign state is NotOurs."""

    def actual(self) -> frozenset[InPlace]:
        """All of ours that stands at the peer, by its tag. Raises when that cannot be read; never an empty guess."""

    # A connector may also have ``lift_together(receipts) -> frozenset[str]``: what is there exactly as these orders put it goes
    # in one go, and the tags that are gone are given back; whatever is not so is left to ``lift``. With it goes
    # ``gone_together(receipts) -> frozenset[str]``: the tags of those for which ``verify`` would say ABSENT, read from the peer in
    # one go; whoever is left out is read one by one. See ``enforcement.lifting``.

    def remove(self, thing: InPlace) -> None:
        """Take away a stray of ours that ``actual`` found and no order asks for. Anything without our tag: NotOurs."""


def tag(instance: str, number: int) -> str:
    """The ownership tag of an order; ``instance`` tells two desks at one router apart."""
    return f"tipstaff:{instance}:{number}"


def number_of(tag_text: str, instance: str) -> int | None:
    """The order's number when the tag is one of this instance, else None."""
    start, _, number = tag_text.rpartition(":")
    return int(number) if start == f"tipstaff:{instance}" and number.isdecimal() and number.isascii() else None


def missing(form: Iterable[Field], settings: Mapping[str, str]) -> list[str]:
    """Names of the required settings that have no value."""
    return [one.name for one in form if one.required and not (settings.get(one.name) or one.default)]
