"""What a case really lived through, as a replay needs it: its beginning, and what happened to it from outside. Pure.

From outside means: what customers said, what people decided, what retests found, what was seen again. What the policy makes
of it (states, clocks, proposals) is not here; a replay finds that anew under an edition.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from tipstaff.cases.states import Event
from tipstaff.policy.edition import Role


class Kind(IntEnum):
    """What happened; at one moment in this order."""

    SEEN = 0  # events came in, the last of them happened at ``moment``
    OPENED = 1
    CATEGORY = 2  # a person says it is another kind: ``word``
    SAID = 3  # the customer said something, whatever
    SPEECH = 4  # the speech gate's verdict is ``word``; ``yes``: a court order is there
    SECOND_REVIEW = 5
    REFUSED = 6  # a person refused the proposed restriction
    ACT = 7  # something that the table decides on: ``event``
    DUE = 8  # a person set the time to resolve to ``moment``
    PAUSE = 9  # a person let the clocks ``word`` (by commas) stand still
    RESUME = 10


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing from outside. ``ranks``: what the person could decide; empty for customers and programs."""

    at: datetime
    kind: Kind
    by: str = ""
    ranks: frozenset[Role] = frozenset()
    event: Event | None = None
    word: str = ""
    yes: bool = False
    moment: datetime | None = None
    detail: Mapping[str, str] = field(default_factory=dict)  # of an act: kind and scope of a measure, the exception's code …

    @property
    def by_person(self) -> bool:
        """A member of staff decided, neither the customer nor a program."""
        return bool(self.by) and not self.by.startswith(("system", "contact:"))

    @property
    def words(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC, {self.by}: {self.event or self.kind.name.lower().replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class Told:
    """When the customer was first told, counted from the ticket (None: never), and when no contact could be reached."""

    after: timedelta | None
    unreachable: tuple[tuple[datetime, datetime | None], ...] = ()  # from, until (None: still)

    def reaches(self, ticketed_at: datetime | None, now: datetime) -> bool:
        if self.after is None or ticketed_at is None or ticketed_at + self.after > now:
            return False
        return not any(since <= now and (until is None or now < until) for since, until in self.unreachable)


@dataclass(frozen=True, slots=True)
class Past:
    """A case's beginning and everything from outside, in order of time."""

    number: int
    customer: int
    category: str  # as it was opened
    opened_at: datetime
    doubts: tuple[str, ...]  # why a person went first; empty: ticketed at once
    happenings: tuple[Happening, ...]
    told: Told
    facts: frozenset[str] = frozenset()  # typed facts that people established
    fault: str = ""
    by_hand_only: str = ""
    contract: timedelta | None = None
    terms_of_today: bool = True  # no history of the contract is kept
    earlier_breach_at: datetime | None = None  # an earlier case of this kind was resolved
    continues_at: datetime | None = None  # when the case that it continues was resolved
    parent: tuple[str, datetime, timedelta | None] | None = None  # its parent's kind, ticket and contract
    suggested: str = ""  # the measure that the clock would propose
    enforced_after: timedelta = timedelta(0)  # from the decision of its measure until it was in force
    enforcement_failed: bool = False  # a measure was decided, and none ever came into force


@dataclass(frozen=True, slots=True)
class Step:
    """One decision of the table in a replay."""

    at: datetime
    event: Event
    rule: str
    state: str
    clause: str
    person: str = ""


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of a case under one edition."""

    state: str
    category: str
    clause: str
    severity: str
    steps: tuple[Step, ...]
    doubts: tuple[str, ...] = ()
    ticketed_at: datetime | None = None
    ack: timedelta | None = None  # the customer's time as first given
    resolve: timedelta | None = None
    asked_at: datetime | None = None  # a restriction was proposed or asked for
    cut_at: datetime | None = None  # the service was first restricted, emergencies aside
    ending_at: datetime | None = None  # termination was first asked for
    ended_at: datetime | None = None  # terminated
    strike: int = 0  # percent
    struck_at: datetime | None = None
    waits: str = ""  # what waits for a person at the end
    moot: tuple[str, ...] = ()  # what people decided that this edition had no place for, and why
    late: tuple[str, ...] = ()  # what people decided after the case would have ended
    unknown: str = ""  # why it cannot be replayed
