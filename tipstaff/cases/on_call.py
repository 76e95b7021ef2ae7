"""Teams, shifts and channels: who is alerted of a critical case that nobody takes, and where. A lead's or an admin's to set.

Each change is on the record, with numbers and never with a secret: a token or a secret URL that is typed in is kept
encrypted, is used to deliver, and comes back to nobody.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from tipstaff.accounts.models import StaffMember
from tipstaff.accounts.wrapping import unwrap, wrap
from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.cases.models import AlertChannel, Shift, Team
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy.categories import CATEGORIES
from tipstaff.policy.edition import Role

KINDS = ("mail", "webhook", "slack", "mattermost", "matrix")
HIGHEST = 9
LONGEST = timedelta(days=31)  # of one shift
TEST_PAUSE = timedelta(seconds=10)
MOST_WEEKS = 52  # a shift may be repeated
VARIABLE = "TIPSTAFF_ALERT_"
WEEK = timedelta(days=7)
Lookup = Callable[[str], str]


@transaction.atomic
def set_team(
    *, name: str, members: Iterable[int], by: str, now: datetime, brands: Iterable[str] = (), categories: Iterable[str] = (),
    order: int = 0, team: int | None = None,
) -> Team:  # fmt: skip
    """Make a team, or change one: who belongs to it, and which brands and categories it serves (none named: all)."""
    people.require(by, Role.LEAD)
    wanted, served = sorted(set(members)), sorted({code.strip() for code in categories if code.strip()})
    known = set(StaffMember.objects.filter(pk__in=wanted, is_active=True).values_list("pk", flat=True))
    problems = [] if name.strip() else [Problem("name", "is missing", "such as: night")]
    problems += [Problem("members", f"number {one} is no active member of staff") for one in wanted if one not in known]
    problems += [Problem("categories", f"{code!r} is not known", "choose of the list") for code in served if code not in CATEGORIES]
    if Team.objects.filter(name=name.strip()).exclude(pk=team or 0).exists():
        problems.append(Problem("name", f"{name.strip()!r} is taken", "teams that ended keep their name; choose another"))
    if problems:
        raise InputError(problems)
    columns = {"name": name.strip(), "brands": sorted({one.strip() for one in brands if one.strip()}), "categories": served,
               "order": order}  # fmt: skip
    found = _team(team) if team is not None else Team.objects.create(**columns)
    if team is not None:
        Team.objects.filter(pk=found.pk).update(**columns)
        Shift.objects.filter(team=found, until_at__gt=now).exclude(member__in=wanted).update(until_at=now)
        Shift.objects.filter(team=found, from_at__gte=now).exclude(member__in=wanted).delete()
        found.refresh_from_db()
    found.members.set(wanted)
    _record("team.set", found, by, now, members=len(wanted), categories=served)
    return found


@transaction.atomic
def end_team(*, team: int, by: str, now: datetime) -> Team:
    """Ask it no more: its shifts end, its channels are closed. What it was told stays with the cases."""
    people.require(by, Role.LEAD)
    found = _team(team)
    Team.objects.filter(pk=found.pk).update(ended_at=now)
    Shift.objects.filter(team=found, from_at__gte=now).delete()
    Shift.objects.filter(team=found, until_at__gt=now).update(until_at=now)
    AlertChannel.objects.filter(team=found, ended_at__isnull=True).update(ended_at=now, enabled=False, sealed=b"")
    _record("team.end", found, by, now)
    found.refresh_from_db()
    return found


@transaction.atomic
def set_shift(
    *, team: int, member: int, from_at: datetime, until_at: datetime, by: str, now: datetime, level: int = 1, weeks: int = 1,
    shift: int | None = None,
) -> Shift:  # fmt: skip
    """Put somebody on call, this week and the same time of the ``weeks - 1`` that follow; or change one shift."""
    people.require(by, Role.LEAD)
    found = _team(team)
    problems = []
    if until_at <= from_at:
        problems.append(Problem("until_at", "is not later than the beginning"))
    elif until_at - from_at > LONGEST:
        problems.append(Problem("until_at", "is more than 31 days after the beginning", "make it several shifts"))
    if not 1 <= level <= HIGHEST:
        problems.append(Problem("level", f"{level} is no level", f"1 to {HIGHEST}"))
    if not 1 <= weeks <= MOST_WEEKS:
        problems.append(Problem("weeks", f"{weeks} weeks", f"1 to {MOST_WEEKS}"))
    if not found.members.filter(pk=member).exists():
        problems.append(Problem("member", "does not belong to the team", "add the person to the team first"))
    if problems:
        raise InputError(problems)
    columns = {"team": found, "member_id": member, "level": level}
    if shift is not None:
        if not Shift.objects.filter(pk=shift, team=found).update(**columns, from_at=from_at, until_at=until_at):
            raise NotFound(f"there is no shift {shift}")
        made = Shift.objects.get(pk=shift)
    else:
        rows = [Shift(**columns, from_at=from_at + WEEK * one, until_at=until_at + WEEK * one) for one in range(weeks)]
        made = Shift.objects.bulk_create(rows)[0]
    _record("shift.set", found, by, now, shift=made.pk, member=member, level=level, weeks=weeks)
    return made


@transaction.atomic
def end_shift(*, shift: int, by: str, now: datetime) -> None:
    """End one that runs now; strike out one that has not begun."""
    people.require(by, Role.LEAD)
    found = Shift.objects.select_related("team").filter(pk=shift).first()
    if found is None or found.until_at <= now:
        raise NotFound(f"there is no shift {shift} that runs or is to come")
    if found.from_at >= now:
        found.delete()
    else:
        Shift.objects.filter(pk=shift).update(until_at=now)
    _record("shift.end", found.team, by, now, shift=shift)


@transaction.atomic
def set_channel(
    *, team: int, kind: str, by: str, now: datetime, address: str = "", secret: str = "", level: int = 1, name: str = "",
    typed: str = "", forget: bool = False, channel: int | None = None,
) -> AlertChannel:  # fmt: skip
    """Where a team's alerts go; ``channel`` changes one.

    ``typed``: a token or a secret URL, kept encrypted; empty leaves what is kept, ``forget`` drops it. ``secret``: instead
    the name of an environment variable (TIPSTAFF_ALERT_…) that holds it.
    """
    people.require(by, Role.LEAD)
    found = _team(team)
    before = _channel(channel) if channel is not None else None
    keeps = bool(typed) or bool(before and before.sealed and not forget)
    address, secret = address.strip(), secret.strip()
    problems = _problems(kind, address, secret, typed.strip(), keeps, level)
    if before and keeps and not typed.strip() and _place(kind, address) != _place(before.kind, before.address):
        # Who changes where alerts go must know the secret, or it could be sent to themselves.
        problems.append(Problem("secret", "was given for another address", "type it again, or have it forgotten"))
    if problems:
        raise InputError(problems)
    columns: dict[str, Any] = {
        "team": found,
        "kind": kind,
        "address": address,
        "secret": secret,
        "level": level,
        "name": name.strip()[:80],
    }
    row = before or AlertChannel.objects.create(**columns)
    if typed.strip():
        columns["sealed"] = wrap(typed.strip().encode(), _about(row))
    elif forget:
        columns["sealed"] = b""
    AlertChannel.objects.filter(pk=row.pk).update(**columns)
    row.refresh_from_db()
    changed = "changed" if typed.strip() else "dropped" if forget else "kept" if keeps else "none"
    _record("channel.set", found, by, now, channel=row.pk, kind=kind, level=level, secret=changed)
    return row


def _place(kind: str, address: str) -> tuple[str, str, str]:
    """Who gets a channel's secret: the kind, and scheme and server of its address."""
    try:
        parts = urlsplit(address)
    except ValueError:  # such as a bracket that does not close; ``_problems`` says so
        return kind, "", address
    return kind, parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _problems(kind: str, address: str, secret: str, typed: str, keeps: bool, level: int) -> list[Problem]:
    web = address.startswith(("http://", "https://")) and _is_web(address)
    found = []
    if kind not in KINDS:
        return [Problem("kind", f"{kind!r} is not known", f"one of {', '.join(KINDS)}"), *_wrong_variable(secret)]
    if kind == "mail" and ("@" not in address or any(letter.isspace() for letter in address)):
        found.append(Problem("address", "is no mail address"))
    if kind == "matrix" and not (web and "/!" in address):
        found.append(Problem("address", "names no room", "write https://SERVER/!ROOM:SERVER"))
    if kind == "matrix" and not (keeps or secret):
        found.append(Problem("secret", "is missing", "the access token of the account that writes"))
    if kind in {"webhook", "slack", "mattermost"} and not web and not (keeps or secret):
        found.append(Problem("address", "is no URL", "give the URL, or put a secret one into the field for secrets"))
    if (
        kind in {"webhook", "slack", "mattermost"}
        and typed
        and not address
        and not (typed.startswith(("http://", "https://")) and _is_web(typed))
    ):
        found.append(Problem("secret", "is no URL", "without an address the secret is the whole URL"))
    if not 1 <= level <= HIGHEST:
        found.append(Problem("level", f"{level} is no level", f"1 to {HIGHEST}"))
    return found + _wrong_variable(secret)


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _wrong_variable(secret: str) -> list[Problem]:
    if not secret or secret.startswith(VARIABLE):
        return []
    return [Problem("secret", "is not allowed as a variable", f"name one that begins with {VARIABLE}")]


