"""The comparison of what should stand at a peer with what does, all the time: drift is repaired, strays of ours go."""

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction

from tipstaff.accounts.models import InventoryVersion
from tipstaff.audit.services import record
from tipstaff.enforcement import access, endpoints, feedback, moves, protecting, reconciling, transitions, views
from tipstaff.enforcement.connectors.contract import Connector, ConnectorError, State, Unanswered, Unreachable
from tipstaff.enforcement.models import Endpoint, Order, Switches
from tipstaff.enforcement.reconciling import Difference, Limits
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Refused

log = logging.getLogger(__name__)
BY = feedback.BY
# Of the standing orders so many in each round, in turn, so that a round never keeps a new order waiting for long.
LOOKED_CLOSELY = 10  # are read back in full
HELD_BY = 20  # are asked whose they are now; HELD_AFTER while the inventory has changed since all were asked
HELD_AFTER = 100
SELDOM = 300.0  # seconds between rounds, at most


def is_due(endpoint: Endpoint, moment: datetime, seconds: float) -> bool:
    """Each so many seconds; less often where a round takes long, so that orders have nine tenths of the worker's time."""
    if shadow.is_on() or endpoint.halted or endpoints.waits(endpoint, moment):
        return False
    pause = min(max(seconds, 10 * endpoint.figures.get("took", 0)), SELDOM) if seconds else 0
    return endpoint.reconciled_at is None or abs(moment - endpoint.reconciled_at) >= timedelta(seconds=pause)  # or set back


def reconcile(endpoint: Endpoint, row: Switches) -> Difference | None:
    """One round at one endpoint; None when its peer could not be read. While actions are stopped it only looks."""
    moment, began = now(), time.monotonic()
    try:
        connector = endpoints.build(endpoint, protecting.bounds(row))
        actual = connector.actual()
        endpoints.back(endpoint)
    except (ConnectorError, InputError) as error:
        if isinstance(error, Unreachable | Unanswered):
            endpoints.away(endpoint, str(error), moment)
        _seen(endpoint, moment, problem=str(error))
        return None
    at_work = Order.objects.filter(endpoint=endpoint, rides_on__isnull=True)
    desired = set(at_work.filter(state=transitions.VERIFIED).values_list("tag", flat=True))
    known = set(at_work.filter(state__in=transitions.TOUCHED).values_list("tag", flat=True))
    found = reconciling.compare(desired, known, actual, row.instance)
    limits = Limits(row.mass_changes, row.mass_percent)
    if why := reconciling.must_stop(found, limits, allowed=endpoint.mass_allowed):
        _halt(endpoint, why, moment)
    elif not row.stopped or not found.desired:
        _repair(endpoint, connector, found)
        _look_closely(endpoint, connector)
    _hand_back(endpoint, row, moment)
    figures = {"desired": found.desired, "actual": found.actual, "missing": len(found.missing), "strays": len(found.strays)}
    _seen(endpoint, now(), figures={**figures, "took": round(time.monotonic() - began, 3)})
    return found


def _repair(endpoint: Endpoint, connector: Connector, found: Difference) -> None:
    for order in Order.objects.filter(endpoint=endpoint, tag__in=found.missing, rides_on__isnull=True, state=transitions.VERIFIED):
        _drifted(order, "it should stand there and does not")
    for thing in found.strays:
        try:
            connector.remove(thing)
        except ConnectorError as error:
            log.warning("stray %s at %s: %s", thing.tag, endpoint.name, error)
    if endpoint.mass_allowed:
        Endpoint.objects.filter(pk=endpoint.pk).update(mass_allowed=0)
        endpoint.mass_allowed = 0


