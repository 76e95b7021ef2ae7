"""What a draft of the policy would have done with the real cases since a day: replayed in memory, nothing is written."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from tipstaff.cases import knowing
from tipstaff.cases.access import restricted, unrestricted
from tipstaff.cases.backtesting import reading
from tipstaff.cases.backtesting.comparing import Difference, Sort, compare, not_comparable, unfaithful
from tipstaff.cases.backtesting.past import Lived
from tipstaff.cases.backtesting.replaying import replay
from tipstaff.cases.models import Case, Measure
from tipstaff.kernel.progress import Progress, unseen
from tipstaff.policy import loading
from tipstaff.policy.diff import Change, differences
from tipstaff.policy.edition import Edition, StrikeRule

AT_ONCE = 500  # cases read together
SET_APART = "it was set apart from another case, or merged: its past is not its own alone"


@dataclass
class Backtest:
    """The result: every case that differs, and how many there were of each sort."""

    edition: str
    content_hash: str
    since: datetime
    until: datetime
    cases: int = 0
    more: int = 0  # older cases since then that were not looked at
    sealed: int = 0  # restricted cases, which are left out
    against: dict[str, int] = field(default_factory=dict)  # pinned editions and how many cases each had
    differences: list[Difference] = field(default_factory=list)
    over_limit: tuple[int, int] = (0, 0)  # customers over the limit of strikes: then, under the draft
    own_terms: int = 0  # cases with a time from their customer's contract as it is today: no history of it is kept

    @property
    def assumed(self) -> list[str]:
        """What is taken as it is today, since nothing tells how it was; and what is taken as it was."""
        words = ["roles are those that people held then", "terms of contracts are those in force when a case was opened"]
        today = f"those of today where no history of a contract is kept: so {self.own_terms} of these cases have their time"
        return [*words, today] if self.own_terms else words

    @property
    def totals(self) -> dict[Sort, int]:
        found = Counter(sort for one in self.differences for sort in one.sorts)
        return {sort: found[sort] for sort in Sort}

    @property
    def same(self) -> int:
        return self.cases - len(self.differences)


def backtest(
    *, edition: Edition, since: datetime, now: datetime, brand: str = "", most: int | None = None, progress: Progress = unseen
) -> Backtest:
    """The draft ``edition`` against what was pinned, for cases of ``brand`` opened since then; ``most``: the newest so many.

    Reads in one transaction that the database itself holds to reading.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return _run(edition, since, now, brand, most, progress)


def _run(edition: Edition, since: datetime, now: datetime, brand: str, most: int | None, progress: Progress) -> Backtest:
    asked = Q(opened_at__gte=since, opened_at__lte=now, edition__brand=brand)
    result = Backtest(edition.name, edition.content_hash, since, now, sealed=restricted().filter(asked).count())
    chosen = unrestricted().filter(asked)
    there = chosen.count()
    numbers = list(chosen.order_by("-opened_at", "-pk").values_list("pk", flat=True)[:most])
    result.cases, result.more = len(numbers), there - len(numbers)
    pinned: dict[int, Edition] = {}
    changed: dict[str, list[Change]] = {}
    strikes: list[tuple[int, Lived, Lived]] = []
    for start in range(0, len(numbers), AT_ONCE):
        progress("Living through the cases", start, len(numbers))
        for one, name in _compared(_cases(numbers[start : start + AT_ONCE]), edition, now, pinned, changed):
            result.against[name] = result.against.get(name, 0) + 1
            result.own_terms += one.past.contract is not None and one.past.terms_of_today
            strikes.append((one.past.customer, one.then, one.draft))
            if one.sorts:
                result.differences.append(one)
    result.differences.sort(key=lambda one: (list(Sort).index(one.sorts[0]), one.past.number))
    rule = edition.strikes
    result.over_limit = (
        _over(rule, [(customer, then) for customer, then, _ in strikes]),
        _over(rule, [(customer, draft) for customer, _, draft in strikes]),
    )
    return result


