"""The points on which providers differ: rows K1-K21 of the requirements as typed values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ImmediateAction(StrEnum):
    ANY_CATEGORY = "any_category"
    LISTED_CATEGORIES = "listed_categories"


class OwnInitiativeReview(StrEnum):
    OFF = "off"
    LEAD_WITH_REASON = "lead_with_reason"


class SpeechGate(StrEnum):
    NONE = "none"
    US_1A = "us_1a"
    OTHER = "other"


class DnsChangeBasis(StrEnum):
    REGISTRANT_REQUEST = "registrant_request"
    SOLE_DISCRETION = "sole_discretion"


class DisclosureLimit(StrEnum):
    LEGALLY_OBLIGED = "legally_obliged"
    AS_DIRECTED = "as_directed"


class MailConsent(StrEnum):
    OPT_IN = "opt_in"
    UNSOLICITED_BULK = "unsolicited_bulk"


class ReceivingSpam(StrEnum):
    NOT_COVERED = "not_covered"
    PERSON_DECIDES = "person_decides"


class Acknowledgement(StrEnum):
    """An acknowledgement is never an admission; the switch says only whether one is asked for."""

    NOT_ASKED = "not_asked"
    ASKED = "asked"


class CustomerTimers(StrEnum):
    TARGETS = "targets"  # shown and watched; running out brings the case to a person
    ACK_AND_RESOLVE = "ack_and_resolve"


class ReporterNotice(StrEnum):
    """What a reporter hears where no law says more."""

    LEGAL_ONLY = "legal_only"
    RECEIPT = "receipt"
    OUTCOME = "outcome"


class Amendments(StrEnum):
    UNSTATED = "unstated"
    POSTED = "posted"


class AcceptanceBasis(StrEnum):
    BY_USE = "by_use"
    EXPLICIT = "explicit"


class Register(StrEnum):
    """Whether a workflow is part of the policy."""

    OPTIONAL = "optional"
    REQUIRED = "required"


class ReportChannel(StrEnum):
    """What the text itself says; the address is required configuration either way (G1)."""

    UNSTATED = "unstated"
    EMAIL = "email"


class Victims(StrEnum):
    """Who hears that a customer was attacked (B11, B12): our own people, or the customer as well."""

    DESK = "desk"
    CUSTOMER = "customer"


class MailedMedia(StrEnum):
    """What becomes of media mailed in a sealed matter; counsel owns the choice."""

    SEALED_ENCRYPTED = "sealed_encrypted"
    DIGEST_ONLY = "digest_only"  # hash, size and type


@dataclass(frozen=True, slots=True)
class Switches:
    """The points on which providers differ (rows K1-K21) that are neither ladder, category nor alias."""

    immediate_action: ImmediateAction
    own_initiative_review: OwnInitiativeReview
    speech_gate: SpeechGate
    exception_kinds: tuple[str, ...]
    dns_change_basis: DnsChangeBasis
    registrar_check: bool
    disclosure_scopes: tuple[str, ...]
    disclosure_limit: DisclosureLimit
    voluntary_crime_report: bool
    mail_consent: MailConsent
    mail_law_packs: tuple[str, ...]
    receiving_spam: ReceivingSpam
    acknowledgement: Acknowledgement
    customer_timers: CustomerTimers
    reporter_notice: ReporterNotice
    csam_hard_override: bool  # law, not choice: loading refuses False
    mailed_media: MailedMedia
    sla_exclusion: bool
    amendments: Amendments
    acceptance: AcceptanceBasis
    fault_weights: Mapping[str, int]  # percent of a strike, by value of the fact 'fault'
    report_channel: ReportChannel
    test_permits: Register
    consent_records: Register


#: Where each row of section K is decided, as paths into the canonical form; '*' is every category.
SWITCH_ROWS: Mapping[str, tuple[str, ...]] = {
    "K1": ("ladder.mode", "ladder.ordered"),
    "K2": ("switches.immediate_action", "categories.*.immediate"),
    "K3": ("switches.own_initiative_review",),
    "K4": ("switches.speech_gate",),
    "K5": ("switches.exception_kinds",),
    "K6": ("switches.dns_change_basis",),
    "K7": ("switches.registrar_check",),
    "K8": ("switches.disclosure_scopes", "switches.disclosure_limit", "switches.voluntary_crime_report"),
    "K9": ("switches.mail_consent", "switches.mail_law_packs", "switches.receiving_spam"),
    "K10": ("switches.acknowledgement",),
    "K11": ("switches.customer_timers", "timers.ack_at_most"),
    "K12": ("ladder.steps",),
    "K13": ("switches.reporter_notice",),
    "K14": ("switches.csam_hard_override", "switches.mailed_media"),
    "K15": ("switches.sla_exclusion",),
    "K16": ("switches.amendments", "switches.acceptance"),
    "K17": ("switches.fault_weights",),
    "K18": ("switches.report_channel",),
    "K19": ("switches.test_permits",),
    "K20": ("switches.consent_records",),
    "K21": ("aliases",),
}
