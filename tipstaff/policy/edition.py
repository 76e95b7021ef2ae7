"""An edition of a provider's policy as plain values: clauses, categories, ladder, deadlines and switches.

Pure. Every duration is a timedelta; every name of a closed list is a StrEnum. ``loading`` makes these from files or
from a stored edition, and refuses what does not fit together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from tipstaff.policy.switches import Switches, Victims


class Severity(StrEnum):
    """How bad; the order is that of the list, worst first. MANUAL: a person says."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"
    MANUAL = "manual"


class Role(StrEnum):
    """Who may take a step. TWO_PERSONS: two different people, one of them a lead; NOBODY: the step does not exist."""

    NOBODY = "nobody"
    ANALYST = "analyst"
    LEAD = "lead"
    TWO_PERSONS = "two_persons"


class Opening(StrEnum):
    """How a case of a category begins."""

    TICKET = "ticket"  # TICKETED where structure and trust suffice, else TRIAGE
    TRIAGE = "triage"  # always a person first
    SEALED = "sealed"  # the sealed queue: two named roles, no preview, no customer message
    ENRICH = "enrich"  # never a case by itself; adds to what is known


class Handling(StrEnum):
    """Special handling that a category asks for."""

    ADVICE_ONLY = "advice_only"  # an advisory, not a strike
    AUTHENTICATION_RESULTS = "authentication_results"  # SPF, DKIM, DMARC and Received of the sample
    AUTHORITY_REPORT = "authority_report"
    CONFIDENCE_STATED = "confidence_stated"  # how likely, in words, with the decision (B2)
    CONSENT_DEMAND = "consent_demand"  # ask the sender for its proofs of consent (C6)
    COURT_ORDER_PREFERRED = "court_order_preferred"
    COUNTER_NOTICE = "counter_notice"
    DELISTING_PROOF = "delisting_proof"
    EMERGENCY_PATH = "emergency_path"
    EVIDENCE_SNAPSHOT = "evidence_snapshot"  # preserve before cutting
    FIX_PLAN = "fix_plan"
    FLOW_PROOF = "flow_proof"
    KEEP_SOURCE_PORT = "keep_source_port"
    LEDGER_CHECK = "ledger_check"  # the assignment ledger decides
    LEGAL_HOLD = "legal_hold"
    LOW_VOLUME_MERGE = "low_volume_merge"
    MASK_CARD_NUMBERS = "mask_card_numbers"
    MEASURED_FIGURE = "measured_figure"
    MITIGATION_FIRST = "mitigation_first"
    NEVER_OPEN_SAMPLE = "never_open_sample"
    NO_COUNTER_NOTICE = "no_counter_notice"  # the put-back of copyright does not apply
    NO_RENDERING = "no_rendering"
    NOTICE_FIRST = "notice_first"
    PERMIT_MATCH = "permit_match"
    PROTECTIVE_MEASURES_FIRST = "protective_measures_first"
    RECIPIENT_REDACTED = "recipient_redacted"
    REGISTRATION_RECORD = "registration_record"
    RESTRICTED_VIEW = "restricted_view"
    RETEST = "retest"
    RULE_LOCATION = "rule_location"  # the reporter names the rule that was broken (B7)
    SECOND_REVIEWER = "second_reviewer"
    SPEECH_GATE = "speech_gate"
    TERMINATION_REVIEW = "termination_review"
    URL_LEVEL_REMOVAL = "url_level_removal"
    ZERO_TOLERANCE = "zero_tolerance"


class Effect(StrEnum):
    """What a matching exception does to a report. None of them ever closes a case unseen."""

    ANNOTATE = "annotate"  # the report is kept with the note, and opens nothing by itself
    REVIEW = "review"  # a person decides; nothing is restricted meanwhile
    CLOSE = "close"  # once a person has confirmed it, the case closes without a strike


class LadderMode(StrEnum):
    DISCRETIONARY = "discretionary"  # the provider may
    MANDATORY = "mandatory"  # the provider will


class Trigger(StrEnum):
    """A fact of a case that a step of the ladder may rest on; each needs its own proof (H6)."""

    DISREGARDED = "disregarded"  # the customer's time ran out without a word
    INADEQUATE = "inadequate"  # what was done does not answer the complaint
    REPEATED = "repeated"  # the same conduct again, or still
    NOT_ADDRESSED = "not_addressed"  # after the restriction: no answer
    NOT_RESOLVED = "not_resolved"  # after the restriction: the conduct is not cured
    DECISION = "decision"  # a person's reasoned decision


