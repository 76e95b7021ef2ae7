"""The only place where the state of an order changes: by the table, with its entry, its audit line and the case told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

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
    standing = Order.objects.select_for_update().filter(pk__in=[order.pk for order in orders], state=transitions.VERIFIED)
    still = set(standing.filter(revert_asked_at__isnull=False).values_list("pk", flat=True))
    Order.objects.filter(pk__in=still).update(state=transitions.REVERTING, attempts=0, next_try_at=now)
    moved = [order for order in orders if order.pk in still]
    OrderEntry.objects.bulk_create(
        OrderEntry(order=order, at=now, actor=order.revert_by or by, kind=transitions.REVERTING, text=order.revert_reason[:2000])
        for order in moved
    )
    for actor in sorted({order.revert_by or by for order in moved}):
        told = [order for order in moved if (order.revert_by or by) == actor]
        rows = ((f"order:{order.pk}", {"case": order.case_id, "measure": order.measure_id}) for order in told)
        record_many(by=actor, action=f"order.{transitions.REVERTING}", rows=rows, now=now)
    for order in moved:
        order.state = transitions.REVERTING
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
