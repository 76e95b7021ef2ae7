"""The operator's rules, tried in order; and the risks that are lived with."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.views.intake import found_customer
from tipstaff.intake.models import Source
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.kernel.text import whole
from tipstaff.pipeline import rehearsal
from tipstaff.policy.categories import CATEGORIES
from tipstaff.reports import ruling
from tipstaff.reports.models import AcceptedRisk, Rule

ACTIONS = {
    "record_only": "Record only",
    "digest": "Daily digest",
    "open_case": "Open a case",
    "ask_person": "Ask a person",
    "hold": "Hold",
}
LISTS = ("source", "format", "category", "report_type", "customer_class", "protected_class", "prefix")
NUMBERS = ("trust_at_least", "trust_below", "at_least", "fewer_than", "days")
WORDS = {
    "source": "source",
    "format": "format",
    "category": "kind",
    "report_type": "type",
    "customer_class": "class of customer",
    "protected_class": "protected class",
    "prefix": "inside",
    "port": "port",
    "trust_at_least": "trust at least",
    "trust_below": "trust below",
    "at_least": "at least",
    "fewer_than": "fewer than",
    "days": "in days",
    "customer": "customer",
}


def said(conditions: dict[str, Any]) -> str:
    """A rule's conditions as a sentence."""
    parts = []
    for name, value in conditions.items():
        if name == "days":
            continue
        text = " or ".join(
            str(CATEGORIES[item].title if name == "category" and item in CATEGORIES else item) for item in _many(value)
        )
        counted = f" events in {conditions.get('days')} days" if name in {"at_least", "fewer_than"} else ""
        parts.append(f"{WORDS.get(name, name)} {text}{counted}")
    return ", ".join(parts)


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


@desk()
def rules(request: DeskRequest) -> HttpResponse:
    now = clock_now()
    rows = [
        {"rule": rule, "said": said(rule.conditions), "action": ACTIONS.get(rule.action, rule.action)}
        for rule in Rule.objects.all()
    ]
    risks = AcceptedRisk.objects.filter(expires_at__gt=now).count()
    return page(request, "desk/rules.html", {"screen": "rules", "now": now, "rows": rows, "risk_count": risks, "tab": "rules"})


@desk()
def edit(request: DeskRequest, number: int | None = None) -> HttpResponse:
    """One rule: name, conditions, what becomes of the event, and the replay."""
    rule, now = _rule(number) if number else None, clock_now()
    context: dict[str, Any] = {
        "screen": "rules",
        "now": now,
        "rule": rule,
        "actions": ACTIONS,
        "categories": CATEGORIES.values(),
        "sources": Source.objects.order_by("name"),
        "given": _given(rule),
    }
    if request.method != "POST":
        return page(request, "desk/rule.html", context)
    try:
        kept = ruling.keep_rule(
            rule=rule,
            name=request.POST.get("name", ""),
            action=request.POST.get("action", ""),
            conditions=conditions(request),
            by=request.user.get_username(),
            now=now,
        )
    except InputError as error:
        context |= {"problems": error.problems, "given": request.POST.dict() | {"category": request.POST.getlist("category")}}
        return page(request, "desk/rule.html", context, status=422)
    if request.POST.get("then") == "replay":
        rehearsal.replay(rule=kept, now=now)
    return redirect(f"/rules/{kept.pk}/")


