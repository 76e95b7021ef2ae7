"""What was reported, as the customer may know it: addresses and pages of theirs, times, how many; never who."""

from dataclasses import dataclass
from datetime import datetime

from tipstaff.accounts.models import Assignment
from tipstaff.cases.models import Case
from tipstaff.cases.redacted import scope_of
from tipstaff.correspondence import catalogue
from tipstaff.reports import queries as reports
from tipstaff.reports.models import Event, Report
from tipstaff.reports.scrubbing import OPEN, SHUT, Scope, free_text

MOST_PLACES = 12
LOOKED_AT = 300


@dataclass(frozen=True, slots=True)
class Facts:
    """``pages``: addresses of pages, written so that they cannot be clicked; ``held_since``: when the address became theirs."""

    pages: tuple[str, ...]
    addresses: tuple[str, ...]
    held_since: datetime | None
    first: datetime | None
    last: datetime | None
    more: int


def of(case: Case, found: list[Report], now: datetime) -> Facts:
    events = _events(case)
    scope = scope_of(case, found[0], now) if found else Scope()
    pages = list(dict.fromkeys(shown(event.url or event.domain or "", scope) for event in events if event.url or event.domain))
    addresses = list(dict.fromkeys(_address(event) for event in events if event.ip))
    moments = [moment for event in events for moment in (event.occurred_at or event.earliest or event.latest,) if moment]
    return Facts(
        tuple(pages[:MOST_PLACES]),
        tuple(addresses[:MOST_PLACES]),
        _held_since(case, events),
        min(moments, default=case.first_event_at),
        max(moments, default=case.last_event_at),
        max(len(pages) - MOST_PLACES, 0) + max(len(addresses) - MOST_PLACES, 0),
    )


def _events(case: Case) -> list[Event]:
    """The case's own events, or those of the clients' cases that hang on it; of a case that was handed on, what the reseller's
    case says of its address."""
    own = reports.events_of_case(case.pk, LOOKED_AT)
    if own:
        return own
    if case.parent_id:
        about = case.headline.lower()
        return [
            event
            for event in reports.events_of_case(case.parent_id, LOOKED_AT)
            if about in (event.ip, (event.domain or "").lower())
        ]
    return [event for child in case.children.all()[:20] for event in reports.events_of_case(child.pk, LOOKED_AT // 10)]


def _address(event: Event) -> str:
    host = f"[{event.ip}]" if event.ip and ":" in event.ip and event.port else str(event.ip)
    return f"{host} port {event.port}" if event.port else host


def _held_since(case: Case, events: list[Event]) -> datetime | None:
    numbers = {event.assignment_id for event in events if event.assignment_id and event.customer_id == case.customer_id}
    rows = Assignment.objects.filter(pk__in=numbers, service__customer=case.customer_id)
    starts = [row.period.lower for row in rows if row.period.lower]
    return max(starts, default=None)


def shown(text: str, scope: Scope) -> str:
    """An address of a page without what would name somebody, and so that it cannot be followed by accident."""
    return defanged(free_text(text, scope).replace(OPEN, "[removed: ").replace(SHUT, "]"))


def defanged(text: str) -> str:
    """A page's address that cannot be followed by accident: 'hxxps://shop[.]example/x'."""
    scheme, slashes, rest = text.partition("://")
    if not slashes:
        return text
    host, slash, path = rest.partition("/")
    return f"{scheme.replace('http', 'hxxp')}://{host.replace('.', '[.]')}{slash}{path}"


def guidance(category: str, code: str) -> list[str]:
    """What usually helps against this kind, in the reader's language; what helps in general where there is nothing special."""
    return list(catalogue.guidance(code).get(category, ())) or [
        str(one) for one in catalogue.packaged(code).words["guidance"]["general"]
    ]
