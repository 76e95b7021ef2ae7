"""Figures for monitoring, in the text format of Prometheus. Counted at most every few seconds."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Sum

from tipstaff.accounts.queries import freshness
from tipstaff.intake import queries as intake
from tipstaff.intake.figures import reading
from tipstaff.intake.models import Submission
from tipstaff.intake.spool import Spool
from tipstaff.kernel.models import Heartbeat
from tipstaff.reports.models import Report, Tally

COUNTED_FOR = 10  # seconds
PERIOD = timedelta(days=30)
ALIVE = timedelta(seconds=60)
Sample = tuple[dict[str, str], float]


def metrics(*, now: datetime) -> str:
    """Every metric with its help; the database is asked at most once in COUNTED_FOR seconds."""
    text = cache.get("api:metrics")
    if text is None:
        text = "\n".join(line for metric in _metrics(now) for line in _lines(*metric)) + "\n"
        cache.set("api:metrics", text, COUNTED_FOR)
    return str(text)


def _metrics(now: datetime) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    since = now - PERIOD
    recent = Submission.objects.filter(received_at__gte=since)
    states = recent.values_list("state").annotate(number=Count("pk")).order_by("state")
    yield "tipstaff_submissions", "gauge", "Submissions of the last 30 days by state.", [({"state": s}, n) for s, n in states]
    yield "tipstaff_spool_submissions", "gauge", "Accepted submissions that no worker has taken yet.", [({}, spool_depth())]
    reports = Report.objects.filter(received_at__gte=since).aggregate(events=Sum("events"), duplicates=Sum("duplicates"))
    stored, again = reports["events"] or 0, reports["duplicates"] or 0
    outcomes: list[Sample] = [({"outcome": "stored"}, stored), ({"outcome": "duplicate"}, again)]
    yield "tipstaff_events", "gauge", "Events of the last 30 days: stored, or there already.", outcomes
    actions = (
        Tally.objects.filter(day__gte=since.date()).values_list("category").annotate(number=Sum("events")).order_by("category")
    )
    yield (
        "tipstaff_events_by_category",
        "gauge",
        "Attributed events of the last 30 days.",
        [({"category": c}, n) for c, n in actions],
    )
    yield from _people(since, now)
    yield from _sources(now)
    yield from _inventory(now)
    beats = Heartbeat.objects.filter(at__gte=now - ALIVE).values_list("name").annotate(number=Count("pk")).order_by("name")
    yield "tipstaff_parts_alive", "gauge", "Running parts with a heartbeat within a minute.", [({"part": p}, n) for p, n in beats]


def _people(since: datetime, now: datetime) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    """What the reading could not decide, and where it named a wrong address: both are promises (10 %, 0.1 %)."""
    found = reading(since=since, until=now + ALIVE)
    yield "tipstaff_decidable_submissions", "gauge", "Decidable submissions of the last 30 days.", [({}, found.decidable)]
    yield "tipstaff_person_submissions", "gauge", "Of these, how many went to a person.", [({}, found.person)]
    yield (
        "tipstaff_person_share",
        "gauge",
        "Share of decidable submissions that went to a person.",
        [({}, round(found.person_share, 5))],
    )
    told = "Submissions of the last 30 days in which a person corrected a wrong address."
    yield "tipstaff_wrong_address_corrections", "gauge", told, [({}, found.wrong)]


def _sources(now: datetime) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    health = intake.health(now=now, midnight=now.replace(hour=0, minute=0, second=0, microsecond=0))
    up: list[Sample] = [({"source": one.source.name}, float(one.tone == "good")) for one in health if one.source.enabled]
    yield "tipstaff_source_up", "gauge", "Whether a source works and is not silent.", up
    silent = sum(one.source.enabled and one.tone == "warn" for one in health)
    failing = sum(one.source.enabled and one.tone == "bad" for one in health)
    yield "tipstaff_sources_silent", "gauge", "Sources silent for longer than they should be.", [({}, silent)]
    yield "tipstaff_sources_failing", "gauge", "Sources whose last try failed.", [({}, failing)]
    ages: list[Sample] = [
        ({"source": one.source.name}, (now - one.source.last_received_at).total_seconds())
        for one in health
        if one.source.enabled and one.source.last_received_at
    ]
    yield "tipstaff_source_last_received_seconds", "gauge", "Seconds since a source brought something.", ages


def _inventory(now: datetime) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    found = freshness(now)
    lags: list[Sample] = [({"source": one.source.name}, one.lag.total_seconds()) for one in found if one.lag is not None]
    yield "tipstaff_inventory_lag_seconds", "gauge", "Seconds since an inventory source's last word.", lags
    late = sum(one.late for one in found)
    yield "tipstaff_inventory_late", "gauge", "Inventory sources that failed or are later than they should be.", [({}, late)]


def spool_depth() -> int:
    return Spool(settings.SPOOL).count()


def _lines(name: str, kind: str, told: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        named = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{named}}} {_number(value)}" if named else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
