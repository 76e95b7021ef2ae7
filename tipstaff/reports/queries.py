"""Reads over reports and events: a case's own, an address's history, what a range of addresses did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from tipstaff.reports.models import Event, Report, Reporter

LOOKED_AT = 20_000  # events that a search over a range looks at
MOST_CELLS = 4096


@dataclass(frozen=True, slots=True)
class AddressCount:
    """Events of one address (or block) since a moment."""

    address: str
    events: int
    cases: tuple[int, ...]


def of_reports(numbers: Sequence[int]) -> "QuerySet[Report]":
    """Reports with reporter, submission and evidence row; none that is sealed."""
    rows = Report.objects.filter(pk__in=numbers).exclude(submission__state="sealed")
    return rows.select_related("reporter", "submission__blob", "submission__source").order_by("received_at", "id")


def of_submission(submission: Any) -> "QuerySet[Report]":
    """The newest reading of a submission: its reports in order."""
    rows = Report.objects.filter(submission=submission).select_related("reporter")
    return rows.order_by("ordinal", "-revision")


def events_of_case(case: int, most: int = 200) -> list[Event]:
    """The newest events of a case."""
    return list(Event.objects.filter(case_id=case).order_by("-received_at", "-row")[:most])


def events_of_report(report: int, most: int = 50) -> list[Event]:
    return list(Event.objects.filter(report_id=report).order_by("row")[:most])


def addresses_of_case(case: int, most: int = 500) -> list[tuple[str, int]]:
    """(address, events) of a case, the busiest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT host(ip), count(*) FROM reports_event WHERE case_id = %s AND ip IS NOT NULL
               GROUP BY ip ORDER BY 2 DESC, ip LIMIT %s""",
            [case, most],
        )
        return list(cursor.fetchall())


def cases_in_range(first: str, last: str, most: int = 100) -> dict[int, int]:
    """Case → events within a range of addresses (inclusive), from at most LOOKED_AT events, by the index on the address."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT case_id, count(*) FROM (SELECT case_id FROM reports_event
                   WHERE ip >= %s::inet AND ip <= %s::inet AND case_id IS NOT NULL LIMIT %s) found
               GROUP BY case_id ORDER BY case_id DESC LIMIT %s""",
            [first, last, LOOKED_AT, most],
        )
        return dict(cursor.fetchall())


def counted_in(network: IPv4Network | IPv6Network, *, cell: int, since: datetime) -> list[AddressCount]:
    """Events per block of ``cell`` bits inside ``network`` since a moment, in the order of the addresses."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT host(network(set_masklen(ip, %s))), count(*),
                      (array_agg(DISTINCT case_id) FILTER (WHERE case_id IS NOT NULL))[1:20]
               FROM reports_event WHERE ip >= %s::inet AND ip <= %s::inet AND received_at >= %s
               GROUP BY 1 LIMIT %s""",
            [cell, str(network[0]), str(network[-1]), since, MOST_CELLS],
        )
        rows = [AddressCount(address, events, tuple(cases or ())) for address, events, cases in cursor.fetchall()]
    return sorted(rows, key=lambda row: int(ip_address(row.address)))


def reporters(text: str, most: int = 20) -> list[Reporter]:
    """Reporters whose key, name or organisation holds the text; none who is known from sealed reports only."""
    fits = Q(key__icontains=text) | Q(name__icontains=text) | Q(organisation__icontains=text)
    seen = Report.objects.filter(reporter=OuterRef("pk")).exclude(submission__state="sealed")
    return list(Reporter.objects.filter(fits, Exists(seen)).order_by("-last_seen")[:most])
