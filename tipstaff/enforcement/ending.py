"""What is written when an order came into force or is over: state, interruption, the case told; one transaction each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Case, DateTimeField, Q, Value, When
from django.db.models.functions import Coalesce

from tipstaff.enforcement import feedback, interruptions, moves, transitions
from tipstaff.enforcement.models import Order

BY = feedback.BY
PROBING = "system:probing"  # who asks an order back for a look at whether the attack goes on
DONE: dict[str, Any] = {"attempts": 0, "next_try_at": None, "problem": "", "held": ""}


@transaction.atomic
def verified(order: Order, *, text: str, now: datetime) -> None:
    """It stands at the peer and was read back."""
    first = order.verified_at is None
    # Somebody may have asked meanwhile to lift it or to move its end, which must not be forgotten.
    asked = Case(
        When(Q(revert_asked_at__isnull=False) | Q(refresh=True), then=Value(now)), default=None, output_field=DateTimeField()
    )
    columns = {**DONE, "verified_at": order.verified_at or now, "next_try_at": asked}
    moves.move(order, transitions.VERIFIED, by=BY, now=now, text=text, **columns)
    interruptions.begin(order, now=now)
    if first:
        feedback.in_force(order.measure, now=now)


@transaction.atomic
def reverted(order: Order, *, by: str = BY, text: str, now: datetime) -> None:
    """Nothing of it is left at the peer; or, where it never came to stand as it should, it failed."""
    moves.change(order, rides_on=None)
    ends: dict[str, Any] = {**DONE, "ended_at": now, "lifted_at": order.lifted_at or now}
    if order.failing:
        problem = order.problem
        moves.move(order, transitions.FAILED, by=by, now=now, text=f"{problem}; {text}", **{**ends, "problem": problem})
        interruptions.end(order, now=now)
        feedback.failed(order.measure, reason=problem, refused=False, now=now)
        feedback.alert(order, f"order {order.pk} failed: {problem}", now=now)
        return
    moves.move(order, transitions.REVERTED, by=by, now=now, text=text, **ends)
    interruptions.end(order, now=now)
    if order.revert_by != PROBING:  # taken away for a look, the measure stands until the look is over
        feedback.lifted(order.measure, now=now)


@transaction.atomic
def reverted_many(orders: Sequence[Order], *, text: str, now: datetime) -> int:
    """As ``reverted`` for each of many that stood as they should, in one transaction; how many nobody had moved meanwhile."""
    lifted = Coalesce("lifted_at", Value(now))
    gone = moves.settle_many(orders, by=BY, text=text, now=now, rides_on=None, ended_at=now, lifted_at=lifted, **DONE)
    interruptions.end_many([order.pk for order in gone], now=now)
    feedback.lifted_many([order.measure_id for order in gone], now=now)
    return len(gone)


@transaction.atomic
def withdrawn(order: Order, *, text: str, now: datetime) -> None:
    """It ended before anything was done: a proposal nobody approved fails, an approved one is simply over."""
    by = order.revert_by or BY
    if order.state == transitions.PROPOSED:
        moves.move(order, transitions.FAILED, by=by, now=now, text=text, problem=text, ended_at=now)
    else:
        moves.move(order, transitions.REVERTED, by=by, now=now, text=text, **{**DONE, "ended_at": now})
    feedback.lifted(order.measure, now=now)
