"""What enforcement tells the cases below it: how a measure fares, and what the desk must look at."""

from datetime import datetime

from tipstaff.cases.models_measures import Measure
from tipstaff.cases.models_words import Notice
from tipstaff.enforcement.models import Order

BY = "system:enforcement"


def ordered(measure: Measure, *, now: datetime) -> None:
    Measure.objects.filter(pk=measure.pk, state="decided").update(state="ordered", ordered_at=now)


def in_force(measure: Measure, *, now: datetime) -> None:
    Measure.objects.filter(pk=measure.pk, state="ordered").update(state="in_force", in_force_at=now)


def lifting(measure: Measure, *, by: str, reason: str, now: datetime) -> None:
    wanted = Measure.objects.filter(pk=measure.pk, state__in=["ordered", "in_force"])
    wanted.update(state="lifting", lift_asked_at=now, lift_by=by, lift_reason=reason)


def lifted(measure: Measure, *, now: datetime) -> None:
    Measure.objects.filter(pk=measure.pk).exclude(state="lifted").update(state="lifted", lifted_at=now)


def failed(measure: Measure, *, reason: str, refused: bool, now: datetime) -> None:
    Measure.objects.filter(pk=measure.pk).update(state="refused" if refused else "failed", problem=reason)


def alert(order: Order, text: str, *, now: datetime) -> None:
    """Have the desk told about an order, once for each text."""
    detail = {"order": order.pk, "measure": order.measure_id, "text": text[:500]}
    if not Notice.objects.filter(case_id=order.case_id, kind="alert", detail=detail).exists():
        times = {name: now for name in ("created_at", "not_before") if hasattr(Notice, name)}
        Notice.objects.create(case_id=order.case_id, kind="alert", audience="staff", detail=detail, **times)
