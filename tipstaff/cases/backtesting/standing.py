"""Where a replayed case stands: what its rows would say, and what the rules may ask of it. Pure."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tipstaff.cases.backtesting.past import Lived, Past, Step
from tipstaff.cases.dues import Start
from tipstaff.cases.facts import Facts
from tipstaff.cases.states import ENDED, PAUSABLE, State, family
from tipstaff.policy import deadlines
from tipstaff.policy.edition import Category, Edition, Trigger


@dataclass(slots=True)
class Running:
    started_at: datetime
    due_at: datetime
    held_at: datetime | None = None  # stands still since
    by_hand: bool = False  # a person holds it, and lets it go on


@dataclass(slots=True)
class Standing:
    """One case under one edition."""

    past: Past
    edition: Edition
    category: Category
    at_event: Edition | None
    now: datetime = field(init=False)
    state: State = State.TRIAGE
    clocks: dict[str, Running] = field(default_factory=dict)
    proofs: set[Trigger] = field(default_factory=set)
    doubts: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    moot: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    waits: str = ""
    unknown: str = ""
    fired: int = 0
    # what rows would say
    opened: bool = False
    first: deadlines.Due | None = None
    ticketed_at: datetime | None = None
    resolve_due: datetime | None = None
    fix_at: datetime | None = None
    said_at: datetime | None = None
    seen_at: datetime | None = None  # when the last event happened
    changed_at: datetime | None = None
    closed_at: datetime | None = None
    returned: int = 0
    retest: tuple[str, datetime] | None = None
    acknowledged: bool = False
    silence: bool = False
    heard: bool = False
    second_review: bool = False
    speech: str = ""
    court_order: bool = False
    proposal: str = ""  # kind of the measure that waits for approval
    immediate: bool = False
    approved: bool = False
    in_force_at: datetime | None = None  # when what was decided comes into force
    restricted_at: datetime | None = None
    emergency: bool = False
    resumes: State | None = None
    strike: int = 0
    struck_at: datetime | None = None
    asked_at: datetime | None = None
    cut_at: datetime | None = None
    lifted_at: datetime | None = None
    ending_at: datetime | None = None
    ended_at: datetime | None = None

    def __post_init__(self) -> None:
        self.now = self.past.opened_at

    # ---- what the rules may ask

    def facts(self, given: Mapping[str, Any]) -> Facts:
        now, restricted = self.now, self.restricted_at
        looked_since = restricted or self.fix_at
        found = self.retest
        values: dict[str, Any] = {
            "running": frozenset(kind for kind, one in self.clocks.items() if one.held_at is None),
            "proofs": frozenset(self.proofs),
            "by_hand_only": self.past.by_hand_only,
            "reachable": self.past.told.reaches(self.ticketed_at, now),
            "answered": self.said_at is not None,
            "silence_confirmed": self.silence,
            "acknowledged": self.acknowledged,
            "returned": self.returned,
            "retest": found[0] if found and (looked_since is None or found[1] >= looked_since) else "",
            "seen_again": _after(self.seen_at, self.fix_at or restricted),
            "contacted": _after(self.said_at, restricted),
            "speech": self.speech,
            "court_order": self.court_order,
            "second_review": self.second_review,
            "dispute_heard": self.heard,
            "early": bool(self.resolve_due and self.resolve_due > now),
            "overdue": bool(self.resolve_due and self.resolve_due <= now) and "resolve" not in self.clocks,
            "approved": self.approved,
            "measures": int(restricted is not None),
            "earlier_breach": _before(self.past.earlier_breach_at, now),
            "contract": self.past.contract,
            "ticketed_at": self.ticketed_at,
        }
        return Facts(self.state, self.edition, self.category, self.category.severity, **{**values, **given})

    # ---- clocks

    def start(self, starts: Iterable[Start]) -> None:
        for start in starts:
            self.clocks[start.kind] = Running(start.started_at, start.due_at)

    def due(self, kind: str) -> datetime | None:
        return self.clocks[kind].due_at if kind in self.clocks else None

    def hold(self, families: AbstractSet[str], *, by_hand: bool = False) -> None:
        for kind, clock in self.clocks.items():
            if clock.held_at is None and family(kind) in families and family(kind) in PAUSABLE:
                clock.held_at, clock.by_hand = self.now, by_hand

    def go_on(self, *, by_hand: bool = False) -> None:
        for clock in self.clocks.values():
            if clock.held_at is not None and clock.by_hand is by_hand:
                clock.due_at, clock.held_at = clock.due_at + (self.now - clock.held_at), None
        self.resolve_due = self.due("resolve") or self.resolve_due

    def lived(self) -> Lived:
        first = self.first or deadlines.Due(None, None)
        start = self.ticketed_at or self.now
        return Lived(
            state=self.state, category=self.category.code, clause=self.category.clause, severity=str(self.category.severity),
            steps=tuple(self.steps), doubts=self.doubts, ticketed_at=self.ticketed_at,
            ack=first.ack - start if first.ack else None, resolve=first.resolve - start if first.resolve else None,
            asked_at=self.asked_at, cut_at=self.cut_at, ending_at=self.ending_at, ended_at=self.ended_at, strike=self.strike,
            struck_at=self.struck_at, waits="" if self.state in ENDED else self.waits, moot=tuple(self.moot), late=tuple(self.late),
            unknown=self.unknown,
        )  # fmt: skip


def _after(moment: datetime | None, since: datetime | None) -> bool:
    return moment is not None and since is not None and moment > since


def _before(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
