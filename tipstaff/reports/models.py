"""The normalised report and its events."""

from django.db import models

from tipstaff.accounts.models import Customer, Service
from tipstaff.evidence.models import Blob
from tipstaff.intake.models import Submission

LIMITED = -1  # the trust that counts while a lead limits a reporter: nothing acts by itself, and rules may ask a person


class Reporter(models.Model):
    """Who reports: identity, authentication, trust and history."""

    key = models.TextField(unique=True)  # lower-case address, or 'domain:…', or 'feed:…', 'sensor:…'
    name = models.TextField(default="")
    email = models.TextField(default="")
    organisation = models.TextField(default="")
    authenticated_as = models.TextField(default="")  # domain that DKIM or SPF vouched for, by a trusted server
    confirmed_at = models.DateTimeField(null=True)  # by link
    trust = models.SmallIntegerField(default=0)  # -2 misuse … 0 unknown … 3 trusted flagger
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    reports = models.IntegerField(default=0)
    unfounded = models.IntegerField(default=0)
    warned_at = models.DateTimeField(null=True)  # told that too many of the reports were wrong
    spared_at = models.DateTimeField(null=True)  # a lead looked at them and left it at that
    limited_at = models.DateTimeField(null=True)  # a lead said that the reports count with LIMITED …
    limited_until = models.DateTimeField(null=True)  # … until then; the moment of lifting, where it was lifted


class Report(models.Model):
    """One report out of a submission. States as in section O: received, incomplete, unverified, not_ours, verified,
    merged, trash; plus 'set_aside' for dispositions that are no complaint."""

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="reports")
    ordinal = models.IntegerField(default=0)  # which report of its submission
    revision = models.IntegerField(default=0)  # parsing can be repeated; the newest revision counts
    reporter = models.ForeignKey(Reporter, on_delete=models.PROTECT, related_name="+")
    format = models.TextField()
    disposition = models.TextField()
    state = models.TextField(default="received")
    category = models.TextField(default="")
    category_from = models.TextField(default="")
    report_type = models.TextField(default="")
    external_id = models.TextField(default="")
    xarf = models.JSONField(null=True)
    subject = models.TextField(default="")
    description = models.TextField(default="")
    reported_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    events = models.IntegerField(default=0)  # rows stored
    duplicates = models.IntegerField(default=0)  # rows that were there already
    unmatched = models.JSONField(default=dict)  # counts by answer: not ours, not assigned, ambiguous …
    warnings = models.JSONField(default=list)
    needs = models.JSONField(default=list)
    copyright = models.JSONField(null=True)
    verification = models.JSONField(default=dict)  # name, locator, description: G2–G4, each met or missing
    trust = models.SmallIntegerField(default=0, db_default=0)  # that counted for this report: a forged sender has none
    experimental = models.BooleanField(default=False, db_default=False)  # its format never acts by itself
    # A person wrote it whom a trusted server vouches for: may be answered, and is held to what was wrong in it.
    answerable = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["submission", "ordinal"], name="report_once")]
        indexes = [
            models.Index(fields=["reporter", "received_at"], name="report_reporter"),
            models.Index(fields=["external_id"], name="report_external", condition=~models.Q(external_id="")),
            models.Index(fields=["received_at"], name="report_received"),
        ]


class Event(models.Model):
    """One observed fact, attributed. Stored in monthly partitions by ``received_at`` (see the migration).

    ``key`` is the identity: 4 bytes of event hour, then 12 of a digest, so that keys of one day lie together.
    ``attribution``: 0 nothing to attribute, 1 held, 2 not assigned then, 3 not ours, 4 ambiguous.
    ``action`` is what the operator's rules said: 0 case, 1 record only, 2 digest, 3 person, 4 hold.
    """

    key = models.UUIDField(primary_key=True)
    received_at = models.DateTimeField()
    case_id = models.BigIntegerField(null=True)
    report_id = models.BigIntegerField()
    row = models.IntegerField(null=True)  # row or line in the evidence, from 1
    occurred_at = models.DateTimeField(null=True)
    earliest = models.DateTimeField(null=True)  # only where occurred_at is not known
    latest = models.DateTimeField(null=True)
    time_as_written = models.TextField(null=True)
    ip = models.GenericIPAddressField(null=True)
    port = models.IntegerField(null=True)
    domain = models.TextField(null=True)
    url = models.TextField(null=True)
    category = models.TextField()
    report_type = models.TextField()
    count = models.IntegerField(default=1)
    customer_id = models.IntegerField(null=True)
    service_id = models.IntegerField(null=True)
    assignment_id = models.BigIntegerField(null=True)
    attribution = models.SmallIntegerField()
    provisional = models.BooleanField(default=False)  # newer than its inventory source's last word
    action = models.SmallIntegerField(default=0)
    details = models.JSONField(null=True)  # what the parser kept beside; null for feed rows (see evidence)

    class Meta:
        managed = False
        db_table = "reports_event"


