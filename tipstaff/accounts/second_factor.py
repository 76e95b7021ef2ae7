"""Setting up and asking for a second factor: one-time codes, recovery codes; passkeys count as one (passkeys.py)."""

import secrets
from base64 import b32encode
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from tipstaff.accounts import totp
from tipstaff.accounts.models import OneTimeCodes, RecoveryCode, StaffMember
from tipstaff.accounts.wrapping import digest, unwrap, wrap
from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, Problem, Refused

RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits each: a plain keyed digest is enough
CODE, RECOVERY = "code", "recovery code"


def has_one(staff: StaffMember) -> bool:
    """Whether there is a second factor to ask for."""
    return staff.passkeys.exists() or OneTimeCodes.objects.filter(staff=staff, confirmed_at__isnull=False).exists()


def required_of(staff: StaffMember, roles: Iterable[str]) -> bool:
    """Whether the policy (roles that need one; 'all' for every role) asks one of this person."""
    wanted = set(roles)
    return "all" in wanted or bool(wanted & set(staff.roles))


def due(staff: StaffMember, *, roles: Iterable[str], grace: timedelta, now: datetime) -> datetime | None:
    """Until when one must be set up; None where none is asked for or one is there. The grace begins when first asked."""
    if not required_of(staff, roles) or has_one(staff):
        return None
    if staff.second_factor_due_at is None:
        staff.second_factor_due_at = now + grace
        staff.save(update_fields=["second_factor_due_at"])
    return staff.second_factor_due_at


@transaction.atomic
def begin(*, staff: StaffMember, now: datetime) -> bytes:
    """A fresh secret for an authenticator app; counts once a first code was right. Raises Refused where there is one."""
    if OneTimeCodes.objects.filter(staff=staff, confirmed_at__isnull=False).exists():
        raise Refused("there is an authenticator app already; remove it first")
    secret = secrets.token_bytes(totp.SECRET_BYTES)
    OneTimeCodes.objects.update_or_create(
        staff=staff, defaults={"secret": wrap(secret, _about(staff)), "made_at": now, "confirmed_at": None, "last_step": 0}
    )
    return secret


def pending_secret(staff: StaffMember) -> bytes | None:
    """The secret that waits for its first code."""
    found = OneTimeCodes.objects.filter(staff=staff, confirmed_at=None).first()
    return unwrap(found.secret, _about(staff)) if found else None


@transaction.atomic
def confirm(*, staff: StaffMember, code: str, now: datetime) -> list[str]:
    """The first code was right: from now on it is asked for. The recovery codes, shown once. Raises InputError."""
    found = OneTimeCodes.objects.select_for_update().filter(staff=staff, confirmed_at=None).first()
    step = totp.matching_step(unwrap(found.secret, _about(staff)), _digits(code), now) if found else None
    if found is None or step is None:
        raise InputError(Problem("Code", "is not the one your app shows now", "wait for the next; is the device's clock right?"))
    found.confirmed_at, found.last_step = now, step
    found.save(update_fields=["confirmed_at", "last_step"])
    record(by=staff.username, action="second_factor.add", subject=f"staff:{staff.pk}", now=now, kind="totp")
    return renew_recovery_codes(staff=staff, now=now)


@transaction.atomic
def renew_recovery_codes(*, staff: StaffMember, now: datetime) -> list[str]:
    """Ten new codes, each good once; the old ones end."""
    codes = [_spoken(secrets.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(staff=staff).delete()
    RecoveryCode.objects.bulk_create([RecoveryCode(staff=staff, digest=_hashed(staff, code)) for code in codes])
    record(by=staff.username, action="second_factor.recovery_codes", subject=f"staff:{staff.pk}", now=now)
    return codes


@transaction.atomic
def check(*, staff: StaffMember, given: str, now: datetime) -> str | None:
    """What was given: CODE or RECOVERY, used up by this; None where it is neither, or was used before."""
    if len(digits := _digits(given)) == totp.DIGITS:
        return CODE if _use_code(staff, digits, now) else None
    used = RecoveryCode.objects.filter(staff=staff, digest=_hashed(staff, given), used_at=None).update(used_at=now)
    if not used:
        return None
    record(by=staff.username, action="second_factor.recovery_used", subject=f"staff:{staff.pk}", now=now)
    return RECOVERY


def _use_code(staff: StaffMember, digits: str, now: datetime) -> bool:
    """One statement decides between two tries with the same code: only a newer step than the last is taken."""
    found = OneTimeCodes.objects.filter(staff=staff, confirmed_at__isnull=False).first()
    step = totp.matching_step(unwrap(found.secret, _about(staff)), digits, now, found.last_step) if found else None
    if found is None or step is None:
        return False
    return bool(OneTimeCodes.objects.filter(Q(pk=found.pk) & Q(last_step__lt=step)).update(last_step=step))


@transaction.atomic
def remove_codes(*, staff: StaffMember, by: str, now: datetime) -> None:
    """Take the authenticator app and the recovery codes away."""
    gone, _ = OneTimeCodes.objects.filter(staff=staff).delete()
    RecoveryCode.objects.filter(staff=staff).delete()
    if gone:
        record(by=by, action="second_factor.remove", subject=f"staff:{staff.pk}", now=now, kind="totp")


@transaction.atomic
def reset(*, staff: StaffMember, by: str, now: datetime) -> None:
    """An administrator takes every second factor away from somebody who lost theirs; a new grace begins."""
    remove_codes(staff=staff, by=by, now=now)
    staff.passkeys.all().delete()
    staff.second_factor_due_at = None
    staff.save(update_fields=["second_factor_due_at"])
    record(by=by, action="second_factor.reset", subject=f"staff:{staff.pk}", now=now)


def _about(staff: StaffMember) -> str:
    return f"totp:{staff.pk}"


def _digits(text: str) -> str:
    return "".join(text.split()) if "".join(text.split()).isdecimal() else ""


def _spoken(random: bytes) -> str:
    text = b32encode(random).decode().lower()
    return "-".join(text[place : place + 4] for place in range(0, len(text), 4))


def _hashed(staff: StaffMember, code: str) -> str:
    return digest("recovery", f"{staff.pk}|{''.join(code.lower().replace('-', ' ').split())}")
