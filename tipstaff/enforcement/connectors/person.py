"""A person does it by hand and says so: a work order with instructions, confirmed when done and when undone."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.db import DatabaseError, transaction

from tipstaff.audit.services import record
from tipstaff.enforcement import rails
from tipstaff.enforcement.connectors.contract import (
    SCOPES,
    Field,
    InPlace,
    NotOurs,
    OrderView,
    Plan,
    Receipt,
    Rejected,
    State,
    Unreachable,
    Verification,
    number_of,
)
from tipstaff.enforcement.models import Order, WorkOrder
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

KINDS = ("block", "park", "suspend", "terminate", "port_block", "url_block", "walled_garden", "work_order", "delete_zone")
WORDS = {
    "block": "Block all traffic of",
    "park": "Park",
    "suspend": "Suspend",
    "terminate": "Terminate",
    "port_block": "Block",
    "url_block": "Make unreachable",
    "walled_garden": "Lead into the walled garden",
    "work_order": "Do what the case asks for at",
    "delete_zone": "Delete the zone (export records and keys first)",
}
UNDONE = {"asked": "cancelled", "done": "undo_asked"}


class Person:
    """The connector. Its peer is the list of work orders that ``confirm`` and ``refuse`` below answer."""

    name: ClassVar[str] = "person"
    label: ClassVar[str] = "A person (work order)"
    does = frozenset((kind, scope) for kind in KINDS for scope in SCOPES)
    form: ClassVar[tuple[Field, ...]] = (Field("note", "Note", "added to every work order: where and how", required=False),)
    timeout: float = 10

    def __init__(self, settings: Mapping[str, str], bounds: rails.Bounds, secret: Callable[[str], str] | None = None) -> None:
        self.note = settings.get("note", "")
        self.bounds = bounds

    def plan(self, order: OrderView) -> Plan:
        words = f"{WORDS.get(order.kind, order.kind)} {order.target.text}"
        until = f"until {order.expires_at:%Y-%m-%d %H:%M %Z}"
        end = f" {self.note}" if self.note else ""
        do = f"{words} {until}, for case #{order.case} (clause {order.clause}: {order.reason}).{end}"
        return Plan(f"ask a person: {words}", (do,), (f"Undo for case #{order.case}: {words}.{end}",))

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        return {}

    def apply(self, order: OrderView) -> Receipt:
        rails.admit(self.does, order, self.bounds)
        plan = self.plan(order)
        columns = {
            "target": order.target.text,
            "instructions": plan.commands[0],
            "undo_instructions": plan.undo[0],
            "asked_at": now(),
        }
        with _database():
            made, new = WorkOrder.objects.get_or_create(tag=order.tag, defaults=columns)
            if not new and made.state in {"undone", "cancelled"}:
                WorkOrder.objects.filter(pk=made.pk).update(state="asked", asked_at=now(), done_at=None, done_by="", undone_at=None)
            if made.state == "refused":
                raise Rejected(f"{made.done_by} says it cannot be done: {made.note}")
        return Receipt(order, {"work_order": made.pk}, plan.commands[0])

    def verify(self, receipt: Receipt) -> Verification:
        with _database():
            found = WorkOrder.objects.filter(tag=receipt.order.tag).first()
        if found is None or found.state in {"undone", "cancelled", "refused"}:
            return Verification(State.ABSENT, _said(found))
        if found.state == "done":
            return Verification(State.IN_PLACE, _said(found))
        return Verification(State.PENDING, _said(found))

    def lift(self, receipt: Receipt) -> None:
        self._undo(receipt.order.tag)

    def actual(self) -> frozenset[InPlace]:
        own = f"tipstaff:{self.bounds.instance}:"
        with _database():
            standing = WorkOrder.objects.filter(tag__startswith=own, state__in=["asked", "done", "undo_asked"])
            return frozenset(InPlace(one.tag, one.target) for one in standing)

    def remove(self, thing: InPlace) -> None:
        if number_of(thing.tag, self.bounds.instance) is None:
            raise NotOurs(f"{thing.tag} is not a tag of this installation")
        self._undo(thing.tag)

    def _undo(self, tag: str) -> None:
        with _database():
            for before, after in UNDONE.items():
                WorkOrder.objects.filter(tag=tag, state=before).update(state=after, undo_asked_at=now())


def _said(found: WorkOrder | None) -> str:
    if found is None:
        return "nobody was asked"
    by = found.undone_by if found.state == "undone" else found.done_by
    return f"work order {found.pk} is {found.state.replace('_', ' ')}" + (f" by {by}" if by else "")


class _database:
    """Turns a database that is away into the contract's words."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DatabaseError):
            raise Unreachable(f"the list of work orders cannot be read: {error}") from error


@transaction.atomic
def confirm(*, number: int, by: str, now: datetime, note: str = "") -> WorkOrder:
    """Somebody says that it is done, or undone, whichever was asked. Raises Refused when nothing is asked."""
    found = _asked(number)
    done = found.state == "asked"
    columns = {"state": "done", "done_at": now, "done_by": by} if done else {"state": "undone", "undone_at": now, "undone_by": by}
    _answer(found, by=by, now=now, action="work_order.done" if done else "work_order.undone", note=note, **columns)
    return found


@transaction.atomic
def refuse(*, number: int, by: str, reason: str, now: datetime) -> WorkOrder:
    """Somebody says that it cannot be done, and why; the order fails with these words."""
    found = _asked(number)
    if not reason.strip():
        raise InputError(Problem("reason", "is empty", "say why it cannot be done"))
    if found.state != "asked":
        raise Refused(f"work order {number} has been done and is to be undone; confirm that, or settle its order")
    _answer(found, by=by, now=now, action="work_order.refused", note=reason, state="refused", done_at=now, done_by=by)
    return found


def _asked(number: int) -> WorkOrder:
    found = WorkOrder.objects.select_for_update().filter(pk=number).first()
    if found is None:
        raise NotFound(f"there is no work order {number}")
    if found.state not in {"asked", "undo_asked"}:
        raise Refused(f"work order {number} is {found.state}; nothing is asked")
    return found


def _answer(found: WorkOrder, *, by: str, now: datetime, action: str, note: str, **columns: Any) -> None:
    WorkOrder.objects.filter(pk=found.pk).update(note=note, **columns)
    for name, value in columns.items():
        setattr(found, name, value)
    Order.objects.filter(tag=found.tag, next_try_at__isnull=False).update(next_try_at=now)
    record(by=by, action=action, subject=f"work_order:{found.pk}", now=now)
