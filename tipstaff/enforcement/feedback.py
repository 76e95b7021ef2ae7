"""What enforcement tells the cases below it: how a measure fares, and what the desk must look at."""

from collections.abc import Sequence
from datetime import datetime

from tipstaff.cases import effects, measures
from tipstaff.cases.journal import journal
from tipstaff.cases.models_measures import Measure
from tipstaff.cases.models_words import Notice
from tipstaff.enforcement.models import Order

BY = "system:enforcement"


def ordered(measure: Measure, *, now: datetime) -> None:
    measures.ordered(measure=measure.pk, by=BY, now=now)


def in_force(measure: Measure, *, now: datetime) -> None:
    measures.in_force(measure=measure.pk, by=BY, now=now)


def lifting(measure: Measure, *, by: str, reason: str, now: datetime) -> None:
    """The order goes of its own accord (its end, a change of hands); the measure says so as well."""
    effects.lift(Measure.objects.filter(pk=measure.pk), reason, by, now)


def lifted(measure: Measure, *, now: datetime) -> None:
    measures.lifted(measure=measure.pk, by=BY, now=now)


def lifted_many(numbers: Sequence[int], *, now: datetime) -> None:
    measures.lifted_many(numbers=numbers, by=BY, now=now)


def failed(measure: Measure, *, reason: str, refused: bool, now: datetime) -> None:
    tell = measures.refused if refused else measures.failed
    tell(measure=measure.pk, problem=reason, by=BY, now=now)


def moved_end(measure: Measure, until: datetime) -> None:
    """A person gave the order another end, which is the measure's as well."""
    Measure.objects.filter(pk=measure.pk).update(expires_at=until)


def alert(order: Order, text: str, *, now: datetime) -> None:
    """Have the desk told about an order, once for each text: a letter to owner or leads, and a line on the case."""
    detail = {"order": order.pk, "measure": order.measure_id, "text": text[:500]}
    if Notice.objects.filter(case_id=order.case_id, kind="alert", detail=detail).exists():
        return
    times = {"created_at": now, "not_before": now}
    Notice.objects.create(case_id=order.case_id, kind="alert", audience="staff", detail=detail, **times)
    journal(case=order.case, kind="order", text=text[:2000], by=BY, now=now, order=order.pk)
