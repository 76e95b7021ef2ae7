"""How a case begins: its clause, its severity, its state and the clocks. Pure.

A case opens TICKETED only where nothing is left to decide: the category came from structure (or a person), the format acts
by itself, the reporter suffices, the customer held the address for certain, and the conduct was a breach then as now.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tipstaff.accounts.inventory import LONGEST_NOTICE
from tipstaff.cases import asked_for
from tipstaff.policy import deadlines
from tipstaff.policy.clauses import conduct_breaches
from tipstaff.policy.edition import Category, Edition, Opening

TRIAGE, TICKETED = "TRIAGE", "TICKETED"
ENOUGH_TRUST = 1
DESK_DEFAULT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a new case, taken over all events of its group."""

    structured: bool  # the category came from structure or a person
    experimental: bool  # a format that never acts by itself
    trust: int  # the best reporter's
    provisional: bool  # newer than the inventory's last word
    verified: bool  # name, locator and description are there (G2-G4)
    protected: bool = False  # hospital, carrier: a person goes first (H10)
    facts: frozenset[str] = frozenset()  # typed facts that are known
    contract: timedelta | None = None  # the period of notice of the customer's contract (H10)


@dataclass(frozen=True, slots=True)
class Beginning:
    """How the case begins. ``doubts`` are why a person decides first, in words; empty for TICKETED."""

    clause: str
    severity: str
    state: str
    doubts: tuple[str, ...]
    desk_due_at: datetime
    ticketed_at: datetime | None
    ack_due_at: datetime | None
    resolve_due_at: datetime | None
    window_until: datetime

    @property
    def next_due_at(self) -> datetime:
        """The clock that counts now: the desk's in TRIAGE, the customer's once told."""
        return min(filter(None, (self.ack_due_at, self.resolve_due_at)), default=self.desk_due_at)


def begin(category: str, edition: Edition, at_event: Edition | None, evidence: Evidence, now: datetime) -> Beginning:
    """The beginning of a case of ``category`` under ``edition``; ``at_event`` was in force when it happened."""
    entry = edition.categories[category]
    doubts = tuple(_doubts(entry, edition, at_event, evidence))
    times = deadlines.allowance(edition, category, contract=evidence.contract)
    ticketed = now if not doubts else None
    due = deadlines.due(times, now, edition, category) if ticketed else deadlines.Due(None, None)
    return Beginning(
        clause=entry.clause,
        severity=str(entry.severity),
        state=TRIAGE if doubts else TICKETED,
        doubts=doubts,
        desk_due_at=deadlines.desk_due(times, now) or now + DESK_DEFAULT,
        ticketed_at=ticketed,
        ack_due_at=due.ack,
        resolve_due_at=due.resolve,
        window_until=now + entry.grouping_window,
    )


def contract_time(terms: Mapping[str, Any]) -> timedelta | None:
    """The period of notice that a customer's contract grants (H10), from its stored terms: ``notice_hours``, a year at most."""
    hours = terms.get("notice_hours")
    if not isinstance(hours, int | float) or isinstance(hours, bool) or not hours > 0:
        return None
    return timedelta(hours=min(hours, LONGEST_NOTICE))


#: Why a person goes first: what it is about (a field of Evidence, or what is asked of the policy), and how the journal says it.
DOUBTS = {
    "opening": "the policy has a person look first at this kind",
    "structured": "the kind was read from words, not from structure",
    "experimental": "an experimental format, or a measurement of low confidence, never acts by itself",
    "trust": "the reporter is not known well enough",
    "verified": "name, contact, locator or description is missing",
    "provisional": "the inventory has not spoken since the event",
    "protected": "the service is protected: nothing happens by itself",
    "at_event": "it was not a breach of the edition in force at the event",
}


def _doubts(entry: Category, edition: Edition, at_event: Edition | None, evidence: Evidence) -> Sequence[str]:
    checks = (
        ("opening", entry.opening is not Opening.TICKET),
        ("structured", not evidence.structured),
        ("experimental", evidence.experimental),
        ("trust", evidence.trust < ENOUGH_TRUST),
        ("verified", not evidence.verified),
        ("provisional", evidence.provisional),
        ("protected", evidence.protected),
        ("at_event", not (at_event and conduct_breaches(at_event, entry.code))),
    )
    missing = asked_for.before_ticket(edition, entry.code, dict.fromkeys(evidence.facts, "known"))
    return [DOUBTS[name] for name, failed in checks if failed] + [
        f"the fact {fact.code} is required before a ticket" for fact in missing
    ]


def evidence_of(doubts: Collection[str], facts: frozenset[str] = frozenset(), contract: timedelta | None = None) -> Evidence:
    """What spoke for a case, read back from the doubts that its journal names (the reverse of ``begin``, for replays)."""
    doubted = {name for name, words in DOUBTS.items() if words in doubts}
    return Evidence(
        structured="structured" not in doubted,
        experimental="experimental" in doubted,
        trust=0 if "trust" in doubted else ENOUGH_TRUST,
        provisional="provisional" in doubted,
        verified="verified" not in doubted,
        protected="protected" in doubted,
        facts=facts,
        contract=contract,
    )
