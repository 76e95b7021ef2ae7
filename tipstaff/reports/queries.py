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
LOOKED_AT_HOSTS = 5000
MOST_CELLS = 4096
#: The host of an event, reversed, as the index of each partition has it (migration 0009): a host and all below it lie together.
URL_HOST = "substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:@]+)')"
HOST = f"""(reverse(lower(coalesce(domain, {URL_HOST}))) COLLATE "C")"""
NAMES_ONE = "(domain IS NOT NULL OR url IS NOT NULL)"


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


def cases_of_host(host: str, most: int = 100) -> tuple[dict[int, int], int]:
    """Case → events that name a host or one below it, newest case first; and how many such events lie in no case.

    Counted from at most twice LOOKED_AT_HOSTS events, by the index on hosts.
    """
    found, bounds = _naming(host, "case_id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT case_id, count(*) FROM {found} found GROUP BY case_id ORDER BY case_id DESC NULLS FIRST LIMIT %s",  # noqa: S608
            [*bounds, most + 1],
        )
        counted = dict(cursor.fetchall())
    loose = counted.pop(None, 0)
    return counted, loose


def without_case(host: str, most: int = 20) -> list[Event]:
    """The newest events that name a host or one below it and lie in no case; none from a sealed submission."""
    found, bounds = _naming(host, "key, case_id, received_at, report_id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT found.key, found.received_at FROM {found} found JOIN reports_report r ON r.id = found.report_id
                    JOIN intake_submission s ON s.id = r.submission_id
                WHERE found.case_id IS NULL AND s.state <> 'sealed' ORDER BY found.received_at DESC LIMIT %s""",  # noqa: S608
            [*bounds, most],
        )
        rows = cursor.fetchall()
    if not rows:
        return []
    # The moment tells the partition.
    events = Event.objects.filter(key__in=[key for key, _ in rows], received_at__in={at for _, at in rows})
    return sorted(events, key=lambda event: event.received_at, reverse=True)


def _naming(host: str, columns: str) -> tuple[str, list[Any]]:
    """The statement, and its values, for at most LOOKED_AT_HOSTS events that name the host, and as many that name one below it.

    Two plain ranges: no row is computed on again after the index found it.
    """
    turned = host.lower()[::-1]
    looked = f"SELECT {columns} FROM reports_event WHERE {NAMES_ONE} AND"  # noqa: S608 - constants of this file
    statement = f"""(({looked} {HOST} = %s LIMIT {LOOKED_AT_HOSTS})
        UNION ALL ({looked} {HOST} >= %s AND {HOST} < %s LIMIT {LOOKED_AT_HOSTS}))"""
    return statement, [turned, f"{turned}.", f"{turned}/"]


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
