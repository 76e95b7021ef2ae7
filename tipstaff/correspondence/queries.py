"""Reads for the outbox: its lists, counts, and what stands in the way of sending."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from tipstaff.correspondence.models import OutboxMessage, Suppression
from tipstaff.kernel.models import Heartbeat

STATES = ("waiting", "held", "failed", "sending", "sent", "withdrawn")
ALIVE = timedelta(seconds=60)


@dataclass(frozen=True)
class Page:
    """``after``: where the next page starts, None at the end."""

    rows: list[OutboxMessage]
    after: int | None


def counts() -> dict[str, int]:
    """How many messages are in each state; sent and withdrawn ones counted no further than ten thousand."""
    rows = OutboxMessage.objects.filter(state__in=STATES[:4]).values_list("state").annotate(Count("id"))
    found = dict.fromkeys(STATES, 0) | dict(rows)
    for state in STATES[4:]:
        found[state] = OutboxMessage.objects.filter(state=state).order_by().values("pk")[:10_000].count()
    return found


def needing_a_person() -> int:
    """Held and failed messages: what nobody moves by itself."""
    return OutboxMessage.objects.filter(state__in=["held", "failed"]).order_by().values("pk")[:1000].count()


def select(state: str = "", text: str = "") -> "QuerySet[OutboxMessage]":
    """Messages in a state ('' for all), about a case ('#4312'), to an address, or with words in their subject."""
    rows = OutboxMessage.objects.all()
    if state in STATES:
        rows = rows.filter(state=state)
    wanted = text.strip()
    if wanted.lstrip("#").isdecimal():
        return rows.filter(reference=f"case:{wanted.lstrip('#')}")
    if "@" in wanted:
        return rows.filter(recipient__iexact=wanted)
    return rows.filter(Q(subject__icontains=wanted) | Q(recipient_name__icontains=wanted)) if wanted else rows


def page(rows: "QuerySet[OutboxMessage]", *, after: int | None, size: int) -> Page:
    """One page, the newest first."""
    rows = rows.filter(pk__lt=after) if after else rows
    found = list(rows.order_by("-id")[: size + 1])
    return Page(found[:size], found[size - 1].pk if len(found) > size else None)


def mailer(now: datetime) -> Heartbeat | None:
    """The last sign of life of whoever sends; None where nobody has been alive within a minute."""
    return Heartbeat.objects.filter(name="mailer", at__gt=now - ALIVE).order_by("-at").first()


def suppressions() -> list[Suppression]:
    return list(Suppression.objects.filter(lifted_at=None).order_by("-at")[:200])
