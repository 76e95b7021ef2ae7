"""The narrowest thing that could be done, and how a fix could be looked at: URL before site before port before machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.db import connection

from tipstaff.cases.facts import Facts, has
from tipstaff.cases.models import Case, CaseReport
from tipstaff.policy.edition import Handling
from tipstaff.reports.models import FeedDelivery

WEB = frozenset({"phishing", "malware", "spyware", "fraud_site", "trademark", "obscene", "harassment_hate", "terror",
"ncii_violence",
                 "defamation_privacy", "gambling", "spam_support", "trade_secret_leak"})  # fmt: skip
PORTS = frozenset({"open_relay", "vulnerable"})
MAIL = frozenset({"spam", "header_forgery", "open_relay"})
TRAFFIC = frozenset({"ddos_origin", "scan", "intrusion", "network_harm", "unauth_test", "c2"})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A measure that would do, and why no narrower one."""

    kind: str
    scope: str
    target: str
    why: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """The latest event of a case."""

    url: str | None
    ip: str | None
    port: int | None
    domain: str | None
    report_type: str


def suggestion(case: Case, facts: Facts, event: Sighting | None = None) -> Suggestion:
    """From what the latest event names; a person may choose another."""
    url, ip, port = (event.url or "", event.ip or "", event.port) if event else ("", "", None)
    if url and (case.category in WEB or has(facts, Handling.URL_LEVEL_REMOVAL)):
        return Suggestion("url_block", "url", url, "a single URL was named")
    if event and event.domain and case.category in WEB:
        return Suggestion("park", "site", event.domain, "a site was named, no single URL")
    if ip and case.category in MAIL:
        return Suggestion("port_block", "port", f"{ip} tcp/25", "mail leaves or enters by port 25")
    if ip and port and case.category in PORTS:
        return Suggestion("port_block", "port", f"{ip} {'tcp' if port in _TCP else 'udp'}/{port}", "one open port was named")
    if ip:
        return Suggestion("block", "machine", ip, "neither URL nor port would stop it")
    if case.headline and not _is_address(case.headline):
        return Suggestion("park", "site", case.headline, "only a host name is known")
    target = str(case.service_id or case.customer_id)
    return Suggestion("suspend", "service", target, "no URL, port or address is known")


_TCP = frozenset({21, 22, 23, 25, 80, 110, 143, 443, 445, 3306, 3389, 5432, 5900, 6379, 9200, 11211, 27017})


def retests(case: Case, facts: Facts) -> list[tuple[str, str]]:
    """(kind, target) of the looks that could tell whether the fix holds, the surest first."""
    event = latest([case.pk]).get(case.pk)
    url, ip, port = (event.url or "", event.ip or "", event.port) if event else ("", "", None)
    found: list[tuple[str, str]] = []
    if case.category == "open_relay" and ip:
        found.append(("open_relay", f"{ip}:{port or 25}"))
    elif case.category in PORTS and ip and port:
        found.append(("open_service", f"{ip}:{port}/{event.report_type if event else ''}"))
    if url and case.category in WEB:
        found.append(("url_status", url))
    reports = CaseReport.objects.filter(case=case).values("report_id")
    if FeedDelivery.objects.filter(report_id__in=reports).exists():
        found.append(("feed_quiet", str(case.pk)))
    elif case.category in TRAFFIC and ip:
        found.append(("flow_quiet", ip))
    return found or [("reporter_recheck", str(case.pk))]


def host_of(url: str) -> str:
    """The host of a URL, in lower case; empty where it has none."""
    return (urlsplit(url if "//" in url else f"//{url}").hostname or "").lower()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def latest(cases: Sequence[int]) -> dict[int, Sighting]:
    """The latest event of each of these cases."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT n.id, e.url, host(e.ip), e.port, e.domain, e.report_type FROM unnest(%s::bigint[]) AS n(id)
               CROSS JOIN LATERAL (SELECT url, ip, port, domain, report_type FROM reports_event WHERE case_id = n.id
                                   ORDER BY received_at DESC, occurred_at DESC NULLS LAST LIMIT 1) AS e""",
            [list(cases)],
        )
        return {case: Sighting(*rest) for case, *rest in cursor.fetchall()}
