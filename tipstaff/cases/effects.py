"""What a rule does beside the new state, written as rows in the same transaction. One function for each ``states.Effect``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet

from tipstaff.cases import alerts, facts, keeping, refusals, suggesting, timing, writing, wrong
from tipstaff.cases.facts import MILD, Facts
from tipstaff.cases.journal import journal
from tipstaff.cases.lifecycle import Decision
from tipstaff.cases.models import Approval, Case, CaseReport, Measure, Retest, Strike
from tipstaff.cases.states import PAUSABLE, Effect
from tipstaff.policy import ladder
from tipstaff.policy.edition import Role
from tipstaff.reports.models import Reporter

OPEN_MEASURES = ("decided", "ordered", "in_force")
RESTRICTION_LASTS = timedelta(days=365)  # every order has an end; a person renews what must stay longer


@dataclass(frozen=True, slots=True)
class Given:
    """What an effect works on."""

    case: Case
    decision: Decision
    facts: Facts
    words: str
    by: str
    now: datetime


def carry_out(work: Sequence[Given]) -> None:
    """Every effect of every decision, rule by rule: what many cases come to in one moment is written in a few statements."""
    by_rule: dict[int, list[Given]] = {}
    for given in work:
        by_rule.setdefault(id(given.decision.rule), []).append(given)
    for together in by_rule.values():
        for effect in together[0].decision.rule.effects:
            if effect in TOGETHER:
                TOGETHER[effect](together)
            elif effect in EACH:
                for given in together:
                    EACH[effect](given)


def lift_all(work: Sequence[Given]) -> None:
    """What stands is asked to be lifted; what was only decided never comes to stand."""
    whole = [given for given in work if not given.facts.about_measure]
    if whole:
        standing = Measure.objects.filter(case__in=[given.case.pk for given in whole], state__in=OPEN_MEASURES)
        lift(standing, whole[0].words, whole[0].by, whole[0].now)
    for given in work:
        if given.facts.about_measure:
            one = Measure.objects.filter(case=given.case, state__in=OPEN_MEASURES, pk=given.facts.extra["measure"])
            lift(one, given.words, given.by, given.now)


def lift(measures: "QuerySet[Measure]", reason: str, by: str, now: datetime) -> int:
    """Ask for these measures to be lifted. Returns how many."""
    asked: dict[str, Any] = {"lift_asked_at": now, "lift_by": by, "lift_reason": reason}
    never = measures.filter(state="decided").update(state="lifted", lifted_at=now, **asked)
    return never + measures.filter(state__in=("ordered", "in_force")).update(state="lifting", **asked)


def propose(work: Sequence[Given]) -> None:
    """The narrowest measure that fits, asked for in the name of whoever brought the case here; others may be asked for instead."""
    numbers = [given.case.pk for given in work]
    waiting = Approval.objects.filter(case__in=numbers, what="restrict", executed_at__isnull=True, refused_at__isnull=True)
    has_one = set(waiting.values_list("case_id", flat=True))
    latest = suggesting.latest(numbers)
    rows, entries = [], []
    for given in work:
        if given.case.pk in has_one:
            continue
        role, detail = _proposal(given, latest.get(given.case.pk))
        rows.append((given.case.pk, role, given.words, given.by, detail))
        text = f"proposed: {detail['kind']} of {detail['target']} ({detail['why']}); it waits for approval by: {role}"
        entries.append((given.case.pk, "measure", text, "{}", True))
    writing.write_requests("restrict", rows, work[0].now)
    writing.write_journal(entries, work[0].by, work[0].now)


def _proposal(given: Given, event: suggesting.Sighting | None) -> tuple[str, dict[str, Any]]:
    """Whose agreement it takes, and what is proposed."""
    found = suggesting.suggestion(given.case, given.facts, event)
    step = ladder.step_for(given.facts.edition, found.kind)
    role = Role.LEAD
    if step is not None:
        role = step.approval_whole_service if found.scope == "service" else step.approval
    return str(role), {
        "kind": found.kind, "scope": found.scope, "target": found.target, "why": found.why,
        "step": step.code if step else "", "clause": given.decision.clause, "triggers": _triggers(given),
    }  # fmt: skip


def _triggers(given: Given) -> list[str]:
    also = {given.decision.rule.proof} if given.decision.rule.proof else set()
    return sorted(str(trigger) for trigger in given.facts.proofs | also)


def execute(given: Given) -> None:
    """Measures out of what was approved; without a person only what the edition lists for this category."""
    waiting = Approval.objects.filter(case=given.case, what="restrict", executed_at__isnull=True, refused_at__isnull=True)
    for row in waiting:
        by_itself = row.approved_at is None and row.detail["kind"] in given.facts.category.automatic
        if row.approved_at is None and not by_itself:
            continue
        keeping.before_cut(given.case, given.facts.category, now=given.now)
        decide_measure(row, given.case, given.now, automatic=by_itself)


def decide_measure(row: Approval, case: Case, now: datetime, *, automatic: bool = False) -> Measure:
    """The measure of a request that was agreed to; enforcement takes it from here."""
    detail = row.detail
    measure = Measure.objects.create(
        case=case, service_id=case.service_id, kind=detail["kind"], scope=detail["scope"], target=detail["target"],
        step=detail.get("step", ""), clause=detail.get("clause") or case.clause, reason=row.reason,
        triggers=detail.get("triggers", []), decided_by=row.requested_by, decided_at=now,
        confirmed_by=row.approved_by, confirmed_at=row.approved_at, expires_at=now + RESTRICTION_LASTS, automatic=automatic,
        interruption=True,
    )  # fmt: skip
    row.executed_at = now
    row.detail = {**detail, "measure": measure.pk}
    row.save(update_fields=["executed_at", "detail"])
    who = "as the policy lists it, without a person" if automatic else f"asked by {row.requested_by}, approved by {row.approved_by}"
    text = f"decided: {measure.kind} of {measure.target}, {who}"
    journal(case=case, kind="measure", text=text, by=row.approved_by or row.requested_by, now=now, internal=False,
            measure=measure.pk, clause=measure.clause)  # fmt: skip
    return measure


def withdraw(work: Sequence[Given]) -> None:
    """Requests that nobody has agreed to, or that are not carried out yet, are off the table."""
    rows = Approval.objects.filter(case__in=[given.case.pk for given in work], executed_at__isnull=True, refused_at__isnull=True)
    rows.exclude(what="retraction").update(refused_at=work[0].now, refused_by=work[0].by)


def pause_resolve(given: Given) -> None:
    """A dispute stops the time to resolve only where the matter is not grave."""
    if given.facts.severity in MILD and any(kind.startswith("resolve") for kind in given.facts.running):
        families = frozenset({"resolve", "remind_resolve"})
        timing.stand_still(case=given.case, families=families, reason=timing.DISPUTED, by=given.by, now=given.now)


def pause_all(given: Given) -> None:
    if any(kind.partition("_50")[0] in PAUSABLE or kind in PAUSABLE for kind in given.facts.running):
        timing.stand_still(case=given.case, families=PAUSABLE, reason=timing.UNDER_APPEAL, by=given.by, now=given.now)


def resume(given: Given) -> None:
    timing.go_on(case=given.case, by=given.by, now=given.now, due=given.decision.rule.event.name == "PAUSE_OVER")


def want_retest(given: Given) -> None:
    """Once for each claim: what was wanted and not run yet is enough."""
    if Retest.objects.filter(case=given.case, at__isnull=True).exists():
        return
    for kind, target in suggesting.retests(given.case, given.facts):
        Retest.objects.create(case=given.case, kind=kind, target=target, wanted_at=given.now, by=given.by)


def strike(work: Sequence[Given]) -> None:
    """By fault (K17). Not for advice, what stops at notice, or a kind told first; unknown fault counts least."""
    numbers = [given.case.pk for given in work]
    has_one = set(Strike.objects.filter(case__in=numbers, removed_at__isnull=True).values_list("case_id", flat=True))
    rows = [
        Strike(customer_id=given.case.customer_id, case=given.case, weight=weight, at=given.now)
        for given in work
        if given.case.pk not in has_one and (weight := facts.strike_weight(given.facts, _fault(given), given.case.ticketed_at))
    ]
    Strike.objects.bulk_create(rows, batch_size=1000)


def _fault(given: Given) -> str:
    """As a person stated it, else as the edition presumes it."""
    return given.case.fault or given.facts.category.presumed.get("fault", "")


def propose_termination(given: Given) -> None:
    """Two people: whoever asks, and a lead who confirms."""
    Approval.objects.filter(case=given.case, what="terminate", executed_at__isnull=True, refused_at__isnull=True).update(
        refused_at=given.now, refused_by=given.by
    )
    Approval.objects.create(
        case=given.case, what="terminate", reason=given.words, role=Role.TWO_PERSONS, requested_by=given.by,
        requested_at=given.now, detail={"clause": given.decision.clause, "immediate": given.facts.immediate},
    )  # fmt: skip


def terminate(given: Given) -> None:
    row = Approval.objects.filter(case=given.case, what="terminate", approved_at__isnull=False, executed_at__isnull=True).latest(
        "pk"
    )
    row.detail = {**row.detail, "kind": "terminate", "scope": "service", "step": "terminate",
                  "target": str(given.case.service_id or given.case.customer_id)}  # fmt: skip
    keeping.before_cut(given.case, given.facts.category, now=given.now)
    decide_measure(row, given.case, given.now)


def refuse_list(given: Given) -> None:
    refusals.enter(case=given.case, reason_code=given.case.category, by=given.by, now=given.now)


def credit(given: Given) -> None:
    measure = int(given.facts.extra["measure"]) if given.facts.about_measure else None
    wrong.put_right(case=given.case, reason=given.words, by=given.by, now=given.now, measure=measure)


def reporter_wrong(given: Given) -> None:
    """Each reporter of the case has one report more that was unfounded."""
    who = CaseReport.objects.filter(case=given.case).values("reporter_id")
    Reporter.objects.filter(pk__in=who).update(unfounded=F("unfounded") + 1)


def delete_content(given: Given) -> None:
    """A person deletes; a machine never does."""
    Measure.objects.create(
        case=given.case, service_id=given.case.service_id, kind="work_order", scope="service", clause=given.case.clause,
        target="delete the content; the time to fetch it is over and no hold stands", reason=given.words,
        decided_by=given.by, decided_at=given.now, expires_at=given.now + RESTRICTION_LASTS, interruption=False,
    )  # fmt: skip


def alert(given: Given) -> None:
    alerts.escalate(case=given.case, text=given.words, now=given.now)


TOGETHER: Mapping[Effect, Callable[[Sequence[Given]], None]] = {
    Effect.LIFT_ALL: lift_all,
    Effect.PROPOSE: propose,
    Effect.WITHDRAW: withdraw,
    Effect.STRIKE: strike,
}
EACH: Mapping[Effect, Callable[[Given], None]] = {
    Effect.EXECUTE: execute,
    Effect.PAUSE_RESOLVE: pause_resolve,
    Effect.PAUSE_ALL: pause_all,
    Effect.RESUME: resume,
    Effect.WANT_RETEST: want_retest,
    Effect.PROPOSE_TERMINATION: propose_termination,
    Effect.TERMINATE: terminate,
    Effect.REFUSE_LIST: refuse_list,
    Effect.CREDIT: credit,
    Effect.REPORTER_WRONG: reporter_wrong,
    Effect.DELETE_CONTENT: delete_content,
    Effect.ALERT: alert,
}
