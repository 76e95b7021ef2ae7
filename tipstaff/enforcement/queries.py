"""What the Enforcement screen, the case page and the command line read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from tipstaff.enforcement import registry, switches, transitions
from tipstaff.enforcement.models import Endpoint, Interruption, Order, Protected, Switches, WorkOrder
from tipstaff.kernel.errors import NotFound

SOON = timedelta(hours=24)
VIEWS = ("proposed", "active", "expiring", "trouble", "held", "ended", "all")


@dataclass(frozen=True)
class Board:
    """The head of the screen: how many of each, the switches, what stands still, what waits for a person."""

    counts: dict[str, int]
    switches: Switches
    halted: list[Endpoint]
    away: list[Endpoint]
    work_orders: int


def orders() -> QuerySet[Order]:
    return Order.objects.select_related("measure", "case", "customer", "service", "endpoint")


def view(name: str, now: datetime) -> QuerySet[Order]:
    """The orders of one list: proposed, active, expiring within a day, in trouble, held in dry run, ended; newest first.

    Expiring ones are sorted by their end. Raises NotFound for a list that does not exist.
    """
    if name not in VIEWS:
        raise NotFound(f"there is no list {name!r}; there are {', '.join(VIEWS)}")
    found = orders().filter(_where(name, now))
    return found.order_by("expires_at", "pk") if name == "expiring" else found.order_by("-pk")


def _where(name: str, now: datetime) -> Q:
    standing = Q(state__in=[transitions.VERIFIED, transitions.DRIFTED, transitions.APPLYING, transitions.REVERTING])
    return {
        "proposed": Q(state=transitions.PROPOSED),
        "active": standing | Q(state=transitions.APPROVED, held=""),
        "expiring": Q(state__in=[transitions.VERIFIED, transitions.DRIFTED], expires_at__lte=now + SOON),
        "trouble": Q(state=transitions.DRIFTED) | (~Q(problem="") & ~Q(state__in=list(transitions.FINAL))),
        "held": Q(state=transitions.APPROVED) & ~Q(held=""),
        "ended": Q(state__in=list(transitions.FINAL)),
        "all": Q(),
    }[name]


def board(now: datetime) -> Board:
    """One query for all counts."""
    names = {name: Count("pk", filter=_where(name, now)) for name in VIEWS if name not in {"ended", "all"}}
    counted = Order.objects.exclude(state__in=transitions.FINAL).aggregate(**names)
    active = list(Endpoint.objects.filter(retired_at__isnull=True).order_by("rank", "name"))
    return Board(
        counts=counted,
        switches=switches.current(),
        halted=[one for one in active if one.halted],
        away=[one for one in active if one.away_since],
        work_orders=WorkOrder.objects.filter(state__in=["asked", "undo_asked"]).count(),
    )


def order(number: int) -> Order:
    found = orders().prefetch_related("entries").filter(pk=number).first()
    if found is None:
        raise NotFound(f"there is no order {number}")
    return found


def of_case(case: int) -> QuerySet[Order]:
    return orders().filter(case=case).order_by("pk")


def of_measures(measures: Iterable[int]) -> dict[int, Order]:
    """The newest order of each measure."""
    return {one.measure_id: one for one in orders().filter(measure__in=list(measures)).order_by("pk")}


def endpoints() -> list[Endpoint]:
    return list(
        Endpoint.objects.filter(retired_at__isnull=True).annotate(at_work=Count("orders", filter=_touched())).order_by("rank")
    )


def _touched() -> Q:
    return Q(orders__state__in=list(transitions.TOUCHED))


def forms() -> dict[str, tuple[str, tuple[object, ...]]]:
    """Every connector there is: name → (label, fields of its form)."""
    return {name: (one.label, one.form) for name in registry.names() for one in [registry.connector_class(name)]}


def work_orders() -> QuerySet[WorkOrder]:
    return WorkOrder.objects.filter(state__in=["asked", "undo_asked"]).order_by("asked_at")


def answered_work() -> QuerySet[WorkOrder]:
    """Work orders that somebody answered or that were called off, the newest first."""
    return WorkOrder.objects.exclude(state__in=["asked", "undo_asked"]).order_by("-pk")


def orders_of_work(work: Iterable[WorkOrder]) -> dict[str, Order]:
    """By tag the newest order that each is for; another order may have taken over what stands there."""
    return {one.tag: one for one in orders().filter(tag__in=[row.tag for row in work]).order_by("pk")}


def protected() -> QuerySet[Protected]:
    return Protected.objects.filter(removed_at__isnull=True).order_by("prefix", "name")


def interruptions(*, since: datetime, until: datetime) -> QuerySet[Interruption]:
    """Those that touch the period, by customer and beginning."""
    touching = Q(started_at__lt=until) & (Q(ended_at__isnull=True) | Q(ended_at__gt=since))
    found = Interruption.objects.filter(touching).select_related("customer", "service", "case", "case__edition", "measure", "order")
    return found.order_by("customer__name", "started_at", "pk")
