"""The clocks of cases that have just been opened or ticketed: columns for a whole batch, a child's inside its parent's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from django.db import connection

from tipstaff.cases import dues, writing
from tipstaff.cases.dues import Start
from tipstaff.cases.models import Case, CaseLink, Clock
from tipstaff.kernel import bulk
from tipstaff.policy import deadlines
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Category, Edition, Handling, Severity


@dataclass(frozen=True, slots=True)
class Opened:
    """A case as it was opened: which clocks it needs follows from this."""

    case: int
    category: str
    edition: Edition
    severity: str
    ticketed: bool
    told: bool
    ack_due_at: datetime | None
    resolve_due_at: datetime | None
    last_event_at: datetime | None = None
    continues: int | None = None  # the case before, of the same group


def start_clocks(opened: Sequence[Opened], now: datetime) -> None:
    """The clocks of all of them in one COPY. Cases with the same moments share one computation."""
    alike: dict[tuple[int, datetime | None, datetime | None, bool, str, str], list[Opened]] = {}
    for row in opened:
        key = (id(row.edition), row.ack_due_at, row.resolve_due_at, row.ticketed, row.severity, row.category)
        alike.setdefault(key, []).append(row)
    frames = []
    for rows in alike.values():
        cases = [row.case for row in rows]
        for start in _starts(rows[0], now):
            frames.append(pl.DataFrame({"case_id": cases}).with_columns(
                pl.lit(start.kind).alias("kind"), pl.lit(start.started_at).cast(writing.MOMENT).alias("started_at"),
                pl.lit(start.due_at).cast(writing.MOMENT).alias("due_at"), pl.lit("").alias("note"),
            ))  # fmt: skip
    if frames:
        bulk.copy_frame("cases_clock", pl.concat(frames))
    again = repeats({row.case: row.continues for row in opened if row.ticketed and row.continues},
                    {row.case: row.last_event_at for row in opened}, {row.case: row.edition for row in opened}, now)  # fmt: skip
    writing.write_clocks([(case, Start("repeat", now, now)) for case in again])


def _starts(row: Opened, now: datetime) -> list[Start]:
    found = dues.customer(row.edition, now, deadlines.Due(row.ack_due_at, row.resolve_due_at)) if row.ticketed else []
    if not row.told:  # nobody is told, so nobody is reminded
        found = [start for start in found if not start.kind.startswith("remind_")]
    if _urgent(
        row.severity, row.edition.categories[row.category]
    ):  # whoever is on call hears of it at once, unless somebody has taken it
        found.append(Start("alert", now, now))
    return found


def _urgent(severity: str, kind: Category) -> bool:
    """A critical case, or of a kind whose path is the emergency's whatever its severity."""
    return severity == Severity.CRITICAL or Handling.EMERGENCY_PATH in kind.handling


def repeats(
    continues: Mapping[int, int | None],
    last_event_at: Mapping[int, datetime | None],
    editions: Mapping[int, Edition],
    now: datetime,
) -> list[int]:
    """Which of these cases repeat a breach: their forerunner was RESOLVED, and it happened again within the edition's time."""
    if not continues:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, closed_at FROM cases_case WHERE id = ANY(%s) AND state = 'RESOLVED' AND ticketed_at IS NOT NULL",
            [list(set(continues.values()))],
        )
        resolved = dict(cursor.fetchall())
    found = []
    for case, before in continues.items():
        closed_at, last = resolved.get(before), last_event_at.get(case)
        if closed_at and last and timedelta() < last - closed_at <= editions[case].timers.repeat_within:
            found.append(case)
    return found


def repeats_in_probation(seen: Mapping[int, datetime], now: datetime) -> None:
    """Reconnected cases that were seen again (``seen``: when, last): a repeat, where that was after the service came back."""
    if not seen:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT case_id, max(lifted_at) FROM cases_measure WHERE case_id = ANY(%s) GROUP BY 1", [list(seen)])
        back = dict(cursor.fetchall())
    running = Clock.objects.filter(case__in=list(seen), kind="repeat", fired_at__isnull=True, cancelled_at__isnull=True)
    known = set(running.values_list("case_id", flat=True))
    again = [case for case, at in seen.items() if case not in known and back.get(case) and at > back[case]]
    writing.write_clocks([(case, Start("repeat", now, now)) for case in again])


def start_further(case: Case, edition: Edition, now: datetime) -> None:
    """For a case that a person ticketed: the repeat of an earlier breach is found here as well."""
    before = CaseLink.objects.filter(case=case, kind="continues").values_list("other_id", flat=True).first()
    if before and repeats({case.pk: before}, {case.pk: case.last_event_at}, {case.pk: edition}, now):
        Clock.objects.get_or_create(
            case=case, kind="repeat", fired_at=None, cancelled_at=None, defaults={"started_at": now, "due_at": now}
        )


def alert_at_once(case: Case, now: datetime) -> None:
    """A critical case that a person opened and nobody owns."""
    kind = policy.compiled(case.edition).categories[case.category]
    if _urgent(case.severity, kind) and case.owner_id is None:
        Clock.objects.get_or_create(
            case=case, kind="alert", fired_at=None, cancelled_at=None, defaults={"started_at": now, "due_at": now}
        )


def inside_parent(case: Case, edition: Edition, now: datetime) -> dict[str, datetime]:
    """The latest moments for a child: inside what is left to its parent (A6). Empty for a case without a parent."""
    parent = case.parent
    if parent is None or parent.closed_at is not None or parent.resolve_due_at is None:
        return {}
    due = deadlines.child_due(edition, deadlines.Due(parent.ack_due_at, parent.resolve_due_at), now)
    return {kind: moment for kind, moment in (("acknowledge", due.ack), ("resolve", due.resolve)) if moment is not None}