def _cases(numbers: Sequence[int]) -> "QuerySet[Case]":
    rows = Case.objects.filter(pk__in=numbers).select_related("customer", "service", "parent__customer", "edition")
    return rows.order_by("-opened_at", "-pk")


def _compared(
    rows: "QuerySet[Case]", edition: Edition, now: datetime, pinned: dict[int, Edition], changed: dict[str, list[Change]]
) -> Iterator[tuple[Difference, str]]:
    cases = list(rows)
    numbers = [case.pk for case in cases]
    pinned.update(knowing.editions_of([case for case in cases if case.edition_id not in pinned]))
    stood = Q(in_force_at__isnull=False, emergency=False) | Q(confirmed_at__isnull=False, emergency=True)
    cut = set(Measure.objects.filter(stood, case__in=numbers).values_list("case_id", flat=True))
    apart = reading.not_replayed(numbers)
    for case, past in zip(cases, reading.pasts(cases, pinned), strict=True):
        own = pinned[case.edition_id]
        then = replay(past, own, now)
        why = SET_APART if case.pk in apart else unfaithful(then, case.state, case.pk in cut)
        if why and not then.unknown:
            yield not_comparable(past, then, why), own.name
            continue
        if own.content_hash not in changed:
            changed[own.content_hash] = differences(loading.canonical(own), loading.canonical(edition))
        draft = replay(past, edition, now, at_event=edition)
        yield compare(past, then, draft, own, edition, changed[own.content_hash]), own.name


def _over(rule: StrikeRule, lives: Sequence[tuple[int, Lived]]) -> int:
    """Customers whose strikes reach the limit within the time that the rule counts."""
    struck: dict[int, list[tuple[datetime, int]]] = {}
    for customer, life in lives:
        if life.struck_at is not None and (not rule.categories or life.category in rule.categories):
            struck.setdefault(customer, []).append((life.struck_at, life.strike))
    return sum(any(_within(rule, found, at) for at, _ in found) for found in struck.values())


def _within(rule: StrikeRule, found: Sequence[tuple[datetime, int]], until: datetime) -> bool:
    return sum(weight for at, weight in found if until - rule.within <= at <= until) >= rule.limit * 100


# ---- as JSON


def as_json(result: Backtest) -> dict[str, Any]:
    """The whole result; times in UTC, links to the desk."""
    return {
        "edition": result.edition, "content_hash": result.content_hash, "since": _moment(result.since),
        "until": _moment(result.until), "cases": result.cases, "not_looked_at": result.more, "sealed_left_out": result.sealed,
        "assumed": result.assumed, "against": result.against, "same": result.same,
        "totals": {sort.name.lower(): number for sort, number in result.totals.items()},
        "customers_over_limit": {"then": result.over_limit[0], "draft": result.over_limit[1]},
        "differences": [_row(one) for one in result.differences],
    }  # fmt: skip


def _row(one: Difference) -> dict[str, Any]:
    return {
        "case": one.past.number, "url": url(one.past.number), "customer": one.past.customer, "category": one.past.category,
        "differs": [sort.name.lower() for sort in one.sorts], "why": list(one.why), "a_person_would_decide": list(one.open),
        "not_comparable": one.unlike, "then": _life(one.then), "draft": _life(one.draft) if not one.unlike else None,
    }  # fmt: skip


def _life(life: Lived) -> Mapping[str, Any]:
    return {
        "state": life.state, "clause": life.clause, "severity": life.severity, "ticketed_at": _moment(life.ticketed_at),
        "acknowledge_s": life.ack.total_seconds() if life.ack else None,
        "resolve_s": life.resolve.total_seconds() if life.resolve else None, "restriction_asked_at": _moment(life.asked_at),
        "disconnected_at": _moment(life.cut_at), "termination_asked_at": _moment(life.ending_at),
        "terminated_at": _moment(life.ended_at), "strike_percent": life.strike, "waits_for": life.waits,
    }  # fmt: skip


def url(number: int) -> str:
    """The case at the desk."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/cases/{number}/"


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