@dataclass(frozen=True, slots=True)
class Guard:
    """When a step is open: any of the one list and all of the other; both empty means always."""

    any_of: tuple[Trigger, ...] = ()
    all_of: tuple[Trigger, ...] = ()

    def holds(self, facts: frozenset[Trigger] | set[Trigger]) -> bool:
        return (not self.any_of or any(t in facts for t in self.any_of)) and all(t in facts for t in self.all_of)


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: what may be done, when, by whom, and in the name of which clause."""

    code: str  # 'ticket', 'acknowledge', 'disconnect', 'terminate', 'block_traffic' …
    title: str
    clause: str
    guard: Guard
    approval: Role  # for the narrowest scope (an address, a port, a URL)
    approval_whole_service: Role  # for everything the customer has with us
    after: timedelta | None = None  # time that must have passed since the rung before


@dataclass(frozen=True, slots=True)
class Ladder:
    mode: LadderMode
    ordered: bool  # steps follow one another; else the provider picks (H9)
    reminders: tuple[int, ...]  # percent of the customer's time at which to remind
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """A numbered clause: its text, and the same in plain words for notices."""

    number: str  # '3.4'
    title: str
    text: str  # Markdown
    plain: str  # one or two plain sentences
    rows: tuple[str, ...]  # requirement rows it answers
    note: str = ""  # how we read the clause; never part of its text


@dataclass(frozen=True, slots=True)
class SeverityRule:
    """The customer's time and the desk's own, by severity (H3). None: no time is given, a person acts."""

    resolve: timedelta | None
    desk: timedelta | None  # from creation to the first decision of the desk


@dataclass(frozen=True, slots=True)
class Category:
    """What the edition says about one kind of conduct. Codes and taxonomies come from ``policy.categories``."""

    code: str
    title: str
    clause: str  # the clause that a case cites
    also: tuple[str, ...]  # further clauses
    severity: Severity
    resolve: timedelta | None  # the customer's time from TICKETED; None: none is given
    resolve_at_most: timedelta | None  # nobody may lengthen it beyond this (law)
    desk: timedelta | None  # the desk's time from creation
    authority_order: timedelta | None  # time to follow an order of an authority
    preserve: timedelta | None  # how long to keep what was found
    grouping_window: timedelta  # events of one service within it belong to one case
    reopen_within: timedelta  # newer events so soon after closing open a linked case; later ones an unlinked one
    feed_threshold: int  # events of a feed in the window before a case opens
    notice_every: timedelta  # at most one notice about recurring events in this time
    opening: Opening
    customer_told: bool
    anonymous_reporter: bool  # the report stands without name and contact
    per_se: bool  # a direct breach: no grace beyond the ticket (B13)
    immediate: Role  # who may restrict before the customer's time is over (K2)
    exceptions: tuple[str, ...]  # codes of the edition's exceptions
    handling: tuple[Handling, ...]
    required_facts: tuple[str, ...]  # codes of the edition's facts
    presumed: Mapping[str, str]  # facts taken as given until a person says otherwise
    report_fields: tuple[str, ...]  # what a report of this kind must bring beyond the general list (G4)
    labels: tuple[str, ...]  # sub-categories an analyst may choose
    xarf: tuple[str, ...]
    rsit: tuple[str, ...]
    automatic: tuple[str, ...] = ()  # kinds of measure that may follow from the ladder without a person; none unless listed
    business_time: bool = False  # the customer's time counts the calendar's hours only


@dataclass(frozen=True, slots=True)
class Fact:
    """A typed fact of a case; the code is the field of the case. No values: free text."""

    code: str
    title: str
    row: str
    values: tuple[str, ...]
    before: str  # 'ticket' or 'decision': the moment by which it must be known


@dataclass(frozen=True, slots=True)
class ExceptionRule:
    """A reason why conduct of a category is no breach, what must be on file for it, and its effect."""

    code: str
    title: str
    effect: Effect
    needs: tuple[str, ...]  # facts on file, e.g. approver, scope, systems, valid_from, valid_until
    within: timedelta | None = None  # time to cure or to bring the proof, where it has one


@dataclass(frozen=True, slots=True)
class Timers:
    """Times that belong to no single category."""

    ack_at_most: timedelta  # acknowledgement is due then, or with the resolution if that is sooner
    repeat_within: timedelta  # same category again after RESOLVED: the repeat of H6
    incomplete_closes: timedelta  # an incomplete report without an answer
    quiet_period: timedelta  # silence that confirms a fix
    probation: timedelta  # after reconnection
    second_timer: timedelta  # from disconnection to termination (H8)
    emergency_block: timedelta  # an unconfirmed emergency block ends by itself
    retrieval_window: timedelta  # the customer's time to fetch its content after termination
    appeal_within: timedelta
    child_share: int  # percent of the parent's remaining time that a reseller's client gets (A6)
    final_warning: timedelta = timedelta(hours=12)  # before a restriction; never longer than the category's own time
    final_notice: timedelta = timedelta(hours=72)  # before a termination
    dispute_decided: timedelta = timedelta(hours=24)  # the desk's time to decide a dispute
    appeal_decided: timedelta = timedelta(days=7)  # the desk's time to decide an appeal
    alert_every: timedelta = timedelta(minutes=15)  # until an unclaimed critical case is said again, one level higher


@dataclass(frozen=True, slots=True)
class Calendar:
    """Business hours, for categories whose time counts these only."""

    timezone: str  # 'Europe/Vienna'
    days: tuple[str, ...]  # 'mon' … 'sun'
    opens: str  # '09:00'
    closes: str  # '17:00', later than ``opens``
    holidays: tuple[str, ...] = ()  # '2026-12-25'


@dataclass(frozen=True, slots=True)
class StrikeRule:
    limit: int
    within: timedelta
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportRules:
    """What a report must bring to count as verified (G2-G4), and who hears of an attack on a customer (B11, B12)."""

    required: tuple[str, ...]
    victims: Victims = Victims.DESK


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition, whole. ``content_hash`` is the sha256 of its canonical form (``loading.canonical``)."""

    pack: str
    version: str
    title: str
    language: str
    sections: Mapping[str, str]  # number of a section to its heading
    clauses: Mapping[str, Clause]  # by number, in the text's order
    severities: Mapping[Severity, SeverityRule]
    categories: Mapping[str, Category]
    facts: Mapping[str, Fact]
    exceptions: Mapping[str, ExceptionRule]
    ladder: Ladder
    timers: Timers
    strikes: StrikeRule
    reports: ReportRules
    switches: Switches
    aliases: Mapping[str, str]  # another name, in lower case, for a clause number (K21)
    calendar: Calendar | None = None  # business hours, where the policy counts them
    content_hash: str = ""

    @property
    def name(self) -> str:
        return f"{self.pack}/{self.version}"
