"""Work orders, answered by the people who carry them out: done, undone, or cannot be, and why.

Every answer asks the roles table whether the person may carry out an order; it stands in the order's own journal and on
the record, and has the order looked at again at once.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from tipstaff.accounts.access import require_named
from tipstaff.audit.services import record
from tipstaff.enforcement import feedback, moves, transitions
from tipstaff.enforcement.models import Order, WorkOrder
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

ACT = "carry out an order"
ASKED, UNDO_ASKED = "asked", "undo_asked"
OPEN = (ASKED, UNDO_ASKED)


@transaction.atomic
def confirm(*, number: int, by: str, now: datetime, note: str = "") -> WorkOrder:
    """Somebody says that it is done, or undone, whichever was asked. Raises Refused when nothing is asked."""
    require_named(by, ACT)
    found = _asked(number)
    done, note = found.state == ASKED, note.strip()
    columns = {"state": "done", "done_at": now, "done_by": by} if done else {"state": "undone", "undone_at": now, "undone_by": by}
    said = "done by hand" if done else "undone by hand"
    _answer(
        found, by=by, now=now, kind=f"by_hand_{columns['state']}", text=f"{said}: {note}" if note else said, note=note, **columns
    )
    return found


@transaction.atomic
def refuse(*, number: int, by: str, reason: str, now: datetime) -> WorkOrder:
    """Somebody says that it cannot be done, and the order fails with these words; or that it cannot be undone.

    What cannot be undone stays asked for, since the customer waits: the order is in trouble with these words, and the desk
    is told, until somebody does undo it.
    """
    require_named(by, ACT)
    found, reason = _asked(number), reason.strip()
    if not reason:
        raise InputError(Problem("reason", "is empty", "say why it cannot be done"))
    if found.state == ASKED:
        columns: dict[str, Any] = {"state": "refused", "done_at": now, "done_by": by}
        _answer(found, by=by, now=now, kind="by_hand_refused", text=f"cannot be done: {reason}", note=reason, **columns)
        return found
    _answer(found, by=by, now=now, kind="by_hand_stuck", text=f"cannot be undone: {reason}", note=reason, undone_by=by)
    for order in _orders(found).select_related("case"):
        moves.change(order, problem=f"{by} says that it cannot be undone: {reason}")
        feedback.alert(order, f"order {order.pk} cannot be undone by hand: {reason}", now=now)
    return found


def _asked(number: int) -> WorkOrder:
    found = WorkOrder.objects.select_for_update().filter(pk=number).first()
    if found is None:
        raise NotFound(f"there is no work order {number}")
    if found.state not in OPEN:
        raise Refused(f"work order {number} is {found.state}; nothing is asked")
    return found


def _orders(found: WorkOrder) -> Any:
    """The orders that the work is for; more than one where another order took over what stands there."""
    return Order.objects.filter(tag=found.tag).exclude(state__in=transitions.FINAL)


def _answer(found: WorkOrder, *, by: str, now: datetime, kind: str, text: str, note: str, **columns: Any) -> None:
    WorkOrder.objects.filter(pk=found.pk).update(note=note, **columns)
    found.note = note
    for name, value in columns.items():
        setattr(found, name, value)
    for order in _orders(found):
        moves.note(order, by=by, now=now, kind=kind, text=text, work_order=found.pk)
    _orders(found).filter(next_try_at__isnull=False).update(next_try_at=now)
    record(by=by, action=f"work_order.{kind.removeprefix('by_hand_')}", subject=f"work_order:{found.pk}", now=now, reason=note)
