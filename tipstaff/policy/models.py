"""The stored editions of the policy. A published edition is immutable; the database refuses to change it."""

from django.db import models
from django.db.models import F, Q


class StoredEdition(models.Model):
    """One edition: its canonical content and who drafted and published it (two different people).

    A draft may change. A published one may only be withdrawn, and only before it takes effect: what was in force once
    stays as it was, and a newer edition supersedes it. A trigger (migration 0002) holds to that.
    """

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
    withdrawn_by = models.TextField(default="")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pack", "version", "brand"], name="edition_once"),
            models.UniqueConstraint(
                fields=["brand", "effective_from"], condition=Q(state="published"), name="edition_one_at_a_time"
            ),
            models.CheckConstraint(condition=Q(state__in=["draft", "published", "withdrawn"]), name="edition_state"),
            models.CheckConstraint(condition=Q(published_by="") | ~Q(published_by=F("drafted_by")), name="edition_two_people"),
            models.CheckConstraint(
                condition=Q(state="draft") | ~(Q(published_by="") | Q(published_at=None) | Q(intake_address="")),
                name="edition_published_whole",
            ),
        ]
        indexes = [models.Index(fields=["brand", "effective_from"], name="edition_in_force")]

    @property
    def name(self) -> str:
        return f"{self.pack}/{self.version}"
