"""Where somebody is signed in: kept beside Django's sessions, so that each can be seen and ended."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet

from tipstaff.accounts.models import StaffMember, StaffSession
from tipstaff.audit.services import record

LONGEST = 300  # characters of a browser's name that are kept
FORGOTTEN = timedelta(days=30)


@transaction.atomic
def began(*, staff: StaffMember, key: str, network: str, browser: str, method: str, now: datetime) -> None:
    """Somebody signed in; on the record with how."""
    StaffSession.objects.update_or_create(
        key=key,
        defaults={
            "staff": staff,
            "began_at": now,
            "seen_at": now,
            "network": network,
            "browser": browser[:LONGEST],
            "method": method,
        },
    )
    StaffSession.objects.filter(seen_at__lt=now - FORGOTTEN).delete()
    record(by=staff.username, action="login", subject=f"staff:{staff.pk}", now=now, method=method)


def seen(*, key: str, now: datetime) -> None:
    """The session was used."""
    StaffSession.objects.filter(key=key).update(seen_at=now)


def moved(*, key: str, to: str) -> None:
    """The session got a new key."""
    StaffSession.objects.filter(key=key).update(key=to)


@transaction.atomic
def ended(*, staff: StaffMember, key: str, why: str, now: datetime) -> None:
    """The session is over: signed out, idle or too old."""
    StaffSession.objects.filter(key=key).delete()
    record(by=staff.username, action="logout", subject=f"staff:{staff.pk}", now=now, why=why)


def of(staff: StaffMember, *, now: datetime, idle: timedelta) -> "QuerySet[StaffSession]":
    """The sessions that still live, the latest used first."""
    return StaffSession.objects.filter(staff=staff, seen_at__gt=now - idle).order_by("-seen_at")


@transaction.atomic
def end(*, staff: StaffMember, by: str, now: datetime, number: int | None = None, keep: str = "") -> int:
    """End one of somebody's sessions by its number, or all but the one with the key ``keep``; how many."""
    rows = StaffSession.objects.filter(staff=staff).exclude(key=keep)
    rows = rows if number is None else rows.filter(pk=number)
    keys = list(rows.values_list("key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    rows.delete()
    for _ in keys:
        record(by=by, action="session.end", subject=f"staff:{staff.pk}", now=now)
    return len(keys)
