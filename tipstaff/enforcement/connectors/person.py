"""A person does it by hand and says so: a work order with instructions, confirmed when done and when undone."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db import DatabaseError

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
from tipstaff.enforcement.models import WorkOrder
from tipstaff.kernel.clock import now

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
#: What an earlier round left, cleared when the same thing is asked for again.
AGAIN: Mapping[str, Any] = {"done_at": None, "done_by": "", "undo_asked_at": None, "undone_at": None, "undone_by": "", "note": ""}
UNDONE = {"asked": "cancelled", "done": "undo_asked"}


class Person:
    """The connector. Its peer is the list of work orders that people answer (``enforcement/by_hand.py``)."""

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
                WorkOrder.objects.filter(pk=made.pk).update(state="asked", asked_at=now(), **AGAIN)
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
    if found.state == "undo_asked":
        said = f"work order {found.pk} is to be undone"
        return f"{said}; {found.undone_by} says that it cannot be: {found.note}" if found.undone_by else said
    by = found.undone_by if found.state == "undone" else found.done_by
    return f"work order {found.pk} is {found.state.replace('_', ' ')}" + (f" by {by}" if by else "")


class _database:
    """Turns a database that is away into the contract's words."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DatabaseError):
            raise Unreachable(f"the list of work orders cannot be read: {error}") from error
