"""Whoever is on call hears of a critical case that nobody has taken: mail, webhook or chat, one level higher each time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from tipstaff.cases import people
from tipstaff.cases.journal import journal
from tipstaff.cases.models import Alert, AlertChannel, Case, Shift, Team
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.policy.edition import Role

KINDS = ("mail", "webhook", "slack", "mattermost", "matrix")
HIGHEST = 9
TOGETHER = timedelta(minutes=5)  # alerts of one level to one place within this time become one message
BACK_OFF = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


def team_for(case: Case) -> Team | None:
    """The first team that serves the case's brand and category."""
    fits = Q(brands=[]) | Q(brands__contains=[case.brand])
    return (
        Team.objects.filter(fits).filter(Q(categories=[]) | Q(categories__contains=[case.category])).order_by("order", "pk").first()
    )


def on_call(team: Team, level: int, now: datetime) -> list[Shift]:
    """Whose shift it is, up to this level; the first level first."""
    rows = Shift.objects.filter(team=team, from_at__lte=now, until_at__gt=now, level__lte=level, member__is_active=True)
    return list(rows.select_related("member").order_by("level", "pk"))


def escalate(*, case: Case, text: str, now: datetime) -> list[Alert]:
    """Alert the level above the last one. With nobody on call and no channel, the case says so, and every lead sees it."""
    team = team_for(case)
    level = min((Alert.objects.filter(case=case).aggregate(most=Max("level"))["most"] or 0) + 1, HIGHEST)
    shifts = on_call(team, level, now) if team else []
    channels = list(AlertChannel.objects.filter(team=team, enabled=True, level__lte=level).order_by("level", "pk")) if team else []
    if not channels:
        journal(case=case, kind="alert", text="nobody is on call for it, and no channel is set up", by="system:clock", now=now)
        return []
    names = [shift.member.username for shift in shifts]
    words = f"case #{case.pk} ({case.category}, {case.severity}) at {case.headline or 'unknown'} waits unclaimed: {text}"
    made = [_alert(case, channel, level, names, words, now) for channel in channels]
    where = ", ".join(sorted({channel.kind for channel in channels}))
    said = f"alert, level {level}: {where}; on call: {', '.join(names) or 'nobody'}"
    journal(case=case, kind="alert", text=said, by="system:clock", now=now, level=level)
    return made


def _alert(case: Case, channel: AlertChannel, level: int, names: list[str], text: str, now: datetime) -> Alert:
    """A row to deliver. What waits already for the same place takes this one along: a flood of cases is one message."""
    waiting = Alert.objects.filter(channel=channel, level=level, sent_at__isnull=True, created_at__gt=now - TOGETHER).first()
    if waiting is not None:
        waiting.text = waiting.text[:4000] + "\n" + text if waiting.text.count("\n") < 20 else waiting.text
        waiting.save(update_fields=["text"])
    # A merged one is a row of its own all the same, so that its case knows its level; it counts as sent with the other.
    return Alert.objects.create(
        case=case, channel=channel, level=level, members=names, text=text, created_at=now, not_before=now,
        sent_at=now if waiting is not None else None,
    )  # fmt: skip


def payload(kind: str, text: str, case: int, level: int, url: str) -> dict[str, Any]:
    """The JSON body for a kind of channel.

    Slack and Mattermost incoming webhooks take ``text``; Matrix (client-server API, m.room.message) takes ``msgtype`` and
    ``body``; our own webhook says everything apart.
    """
    line = f"{text}\n{url}" if url else text
    if kind in {"slack", "mattermost"}:
        return {"text": line}
    if kind == "matrix":
        return {"msgtype": "m.text", "body": line}
    return {"kind": "unclaimed_critical_case", "case": case, "level": level, "text": text, "url": url}


def claim(*, most: int, now: datetime) -> list[Alert]:
    """Alerts that are due to be delivered, locked until the transaction ends."""
    rows = Alert.objects.select_for_update(skip_locked=True, of=("self",)).filter(sent_at__isnull=True, not_before__lte=now)
    return list(rows.select_related("channel", "case").order_by("not_before", "pk")[:most])


def sent(*, alert: Alert, now: datetime) -> None:
    Alert.objects.filter(pk=alert.pk).update(sent_at=now, attempts=alert.attempts + 1, problem="")


def failed(*, alert: Alert, problem: str, now: datetime) -> None:
    """Try again later; the page of alerts shows why."""
    pause = BACK_OFF[min(alert.attempts, len(BACK_OFF) - 1)]
    Alert.objects.filter(pk=alert.pk).update(attempts=alert.attempts + 1, problem=problem[:500], not_before=now + pause)


@transaction.atomic
def set_up_team(
    *, name: str, members: Iterable[int], by: str, now: datetime, brands: Iterable[str] = (), categories: Iterable[str] = ()
) -> Team:
    """Make a team, or change who and what belongs to it."""
    people.require(by, Role.LEAD)
    if not name.strip():
        raise InputError(Problem("name", "is missing"))
    team, _ = Team.objects.update_or_create(
        name=name.strip(), defaults={"brands": sorted(set(brands)), "categories": sorted(set(categories))}
    )
    team.members.set(list(members))
    return team


@transaction.atomic
def set_shift(*, team: int, member: int, from_at: datetime, until_at: datetime, by: str, now: datetime, level: int = 1) -> Shift:
    """Put somebody on call."""
    people.require(by, Role.LEAD)
    if until_at <= from_at:
        raise InputError(Problem("until_at", "is not later than the beginning"))
    if not 1 <= level <= HIGHEST:
        raise InputError(Problem("level", f"{level} is no level", f"1 to {HIGHEST}"))
    if not Team.objects.filter(pk=team, members__pk=member).exists():
        raise InputError(Problem("member", "does not belong to the team", "add the person to the team first"))
    return Shift.objects.create(team_id=team, member_id=member, level=level, from_at=from_at, until_at=until_at)


@transaction.atomic
def set_channel(
    *, team: int, kind: str, by: str, now: datetime, address: str = "", secret: str = "", level: int = 1
) -> AlertChannel:
    """Where a team's alerts go. ``secret`` names an environment variable (TIPSTAFF_ALERT_…) with a token or a secret URL."""
    people.require(by, Role.LEAD)
    problems = []
    if kind not in KINDS:
        problems.append(Problem("kind", f"{kind!r} is not known", f"one of {', '.join(KINDS)}"))
    if kind == "mail" and "@" not in address:
        problems.append(Problem("address", "is no mail address"))
    if kind != "mail" and not secret and not address.startswith(("http://", "https://")):
        problems.append(Problem("address", "is no URL", "give an URL, or the variable that holds a secret one"))
    if secret and not secret.startswith("TIPSTAFF_ALERT_"):
        problems.append(Problem("secret", f"{secret!r} is not allowed", "name a variable that begins with TIPSTAFF_ALERT_"))
    if problems:
        raise InputError(problems)
    if not Team.objects.filter(pk=team).exists():
        raise NotFound(f"there is no team {team}")
    return AlertChannel.objects.create(team_id=team, kind=kind, address=address, secret=secret, level=level)