def _look_closely(endpoint: Endpoint, connector: Connector) -> None:
    """A tag in its place may hang on something that was changed: some orders are read back in full, round by round."""
    standing = Order.objects.filter(endpoint=endpoint, state=transitions.VERIFIED, rides_on__isnull=True, refresh=False)
    chosen = list(standing.filter(pk__gt=endpoint.figures.get("seen", 0)).order_by("pk")[:LOOKED_CLOSELY])
    endpoint.figures["seen"] = chosen[-1].pk if len(chosen) == LOOKED_CLOSELY else 0
    for order in chosen:
        try:
            verification = connector.verify(views.receipt(order))
        except ConnectorError:
            return
        if verification.state in {State.FOREIGN, State.ABSENT}:
            _drifted(order, verification.detail or verification.state.value)


@transaction.atomic
def _drifted(order: Order, text: str) -> None:
    moment = now()
    try:
        moves.move(order, transitions.DRIFTED, by=BY, now=moment, text=text, problem=text, next_try_at=moment)
    except Refused:
        return  # somebody lifted it meanwhile
    feedback.alert(order, f"order {order.pk} had drifted: {text}", now=moment)


def _hand_back(endpoint: Endpoint, row: Switches, moment: datetime) -> None:
    """An address or name that another customer holds now is let go at once: the new holder has done nothing."""
    version = InventoryVersion.objects.values_list("number", flat=True).first() or 0
    if endpoint.figures.get("asked_of") != version:
        endpoint.figures |= {"held": 0, "asked_of": version, "hurry": 1}
    most = HELD_AFTER if endpoint.figures.get("hurry") else HELD_BY
    standing = Order.objects.filter(endpoint=endpoint, state=transitions.VERIFIED, revert_asked_at__isnull=True)
    chosen = standing.filter(pk__gt=endpoint.figures.get("held", 0)).order_by("pk")[:most]
    orders = list(chosen.select_related("measure", "customer", "service"))
    whole = len(orders) == most
    endpoint.figures |= {"held": orders[-1].pk if whole else 0, "hurry": endpoint.figures.get("hurry", 0) if whole else 0}
    for order in orders:
        target = views.target_of(order.scope, order.target, order.case_id)
        bounds = protecting.bounds_for(row, target, order.customer_id, moment)
        gone = [one for one in bounds.breaches(views.order_view(order)) if one.rail == 2]
        if gone and order.overrides == []:
            reason = f"no longer this customer's: {gone[0].what}"
            columns = {"revert_asked_at": moment, "revert_by": BY, "revert_reason": reason, "next_try_at": moment}
            moves.change(order, **columns)
            moves.note(order, by=BY, now=moment, kind="revert_asked", text=reason)
            feedback.lifting(order.measure, by=BY, reason=reason, now=moment)
            feedback.alert(order, f"order {order.pk} is being lifted: {reason}", now=moment)


def _halt(endpoint: Endpoint, why: str, moment: datetime) -> None:
    """Stand still until a person has looked; orders themselves go on."""
    log.error("the reconciler stopped at %s: %s", endpoint.name, why)
    endpoint.halted, endpoint.halted_at = why, moment
    Endpoint.objects.filter(pk=endpoint.pk).update(halted=why, halted_at=moment)
    if newest := Order.objects.filter(endpoint=endpoint).order_by("-pk").first():
        feedback.alert(newest, f"the reconciler stopped at {endpoint.name}: {why}", now=moment)


def _seen(endpoint: Endpoint, moment: datetime, *, problem: str = "", figures: dict[str, float] | None = None) -> None:
    endpoint.reconciled_at = moment
    endpoint.figures = {**endpoint.figures, **(figures or {})}
    columns: dict[str, object] = {"reconciled_at": moment, "figures": endpoint.figures}
    if problem:
        columns["problem"] = problem
    Endpoint.objects.filter(pk=endpoint.pk).update(**columns)


@transaction.atomic
def go_on(*, endpoint: Endpoint, changes: int, by: str, reason: str, now: datetime) -> None:
    """Let the reconciler go on, and let through at most ``changes`` changes, once."""
    access.require(by, access.SWITCH)
    Endpoint.objects.filter(pk=endpoint.pk).update(halted="", halted_at=None, mass_allowed=changes, reconciled_at=None)
    record(by=by, action="reconciler.go_on", subject=f"connector:{endpoint.pk}", now=now, reason=reason, changes=changes)
