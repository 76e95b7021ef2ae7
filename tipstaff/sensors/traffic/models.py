"""Routers that send flow statistics."""

from django.db import models


class Exporter(models.Model):
    """A device that exports flows, by its address (sFlow: the agent's). Until somebody confirms it, its flows count for nothing."""

    address = models.GenericIPAddressField(unique=True)
    name = models.TextField(default="")
    sampling_rate = models.PositiveBigIntegerField(default=0)  # 1 in so many, where the exporter tells none; 0: unknown
    first_seen = models.DateTimeField(null=True)
    last_seen = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.TextField(default="")
    facts = models.JSONField(default=dict)  # what the receiver last reported: streams, loss, skew, sampling, reasons

    class Meta:
        indexes = [models.Index(fields=["last_seen"], name="exporter_last_seen")]
