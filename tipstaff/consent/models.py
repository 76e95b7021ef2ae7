"""Who asked not to be mailed, who may test what, and how we know."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from tipstaff.accounts.approvals import different_people
from tipstaff.accounts.models import Customer
from tipstaff.evidence.models import Blob


class OptOut(models.Model):
    """Somebody asked not to be mailed: from which sender or list, when, and how we know."""

    address = models.TextField()  # who must not be mailed
    sender = models.TextField(default="")  # whose mailing: domain, list id or customer reference
    asked_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()
    submission = models.TextField(default="")  # id of the submission that says so

    class Meta:
        constraints = [models.UniqueConstraint(fields=["address", "sender"], name="optout_once")]


class Permit(models.Model):
    """A test permit or research exception: which hosts, whom, with what, when, who agreed, and the paper that says so.

    States follow from the columns: asked, refused, approved (it covers what lies in its window from then on), revoked.
    """

    kind = models.TextField()  # permits.KINDS
    title = models.TextField()
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="permits")
    direction = models.TextField(default="out")  # permits.DIRECTIONS
    hosts = ArrayField(models.TextField(), default=list)  # addresses and prefixes of ours
    services = ArrayField(models.BigIntegerField(), default=list)
    targets = ArrayField(models.TextField(), default=list)  # the other side; empty: not named
    detectors = ArrayField(models.TextField(), default=list)  # detectors and codes of categories; empty: what the policy says
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    signatory = models.TextField()  # who gave the consent
    contact = models.TextField(default="")  # who is called when it goes wrong
    document_name = models.TextField(default="")
    document_sha256 = models.TextField()  # hexadecimal
    document = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    note = models.TextField(default="")
    requested_by = models.TextField()
    requested_at = models.DateTimeField()
    approved_by = models.TextField(default="")
    approved_at = models.DateTimeField(null=True)
    refused_by = models.TextField(default="")
    refused_at = models.DateTimeField(null=True)
    revoked_by = models.TextField(default="")
    revoked_at = models.DateTimeField(null=True)
    reason = models.TextField(default="")  # of the refusal or the revocation

    class Meta:
        constraints = [
            different_people("requested_by", "approved_by", name="permit_two_people"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="permit_forwards"),
            models.CheckConstraint(
                condition=Q(approved_by="", approved_at__isnull=True) | (~Q(approved_by="") & Q(approved_at__isnull=False)),
                name="permit_approved_whole",
            ),
        ]
        indexes = [models.Index(fields=["ends_at"], name="permit_in_force", condition=Q(approved_at__isnull=False))]


class PermitUse(models.Model):
    """A permit annotated what a report says. Append-only."""

    permit = models.ForeignKey(Permit, on_delete=models.PROTECT, related_name="uses")
    report_id = models.BigIntegerField()
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["permit", "report_id"], name="permit_use_once")]
        indexes = [models.Index(fields=["report_id"], name="permit_use_report")]
