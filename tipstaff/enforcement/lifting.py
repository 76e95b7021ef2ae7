"""Many orders that are asked back at once: taken away at their peer together, read back together, settled by the hundred.

What a customer waits for is the peer, not our journal: with thousands of them the service is back in seconds, and what is
written of each (state, entry, audit line, interruption, measure, case) follows in batches, each of them whole. Killed in
between, the next look finds what is on its way and goes on. Whatever is not plainly gone is left to ``carrying``, one by one.
"""

import logging
import time
from typing import Any

from django.db import DatabaseError
from django.db.models import Q, QuerySet

from tipstaff.enforcement import ending, endpoints, feedback, moves, protecting, transitions, views
from tipstaff.enforcement.connectors.contract import ConnectorError, Receipt
from tipstaff.enforcement.models import Endpoint, Order, Switches
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Refused

log = logging.getLogger(__name__)
MANY = 10  # fewer are taken away one by one
AT_ONCE = 20_000
BATCH = 500  # orders settled in one transaction
SOON = (0.02, 0.1, 0.4)  # seconds between looks at a peer that takes a moment to forget


def together(endpoint: Endpoint, row: Switches) -> int:
    """Take away and settle what is asked back at this endpoint and nobody else shares; how many are over.

    The rest is left to ``carrying``: what was changed by somebody, what the peer still shows, what never stood as it should.
    """
    if shadow.is_on():
        return 0
    asked = _asked(endpoint)
    if asked[:MANY].count() < MANY:
        return 0
    try:
        connector: Any = endpoints.build(endpoint, protecting.bounds(row))
        if not hasattr(connector, "lift_together"):
            return 0
        going = _begun(list(asked.select_related("service", "customer").order_by("revert_asked_at", "pk")[:AT_ONCE]))
        receipts = [views.receipt(order) for order in going]
        gone = connector.lift_together(receipts)
        taken = [order.pk for order in going if order.tag in gone]
        Order.objects.filter(pk__in=taken, lifted_at__isnull=True).update(lifted_at=now())
        over = _settle(going, _read_back(connector, receipts))
        endpoints.back(endpoint)
        return over
    except (ConnectorError, Refused, InputError) as error:
        log.warning("%s: %s; one by one then", endpoint.name, error)
        return 0
    except DatabaseError:
        raise
    except Exception:  # as in ``carrying``: a connector that answers nonsense must not stop the others
        log.exception("%s: lifting together went wrong; one by one then", endpoint.name)
        return 0


def _asked(endpoint: Endpoint) -> QuerySet[Order]:
    """What stands and is asked back, and what was begun together and not ended: neither in trouble nor shared."""
    alone = Order.objects.filter(endpoint=endpoint, failing=False, rides_on__isnull=True, riders__isnull=True)
    ready = Q(state=transitions.VERIFIED) | Q(state=transitions.REVERTING, attempts=0)
    return alone.filter(ready, revert_asked_at__isnull=False).exclude(revert_by=ending.PROBING)


def _begun(orders: list[Order]) -> list[Order]:
    moved = moves.revert_many([order for order in orders if order.state == transitions.VERIFIED], by=feedback.BY, now=now())
    kept = {order.pk for order in moved}
    return [order for order in orders if order.pk in kept or order.state == transitions.REVERTING]


def _read_back(connector: Any, receipts: list[Receipt]) -> frozenset[str]:
    """The tags of what the peer holds no more, after a moment's patience."""
    gone = connector.gone_together(receipts)
    for pause in SOON:
        if len(gone) == len(receipts):
            break
        time.sleep(pause)
        gone = connector.gone_together(receipts)
    return frozenset(gone)


def _settle(orders: list[Order], gone: frozenset[str]) -> int:
    over = sorted((order for order in orders if order.tag in gone), key=lambda order: order.pk)
    batches = [over[start : start + BATCH] for start in range(0, len(over), BATCH)]
    return sum(ending.reverted_many(batch, text="read back: gone", now=now()) for batch in batches)
