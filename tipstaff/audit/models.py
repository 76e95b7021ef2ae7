"""The record of what people and programs did, and the chain of seals over it."""

from django.db import models


class Entry(models.Model):
    """Who did what, to what, why and when. The application's role may only insert and read.

    Actors and subjects are text, so that an entry outlives what it speaks of; ``detail`` holds ids and hashes,
    never personal facts.
    """

    at = models.DateTimeField()
    actor = models.TextField()  # 'alice', 'system:worker', 'token:noc-feed'
    action = models.TextField()  # 'evidence.open', 'policy.publish', 'case.merge' …
    subject = models.TextField()  # 'case:4312', 'blob:9f2c…', 'edition:default/2026-01'
    reason = models.TextField(default="")
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["subject", "id"], name="audit_subject"),
            models.Index(fields=["actor", "id"], name="audit_actor"),
        ]


class Seal(models.Model):
    """One link of the chain over the entries, written by the sealer alone. The application may only insert and read.

    Numbers have no gaps. ``previous`` is unique, so that the chain cannot fork, whoever writes.
    """

    number = models.BigIntegerField(primary_key=True)
    # No foreign key in the database: its check costs half of the sealing, and `verify` finds a missing entry anyway.
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="seal", db_constraint=False)
    sealed_at = models.DateTimeField()
    digest = models.BinaryField()  # SHA-256 of the entry's canonical JSON
    previous = models.BinaryField(unique=True)  # `chained` of the number before
    chained = models.BinaryField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(number__gte=1), name="audit_seal_number"),
        ]
