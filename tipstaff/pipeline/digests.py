"""One message a day to a customer about everything that the operator's rules put into a digest."""

from datetime import date, datetime, time, timedelta

from django.db.models import Sum

from tipstaff.cases.letters import recipient
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.policy.categories import title
from tipstaff.reports.models import Tally
from tipstaff.reports.rules import Action

DAYS_BACK = 7  # a worker that was away catches up with so many days


def write_digests(*, now: datetime) -> int:
    """Promise yesterday's digests, and those of days that were missed; each once. Returns how many are new."""
    made = 0
    for back in range(DAYS_BACK, 0, -1):
        made += _of_day(now.date() - timedelta(days=back), now)
    return made


def _of_day(day: date, now: datetime) -> int:
    rows = Tally.objects.filter(day=day, action=Action.DIGEST).values_list("customer_id", "category")
    by_customer: dict[int, list[tuple[str, int]]] = {}
    for customer, category, events in rows.annotate(Sum("events")).order_by("customer_id", "category"):
        by_customer.setdefault(customer, []).append((category, events))
    messages = [message for customer, counts in by_customer.items() if (message := _message(customer, counts, day, now))]
    before = OutboxMessage.objects.filter(dedupe_key__in=[message.dedupe_key for message in messages]).count()
    OutboxMessage.objects.bulk_create(messages, ignore_conflicts=True)
    return len(messages) - before


def _message(customer: int, counts: list[tuple[str, int]], day: date, now: datetime) -> OutboxMessage | None:
    to = recipient(customer)
    if to is None:
        return None
    lines = [f"- {title(category)}: {events} observation{'s' if events > 1 else ''}" for category, events in counts]
    told = f"these were reported about your services on {day:%Y-%m-%d} (UTC). Nothing is due; they are for you to look into."
    body = [f"Dear {to.name or 'customer'},", "", told, "", *lines, ""]
    return OutboxMessage(
        reference=f"customer:{customer}",
        audience="customer",
        kind="digest",
        recipient_name=to.name,
        recipient=to.address,
        language=to.language,
        subject=f"Abuse reports about your services on {day:%Y-%m-%d}",
        body="\n".join(body),
        dedupe_key=f"digest:{customer}:{day:%Y-%m-%d}",
        created_at=now,
        not_before=datetime.combine(now.date(), time(6), now.tzinfo),
    )
