"""Cases: what a customer is answerable for, under a clause of the edition that was in force."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from tipstaff.accounts.models import Customer, Service
from tipstaff.cases.models_measures import Approval, Measure, Proof, Refusal, RefusalMatch, Retest, Strike
from tipstaff.cases.models_teams import Alert, AlertChannel, Shift, Team
from tipstaff.cases.models_time import Clock, ClockChange, Pause
from tipstaff.cases.models_words import (
    Appeal,
    AuthorityDuty,
    ContentReview,
    ContentView,
    Cooperation,
    Notice,
    Retraction,
    Ruling,
    SpeechReview,
    Statement,
)
from tipstaff.policy.models import StoredEdition

__all__ = [
    "Alert", "AlertChannel", "Appeal", "Approval", "AuthorityDuty", "Case", "CaseChange", "CaseLink", "CaseReport", "Clock",
    "ClockChange", "ContentReview", "ContentView", "Cooperation", "JournalEntry", "Measure", "MovedEvent", "Notice", "Pause",
    "Proof", "Refusal", "RefusalMatch", "Retest", "Retraction", "Ruling", "Shift", "SpeechReview", "Statement", "Strike", "Team",
]  # fmt: skip


class Case(models.Model):
    """One incident with one responsible party. ``state`` uses the names of requirements section O.

    ``group_key`` says which events belong: a digest of customer, service, category and brand. At most one case
    accepts events for a group at a time.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="cases")
    service = models.ForeignKey(Service, null=True, on_delete=models.PROTECT, related_name="cases")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    category = models.TextField()
    clause = models.TextField()  # number in the pinned edition
    severity = models.TextField()
    edition = models.ForeignKey(StoredEdition, on_delete=models.PROTECT)
    brand = models.TextField(default="")
    state = models.TextField(default="TRIAGE")
    outcome = models.TextField(default="")
    group_key = models.UUIDField()
    accepting = models.BooleanField(default=True)
    headline = models.TextField(default="")  # address or host it is about, for titles
    opened_at = models.DateTimeField()
    opened_by = models.TextField(default="system")
    first_event_at = models.DateTimeField(null=True)
    last_event_at = models.DateTimeField(null=True)
    refreshed_at = models.DateTimeField()  # when the last event was received
    window_until = models.DateTimeField()  # events received later open a linked case
    events = models.IntegerField(default=0)
    reports = models.IntegerField(default=0)
    reporters = models.IntegerField(default=0)
    provisional = models.BooleanField(default=False)
    needs_person = models.TextField(default="")  # why a person must decide, empty where not
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="cases")
    waiting_on = models.TextField(default="us")  # us, customer, reporter
    last_word_by = models.TextField(default="")
    last_word_at = models.DateTimeField(null=True)
    desk_due_at = models.DateTimeField(null=True)  # the desk's clock, from creation
    ticketed_at = models.DateTimeField(null=True)
    ack_due_at = models.DateTimeField(null=True)  # the customer's clocks, from TICKETED
    resolve_due_at = models.DateTimeField(null=True)
    next_due_at = models.DateTimeField(null=True)  # the earliest of the above that still counts
    noticed_at = models.DateTimeField(null=True)  # last notice about recurring events
    closed_at = models.DateTimeField(null=True)
    merged_into = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="merged")
    # Typed facts that the policies name; required where the edition says so.
    harmed_party = models.TextField(default="")  # A4
    surface = models.TextField(default="")  # A8: service, personnel, network
    mode = models.TextField(default="")  # A7: engage, solicit, endorse, support, direct
    medium = models.TextField(default="")  # B4: storage, circulation
    third_party_rule = models.TextField(default="")  # B7
    jurisdiction = models.TextField(default="")  # B9, B10
    statute = models.TextField(default="")  # B24
    actor = models.TextField(default="")  # D2
    fault = models.TextField(default="")  # D4: intentional, compromised, negligent
    label = models.TextField(db_default="", default="")  # a sub-category of the edition's: sender, receiver, kit …
    # The customer's side, as it went.
    seen_at = models.DateTimeField(null=True)  # the customer opened the ticket in the portal
    acknowledged_at = models.DateTimeField(null=True)
    promised_at = models.DateTimeField(null=True)  # by when the plan promises a fix
    fix_claimed_at = models.DateTimeField(null=True)
    returned = models.IntegerField(db_default=0, default=0)  # how often a fix was handed back

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group_key"], condition=Q(accepting=True), name="case_one_per_group"),
        ]
        indexes = [
            models.Index(fields=["next_due_at", "id"], name="case_due", condition=Q(closed_at__isnull=True)),
            models.Index(fields=["customer", "opened_at"], name="case_customer"),
            models.Index(fields=["group_key", "closed_at"], name="case_group"),
            models.Index(fields=["owner", "next_due_at"], name="case_owner", condition=Q(closed_at__isnull=True)),
            models.Index(fields=["headline"], name="case_headline"),
            models.Index(fields=["opened_at"], name="case_opened"),
        ]


class JournalEntry(models.Model):
    """What happened to a case, in order: the timeline, the statistics and the proof. Append-only."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="journal")
    at = models.DateTimeField()
    actor = models.TextField()
    kind = models.TextField()  # opened, events, state, note, mail, fact, owner, link, action …
    text = models.TextField()
    detail = models.JSONField(default=dict)
    internal = models.BooleanField(default=True)  # an internal entry is never shown to customer or reporter

    class Meta:
        indexes = [models.Index(fields=["case", "at"], name="journal_case")]


class CaseReport(models.Model):
    """Which reports speak of a case, with how many events: the record of every refreshment, see ``arrivals``."""

    # No index of its own: that of the constraint below finds a case's reports, the newest first. No check by the database either:
    # who writes these rows has the case locked, and no case is ever deleted but with them (docs/decisions/0034).
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="case_reports", db_index=False, db_constraint=False)
    report_id = models.BigIntegerField()
    reporter_id = models.BigIntegerField()
    events = models.IntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "report_id"], name="casereport_once")]
        indexes = [models.Index(fields=["report_id"], name="casereport_report")]


class CaseLink(models.Model):
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="links")
    other = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="linked_from")
    kind = models.TextField()  # continues, split_from, merged, related, child
    at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "other", "kind"], name="caselink_once")]


class CaseChange(models.Model):
    """A merge, split or move, with all that is needed to undo it."""

    kind = models.TextField()  # merge, split, move
    by = models.TextField()
    at = models.DateTimeField()
    reason = models.TextField(default="")
    before = models.JSONField(default=dict)  # case fields before, by case number
    undone_at = models.DateTimeField(null=True)
    undone_by = models.TextField(default="")


class MovedEvent(models.Model):
    """Which events a change carried, and from where."""

    change = models.ForeignKey(CaseChange, on_delete=models.CASCADE, related_name="moved")
    event_key = models.UUIDField()
    from_case = models.BigIntegerField()
    to_case = models.BigIntegerField()
