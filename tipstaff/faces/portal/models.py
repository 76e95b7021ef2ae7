"""How customers' people get in: one-time links, sessions, addresses that wait to be confirmed, tries that are counted.

Only digests of secrets are kept. Staff sign in elsewhere, and nothing here makes anybody a member of staff.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tipstaff.accounts.models import Contact, Customer


class SignInLink(models.Model):
    """A link that was mailed, or would have been had the address been known. Good once, and not for long."""

    digest = models.TextField(unique=True)
    email = models.TextField()
    asked_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["asked_at"], name="portal_link_asked")]


class PortalSession(models.Model):
    """Where somebody is signed in: whoever reads the mail of that address."""

    digest = models.TextField(unique=True)
    email = models.TextField()
    contacts = ArrayField(models.BigIntegerField(), default=list)  # that had the address then; who has another since is out
    customer = models.ForeignKey(Customer, null=True, on_delete=models.CASCADE, related_name="+")  # chosen among several
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="portal_session_seen")]


class AddressToConfirm(models.Model):
    """A new contact, or another address of one, until somebody opens the link that was mailed there."""

    digest = models.TextField(unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    contact = models.ForeignKey(Contact, null=True, on_delete=models.CASCADE, related_name="+")  # null: a new one
    name = models.TextField(default="")
    email = models.TextField()
    phone = models.TextField(default="")
    role = models.TextField(default="abuse")
    language = models.TextField(default="")
    asked_by = models.TextField()
    asked_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class Try(models.Model):
    """Something that is counted, under a keyed digest of who did it."""

    subject = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["subject", "at"], name="portal_try_subject")]
