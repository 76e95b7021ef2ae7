"""Whoever is on call hears of a critical case that nobody has taken, and the liaison's on-call of what is owed to an authority
and past due: mail, webhook or chat, one level higher each time."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q, QuerySet

from tipstaff.accounts import roles
from tipstaff.cases.journal import journal
from tipstaff.cases.models import Alert, AlertChannel, AuthorityDuty, Case, Shift, Team
from tipstaff.cases.on_call import HIGHEST
from tipstaff.cases.states import State

TOGETHER = timedelta(minutes=5)  # alerts of one level to one place within this time become one message
NEVER = timedelta(days=36_500)
BACK_OFF = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


def team_for(case: Case) -> Team | None:
    """The first team that serves the case's brand and category."""
    return _serving(Team.objects.filter(ended_at__isnull=True), case).order_by("order", "pk").first()


def _serving(teams: "QuerySet[Team]", case: Case) -> "QuerySet[Team]":
    fits = Q(brands=[]) | Q(brands__contains=[case.brand])
    return teams.filter(fits, Q(categories=[]) | Q(categories__contains=[case.category]))


def on_call(team: Team, level: int, now: datetime) -> list[Shift]:
    """Whose shift it is, up to this level; the first level first."""
    rows = Shift.objects.filter(team=team, from_at__lte=now, until_at__gt=now, level__lte=level, member__is_active=True)
    return list(rows.select_related("member").order_by("level", "pk"))


def escalate(*, case: Case, text: str, now: datetime) -> list[Alert]:
    """Alert the level above the last one. With nobody on call and no channel, the case says so, and every lead sees it."""
    before = Alert.objects.filter(case=case, duty=None).aggregate(most=Max("level"))["most"] or 0
    words = f"case #{case.pk} ({case.category}, {case.severity}) at {case.headline or 'unknown'} waits unclaimed: {text}"
    return _raise(case, team_for(case), min(before + 1, HIGHEST), words, "", now)


def past_due(*, duty: AuthorityDuty, case: Case, now: datetime) -> list[Alert]:
    """Whoever is on call with the authority liaison hears that something owed to an authority is past due.

    In words that say neither about whom nor of what kind; of a restricted case to nobody but those who may see it.
    """
    what = "a report to an authority" if duty.kind == "report" else "an order of an authority"
    words = f"case #{case.pk}: {what} was due {duty.due_at:%Y-%m-%d %H:%M} UTC, and nobody has said what became of it"
    return _raise(case, liaison_team(case), duty.alarmed, words, f"{what} is past due: ", now, duty)


def liaison_team(case: Case) -> Team | None:
    """The first team with an authority liaison, one that serves the case before others; else whoever serves an open case."""
    with_one = Team.objects.filter(ended_at__isnull=True, members__roles__contains=[roles.LIAISON], members__is_active=True)
    own = _serving(with_one, case).order_by("order", "pk").first() or with_one.order_by("order", "pk").first()
    return own or (None if case.state == State.RESTRICTED_CASE else team_for(case))


def _raise(
    case: Case, team: Team | None, level: int, words: str, what: str, now: datetime, duty: AuthorityDuty | None = None
) -> list[Alert]:
    shifts = on_call(team, level, now) if team else []
    channels = list(AlertChannel.objects.filter(team=team, enabled=True, level__lte=level).order_by("level", "pk")) if team else []
    more: dict[str, Any] = {"duty": duty.pk} if duty else {}
    if not channels:
        text = f"{what}nobody is on call for it, and no channel is set up"
        journal(case=case, kind="alert", text=text, by="system:clock", now=now, **more)
        return []
    names = [shift.member.username for shift in shifts]
    made = [_alert(case, channel, level, names, words, now, duty) for channel in channels]
    where = ", ".join(sorted({channel.kind for channel in channels}))
    said = f"{what}alert, level {level}: {where}; on call: {', '.join(names) or 'nobody'}"
    journal(case=case, kind="alert", text=said, by="system:clock", now=now, level=level, **more)
    return made


def _alert(
    case: Case, channel: AlertChannel, level: int, names: list[str], text: str, now: datetime, duty: AuthorityDuty | None
) -> Alert:
    """A row to deliver. What waits already for the same place takes this one along: a flood of cases is one message."""
    same = Alert.objects.filter(channel=channel, level=level, duty__isnull=duty is None)
    waiting = same.filter(sent_at__isnull=True, created_at__gt=now - TOGETHER).first()
    if waiting is not None:
        waiting.text = waiting.text[:4000] + "\n" + text if waiting.text.count("\n") < 20 else waiting.text
        waiting.save(update_fields=["text"])
    # A merged one is a row of its own all the same, so that its case knows its level; it counts as sent with the other.
    return Alert.objects.create(
        case=case, channel=channel, level=level, members=names, text=text, created_at=now, not_before=now, duty=duty,
        sent_at=now if waiting is not None else None,
    )  # fmt: skip


def payload(kind: str, text: str, case: int | None, level: int, url: str, *, duty: bool = False) -> dict[str, Any]:
    """The JSON body for a kind of channel.

    Slack and Mattermost incoming webhooks take ``text``; Matrix (client-server API, m.room.message) takes ``msgtype`` and
    ``body``; our own webhook says everything apart. A test has no case.
    """
    line = f"{text}\n{url}" if url else text
    if kind in {"slack", "mattermost"}:
        return {"text": line}
    if kind == "matrix":
        return {"msgtype": "m.text", "body": line}
    what = "authority_duty_past_due" if duty else "unclaimed_critical_case" if case is not None else "test"
    return {"kind": what, "case": case, "level": level, "text": text, "url": url}


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


def drop(*, now: datetime, why: str) -> int:
    """What waits is never delivered, and says why. Returns how many."""
    waiting = Alert.objects.filter(sent_at__isnull=True, not_before__lte=now)
    return waiting.update(problem=why, not_before=now + NEVER)


def of_case(case: int, most: int = 50) -> list[Alert]:
    """Who was alerted of a case, where and when; the newest first."""
    return list(Alert.objects.filter(case=case).select_related("channel", "channel__team").order_by("-created_at", "-pk")[:most])
