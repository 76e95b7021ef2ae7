"""Holds that the policy places by itself: on kinds that it keeps for the law, and on evidence before a service is cut.

Such a hold says until when. It ends by itself once its case is over, nobody can appeal any more and the edition's time is past;
where the edition asks for a hold and names no time, counsel releases it as any other. A person's hold is never touched.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from tipstaff.cases.models import Case
from tipstaff.evidence import services as evidence
from tipstaff.evidence.models import Hold
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Category, Handling

BY = "system:policy"
KEPT, SNAPSHOT = "the policy keeps this kind for the law", "kept before a service is cut"


def of_law(category: Category) -> bool:
    """Whether cases of this category are held from their first day."""
    return Handling.LEGAL_HOLD in category.handling or category.preserve is not None


def hold_new(opened: Iterable[tuple[int, Category]], *, now: datetime) -> None:
    """Cases that were just opened, or have become cases of another category."""
    for number, category in opened:
        if of_law(category):
            until = f", until {now + category.preserve:%Y-%m-%d} at least" if category.preserve else ""
            _hold(number, KEPT + until, now)


def before_cut(case: Case, category: Category, *, now: datetime) -> None:
    """What a measure rests on stays as it was when the measure was decided, where the category asks for that."""
    if Handling.EVIDENCE_SNAPSHOT in category.handling:
        _hold(case.pk, SNAPSHOT, now)


def _hold(number: int, reason: str, now: datetime) -> None:
    scope = f"case:{number}"
    if not Hold.objects.filter(scope=scope, placed_by=BY, released_at__isnull=True).exists():  # a person's may end any day
        evidence.place_hold(scope=scope, reason=reason, by=BY, now=now)


def release_over(*, now: datetime, page: int = 1000) -> int:
    """End the holds of this module whose time is past. Returns how many."""
    standing = Hold.objects.filter(placed_by=BY, released_at__isnull=True).order_by("pk")
    gone = last = 0
    while rows := list(standing.filter(pk__gt=last)[:page]):
        gone, last = gone + _release_over(rows, now), rows[-1].pk
    return gone


def _release_over(rows: Sequence[Hold], now: datetime) -> int:
    found = {hold.scope.partition(":")[2]: hold for hold in rows}
    gone = 0
    over = Case.objects.filter(pk__in=list(found), closed_at__isnull=False)
    for case in over.exclude(merged_into__isnull=False, merged_into__closed_at=None).select_related("edition"):
        hold, edition = found[str(case.pk)], policy.compiled(case.edition)
        category = edition.categories.get(case.category)
        if category is None or (Handling.LEGAL_HOLD in category.handling and category.preserve is None):
            continue
        ends = [hold.placed_at + category.preserve] if category.preserve else []
        assert case.closed_at is not None
        if now >= max([case.closed_at + edition.timers.appeal_within, *ends]):
            evidence.release_hold(hold=hold, by=BY, reason="its time is over", now=now)
            gone += 1
    return gone
