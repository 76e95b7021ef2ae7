"""What NetBox's answers say about customers and addresses (REST API of NetBox 3 and 4, ``/api/ipam`` and ``/api/tenancy``). Pure.

Tenants become customers with one service each, tenant groups their resellers, aggregates and container prefixes our own
address space; prefixes, ranges and addresses with a tenant become assignments, a DNS name a host name. NetBox knows the
present only: what has no date in a custom field holds from the moment it was first seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address, ip_interface, ip_network, summarize_address_range
from typing import Any

from tipstaff.accounts.importing.cells import CellError, flag, moment, port_range
from tipstaff.accounts.importing.netbox_shapes import refuse_others, selected
from tipstaff.accounts.inventory import (
    AssignmentFact,
    ContactFact,
    CustomerFact,
    Inventory,
    NameFact,
    Network,
    OwnPrefixFact,
    ServiceFact,
)
from tipstaff.accounts.nesting import enclosures
from tipstaff.kernel.errors import InputError, Problem

#: endpoint below /api/, in the order in which they are read
ENDPOINTS = (
    "tenancy/tenant-groups", "tenancy/tenants", "tenancy/contacts", "tenancy/contact-assignments",
    "ipam/aggregates", "ipam/prefixes", "ipam/ip-ranges", "ipam/ip-addresses",
)  # fmt: skip
IN_VRFS = ("ipam/prefixes", "ipam/ip-ranges", "ipam/ip-addresses")
HELD = {"active", "deprecated", "dhcp", "slaac"}  # a reserved prefix is promised, not in use
ROLES = {"abuse": "abuse", "security": "abuse", "technical": "technical", "noc": "technical", "operations": "technical",
         "billing": "billing", "finance": "billing", "administrative": "administrative", "admin": "administrative"}  # fmt: skip
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """How one NetBox is read. ``custom``: our meaning → name of the custom field that holds it."""

    source: str = "netbox"
    vrf: str | None = None  # name of the VRF that is the public network; None: the global table
    groups_are_resellers: bool = True
    own_tenants: frozenset[str] = frozenset()  # slugs of tenants that are the provider itself
    since: datetime | None = None  # from when things without a date hold; None: from the moment of reading
    custom: Mapping[str, str] = field(
        default_factory=lambda: {
            "customer": "customer_id", "service": "service_id", "start": "assigned_from", "end": "assigned_to",
            "ports": "ports", "shared": "shared", "language": "language",
        }
    )  # fmt: skip


def facts(answers: Mapping[str, Sequence[Record]], settings: Settings, now: datetime) -> Inventory:
    """The inventory that all records of each endpoint make; what is not for us is in its ``problems``. InputError where a record
    is not what NetBox's REST API has."""
    refuse_others(answers, settings.custom.values())
    _refuse_doubtful_vrf(answers, settings.vrf)
    return _Reader(answers, settings, now).read()


def _refuse_doubtful_vrf(answers: Mapping[str, Sequence[Record]], name: str | None) -> None:
    """A reading is a complete list: with a VRF that is not there everything would end, and two of one name would be mixed."""
    if name is None:
        return
    found = [record["vrf"] for endpoint in IN_VRFS for record in answers.get(endpoint, ()) if record.get("vrf")]
    same = {str(vrf.get("id")) for vrf in found if vrf["name"] == name}
    if len(same) == 1:
        return
    there = ", ".join(sorted({vrf["name"] for vrf in found})[:20]) or "none"
    what = (
        f"{len(same)} VRFs are called so" if same else f"no prefix, range or address is in a VRF of that name; there are: {there}"
    )
    raise InputError(Problem(f"VRF {name}", what, "name one that NetBox has once; nothing was changed"))


