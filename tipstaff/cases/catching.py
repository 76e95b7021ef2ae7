"""Orders of those whom the provider does not serve again: caught when a service appears, whoever brought it in (A14).

Nothing is stopped by it: a name may be somebody else's. The match is a row, the record and a warning, and a lead decides.
A decision covers what the customer had then: what he orders later is caught anew, once. Of whom a lead said that he is
somebody else, later orders raise nothing, so that nobody is suspected with each order for a name that he shares: not before
another of his names, numbers or addresses is on the list.
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

Begun = dict[int, datetime | None]  # service → when it began, None where nobody knows
Same = set[tuple[str, str]]  # kind and digest of what is the same


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
    before, services = _decided(found), _services(found, now)
    made = []
    by_number = {entry.pk: entry for entry in entries}
    for (number, customer), what in sorted(found.items()):
        entry, past = by_number[number], before.get((number, customer), [])
        since = entry.at if entry.customer_id == customer else None
        if _is_new(what, past, _begun(services.get(customer, {}), since)):
            made += _keep(entry, customer, what, now)
    return made


def _decided(found: Iterable[tuple[int, int]]) -> dict[tuple[int, int], list[RefusalMatch]]:
    """(entry, customer) → the matches that there were, the last one last."""
    pairs = set(found)
    kept: dict[tuple[int, int], list[RefusalMatch]] = {}
    for row in RefusalMatch.objects.filter(customer__in={customer for _, customer in pairs}).order_by("pk"):
        kept.setdefault((row.refusal_id, row.customer_id), []).append(row)
    return kept


def _services(found: Iterable[tuple[int, int]], now: datetime) -> dict[int, Begun]:
    kept: dict[int, Begun] = {}
    for customer, service, began in refusals.living({customer for _, customer in found}, now):
        kept.setdefault(customer, {})[service] = began
    return kept


def _begun(services: Begun, since: datetime | None) -> Begun:
    """Those that count: of somebody who is refused himself, only what began afterwards."""
    return {pk: began for pk, began in services.items() if since is None or (began is not None and began > since)}


def _is_new(what: Same, past: list[RefusalMatch], services: Begun) -> bool:
    """Whether there is a service that no decision covers, by somebody of whom nobody has said that he is not the same."""
    if any(not row.decision for row in past):
        return False
    if past and past[-1].decision == "another" and not _is_more(what, past[-1]):
        return False
    covered: dict[str, str] = {}
    for row in past:
        covered |= row.services
    return any(_is_later(began, covered.get(str(pk))) for pk, began in services.items())


def _is_more(what: Same, known: RefusalMatch) -> bool:
    """Whether something is the same that was not when a lead said that it is somebody else."""
    if known.identities:
        return any(digest not in known.identities for _, digest in what)
    return any(kind not in known.by_what for kind, _ in what)


def _is_later(began: datetime | None, known: str | None) -> bool:
    """Whether a service is unknown, or began anew since."""
    if known is None:
        return True
    return bool(known) and began is not None and began > datetime.fromisoformat(known)


def _matches(
    rows: Iterable[tuple[int, str, str | None]], few: bool, index: dict[str, list[Refusal]]
) -> dict[tuple[int, int], Same]:
    """(entry, customer) → what of them is the same."""
    known = {pk: (name, number or "") for pk, name, number in rows}
    mails = Contact.objects.filter(customer__in=list(known)) if few else Contact.objects.all()
    told = [(pk, kind, text) for pk, both in known.items() for kind, text in zip(KINDS, both, strict=False)]
    told += [(pk, "mail", email) for pk, email in mails.exclude(email="").values_list("customer", "email") if pk in known]
    found: dict[tuple[int, int], Same] = {}
    for pk, kind, text in told:
        digest = refusals.digest(text) if text.strip() else ""
        for entry in index.get(digest, ()):
            found.setdefault((entry.pk, pk), set()).add((kind, digest))
    return found


def _keep(entry: Refusal, customer: int, what: Same, now: datetime) -> list[RefusalMatch]:
    kinds, digests = {kind for kind, _ in what}, sorted({digest for _, digest in what})
    given = {"by_what": [kind for kind in KINDS if kind in kinds], "identities": digests, "at": now}
    given["services"] = refusals.had(customer, now)
    row, is_new = RefusalMatch.objects.get_or_create(refusal=entry, customer_id=customer, decision="", defaults=given)
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
