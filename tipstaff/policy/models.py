"""The stored editions of the policy. A published edition is immutable; the database refuses to change it."""

from django.db import models
from django.db.models import F, Q


class StoredEdition(models.Model):
    """One edition: its canonical content and who drafted and published it (two different people)."""

    pack = models.TextField()
    version = models.TextField()
    brand = models.TextField(default="")
    content = models.JSONField()  # canonical form, see policy.loading
    content_hash = models.TextField()  # sha256 of the canonical form, hex
    effective_from = models.DateTimeField()
    state = models.TextField(default="draft")  # draft, published, withdrawn
    intake_address = models.TextField(default="")  # G1: required before publication
    drafted_by = models.TextField()
    published_by = models.TextField(default="")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pack", "version", "brand"], name="edition_once"),
            models.CheckConstraint(
                condition=Q(published_by="") | ~Q(published_by=F("drafted_by")), name="edition_two_people"
            ),
        ]
        indexes = [models.Index(fields=["brand", "effective_from"], name="edition_in_force")]
