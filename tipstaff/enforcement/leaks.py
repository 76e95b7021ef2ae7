"""Traffic of what is blocked: who is to be watched, and what it means for an order when some is seen all the same."""

from datetime import datetime
from ipaddress import ip_address, ip_network

from tipstaff.enforcement import feedback, moves, transitions
from tipstaff.enforcement.models import Order, OrderEntry

MOST = 50_000
ALL_TRAFFIC = ("block", "suspend", "walled_garden")  # kinds that leave a machine nothing to say to the world
LEAK, BEHIND = "leak", "attack_behind"
TEXTS = {
    LEAK: "our flows still see traffic from what is blocked: the block leaks, or stands at another place than the traffic",
    BEHIND: "our flows see traffic towards what is blocked: the attack goes on behind the block",
}


def watched() -> list[str]:
    """Addresses and prefixes that should be silent: machines whose order stands at its peer."""
    rows = Order.objects.filter(state__in=transitions.WANTED, scope="machine", kind__in=ALL_TRAFFIC)
    return sorted(set(rows.values_list("target", flat=True)[:MOST]))


def standing_over(address: str) -> list[Order]:
    """The orders whose machine or prefix holds the address."""
    one = ip_address(address)
    rows = Order.objects.filter(state__in=transitions.WANTED, scope="machine", kind__in=ALL_TRAFFIC).select_related(
        "case", "measure"
    )
    networks = [(order, ip_network(order.target)) for order in rows[:MOST]]
    return [order for order, network in networks if network.version == one.version and one in network]


def seen(*, address: str, outgoing: bool, finding: str, words: str, report: int, now: datetime) -> int:
    """Write down, once for each finding, what was seen of a blocked address; a leak is told to the desk. How many orders."""
    kind, done = (LEAK if outgoing else BEHIND), 0
    for order in standing_over(address):
        if OrderEntry.objects.filter(order=order, kind=kind, detail__finding=finding).exists():
            continue
        moves.note(order, by=feedback.BY, now=now, kind=kind, text=f"{TEXTS[kind]}: {words}", finding=finding, report=report)
        if outgoing:
            feedback.alert(order, f"order {order.pk}: {TEXTS[kind]} ({address})", now=now)
        done += 1
    return done
