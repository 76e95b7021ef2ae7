"""Home: what needs attention, our addresses, times kept, clauses by week, repeat offenders, sources."""

import csv
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_network
from typing import Any

from django.core.cache import cache
from django.http import HttpResponse
from django.utils import timezone

from tipstaff.accounts import lookups as accounts
from tipstaff.accounts.queries import freshness
from tipstaff.cases import figures, queries
from tipstaff.cases.models import Case
from tipstaff.faces.desk import pictures, refused
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views import authority, reporters
from tipstaff.faces.desk.views.queue import guarded
from tipstaff.intake import queries as intake
from tipstaff.intake.models import Source
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.policy import queries as policy
from tipstaff.policy.models import StoredEdition

WEEKS = 8
KEPT = 60  # seconds that the slower figures may be old
HEAT = ((0.75, "q5"), (0.5, "q4"), (0.25, "q3"), (0.1, "q2"), (0.0, "q1"))


@desk()
def home(request: DeskRequest) -> HttpResponse:
    now = clock_now()
    zone = timezone.get_current_timezone()
    here = now.astimezone(zone)
    counts = queries.counts(now=now)
    drawn, rows, many = pictures.for_home(now)
    context = {
        "screen": "home", "now": now, "here": here, "greeting": _greeting(here.hour), "counts": counts, "pictures": drawn,
        "rows": rows[:8], "all_rows": len(rows), "more_pictures": many - len(drawn), "timings": _timings(now), "heat": heat(now),
        "offenders": cache.get_or_set("desk:offenders", lambda: figures.repeat_offenders(now=now), KEPT),
        "sources": intake.health(now=now, midnight=here.replace(hour=0, minute=0, second=0, microsecond=0)),
        "inventory": freshness(now), "mine": queries.owned_count(request.user.pk),
        "waiting": intake.counts(since=now - timedelta(days=1)), "setup": _setup(counts), "refused": refused.recent(now),
        "to_warn": reporters.to_warn(now),
        **authority.owed(request.user),
    }  # fmt: skip
    return page(request, "desk/home.html", context)


def _greeting(hour: int) -> str:
    return "Good morning" if 4 <= hour < 12 else "Good afternoon" if 12 <= hour < 18 else "Good evening"


def _setup(counts: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What is still to be done before reports can be placed; empty once cases have come."""
    if counts["open"] or Case.objects.exists():
        return []
    return [
        ("Load our prefixes and who holds them: tipstaff import …", "/addresses/", bool(accounts.own_prefixes())),
        ("Publish an edition of the policy, with its intake address", "/settings/editions/", _edition()),
        ("Connect a mailbox or a feed", "/settings/", Source.objects.exists()),
    ]


def _edition() -> bool:
    return StoredEdition.objects.filter(state="published").exists()


def _timings(now: datetime) -> list[dict[str, Any]]:
    """Each measure with its bullet: bar p90, mark target, dashed mark the period before; 150 units wide."""
    rows = cache.get_or_set("desk:timings", lambda: figures.timings(now=now), KEPT) or []
    drawn = []
    for row in rows:
        known = [length for length in (row.p90, row.target, row.before) if length]
        scale = 140 / max(known).total_seconds() if known else 0
        wide = {name: round(length.total_seconds() * scale, 1) if length else None
                for name, length in (("p90", row.p90), ("target", row.target), ("before", row.before))}  # fmt: skip
        drawn.append({"row": row, "wide": wide})
    return drawn


def heat(now: datetime) -> dict[str, Any]:
    """Clause × ISO week, with a shade relative to the largest."""
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    starts = [monday - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]
    weeks = [f"{day.isocalendar().year}-W{day.isocalendar().week:02d}" for day in starts]
    since = datetime(starts[0].year, starts[0].month, starts[0].day, tzinfo=UTC)
    table = cache.get_or_set("desk:heat", lambda: figures.clauses_by_week(weeks=weeks, since=since), KEPT) or []
    most = max((count for _, row in table for count in row.values()), default=1)
    shaded = [
        {"clause": clause, "cells": [(week, row.get(week, 0), _shade(row.get(week, 0) / most)) for week in weeks]}
        for clause, row in table
    ]
    titles = _titles()
    for row in shaded:
        row["title"] = titles.get(row["clause"], "")
    return {"weeks": weeks, "rows": shaded}


def _titles() -> dict[str, str]:
    """Clause → title, of the edition in force."""
    in_force = policy.edition_in_force("", clock_now())
    return {number: clause.title for number, clause in in_force[1].clauses.items()} if in_force else {}


def _shade(share: float) -> str:
    return next(name for least, name in HEAT if share >= least) if share else ""


@desk()
def clauses_csv(request: DeskRequest) -> HttpResponse:
    table = heat(clock_now())
    rows = [[row["clause"], row["title"], *(count for _, count, _ in row["cells"])] for row in table["rows"]]
    return csv_answer("clauses", ["clause", "title", *table["weeks"]], rows)


def csv_answer(name: str, head: list[str], rows: list[list[Any]]) -> HttpResponse:
    """Rows as a file; cells that a spreadsheet would take for formulas are made harmless."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    writer = csv.writer(answer)
    writer.writerow(head)
    writer.writerows([[guarded(cell) for cell in row] for row in rows])
    return answer


def _block(text: str) -> IPv4Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise InputError(Problem("prefix", f"{text!r} is no prefix", "such as 192.0.2.0/24")) from error
    if not isinstance(network, IPv4Network):
        raise InputError(Problem("prefix", "IPv6 is shown by assigned prefix", "see the table on the page of all addresses"))
    return network


@desk()
def addresses(request: DeskRequest, prefix: str = "") -> HttpResponse:
    """Our addresses: all pictures, or one block drawn large; with the table."""
    now = clock_now()
    context: dict[str, Any] = {"screen": "home", "now": now, "prefix": prefix}
    if prefix:
        drawn = pictures.of_block(_block(prefix), now)
        up = drawn.frame.network.supernet(new_prefix=max(drawn.frame.network.prefixlen - 8, 8))
        context |= {"pictures": [drawn], "rows": pictures.table(drawn), "up": up if up != drawn.frame.network else None,
                    "held": accounts.within(drawn.frame.network, now)}  # fmt: skip
    else:
        context["pictures"], context["rows"], _ = pictures.for_home(now)
        context["blocks"] = pictures.frames(pictures.own()[0])
    return page(request, "desk/addresses.html", context)


@desk()
def addresses_csv(request: DeskRequest, prefix: str) -> HttpResponse:
    now = clock_now()
    rows = pictures.for_home(now)[1] if prefix == "all" else pictures.table(pictures.of_block(_block(prefix), now))
    cells = [[row.block, row.holder, row.events, row.open, row.oldest.isoformat() if row.oldest else "", row.late] for row in rows]
    return csv_answer("addresses", ["block", "holder", "events_30_days", "open_cases", "oldest_open", "past_due"], cells)
