"""An inventory in few words, for tests."""

from datetime import UTC, datetime
from ipaddress import ip_network

from tipstaff.accounts.inventory import AssignmentFact, CustomerFact, Inventory, NameFact, ServiceFact
from tipstaff.accounts.services import load, source_named

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def day(text):
    """'2026-01-02', or None for an open end."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def customer(external_id, parent=None, **more):
    return CustomerFact(external_id, external_id.title(), parent, where=f"customers.csv line {external_id}", **more)


def service(external_id, owner, **more):
    return ServiceFact(external_id, owner, external_id, where=f"services.csv line {external_id}", **more)


def held(prefix, by, start=None, end=None, ports=(0, 65536), shared=False, external_id=None, where=None):
    network = ip_network(prefix)
    return AssignmentFact(network, by, day(start), day(end), *ports, shared, external_id, where or f"assignments.csv {prefix} {by}")


def named(kind, value, of, start=None, end=None):
    return NameFact(of, kind, value, day(start), day(end), where=f"names.csv {value}")


def parties():
    """Carol, Dave, and Rory who resells to Emma; a service of each, called after its customer."""
    owners = [customer("carol"), customer("dave"), customer("rory"), customer("emma", "rory")]
    return Inventory(owners, services=[service(f"{owner.external_id}-1", owner.external_id) for owner in owners])


def source(name="inventory", kind="csv"):
    return source_named(name=name, kind=kind)


def delivered(*assignments, names=(), now=NOW, by="bob", inventory=None, **more):
    """Load the parties and these assignments."""
    inventory = inventory or parties()
    inventory.assignments = list(assignments)
    inventory.names = list(names)
    return load(inventory=inventory, source=more.pop("source", None) or source(), by=by, now=now, **more)
