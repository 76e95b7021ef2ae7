"""What is to be sent, and what was said; knows references, not cases."""

from django.db import models


class OutboxMessage(models.Model):
    """A message that must reach somebody. Delivery is another's work; this row is the promise."""

    reference = models.TextField()  # 'case:4312', 'submission:018f…'
    audience = models.TextField()  # customer, reseller, reporter, staff
    kind = models.TextField()  # notice, ask-back, confirm, receipt, digest, not-ours …
    recipient_name = models.TextField(default="")
    recipient = models.TextField()
    language = models.TextField(default="en")
    subject = models.TextField()
    body = models.TextField()
    html = models.TextField(default="")
    in_reply_to = models.TextField(default="")
    message_id = models.TextField(default="")
    state = models.TextField(default="waiting")  # waiting, held, sending, sent, failed, withdrawn
    dedupe_key = models.TextField(null=True, unique=True)  # the same promise is made once
    created_at = models.DateTimeField()
    created_by = models.TextField(default="system")
    not_before = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    error = models.TextField(default="")

    class Meta:
        indexes = [
            models.Index(fields=["not_before"], name="outbox_waiting", condition=models.Q(state="waiting")),
            models.Index(fields=["reference"], name="outbox_reference"),
            models.Index(fields=["recipient", "created_at"], name="outbox_recipient"),
        ]
