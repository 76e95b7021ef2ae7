"""Blocks that are decided, approved, lifted and run out while parts die, at a real peer."""

import itertools
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tipstaff.enforcement.connectors.bird.control import Bird
from tipstaff.kernel import clock
from tipstaff.project.bench import orders

log = logging.getLogger(__name__)
FIRST = int(IPv4Address("100.64.0.1"))
EVERY = 1.5  # seconds between decisions
STANDS, SHORT = (2.0, 15.0), (5.0, 15.0)  # seconds until one is lifted again, or runs out by itself
FATES = ("stays", "lifted", "runs out")
STEPS = ("proposed", "approved", "applying", "verified", "reverting", "reverted")
DRIFTS = ("drifted",)


@contextmanager
def peer(directory: Path) -> Iterator[tuple[str, dict[str, str], str]]:
    """What carries the blocks: router and speaker, else a gateway's packet filter, else a file that stands for a peer."""
    if orders.can_have_peer():
        with orders.peer() as found:
            yield found
        return
    yield "journal", {"path": str(directory / "journal")}, "journal: a simulation, no peer is installed"


class Deciding(threading.Thread):
    """Alice decides, Bob approves, and somebody has every third one lifted. What the database did not answer is done again."""

    def __init__(self, endpoint: Any, service: Any, chance: random.Random) -> None:
        super().__init__(name="orders", daemon=True)
        self.endpoint, self.service, self.chance = endpoint, service, chance
        self.enough, self.given_up = threading.Event(), threading.Event()
        self.decided: list[str] = []  # addresses, in turn
        self.to_lift: list[tuple[float, str]] = []
        self.failure = ""

    def run(self) -> None:
        try:
            self._run()
        except Exception as error:
            log.exception("deciding orders ended")
            self.failure = f"deciding orders ended: {error!r}"

    def _run(self) -> None:
        from django.db import connection

        due = 0.0
        for number in itertools.count():
            while time.monotonic() < due and not self.given_up.is_set():
                self._again(self._attend)
                time.sleep(0.2)
            if self.given_up.is_set():
                break
            due = time.monotonic() + EVERY
            if not self.enough.is_set():
                self._again(lambda number=number: self._decide(number))  # type: ignore[misc]
        connection.close()

    def _again(self, act: Any) -> None:
        """Until the database has answered."""
        from django.db import InterfaceError, OperationalError, connection

        while not self.given_up.is_set():
            try:
                return act()
            except (OperationalError, InterfaceError):
                connection.close()
                time.sleep(0.3)

    def _decide(self, number: int) -> None:
        from django.db import transaction

        from tipstaff.cases.models_measures import Measure

        address = str(IPv4Address(FIRST + number))
        if Measure.objects.filter(target=address).exists():  # the commit was not answered, and was done all the same
            return self._remember(address, FATES[number % len(FATES)])
        fate = FATES[number % len(FATES)]
        ends = {"expires_at": clock.now() + timedelta(seconds=self.chance.uniform(*SHORT))} if fate == "runs out" else {}
        with transaction.atomic():
            case = orders.case_of(self.service, state="DISCONNECT_PENDING")
            orders.measure(case, int(IPv4Address(address)), confirmed_by=None, confirmed_at=None, **ends).save()
        return self._remember(address, fate)

    def _remember(self, address: str, fate: str) -> None:
        self.decided.append(address)
        if fate == "lifted":
            self.to_lift.append((time.monotonic() + self.chance.uniform(*STANDS), address))

    def _attend(self) -> None:
        """Approve what waits for a second person, and lift what was long enough there."""
        from tipstaff.accounts.models import StaffMember
        from tipstaff.enforcement import approving
        from tipstaff.enforcement.models import Order
        from tipstaff.kernel.errors import Refused

        StaffMember.objects.get_or_create(username="bob", defaults={"roles": ["lead"]})

        for number in Order.objects.filter(state="proposed", endpoint=self.endpoint).values_list("pk", flat=True):
            with suppress(Refused):  # its time ran out first
                approving.approve(number=number, by="bob", now=clock.now())
        for due, address in [one for one in self.to_lift if one[0] < time.monotonic()]:
            found = Order.objects.filter(measure__target=address).first()
            if found is not None and found.state not in ("proposed", "reverted", "failed"):
                with suppress(Refused):
                    approving.lift(number=found.pk, by="bob", reason="it was put right", now=clock.now())
            if found is not None and found.state != "proposed":
                self.to_lift.remove((due, address))


