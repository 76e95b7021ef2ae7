"""Reads about customers: who held an address when, what a customer holds at a date, lists by name."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from ipaddress import IPv4Network, IPv6Network
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from tipstaff.accounts.models import Acceptance, Assignment, Contact, Customer, OwnPrefix, ServiceName
from tipstaff.kernel.text import whole

MOST = 200


def holders_of(address: str, most: int = 12) -> list[Assignment]:
    """Every assignment that ever covered an address, as known now: the longest prefix first, then the newest period.

    A zone index (%eth0) is left out: PostgreSQL knows none.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM accounts_assignment WHERE prefix >>= %s::inet AND superseded_at IS NULL
               ORDER BY masklen(prefix) DESC, upper(period) DESC NULLS FIRST, lower(period) DESC LIMIT %s""",
            [address.partition("%")[0], most],
        )
        order = [row[0] for row in cursor.fetchall()]
    rows = Assignment.objects.filter(pk__in=order).select_related("service__customer", "source")
    return sorted(rows, key=lambda row: order.index(row.pk))


def within(network: IPv4Network | IPv6Network, at: datetime, most: int = MOST) -> list[Assignment]:
    """The assignments inside a network at a moment, in the order of the addresses."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM accounts_assignment WHERE prefix && %s::inet AND period @> %s AND superseded_at IS NULL
               ORDER BY prefix LIMIT %s""",
            [str(network), at, most],
        )
        order = [row[0] for row in cursor.fetchall()]
    rows = Assignment.objects.filter(pk__in=order).select_related("service__customer", "source")
    return sorted(rows, key=lambda row: order.index(row.pk))


def assignments_of(customer: int, at: datetime, most: int = MOST) -> list[Assignment]:
    """What a customer's services hold at a moment."""
    rows = Assignment.objects.filter(service__customer=customer, superseded_at__isnull=True, period__contains=at)
    return list(rows.select_related("service", "source").order_by("prefix")[:most])


def names_of(customer: int, at: datetime, most: int = MOST) -> list[ServiceName]:
    """Domains, hosts and mailboxes that a customer's services hold at a moment."""
    rows = ServiceName.objects.filter(service__customer=customer, superseded_at__isnull=True, period__contains=at)
    return list(rows.select_related("service", "source").order_by("value")[:most])


def own_prefixes() -> list[IPv4Network | IPv6Network]:
    return list(OwnPrefix.objects.order_by("prefix").values_list("prefix", flat=True))


def contacts_of(customer: int) -> list[Contact]:
    """Contacts, the abuse contact first."""
    rows = Contact.objects.filter(customer=customer).order_by("id")
    return sorted(rows, key=lambda contact: (contact.role != "abuse", contact.pk))


def newest_acceptance(customer: int) -> Acceptance | None:
    return Acceptance.objects.filter(customer=customer).order_by("-accepted_at").first()


def brands() -> list[str]:
    """The brands that customers have; '' is the provider's own."""
    return list(Customer.objects.order_by("brand").values_list("brand", flat=True).distinct())


def customers(
    text: str = "", *, after: str = "", most: int = 50, unaccepted: Mapping[str, str] | None = None
) -> "QuerySet[Customer]":
    """Customers by name; ``after`` is the name and number of the last one shown, 'name~12'.

    ``unaccepted``: only those who are still customers and have not accepted the edition of their brand: brand → its content hash.
    """
    rows = Customer.objects.select_related("parent", "source").order_by("name", "id")
    if unaccepted is not None:
        accepted = Acceptance.objects.filter(customer=OuterRef("pk"))
        owing = [Q(brand=brand) & ~Exists(accepted.filter(content_hash=wanted)) for brand, wanted in unaccepted.items()]
        rows = rows.filter(reduce(or_, owing, Q(pk__in=())), ended_at=None)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(external_id__iexact=text))
    name, tilde, last = after.rpartition("~")
    if tilde and (number := whole(last)) is not None:
        rows = rows.filter(Q(name__gt=name) | Q(name=name, id__gt=number), name__gte=name)
    return rows[:most]


def by_host(host: str, at: datetime, most: int = 20) -> list[ServiceName]:
    """Who holds a host name or a domain above it at a moment; the most exact first."""
    labels = host.lower().strip(".").split(".")
    candidates = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    rows = ServiceName.objects.filter(value__in=candidates, superseded_at__isnull=True, period__contains=at)
    found = rows.select_related("service__customer", "source")[:most]
    return sorted(found, key=lambda row: -len(row.value))


def services_of(customers: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Customer → its services as plain rows, for choosing one."""
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in Customer.objects.filter(pk__in=customers, services__isnull=False).values(
        "id", "services__id", "services__name", "services__kind"
    ):
        rows.setdefault(row["id"], []).append(
            {"id": row["services__id"], "name": row["services__name"], "kind": row["services__kind"]}
        )
    return rows


def in_range(first: str, last: str, at: datetime, most: int = MOST) -> list[Assignment]:
    """The assignments that lie in, or cover, a range of addresses at a moment, in the order of the addresses."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM accounts_assignment
               WHERE superseded_at IS NULL AND period @> %(at)s AND family(prefix) = family(%(first)s::inet)
                 AND host(network(prefix))::inet <= %(last)s::inet AND host(broadcast(prefix))::inet >= %(first)s::inet
               ORDER BY prefix LIMIT %(most)s""",
            {"at": at, "first": first, "last": last, "most": most},
        )
        order = [row[0] for row in cursor.fetchall()]
    rows = Assignment.objects.filter(pk__in=order).select_related("service__customer", "source")
    return sorted(rows, key=lambda row: order.index(row.pk))
