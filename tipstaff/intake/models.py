"""What was received, before anybody knows what it is."""

from django.db import models

from tipstaff.evidence.models import Blob


class Source(models.Model):
    """A way in: a mailbox, a listener, a folder, a feed, a form. Its health is a line on the desk."""

    name = models.TextField(unique=True)
    kind = models.TextField()  # smtp, lmtp, imap, files, pull, api, form, sensor
    settings = models.JSONField(default=dict)  # never secrets: those are named references to the environment
    enabled = models.BooleanField(default=True)
    cursor = models.JSONField(default=dict)  # where a pull or a mailbox stands
    expected_every = models.DurationField(null=True)  # silence longer than this is an alarm
    last_received_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="")
    last_error_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # next pull
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="source_due", condition=models.Q(enabled=True))]


class Submission(models.Model):
    """Raw bytes that were accepted. The id is made at acceptance; (source, source_ref) is unique there.

    States: received → parsed | needs_person | set_aside (filed without a case) | sealed | failed (a person looks).
    """

    id = models.UUIDField(primary_key=True)
    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    source_ref = models.TextField()  # 'INBOX/42/1017', an idempotency key, a spool name, a path
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT)
    filename = models.TextField(default="")
    received_at = models.DateTimeField()
    envelope = models.JSONField(default=dict)  # MAIL FROM, RCPT TO, peer, TLS, API token name …
    state = models.TextField(default="received")
    disposition = models.TextField(default="")
    reason = models.TextField(default="")  # why it stands where it stands, in words
    trace = models.JSONField(default=list)  # which parser claimed it, what each step found
    subject = models.TextField(default="")  # empty for sealed submissions
    sender = models.TextField(default="")
    attempts = models.IntegerField(default=0)
    claimed_by = models.TextField(default="")
    claimed_until = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # the desk's own clock for what a person must decide
    decided_at = models.DateTimeField(null=True)
    decided_by = models.TextField(default="")
    case_ref = models.TextField(default="")  # number of the case a reply or decision was filed to

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "source_ref"], name="submission_once")]
        indexes = [
            models.Index(fields=["received_at"], name="submission_waiting", condition=models.Q(state="received")),
            models.Index(
                fields=["state", "due_at"],
                name="submission_person",
                condition=models.Q(state__in=["needs_person", "failed", "sealed"]),
            ),
            models.Index(fields=["received_at"], name="submission_received"),
        ]


class Correction(models.Model):
    """A person set right what a machine read; kept, and used for the next mail of that kind."""

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="corrections")
    field = models.TextField()  # category, accused, disposition, occurred_at …
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    sender = models.TextField(default="")  # whose mails it teaches us about
    note = models.TextField(default="")
    by = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["sender"], name="correction_sender")]


class Keyword(models.Model):
    """An operator's own word for a category, beside the packaged vocabulary."""

    language = models.TextField()
    text = models.TextField()
    category = models.TextField()
    weight = models.FloatField(default=1.0)
    enabled = models.BooleanField(default=True)  # False switches a packaged keyword off
    by = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["language", "text", "category"], name="keyword_once")]


class ReporterProfile(models.Model):
    """What we know of a sender's habits: authenticated domain → format, category, zone. Overrides the packaged one."""

    domain = models.TextField(unique=True)
    category = models.TextField(default="")
    timezone = models.TextField(default="")
    settings = models.JSONField(default=dict)
    by = models.TextField()
    at = models.DateTimeField()
