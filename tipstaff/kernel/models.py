"""Rows that belong to no stage."""

from django.db import models


class Heartbeat(models.Model):
    """One running part of the system: who, where, and its last readable line."""

    name = models.TextField()  # 'worker', 'smtp', 'imap', 'web' …
    host = models.TextField()
    pid = models.IntegerField()
    at = models.DateTimeField()
    started_at = models.DateTimeField()
    line = models.TextField(default="")
    figures = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "host", "pid"], name="heartbeat_once")]
