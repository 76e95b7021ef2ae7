"""The other desk's decisions beside our cases: which belong together, and where they differ. Pure; nothing is guessed.

A decision belongs to a case by its mail's Message-ID, by the reporter's own number, or by address and time, in this order.
Where two cases fit, it belongs to neither, and that is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tipstaff.pipeline.shadowing.decisions import Decision

WINDOW = timedelta(hours=24)  # between the other desk's time and ours, at most, where only the address is known
#: Where a case stands → what it comes to. What is asked for and not approved yet counts as what it would become.
OUTCOME_OF: Mapping[str, str] = {
    "TRIAGE": "person",
    **dict.fromkeys(("TICKETED", "ACKNOWLEDGED", "FIX_CLAIMED", "NOT_ADEQUATE", "DISPUTED", "APPEAL"), "told"),
    **dict.fromkeys(("EMERGENCY_BLOCK", "DISCONNECT_PENDING", "DISCONNECTED", "RECONNECTED"), "restricted"),
    **dict.fromkeys(("TERMINATION_PENDING", "TERMINATED"), "terminated"),
    "RESOLVED": "resolved",
}
#: What the customer did afterwards is not seen in a copy: told and resolved are one decision of the desk.
_ALIKE = {"resolved": "told"}
FIELDS = ("customer", "category", "decision")


@dataclass(frozen=True, slots=True)
class Ours:
    """One case of ours."""

    number: int
    opened_at: datetime
    state: str
    category: str
    customer: frozenset[str]  # every name by which the other desk may call it: number, name
    customer_name: str = ""
    needs: str = ""  # why a person must decide

    @property
    def outcome(self) -> str:
        return OUTCOME_OF.get(self.state, "no_action")


@dataclass
class Known:
    """What may tie a decision to cases."""

    cases: dict[int, Ours] = field(default_factory=dict)
    by_message: dict[str, set[int]] = field(default_factory=dict)
    by_external: dict[str, set[int]] = field(default_factory=dict)
    by_address: dict[str, list[tuple[datetime, int]]] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)  # Message-ID or number → what became of a mail that made no case
    sealed: set[int] = field(default_factory=set)  # cases that nobody may see here


@dataclass(frozen=True, slots=True)
class Match:
    """Which case, and how it was found; several: none of them is chosen."""

    cases: tuple[int, ...] = ()
    how: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One decision of the other desk beside ours. ``same``: per field True, False, or None where it cannot be compared."""

    decision: Decision
    match: Match
    ours: Ours | None = None
    same: Mapping[str, bool | None] = field(default_factory=dict)

    @property
    def sort(self) -> str:
        if len(self.match.cases) > 1:
            return "two_fit"
        if self.ours is None:
            return "only_other"
        if False in self.same.values():
            return "differs"
        return "same" if True in self.same.values() else "not_comparable"


def match(one: Decision, known: Known) -> Match:
    """The case that the decision is about."""
    at = one.received_at or one.decided_at
    near = {case for seen, case in known.by_address.get(one.address, ()) if at is not None and abs(seen - at) <= WINDOW}
    there = {case for _, case in known.by_address.get(one.address, ())}
    for how, found in (
        ("Message-ID", known.by_message.get(one.message_id, set()) if one.message_id else set()),
        ("reporter's number", known.by_external.get(one.external_id, set()) if one.external_id else set()),
    ):
        if found:
            return _one(_narrowed(found, near or there, one), how, known)
    if one.address and near:
        return _one(near, "address and time", known)
    note = known.read.get(one.message_id, "") or known.read.get(one.external_id, "")
    return Match(note=note or "nothing like it was received here")


def _narrowed(found: AbstractSet[int], at_address: AbstractSet[int], one: Decision) -> AbstractSet[int]:
    """One mail may accuse several customers: the address says which of its cases is meant."""
    return (found & at_address or found) if one.address and len(found) > 1 else found


def _one(found: AbstractSet[int], how: str, known: Known) -> Match:
    if found & known.sealed:
        return Match(how=how, note="not shown here")
    cases = tuple(sorted(found))
    note = f"{len(cases)} cases fit by {how.lower() if how[0] != 'M' else how}; none was chosen" if len(cases) > 1 else ""
    return Match(cases, how, note)


def compare(one: Decision, known: Known) -> Row:
    found = match(one, known)
    if len(found.cases) != 1:
        return Row(one, found)
    ours = known.cases[found.cases[0]]
    return Row(one, found, ours, same(one, ours))


def same(one: Decision, ours: Ours) -> dict[str, bool | None]:
    """Field by field; None where the other desk's word is missing or means nothing to us, or a person has yet to decide here."""
    theirs, mine = _ALIKE.get(one.outcome, one.outcome), _ALIKE.get(ours.outcome, ours.outcome)
    undecided = "person" in (theirs, mine)
    return {
        "customer": one.customer.casefold().strip() in ours.customer if one.customer else None,
        "category": one.code == ours.category if one.code else None,
        "decision": None if not theirs or undecided else theirs == mine,
    }


def content(rows: Sequence[Row], only_ours: Iterable[Ours], url: Any) -> dict[str, Any]:
    """The report as it is kept: counts, rates of agreement, every row. ``url``: number of a case → its address."""
    ours = list(only_ours)
    sorts = [row.sort for row in rows]
    names = ("same", "differs", "not_comparable", "two_fit", "only_other")
    return {
        "counts": {name: sorts.count(name) for name in names} | {"only_ours": len(ours)},
        "agreement": {name: _agreement(rows, name) for name in FIELDS},
        "rows": [_row(row, url) for row in sorted(rows, key=_rank)],
        "only_ours": [_alone(one, url) for one in ours],
    }  # fmt: skip


def _alone(one: Ours, url: Any) -> dict[str, Any]:
    return {
        "case": one.number, "url": url(one.number), "customer": one.customer_name, "category": one.category, "state": one.state,
        "decision": one.outcome, "waits_for": one.needs,
    }  # fmt: skip


def _agreement(rows: Iterable[Row], name: str) -> dict[str, Any]:
    told = [row.same[name] for row in rows if row.ours is not None and row.same.get(name) is not None]
    agreed = sum(bool(one) for one in told)
    return {"agreed": agreed, "compared": len(told), "rate": round(agreed / len(told), 4) if told else None}


_ORDER = ("differs", "two_fit", "only_other", "not_comparable", "same")


def _rank(row: Row) -> tuple[int, str]:
    return _ORDER.index(row.sort), row.decision.reference


def _row(row: Row, url: Any) -> dict[str, Any]:
    one, ours = row.decision, row.ours
    return {
        "reference": one.reference, "subject": one.subject, "sort": row.sort, "how": row.match.how, "note": row.match.note,
        "case": ours.number if ours else None, "url": url(ours.number) if ours else "",
        "cases": [{"case": number, "url": url(number)} for number in row.match.cases] if len(row.match.cases) > 1 else [],
        "differs": [name for name in FIELDS if row.same.get(name) is False],
        "customer": {"other": one.customer, "ours": ours.customer_name if ours else ""},
        "category": {"other": one.code or one.category, "ours": ours.category if ours else ""},
        "decision": {"other": one.outcome or one.decision, "ours": ours.outcome if ours else ""},
        "waits_for": ours.needs if ours else "",
    }  # fmt: skip
