"""Carrying out the schedule of ``probing`` for emergency blocks of attacks that our own flows saw."""

from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from tipstaff.cases.journal import journal
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import feedback, moves, ordering, switches, transitions
from tipstaff.enforcement.ending import PROBING
from tipstaff.enforcement.models import Order, Probe
from tipstaff.enforcement.probing import Act, Phase, Standing, Timing, step
from tipstaff.intake.drafts import CONNECTED
from tipstaff.kernel.errors import TipstaffError

FORMATS = ("flow-finding", "fastnetmon")  # whose events say that an attack goes on
MOST = 200


def timing() -> Timing | None:
    """The schedule of this installation; None where it does not probe."""
    minutes = settings.PROBE_HOLD_MINUTES
    return Timing(hold=timedelta(minutes=minutes)) if minutes else None


def look(*, now: datetime) -> int:
    """One look at every probe that runs, and at emergency blocks that have none; how many steps were taken."""
    known = timing()
    if switches.current().stopped:
        return _exposed(now)  # what could not be put back is not taken away
    begun = sum(_begin(order, now) for order in _without_probe()) if known else 0
    # Where probing was switched off meanwhile, a look that began is finished: no block stays away for it.
    return begun + sum(_look(number, known or Timing(), now) for number in _running(begun_only=known is None))


def _exposed(now: datetime) -> int:
    """While new actions are stopped nothing is put back: the desk is told of an attack that a look exposed."""
    for probe in Probe.objects.filter(phase=Phase.OPEN).select_related("order__case")[:MOST]:
        seen = last_seen(probe.order)
        if seen is not None and seen > probe.since_at:
            feedback.alert(probe.order, "the attack is back while its block is away for a look, and new actions are stopped: "
                           "it is blocked again when they go on", now=now)  # fmt: skip
    return 0


def _without_probe() -> list[Order]:
    rows = Order.objects.filter(state=transitions.VERIFIED, emergency=True, scope__in=("machine", "port"), measure__probe=None)
    return [order for order in rows.select_related("measure")[:MOST] if last_seen(order, order.case_id) is not None]


def _begin(order: Order, now: datetime) -> int:
    begun = order.verified_at or now
    _, made = Probe.objects.get_or_create(measure=order.measure, defaults={"order": order, "since_at": begun})
    return int(made)


def _running(*, begun_only: bool) -> list[int]:
    rest = (Phase.OVER, Phase.HOLDING) if begun_only else (Phase.OVER,)
    return list(Probe.objects.exclude(phase__in=rest).order_by("pk").values_list("pk", flat=True)[:MOST])


