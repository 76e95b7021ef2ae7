"""The two switches, dry run and the caps: one row, read before each step, changed by people and on the record."""

import secrets
from datetime import datetime
from typing import Any

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.enforcement import access, transitions
from tipstaff.enforcement.models import Order, OrderEntry, Switches
from tipstaff.enforcement.rails import Caps
from tipstaff.kernel.errors import InputError, Problem

LIMITS = {  # what an admin may set, from … to
    "cap_total": (0, 1_000_000),
    "cap_customer": (0, 100_000),
    "cap_hour": (0, 100_000),
    "longest_days": (1, 366),
    "ceiling4": (8, 32),
    "ceiling6": (32, 128),
    "mass_changes": (1, 100_000),
    "mass_percent": (1, 100),
}


def current() -> Switches:
    """The row; made when it is first asked for, with dry run on."""
    found = Switches.objects.first()
    return found or Switches.objects.get_or_create(id=1, defaults={"instance": secrets.token_hex(4)})[0]


def caps(row: Switches) -> Caps:
    return Caps(row.cap_total, row.cap_customer, row.cap_hour)


@transaction.atomic
def go_live(*, live: bool, by: str, reason: str, now: datetime) -> None:
    """Leave dry run, or go back to it. What was held as dry run stays held until it is approved again."""
    access.require_or_program(by, access.SETTINGS)
    _change(by=by, now=now, reason=reason, action="enforcement.live" if live else "enforcement.dry_run", live=live)


@transaction.atomic
def stop(*, by: str, reason: str, now: datetime) -> None:
    """Begin no new action. What ends still ends, and what stands is left standing but not repaired."""
    access.require(by, access.SWITCH)
    if not reason.strip():
        raise InputError(Problem("reason", "is empty", "say why; colleagues will read it"))
    _change(by=by, now=now, reason=reason, action="enforcement.stop", stopped=reason)


@transaction.atomic
def resume(*, by: str, reason: str, now: datetime) -> None:
    access.require(by, access.SWITCH)
    _change(by=by, now=now, reason=reason, action="enforcement.resume", stopped="")


@transaction.atomic
def lift_all(*, by: str, reason: str, now: datetime) -> int:
    """Stop, and have everything lifted that stands or is about to; the number of orders. Strays go with the reconciler."""
    access.require(by, access.SWITCH)
    if not reason.strip():
        raise InputError(Problem("reason", "is empty", "say why; customers may be told"))
    _change(by=by, now=now, reason=reason, action="enforcement.lift_all", stopped=f"all lifted: {reason}", lift_all_at=now)
    asked = {"revert_asked_at": now, "revert_by": by, "revert_reason": f"all lifted: {reason}", "next_try_at": now}
    open_ones = Order.objects.exclude(state__in=transitions.FINAL).filter(revert_asked_at__isnull=True)
    numbers = list(open_ones.values_list("pk", flat=True))
    OrderEntry.objects.bulk_create(
        OrderEntry(order_id=number, at=now, actor=by, kind="revert_asked", text=f"all lifted: {reason}") for number in numbers
    )
    return Order.objects.filter(pk__in=numbers).update(**asked)


@transaction.atomic
def set_limits(*, by: str, reason: str, now: datetime, **limits: int) -> None:
    """Change caps and ceilings; each within LIMITS. Raises InputError naming all that are not."""
    access.require_or_program(by, access.SETTINGS)
    problems = []
    for name, value in limits.items():
        low, high = LIMITS.get(name, (1, 0))
        if not low <= value <= high:
            problems.append(Problem(name, f"{value} is not from {low} to {high}", "see `tipstaff enforce limits`"))
    if problems:
        raise InputError(problems)
    _change(by=by, now=now, reason=reason, action="enforcement.limits", **limits)


def _change(*, by: str, now: datetime, reason: str, action: str, **columns: Any) -> None:
    row = current()
    Switches.objects.filter(pk=row.pk).update(changed_by=by, changed_at=now, **columns)
    record(by=by, action=action, subject="enforcement", now=now, reason=reason)
