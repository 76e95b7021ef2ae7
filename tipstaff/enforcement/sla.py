"""The export for agreements on availability (J4): exactly the time of upheld breaches is excluded, the rest is not."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tipstaff.cases.models_words import Appeal
from tipstaff.enforcement import minutes, queries
from tipstaff.enforcement.models import Interruption
from tipstaff.policy import queries as policy

COLUMNS = (
    "customer", "customer_id", "service", "service_id", "case", "measure", "order", "clause", "kind", "target", "started_at",
    "ended_at", "standing", "seconds", "excluded_seconds", "creditable_seconds", "given_back_at", "reason",
)  # fmt: skip
UPHELD, OVERTURNED, UNDECIDED, COUNTED = "upheld", "overturned", "undecided", "counted"


@dataclass(frozen=True)
class Line:
    """One interruption with its share of the period. ``standing``: see :func:`standing`."""

    interruption: Interruption
    standing: str
    share: minutes.Share


def standing(one: Interruption, contested: set[int]) -> str:
    """Whether the decision behind an interruption stands.

    ``upheld``: it stands, so the time is excluded. ``overturned``: it did not, the time is the customer's. ``undecided``:
    a dispute or appeal is open; until it is decided nothing is excluded. ``counted``: the policy excludes nothing (K15).
    """
    if one.given_back_at is not None or one.measure.overturned_at is not None or one.case.state == "CLOSED_FALSE":
        return OVERTURNED
    if not policy.compiled(one.case.edition).switches.sla_exclusion:
        return COUNTED
    if one.case_id in contested or one.case.state in {"APPEAL", "DISPUTED"}:
        return UNDECIDED
    return UPHELD


def lines(*, since: datetime, until: datetime, now: datetime) -> list[Line]:
    """Every interruption that touches the period [since, until); one that goes on is counted up to now."""
    rows = list(queries.interruptions(since=since, until=until))
    contested = set(Appeal.objects.filter(decided_at__isnull=True).values_list("case_id", flat=True))
    overturned = Appeal.objects.filter(decision="overturned").values_list("measure_id", "case_id")
    wrong_measures = {measure for measure, _ in overturned if measure}
    wrong_cases = {case for measure, case in overturned if not measure}
    standings = {
        one.pk: OVERTURNED if one.measure_id in wrong_measures or one.case_id in wrong_cases else standing(one, contested)
        for one in rows
    }
    of_service: dict[object, list[minutes.Row]] = defaultdict(list)
    for one in rows:
        end = one.ended_at or max(now, one.started_at)
        excluded = standings[one.pk] == UPHELD
        of_service[one.service_id or f"order {one.order_id}"].append(minutes.Row(one.pk, one.started_at, end, excluded))
    found = {share.number: share for group in of_service.values() for share in minutes.shares(group, since, until)}
    return [Line(one, standings[one.pk], found[one.pk]) for one in rows]


def export(*, since: datetime, until: datetime, now: datetime) -> Iterator[str]:
    """The same as CSV with a head, line by line. Cells that a spreadsheet would run are quoted by an apostrophe."""
    yield _csv(COLUMNS)
    for line in lines(since=since, until=until, now=now):
        one, share = line.interruption, line.share
        service = one.service
        yield _csv(
            (
                one.customer.name,
                one.customer.external_id or one.customer_id,
                service.name if service else "",
                (service.external_id or service.pk) if service else "",
                one.case_id,
                one.measure_id,
                one.order_id,
                one.measure.clause,
                one.order.kind,
                one.order.target,
                _time(one.started_at),
                _time(one.ended_at),
                line.standing,
                int(share.lasted.total_seconds()),
                int(share.excluded.total_seconds()),
                int(share.creditable.total_seconds()),
                _time(one.given_back_at),
                one.given_back_reason,
            )
        )


def _time(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else ""


def _csv(cells: tuple[object, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_safe(str(cell)) for cell in cells])
    return out.getvalue()


def _safe(text: str) -> str:
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
