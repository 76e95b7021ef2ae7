"""Restricting and restoring a service: asked by one, approved by another, narrow before wide, never without a way back."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import effects, keeping, measures, people, resolution, stating, suggesting
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Approval, Case, Measure, Proof
from tipstaff.cases.states import Event
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import ladder
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Role, Step

SCOPES = ("url", "site", "port", "machine", "service")
KINDS = {
    "url_block": ("url",), "park": ("site",), "port_block": ("port",), "block": ("machine",), "walled_garden": ("machine",
         "service"),
    "suspend": ("machine", "service"), "work_order": SCOPES,
}  # fmt: skip
SHORTEST, LONGEST = timedelta(hours=1), timedelta(hours=24)


def _checked(case: Case, kind: str, scope: str, target: str, reason: str) -> Step:
    problems = []
    if kind not in KINDS:
        problems.append(Problem("kind", f"{kind!r} is no restriction", f"one of {', '.join(KINDS)}"))
    elif scope not in KINDS[kind]:
        problems.append(Problem("scope", f"{scope!r} does not go with {kind}", f"one of {', '.join(KINDS[kind])}"))
    if not target.strip():
        problems.append(Problem("target", "is missing", "a URL, a host, 'ADDRESS tcp/PORT', an address, or a service"))
    if not reason.strip():
        problems.append(Problem("reason", "is missing", "a restriction needs its reason"))
    if problems:
        raise InputError(problems)
    step = ladder.step_for(policy.compiled(case.edition), kind)
    if step is None:
        raise Refused(f"the policy of this case knows no {kind}")
    return step


@transaction.atomic
def propose(
    *, case: int, kind: str, scope: str, target: str, reason: str, by: str, now: datetime, discretion: bool = False
) -> Approval:
    """Ask for a restriction; somebody else approves. ``discretion``: a lead's, called so on the record (A13).

    Before the customer's time is over only by who may act at once in the category (K2). Refused where the table bars it.
    """
    found = locked(case)
    step = _checked(found, kind, scope, target, reason)
    kind_of = policy.compiled(found.edition).categories[found.category]
    people.require(by, Role.LEAD if discretion else Role.ANALYST)
    proven = Proof.objects.filter(case=found, withdrawn_at__isnull=True).exists()
    early = found.resolve_due_at is not None and found.resolve_due_at > now and not proven
    at_once = early and people.may(by, kind_of.immediate)
    ruling = None
    if discretion:
        ruling = resolution.rule(case=case, kind="discretion", reason=reason, by=by, now=now, role=Role.LEAD).pk
    given: dict[str, Any] = {"immediate": at_once, "discretion": discretion}
    outcome = advance(Act(case, Event.RESTRICTION_ASKED, reason.strip(), given=given), by=by, now=now)
    assert outcome.decision is not None
    narrower = suggesting.suggestion(found, outcome.facts, suggesting.latest([found.pk]).get(found.pk))
    triggers = set(Proof.objects.filter(case=found, withdrawn_at__isnull=True).values_list("trigger", flat=True))
    row = Approval.objects.create(
        case=found, what="restrict", reason=reason.strip(), requested_by=by, requested_at=now,
        role=step.approval_whole_service if scope == "service" else step.approval,
        detail={"kind": kind, "scope": scope, "target": target.strip(), "step": step.code, "clause": step.clause,
                "triggers": sorted(triggers), "immediate": at_once, "discretion": ruling,
                "narrowest": f"{narrower.kind} {narrower.target}"},
    )  # fmt: skip
    wide = SCOPES.index(scope) > SCOPES.index(narrower.scope)
    text = f"asks for {kind} of {target.strip()}: {reason.strip()}" + (
        f"; narrower would be {narrower.kind} {narrower.target}" if wide else ""
    )
    journal(case=found, kind="measure", text=text, by=by, now=now, approval=row.pk)
    record(by=by, action="case.restriction_asked", subject=f"case:{case}", reason=reason.strip(), now=now, approval=row.pk)
    return row


def _open(number: int, what: str) -> Approval:
    row = Approval.objects.select_for_update().filter(pk=number, what=what).first()
    if row is None:
        raise NotFound(f"there is no request {number}")
    if row.refused_at is not None:
        raise Refused(f"that request was refused or withdrawn by {row.refused_by}")
    if row.approved_at is not None:
        raise Refused(f"{row.approved_by} has approved that already")
    return row


@transaction.atomic
def approve(*, approval: int, by: str, now: datetime) -> Measure | None:
    """A second person agrees. The measure, or None while the final warning still runs."""
    case = Approval.objects.filter(pk=approval).values_list("case_id", flat=True).first()
    if case is None:
        raise NotFound(f"there is no request {approval}")
    found = locked(case)
    row = _open(approval, "restrict")
    people.require_person(by, Role(row.role))
    if row.requested_by == by:
        raise Refused("nobody approves his own action")
    row.approved_by, row.approved_at = by, now
    row.save(update_fields=["approved_by", "approved_at"])
    record(by=by, action="case.restriction_approved", subject=f"case:{case}", now=now, approval=row.pk)
    given = {"approved": True, "immediate": bool(row.detail.get("immediate"))}
    advance(Act(found.pk, Event.RESTRICTION_APPROVED, row.reason, given=given, detail={"approval": row.pk}), by=by, now=now)
    row.refresh_from_db()
    return Measure.objects.filter(pk=row.detail.get("measure")).first()


@transaction.atomic
def refuse(*, approval: int, reason: str, by: str, now: datetime) -> Approval:
    """Somebody does not agree, with the reason."""
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "say why not"))
    people.require(by, Role.ANALYST)
    row = _open(approval, "restrict")
    row.refused_by, row.refused_at = by, now
    row.save(update_fields=["refused_by", "refused_at"])
    journal(
        case=locked(row.case_id),
        kind="measure",
        text=f"does not agree to {row.detail.get('kind')}: {reason.strip()}",
        by=by,
        now=now,
    )
    return row


@transaction.atomic
def emergency(*, case: int, kind: str, scope: str, target: str, reason: str, by: str, now: datetime, hours: int = 4) -> Measure:
    """Block a live attack at once, narrowly; it ends by itself unless a second person confirms, and the customer is told why."""
    found = locked(case)
    step = _checked(found, kind, scope, target, reason)
    edition = policy.compiled(found.edition)
    people.require(by, edition.categories[found.category].immediate)
    if scope == "service":
        raise Refused("an emergency block is narrow: a URL, a site, a port or a machine")
    lasts = timedelta(hours=hours)
    if not SHORTEST <= lasts <= min(LONGEST, edition.timers.emergency_block):
        raise InputError(Problem("hours", f"{hours} is out of range", f"1 to {edition.timers.emergency_block // SHORTEST}"))
    until = {"emergency": now + lasts}
    done = advance(Act(case, Event.EMERGENCY, reason.strip(), until=until, detail={"target": target.strip()}), by=by, now=now)
    keeping.before_cut(found, edition.categories[found.category], now=now)
    measure = Measure.objects.create(
        case=found, service_id=found.service_id, kind=kind, scope=scope, target=target.strip(), step=step.code, clause=step.clause,
        reason=reason.strip(), decided_by=by, decided_at=now, expires_at=now + lasts, emergency=True,
    )  # fmt: skip
    text = f"emergency block: {kind} of {measure.target} until {measure.expires_at:%Y-%m-%d %H:%M} UTC: {measure.reason}"
    journal(case=found, kind="measure", text=text, by=by, now=now, internal=False, measure=measure.pk)
    stating.owe(found, done.facts.lacking, by=by, now=now)
    record(by=by, action="case.emergency_block", subject=f"case:{case}", reason=reason.strip(), now=now, measure=measure.pk)
    return measure


@transaction.atomic
def confirm_emergency(*, measure: int, reason: str, by: str, now: datetime) -> Measure:
    """A second person confirms: the block stays until the service is restored."""
    row = Measure.objects.select_for_update().filter(pk=measure, emergency=True).first()
    if row is None:
        raise NotFound(f"there is no emergency block {measure}")
    if row.state not in effects.OPEN_MEASURES or row.confirmed_by:
        raise Refused(f"that block is {row.state}" + (f", confirmed by {row.confirmed_by}" if row.confirmed_by else ""))
    people.require_person(by, Role.ANALYST)
    if row.decided_by == by:
        raise Refused("nobody confirms his own emergency block")
    row.confirmed_by, row.confirmed_at, row.expires_at = by, now, now + effects.RESTRICTION_LASTS
    row.save(update_fields=["confirmed_by", "confirmed_at", "expires_at"])
    advance(Act(row.case_id, Event.EMERGENCY_CONFIRMED, reason.strip(), detail={"measure": row.pk}), by=by, now=now)
    return row


@transaction.atomic
def restore(*, case: int, reason: str, by: str, now: datetime) -> Case:
    """The customer has been in touch and the fix is verified: every measure is lifted; RECONNECTED once that is done."""
    people.require(by, Role.ANALYST)
    advance(Act(case, Event.RESTORE_APPROVED, reason.strip()), by=by, now=now)
    record(by=by, action="case.restore", subject=f"case:{case}", reason=reason.strip(), now=now)
    measures.settle(case=case, by=by, now=now)
    return Case.objects.get(pk=case)


@transaction.atomic
def lift(*, measure: int, reason: str, by: str, now: datetime) -> Measure:
    """Lift one measure, whatever the table says; a lead's act, with the reason."""
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "say why it is lifted"))
    people.require(by, Role.LEAD)
    row = Measure.objects.filter(pk=measure).first()
    if row is None:
        raise NotFound(f"there is no measure {measure}")
    found = locked(row.case_id)
    if not effects.lift(Measure.objects.filter(pk=measure, state__in=effects.OPEN_MEASURES), reason.strip(), by, now):
        raise Refused(f"that measure is {row.state}")
    journal(case=found, kind="measure", text=f"lifts {row.kind} of {row.target}: {reason.strip()}", by=by, now=now, measure=row.pk)
    record(by=by, action="case.lift", subject=f"case:{row.case_id}", reason=reason.strip(), now=now, measure=row.pk)
    measures.settle(case=row.case_id, by=by, now=now)
    return Measure.objects.get(pk=measure)
