"""Many orders that are asked back at once are taken away at their peer together, in one go, before each is read back and told.

What a customer waits for is the peer, not our journal: with ten thousand of them the service is back in seconds, while
each order is settled one by one behind it. Killed in between, the next look finds what is gone and goes on.
"""

import logging

from django.db import DatabaseError

from tipstaff.enforcement import endpoints, feedback, moves, protecting, transitions, views
from tipstaff.enforcement.connectors.contract import ConnectorError
from tipstaff.enforcement.models import Endpoint, Order, Switches
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Refused

log = logging.getLogger(__name__)
MANY = 10  # fewer are taken away one by one
AT_ONCE = 20_000


def together(endpoint: Endpoint, row: Switches) -> int:
    """Take away what is asked back at this endpoint and nobody else shares; how many are gone. The rest is left to ``carrying``."""
    if shadow.is_on():
        return 0
    asked = Order.objects.filter(
        endpoint=endpoint, state=transitions.VERIFIED, revert_asked_at__isnull=False, failing=False, rides_on__isnull=True,
        riders__isnull=True,
    )  # fmt: skip
    if asked[:MANY].count() < MANY:
        return 0
    try:
        connector = endpoints.build(endpoint, protecting.bounds(row))
        lift = getattr(connector, "lift_together", None)
        if lift is None:
            return 0
        orders = list(asked.select_related("service", "customer").order_by("revert_asked_at", "pk")[:AT_ONCE])
        moved = moves.revert_many(orders, by=feedback.BY, now=now())
        gone = lift([views.receipt(order) for order in moved])
    except (ConnectorError, Refused, InputError) as error:
        log.warning("%s: %s; one by one then", endpoint.name, error)
        return 0
    except DatabaseError:
        raise
    except Exception:  # as in ``carrying``: a connector that answers nonsense must not stop the others
        log.exception("%s: lifting together went wrong; one by one then", endpoint.name)
        return 0
    return Order.objects.filter(pk__in=[order.pk for order in moved if order.tag in gone]).update(lifted_at=now())
