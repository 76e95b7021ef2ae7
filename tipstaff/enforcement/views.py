"""From rows to what pure code and connectors see: the target with where it lives, the order, what else a case names."""

from dataclasses import replace
from ipaddress import ip_network

from django.db import connection

from tipstaff.enforcement import targets, transitions
from tipstaff.enforcement.connectors.contract import OrderView, Receipt, Target
from tipstaff.enforcement.models import Order
from tipstaff.kernel.errors import InputError

LOOKED_AT = 500  # events of a case
_EVENTS = "SELECT host(ip), port, lower(domain), url FROM reports_event WHERE case_id = %s ORDER BY received_at DESC LIMIT %s"
_ADDRESSES = "SELECT DISTINCT host(ip) FROM reports_event WHERE case_id = %s AND lower(domain) = %s AND ip IS NOT NULL LIMIT 100"


def target_of(scope: str, text: str, case: int) -> Target:
    """The target of a measure or order; for a URL or site with the addresses at which the case's events saw it."""
    found = targets.parse(scope, text)
    if scope not in {"url", "site"} or found.host_prefixes:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_ADDRESSES, [case, found.host])
        prefixes = tuple(ip_network(row[0]) for row in cursor.fetchall())
    return Target(scope, found.text, host=found.host, url=found.url, host_prefixes=prefixes)


def named_by(case: int) -> dict[str, str]:
    """What the case's events name, by scope and in canonical form: only what all of them agree on."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, [case, LOOKED_AT])
        rows = cursor.fetchall()
    found = {
        "url": _only(row[3] for row in rows),
        "site": _only(row[2] for row in rows),
        "machine": _only(row[0] for row in rows),
    }
    port = _only(row[1] for row in rows)
    if found["machine"] and port:
        found["port"] = f"{found['machine']} tcp/{port}"
    return {scope: text for scope, raw in found.items() if raw and (text := _read(scope, raw))}


def _only(values: object) -> str:
    distinct = {str(value) if value is not None else "" for value in values}  # type: ignore[attr-defined]
    return distinct.pop() if len(distinct) == 1 else ""


def _read(scope: str, text: str) -> str:
    try:
        return targets.parse(scope, text).text
    except InputError:
        return ""


def people(order: Order) -> frozenset[str]:
    """The persons who stand behind an order; programs are none."""
    named = (order.requested_by, order.approved_by, order.second_by)
    return frozenset(name for name in named if name and not name.startswith("system:"))


def order_view(order: Order) -> OrderView:
    target = target_of(order.scope, order.target, order.case_id)
    if order.service is not None and order.service.external_id:
        target = replace(target, reference=order.service.external_id)
    return OrderView(
        number=int(order.tag.rpartition(":")[2]),  # an order that took over what another put there goes on under its tag
        tag=order.tag,
        kind=order.kind,
        target=target,
        expires_at=order.expires_at,
        case=order.case_id,
        clause=order.clause,
        reason=order.reason,
        undo=order.undo,
        direction=order.direction,
        customer=order.customer.external_id or "",
        people=people(order),
        leaving=order.state == transitions.REVERTING,
    )


def receipt(order: Order) -> Receipt:
    return Receipt(order_view(order), order.handle, order.output)


def draft_view(order: Order, target: Target) -> OrderView:
    """An order that has no row yet, as the rails see it."""
    return OrderView(
        number=0,
        tag=order.tag,
        kind=order.kind,
        target=target,
        expires_at=order.expires_at,
        case=order.case_id,
        clause=order.clause,
        reason=order.reason,
        direction=order.direction,
        people=people(order),
    )
