"""Writing the people of the desk: who signs in, with which roles, and who no longer does."""

import re
from collections.abc import Iterable
from datetime import datetime
from secrets import token_urlsafe
from zoneinfo import available_timezones

from django.db import transaction

from tipstaff.accounts.access import ROLES
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, NotFound, Problem

USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,63}")
PASSWORD_BYTES = 12  # of randomness in a password that we make: 96 bits


@transaction.atomic
def add(
    *, username: str, roles: Iterable[str], by: str, now: datetime, name: str = "", email: str = "", timezone: str = "UTC"
) -> tuple[StaffMember, str]:
    """Add somebody; (the row, the first password, which is kept as a hash only).

    Raises InputError naming every field that is wrong, a name that is taken included.
    """
    chosen = sorted(set(roles))
    problems = _problems(chosen, timezone)
    if not USERNAME.fullmatch(username):
        problems.append(Problem("USERNAME", f"{username!r} cannot be one", "2 to 64 of a-z 0-9 . _ -, a letter first"))
    elif StaffMember.objects.filter(username=username).exists():
        problems.append(Problem("USERNAME", f"there is a {username!r} already", "`tipstaff staff change` changes their roles"))
    if problems:
        raise InputError(problems)
    person = StaffMember(username=username, first_name=name[:150], email=email, roles=chosen, timezone=timezone)
    password = _new_password(person)
    person.save()
    record(by=by, action="staff.add", subject=f"staff:{person.pk}", now=now, username=username, roles=chosen)
    return person, password


@transaction.atomic
def change(
    *, username: str, by: str, now: datetime, roles: Iterable[str] | None = None, active: bool | None = None,
    timezone: str | None = None, reason: str = "",
) -> StaffMember:  # fmt: skip
    """Change what is given, None leaves it: all the roles, whether they may sign in, their time zone.

    Who is switched off is signed out at once. Raises NotFound, InputError.
    """
    person = _find(username)
    chosen = person.roles if roles is None else sorted(set(roles))
    zone = person.timezone if timezone is None else timezone
    if problems := _problems(chosen, zone):
        raise InputError(problems)
    before = {"roles": person.roles, "active": person.is_active}
    person.roles, person.timezone = chosen, zone
    person.is_active = person.is_active if active is None else active
    person.save(update_fields=["roles", "timezone", "is_active"])
    after = {"roles": person.roles, "active": person.is_active}
    record(by=by, action="staff.change", subject=f"staff:{person.pk}", now=now, reason=reason, before=before, after=after)
    return person


@transaction.atomic
def renew_password(*, username: str, by: str, now: datetime) -> str:
    """A new password for somebody who lost theirs; the old one and every session end. Raises NotFound."""
    person = _find(username)
    password = _new_password(person)
    person.save(update_fields=["password"])
    record(by=by, action="staff.password", subject=f"staff:{person.pk}", now=now)
    return password


def _new_password(person: StaffMember) -> str:
    password = token_urlsafe(PASSWORD_BYTES)
    person.set_password(password)
    return password


def _find(username: str) -> StaffMember:
    person = StaffMember.objects.select_for_update().filter(username=username).first()
    if person is None:
        raise NotFound(f"no member of staff {username!r}; `tipstaff staff list` shows them")
    return person


def _problems(roles: list[str], timezone: str) -> list[Problem]:
    unknown = [role for role in roles if role not in ROLES]
    found = [Problem("--role", f"{role!r} is no role", f"choose from {', '.join(ROLES)}") for role in unknown]
    if not roles:
        found.append(Problem("--role", "is missing", f"give one or more of {', '.join(ROLES)}"))
    if timezone not in available_timezones():
        found.append(Problem("--timezone", f"{timezone!r} is not known", "such as Europe/Berlin"))
    return found
