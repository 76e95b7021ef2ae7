"""What the pipeline keeps about its own work."""

from django.db import models

from tipstaff.accounts.models import Customer


class Mark(models.Model):
    """How far a recurring job has come."""

    name = models.TextField(primary_key=True)
    at = models.DateTimeField()


class VictimNotice(models.Model):
    """An attack on a customer of ours, as a sensor of ours or a connected detector saw it: known, told, never held against them."""

    finding = models.TextField(unique=True)  # source and the finding's own id
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="victim_notices")
    subject = models.TextField()  # address, prefix, or 'customer 17'
    kind = models.TextField()
    detector = models.TextField()
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    words = models.TextField(default="")
    detail = models.JSONField(default=dict)  # the newest document's figures, limit, peers, series
    report_id = models.BigIntegerField()  # the newest report that speaks of it
    recorded_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["-last_at"], name="victim_newest"),
            models.Index(fields=["customer", "-last_at"], name="victim_customer"),
            models.Index(fields=["recorded_at"], name="victim_to_tell", condition=models.Q(told_at__isnull=True)),
        ]


class OtherDecision(models.Model):
    """What another desk decided, as its spreadsheet has it: beside it Tipstaff runs in shadow mode (``shadowing``)."""

    reference = models.TextField(unique=True)  # the other desk's own number
    message_id = models.TextField(default="")  # without brackets
    external_id = models.TextField(default="")  # the reporter's own number
    address = models.GenericIPAddressField(null=True)
    received_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    at = models.DateTimeField()  # the day it counts for: received, else decided
    customer = models.TextField(default="")
    category = models.TextField(default="")  # their word
    code = models.TextField(default="")  # ours, empty where their word means nothing to us
    decision = models.TextField(default="")
    outcome = models.TextField(default="")  # ours, likewise
    subject = models.TextField(default="")
    imported_at = models.DateTimeField()
    by = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["at"], name="otherdecision_at")]


class ShadowReport(models.Model):
    """One day compared with the other desk. The newest of a day counts; the earlier ones are kept."""

    day = models.DateField()
    made_at = models.DateTimeField()
    content = models.JSONField()  # shadowing.comparing.content

    class Meta:
        indexes = [models.Index(fields=["-day", "-made_at"], name="shadowreport_day")]
