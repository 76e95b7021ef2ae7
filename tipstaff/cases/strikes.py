"""What is held against a customer: its strikes, their weight, and where the policy draws the line for repeated breaches."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from tipstaff.cases.models import Case, Strike
from tipstaff.policy.edition import StrikeRule

MOST = 50  # shown; all count


@dataclass(frozen=True, slots=True)
class HeldAgainst:
    """``percent``: the weight of the strikes that stand within ``within``; 100 is one whole strike. ``rows``: the newest, any age.

    ``repeated``: those of the kinds for which the policy draws a line reach its limit.
    """

    rows: tuple[Strike, ...]
    percent: int
    within: timedelta
    limit: int
    kinds: tuple[str, ...]  # for which the limit counts; empty: for all
    repeated: bool

    @property
    def whole(self) -> str:
        """As people count them: '1.5'."""
        return f"{self.percent / 100:g}"


def held_against(customer: int, rule: StrikeRule, *, seen: "QuerySet[Case]", now: datetime) -> HeldAgainst:
    """The customer's strikes out of cases that whoever asks may see; those that were taken back are shown and do not count."""
    mine = Strike.objects.filter(customer=customer, case__in=seen).select_related("case").order_by("-at", "-pk")
    standing = list(mine.filter(removed_at=None, at__gt=now - rule.within).values_list("case__category", "weight"))
    of_kind = sum(weight for kind, weight in standing if not rule.categories or kind in rule.categories)
    percent = sum(weight for _, weight in standing)
    return HeldAgainst(tuple(mine[:MOST]), percent, rule.within, rule.limit, rule.categories, of_kind >= rule.limit * 100)
