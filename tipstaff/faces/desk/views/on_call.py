"""On call: teams, who has the watch now and next, and the channels that alerts go by. Everybody reads; leads and admins set."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from tipstaff.accounts.access import may
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import on_call
from tipstaff.cases.models import AlertChannel, Shift, Team
from tipstaff.faces.desk import weeks
from tipstaff.faces.desk.access import WORKERS, DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.pipeline import alerting
from tipstaff.policy.categories import CATEGORIES

AHEAD = timedelta(days=60)
MOST = 200  # shifts of a team that are listed
KINDS = {
    "mail": "Mail", "webhook": "Webhook", "slack": "Slack", "mattermost": "Mattermost", "matrix": "Matrix",
}  # fmt: skip


def _midnight(now: datetime) -> datetime:
    return now.astimezone(timezone.get_current_timezone()).replace(hour=0, minute=0, second=0, microsecond=0)


def _around(team: Team, now: datetime) -> dict[str, Any]:
    """A team with its strip, who is on call now, who is next."""
    rows = Shift.objects.filter(team=team, until_at__gt=now - timedelta(days=1), from_at__lt=now + AHEAD)
    shifts = list(rows.select_related("member").order_by("from_at", "level", "pk")[:MOST])
    return {
        "team": team,
        "shifts": [one for one in shifts if one.until_at > now],
        "week": weeks.week(shifts, _midnight(now), now),
        "on": [one for one in shifts if one.from_at <= now < one.until_at and one.member.is_active],
        "next": next((one for one in shifts if one.from_at > now), None),
        "channels": list(AlertChannel.objects.filter(team=team, ended_at__isnull=True).order_by("level", "pk")),
    }


def _teams() -> Any:
    return Team.objects.filter(ended_at__isnull=True).prefetch_related("members").order_by("order", "name")


def _people() -> list[StaffMember]:
    return list(StaffMember.objects.filter(is_active=True, roles__overlap=list(WORKERS)).order_by("username"))


def _base(request: DeskRequest, now: datetime) -> dict[str, Any]:
    return {
        "screen": "settings", "now": now, "tab": "on-call", "people": _people(), "categories": CATEGORIES.values(), "kinds": KINDS,
        "may_set": may(request.user, "change settings"),
    }  # fmt: skip


@desk()
def teams(request: DeskRequest) -> HttpResponse:
    now = clock_now()
    if request.method == "POST":
        _only_leads(request)
        made = on_call.set_team(**_team_of(request), by=request.user.get_username(), now=now)
        return redirect(f"/settings/on-call/{made.pk}/")
    return page(request, "desk/settings_on_call.html", {**_base(request, now), "rows": [_around(one, now) for one in _teams()]})


@desk()
def team(request: DeskRequest, number: int) -> HttpResponse:
    now = clock_now()
    found = _teams().filter(pk=number).first()
    if found is None:
        raise NotFound(f"There is no team {number}.")
    context = {**_base(request, now), "row": _around(found, now), "midnight": _midnight(now)}
    return page(request, "desk/settings_team.html", context)


@desk()
@require_POST
def act(request: DeskRequest, number: int, action: str) -> HttpResponse:
    """One change to a team, a shift or a channel, or a test."""
    _only_leads(request)
    step = ACTS.get(action)
    if step is None:
        raise NotFound(f"There is no step {action!r}.")
    step(request, number, {"by": request.user.get_username(), "now": clock_now()})
    return redirect("/settings/on-call/" if action == "end" else f"/settings/on-call/{number}/")


def _only_leads(request: DeskRequest) -> None:
    if not may(request.user, "change settings"):
        raise Refused("Who is on call is set by a lead or an administrator; ask one of them.")


def _number(request: DeskRequest, name: str, default: int | None = None) -> int:
    text = request.POST.get(name, "").strip()
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(Problem(name.capitalize(), f"{text[:40]!r} is no number", "a whole number"))
    return int(text)


def _optional(request: DeskRequest, name: str) -> int | None:
    return _number(request, name) if request.POST.get(name, "").strip() else None


def _moment(request: DeskRequest, name: str) -> datetime:
    """A moment as a browser's input gives it, in the viewer's zone."""
    text = request.POST.get(name, "").strip()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(Problem(name.replace("_", " ").capitalize(), f"{text[:40]!r} is no time", "2026-06-14T18:00")) from None
    return at if at.tzinfo else at.replace(tzinfo=timezone.get_current_timezone())


def _team_of(request: DeskRequest) -> dict[str, Any]:
    given = request.POST
    members = [int(one) for one in given.getlist("members") if one.isascii() and one.isdigit() and len(one) < 10]
    return {
        "name": given.get("name", "")[:80], "members": members, "brands": given.get("brands", "").split(","),
        "categories": given.getlist("categories"), "order": _number(request, "order", 0),
    }  # fmt: skip


def _change(request: DeskRequest, number: int, who: dict[str, Any]) -> None:
    found = on_call.set_team(team=number, **_team_of(request), **who)
    messages.success(request, f"{found.name}: kept.")


def _end(request: DeskRequest, number: int, who: dict[str, Any]) -> None:
    found = on_call.end_team(team=number, **who)
    messages.success(request, f"{found.name} is asked no more.")


def _shift(request: DeskRequest, number: int, who: dict[str, Any]) -> None:
    on_call.set_shift(
        team=number, member=_number(request, "member"), level=_number(request, "level", 1), weeks=_number(request, "weeks", 1),
        from_at=_moment(request, "from_at"), until_at=_moment(request, "until_at"), shift=_optional(request, "shift"), **who,
    )  # fmt: skip
    messages.success(request, "The shift is kept.")


def _end_shift(request: DeskRequest, number: int, who: dict[str, Any]) -> None:
    on_call.end_shift(shift=_in_team(Shift, number, _number(request, "shift")), **who)
    messages.success(request, "The shift has ended.")


def _channel(request: DeskRequest, number: int, who: dict[str, Any]) -> None:
    given, known = request.POST, _optional(request, "channel")
    if known is not None:
        _in_team(AlertChannel, number, known)
    on_call.set_channel(
        team=number, kind=given.get("kind", ""), address=given.get("address", "")[:500], secret=given.get("variable", "")[:80],
        typed=given.get("typed", "")[:2000], forget="forget" in given, level=_number(request, "level", 1),
        name=given.get("name", ""), channel=known, **who,
    )  # fmt: skip
    messages.success(request, "The channel is kept. Test it, so that the first alert is not the test.")


def _end_channel(request: DeskRequest, number: int, who: dict[str, Any]) -> None:
    on_call.end_channel(channel=_in_team(AlertChannel, number, _number(request, "channel")), **who)
    messages.success(request, "Nothing goes there any more.")


def _test(request: DeskRequest, number: int, who: dict[str, Any]) -> None:
    channel = AlertChannel.objects.get(pk=_in_team(AlertChannel, number, _number(request, "channel")))
    on_call.begin_test(channel=channel.pk, **who)
    problem = alerting.try_out(channel=channel, secret=settings.CREDENTIAL, **who)
    on_call.tested(channel=channel.pk, problem=problem, **who)
    if problem:
        messages.error(request, f"The test did not arrive: {problem}.")
    elif channel.kind == "mail":
        messages.success(request, "The test is in the outbox, and goes out where sending is on.")
    else:
        messages.success(request, "The test arrived.")


def _in_team(model: type[Shift] | type[AlertChannel], team: int, number: int) -> int:
    if not model.objects.filter(pk=number, team=team, team__ended_at__isnull=True).exists():
        raise NotFound(f"There is no number {number} in this team.")
    return number


ACTS: dict[str, Callable[[DeskRequest, int, dict[str, Any]], None]] = {
    "change": _change, "end": _end, "shift": _shift, "end-shift": _end_shift, "channel": _channel, "end-channel": _end_channel,
    "test": _test,
}  # fmt: skip
