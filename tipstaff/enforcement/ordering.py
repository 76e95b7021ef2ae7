"""From a measure that a case decided to an order: scope and connector chosen, rails asked, approval kept or wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases.models import Case
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import choosing, endpoints, feedback, moves, protecting, rails, switches, targets, transitions, views
from tipstaff.enforcement.connectors.contract import Target, tag
from tipstaff.enforcement.models import Endpoint, Order, Switches
from tipstaff.kernel.errors import InputError, TipstaffError

BY = feedback.BY
USUAL = timedelta(days=30)  # of a measure that names no end; it is looked at again when it is about to run out
EMERGENCY = timedelta(hours=4)
AT_ONCE = 200  # measures in one look


@dataclass(frozen=True)
class Approval:
    requested_by: str
    approved_by: str
    at: datetime | None


def order_decided(*, now: datetime) -> int:
    """Make an order of every measure that waits for one; how many there were. Each in a transaction of its own."""
    waiting = list(Measure.objects.filter(state="decided").order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    for number in waiting:
        order_one(number, now=now)
    return len(waiting)


@transaction.atomic
def order_one(number: int, *, now: datetime) -> Order | None:
    """The order of one measure, proposed, approved or refused; None when somebody else took it meanwhile."""
    if not Case.objects.select_for_update(skip_locked=True).filter(measures=number).exists():
        return None  # somebody works on the case; the case before its rows, everywhere, so that nobody waits in a circle
    wanted = Measure.objects.select_for_update(skip_locked=True, of=("self",)).select_related("case", "service")
    measure = wanted.filter(pk=number, state="decided").first()
    if measure is None:
        return None
    row = switches.current()
    made = _draft(measure, now)
    try:
        target = _choose(measure, made, now)
        _judge(made, target, measure, row, now)
    except TipstaffError as error:
        return _refuse(made, measure, str(error), now)
    made.save()
    made.tag = tag(row.instance, made.pk)
    _plan(made)
    made.save(update_fields=["tag", "plan", "undo_plan"])
    moves.note(made, by=BY, now=now, kind="proposed", text=made.choice)
    record(
        by=made.requested_by, action="order.proposed", subject=f"order:{made.pk}", now=now, case=made.case_id, measure=measure.pk
    )
    feedback.ordered(measure, now=now)
    approval = approval_of(measure)
    if made.needs_two and _lacks_person(approval):
        if approval.approved_by and not approval.approved_by.startswith("system:"):
            moves.change(made, approved_by=approval.approved_by, approved_at=approval.at or now)
    elif approval.approved_by:
        text = f"{approval.approved_by} approved it with the decision"
        columns: dict[str, Any] = {"approved_by": approval.approved_by, "approved_at": approval.at or now, "next_try_at": now}
        moves.move(made, transitions.APPROVED, by=approval.approved_by, now=now, text=text, **columns)
    return made


def again(before: Order, *, text: str, now: datetime) -> Order:
    """The same order once more, for the same measure and until the same end, by the approvals that it has. Every rail is asked
    anew: Broken says which forbids it."""
    row, measure = switches.current(), before.measure
    made = _draft(measure, now)
    made.expires_at = before.expires_at
    target = _choose(measure, made, now)
    _judge(made, target, measure, row, now)
    made.save()
    made.tag = tag(row.instance, made.pk)
    _plan(made)
    made.save(update_fields=["tag", "plan", "undo_plan"])
    moves.note(made, by=BY, now=now, kind="proposed", text=text, after=before.pk)
    record(
        by=made.requested_by, action="order.proposed", subject=f"order:{made.pk}", now=now, case=made.case_id,
        measure=measure.pk, after=before.pk,
    )  # fmt: skip
    columns: dict[str, Any] = {"approved_by": before.approved_by, "approved_at": before.approved_at or now, "next_try_at": now}
    if before.second_by:
        columns |= {"second_by": before.second_by, "second_at": before.second_at}
    moves.move(made, transitions.APPROVED, by=before.approved_by, now=now, text=text, **columns)
    return made


def _draft(measure: Measure, now: datetime) -> Order:
    usual = EMERGENCY if measure.emergency else USUAL
    return Order(
        measure=measure,
        case=measure.case,
        customer=measure.case.customer,
        service=measure.service or measure.case.service,
        kind=measure.kind,
        scope=measure.scope,
        target=measure.target[: targets.LONGEST],
        clause=measure.clause,
        reason=measure.reason,
        choice="",
        emergency=measure.emergency,
        requested_by=approval_of(measure).requested_by,
        expires_at=measure.expires_at or now + usual,
        created_at=now,
    )


def approval_of(measure: Measure) -> Approval:
    """Who asked and who agreed, as the case has it: two people, or one person who agreed to what the policy asks for.

    What a person decided alone, on no proof of the ladder, waits for somebody else.
    """
    if measure.confirmed_by:
        return Approval(measure.decided_by, measure.confirmed_by, measure.confirmed_at)
    if measure.emergency:
        return Approval(measure.decided_by, "system:emergency", measure.decided_at)
    if measure.automatic:
        return Approval(measure.decided_by, "system:policy", measure.decided_at)
    if measure.triggers and not measure.decided_by.startswith("system:"):
        return Approval("system:ladder", measure.decided_by, measure.decided_at)
    return Approval(measure.decided_by, "", None)


def _lacks_person(approval: Approval) -> bool:
    return any(name.startswith("system:") for name in (approval.requested_by, approval.approved_by))


def _choose(measure: Measure, made: Order, now: datetime) -> Target:
    """Choose scope and connector; the order is completed with them. Raises InputError on a target that cannot be read."""
    decided = targets.parse(measure.scope, measure.target)
    may_narrow = measure.emergency or measure.automatic
    named = (views.named_by(measure.case_id) if may_narrow else {}) | {measure.scope: decided.text}
    wanted = choosing.Wanted(measure.kind, measure.scope, measure.case.category, named, may_narrow)
    choice = choosing.choose(wanted, endpoints.offers(endpoints.all_active(now)))
    target = views.target_of(choice.scope, named[choice.scope], measure.case_id)
    made.endpoint_id, made.kind, made.scope, made.choice = choice.endpoint, choice.kind, choice.scope, choice.reason
    made.target, made.direction = target.text, choosing.direction(choice.kind, target)
    return target


def _judge(made: Order, target: Target, measure: Measure, row: Switches, now: datetime) -> None:
    """Ask every rail. What two people may allow is noted as theirs to allow; the rest raises InputError, all at once."""
    made.tag = tag(row.instance, 0)
    view = views.draft_view(made, target)
    found = protecting.bounds_for(row, target, made.customer_id, now).breaches(view)
    found += rails.expiry_breaches(made.expires_at, now, emergency=made.emergency, longest=timedelta(days=row.longest_days))
    found += rails.cap_breaches(counts(made, now), switches.caps(row))
    if target.scope == "service" and (made.service is None or target.text not in {str(made.service.pk), made.service.external_id}):
        text = f"{target.text} is not the service that the case is about"
        found.append(rails.Breach(2, text, "open a case for that service"))
    others = protecting.others_at(target, made.customer_id, now)
    if others:
        text = f"{others} other customers share {target.text}"
        found.append(rails.Breach(2, text, "choose a smaller scope, or let a second person approve it", two_may=True))
    if never := [breach for breach in found if not breach.two_may]:
        raise Broken(never)
    made.overrides = [str(breach) for breach in found if breach.rail not in {3, 8}]
    made.needs_two = rails.needs_two(view, overrides=made.overrides)


class Broken(TipstaffError):
    """Rails that an order would break, and that nobody may lift."""

    def __init__(self, breaches: Sequence[rails.Breach]) -> None:
        self.breaches = tuple(breaches)
        super().__init__("; ".join(map(str, breaches)))


def counts(made: Order, now: datetime) -> rails.Counts:
    """How many orders are at work, for the caps."""
    at_work = Order.objects.filter(state__in=transitions.AT_WORK)
    recent = Order.objects.filter(approved_at__gt=now - timedelta(hours=1)).exclude(state=transitions.FAILED)
    return rails.Counts(at_work.count(), at_work.filter(customer_id=made.customer_id).count(), recent.count())


def _refuse(made: Order, measure: Measure, problem: str, now: datetime) -> Order:
    """A row that says why nothing was done; the measure and the desk are told."""
    made.state, made.problem, made.ended_at, made.endpoint = transitions.FAILED, problem, now, None
    made.choice = made.choice or "refused before a connector was chosen"
    made.save()
    moves.note(made, by=BY, now=now, kind="refused", text=problem)
    record(by=BY, action="order.refused", subject=f"order:{made.pk}", now=now, case=made.case_id, measure=measure.pk)
    feedback.failed(measure, reason=problem, refused=True, now=now)
    feedback.alert(made, f"order {made.pk} was refused: {problem}", now=now)
    return made


def _plan(made: Order) -> None:
    """Write what would be done, in the connector's words; settings that do not fit are said instead."""
    if made.endpoint_id is None:
        made.plan = [f"by hand: {made.kind} of {made.target} (no connector is configured for it)"]
        return
    try:
        plan = endpoints.build(Endpoint.objects.get(pk=made.endpoint_id)).plan(views.order_view(made))
        made.plan, made.undo_plan = list(plan.commands), list(plan.undo)
    except InputError as error:
        made.plan = [f"its settings do not fit: {error}"]


def loaded(number: int) -> Order:
    """An order with all that carrying it out reads."""
    return Order.objects.select_related("measure", "case", "customer", "service", "endpoint").get(pk=number)
