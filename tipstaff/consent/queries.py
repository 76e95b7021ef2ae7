"""Permits as the pipeline and the desk ask for them."""

from datetime import datetime, timedelta
from ipaddress import ip_network

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from tipstaff.consent.models import Permit
from tipstaff.consent.permits import Scope

LOOK_BACK = timedelta(days=400)  # complaints come late; older ones find no permit


def scopes(*, now: datetime) -> list[Scope]:
    """Every permit that was granted and has covered, or may still cover, anything; as their windows stand."""
    rows = Permit.objects.filter(approved_at__isnull=False, ends_at__gt=now - LOOK_BACK).order_by("starts_at", "pk")
    return [scope for row in rows if (scope := scope_of(row)) is not None]


def scope_of(row: Permit) -> Scope | None:
    """A granted permit's scope; None where its approval or revocation leaves no window."""
    if row.approved_at is None:
        return None
    starts_at = max(row.starts_at, row.approved_at)
    ends_at = min(row.ends_at, row.revoked_at) if row.revoked_at else row.ends_at
    if ends_at <= starts_at:
        return None
    return Scope(
        id=row.pk, kind=row.kind, direction=row.direction, hosts=tuple(map(ip_network, row.hosts)), starts_at=starts_at,
        ends_at=ends_at, services=frozenset(row.services), targets=tuple(map(ip_network, row.targets)),
        kinds=frozenset(row.detectors), customer=row.customer_id,
    )  # fmt: skip


def state_of(row: Permit, now: datetime) -> str:
    """A permit's state in a word: asked, refused, revoked, over, waiting, in force."""
    if row.refused_at:
        return "refused"
    if row.approved_at is None:
        return "asked"
    if row.revoked_at:
        return "revoked"
    if row.ends_at <= now:
        return "over"
    return "waiting" if row.starts_at > now else "in force"


def listed(most: int = 200) -> "QuerySet[Permit]":
    """Permits, the ones that wait for a decision first, then by the end of their windows."""
    waits = Q(approved_at__isnull=True, refused_at__isnull=True)
    ordered = Permit.objects.annotate(waits=ExpressionWrapper(waits, BooleanField())).order_by("-waits", "-ends_at", "-pk")
    return ordered.select_related("customer")[:most]
