"""How long from a decision to a block that was read back from the router, with thousands standing there already.

A real speaker and a real router where they are installed (gobgpd and BIRD on loopback), else nftables in a network
namespace; the result says which. The worker is the program that ``tipstaff up`` runs.
"""

import json
import math
import shutil
import statistics
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from tipstaff.kernel import clock
from tipstaff.project import environment
from tipstaff.project.bench import routing, throwaway, world
from tipstaff.project.children import ours
from tipstaff.project.processes import is_root, wait_until

BY = "system:bench"
FIRST = int(ip_address("100.64.0.1"))  # shared address space: no address of anybody's own
SAMPLES = 100
BETWEEN = 0.15  # seconds between decisions
PATIENCE = 60.0


def run(*, rows: int = 10_000) -> dict[str, Any]:
    """With ``rows`` blocks in force, decide SAMPLES more, one after the other; milliseconds until each was read back."""
    with throwaway.instance(), peer() as (connector, settings, shown):
        from tipstaff.enforcement.models import Order

        world.build(customers=1000, prefixes=1000)
        case = case_of(provider(rows + SAMPLES))
        endpoint = endpoint_of(connector, settings)
        numbers = _standing(case, endpoint, rows)
        _put_in_place(endpoint, numbers)
        worker = subprocess.Popen(ours("run", "enforcement"), env=environment.for_children())
        try:
            _decide(case, FIRST + rows)  # the first one also waits for the program to start
            measured = [_decide(case, FIRST + rows + number) for number in range(1, SAMPLES)]
        finally:
            worker.terminate()
            worker.wait(30)
        active = Order.objects.filter(state="verified").count()
        p50, p99 = statistics.median(measured), _quantile(measured, 0.99)
        times = {"decision_to_verified_ms_p50": round(p50, 1), "decision_to_verified_ms_p99": round(p99, 1)}
        return {**times, "p99": round(p99, 1), "active": active, "connector": shown, "decisions": len(measured)}


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, math.ceil(len(values) * share) - 1)]


def can_have_peer() -> bool:
    """Whether a real peer can run here: the routing programs, or a network namespace of our own."""
    return not routing.missing() or (is_root() and all(map(shutil.which, ("ip", "nft"))))


@contextmanager
def peer() -> Iterator[tuple[str, dict[str, str], str]]:
    """A connector's name and settings with its peer running, and how it is shown in the result."""
    if not routing.missing():
        with routing.RoutingBed() as bed:
            yield "bgp", bed.settings, "bgp: gobgpd, read back from BIRD"
        return
    name = f"bench{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield "nftables", {"command": f"ip netns exec {name} nft"}, "nftables in a network namespace"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def provider(addresses: int) -> Any:
    """A customer's service with the whole prefix, and limits that let so many orders stand."""
    from psycopg.types.range import TimestamptzRange

    from tipstaff.accounts.models import Assignment, Customer, OwnPrefix, Service
    from tipstaff.enforcement import switches

    moment = clock.now()
    customer = Customer.objects.create(name="Carol", created_at=moment)
    service = Service.objects.create(customer=customer, name="farm", external_id="farm")
    for prefix in ("100.64.0.0/16", "100.65.0.0/16"):
        OwnPrefix.objects.create(prefix=prefix)
        ever = TimestamptzRange(world.LONG_AGO, None)
        Assignment.objects.create(prefix=prefix, period=ever, service=service, recorded_at=moment)
    limits = {"cap_total": addresses + 1000, "cap_customer": 100_000, "cap_hour": 100_000}
    switches.set_limits(by=BY, reason="the benchmark has one customer", now=moment, **limits)
    switches.go_live(live=True, by=BY, reason="throwaway", now=moment)
    return service


def case_of(service: Any, state: str = "DISCONNECTED") -> Any:
    """A case of the service in which a disconnection is due."""
    from tipstaff.cases.models import Case
    from tipstaff.policy.models import StoredEdition

    moment = clock.now()
    edition = StoredEdition.objects.filter(state="published").earliest("pk")
    columns = {"opened_at": moment, "refreshed_at": moment, "window_until": moment + timedelta(days=7)}
    return Case.objects.create(
        customer_id=service.customer_id, service=service, category="scan", clause="4.2", severity="high", edition=edition,
        state=state, group_key=uuid.uuid4(), **columns,
    )  # fmt: skip


