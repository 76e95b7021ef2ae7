"""Reads for lists of cases: the queue with its views, keyset pages and counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Coalesce

from tipstaff.cases.access import RESTRICTED, unrestricted
from tipstaff.cases.models import Case

COUNTED_FOR = 5  # seconds that a count may be old
SOON = timedelta(hours=4)
FAR = datetime(9999, 1, 1, tzinfo=UTC)
COLUMNS = (
    "id", "category", "clause", "severity", "state", "headline", "brand", "opened_at", "reports", "events", "waiting_on",
    "last_word_by", "last_word_at", "desk_due_at", "ticketed_at", "ack_due_at", "resolve_due_at", "next_due_at", "closed_at",
    "needs_person", "provisional", "customer__name", "owner__username", "owner__first_name",
)  # fmt: skip
#: Sort → (column, descending). The column is never null: a case without a clock comes last.
SORTS = {
    "due": ("due_key", False),
    "opened": ("opened_at", True),
    "reports": ("reports", True),
    "fresh": ("refreshed_at", True),
}


@dataclass(frozen=True)
class Wanted:
    """What a queue page was asked for; empty fields do not filter."""

    status: str = "open"  # open, closed, all
    turn: str = ""  # us, customer, reporter
    owner: str = ""  # me, none, or a username
    due: str = ""  # past, soon
    clause: str = ""  # '4.2', or '5.*'
    category: str = ""
    severity: str = ""
    state: str = ""
    customer: int | None = None
    week: str = ""  # '2026-W24': opened in that ISO week
    person: bool = False  # a person must decide
    sort: str = "due"


@dataclass(frozen=True)
class Page:
    cases: list[Case]
    after: str  # where the next page starts; empty at the end


def select(cases: "QuerySet[Case]", wanted: Wanted, *, viewer: int | None, now: datetime) -> "QuerySet[Case]":
    """The cases that fit, unordered."""
    if wanted.status == "open":
        cases = cases.filter(closed_at__isnull=True)
    elif wanted.status == "closed":
        cases = cases.filter(closed_at__isnull=False)
    equal = {"waiting_on": wanted.turn, "category": wanted.category, "severity": wanted.severity, "state": wanted.state,
             "customer": wanted.customer}  # fmt: skip
    cases = cases.filter(**{name: value for name, value in equal.items() if value})
    cases = _owned(cases, wanted.owner, viewer)
    if wanted.due:
        cases = cases.filter(next_due_at__lte=now + (SOON if wanted.due == "soon" else timedelta(0)))
        if wanted.due == "soon":
            cases = cases.filter(next_due_at__gt=now)
    if wanted.clause:
        star = wanted.clause.endswith("*")
        cases = cases.filter(clause__startswith=wanted.clause[:-1]) if star else cases.filter(clause=wanted.clause)
    if wanted.week:
        start, end = week_bounds(wanted.week)
        cases = cases.filter(opened_at__gte=start, opened_at__lt=end)
    return cases.exclude(needs_person="") if wanted.person else cases


def _owned(cases: "QuerySet[Case]", owner: str, viewer: int | None) -> "QuerySet[Case]":
    if owner == "me":
        return cases.filter(owner_id=viewer)
    if owner == "none":
        return cases.filter(owner__isnull=True)
    return cases.filter(owner__username=owner) if owner else cases


def week_bounds(week: str) -> tuple[datetime, datetime]:
    """Start and end of an ISO week such as '2026-W24', in UTC. Raises ValueError for anything else."""
    year, _, number = week.partition("-W")
    monday = date.fromisocalendar(int(year), int(number), 1)
    start = datetime(monday.year, monday.month, monday.day, tzinfo=UTC)
    return start, start + timedelta(days=7)


def page(cases: "QuerySet[Case]", wanted: Wanted, *, after: str, size: int) -> Page:
    """One page by keyset: no page costs more than the first. ``after`` is what the page before gave."""
    column, down = SORTS.get(wanted.sort, SORTS["due"])
    rows = cases.annotate(due_key=Coalesce("next_due_at", FAR)) if column == "due_key" else cases
    if column == "due_key" and wanted.status == "open":
        rows, column = cases, "next_due_at"  # the partial index puts nulls last by itself
    order = [F(column).desc(nulls_last=True), "-id"] if down else [column, "id"]
    rows = rows.order_by(*order).select_related("customer", "owner").only(*COLUMNS, "refreshed_at")
    found = _found(rows, column, down, after, size + 1)
    last = found[size - 1] if len(found) > size else None
    return Page(found[:size], _key(last, column) if last else "")


def _found(rows: "QuerySet[Case]", column: str, down: bool, after: str, most: int) -> list[Case]:
    if not after:
        return list(rows[:most])
    text, _, number = after.rpartition("~")
    key = int(number)
    if not text:
        return list(rows.filter(**{f"{column}__isnull": True, "id__gt": key})[:most])
    value: Any = int(text) if column == "reports" else datetime.fromisoformat(text)
    side = "lt" if down else "gt"
    beyond = Q(**{f"{column}__{side}": value}) | Q(**{column: value, f"id__{side}": key})
    # The first condition lets the index start where the page before ended.
    found = list(rows.filter(beyond, **{f"{column}__{side}e": value})[:most])
    if column == "next_due_at" and len(found) < most:
        found += rows.filter(next_due_at__isnull=True)[: most - len(found)]
    return found


def _key(case: Case, column: str) -> str:
    value = getattr(case, column)
    return f"{value.isoformat() if isinstance(value, datetime) else '' if value is None else value}~{case.pk}"


def open_count(*, now: datetime) -> int:
    """How many cases are open (restricted ones not counted); a few seconds old."""
    return counts(now=now)["open"]


def counts(*, now: datetime) -> dict[str, Any]:
    """Open cases by what the desk asks first, from one pass over the open ones; a few seconds old."""
    known = cache.get("cases:counts")
    if known is None:
        known = _counted(now)
        cache.set("cases:counts", known, COUNTED_FOR)
    return known


def forget_counts() -> None:
    """After a change the next page counts afresh."""
    cache.delete("cases:counts")


def _counted(now: datetime) -> dict[str, Any]:
    is_open = Case.objects.filter(closed_at__isnull=True).exclude(state=RESTRICTED)
    figures = is_open.aggregate(
        open=Count("pk"),
        past=Count("pk", filter=Q(next_due_at__lte=now)),
        soon=Count("pk", filter=Q(next_due_at__gt=now, next_due_at__lte=now + SOON)),
        us=Count("pk", filter=Q(waiting_on="us")),
        customer=Count("pk", filter=Q(waiting_on="customer")),
        reporter=Count("pk", filter=Q(waiting_on="reporter")),
        unowned=Count("pk", filter=Q(owner__isnull=True)),
        us_unowned=Count("pk", filter=Q(waiting_on="us", owner__isnull=True)),
        person=Count("pk", filter=~Q(needs_person="")),
    )
    first = is_open.filter(next_due_at__isnull=False).order_by("next_due_at", "id").values_list("next_due_at", "pk")
    found = sorted(first[:1].union(first.filter(next_due_at__gt=now)[:1]))
    upcoming = next((row for row in found if row[0] is not None and row[0] > now), None)
    return figures | {"oldest": found[0] if found else None, "upcoming": upcoming}


def owned_count(viewer: int | None) -> int:
    """How many open cases this person owns."""
    return Case.objects.filter(closed_at__isnull=True, owner_id=viewer).count()


def capped_count(cases: "QuerySet[Case]", most: int = 1000) -> int:
    """How many, counting no further than ``most``."""
    return cases.order_by().values("pk")[:most].count()


def customer_line(customer: int, *, now: datetime) -> dict[str, int]:
    """What stands beside a customer: cases in 90 days, open, and closed as a breach."""
    ninety = now - timedelta(days=90)
    return (
        unrestricted()
        .filter(customer=customer)
        .aggregate(
            recent=Count("pk", filter=Q(opened_at__gte=ninety)),
            open=Count("pk", filter=Q(closed_at__isnull=True)),
            resolved=Count("pk", filter=Q(state="RESOLVED", closed_at__gte=ninety)),
        )
    )


def by_number(cases: "QuerySet[Case]", numbers: Sequence[int]) -> list[Case]:
    return list(cases.filter(pk__in=numbers).select_related("customer", "owner").only(*COLUMNS))


def by_customer(customers: Sequence[int]) -> dict[int, dict[str, int]]:
    """Customer → cases in all and open ones, for a page of customers."""
    rows = unrestricted().filter(customer__in=customers).values("customer")
    figures = rows.annotate(cases=Count("pk"), open=Count("pk", filter=Q(closed_at__isnull=True)))
    return {row["customer"]: {"cases": row["cases"], "open": row["open"]} for row in figures}


def about(cases: "QuerySet[Case]", host: str, most: int = 50) -> list[Case]:
    """Cases whose headline is a host, or lies below it; the open and newest first."""
    fits = Q(headline=host) | Q(headline__endswith=f".{host}")
    return list(cases.filter(fits).select_related("customer", "owner").only(*COLUMNS).order_by("-opened_at")[:most])


def of_customers(cases: "QuerySet[Case]", customers: Sequence[int], most: int = 50) -> list[Case]:
    rows = cases.filter(customer__in=customers).select_related("customer", "owner").only(*COLUMNS)
    return list(rows.order_by("-opened_at")[:most])


def of_reporter(cases: "QuerySet[Case]", reporter: int, most: int = 50) -> list[Case]:
    """Cases that a reporter's reports speak of."""
    rows = cases.filter(case_reports__reporter_id=reporter).distinct()
    return list(rows.select_related("customer", "owner").only(*COLUMNS).order_by("-opened_at")[:most])
