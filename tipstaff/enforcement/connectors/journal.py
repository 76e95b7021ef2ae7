"""A simulation: what would be done is written to a file and nothing else happens. For demonstrations and rehearsals.

One line of JSON for each act, appended and synced; what stands is what the lines come to. A line torn by a crash is
not counted, because nobody was told that it was written.
"""

import fcntl
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tipstaff.enforcement import rails
from tipstaff.enforcement.connectors.contract import (
    SCOPES,
    Field,
    InPlace,
    Misunderstood,
    NotOurs,
    OrderView,
    Plan,
    Receipt,
    State,
    Unreachable,
    Verification,
    number_of,
)
from tipstaff.kernel.errors import InputError, Problem

KINDS = ("block", "park", "suspend", "terminate", "port_block", "url_block", "walled_garden", "work_order")
SHOWN = "simulation, nothing was done: "


class Journal:
    """The connector. The place of a thing is its kind, direction and target; the last line that names a place counts."""

    name: ClassVar[str] = "journal"
    label: ClassVar[str] = "Journal only (a simulation: nothing is done)"
    does = frozenset((kind, scope) for kind in KINDS for scope in SCOPES)
    form: ClassVar[tuple[Field, ...]] = (Field("path", "File", "where the lines are written; its directory must exist"),)
    timeout: float = 5

    def __init__(self, settings: Mapping[str, str], bounds: rails.Bounds, secret: Callable[[str], str] | None = None) -> None:
        self.path = Path(settings["path"])
        if not self.path.is_absolute():
            raise InputError(Problem("path", f"{settings['path']!r} is not absolute", "write it from the root"))
        self.bounds = bounds

    def plan(self, order: OrderView) -> Plan:
        words = f"{order.kind} {order.target.text} ({order.direction})"
        return Plan(SHOWN + words, (f"{SHOWN}{words} until {order.expires_at:%Y-%m-%d %H:%M %Z}",), (f"{SHOWN}end of {words}",))

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        return {"stood": self._standing().get(_place(order), "")}

    def apply(self, order: OrderView) -> Receipt:
        rails.admit(self.does, order, self.bounds)
        there = self._standing().get(_place(order), order.tag)
        if there != order.tag:
            raise NotOurs(f"{order.target.text} is held by {there}")
        self._write("apply", _place(order), order.tag)
        return Receipt(order, {}, self.plan(order).commands[0])

    def verify(self, receipt: Receipt) -> Verification:
        there = self._standing().get(_place(receipt.order), "")
        if there == receipt.order.tag:
            return Verification(State.IN_PLACE, f"{SHOWN}{there} stands in the journal")
        return Verification(State.FOREIGN if there else State.ABSENT, there or "the journal has nothing there")

    def lift(self, receipt: Receipt) -> None:
        there = self._standing().get(_place(receipt.order), "")
        if there and there != receipt.order.tag:
            raise NotOurs(f"{receipt.order.target.text} is held by {there}")
        if there:
            self._write("lift", _place(receipt.order), there)

    def lift_together(self, receipts: Sequence[Receipt]) -> frozenset[str]:
        """The same for many, the journal read once; the tags that are gone."""
        wanted, gone = {receipt.order.tag for receipt in receipts}, set()
        for place, there in self._standing().items():
            if there in wanted:
                self._write("lift", place, there)
                gone.add(there)
        return frozenset(gone)

    def gone_together(self, receipts: Sequence[Receipt]) -> frozenset[str]:
        """The tags of those whose place is empty, the journal read once."""
        standing = self._standing()
        return frozenset(receipt.order.tag for receipt in receipts if _place(receipt.order) not in standing)

    def actual(self) -> frozenset[InPlace]:
        own = f"tipstaff:{self.bounds.instance}:"
        return frozenset(InPlace(tag, place) for place, tag in self._standing().items() if tag.startswith(own))

    def remove(self, thing: InPlace) -> None:
        if number_of(thing.tag, self.bounds.instance) is None:
            raise NotOurs(f"{thing.tag} is not a tag of this installation")
        for place, there in self._standing().items():
            if there == thing.tag:
                self._write("lift", place, there)

    def _write(self, act: str, place: str, tag: str) -> None:
        line = json.dumps({"act": act, "place": place, "tag": tag}).encode() + b"\n"
        try:
            with self.path.open("ab") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                handle.write(line)
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise Unreachable(f"{self.path} cannot be written: {error.strerror}") from error

    def _standing(self) -> dict[str, str]:
        try:
            lines = self.path.read_bytes().split(b"\n") if self.path.exists() or self._there() else []
        except OSError as error:
            raise Unreachable(f"{self.path} cannot be read: {error.strerror}") from error
        standing: dict[str, str] = {}
        for line in lines[:-1]:  # what follows the last newline is torn or empty
            try:
                said = json.loads(line)
                act, place, tag = said["act"], said["place"], said["tag"]
            except (ValueError, KeyError, TypeError) as error:
                raise Misunderstood(f"{self.path} holds a line that is not ours") from error
            if act == "apply":
                standing[place] = tag
            else:
                standing.pop(place, None)
        return standing

    def _there(self) -> bool:
        if not self.path.parent.is_dir():
            raise Unreachable(f"{self.path.parent} is not there")
        return False


def _place(order: OrderView) -> str:
    return f"{order.kind} {order.direction} {order.target.text}"
