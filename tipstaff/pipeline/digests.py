"""One message a day to a customer about everything that the operator's rules put into a digest."""

from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db.models import Sum

from tipstaff.cases.letters import recipient
from tipstaff.correspondence import catalogue, letters
from tipstaff.correspondence.letters import Thread
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.policy.categories import title
from tipstaff.reports.models import Tally
from tipstaff.reports.rules import Action

DAYS_BACK = 7  # a worker that was away catches up with so many days


def write_digests(*, now: datetime) -> int:
    """Promise yesterday's digests, and those of days that were missed; each once. Returns how many are new."""
    days = now.date() - timedelta(days=DAYS_BACK), now.date() - timedelta(days=1)
    rows = Tally.objects.filter(day__range=days, action=Action.DIGEST).values_list("day", "customer_id", "category")
    digests: dict[tuple[date, int], list[tuple[str, int]]] = {}
    for day, customer, category, events in rows.annotate(many=Sum("events")).filter(many__gt=0).order_by(*_IN_ORDER):
        digests.setdefault((day, customer), []).append((category, events))
    keys = {_once(customer, day): (day, customer) for day, customer in digests}
    for known in OutboxMessage.objects.filter(dedupe_key__in=list(keys)).values_list("dedupe_key", flat=True):
        digests.pop(keys[str(known)])
    return sum(_promised(customer, counts, day, now) for (day, customer), counts in digests.items())


_IN_ORDER = ("day", "customer_id", "category")


def _once(customer: int, day: date) -> str:
    return f"digest:{customer}:{day:%Y-%m-%d}"


def _promised(customer: int, counts: list[tuple[str, int]], day: date, now: datetime) -> bool:
    to = recipient(customer)
    if to is None:
        return False
    code = catalogue.known(to.language)
    words = catalogue.packaged(code)
    lines = [{"category": words.word("categories", kind) or title(kind), "events": f"{events:,}"} for kind, events in counts]
    values = {"operator": settings.OPERATOR_NAME or "our", "contact": to.name, "day": f"{day:%Y-%m-%d}", "lines": lines}
    made = letters.promise(
        letter=letters.compose("digest", code, values),
        to=to,
        thread=Thread(f"customer:{customer}"),
        now=now,
        once=_once(customer, day),
        not_before=datetime.combine(now.date(), time(6), now.tzinfo),
    )
    return made is not None
