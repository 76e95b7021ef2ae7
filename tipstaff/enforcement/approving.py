"""What people say to orders: yes, no, lift it, not yet, until when. Nobody approves what he asked for; each takes its role."""

from datetime import datetime, timedelta

from django.db import transaction

from tipstaff.enforcement import access, ending, feedback, moves, rails, switches, transitions, views
from tipstaff.enforcement.models import Order
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

SYSTEM = "system:"


def locked(number: int) -> Order:
    """The order, held until the end of the transaction. Raises NotFound."""
    found = Order.objects.select_for_update(of=("self",)).select_related("measure", "customer", "service", "endpoint")
    order = found.filter(pk=number).first()
    if order is None:
        raise NotFound(f"there is no order {number}")
    return order


@transaction.atomic
def approve(*, number: int, by: str, now: datetime, reason: str = "") -> Order:
    """Say yes. The order is approved when all whose word it takes have given it; one that waited in dry run is freed."""
    order = locked(number)
    _person(by)
    if order.state == transitions.APPROVED and order.held:
        return _release(order, by, reason, now)
    if order.state != transitions.PROPOSED:
        raise Refused(f"order {number} is {order.state}; only a proposed one is approved")
    if by in {order.requested_by, order.approved_by}:
        raise Refused(f"{by} asked for this order or approved it already; somebody else has to")
    if order.expires_at <= now:
        raise Refused(f"order {number} would have ended at {order.expires_at:%Y-%m-%d %H:%M}; decide it again")
    if not order.approved_by:
        moves.change(order, approved_by=by, approved_at=now)
    else:
        moves.change(order, second_by=by, second_at=now)
    if order.needs_two and len(views.people(order)) < 2:
        moves.note(order, by=by, now=now, kind="approval", text=f"one of two: {order.needs_two}. {reason}".strip())
        return order
    if order.needs_two:
        access.require_somebody_of_weight(order)
    text = f"approved by {by}" + (f": {reason}" if reason else "")
    moves.move(order, transitions.APPROVED, by=by, now=now, text=text, next_try_at=now)
    return order


def _release(order: Order, by: str, reason: str, now: datetime) -> Order:
    if not switches.current().live or order.endpoint is None or not order.endpoint.live:
        raise Refused("it waits because nothing may act yet; `tipstaff enforce live` says so, then approve it again")
    moves.change(order, held="", next_try_at=now)
    moves.note(order, by=by, now=now, kind="released", text=f"no longer dry run. {reason}".strip())
    return order


@transaction.atomic
def decline(*, number: int, by: str, reason: str, now: datetime) -> Order:
    """Say no to a proposed order; its measure fails with the reason."""
    order = locked(number)
    _person(by)
    _reasoned(reason)
    if order.state != transitions.PROPOSED:
        raise Refused(f"order {number} is {order.state}; lift it instead")
    text = f"declined by {by}: {reason}"
    moves.move(order, transitions.FAILED, by=by, now=now, text=text, problem=text, ended_at=now)
    feedback.failed(order.measure, reason=text, refused=True, now=now)
    return order


@transaction.atomic
def lift(*, number: int, by: str, reason: str, now: datetime) -> Order:
    """Have it taken away. The switch that stops new actions does not stop this."""
    order = locked(number)
    _person(by)
    _reasoned(reason)
    if order.state in transitions.FINAL:
        raise Refused(f"order {number} is {order.state} already")
    if order.revert_asked_at is None:
        moves.change(order, revert_asked_at=now, revert_by=by, revert_reason=reason, next_try_at=now)
        moves.note(order, by=by, now=now, kind="revert_asked", text=reason)
    return order


@transaction.atomic
def settle(*, number: int, by: str, reason: str, now: datetime) -> Order:
    """A person looked at what somebody else changed at the peer, and says that nothing of ours is left to take away."""
    order = locked(number)
    _person(by)
    _reasoned(reason)
    if order.state != transitions.DRIFTED:
        raise Refused(f"order {number} is {order.state}; only one that drifted is settled by hand")
    ending.reverted(order, by=by, text=f"settled by {by}: {reason}", now=now)
    return order


@transaction.atomic
def move_end(*, number: int, until: datetime, by: str, reason: str, now: datetime) -> Order:
    """Give it another end, within the longest that is allowed. A later end takes somebody who did not ask for the order."""
    order = locked(number)
    _person(by)
    _reasoned(reason)
    if order.state in transitions.FINAL or order.revert_asked_at is not None:
        raise Refused(f"order {number} is {order.state} or about to be lifted")
    if until > order.expires_at and by == order.requested_by:
        raise Refused(f"{by} asked for this order; somebody else has to lengthen it")
    longest = timedelta(days=switches.current().longest_days)
    if broken := rails.expiry_breaches(until, now, emergency=order.emergency, longest=longest):
        raise InputError([Problem("until", breach.what, breach.advice) for breach in broken])
    standing = order.state in transitions.STANDING
    old = order.expires_at
    moves.change(order, expires_at=until, refresh=standing, next_try_at=now)
    feedback.moved_end(order.measure, until)
    moves.note(order, by=by, now=now, kind="moved_end", text=f"{reason} (was {old:%Y-%m-%d %H:%M}, now {until:%Y-%m-%d %H:%M} UTC)")
    return order


def _person(by: str) -> None:
    if not by or by.startswith(SYSTEM):
        raise Refused("a program cannot approve an order")
    access.require(by, access.APPROVE)


def _reasoned(reason: str) -> None:
    if not reason.strip():
        raise InputError(Problem("reason", "is empty", "say why; it is kept with the order"))
