"""What became of the measures, as enforcement says it: ordered, in force, lifted, refused, failed. It may advance the case."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from tipstaff.cases.advancing import Act, advance, advance_many
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Case, JournalEntry, Measure, Notice
from tipstaff.cases.states import Duty, Event
from tipstaff.kernel.errors import NotFound, Refused

NOTHING_STANDS = "nothing stands any more"
NEVER_ORDERED = "its time was over before it was ordered"
STANDING = ("decided", "ordered", "in_force", "lifting")
OVER = ("lifted", "failed", "refused")  # what failed was taken away again as far as it had come


def _held(number: int) -> Measure:
    case = Measure.objects.filter(pk=number).values_list("case_id", flat=True).first()
    if case is None:
        raise NotFound(f"there is no measure {number}")
    locked(case)  # the case before its rows, everywhere, so that nobody waits in a circle
    return Measure.objects.select_for_update().select_related("case").get(pk=number)


def waiting(most: int = 100) -> list[Measure]:
    """Decided measures that have no order yet, the oldest first; locked, skipping what another worker holds."""
    rows = Measure.objects.select_for_update(skip_locked=True).filter(state="decided").order_by("pk")
    return list(rows[:most])


def to_lift(most: int = 100) -> list[Measure]:
    """Measures that are to be lifted, the oldest first; locked likewise."""
    return list(Measure.objects.select_for_update(skip_locked=True).filter(state="lifting").order_by("pk")[:most])


@transaction.atomic
def ordered(*, measure: int, by: str, now: datetime) -> Measure:
    """Orders were made of it. Said twice, it is true once."""
    row = _held(measure)
    if row.state == "decided":
        row.state, row.ordered_at = "ordered", now
        row.save(update_fields=["state", "ordered_at"])
    return row


@transaction.atomic
def in_force(*, measure: int, by: str, now: datetime) -> Measure:
    """Verified at the peer. A pending disconnection is a disconnection now; the statement of reasons is owed."""
    row = _held(measure)
    if row.state not in {"decided", "ordered"}:
        return row
    row.state, row.in_force_at, row.ordered_at, row.problem = "in_force", now, row.ordered_at or now, ""
    row.save(update_fields=["state", "in_force_at", "ordered_at", "problem"])
    text = f"in force: {row.kind} of {row.target}"
    journal(case=row.case, kind="measure", text=text, by=by, now=now, internal=False, measure=row.pk)
    detail = {"measure": row.pk, "kind": row.kind, "target": row.target, "clause": row.clause}
    _advance(row.case_id, Event.EXECUTED, text, detail, by, now)
    return row


@transaction.atomic
def lifted(*, measure: int, by: str, now: datetime) -> Measure:
    """Verified as gone. With the last one the service is back."""
    row = _held(measure)
    if row.state in {"lifted", "refused"}:
        return row
    row.state, row.lifted_at = "lifted", now
    row.save(update_fields=["state", "lifted_at"])
    journal(
        case=row.case, kind="measure", text=f"lifted: {row.kind} of {row.target}", by=by, now=now, internal=False, measure=row.pk
    )
    settle(case=row.case_id, by=by, now=now)
    return row


@transaction.atomic
def lifted_many(*, numbers: Sequence[int], by: str, now: datetime) -> int:
    """As ``lifted`` for each of them, in a few statements; how many were not lifted before."""
    of = set(Measure.objects.filter(pk__in=numbers).values_list("case_id", flat=True))
    merged = Case.objects.filter(pk__in=of, merged_into__isnull=False).values_list("merged_into", flat=True)
    of |= {number for number in merged if number is not None}
    list(Case.objects.select_for_update(of=("self",)).filter(pk__in=of).order_by("pk").values_list("pk"))
    found = Measure.objects.select_for_update(of=("self",)).filter(pk__in=numbers).exclude(state__in=("lifted", "refused"))
    rows = list(found.order_by("pk"))
    Measure.objects.filter(pk__in=[row.pk for row in rows]).update(state="lifted", lifted_at=now)
    JournalEntry.objects.bulk_create(
        JournalEntry(
            case_id=row.case_id, at=now, actor=by, kind="measure", text=f"lifted: {row.kind} of {row.target}", internal=False,
            detail={"measure": row.pk},
        )
        for row in rows
    )  # fmt: skip
    _settle_many({row.case_id for row in rows}, by, now)
    return len(rows)


def _settle_many(cases: set[int], by: str, now: datetime) -> None:
    """As ``settle``, for cases of which a measure was just lifted."""
    standing = Measure.objects.filter(case__in=cases, state__in=STANDING)
    over = sorted(cases - set(standing.values_list("case_id", flat=True)))
    try:
        with transaction.atomic():
            advance_many([Act(case, Event.LIFTED, NOTHING_STANDS) for case in over], by=by, now=now)
    except Refused:  # what follows of one was refused, which must not keep the others from being told
        for case in over:
            _advance(case, Event.LIFTED, NOTHING_STANDS, {}, by, now)


@transaction.atomic
def failed(*, measure: int, problem: str, by: str, now: datetime) -> Measure:
    """It could not be done; a person looks. It stays to be tried as enforcement says."""
    return _trouble(measure, "failed", problem, by, now)


@transaction.atomic
def refused(*, measure: int, problem: str, by: str, now: datetime) -> Measure:
    """A safety rail forbids it; it will not be tried again."""
    return _trouble(measure, "refused", problem, by, now)


def _trouble(number: int, state: str, problem: str, by: str, now: datetime) -> Measure:
    row = _held(number)
    if row.state in {"lifted", "refused"}:
        return row
    row.state, row.problem = state, problem[:2000]
    row.save(update_fields=["state", "problem"])
    text = f"{state}: {row.kind} of {row.target}: {problem[:500]}"
    journal(case=row.case, kind="measure", text=text, by=by, now=now, measure=row.pk)
    Case.objects.filter(pk=row.case_id).update(needs_person=text, waiting_on="us")
    return row


def settle(*, case: int, by: str, now: datetime, told: bool = False) -> bool:
    """Tell the table when nothing stands any more. True when it did. ``told``: whoever is concerned knows already."""
    rows = Measure.objects.filter(case_id=case)
    if rows.filter(state__in=STANDING).exists() or not rows.filter(state__in=OVER).exists():
        return False
    return _advance(case, Event.LIFTED, NOTHING_STANDS, {}, by, now, told=told)


def catch_up(*, case: int, since: datetime, by: str, now: datetime) -> None:
    """After an appeal brought at ``since``: what came into force or was lifted meanwhile is told to the table now."""
    if Measure.objects.filter(case_id=case, state="in_force").exists() and Case.objects.get(pk=case).state == "DISCONNECT_PENDING":
        _advance(case, Event.EXECUTED, "in force since the appeal began", {}, by, now)
    settle(case=case, by=by, now=now, told=Notice.objects.filter(case=case, kind=Duty.RESTORED, created_at__gte=since).exists())


def _advance(case: int, event: Event, words: str, detail: dict, by: str, now: datetime, *, told: bool = False) -> bool:
    try:
        advance(Act(case, event, words, detail=detail, told=told), by=by, now=now)
    except Refused:  # the table says nothing about it in this state: the journal has it, and nothing follows
        return False
    return True


@transaction.atomic
def expire(*, now: datetime, most: int = 1000) -> int:
    """Measures whose time is over are to be lifted. Returns how many."""
    due = Q(state__in=("ordered", "in_force"), expires_at__lte=now)
    rows = list(Measure.objects.select_for_update(skip_locked=True).filter(due).order_by("expires_at", "pk")[:most])
    Measure.objects.filter(pk__in=[row.pk for row in rows]).update(
        state="lifting", lift_asked_at=now, lift_by="system:clock", lift_reason="its time is over"
    )
    gone = _never_ordered(now, most)
    Measure.objects.filter(pk__in=gone).update(state="lifted", lifted_at=now, lift_by="system:clock", lift_reason=NEVER_ORDERED)
    advance_many([Act(case, Event.LIFTED) for case in dict.fromkeys(gone.values())], by="system:clock", now=now)
    return len(rows) + len(gone)


def _never_ordered(now: datetime, most: int) -> dict[int, int]:
    """Decided measures whose time is over, and their cases, all locked; what somebody works on at this moment is left for later."""
    over = Q(measures__state="decided", measures__expires_at__lte=now)
    numbers = Case.objects.filter(over).order_by("pk").values_list("pk", flat=True).distinct()[:most]
    cases = Case.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk__in=list(numbers)).order_by("pk")
    held = list(cases.values_list("pk", flat=True))
    rows = Measure.objects.select_for_update(skip_locked=True).filter(case__in=held, state="decided", expires_at__lte=now)
    return dict(rows.order_by("pk").values_list("pk", "case_id"))
