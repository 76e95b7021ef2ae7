"""Who asked not to be mailed, and how we know."""

from django.db import models


class OptOut(models.Model):
    """Somebody asked not to be mailed: from which sender or list, when, and how we know."""

    address = models.TextField()  # who must not be mailed
    sender = models.TextField(default="")  # whose mailing: domain, list id or customer reference
    asked_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()
    submission = models.TextField(default="")  # id of the submission that says so

    class Meta:
        constraints = [models.UniqueConstraint(fields=["address", "sender"], name="optout_once")]