class _Reader:
    def __init__(self, answers: Mapping[str, Sequence[Record]], settings: Settings, now: datetime) -> None:
        self.answers, self.settings = answers, settings
        self.since = settings.since or now
        self.inventory = Inventory()
        self.customers: dict[int, str] = {}  # tenant id → our external id
        self.services: set[str] = set()

    def read(self) -> Inventory:
        self._parties()
        self._contacts()
        for record in self._records("ipam/aggregates"):
            self._own_prefix(record)
        for record in self._records("ipam/prefixes"):
            if _choice(record.get("status")) == "container":
                self._own_prefix(record)
            else:
                self._holding(record, record.get("prefix"))
        for record in self._records("ipam/ip-ranges"):
            self._holding(record, record.get("start_address"), record.get("end_address"))
        for record in self._records("ipam/ip-addresses"):
            self._holding(record, record.get("address"), host=True)
        self._drop_what_the_prefix_says()
        return self.inventory

    def _records(self, endpoint: str) -> Iterable[Record]:
        return self.answers.get(endpoint, ())

    def _number(self, kind: str, number: Any) -> str:
        return f"{self.settings.source}:{kind}:{number}"

    def _parties(self) -> None:
        groups = self.settings.groups_are_resellers
        for record in self._records("tenancy/tenant-groups") if groups else ():
            parent = record.get("parent")
            above = self._number("group", parent["id"]) if parent else ""
            fact = CustomerFact(self._number("group", record["id"]), record["name"], above, "reseller", where=_where(record))
            self.inventory.customers.append(fact)
        for record in self._records("tenancy/tenants"):
            group = record.get("group") if groups else None
            above = self._number("group", group["id"]) if group else ""
            number = str(self._custom(record, "customer") or self._number("tenant", record["id"]))
            kind = "provider" if record.get("slug") in self.settings.own_tenants else None
            language = self._custom(record, "language")
            self.customers[record["id"]] = number
            fact = CustomerFact(number, record["name"], above, kind, language=language, where=_where(record))
            self.inventory.customers.append(fact)

    def _contacts(self) -> None:
        cards: dict[int, Record] = {record["id"]: record for record in self._records("tenancy/contacts")}
        for record in self._records("tenancy/contact-assignments"):
            customer = self._contact_owner(record)
            card: Record = cards.get(record["contact"]["id"]) or record["contact"]
            if customer is None or _choice(record.get("priority")) == "inactive":
                continue
            role = (record.get("role") or {}).get("slug", "abuse")
            self.inventory.contacts.append(
                ContactFact(
                    customer, self._number("contact-assignment", record["id"]), ROLES.get(role, role), card.get("name"),
                    card.get("email"), card.get("phone"), self._custom(card, "language"), _where(record),
                )
            )  # fmt: skip

    def _contact_owner(self, record: Record) -> str | None:
        """The customer whose contact it is; contacts of devices and sites are not the customer's."""
        kind = record.get("object_type") or record.get("content_type")
        if kind == "tenancy.tenant":
            return self.customers.get(record["object_id"])
        if kind == "tenancy.tenantgroup" and self.settings.groups_are_resellers:
            return self._number("group", record["object_id"])
        return None

    def _in_our_table(self, record: Record) -> bool:
        vrf = record.get("vrf")
        return (vrf["name"] if vrf else None) == self.settings.vrf

    def _own_prefix(self, record: Record) -> None:
        if "vrf" in record and not self._in_our_table(record):
            return
        if (network := self._network(record, record.get("prefix"))) is not None:
            self.inventory.own_prefixes.append(OwnPrefixFact(network, record.get("description") or "", _where(record)))

    def _network(self, record: Record, text: Any, host: bool = False) -> Network | None:
        try:
            return ip_network(ip_interface(str(text)).ip) if host else ip_network(str(text))
        except ValueError as error:
            self.inventory.problems.append(Problem(_where(record), f"{text!r} is no prefix: {error}", "correct it in NetBox"))
            return None

    def _networks(self, record: Record, first: Any, last: Any, host: bool) -> list[Network]:
        if last is None:
            network = self._network(record, first, host)
            return [] if network is None else [network]
        try:
            low, high = (ip_address(str(text).partition("/")[0]) for text in (first, last))
            return list(summarize_address_range(low, high))  # type: ignore[type-var]
        except (ValueError, TypeError) as error:
            text = f"{first} to {last} is no range: {error}"
            self.inventory.problems.append(Problem(_where(record), text, "correct it in NetBox"))
            return []

    def _holding(self, record: Record, first: Any, last: Any = None, host: bool = False) -> None:
        tenant = record.get("tenant")
        if not tenant or _choice(record.get("status")) not in HELD or not self._in_our_table(record):
            return
        where = _where(record)
        customer = self.customers.get(tenant["id"])
        if customer is None:
            text = f"tenant {tenant['id']} is not among the tenants that NetBox shows us"
            self.inventory.problems.append(Problem(where, text, "let the token's user view all tenants"))
            return
        try:
            ports = port_range(str(self._custom(record, "ports") or ""), "", "")
            shared = _truth(self._custom(record, "shared"))
            stated = moment(str(self._custom(record, "start") or ""), None)
            end = moment(str(self._custom(record, "end") or ""), None)
        except CellError as error:
            self.inventory.problems.append(Problem(where, error.what, error.advice))
            return
        service = self._service(record, customer, tenant["name"])
        start = stated or self.since
        self.inventory.assignments += [
            AssignmentFact(network, service, start, end, *ports, shared, None, where, stated is None)
            for network in self._networks(record, first, last, host)
        ]
        if name := str(record.get("dns_name") or "").rstrip(".").lower():
            self.inventory.names.append(NameFact(service, "host", name, start, end, None, where, stated is None))

    def _service(self, record: Record, customer: str, name: str) -> str:
        stated = self._custom(record, "service")
        number = str(stated) if stated else f"{customer}/1"
        if number not in self.services:
            self.services.add(number)
            label = number if stated else name
            self.inventory.services.append(ServiceFact(number, customer, label, where=_where(record)))
        return number

    def _custom(self, record: Record, meaning: str) -> Any:
        return selected((record.get("custom_fields") or {}).get(self.settings.custom.get(meaning, "")))

    def _drop_what_the_prefix_says(self) -> None:
        """Leave out single addresses that say no more than the prefix around them: most of an IPAM is such rows."""
        by_prefix: dict[Network, list[AssignmentFact]] = {}
        for fact in self.inventory.assignments:
            by_prefix.setdefault(fact.prefix, []).append(fact)
        around: dict[Network, Network] = {}
        for inner, outer in enclosures(by_prefix):
            around[inner] = outer  # the longest comes last

        def repeats(fact: AssignmentFact) -> bool:
            outer = by_prefix[around[fact.prefix]] if fact.prefix in around else []
            alone = len(by_prefix[fact.prefix]) == 1 and fact.prefix.num_addresses == 1
            return alone and any(_same_but_prefix(fact, other) for other in outer)

        self.inventory.assignments = [fact for fact in self.inventory.assignments if not repeats(fact)]


def _same_but_prefix(fact: AssignmentFact, other: AssignmentFact) -> bool:
    said = (fact.service, fact.start, fact.end, fact.port_from, fact.port_to, fact.shared)
    return said == (other.service, other.start, other.end, other.port_from, other.port_to, other.shared)


def _choice(value: Any) -> str | None:
    """A choice field is ``{"value": …, "label": …}`` in answers, or empty."""
    return value.get("value") if isinstance(value, Mapping) else value or None


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else flag(str(value or ""))


def _where(record: Record) -> str:
    """The record's page in NetBox, or its API address."""
    return str(record.get("display_url") or record.get("url") or record.get("display") or "a record without an address")