def unsettled() -> int:
    """Orders and decisions that somebody still has to do something about, those included that run out soon."""
    from tipstaff.cases.models_measures import Measure
    from tipstaff.enforcement.models import Order

    soon = clock.now() + timedelta(minutes=2)
    moving = Order.objects.filter(state__in=["proposed", "approved", "applying", "reverting", "drifted"])
    ending = Order.objects.filter(state="verified", expires_at__lt=soon)
    return moving.count() + ending.count() + Measure.objects.filter(state__in=["decided", "ordered", "lifting"]).count()


def examine(endpoint: Any, decided: list[str]) -> dict[str, int]:
    """What the rows say against what the peer itself says; everything that should not be, by its name."""
    from django.db.models import Count, F

    from tipstaff.cases.measures import NEVER_ORDERED
    from tipstaff.cases.models_measures import Measure
    from tipstaff.enforcement import endpoints, switches
    from tipstaff.enforcement.models import Order, OrderEntry
    from tipstaff.enforcement.rails import Bounds

    rows = Order.objects.filter(endpoint=endpoint)
    standing = list(rows.filter(state="verified").values_list("tag", flat=True))
    there = Counter(thing.tag for thing in endpoints.build(endpoint, Bounds(switches.current().instance)).actual())
    twice = Measure.objects.annotate(many=Count("orders")).filter(many__gt=1).count()
    steps = OrderEntry.objects.filter(order__endpoint=endpoint, kind__in=STEPS).exclude(order__entries__kind__in=DRIFTS)
    repeated = sum(many - 1 for *_, many in steps.values_list("order", "kind").annotate(many=Count("pk")) if many > 1)
    unordered = Measure.objects.filter(target__in=decided, orders__isnull=True)
    over = {"state": "lifted", "lift_by": "system:clock", "expires_at__lte": F("lifted_at"), "lift_reason": NEVER_ORDERED}
    ran_out = unordered.filter(**over).count()  # the part that orders was dead for as long as the block was to stand
    targets = Counter(Measure.objects.filter(target__in=decided).values_list("target", flat=True))
    return {
        **_at_the_router(endpoint, rows.filter(state="verified")),
        "left_behind_or_without_order": len(there.keys() - set(standing)),
        "not_in_place": len(set(standing) - there.keys()),
        "twice_in_place": sum(many - 1 for many in there.values()),
        "two_orders_of_one_decision": twice,
        "steps_done_twice": repeated,
        "acted_unapproved": rows.filter(begun_at__isnull=False, approved_by="").count(),
        "decisions_lost": len(set(decided) - targets.keys()),
        "decisions_without_order": unordered.count() - ran_out,
        "ran_out_before_ordered": ran_out,
        "drifted": OrderEntry.objects.filter(order__endpoint=endpoint, kind__in=DRIFTS).values("order").distinct().count(),
        "failed": rows.filter(state="failed").exclude(problem="its time is over").count(),
    }


def _at_the_router(endpoint: Any, standing: Any) -> dict[str, int]:
    """The router's own table, where there is one, asked without the connector."""
    if endpoint.connector != "bgp":
        return {}
    held = Counter(seen.net for seen in Bird(endpoint.settings["routers"].removeprefix("bird:"), 10).held())
    wanted = set(standing.values_list("target", flat=True))
    return {
        "routes_without_order": sum(many for net, many in held.items() if net not in wanted),
        "routes_missing": len(wanted - held.keys()),
        "routes_twice": sum(many - 1 for many in held.values()),
    }
