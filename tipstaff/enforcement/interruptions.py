"""The log of interruptions (J4): begun and ended with the measure that caused them, given back when it did not stand."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Greatest

from tipstaff.accounts.access import require_named
from tipstaff.audit.services import record
from tipstaff.cases.models_words import Appeal
from tipstaff.enforcement.models import Credit, Interruption, Order
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

BY = "system:enforcement"
ACT = "grant a credit"


def begin(order: Order, *, now: datetime) -> None:
    """The service stops working from the moment the peer had done it; once for an order, whatever is repaired later."""
    if not order.measure.interruption:
        return
    columns = {
        "measure": order.measure,
        "case_id": order.case_id,
        "customer_id": order.customer_id,
        "service_id": order.service_id,
        "started_at": order.applied_at or now,
    }
    Interruption.objects.get_or_create(order=order, defaults=columns)


def end(order: Order, *, now: datetime) -> None:
    """It works again from the moment the peer had lifted it."""
    ended = max(order.lifted_at or now, order.applied_at or now)
    found = Interruption.objects.filter(order=order, ended_at__isnull=True).first()
    if found is not None:
        Interruption.objects.filter(pk=found.pk).update(ended_at=max(ended, found.started_at))


def end_many(orders: Sequence[int], *, now: datetime) -> None:
    """As ``end`` for each of these orders, in one statement."""
    moments = Order.objects.filter(pk=OuterRef("order")).annotate(
        ended=Greatest(Coalesce("lifted_at", Value(now)), Coalesce("applied_at", Value(now)))
    )
    ended = Greatest(Subquery(moments.values("ended")), "started_at")
    Interruption.objects.filter(order__in=orders, ended_at__isnull=True).update(ended_at=ended)


@transaction.atomic
def give_back(*, now: datetime) -> int:
    """Credit every interruption that is over and whose decision did not stand; how many there were."""
    overturned = Appeal.objects.filter(decision="overturned")
    wrong = (
        Q(measure__overturned_at__isnull=False)
        | Q(measure__in=overturned.filter(measure__isnull=False).values("measure"))
        | Q(case__in=overturned.filter(measure__isnull=True).values("case"))
        | Q(case__state="CLOSED_FALSE")
    )
    found = Interruption.objects.select_for_update(of=("self",)).filter(wrong, given_back_at__isnull=True, ended_at__isnull=False)
    rows = list(found.select_related("measure"))
    for one in rows:
        _credit(one, reason=_reason(one), by=BY, now=now)
    return len(rows)


def _reason(one: Interruption) -> str:
    appeal = Appeal.objects.filter(Q(measure=one.measure_id) | Q(case=one.case_id, measure__isnull=True), decision="overturned")
    if appeal.exists():
        return f"appeal {appeal.values_list('pk', flat=True)[0]} succeeded"
    return "the measure was overturned" if one.measure.overturned_at else "the reports were found to be wrong"


@transaction.atomic
def grant(*, number: int, reason: str, by: str, now: datetime) -> Credit:
    """Somebody who may gives the minutes of an interruption back though its decision stands (goodwill, a settlement).

    Raises Refused for whoever may not, for one that goes on, and for one that was given back before.
    """
    require_named(by, ACT)
    if not reason.strip():
        raise InputError(Problem("reason", "is empty", "say why the customer gets the minutes back; it is kept"))
    one = Interruption.objects.select_for_update(of=("self",)).filter(pk=number).first()
    if one is None:
        raise NotFound(f"there is no interruption {number}")
    if one.given_back_at is not None:
        raise Refused(f"the minutes of interruption {number} were given back already: {one.given_back_reason}")
    if one.ended_at is None:
        raise Refused(f"interruption {number} goes on; its minutes can be given back once the service works again")
    return _credit(one, reason=reason.strip(), by=by, now=now)


def _credit(one: Interruption, *, reason: str, by: str, now: datetime) -> Credit:
    """Once for an interruption: the mark on its row, the credit, the record."""
    assert one.ended_at is not None
    Interruption.objects.filter(pk=one.pk).update(given_back_at=now, given_back_reason=reason)
    seconds = int((one.ended_at - one.started_at).total_seconds())
    made = Credit.objects.create(
        interruption=one, customer_id=one.customer_id, started_at=one.started_at, ended_at=one.ended_at, seconds=seconds,
        reason=reason, at=now, by=by,
    )  # fmt: skip
    record(by=by, action="interruption.credit", subject=f"interruption:{one.pk}", now=now, case=one.case_id, seconds=seconds)
    return made
