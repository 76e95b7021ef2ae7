"""Orders of those whom the provider does not serve again: caught when a service appears, whoever brought it in (A14).

Nothing is stopped by it: a name may be somebody else's. The match is a row, the record and a warning, and a lead decides.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from tipstaff.accounts.models import Contact, Customer, InventoryVersion, Service
from tipstaff.audit.services import record
from tipstaff.cases import refusals
from tipstaff.cases.models import Notice, Refusal, RefusalMatch

BY = "system:screening"
EVERY = timedelta(seconds=30)  # between looks while the inventory keeps changing
KINDS = ("name", "number", "mail")


@transaction.atomic
def catch(*, now: datetime, customers: Iterable[str] | None = None) -> list[RefusalMatch]:
    """Look through customers with a living service (or those of these external ids) and return the matches that are new.

    A customer who stands on the list himself is caught by a service that began after he was put there.
    """
    entries = list(refusals.in_force(now))
    if not entries:
        return []
    index: dict[str, list[Refusal]] = {}
    for entry in entries:
        for one in entry.identities:
            index.setdefault(one, []).append(entry)
    living = Service.objects.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=now), customer=OuterRef("pk"))
    wanted = Customer.objects.filter(Exists(living), ended_at__isnull=True)
    if customers is not None:
        wanted = wanted.filter(external_id__in=list(customers))
    found = _matches(wanted.values_list("pk", "name", "external_id"), customers is not None, index)
    made = []
    for (number, customer), what in sorted(found.items()):
        entry = next(one for one in entries if one.pk == number)
        if entry.customer_id != customer or _ordered_again(customer, entry.at, now):
            made += _keep(entry, customer, what, now)
    return made


def _matches(
    rows: Iterable[tuple[int, str, str | None]], few: bool, index: dict[str, list[Refusal]]
) -> dict[tuple[int, int], set[str]]:
    """(entry, customer) → what of them is the same."""
    known = {pk: (name, number or "") for pk, name, number in rows}
    mails = Contact.objects.filter(customer__in=list(known)) if few else Contact.objects.all()
    told = [(pk, kind, text) for pk, both in known.items() for kind, text in zip(KINDS, both, strict=False)]
    told += [(pk, "mail", email) for pk, email in mails.exclude(email="").values_list("customer", "email") if pk in known]
    found: dict[tuple[int, int], set[str]] = {}
    for pk, kind, text in told:
        for entry in index.get(refusals.digest(text), ()) if text.strip() else ():
            found.setdefault((entry.pk, pk), set()).add(kind)
    return found


def _ordered_again(customer: int, since: datetime, now: datetime) -> bool:
    later = Service.objects.filter(customer=customer, started_at__gt=since)
    return later.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=now)).exists()


def _keep(entry: Refusal, customer: int, what: set[str], now: datetime) -> list[RefusalMatch]:
    row, is_new = RefusalMatch.objects.get_or_create(
        refusal=entry, customer_id=customer, defaults={"by_what": [kind for kind in KINDS if kind in what], "at": now}
    )
    if not is_new:
        return []
    record(by=BY, action="refusal.caught", subject=f"customer:{customer}", now=now, refusal=entry.pk, same=row.by_what)
    if entry.case_id is not None:
        text = f"customer {customer} has a service and is on the list of those not served again (same {', '.join(row.by_what)})"
        Notice.objects.create(
            case_id=entry.case_id, kind="alert", audience="staff", detail={"text": text}, created_at=now, not_before=now
        )
    return [row]


def warnings(rows: Iterable[RefusalMatch]) -> list[str]:
    """A sentence for each match, for whoever imports or creates."""
    told = RefusalMatch.objects.filter(pk__in=[row.pk for row in rows]).select_related("customer", "refusal").order_by("pk")
    return [
        f"{row.customer.external_id or row.customer.name}: not to be served again since {row.refusal.at:%Y-%m-%d} "
        f"({row.refusal.reason_code}; same {', '.join(row.by_what)}); a lead decides under Customers, Not served again"
        for row in told
    ]


class Watcher:
    """Looks again whenever the inventory or the list has changed, so that no way in is forgotten."""

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None
        self._at: datetime | None = None

    def step(self, now: datetime) -> int:
        """How many orders were caught by this look."""
        if self._at is not None and abs(now - self._at) < EVERY:
            return 0
        self._at = now
        version = InventoryVersion.objects.values_list("number", flat=True).first() or 0
        newest = Refusal.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        if (version, newest) == self._seen:
            return 0
        made = catch(now=now)
        self._seen = (version, newest)
        return len(made)
