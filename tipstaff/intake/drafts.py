"""What a parser makes of a message, before anything has a row: the normalised report as plain values.

Shapes are fixed here because every parser, the batch pass and ``tipstaff parse`` share them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

    from tipstaff.intake.reading.answering import Said
    from tipstaff.intake.reading.returned import Returned


#: Kinds of sources that an operator connected: what they bring is no stranger's.
CONNECTED = ("files", "pull", "api", "sensor")


class Disposition(StrEnum):
    """What a message is, decided before what it says."""

    REPORT = "report"
    REPLY = "reply"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto-reply"
    OPT_OUT = "opt-out"
    AUTH_FAILURE = "auth-failure"
    COUNTER_NOTICE = "counter-notice"
    RETRACTION = "retraction"
    NOT_A_REPORT = "not-a-report"
    NEEDS_A_PERSON = "needs-a-person"


class Confidence(IntEnum):
    """How sure a parser is that a message is in its format."""

    NONE = 0
    POSSIBLE = 1  # free text and heuristics
    LIKELY = 2  # the sender's habits fit
    STRUCTURE = 3  # a machine-readable structure of a general kind (ARF, X-ARF, CSV with known header)
    CERTAIN = 4  # the structure and its origin's own marks (a known feed, a known sender's own schema)


@dataclass(slots=True)
class Reporter:
    """Who reports, as the message states it; only ``authenticated_as`` is more than a claim."""

    name: str | None = None
    email: str | None = None
    organisation: str | None = None
    authenticated_as: str | None = None  # the domain that a trusted server vouched for (RFC 8601), where it is the sender's


@dataclass(slots=True)
class EventDraft:
    """One observed fact about one address, domain or URL.

    ``occurred_at`` is aware UTC, or None where no exact time can be known; then ``earliest``/``latest`` bound it
    where the report says enough (a date without a zone spans 14 h more on either side). ``port`` is on the accused
    side, ``count`` how many occurrences the report states. ``found_in`` names for each value where it came from.
    """

    ip: str | None = None  # normalised text; ::ffff:a.b.c.d is written as IPv4
    port: int | None = None
    protocol: str | None = None  # 'tcp', 'udp', 'icmp' ...
    domain: str | None = None  # lower case, IDNA A-label, no trailing dot
    url: str | None = None  # refanged
    mailbox: str | None = None  # the accused mailbox on a shared server
    customer: int | None = None  # whom our own sensors name where no address can: counts from them alone, and without an address
    occurred_at: datetime | None = None
    time_as_written: str | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    count: int = 1
    category: str | None = None  # where one report holds several kinds; else the report's
    report_type: str | None = None  # where one report holds several kinds; else the report's
    identity: tuple[str, ...] = ()  # the values that the parser lists as identity for its type
    details: dict[str, Any] = field(default_factory=dict)  # victim address and port, malware name, unknown columns …
    row: int | None = None  # line or row number inside the evidence, from 1
    found_in: dict[str, str] = field(default_factory=dict)  # at least 'ip' and 'occurred_at' where those are given


@dataclass(slots=True)
class ReportDraft:
    """One report: a reporter, a kind, and its events.

    A feed of many rows carries them as ``table`` instead of ``events``: a polars DataFrame with the columns of
    ``TABLE_COLUMNS`` (any may be absent, all text but where said), so that a million rows never become objects.
    """

    format: str  # 'arf', 'xarf-4', 'x-arf-0.2', 'shadowserver', 'free-text' …
    disposition: Disposition = Disposition.REPORT
    reporter: Reporter = field(default_factory=Reporter)
    category: str | None = None  # code of requirements section L; None: not classified yet
    category_from: str | None = None  # 'structure', 'profile NAME', 'keyword WORD (de)', …
    report_type: str | None = None  # the format's own type: 'scan_ntp', 'login-attack', 'Spam' …
    external_id: str | None = None
    xarf: dict[str, str] | None = None  # {'category': …, 'type': …} where the taxonomy has it
    events: list[EventDraft] = field(default_factory=list)
    table: "polars.DataFrame | None" = None
    reported_at: datetime | None = None  # when the reporter wrote it, not when it happened
    subject: str | None = None
    description: str | None = None  # what the reporter says happened, at most 2,000 characters
    warnings: list[str] = field(default_factory=list)
    experimental: bool = False  # no captured or documented input known, or a measurement of low confidence: never acts by itself
    victim: bool = False  # accuses nobody (our customer was attacked, or is blocked already): recorded, and never a case
    trust: int | None = None  # what its profile gives a source of our own at first; None: what any connected source has
    sealed: bool = False  # goes unseen to the sealed queue (B17)
    copyright: dict[str, Any] | None = None  # work, claimant, elements of 512(c)(3)(A) present or missing
    needs: list[str] = field(default_factory=list)  # why a person must decide, in words; disposition then says so
    automated: bool = False  # a machine wrote it (Auto-Submitted, a list, the null path): never answered
    mapping: str | None = None  # the beginning of the SHA-256 of the mapping it was read by (feeds.mapping.mark_of)
    feed: str | None = None  # name of the recurring feed, where absence later means something
    said: "Said | None" = None  # an answer's own words, apart from what it quotes
    returned: "Returned | None" = None  # a returned mail: which of ours, from whom, why


#: Columns of ``ReportDraft.table`` with their polars dtype names.
TABLE_COLUMNS = {
    "ip": "String",
    "port": "Int32",
    "protocol": "String",
    "domain": "String",
    "url": "String",
    "occurred_at": "Datetime('us', 'UTC')",
    "time_as_written": "String",
    "count": "Int32",
    "category": "String",
    "report_type": "String",
    "identity": "String",
    "row": "Int32",
    "mailbox": "String",
    "earliest": "Datetime('us', 'UTC')",
    "latest": "Datetime('us', 'UTC')",  # where occurred_at is null, as on EventDraft
    "family": "UInt8",  # all three or none: the address as numbers (kernel.addresses), family 0 where ip is null
    "hi": "UInt64",
    "lo": "UInt64",
}