def endpoint_of(connector: str, settings: dict[str, str]) -> Any:
    """A connector that may act."""
    from tipstaff.enforcement import endpoints

    made = endpoints.add(name="bench", connector=connector, settings=settings, by=BY, now=clock.now())
    endpoints.set_live(endpoint=made, live=True, by=BY, reason="throwaway", now=clock.now())
    return made


def measure(case: Any, address: int, **columns: Any) -> Any:
    """A decided block of the address, which alice asked for and bob agreed to; not saved yet."""
    from tipstaff.cases.models_measures import Measure

    moment = clock.now()
    usual = {"kind": "block", "scope": "machine", "clause": "4.2", "reason": "scans", "decided_by": "alice", "confirmed_by": "bob"}
    times = {"decided_at": moment, "confirmed_at": moment, "expires_at": moment + timedelta(days=30)}
    return Measure(case=case, service=case.service, target=str(ip_address(address)), **{**usual, **times, **columns})


def _standing(case: Any, endpoint: Any, rows: int) -> list[int]:
    """Orders in force as the worker would have left them; their numbers."""
    from django.db import connection
    from django.db.models import TextField, Value
    from django.db.models.functions import Cast, Concat

    from tipstaff.cases.models_measures import Measure
    from tipstaff.enforcement import switches
    from tipstaff.enforcement.connectors.contract import tag
    from tipstaff.enforcement.models import Order

    moment, instance = clock.now(), switches.current().instance
    made = [measure(case, FIRST + number, state="in_force") for number in range(rows)]
    measures = Measure.objects.bulk_create(made, batch_size=2000)
    usual = {"kind": "block", "scope": "machine", "clause": "4.2", "reason": "scans", "choice": "as decided", "state": "verified"}
    people = {"requested_by": "alice", "approved_by": "bob"}
    times = dict.fromkeys(("created_at", "begun_at", "snapshot_at", "applied_at", "verified_at"), moment)
    shared = {**usual, **people, **times, "case": case, "customer": case.customer, "service": case.service, "endpoint": endpoint}
    end = moment + timedelta(days=30)
    made_orders = [Order(measure=one, target=f"{one.target}/32", expires_at=end, **shared) for one in measures]
    orders = Order.objects.bulk_create(made_orders, batch_size=2000)
    Order.objects.filter(endpoint=endpoint).update(tag=Concat(Value(tag(instance, 0)[:-1]), Cast("pk", TextField())))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database does by itself for rows that came one by one
    return [order.pk for order in orders]


def _put_in_place(endpoint: Any, numbers: list[int]) -> None:
    """At the peer in bulk, which one by one would take minutes and is not what is measured."""
    from tipstaff.enforcement import endpoints, switches, views
    from tipstaff.enforcement.models import Order
    from tipstaff.enforcement.rails import Bounds

    orders = Order.objects.filter(pk__in=numbers).select_related("service", "customer")
    wanted = [views.order_view(order) for order in orders]
    connector: Any = endpoints.build(endpoint, Bounds(switches.current().instance))
    if endpoint.connector == "bgp":
        for start in range(0, len(wanted), 1000):
            connector.speaker.announce([route for one in wanted[start : start + 1000] for route in connector.routes(one)])
    else:
        _fill(connector, wanted)
    assert wait_until(lambda: len(connector.actual()) == len(wanted), PATIENCE)


def _fill(connector: Any, wanted: list[Any]) -> None:
    from tipstaff.enforcement.connectors import nftables_rules as rules

    document = rules.skeleton(connector.layout)
    for name in ("in4", "out4"):
        values = [{"elem": {"val": str(one.target.prefix[0]), "timeout": 86400 * 30, "comment": one.tag}} for one in wanted]
        document.append({"add": {"element": {"family": "inet", "table": connector.layout.table, "name": name, "elem": values}}})
    given = json.dumps({"nftables": document})
    subprocess.run([*connector.command, "-j", "-f", "-"], input=given, text=True, check=True)


def _decide(case: Any, address: int) -> float:
    """Milliseconds from the commit of a decision to the moment at which its order was read back from the peer."""
    from tipstaff.enforcement.models import Order

    time.sleep(BETWEEN)
    made = measure(case, address)
    made.save()
    found = Order.objects.filter(measure=made, verified_at__isnull=False)
    assert wait_until(found.exists, PATIENCE, step=0.01), list(Order.objects.filter(measure=made).values())
    order = found.get()
    return (order.verified_at - made.decided_at).total_seconds() * 1000
