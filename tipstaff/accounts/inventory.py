"""What a source says about customers, services and addresses, before it has rows. Pure.

Things are named by external ids. A field that is None was not stated: an existing row keeps its value, a new one gets
the model's default. ``where`` says where the fact stands in its source ("assignments.csv line 7"), for error messages.
"""

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Literal

from tipstaff.kernel.errors import Problem

Network = IPv4Network | IPv6Network
PORTS = 65536
LONGEST_NOTICE = 24 * 366  # hours of notice that a contract may grant

CUSTOMER_FIELDS = ("name", "customer_class", "protected_class", "brand", "language", "timezone", "contract", "ended_at")
CONTACT_FIELDS = ("role", "name", "email", "phone", "language")
SERVICE_FIELDS = (
    "name", "kind", "managed_by", "carriage", "protected_class", "brand", "started_at", "ended_at",
)  # fmt: skip


@dataclass(frozen=True)
class CustomerFact:
    external_id: str
    name: str | None = None
    parent: str | None = None  # external id of its reseller; "" none
    customer_class: str | None = None
    protected_class: str | None = None
    brand: str | None = None
    language: str | None = None
    timezone: str | None = None
    contract: dict[str, Any] | None = None
    ended_at: datetime | None = None
    where: str = ""


@dataclass(frozen=True)
class ContactFact:
    customer: str
    external_id: str
    role: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    language: str | None = None
    where: str = ""


@dataclass(frozen=True)
class ServiceFact:
    external_id: str
    customer: str
    name: str | None = None
    kind: str | None = None
    managed_by: str | None = None
    carriage: str | None = None
    protected_class: str | None = None
    brand: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    where: str = ""


@dataclass(frozen=True)
class NameFact:
    """A host name, domain or mailbox of a service during [start, end); None is open. ``start_assumed`` as below."""

    service: str
    kind: str
    value: str
    start: datetime | None
    end: datetime | None = None
    external_id: str | None = None
    where: str = ""
    start_assumed: bool = False


@dataclass(frozen=True)
class AssignmentFact:
    """A prefix of a service during [start, end), None open; ports [port_from, port_to).

    ``start_assumed``: the source does not say since when; what is known already keeps its beginning.
    """

    prefix: Network
    service: str
    start: datetime | None
    end: datetime | None = None
    port_from: int = 0
    port_to: int = PORTS
    shared: bool = False
    external_id: str | None = None
    where: str = ""
    start_assumed: bool = False


@dataclass(frozen=True)
class OwnPrefixFact:
    prefix: Network
    note: str = ""
    where: str = ""


@dataclass(frozen=True)
class AssignmentChange:
    """From ``at`` on a service has the prefix ('assign') or nobody of those ports has ('release').

    An assignment without ``end`` holds until the next change that is known, so that events may come out of order.
    """

    kind: Literal["assign", "release"]
    prefix: Network
    at: datetime
    service: str = ""
    end: datetime | None = None
    port_from: int = 0
    port_to: int = PORTS
    shared: bool = False
    external_id: str | None = None
    where: str = ""


@dataclass
class Inventory:
    """All that one delivery of a source says, and ``problems``: what of it could not be read."""

    customers: list[CustomerFact] = field(default_factory=list)
    contacts: list[ContactFact] = field(default_factory=list)
    services: list[ServiceFact] = field(default_factory=list)
    names: list[NameFact] = field(default_factory=list)
    assignments: list[AssignmentFact] = field(default_factory=list)
    own_prefixes: list[OwnPrefixFact] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        parties = len(self.customers) + len(self.contacts) + len(self.services)
        return parties + len(self.names) + len(self.assignments) + len(self.own_prefixes)
