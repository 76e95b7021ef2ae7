"""Reads for the intake screens: what waits for a person, and how the ways in are doing."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max, Q, QuerySet

from tipstaff.intake.access import is_unjudged, visible_to
from tipstaff.intake.models import Source, Submission
from tipstaff.intake.sources.catalogue import FED

COUNTED_FOR = 5  # seconds that a count in the bar may be old
WAITING = ("needs_person", "failed")
MOST_COUNTED = 1000
VIEWS = {
    "person": Q(state__in=WAITING),
    "unparsed": Q(state="failed"),
    "received": Q(state="received"),
    "aside": Q(state="set_aside"),
    "parsed": Q(state="parsed"),
    "all": ~Q(state="sealed"),
}


@dataclass(frozen=True)
class Health:
    """One way in: its name, last word, today's count and how it is doing."""

    source: Source
    today: int
    tone: str
    word: str
    owed: str = ""  # mails that a mailbox's server does not hand out

    @property
    def late(self) -> bool:
        """Whether it is silent for longer than it should be."""
        return self.word.endswith(" late")

    @property
    def has_switch(self) -> bool:
        """What others feed (a listener, a token, the form) is not switched off here."""
        return self.source.kind not in FED

    @property
    def minutes(self) -> int:
        """The silence that is an alarm."""
        every = self.source.expected_every
        return int(every.total_seconds() // 60) if every else 0


def waiting_count(*, now: datetime) -> int:
    """How many submissions wait for a person, at most 1,000; a few seconds old. Sealed ones are not counted."""
    key = "intake:waiting"
    known = cache.get(key)
    if known is None:
        known = Submission.objects.filter(VIEWS["person"])[:MOST_COUNTED].count()
        cache.set(key, known, COUNTED_FOR)
    return known


def forget_counts() -> None:
    """After a decision the next page counts afresh."""
    cache.delete("intake:waiting")


def listed(submissions: "QuerySet[Submission]", view: str, *, since: datetime) -> "QuerySet[Submission]":
    """The rows of a view: what waits, oldest deadline first; the rest, newest first and only recent ones."""
    rows = submissions.filter(VIEWS.get(view, VIEWS["person"])).select_related("source")
    if view in {"person", "unparsed"}:
        return rows.order_by("due_at", "id")
    return rows.filter(received_at__gte=since).order_by("-received_at", "-id")


def counts(*, since: datetime) -> dict[str, int]:
    """For the tabs: waiting at any age, the rest since ``since``."""
    waiting = Submission.objects.filter(VIEWS["person"]).aggregate(
        person=Count("pk"), unparsed=Count("pk", filter=VIEWS["unparsed"])
    )
    recent = Submission.objects.filter(received_at__gte=since).aggregate(
        **{name: Count("pk", filter=VIEWS[name]) for name in ("received", "aside", "parsed", "all")}
    )
    return waiting | recent


def next_waiting(submissions: "QuerySet[Submission]", after: Submission) -> UUID | None:
    """The submission that waits longest beside this one."""
    rows = submissions.filter(VIEWS["person"]).exclude(pk=after.pk).order_by("due_at", "id")
    return rows.values_list("pk", flat=True).first()


def health(*, now: datetime, midnight: datetime) -> list[Health]:
    """Every source with its state: fresh, silent, failing, off."""
    today = dict(
        Submission.objects.filter(received_at__gte=midnight)
        .exclude(state="sealed")
        .values_list("source")
        .annotate(number=Count("pk"), last=Max("received_at"))
        .values_list("source", "number")
    )
    return [_health(source, today.get(source.pk, 0), now) for source in Source.objects.order_by("name")]


def health_of(source: Source, *, now: datetime) -> Health:
    """How one source is doing; today's count is left out."""
    return _health(source, 0, now)


def last_opened_to(staff: Any, source: Source) -> Submission | None:
    """The newest submission of the source that this person may open and that was read; sealed ones do not exist here."""
    rows = visible_to(staff).filter(source=source, blob__wrapped_key__isnull=False).select_related("blob")
    newest = rows.order_by("-received_at", "-pk")[:20]
    return next((one for one in newest if not is_unjudged(one)), None)


def _health(source: Source, today: int, now: datetime) -> Health:
    if not source.enabled:
        return Health(source, today, "off", "off")
    failing = source.last_error and (source.last_ok_at is None or (source.last_error_at or now) > source.last_ok_at)
    if failing:
        return Health(source, today, "bad", "failing")
    last = source.last_received_at or source.created_at
    late = now - last - source.expected_every if source.expected_every else timedelta(0)
    if late > timedelta(0):
        return Health(source, today, "warn", f"{_spelt(late)} late")
    if waiting := owed(source):
        told = "; ".join(f"{mailbox}: {text}" for mailbox, text in waiting.items())
        return Health(source, today, "warn", "mail not handed out", told)
    return Health(source, today, "good", "fresh" if source.last_received_at else "nothing yet")


def owed(source: Source) -> dict[str, str]:
    """For each mailbox of the source what its server did not hand out, in words; it is asked again and again."""
    told = {}
    for mailbox, kept in source.cursor.items():
        mails = kept.get("owed") if isinstance(kept, dict) else None
        if mails:
            uid, first = min(mails.items(), key=lambda one: str(one[1]["since"]))
            again = min(str(one["again"]) for one in mails.values())
            number = f"{len(mails)} mail{'s' if len(mails) > 1 else ''}"
            told[mailbox] = (
                f"{number} not handed out by the server since {first['since'][:16].replace('T', ' ')} UTC "
                f"(UID {uid}: {first['why']}), asked for again at {again[11:16]} UTC"
            )
    return told


def _spelt(late: timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} d"


def known_contents(*, source: int, mailbox: str, digests: Collection[bytes], numbering: str) -> "Counter[bytes]":
    """How many mails of the mailbox were submitted with bytes of these SHA-256 digests, under references that begin otherwise."""
    rows = Submission.objects.filter(source=source, blob__sha256__in=list(digests), envelope__mailbox=mailbox)
    known = rows.exclude(source_ref__startswith=numbering).values_list("blob__sha256", flat=True)
    return Counter(bytes(digest) for digest in known)


def submitted(ids: Sequence[UUID]) -> set[UUID]:
    """Of these ids those that submissions have."""
    return set(Submission.objects.filter(pk__in=list(ids)).values_list("pk", flat=True))


def take_turn(name: str) -> bool:
    """Whether this database connection may do the work ``name``; held until the connection ends."""
    with connection.cursor() as cursor:
        # The same connection gets it again and again.
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        return bool(cursor.fetchone()[0])
