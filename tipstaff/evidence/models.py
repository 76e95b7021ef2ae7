"""Received bytes, what holds them, and who opened them."""

from django.db import models


class Blob(models.Model):
    """Bytes that were received, once, addressed by what they are; encrypted with a key of their own.

    Many small blobs share a pack, an append-only file; erasing a blob is forgetting its key.
    """

    sha256 = models.BinaryField(unique=True, max_length=32)  # of the plain bytes
    size = models.BigIntegerField()  # plain bytes
    media_type = models.TextField(default="")
    evidence_class = models.TextField(default="mail")  # retention class: mail, feed, document, sealed …
    pack = models.TextField()  # object name in the store
    offset = models.BigIntegerField(default=0)
    length = models.BigIntegerField()  # stored bytes
    wrapped_key = models.BinaryField(null=True)  # null once erased
    stored_at = models.DateTimeField()
    retain_until = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["retain_until"], name="blob_retention", condition=models.Q(erased_at__isnull=True)),
            models.Index(fields=["pack"], name="blob_pack"),
        ]


class Hold(models.Model):
    """Nothing in scope is erased while a hold stands. Scope is text: 'blob:…', 'case:4312', 'customer:12', 'all'."""

    scope = models.TextField()
    reason = models.TextField()
    placed_by = models.TextField()
    placed_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)


class Opening(models.Model):
    """Each time evidence was opened: by whom, on which grant, for what reason."""

    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="openings")
    at = models.DateTimeField()
    actor = models.TextField()
    grant = models.TextField()  # 'case:4312 analyst', 'worker parse'
    view = models.TextField()  # raw, parsed, customer, export
