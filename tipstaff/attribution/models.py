"""Whom to write to about addresses that are not ours."""

from django.contrib.postgres.indexes import GistIndex, OpClass
from django.db import models

from tipstaff.kernel.fields import CidrField


class ForeignNetwork(models.Model):
    """Where complaints about somebody else's prefix go: what a registry answered, or what the operator listed."""

    prefix = CidrField()
    name = models.TextField(default="")
    abuse_contact = models.TextField(default="")  # empty: the registry names none
    source = models.TextField()  # 'operator', or the base URL of the registry
    redacted = models.BooleanField(default=False)
    fetched_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prefix", "source"], name="foreignnetwork_once")]
        indexes = [GistIndex(OpClass("prefix", name="inet_ops"), name="foreignnetwork_covers")]


class RegistryQuestion(models.Model):
    """An address whose abuse contact somebody wants to know; asked until it is answered or has failed too often."""

    address = models.GenericIPAddressField(unique=True)
    asked_at = models.DateTimeField()
    not_before = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    error = models.TextField(default="")

    class Meta:
        indexes = [models.Index(fields=["not_before"], name="registryquestion_due")]
