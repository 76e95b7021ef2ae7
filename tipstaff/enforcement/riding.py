"""Two orders for the same thing at the same place: one stands for both, and the last to end takes it away."""

from datetime import datetime

from django.db import transaction

from tipstaff.enforcement import moves, transitions
from tipstaff.enforcement.models import Order

SAME = {"suspend": "block"}  # kinds that come to the same at a machine
CARRYING = (transitions.APPLYING, transitions.VERIFIED, transitions.DRIFTED)


def carrier_for(order: Order) -> Order | None:
    """The order that already has this very thing in place, or is putting it there."""
    there = Order.objects.filter(
        endpoint=order.endpoint, target=order.target, direction=order.direction, state__in=CARRYING, rides_on__isnull=True
    ).exclude(pk=order.pk)
    kind = SAME.get(order.kind, order.kind)
    return next((one for one in there.filter(failing=False).order_by("pk") if SAME.get(one.kind, one.kind) == kind), None)


def ready(order: Order) -> bool:
    """Whether its carrier stands; the rider then carries the same tag. One that has gone leaves the rider on its own."""
    carrier = Order.objects.filter(riders=order.pk).first()
    if carrier is None or carrier.state in transitions.FINAL or carrier.failing or carrier.state == transitions.REVERTING:
        moves.change(order, rides_on=None)
        return True
    if carrier.state != transitions.VERIFIED:
        return False
    columns = {"tag": carrier.tag, "undo": carrier.undo, "handle": carrier.handle, "snapshot_at": carrier.snapshot_at}
    moves.change(order, **columns)
    return True


@transaction.atomic
def hand_over(order: Order, now: datetime) -> int | None:
    """Give what stands to the first of those that ride on it, and the others to that one; its number, None if nobody does."""
    riders = list(Order.objects.select_for_update().filter(rides_on=order.pk).exclude(state__in=transitions.FINAL).order_by("pk"))
    standing = [one for one in riders if one.state in {transitions.VERIFIED, transitions.DRIFTED}]
    if not standing:
        Order.objects.filter(pk__in=[one.pk for one in riders]).update(rides_on=None)
        return None
    heir = standing[0]
    thing = {"tag": order.tag, "undo": order.undo, "handle": order.handle, "snapshot_at": order.snapshot_at}
    moves.change(heir, rides_on=None, refresh=True, next_try_at=now, **thing)
    moves.note(heir, by="system:enforcement", now=now, kind="inherited", text=f"takes over from order {order.pk}")
    Order.objects.filter(pk__in=[one.pk for one in riders if one.pk != heir.pk]).update(rides_on=heir)
    return heir.pk
