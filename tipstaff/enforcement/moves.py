"""The only place where the state of an order changes: by the table, with its entry, its audit line and the case told."""

from datetime import datetime
from typing import Any

from django.db import transaction

from tipstaff.audit.services import record
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


def note(order: Order, *, by: str, now: datetime, kind: str, text: str, **detail: Any) -> None:
    """One line in the order's journal."""
    OrderEntry.objects.create(order=order, at=now, actor=by, kind=kind, text=text[:2000], detail=detail)


def change(order: Order, **columns: Any) -> None:
    """Write columns that are no state; what was read is kept in step."""
    assert "state" not in columns
    Order.objects.filter(pk=order.pk).update(**columns)
    for name, value in columns.items():
        setattr(order, name, value)
