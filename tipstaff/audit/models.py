"""The record of what people and programs did."""

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
