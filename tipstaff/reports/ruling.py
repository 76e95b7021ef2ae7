"""Writing the operator's rules and the accepted risks. A rule is switched on only as it was replayed."""

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from django.db import transaction
from django.db.models import Max

from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.reports.models import AcceptedRisk, Rule
from tipstaff.reports.rules import parse_rule


@transaction.atomic
def keep_rule(*, rule: Rule | None, name: str, action: str, conditions: Mapping[str, Any], by: str, now: datetime) -> Rule:
    """Write a rule, new ones last. A changed rule is switched off until it is replayed again. InputError names problems."""
    if not name.strip():
        raise InputError(Problem("Name", "is empty", "say what the rule does"))
    if not conditions:
        raise InputError(Problem("Conditions", "there is none", "a rule without a condition would take every event"))
    parse_rule(name, action, conditions)
    if rule is None:
        last = Rule.objects.aggregate(last=Max("position"))["last"] or 0
        rule = Rule(position=last + 1, by=by, at=now)
    elif (rule.action, rule.conditions) == (action, dict(conditions)):
        Rule.objects.filter(pk=rule.pk).update(name=name.strip(), by=by, at=now)
        return Rule.objects.get(pk=rule.pk)
    rule.name, rule.action, rule.conditions, rule.by, rule.at = name.strip(), action, dict(conditions), by, now
    rule.enabled, rule.replay, rule.replayed_at = False, None, None
    rule.save()
    record(by=by, action="rule.write", subject=f"rule:{rule.pk}", now=now, name=rule.name, conditions=rule.conditions)
    return rule


@transaction.atomic
def switch(*, rule: Rule, on: bool, by: str, now: datetime) -> None:
    """Refused while the rule, as it stands, was not replayed on past events."""
    held = Rule.objects.select_for_update().get(pk=rule.pk)
    if on and held.replay is None:
        raise Refused("Replay the rule first: it says what it would have done with the last 30 days.")
    held.enabled = on
    held.save(update_fields=["enabled"])
    record(by=by, action="rule.on" if on else "rule.off", subject=f"rule:{rule.pk}", now=now)


@transaction.atomic
def reorder(*, rule: Rule, up: bool, by: str, now: datetime) -> None:
    """One place up or down; the first rule that fits decides, so replays made in the old order are void."""
    rules = list(Rule.objects.select_for_update().order_by("position", "id"))
    place = next(number for number, row in enumerate(rules) if row.pk == rule.pk)
    other = place + (-1 if up else 1)
    if not 0 <= other < len(rules):
        return
    rules[place], rules[other] = rules[other], rules[place]
    for position, row in enumerate(rules, 1):
        if row.position != position:
            Rule.objects.filter(pk=row.pk).update(position=position)
    record(by=by, action="rule.move", subject=f"rule:{rule.pk}", now=now, position=other + 1)


@transaction.atomic
def drop(*, rule: Rule, by: str, now: datetime) -> None:
    if rule.enabled:
        raise Refused("Switch the rule off before removing it.")
    record(by=by, action="rule.drop", subject=f"rule:{rule.pk}", now=now, name=rule.name, conditions=rule.conditions)
    rule.delete()


@transaction.atomic
def accept_risk(
    *, reason: str, expires_at: datetime, by: str, now: datetime, customer: int | None = None, prefix: str = "",
    category: str = "", report_type: str = "", port: int | None = None,
) -> AcceptedRisk:  # fmt: skip
    """Live with a finding: scope, reason and an end are required."""
    problems = []
    if not reason.strip():
        problems.append(Problem("Reason", "is empty", "say why this is accepted"))
    if expires_at <= now:
        problems.append(Problem("Until", "is in the past", "choose a day to come"))
    if not (category or report_type):
        problems.append(Problem("Finding", "no kind and no report type", "say which finding is accepted"))
    if not (customer or prefix):
        problems.append(Problem("Scope", "is everybody", "name a customer or a prefix"))
    if prefix:
        try:
            ip_network(prefix)
        except ValueError as error:
            problems.append(Problem("Prefix", str(error), "such as 192.0.2.0/24"))
    if problems:
        raise InputError(problems)
    risk = AcceptedRisk.objects.create(
        customer_id=customer, prefix=prefix, category=category, report_type=report_type, port=port, reason=reason.strip(), by=by,
        at=now, expires_at=expires_at,
    )  # fmt: skip
    record(by=by, action="risk.accept", subject=f"risk:{risk.pk}", reason=risk.reason, now=now)
    return risk


@transaction.atomic
def end_risk(*, risk: AcceptedRisk, by: str, now: datetime) -> None:
    """The finding counts again from now on."""
    AcceptedRisk.objects.filter(pk=risk.pk, expires_at__gt=now).update(expires_at=now)
    record(by=by, action="risk.end", subject=f"risk:{risk.pk}", now=now)