def _given(rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {"action": "record_only"}
    given = {name: ", ".join(str(item) for item in _many(value)) for name, value in rule.conditions.items() if name != "category"}
    return given | {"name": rule.name, "action": rule.action, "category": _many(rule.conditions.get("category", []))}


def conditions(request: DeskRequest) -> dict[str, Any]:
    """The conditions of a form; InputError for a number that is none."""
    found: dict[str, Any] = {}
    problems = []
    for name in LISTS:
        typed = ",".join(request.POST.getlist(name))
        values = [text.strip() for text in typed.replace("\n", ",").split(",") if text.strip()]
        if values:
            found[name] = values
    for name in NUMBERS:
        text = request.POST.get(name, "").strip()
        if text:
            number = whole(text.removeprefix("-"), 9)
            if number is None:
                problems.append(Problem(WORDS[name].capitalize(), f"{text[:40]!r} is not a whole number"))
            else:
                found[name] = -number if text.startswith("-") else number
    ports = [text.strip() for text in request.POST.get("port", "").split(",") if text.strip()]
    numbers = [number for text in ports if (number := whole(text, 5)) is not None and number < 65536]
    if len(numbers) < len(ports):
        problems.append(Problem("Port", f"{', '.join(ports)[:80]!r}", "numbers from 0 to 65535, with commas"))
    elif numbers:
        found["port"] = numbers
    if problems:
        raise InputError(problems)
    return found


def _rule(number: int) -> Rule:
    rule = Rule.objects.filter(pk=number).first()
    if rule is None:
        raise NotFound(f"There is no rule {number}.")
    return rule


@desk()
@require_POST
def act(request: DeskRequest, number: int, action: str) -> HttpResponse:
    """Replay, switch on or off, move, remove."""
    rule, now, by = _rule(number), clock_now(), request.user.get_username()
    if action == "replay":
        rehearsal.replay(rule=rule, now=now)
        return redirect(f"/rules/{rule.pk}/")
    if action in {"on", "off"}:
        ruling.switch(rule=rule, on=action == "on", by=by, now=now)
        messages.success(request, f"“{rule.name}” is {action}.")
    elif action in {"up", "down"}:
        ruling.reorder(rule=rule, up=action == "up", by=by, now=now)
    elif action == "drop":
        ruling.drop(rule=rule, by=by, now=now)
    else:
        raise NotFound(f"There is no step {action!r}.")
    return redirect("/rules/")


@desk()
def risks(request: DeskRequest) -> HttpResponse:
    """Accepted risks: what is lived with, for whom, until when."""
    now = clock_now()
    context: dict[str, Any] = {"screen": "rules", "now": now, "tab": "risks", "categories": CATEGORIES.values(), "given": {}}
    if request.method == "POST":
        try:
            _accept(request, now)
            return redirect("/rules/risks/")
        except InputError as error:
            context |= {"problems": error.problems, "given": request.POST}
    context["rows"] = AcceptedRisk.objects.select_related("customer").order_by("-expires_at")[:200]
    context["risk_count"] = sum(row.expires_at > now for row in context["rows"])
    return page(request, "desk/risks.html", context, status=422 if "problems" in context else 200)


def _accept(request: DeskRequest, now: datetime) -> None:
    given = request.POST
    customer = found_customer(given["customer"], now) if given.get("customer", "").strip() else None
    try:
        until = datetime.fromisoformat(given.get("until", "")).replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError(Problem("Until", f"{given.get('until', '')!r} is no day", "such as 2026-12-31")) from error
    typed = given.get("port", "").strip()
    port = whole(typed, 5)
    if typed and (port is None or port > 65535):
        raise InputError(Problem("Port", f"{typed[:40]!r} is no port", "a number up to 65535"))
    ruling.accept_risk(
        reason=given.get("reason", ""),
        expires_at=until,
        by=request.user.get_username(),
        now=now,
        customer=customer,
        prefix=given.get("prefix", "").strip(),
        category=given.get("category", ""),
        report_type=given.get("report_type", "").strip(),
        port=port,
    )


@desk()
@require_POST
def end_risk(request: DeskRequest, number: int) -> HttpResponse:
    risk = AcceptedRisk.objects.filter(pk=number).first()
    if risk is None:
        raise NotFound(f"There is no accepted risk {number}.")
    ruling.end_risk(risk=risk, by=request.user.get_username(), now=clock_now())
    return redirect("/rules/risks/")
