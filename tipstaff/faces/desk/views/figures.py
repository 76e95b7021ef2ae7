"""Figures: times kept against what was allowed, appeals, repeat offenders, the work that cases took; how well machines read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.http import HttpResponse

from tipstaff.accounts.roles import ACTS, STAFF
from tipstaff.cases import figures as cases
from tipstaff.cases import statistics
from tipstaff.cases.statistics import By, Kept, Period
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views.home import csv_answer
from tipstaff.intake import figures as intake
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound
from tipstaff.policy import queries as policy

VIEWERS = tuple(name for name in STAFF if name in ACTS["see figures"])
DAYS = (30, 90, 365)
GROUPS: dict[str, By] = {"clause": "clause", "customer": "customer"}
SHOWN = 15  # rows of each table on the page; the CSV has all
KEPT_FOR = 60  # seconds that figures may be old
WIDE = 120  # units of a bullet


def _asked(request: DeskRequest) -> tuple[int, By]:
    """The period in days and the grouping, from the address; what is not known is the customary."""
    days = request.GET.get("days", "")
    return int(days) if days in {str(one) for one in DAYS} else 90, GROUPS.get(request.GET.get("by", ""), "clause")


def _period(days: int, now: datetime) -> Period:
    return Period(now - timedelta(days=days), now)


def _known(name: str, days: int, by: str, ask: Callable[[], Any]) -> Any:
    return cache.get_or_set(f"desk:figures:{name}:{days}:{by}", ask, KEPT_FOR)


@desk(*VIEWERS)
def figures(request: DeskRequest) -> HttpResponse:
    now = clock_now()
    days, by = _asked(request)
    period = _period(days, now)
    all_work = _known("work", days, "", lambda: statistics.work(period=period))
    context = {
        "screen": "figures", "now": now, "days": days, "all_days": DAYS, "by": by, "measures": _measures(days, by, period),
        "work": _known("work", days, by, lambda: statistics.work(period=period, by=by))[:SHOWN],
        "all_work": next(iter(all_work), None),
        "appeals": _known("appeals", days, "", lambda: statistics.appeals(period=period)),
        "reading": _known("reading", days, "", lambda: intake.reading(since=period.since, until=period.until)),
        "offenders": _known("offenders", days, "", lambda: cases.repeat_offenders(now=now, most=SHOWN, over=timedelta(days=days))),
        "undecided": cache.get_or_set("desk:figures:undecided", lambda: statistics.undecided(now=now), KEPT_FOR),
        "titles_of": _titles(now), "person_limit": intake.MOST_TO_A_PERSON, "wrong_limit": intake.MOST_WRONG,
        "break": statistics.BREAK, "lead": statistics.LEAD,
    }  # fmt: skip
    return page(request, "desk/figures.html", context)


def _measures(days: int, by: By, period: Period) -> list[dict[str, Any]]:
    """For each measure: its name, the row of all, and the groups, each with its bullet drawn to one scale."""
    rows = [*_times(days, "", period), *_times(days, by, period)]
    found = []
    for key, name in statistics.NAMES.items():
        mine = [row for row in rows if row.key == key]
        longest = max((max(row.p90, row.allowed or row.p90) for row in mine[: SHOWN + 1]), default=timedelta())
        drawn = [_drawn(row, longest) for row in mine[: SHOWN + 1]]
        found.append({"key": key, "name": name, "rows": drawn, "more": max(len(mine) - SHOWN - 1, 0)})
    return found


def _times(days: int, by: By, period: Period) -> list[Kept]:
    found: list[Kept] = _known("times", days, by, lambda: statistics.times(period=period, by=by))
    return found


def _drawn(row: Kept, longest: timedelta) -> dict[str, Any]:
    scale = (WIDE - 4) / longest.total_seconds() if longest else 0
    return {
        "row": row, "all": not row.group, "p90": round(row.p90.total_seconds() * scale, 1),
        "median": round(row.median.total_seconds() * scale, 1),
        "allowed": round(row.allowed.total_seconds() * scale, 1) if row.allowed else None,
    }  # fmt: skip


def _titles(now: datetime) -> dict[str, str]:
    in_force = policy.edition_in_force("", now)
    return {number: clause.title for number, clause in in_force[1].clauses.items()} if in_force else {}


@desk(*VIEWERS)
def figures_csv(request: DeskRequest, what: str) -> HttpResponse:
    """One of TABLES as CSV: times in seconds, shares between 0 and 1, moments in UTC."""
    if what not in TABLES:
        raise NotFound(f"There is no table {what!r}.")
    days, by = _asked(request)
    period = _period(days, clock_now())
    head, rows = TABLES[what](days, by, period)
    since, until = (moment.astimezone(UTC).isoformat(timespec="seconds") for moment in (period.since, period.until))
    return csv_answer(f"figures-{what}", ["from", "until", *head], [[since, until, *row] for row in rows])


Table = tuple[list[str], list[list[Any]]]


def _times_table(days: int, by: By, period: Period) -> Table:
    head = ["measure", by, "name", "cases", "median_s", "p90_s", "allowed_median_s", "limited", "in_time", "in_time_share"]
    rows = [
        [row.key, row.group or "all", row.name or "all", row.cases, _seconds(row.median), _seconds(row.p90), _seconds(row.allowed),
         row.limited, row.in_time, _share(row.share)]
        for row in [*_times(days, "", period), *_times(days, by, period)]
    ]  # fmt: skip
    return head, rows


def _work_table(days: int, by: By, period: Period) -> Table:
    head = [by, "name", "closed", "untouched", "untouched_share", "work_s", "work_median_s", "work_mean_s", "work_p90_s"]
    rows = [
        [row.group or "all", row.name or "all", row.cases, row.untouched, _share(row.share), _seconds(row.spent),
         _seconds(row.median), _seconds(row.mean), _seconds(row.p90)]
        for row in [*statistics.work(period=period), *statistics.work(period=period, by=by)]
    ]  # fmt: skip
    return head, rows


def _summary_table(days: int, by: By, period: Period) -> Table:
    read, brought = intake.reading(since=period.since, until=period.until), statistics.appeals(period=period)
    return ["figure", "value"], [
        ["decidable_submissions", read.decidable], ["went_to_a_person", read.person], ["person_share", _share(read.person_share)],
        ["wrong_address", read.wrong], ["wrong_address_share", _share(read.wrong_share)], ["appeals", brought.brought],
        ["appeals_overturned", brought.overturned], ["appeals_stands", brought.stands], ["appeals_withdrawn", brought.withdrawn],
        ["appeals_open", brought.open], ["appeals_overturned_share", _share(brought.share)],
        ["verified_undecided", statistics.undecided(now=period.until)],
    ]  # fmt: skip


def _offenders_table(days: int, by: By, period: Period) -> Table:
    rows = cases.repeat_offenders(now=period.until, most=statistics.MOST, over=period.until - period.since)
    names = ("customer", "customer__name", "cases", "open", "upheld", "clause", "category")
    head = ["customer", "name", "cases", "open", "resolved", "clause", "category"]
    return head, [[row[name] for name in names] for row in rows]


def _seconds(length: timedelta | None) -> int | str:
    return round(length.total_seconds()) if length is not None else ""


def _share(share: float | None) -> float | str:
    return round(share, 5) if share is not None else ""


TABLES: dict[str, Callable[[int, By, Period], Table]] = {
    "times": _times_table, "work": _work_table, "summary": _summary_table, "offenders": _offenders_table,
}  # fmt: skip