def last_seen(order: Order, case: int | None = None) -> datetime | None:
    """When the attack at the order's machine was last seen in our flows, if ever (in a case, where one is named).

    Only a connected source is an eye of ours: a stranger's mail in a detector's form prolongs no block.
    """
    target = ip_network(order.target.partition(" ")[0])
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT max(coalesce(e.occurred_at, e.latest)) FROM reports_event e JOIN reports_report r ON r.id = e.report_id
               JOIN intake_submission s ON s.id = r.submission_id JOIN intake_source o ON o.id = s.source_id
               WHERE e.ip >= %s::inet AND e.ip <= %s::inet AND r.format = ANY(%s) AND o.kind = ANY(%s)
                 AND (%s::bigint IS NULL OR e.case_id = %s)""",
            [str(target[0]), str(target[-1]), list(FORMATS), list(CONNECTED), case, case],
        )
        found: datetime | None = cursor.fetchone()[0]
        return found


@transaction.atomic
def _look(number: int, known: Timing, now: datetime) -> int:
    probe = Probe.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=number).first()
    if probe is None:
        return 0
    order = ordering.loaded(probe.order_id)
    if _over(probe, order, now):
        return 1
    standing = Standing(
        Phase(probe.phase), probe.since_at, probe.looks, in_place=order.state not in transitions.FINAL and _stands(probe, order),
        attack_at=last_seen(order), ends_at=order.expires_at,
    )  # fmt: skip
    act = step(standing, known, now)
    if act is Act.WAIT:
        return 0
    _DO[act](probe, order, now)
    return 1


def _stands(probe: Probe, order: Order) -> bool:
    return order.state != transitions.REVERTED if probe.phase == Phase.WITHDRAWING else order.state == transitions.VERIFIED


def _over(probe: Probe, order: Order, now: datetime) -> bool:
    """Whether somebody or something else ended the matter: the measure goes, or the order failed or was asked back by others."""
    measure = Measure.objects.get(pk=probe.measure_id)
    others = order.state in transitions.FINAL and order.revert_by != PROBING
    taken = order.revert_asked_at is not None and order.revert_by != PROBING
    if measure.state in ("decided", "ordered", "in_force") and not others and not taken and not _kept(measure, probe):
        return False
    _phase(probe, Phase.OVER, now, outcome=probe.outcome or f"the measure is {measure.state}")
    return True


def _kept(measure: Measure, probe: Probe) -> bool:
    """A second person made the block last: it is no longer for us to look behind it. A look that began is finished."""
    return bool(measure.confirmed_by) and probe.phase == Phase.HOLDING


def _phase(probe: Probe, phase: Phase, now: datetime, **columns: object) -> None:
    Probe.objects.filter(pk=probe.pk).update(phase=str(phase), since_at=now, **columns)


def _withdraw(probe: Probe, order: Order, now: datetime) -> None:
    text = f"taken away for a look: the block hides whether the attack goes on (look {probe.looks + 1})"
    asked = Order.objects.filter(Q(pk=order.pk, state=transitions.VERIFIED, revert_asked_at__isnull=True))
    if asked.update(revert_asked_at=now, revert_by=PROBING, revert_reason=text, next_try_at=now):
        moves.note(order, by=PROBING, now=now, kind="probe", text=text)
        _phase(probe, Phase.WITHDRAWING, now)


def _watch(probe: Probe, order: Order, now: datetime) -> None:
    moves.note(order, by=PROBING, now=now, kind="probe", text="the block is gone; our flows are watched")
    _phase(probe, Phase.OPEN, min(order.lifted_at or now, now))


def _block(probe: Probe, order: Order, now: datetime) -> None:
    """The same order once more, for the same measure: every rail is asked anew."""
    text = f"the attack is back: blocked again, after order {order.pk}"
    try:
        fresh = ordering.again(order, text=text, now=now)
    except TipstaffError as error:
        feedback.alert(order, f"the attack is back, and the block cannot be put back: {error}", now=now)
        _phase(probe, Phase.OVER, now, outcome=str(error)[:500])
        feedback.lifted(order.measure, now=now)
        return
    journal(case=order.case, kind="order", text=f"{text}; it is now order {fresh.pk}", by=PROBING, now=now, order=fresh.pk)
    _phase(probe, Phase.BLOCKING, now, order=fresh, looks=probe.looks + 1)


def _hold(probe: Probe, order: Order, now: datetime) -> None:
    _phase(probe, Phase.HOLDING, order.verified_at or now)


def _lift(probe: Probe, order: Order, now: datetime) -> None:
    text = "the attack did not come back while the block was away: it is lifted"
    moves.note(order, by=PROBING, now=now, kind="probe", text=text)
    journal(case=order.case, kind="order", text=text, by=PROBING, now=now, internal=False, order=order.pk)
    _phase(probe, Phase.OVER, now, outcome="lifted: the attack did not come back")
    feedback.lifted(order.measure, now=now)


_DO: dict[Act, Callable[[Probe, Order, datetime], None]] = {
    Act.WITHDRAW: _withdraw, Act.WATCH: _watch, Act.BLOCK: _block, Act.HOLD: _hold, Act.LIFT: _lift,
}  # fmt: skip
