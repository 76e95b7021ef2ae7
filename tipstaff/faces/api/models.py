"""Tokens of machines, and what each of them sent."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class ApiToken(models.Model):
    """A bearer token. Only its SHA-256 is kept: 256 random bits need no slow hash."""

    name = models.TextField(unique=True)  # also names the source of its reports: 'api:NAME'
    digest = models.BinaryField(unique=True)
    scopes = ArrayField(models.TextField())
    created_at = models.DateTimeField()
    created_by = models.TextField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)


class Receipt(models.Model):
    """A report that a token sent: the submission's id, and the idempotency key under which it came."""

    submission = models.UUIDField(primary_key=True)  # made at acceptance; the submission's row follows
    token = models.ForeignKey(ApiToken, on_delete=models.PROTECT, related_name="receipts")
    key = models.TextField(null=True)
    digest = models.BinaryField()  # SHA-256 of the body
    external_id = models.TextField(default="")
    accepted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="receipt_once_per_key")]
        indexes = [models.Index(fields=["token", "-accepted_at", "-submission"], name="receipt_newest")]
