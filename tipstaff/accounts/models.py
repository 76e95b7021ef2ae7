"""Customers, what they run, whose it was and when, and the staff of the desk."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, BigIntegerRangeField, DateTimeRangeField, IntegerRangeField
from django.contrib.postgres.fields.ranges import RangeOperators
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from psycopg.types.range import Int4Range

from tipstaff.kernel.fields import CidrField


def all_ports() -> Int4Range:
    return Int4Range(0, 65536, "[)")


class StaffMember(AbstractUser):
    """Somebody who works at the desk. Roles: see roles.py."""

    roles = ArrayField(models.TextField(), default=list)
    timezone = models.TextField(default="UTC")
    single_keys = models.BooleanField(default=True)  # single-letter shortcuts may be turned off (WCAG 2.1.4)
    theme = models.TextField(default="auto")
    second_factor_due_at = models.DateTimeField(null=True)  # from then on nothing opens before one is set up
    single_sign_on = models.TextField(null=True, unique=True)  # 'issuer|subject' of the identity provider


class OneTimeCodes(models.Model):
    """Somebody's authenticator app (TOTP, RFC 6238). Counts only once a first code was right."""

    staff = models.OneToOneField(StaffMember, on_delete=models.CASCADE, related_name="one_time_codes")
    secret = models.BinaryField()  # encrypted, see wrapping.py
    made_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)  # the last code that was used; it and older ones count no more


class RecoveryCode(models.Model):
    """A code for who lost the second factor: kept as a digest, good once."""

    staff = models.ForeignKey(StaffMember, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.TextField()
    used_at = models.DateTimeField(null=True)


class Passkey(models.Model):
    """A WebAuthn credential: the public half of it."""

    staff = models.ForeignKey(StaffMember, on_delete=models.CASCADE, related_name="passkeys")
    credential_id = models.BinaryField(unique=True)
    public_key = models.BinaryField()
    sign_count = models.BigIntegerField(default=0)
    transports = ArrayField(models.TextField(), default=list)
    name = models.TextField()
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class StaffSession(models.Model):
    """Where somebody is signed in; the session itself is Django's row with this key."""

    staff = models.ForeignKey(StaffMember, on_delete=models.CASCADE, related_name="signed_in")
    key = models.TextField(unique=True)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    network = models.TextField(default="")
    browser = models.TextField(default="")
    method = models.TextField(default="")  # 'password', 'password and code', 'passkey', 'single sign-on' …


class SignInTry(models.Model):
    """A failed try, counted under keyed digests; what throttles guessing across several web processes."""

    subject = models.TextField()  # keyed digest of account and network, of the network, of the account, of a device
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["subject", "at"], name="signintry_subject")]


class InventorySource(models.Model):
    """Where facts about customers and addresses come from, and how fresh its word is."""

    name = models.TextField(unique=True)
    kind = models.TextField()  # 'csv', 'netbox', 'api', 'hand'
    last_word_at = models.DateTimeField(null=True)  # facts are known up to this moment
    last_ok_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="")
    max_lag = models.DurationField(null=True)
    settings = models.JSONField(default=dict)  # addresses and options, never secrets


class Customer(models.Model):
    name = models.TextField()
    external_id = models.TextField(null=True, unique=True)
    source = models.ForeignKey(InventorySource, null=True, on_delete=models.PROTECT)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")  # its reseller
    customer_class = models.TextField(default="business")
    protected_class = models.TextField(default="")  # 'hospital', 'carrier' …: forbids automation (H10)
    brand = models.TextField(default="")
    language = models.TextField(default="en")
    timezone = models.TextField(default="UTC")
    contract = models.JSONField(default=dict)  # terms that override the policy's defaults (H10): today's, see ContractTerms
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["name"], name="customer_name")]


