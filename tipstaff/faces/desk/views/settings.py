"""Settings: sources with their health, staff, editions, keywords, reporter profiles. Read, and the simple edits."""

from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from tipstaff.accounts.access import may
from tipstaff.accounts.models import OneTimeCodes, Passkey, StaffMember
from tipstaff.accounts.queries import freshness
from tipstaff.accounts.services import expect_word
from tipstaff.audit.services import record
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.intake import queries as intake
from tipstaff.intake.models import Keyword, ReporterProfile
from tipstaff.intake.sources import services
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.kernel.text import whole
from tipstaff.policy import queries as policy
from tipstaff.policy.categories import CATEGORIES

MOST_MINUTES = 60 * 24 * 60


def _only_leads(request: DeskRequest) -> None:
    if not may(request.user, "change settings"):
        raise Refused("Settings are changed by a lead or an administrator; ask one of them.")


@desk()
def sources(request: DeskRequest) -> HttpResponse:
    now = clock_now()
    if request.method == "POST":
        _only_leads(request)
        if "inventory" in request.POST:
            _expect_word(request, now)
        else:
            _change_source(request, now)
        return redirect("/settings/")
    midnight = now.astimezone(timezone.get_current_timezone()).replace(hour=0, minute=0, second=0, microsecond=0)
    context = {"screen": "settings", "now": now, "tab": "sources", "rows": intake.health(now=now, midnight=midnight),
               "inventory": freshness(now)}  # fmt: skip
    return page(request, "desk/settings_sources.html", context)


def _expect_word(request: DeskRequest, now: Any) -> None:
    """Say how old the word of an inventory's source may become."""
    typed = request.POST.get("hours", "").strip()
    hours = whole(typed, 5)
    if typed and not hours:
        raise InputError(Problem("Late after", f"{typed[:40]!r} hours", "a whole number of hours, or nothing"))
    within = timedelta(hours=hours) if hours else None
    expect_word(name=request.POST["inventory"], within=within, by=request.user.get_username(), now=now)


def _change_source(request: DeskRequest, now: Any) -> None:
    """Switch a source on or off, and say after which silence it is an alarm."""
    typed = request.POST.get("minutes", "").strip()
    minutes = whole(typed, 9)
    if typed and not (minutes and minutes <= MOST_MINUTES):
        raise InputError(Problem("Expected every", f"{typed[:40]!r} minutes", "a whole number of minutes, or nothing"))
    source = services.watch(
        source=whole(request.POST.get("source", "")) or 0, enabled="enabled" in request.POST,
        expected_every=timedelta(minutes=minutes) if minutes else None, by=request.user.get_username(), now=now,
    )  # fmt: skip
    messages.success(request, f"{source.name}: kept.")


@desk()
def staff(request: DeskRequest) -> HttpResponse:
    factor = Exists(Passkey.objects.filter(staff=OuterRef("pk"))) | Exists(
        OneTimeCodes.objects.filter(staff=OuterRef("pk"), confirmed_at__isnull=False)
    )
    rows = StaffMember.objects.annotate(factor=factor).order_by("-is_active", "username")
    return page(request, "desk/settings_staff.html", {"screen": "settings", "tab": "staff", "rows": rows})


@desk()
def editions(request: DeskRequest) -> HttpResponse:
    now = clock_now()
    rows = policy.editions()
    current = policy.stored_in_force("", now)
    context = {"screen": "settings", "now": now, "tab": "editions", "rows": rows, "current": current.pk if current else None,
               "reviews": may(request.user, "publish policy")}  # fmt: skip
    return page(request, "desk/settings_editions.html", context)


@desk()
def keywords(request: DeskRequest) -> HttpResponse:
    """The operator's own words for a kind, beside the packaged vocabulary."""
    now = clock_now()
    if request.method == "POST":
        _change_keyword(request, now)
        return redirect("/settings/keywords/")
    context = {"screen": "settings", "now": now, "tab": "keywords", "categories": CATEGORIES.values(),
               "rows": Keyword.objects.order_by("category", "language", "text")[:1000]}  # fmt: skip
    return page(request, "desk/settings_keywords.html", context)


def _change_keyword(request: DeskRequest, now: Any) -> None:
    given, by = request.POST, request.user.get_username()
    if given.get("remove"):
        Keyword.objects.filter(pk=given["remove"]).delete()
        record(by=by, action="keyword.drop", subject=f"keyword:{given['remove']}", now=now)
        return
    text, language, category = given.get("text", "").strip().lower(), given.get("language", "").strip(), given.get("category", "")
    problems = []
    if len(text) < 3:
        problems.append(Problem("Word", f"{text!r} is too short", "at least three letters"))
    if len(language) != 2:
        problems.append(Problem("Language", f"{language!r}", "two letters, such as en or de"))
    if category not in CATEGORIES:
        problems.append(Problem("Kind", f"{category!r} is not known", "choose one of the list"))
    if problems:
        raise InputError(problems)
    kept, _ = Keyword.objects.update_or_create(
        language=language, text=text, category=category, defaults={"enabled": "off" not in given, "by": by, "at": now}
    )
    record(by=by, action="keyword.write", subject=f"keyword:{kept.pk}", now=now)


@desk()
def profiles(request: DeskRequest) -> HttpResponse:
    """What we know of reporters' habits; an entry here goes before the packaged one."""
    now = clock_now()
    if request.method == "POST":
        _change_profile(request, now)
        return redirect("/settings/profiles/")
    context = {"screen": "settings", "now": now, "tab": "profiles", "categories": CATEGORIES.values(),
               "rows": ReporterProfile.objects.order_by("domain")[:1000]}  # fmt: skip
    return page(request, "desk/settings_profiles.html", context)


def _change_profile(request: DeskRequest, now: Any) -> None:
    given, by = request.POST, request.user.get_username()
    if given.get("remove"):
        ReporterProfile.objects.filter(pk=given["remove"]).delete()
        return
    domain, zone = given.get("domain", "").strip().lower(), given.get("timezone", "").strip()
    if "." not in domain or " " in domain:
        raise InputError(Problem("Domain", f"{domain!r} is none", "such as reports.example.org"))
    if zone and zone not in available_timezones():
        raise InputError(Problem("Time zone", f"{zone!r} is not known", "such as Europe/Berlin"))
    category = given.get("category", "")
    if category and category not in CATEGORIES:
        raise InputError(Problem("Kind", f"{category!r} is not known", "choose one of the list"))
    kept, _ = ReporterProfile.objects.update_or_create(
        domain=domain, defaults={"category": category, "timezone": zone, "by": by, "at": now}
    )
    record(by=by, action="profile.write", subject=f"profile:{kept.pk}", now=now)
