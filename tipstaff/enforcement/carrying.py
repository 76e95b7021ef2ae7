"""Carrying orders out: intent, snapshot, apply, read back; and the way back. Each step is committed before the next.

Killed between any two steps, the next run goes on from what the rows say: an order that is ``applying`` has been begun,
so the peer is read before anything is repeated. Orders of one endpoint are carried by one program at a time.
"""

import logging
import time
from datetime import timedelta
from typing import Any

from django.db import transaction

from tipstaff.enforcement import ending, endpoints, feedback, moves, protecting, rails, riding, switches, transitions, views
from tipstaff.enforcement.connectors.contract import (
    Connector,
    ConnectorError,
    NotOurs,
    Receipt,
    State,
    Unanswered,
    Unreachable,
    Verification,
)
from tipstaff.enforcement.models import Endpoint, Order, Switches
from tipstaff.enforcement.rails import Bounds
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Refused, TipstaffError

log = logging.getLogger(__name__)
BY = feedback.BY
GIVEN_UP = 12  # tries of an apply, about forty minutes, after which it counts as failed
SOON = (0.02, 0.05, 0.1, 0.2, 0.4)  # seconds between looks at a peer that has said yes and does not show it yet
WAITING = timedelta(seconds=5)  # between looks at a person or a slow system
DRY = "dry run"


def carry(order: Order, endpoint: Endpoint, row: Switches) -> None:
    """Bring one order as far as it goes now. What goes wrong is written to the order; the next look tries again."""
    try:
        if order.state == transitions.APPROVED and not _begin(order, endpoint, row):
            return
        if shadow.is_on():
            moves.change(order, next_try_at=None)  # what stands is left standing
            return
        if order.revert_asked_at is not None and order.state in transitions.STANDING:
            reason = order.revert_reason
            moves.move(order, transitions.REVERTING, by=order.revert_by or BY, now=now(), text=reason, attempts=0)
        connector = endpoints.build(endpoint, _bounds(order, row))
        if order.state == transitions.APPLYING:
            _put_in_place(order, connector)
        elif order.state == transitions.REVERTING:
            _take_away(order, connector)
        elif order.state == transitions.DRIFTED:
            _repair(order, connector)
        elif order.state == transitions.VERIFIED and order.refresh:
            _refresh(order, connector)
        endpoints.back(endpoint)
    except ConnectorError as error:
        if isinstance(error, Unreachable | Unanswered):
            endpoints.away(endpoint, str(error), now())
        _trouble(order, error, retry=error.retry)
    except (Refused, InputError) as error:
        _trouble(order, error, retry=order.state != transitions.APPLYING)
    except TipstaffError:
        raise
    except Exception as error:  # a connector that answers nonsense must not stop the others
        log.exception("order %s: connector %s failed in an unknown way", order.pk, endpoint.name)
        _trouble(order, error, retry=order.state != transitions.APPLYING)


def _bounds(order: Order, row: Switches) -> Bounds:
    """Asked anew each time: the address may have passed to another customer since the order was approved."""
    target = views.target_of(order.scope, order.target, order.case_id)
    return protecting.bounds_for(row, target, order.customer_id, now())


def _begin(order: Order, endpoint: Endpoint, row: Switches) -> bool:
    """Commit the intent, unless something forbids to act; a dry run is written down once and waits for a person."""
    if row.stopped:
        return False
    if not row.live or not endpoint.live or shadow.is_on():
        text = f"{shadow.WHY if shadow.is_on() else DRY}: {'; '.join(order.plan)}"
        with transaction.atomic():
            moves.change(order, held=DRY, next_try_at=None)
            moves.note(order, by=BY, now=now(), kind="dry_run", text=text)
        return False
    with transaction.atomic():
        carrier = riding.carrier_for(order)
        moment = now()
        moves.move(order, transitions.APPLYING, by=BY, now=moment, text="begun", begun_at=moment, rides_on=carrier)
    return True


def _put_in_place(order: Order, connector: Connector) -> None:
    if order.rides_on is not None and not riding.ready(order):
        moves.change(order, next_try_at=now() + timedelta(seconds=1))
        return
    found = connector.verify(views.receipt(order)) if _may_stand(order) else Verification(State.ABSENT)
    if found.state is State.FOREIGN:
        raise NotOurs(f"something else stands there: {found.detail}")
    if found.state is State.ABSENT:
        found = _apply(order, connector)
        if found.state is State.PENDING:
            feedback.alert(
                order, f"work waits for a person: {order.output}" if order.output else f"order {order.pk} waits", now=now()
            )
    if found.state is State.IN_PLACE:
        if order.applied_at is None:
            moves.change(order, applied_at=now())
        ending.verified(order, text=found.detail or "read back from the peer", now=now())
    elif found.state is State.PENDING:
        moves.change(order, next_try_at=now() + WAITING, problem=found.detail)
    elif found.state is State.FOREIGN:
        raise NotOurs(f"after applying, something else stands there: {found.detail}")
    else:
        raise Unanswered(f"it said yes, but what was read back says no: {found.detail}")