class ContractTerms(models.Model):
    """What a contract said from a moment on, until the next row's (H10). Rows are added, never changed; see contracts.py."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="contract_terms")
    terms = models.JSONField()
    from_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    by = models.TextField()
    reason = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["customer", "from_at"], name="contractterms_customer")]


class Contact(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="contacts")
    role = models.TextField(default="abuse")  # abuse, technical, billing, administrative
    name = models.TextField(default="")
    email = models.TextField(default="")
    phone = models.TextField(default="")
    language = models.TextField(default="")
    external_id = models.TextField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    problem = models.TextField(default="")  # 'bounced 3 times since …'

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "external_id"], name="contact_external_id")]


class Service(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="services")
    name = models.TextField()
    external_id = models.TextField(null=True, unique=True)
    kind = models.TextField(default="dedicated")  # dedicated, virtual, shared-hosting, access, colocation, dns, mail
    managed_by = models.TextField(default="customer")  # 'customer' or 'provider': who must act (D5)
    carriage = models.TextField(default="hosting")  # 'conduit' or 'hosting' (E9)
    protected_class = models.TextField(default="")
    brand = models.TextField(default="")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(null=True)  # when we first heard of it; null: before that was kept


class Assignment(models.Model):
    """A prefix held by a service during a period, as known during another (valid time and recorded time).

    A row is never changed but to end its recorded time: ``superseded_at``. Rows with null there are what is known now.
    """

    prefix = CidrField()
    period = DateTimeRangeField()  # valid time, [from, to)
    ports = IntegerRangeField(default=all_ports)  # [0, 65536) unless a carrier-grade NAT share
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="assignments")
    shared = models.BooleanField(default=False)  # many customers behind one address
    holder = models.GeneratedField(  # what makes two shared holders compatible and all else exclusive
        expression=models.Func(
            models.Case(models.When(shared=True, then=models.F("service_id")), default=None),
            models.Case(models.When(shared=True, then=models.F("service_id")), default=None),
            models.Value("[]"),
            function="int8range",
        ),
        output_field=BigIntegerRangeField(),
        db_persist=True,
    )
    source = models.ForeignKey(InventorySource, null=True, on_delete=models.PROTECT)
    external_id = models.TextField(null=True)
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            ExclusionConstraint(
                name="assignment_one_holder",
                expressions=[
                    (OpClass("prefix", name="inet_ops"), RangeOperators.EQUAL),
                    ("period", RangeOperators.OVERLAPS),
                    ("ports", RangeOperators.OVERLAPS),
                    ("holder", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["service"], name="assignment_service"),
            models.Index(fields=["external_id"], name="assignment_external"),
        ]


class ServiceName(models.Model):
    """A domain, host name or mailbox that a service holds during a period; decides within a shared address."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="names")
    kind = models.TextField()  # 'domain' (and all below it), 'host' (exactly), 'mailbox'
    value = models.TextField()  # lower case, A-labels
    period = DateTimeRangeField()
    source = models.ForeignKey(InventorySource, null=True, on_delete=models.PROTECT)
    external_id = models.TextField(null=True)
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["value"], name="servicename_value")]


class OwnPrefix(models.Model):
    """Address space of the provider: what is not assigned inside it is 'not assigned then', outside it 'not ours'."""

    prefix = CidrField(unique=True)
    note = models.TextField(default="")
    source = models.ForeignKey(InventorySource, null=True, on_delete=models.PROTECT)


class InventoryVersion(models.Model):
    """One row: grows with every change that could alter an answer. Whoever changes the inventory holds its lock."""

    number = models.BigIntegerField(default=0)
    at = models.DateTimeField(null=True)


class Acceptance(models.Model):
    """Who accepted which edition of the policy, when and how (A1)."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="acceptances")
    edition = models.TextField()  # 'default/2026-01'
    content_hash = models.TextField()
    accepted_at = models.DateTimeField()
    actor = models.TextField()
    method = models.TextField()  # 'contract', 'portal', 'order form'
