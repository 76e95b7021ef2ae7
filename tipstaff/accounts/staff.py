"""Writing the people of the desk: who signs in, with which roles, and who no longer does."""

import re
from collections.abc import Iterable
from datetime import datetime
from secrets import token_urlsafe
from zoneinfo import available_timezones

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from tipstaff.accounts.access import ROLES
from tipstaff.accounts.models import StaffMember
from tipstaff.accounts.single_sign_on import Person
from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

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
    person = _locked(username)
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
    person = _locked(username)
    password = _new_password(person)
    person.save(update_fields=["password"])
    record(by=by, action="staff.password", subject=f"staff:{person.pk}", now=now)
    return password


@transaction.atomic
def link(*, username: str, subject: str, by: str, now: datetime) -> StaffMember:
    """Say whom the identity provider means by ``subject`` ('issuer|subject'). Raises NotFound, InputError."""
    person = _locked(username)
    if StaffMember.objects.filter(single_sign_on=subject).exclude(pk=person.pk).exists():
        raise InputError(Problem("SUBJECT", "belongs to another account", "unlink that one first: give it an empty subject"))
    person.single_sign_on = subject or None
    person.save(update_fields=["single_sign_on"])
    record(by=by, action="staff.link", subject=f"staff:{person.pk}", now=now, linked=bool(subject))
    return person


@transaction.atomic
def from_provider(*, person: Person, now: datetime) -> StaffMember:
    """Whoever the identity provider vouches for: their row with the roles it gives them, made where there is none.

    Raises Refused where they are switched off here, or their name belongs to an account that is not linked to them.
    """
    found = StaffMember.objects.select_for_update().filter(single_sign_on=person.subject).first()
    roles = sorted(person.roles)
    if found is None:
        found = _newcomer(person, roles, now)
    if not found.is_active:
        raise Refused("this account is switched off")
    if found.roles != roles:
        change(username=found.username, roles=roles, by="system:single-sign-on", now=now, reason="as the identity provider says")
        found.roles = roles
    return found


def _newcomer(person: Person, roles: list[str], now: datetime) -> StaffMember:
    if not USERNAME.fullmatch(person.username):
        raise Refused("the identity provider gives no name that can be used here")
    if StaffMember.objects.filter(username=person.username).exists():
        raise Refused("an account of that name exists and is not linked; an administrator runs `tipstaff staff link`")
    found, _ = add(username=person.username, roles=roles, by="system:single-sign-on", now=now, name=person.name, email=person.email)
    found.set_unusable_password()
    found.single_sign_on = person.subject
    found.save(update_fields=["password", "single_sign_on"])
    return found


@transaction.atomic
def change_password(*, staff: StaffMember, old: str, new: str, now: datetime) -> None:
    """Somebody changes their own; every other session of theirs ends. Raises InputError."""
    if not staff.check_password(old):
        raise InputError(Problem("Old password", "is not right", "an administrator can make you a new one"))
    try:
        validate_password(new, staff)
    except ValidationError as error:
        raise InputError([Problem("New password", text, "choose a longer or rarer one") for text in error.messages]) from error
    staff.set_password(new)
    staff.save(update_fields=["password"])
    record(by=staff.username, action="staff.password", subject=f"staff:{staff.pk}", now=now)


def _new_password(person: StaffMember) -> str:
    password = token_urlsafe(PASSWORD_BYTES)
    person.set_password(password)
    return password


def named(username: str) -> StaffMember:
    """One member of staff. Raises NotFound."""
    person = StaffMember.objects.filter(username=username).first()
    if person is None:
        raise NotFound(f"no member of staff {username!r}; `tipstaff staff list` shows them")
    return person


def _locked(username: str) -> StaffMember:
    return StaffMember.objects.select_for_update().get(pk=named(username).pk)


def _problems(roles: list[str], timezone: str) -> list[Problem]:
    unknown = [role for role in roles if role not in ROLES]
    found = [Problem("--role", f"{role!r} is no role", f"choose from {', '.join(ROLES)}") for role in unknown]
    if not roles:
        found.append(Problem("--role", "is missing", f"give one or more of {', '.join(ROLES)}"))
    if timezone not in available_timezones():
        found.append(Problem("--timezone", f"{timezone!r} is not known", "such as Europe/Berlin"))
    return found