def _may_stand(order: Order) -> bool:
    """Whether ``apply`` may have been called before: its snapshot is kept before it is called."""
    return order.snapshot_at is not None


def _apply(order: Order, connector: Connector) -> Verification:
    if order.snapshot_at is None:
        moves.change(order, undo=connector.snapshot(views.order_view(order)), snapshot_at=now())
    receipt = connector.apply(views.order_view(order))
    moves.change(order, handle=dict(receipt.handle), output=receipt.output[:20_000], applied_at=now())
    return _look(connector, receipt, State.IN_PLACE)


def _look(connector: Connector, receipt: Receipt, wanted: State) -> Verification:
    """Read back until the peer shows what is wanted; a moment's patience, since routes and daemons take a moment."""
    found = connector.verify(receipt)
    for pause in SOON:
        if found.state in {wanted, State.PENDING, State.FOREIGN}:
            break
        time.sleep(pause)
        found = connector.verify(receipt)
    return found


def _take_away(order: Order, connector: Connector) -> None:
    if order.rides_on_id is not None:
        ending.reverted(order, text=f"order {order.rides_on_id} goes on with it", now=now())
        return
    if heir := riding.hand_over(order, now()):
        moves.change(order, lifted_at=now())
        ending.reverted(order, text=f"order {heir} keeps it in place", now=now())
        return
    receipt = views.receipt(order)
    found = connector.verify(receipt)
    if order.failing and order.applied_at is None and found.state is State.FOREIGN:
        ending.reverted(order, text="nothing of ours is there", now=now())
        return
    if not rails.may_revert(found.state) and found.state is not State.PENDING:
        raise NotOurs(f"it was changed by somebody else since, and is left as it is: {found.detail}")
    if found.state is not State.ABSENT:
        connector.lift(receipt)
        moves.change(order, lifted_at=now())
        found = _look(connector, receipt, State.ABSENT)
    if found.state is State.ABSENT:
        ending.reverted(order, text=found.detail or "read back: gone", now=now())
    elif found.state is State.PENDING:
        moves.change(order, lifted_at=None, next_try_at=now() + WAITING, problem=found.detail)
    else:
        moves.change(order, lifted_at=None)
        raise Unanswered(f"it was lifted, but what was read back says it stands: {found.detail}")


def _repair(order: Order, connector: Connector) -> None:
    """What should stand and does not is put back; what somebody else changed waits for a person."""
    found = connector.verify(views.receipt(order))
    if found.state is State.FOREIGN:
        moves.change(order, next_try_at=None, problem=found.detail)
        return
    if switches.current().stopped and found.state is not State.IN_PLACE:
        return
    moves.move(order, transitions.APPLYING, by=BY, now=now(), text=f"repairing: {found.detail}")
    _put_in_place(order, connector)


def _refresh(order: Order, connector: Connector) -> None:
    receipt = connector.apply(views.order_view(order))
    found = _look(connector, receipt, State.IN_PLACE)
    if found.state is State.IN_PLACE:
        moves.change(order, refresh=False, handle=dict(receipt.handle), next_try_at=None)


def _trouble(order: Order, error: Exception, *, retry: bool) -> None:
    """Write down what went wrong and what comes next. A way back is never given up: it is tried until it works."""
    moment, text = now(), f"{error}" or type(error).__name__
    attempts = order.attempts + 1
    later: dict[str, Any] = {"attempts": attempts, "problem": text, "next_try_at": moment + _pause(attempts)}
    if order.state == transitions.REVERTING and isinstance(error, NotOurs):
        moves.move(order, transitions.DRIFTED, by=BY, now=moment, text=text, problem=text, next_try_at=None)
        feedback.alert(order, f"order {order.pk} cannot be lifted: {text}", now=moment)
    elif order.state == transitions.APPLYING and (not retry or attempts >= GIVEN_UP):
        _fail(order, text)
    else:
        moves.change(order, **later)
        moves.note(order, by=BY, now=moment, kind="retry", text=text, attempt=attempts)
        if attempts in {1, 5} or attempts % 50 == 0:
            feedback.alert(order, f"order {order.pk} does not get through: {text}", now=moment)


def _pause(attempts: int) -> timedelta:
    return timedelta(seconds=min(2 ** min(attempts, 9), 300))


@transaction.atomic
def _fail(order: Order, text: str) -> None:
    """Give the attempt up; whatever it left at the peer is taken away before it counts as failed."""
    moment = now()
    columns: dict[str, Any] = {"failing": True, "problem": text, "attempts": 0, "next_try_at": moment}
    moves.move(order, transitions.REVERTING, by=BY, now=moment, text=f"given up: {text}", **columns)
