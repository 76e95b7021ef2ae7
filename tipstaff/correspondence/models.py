"""What is to be sent, and what was said; knows references, not cases."""

from django.db import models
from django.db.models import Q

from tipstaff.accounts.models import Contact

AUDIENCES = ("customer", "reseller", "reporter", "staff")  # nobody inside is among them: an internal note cannot be a message
STATES = ("waiting", "held", "sending", "sent", "failed", "withdrawn")


class OutboxMessage(models.Model):
    """A message that must reach somebody. Delivery is another's work; this row is the promise.

    ``state``: waiting → sending → sent or failed; held (a person decides) and withdrawn beside them. ``handed_at`` is set and
    committed just before the last bytes go out: from then on a message that is not ``sent`` may have arrived all the same.
    """

    reference = models.TextField()  # 'case:4312', 'submission:018f…', 'customer:17'
    audience = models.TextField()
    kind = models.TextField()  # opened, reminder … ; message (written by a person), ask-back, confirm, digest
    recipient_name = models.TextField(default="")
    recipient = models.TextField()
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="+")
    language = models.TextField(default="en")
    subject = models.TextField()
    body = models.TextField()
    html = models.TextField(default="")
    sender = models.TextField(db_default="", default="")  # the address that it comes from; empty: the instance's
    token = models.TextField(db_default="", default="")  # names what it belongs to in its addresses and its Message-ID
    in_reply_to = models.TextField(default="")
    thread = models.TextField(db_default="", default="")  # Message-IDs of what went before, the oldest first (References)
    message_id = models.TextField(default="")  # fixed before the first attempt, and the same in every one
    automatic = models.BooleanField(db_default=True, default=True)  # nobody wrote it: Auto-Submitted says so (RFC 3834)
    urgent = models.BooleanField(db_default=False, default=False)  # goes first, and past the cap of its recipient
    state = models.TextField(default="waiting")
    dedupe_key = models.TextField(null=True, unique=True)  # the same promise is made once
    created_at = models.DateTimeField()
    created_by = models.TextField(default="system")
    not_before = models.DateTimeField()
    claimed_by = models.TextField(db_default="", default="")
    claimed_until = models.DateTimeField(null=True)
    handed_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    error = models.TextField(default="")  # why it waits, is held, failed or was withdrawn
    changed_by = models.TextField(db_default="", default="")  # who held, released, retried or withdrew it
    bad_address = models.BooleanField(db_default=False, default=False)  # refused or returned because of the address itself
    reported_at = models.DateTimeField(null=True)  # when its failure was told to what it belongs to
    sha256 = models.TextField(db_default="", default="")  # of the bytes that were sent

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(audience__in=AUDIENCES), name="outbox_audience_is_outside"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="outbox_state_is_known"),
        ]
        indexes = [
            models.Index(fields=["-urgent", "not_before", "id"], name="outbox_waiting", condition=Q(state="waiting")),
            models.Index(fields=["claimed_until"], name="outbox_sending", condition=Q(state="sending")),
            models.Index(fields=["state", "-id"], name="outbox_by_state"),
            models.Index(fields=["reference"], name="outbox_reference"),
            models.Index(fields=["recipient", "created_at"], name="outbox_recipient"),
            models.Index(fields=["sent_at"], name="outbox_sent", condition=Q(state="sent")),
            models.Index(fields=["id"], name="outbox_unreported", condition=Q(bad_address=True, reported_at__isnull=True)),
        ]


class Attempt(models.Model):
    """One try to hand a message to the smarthost, and what it answered."""

    message = models.ForeignKey(OutboxMessage, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    outcome = models.TextField()  # sent, later, never, unsure, ours
    stage = models.TextField(default="")  # connect, greeting, tls, login, sender, recipient, content
    code = models.IntegerField(default=0)
    answer = models.TextField(default="")
    server = models.TextField(default="")


class Wording(models.Model):
    """An operator's own words for a kind of message, instead of the packaged ones. Retired ones are kept."""

    kind = models.TextField()  # 'opened', 'opened.reseller', a fragment '_closing', guidance 'guidance.phishing'
    language = models.TextField()
    brand = models.TextField(default="")
    subject = models.TextField(default="")
    body = models.TextField()
    html = models.TextField(default="")  # empty: made from the body
    at = models.DateTimeField()
    by = models.TextField()
    retired_at = models.DateTimeField(null=True)
    retired_by = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "language", "brand"], condition=Q(retired_at__isnull=True), name="wording_one_in_use"
            )
        ]


class Macro(models.Model):
    """A piece of text that is written often, for the composer."""

    name = models.TextField()
    audience = models.TextField()  # customer, reporter; 'internal' for notes
    language = models.TextField(default="en")
    text = models.TextField()
    owner = models.TextField(default="")  # a username; empty: everybody's
    at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "audience", "language", "owner"], name="macro_once")]


class Suppression(models.Model):
    """An address that nothing is sent to until somebody lifts it."""

    address = models.TextField()  # lower case
    reason = models.TextField()
    at = models.DateTimeField()
    by = models.TextField()
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["address"], condition=Q(lifted_at__isnull=True), name="suppression_one_in_force")
        ]
