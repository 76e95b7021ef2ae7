"""Reading across customers, their tree, their addresses and the sources of all that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q, QuerySet

from tipstaff.accounts.models import Assignment, Contact, Customer, InventorySource, Service

_BELOW = """
    WITH RECURSIVE below(id) AS (
        SELECT id FROM accounts_customer WHERE id = %s
        UNION SELECT c.id FROM accounts_customer c JOIN below b ON c.parent_id = b.id
    ) SELECT id FROM below WHERE id <> %s
"""
_ABOVE = """
    WITH RECURSIVE above(id, parent_id, step) AS (
        SELECT id, parent_id, 0 FROM accounts_customer WHERE id = %s
        UNION ALL SELECT c.id, c.parent_id, a.step + 1 FROM accounts_customer c JOIN above a ON c.id = a.parent_id
        WHERE a.step < 32
    ) SELECT id FROM above WHERE step > 0 ORDER BY step
"""


@dataclass(frozen=True)
class Freshness:
    """How far behind a source is: ``lag`` since its last word (None: it never had one), ``late`` beyond its limit."""

    source: InventorySource
    lag: timedelta | None
    late: bool

    @property
    def hours(self) -> int | None:
        """The limit in whole hours; None without one."""
        return self.source.max_lag // timedelta(hours=1) if self.source.max_lag else None


def freshness(now: datetime) -> list[Freshness]:
    """Every source, by name. What people enter by hand is never late; a source that failed last time is."""
    found = []
    for source in InventorySource.objects.order_by("name"):
        lag = max(now - source.last_word_at, timedelta()) if source.last_word_at else None
        beyond = source.max_lag is not None and (lag is None or lag > source.max_lag)
        found.append(Freshness(source, lag, source.kind != "hand" and (beyond or bool(source.last_error))))
    return found


def is_provisional(source: InventorySource | None, event_at: datetime) -> bool:
    """Whether the source's word does not reach as far as the event, so that it may yet say otherwise."""
    if source is None or source.kind == "hand":
        return False
    return source.last_word_at is not None and event_at > source.last_word_at


def brand_of(*, customer: int, service: int | None) -> str:
    """Under which brand it is sold: the service's own, else its customer's; '' is the provider itself."""
    own = Service.objects.filter(pk=service, customer=customer).values_list("brand", flat=True).first() if service else ""
    return own or Customer.objects.filter(pk=customer).values_list("brand", flat=True).first() or ""


def below(customer: int) -> list[int]:
    """Ids of all customers below it in the reseller tree."""
    return _ids(_BELOW, [customer, customer])


def above(customer: int) -> list[int]:
    """Ids of its reseller, that one's reseller, and so on up."""
    return _ids(_ABOVE, [customer])


def _ids(statement: str, values: Sequence[int]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]


def contacts_of(customer: Customer, role: str = "abuse") -> list[Contact]:
    """Whom to write to: the customer's contacts of that role, else its technical ones, else any with an address."""
    found = list(customer.contacts.exclude(email="").order_by("pk"))
    for wanted in (role, "technical"):
        if fitting := [contact for contact in found if contact.role == wanted]:
            return fitting
    return found


def addresses_of(
    customer: int, at: datetime, *, as_known_at: datetime | None = None, with_below: bool = False
) -> QuerySet[Assignment]:
    """What the customer held at that moment, as known now or as known then; with those below it where asked."""
    owners = [customer, *(below(customer) if with_below else ())]
    return known(as_known_at).filter(service__customer__in=owners, period__contains=at).order_by("prefix", "ports")


def known(as_known_at: datetime | None = None) -> QuerySet[Assignment]:
    """Assignments as known now, or as known at that moment."""
    rows = Assignment.objects.select_related("service__customer", "source")
    if as_known_at is None:
        return rows.filter(superseded_at=None)
    alive = Q(superseded_at=None) | Q(superseded_at__gt=as_known_at)
    return rows.filter(alive, recorded_at__lte=as_known_at)
