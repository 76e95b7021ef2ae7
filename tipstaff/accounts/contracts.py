"""The terms of customers' contracts that override the policy's defaults (H10), and what they were when.

A change is a row with its beginning, who, when and why; nothing is overwritten. A case goes by the terms that were in
force when it was opened. What is not known further back is taken as it was in the oldest row.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Max

from tipstaff.accounts import versions
from tipstaff.accounts.access import require_named
from tipstaff.accounts.inventory import LONGEST_NOTICE
from tipstaff.accounts.models import ContractTerms, Customer
from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, NotFound, Problem

ACT = "edit a customer"
ROLES = ("abuse", "technical", "billing", "administrative")  # of contacts
LONGEST_HOURS = LONGEST_NOTICE
BEFORE, TAKEN_BY = "as it stood when its history began", "system:accounts"
#: The terms of ``u`` that were in force at the opening of ``c``, in SQL; those of the row where there is no history.
AT_OPENING = """coalesce((SELECT t.terms FROM accounts_contractterms t WHERE t.customer_id = u.id
    ORDER BY t.from_at <= c.opened_at DESC, CASE WHEN t.from_at <= c.opened_at THEN t.from_at END DESC, t.from_at, t.id DESC
    LIMIT 1), u.contract)"""


class Period(NamedTuple):
    """Terms in force during [row.from_at, until), None open; ``now`` where they are in force."""

    row: ContractTerms
    until: datetime | None
    now: bool


@transaction.atomic
def change(
    *, customer: int, terms: Mapping[str, Any], reason: str, by: str, now: datetime, from_at: datetime | None = None
) -> ContractTerms:
    """From ``from_at`` on (default now; not in the future) the contract says this. A lead's act.

    ``terms``: ``notice_hours``, ``no_automation``, ``notice_roles``; what is left out is not agreed. Cases that were opened before
    keep what was in force then. Raises InputError, NotFound, Refused.
    """
    require_named(by, ACT)
    problems = [*_problems(terms)]
    if not reason.strip():
        problems.append(Problem("reason", "is missing", "say why; it is kept"))
    if from_at is not None and from_at > now:
        problems.append(Problem("from", "lies in the future", "enter it when it begins"))
    if problems:
        raise InputError(problems)
    versions.lock()  # before the customer, in the order of inventories
    found = Customer.objects.select_for_update().filter(pk=customer).first()
    if found is None:
        raise NotFound(f"there is no customer {customer}")
    begin(found, now=now)
    said = {"customer": found, "terms": dict(terms), "recorded_at": now, "by": by, "reason": reason.strip()[:2000]}
    today = max(now, _newest([customer])[customer])
    row = ContractTerms.objects.create(from_at=from_at or today, **said)
    _instead_of_what_was_taken(row, said)
    Customer.objects.filter(pk=customer).update(contract=in_force(found, today))
    record(by=by, action="customer.contract", subject=f"customer:{customer}", reason=reason.strip(), now=now, terms=row.pk)
    versions.grown(now)
    return row


def _instead_of_what_was_taken(row: ContractTerms, said: dict[str, Any]) -> None:
    """Terms since a day before the history began hold on through its beginning: nobody stated what was taken for it then."""
    rows = ContractTerms.objects.filter(customer=row.customer_id, from_at__gt=row.from_at)
    taken = rows.filter(by=TAKEN_BY, reason=BEFORE).first()
    if taken is not None and not rows.filter(from_at__lt=taken.from_at).exists():
        ContractTerms.objects.create(from_at=taken.from_at, **said)


def _problems(terms: Mapping[str, Any]) -> Iterable[Problem]:
    for name, value in terms.items():
        if name == "notice_hours":
            whole = isinstance(value, int | float) and not isinstance(value, bool)
            if not whole or not 0 < value <= LONGEST_HOURS:
                yield Problem(name, f"{value!r} is no number of hours", f"more than 0, at most {LONGEST_HOURS}")
        elif name == "no_automation":
            if not isinstance(value, bool):
                yield Problem(name, f"{value!r} is neither true nor false", "true: nothing happens by itself")
        elif name == "notice_roles":
            if not isinstance(value, list) or not value or not set(map(str, value)) <= set(ROLES):
                yield Problem(name, f"{value!r} are no roles of contacts", f"some of {', '.join(ROLES)}")
        else:
            yield Problem(name, "is no term that is known", "notice_hours, no_automation or notice_roles")


def begin(customer: Customer, *, now: datetime) -> None:
    """What is known so far becomes the oldest row, before the first change."""
    if not ContractTerms.objects.filter(customer=customer).exists():
        kept = {"recorded_at": now, "by": TAKEN_BY, "reason": BEFORE}
        ContractTerms.objects.create(customer=customer, terms=customer.contract, from_at=customer.created_at, **kept)


def stated(changed: Sequence[tuple[Customer, dict[str, Any]]], *, by: str, now: datetime) -> None:
    """An inventory says other terms than it did (customer, what it said before): they hold from now on. Part of a delivery."""
    known = _newest([row.pk for row, _ in changed])
    rows = []
    for customer, before in changed:
        if customer.pk not in known:
            rows.append(ContractTerms(customer=customer, terms=before, from_at=customer.created_at, recorded_at=now,
                                      by=TAKEN_BY, reason=BEFORE))  # fmt: skip
        begins = max(now, known.get(customer.pk, now))
        rows.append(ContractTerms(customer=customer, terms=customer.contract, from_at=begins, recorded_at=now, by=by,
                                  reason="as the inventory says"))  # fmt: skip
    ContractTerms.objects.bulk_create(rows, batch_size=1000)


def _newest(customers: Iterable[int]) -> dict[int, datetime]:
    """When the newest terms of each began. Whoever speaks last begins no earlier: another may have spoken while they waited for
    their turn, or the clock was set back."""
    return dict(ContractTerms.objects.filter(customer__in=list(customers)).values_list("customer").annotate(Max("from_at")))


def histories(customers: Iterable[int]) -> dict[int, list[ContractTerms]]:
    """The rows of each, the oldest beginning first."""
    found: dict[int, list[ContractTerms]] = {}
    for row in ContractTerms.objects.filter(customer__in=set(customers)).order_by("from_at", "pk"):
        found.setdefault(row.customer_id, []).append(row)
    return found


def at(rows: Sequence[ContractTerms], moment: datetime) -> dict[str, Any]:
    """Of one customer's history, which is not empty, the terms in force at a moment."""
    known = max(moment, rows[0].from_at)  # further back nothing is known but the oldest
    return next(row.terms for row in reversed(rows) if row.from_at <= known)  # type: ignore[no-any-return]


def in_force(customer: Customer, moment: datetime) -> dict[str, Any]:
    """The terms of one customer at a moment; today's where no history is kept."""
    rows = histories([customer.pk]).get(customer.pk)
    return at(rows, moment) if rows else customer.contract


def periods(customer: int, now: datetime) -> list[Period]:
    """The history as people read it, the newest beginning first; a row that another one replaced at once is left in."""
    rows = histories([customer]).get(customer, [])
    ends = [later.from_at for later in rows[1:]]
    shown = [Period(row, until, row.from_at <= now and (until is None or until > now)) for row, until in zip_longest(rows, ends)]
    return shown[::-1]
