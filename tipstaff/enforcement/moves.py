"""The only place where the state of an order changes: by the table, with its entry, its audit line and the case told."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from tipstaff.audit.services import record, record_many
from tipstaff.enforcement import transitions
from tipstaff.enforcement.models import Order, OrderEntry
from tipstaff.kernel.errors import Refused


@transaction.atomic
def move(
    order: Order, state: str, *, by: str, now: datetime, text: str, detail: dict[str, Any] | None = None, **columns: Any
) -> None:
    """Bring ``order`` from the state it is known in to ``state``, with further columns, in one conditional update.

    Raises Refused when the table does not allow it, or when somebody else moved the order meanwhile.
    """
    old = order.state
    if not transitions.allowed(old, state):
        raise Refused(f"order {order.pk} is {old}; {state} does not follow from that")
    if not Order.objects.filter(pk=order.pk, state=old).update(state=state, **columns):
        raise Refused(f"order {order.pk} was moved by somebody else; look at it again")
    order.state = state
    for name, value in columns.items():
        setattr(order, name, value)
    note(order, by=by, now=now, kind=state, text=text, **(detail or {}))
    record(by=by, action=f"order.{state}", subject=f"order:{order.pk}", now=now, case=order.case_id, measure=order.measure_id)


@transaction.atomic
def revert_many(orders: Sequence[Order], *, by: str, now: datetime) -> list[Order]:
    """Move orders that stand and are asked back to ``reverting``, in a few statements; those that nobody moved meanwhile."""
    told = {order.pk: (order.revert_by or by, order.revert_reason) for order in orders}
    asked = Q(revert_asked_at__isnull=False)
    return _move_many(orders, transitions.VERIFIED, transitions.REVERTING, asked, told, now, attempts=0, next_try_at=now)


@transaction.atomic
def settle_many(orders: Sequence[Order], *, by: str, text: str, now: datetime, **columns: Any) -> list[Order]:
    """Move orders of which nothing is left at the peer to ``reverted``, in a few statements; those that nobody moved meanwhile."""
    told = {order.pk: (by, text) for order in orders}
    return _move_many(orders, transitions.REVERTING, transitions.REVERTED, Q(failing=False), told, now, **columns)


def _move_many(
    orders: Sequence[Order], old: str, new: str, still: Q, told: Mapping[int, tuple[str, str]], now: datetime, **columns: Any
) -> list[Order]:
    """``told``: for each order who moves it and why. The entries and the audit lines are those of ``move``."""
    assert transitions.allowed(old, new)
    there = Order.objects.select_for_update().filter(still, pk__in=[order.pk for order in orders], state=old).order_by("pk")
    left = set(there.values_list("pk", flat=True))
    Order.objects.filter(pk__in=left).update(state=new, **columns)
    moved = [order for order in orders if order.pk in left]
    OrderEntry.objects.bulk_create(
        OrderEntry(order=order, at=now, actor=told[order.pk][0], kind=new, text=told[order.pk][1][:2000]) for order in moved
    )
    for actor in sorted({told[order.pk][0] for order in moved}):
        those = [order for order in moved if told[order.pk][0] == actor]
        rows = ((f"order:{order.pk}", {"case": order.case_id, "measure": order.measure_id}) for order in those)
        record_many(by=actor, action=f"order.{new}", rows=rows, now=now)
    for order in moved:
        order.state = new
    return moved


def note(order: Order, *, by: str, now: datetime, kind: str, text: str, **detail: Any) -> None:
    """One line in the order's journal."""
    OrderEntry.objects.create(order=order, at=now, actor=by, kind=kind, text=text[:2000], detail=detail)


def change(order: Order, **columns: Any) -> None:
    """Write columns that are no state; what was read is kept in step."""
    assert "state" not in columns
    Order.objects.filter(pk=order.pk).update(**columns)
    for name, value in columns.items():
        setattr(order, name, value)