@transaction.atomic
def end_channel(*, channel: int, by: str, now: datetime) -> None:
    """Use it no more, and forget its secret. What went there stays with the cases."""
    people.require(by, Role.LEAD)
    found = _channel(channel)
    AlertChannel.objects.filter(pk=found.pk).update(ended_at=now, enabled=False, sealed=b"")
    _record("channel.end", found.team, by, now, channel=found.pk)


@transaction.atomic
def begin_test(*, channel: int, by: str, now: datetime) -> None:
    """A test is about to be sent: not two within TEST_PAUSE, or a test would be a way to write to anybody at will."""
    people.require(by, Role.LEAD)
    found = _channel(channel)
    if found.tested_at is not None and abs(now - found.tested_at) < TEST_PAUSE:
        raise Refused(f"it was tested a moment ago: wait {TEST_PAUSE.total_seconds():.0f} seconds")
    AlertChannel.objects.filter(pk=found.pk).update(tested_at=now, tested_by=by, problem="the test has not ended")


@transaction.atomic
def tested(*, channel: int, problem: str, by: str, now: datetime) -> AlertChannel:
    """What came of a test alert; empty where it arrived."""
    people.require(by, Role.LEAD)
    found = _channel(channel)
    AlertChannel.objects.filter(pk=found.pk).update(tested_at=now, tested_by=by, problem=problem[:500])
    _record("channel.test", found.team, by, now, channel=found.pk, arrived=not problem)
    found.refresh_from_db()
    return found


def secret_of(channel: AlertChannel, lookup: Lookup) -> str:
    """The token or secret URL, for delivering alone; ``lookup`` reads the environment. Empty where there is none."""
    if channel.sealed:
        return unwrap(channel.sealed, _about(channel)).decode()
    return lookup(channel.secret) if channel.secret else ""


def _about(channel: AlertChannel) -> str:
    return f"alert_channel:{channel.pk}"


def _team(number: int) -> Team:
    found = Team.objects.select_for_update().filter(pk=number, ended_at__isnull=True).first()
    if found is None:
        raise NotFound(f"there is no team {number}")
    return found


def _channel(number: int) -> AlertChannel:
    rows = AlertChannel.objects.select_for_update(of=("self",)).select_related("team")
    found = rows.filter(pk=number, ended_at__isnull=True).first()
    if found is None:
        raise NotFound(f"there is no channel {number}")
    return found


def _record(action: str, team: Team, by: str, now: datetime, **detail: Any) -> None:
    record(by=by, action=f"on_call.{action}", subject=f"team:{team.pk}", now=now, **detail)