class Attributed(models.Model):
    """An attribution that was corrected later: what was said first is kept here, the event has what is known now."""

    event_key = models.UUIDField()
    at = models.DateTimeField()
    by = models.TextField()
    before = models.JSONField()  # assignment, service, customer, answer, case
    after = models.JSONField()
    cause = models.TextField()  # 'assignment 812 recorded 2026-11-02, valid from 2026-10-01'

    class Meta:
        indexes = [models.Index(fields=["event_key"], name="attributed_event")]


class FeedDelivery(models.Model):
    """One delivery of a recurring feed; absence in a demonstrably fresh one means something."""

    feed = models.TextField()  # 'shadowserver/scan_ntp'
    report = models.ForeignKey(Report, on_delete=models.CASCADE)
    delivered_at = models.DateTimeField()
    newest_event_at = models.DateTimeField(null=True)
    rows = models.IntegerField()
    fresh = models.BooleanField()  # has events newer than the delivery before

    class Meta:
        indexes = [models.Index(fields=["feed", "delivered_at"], name="feed_deliveries")]


class Rule(models.Model):
    """An operator's rule, tried in order on each event. Conditions and actions: see rules.py."""

    position = models.IntegerField()
    name = models.TextField()
    conditions = models.JSONField(default=dict)
    action = models.TextField()  # record_only, digest, open_case, ask_person, hold
    enabled = models.BooleanField(default=False)  # switched on only after a replay
    replay = models.JSONField(null=True)  # what it would have done with past events
    replayed_at = models.DateTimeField(null=True)
    by = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["position", "id"]


class AcceptedRisk(models.Model):
    """A finding that the provider lives with: scope, reason, expiry."""

    customer = models.ForeignKey(Customer, null=True, on_delete=models.CASCADE)
    service = models.ForeignKey(Service, null=True, on_delete=models.CASCADE)
    prefix = models.TextField(default="")
    category = models.TextField(default="")
    report_type = models.TextField(default="")
    port = models.IntegerField(null=True)
    reason = models.TextField()
    by = models.TextField()
    at = models.DateTimeField()
    expires_at = models.DateTimeField()


class Tally(models.Model):
    """Events a day by customer, service and category: what rules count over, and what pages show, without a scan."""

    day = models.DateField()
    customer_id = models.IntegerField()
    service_id = models.IntegerField(default=0)  # 0: none
    category = models.TextField()
    action = models.SmallIntegerField()
    events = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer_id", "category", "day", "service_id", "action"], name="tally_once"),
        ]
        indexes = [models.Index(fields=["day"], name="tally_day")]


class Corroboration(models.Model):
    """Whether our own flows saw what an event of a report describes. Every look is a row and stays; the newest counts.

    ``verdict``: 'seen', 'not seen', 'cannot tell'. ``claim`` is what was looked for, ``watch`` who watched (sampling rates,
    clocks, loss, since when flows are kept); ``blob`` holds both with the flows that fit. ``again_at``: when more may be archived.
    """

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="corroborations")
    case_id = models.BigIntegerField()
    event_key = models.UUIDField()
    address = models.GenericIPAddressField()
    verdict = models.TextField()
    reason = models.TextField()
    missed = models.FloatField(null=True)  # the chance that sampling would have picked nothing of it
    offset_hours = models.FloatField(default=0)  # by which the stated time had to be moved
    skew_seconds = models.FloatField(default=0)  # by which the nearest flow lies off, after that
    flows = models.IntegerField(default=0)
    claim = models.JSONField(default=dict)
    watch = models.JSONField(default=dict)
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    by = models.TextField()
    again_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["event_key", "at"], name="corroboration_event"),
            models.Index(fields=["again_at"], name="corroboration_again", condition=models.Q(again_at__isnull=False)),
        ]
