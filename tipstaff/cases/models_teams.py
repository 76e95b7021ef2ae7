"""Who is on call, and the alerts that go out when nobody takes a critical case."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Team(models.Model):
    """Some people of the desk. Empty brands and categories: all."""

    name = models.TextField(unique=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="teams")
    brands = ArrayField(models.TextField(), default=list)
    categories = ArrayField(models.TextField(), default=list)
    order = models.IntegerField(default=0)  # the first team that fits is asked first
    ended_at = models.DateTimeField(null=True)  # asked no more; what it was told stays


class Shift(models.Model):
    """Somebody of a team is on call, in a time; level 2 is asked when level 1 does not take the case."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="shifts")
    member = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="shifts")
    level = models.IntegerField(default=1)
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["team", "until_at"], name="shift_until")]


class AlertChannel(models.Model):
    """Where a team's alerts go. A token or a secret URL is kept encrypted in ``sealed`` and never shown again, or stands in
    the environment variable that ``secret`` names."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="channels")
    kind = models.TextField()  # mail, webhook, slack, mattermost, matrix
    address = models.TextField(default="")  # mail address, URL, or Matrix room; a secret URL stands in the variable instead
    secret = models.TextField(default="")
    level = models.IntegerField(default=1)  # from this level of escalation on
    enabled = models.BooleanField(default=True)
    name = models.TextField(default="")  # as people call it: 'night channel'
    sealed = models.BinaryField(default=b"")  # accounts/wrapping.py, about 'alert_channel:<id>'
    ended_at = models.DateTimeField(null=True)  # used no more; what went there stays
    tested_at = models.DateTimeField(null=True)
    tested_by = models.TextField(default="")
    problem = models.TextField(default="")  # what the last test met; empty where it arrived


class Alert(models.Model):
    """One alert that must reach one place; a worker delivers it and says how that went. ``duty``: it is of that, not of the case
    that nobody has taken."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="alerts")
    duty = models.ForeignKey("cases.AuthorityDuty", null=True, on_delete=models.PROTECT, related_name="alerts")
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="alerts")
    level = models.IntegerField()
    members = ArrayField(models.TextField(), default=list)  # usernames on call
    text = models.TextField()
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    problem = models.TextField(default="")

    class Meta:
        indexes = [models.Index(fields=["not_before"], name="alert_waiting", condition=Q(sent_at__isnull=True))]
