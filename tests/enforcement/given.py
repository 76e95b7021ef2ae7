"""Customers, cases and measures for tests of orders. Carol's machine is 203.0.113.7, Dave's 203.0.113.9."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from psycopg.types.range import TimestamptzRange

from tests.pipeline.given import policy
from tipstaff.accounts.models import Assignment, Customer, OwnPrefix, Service, ServiceName, StaffMember
from tipstaff.cases.models import Case
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import endpoints, switches
from tipstaff.enforcement.models import Endpoint, Order
from tipstaff.enforcement.rails import Bounds
from tipstaff.enforcement.worker import Worker
from tipstaff.kernel.clock import now
from tipstaff.policy.models import StoredEdition

CAROL, CAROL_TOO, DAVE, SHARED = "203.0.113.7", "203.0.113.8", "203.0.113.9", "203.0.113.10"
EVER = TimestamptzRange(datetime(2020, 1, 1, tzinfo=UTC), None)


def edition() -> StoredEdition:
    return StoredEdition.objects.first() or policy()


def customer(name: str, *addresses: str, parent: Customer | None = None, names: tuple[str, ...] = ()) -> Customer:
    made = Customer.objects.create(name=name, external_id=name.lower(), created_at=now(), parent=parent)
    service = Service.objects.create(customer=made, name=f"{name}'s server", external_id=f"vps-{name.lower()}")
    for address in addresses:
        Assignment.objects.create(prefix=f"{address}/32", period=EVER, service=service, shared=address == SHARED, recorded_at=now())
    for text in names:
        ServiceName.objects.create(service=service, kind="domain", value=text, period=EVER, recorded_at=now())
    return made


def inventory() -> tuple[Customer, Customer]:
    """Carol and Dave, their addresses, and the provider's own prefix; Alice and Bob, who work there."""
    staff(alice="analyst", bob="lead")
    OwnPrefix.objects.create(prefix="203.0.113.0/24")
    carol = customer("Carol", CAROL, CAROL_TOO, SHARED, names=("shop.example.net",))
    return carol, customer("Dave", DAVE, SHARED, names=("dave.example.net",))


def staff(**roles: str) -> dict[str, StaffMember]:
    """Members of staff by name and role: staff(nora="network")."""
    return {name: StaffMember.objects.get_or_create(username=name, defaults={"roles": [role]})[0] for name, role in roles.items()}


def case(of: Customer, category: str = "scan", **columns: Any) -> Case:
    moment = now()
    usual = {
        "service": of.services.first(),
        "category": category,
        "clause": "4.2",
        "severity": "high",
        "edition": edition(),
        "state": "DISCONNECT_PENDING",
        "group_key": uuid4(),
        "opened_at": moment,
        "refreshed_at": moment,
        "window_until": moment + timedelta(days=7),
    }
    return Case.objects.create(customer=of, **{**usual, **columns})


def measure(of: Case, **columns: Any) -> Measure:
    """A block of Carol's machine for a day, asked for by Alice and agreed to by Bob."""
    moment = now()
    usual = {
        "kind": "block",
        "scope": "machine",
        "target": CAROL,
        "clause": "4.2",
        "reason": "scanning goes on",
        "decided_by": "alice",
        "decided_at": moment,
        "confirmed_by": "bob",
        "confirmed_at": moment,
        "expires_at": moment + timedelta(days=1),
        "service": of.service,
    }
    return Measure.objects.create(case=of, **{**usual, **columns})


def journal(path: Path, *, live: bool = True, name: str = "paper") -> Endpoint:
    """An endpoint that acts on a file, live, and the desk live with it."""
    staff(bob="lead")
    made = endpoints.add(name=name, connector="journal", settings={"path": str(path / "journal")}, by="bob", now=now())
    if live:
        go_live(made)
    made.refresh_from_db()
    return made


def go_live(endpoint: Endpoint) -> None:
    switches.go_live(live=True, by="bob", reason="ready", now=now())
    endpoints.set_live(endpoint=endpoint, live=True, by="bob", reason="ready", now=now())


def work(rounds: int = 6) -> None:
    """A worker that looks some times, as if waiting times had passed in between."""
    for _ in range(rounds):
        Worker().step()


def soon(order: Order) -> Order:
    """Make what waits for its next try due at once, and read the order again."""
    Order.objects.filter(pk=order.pk, next_try_at__isnull=False).update(next_try_at=now())
    Endpoint.objects.update(try_again_at=None)
    order.refresh_from_db()
    return order


def only() -> Order:
    return Order.objects.get()


def standing(peer: Endpoint) -> set[str]:
    """The tags of all that the peer holds of ours."""
    return {thing.tag for thing in endpoints.build(peer, Bounds(switches.current().instance)).actual()}
