"""What was decided to be done to a service, what it rests on, who agreed, and what it left behind."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from tipstaff.accounts.models import Customer, Service
from tipstaff.evidence.models import Blob


class Proof(models.Model):
    """One trigger of the ladder (``policy.edition.Trigger``) with what proves it; each stands by itself (H6)."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="proofs")
    trigger = models.TextField()  # disregarded, inadequate, repeated, not_addressed, not_resolved, decision
    text = models.TextField()
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()
    by = models.TextField()
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "trigger"], condition=Q(withdrawn_at__isnull=True), name="proof_once"),
        ]


class Approval(models.Model):
    """A step that takes two people. The database refuses that one and the same person asks and agrees."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="approvals")
    what = models.TextField()  # restrict, whole_service, terminate, immediate_termination, retraction, second_review …
    detail = models.JSONField(default=dict)
    reason = models.TextField(default="")
    role = models.TextField()  # who may agree: analyst, lead
    requested_by = models.TextField()
    requested_at = models.DateTimeField()
    approved_by = models.TextField(null=True)
    approved_at = models.DateTimeField(null=True)
    refused_by = models.TextField(default="")
    refused_at = models.DateTimeField(null=True)
    executed_at = models.DateTimeField(null=True)  # when what was agreed was decided: its measure, its termination

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("requested_by")), name="approval_two_people"
            ),
        ]
        indexes = [
            models.Index(
                fields=["case", "what"], name="approval_open", condition=Q(approved_at__isnull=True, refused_at__isnull=True)
            ),
        ]


class Measure(models.Model):
    """A decision to do something to a service; enforcement makes orders of it and says here what became of them."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="measures")
    service = models.ForeignKey(Service, null=True, on_delete=models.PROTECT, related_name="+")
    kind = models.TextField()  # block, park, suspend, terminate, port_block, url_block, walled_garden, work_order
    scope = models.TextField()  # url, site, port, machine, service
    target = models.TextField()
    step = models.TextField(default="")  # the rung of the edition's ladder: disconnect, block_traffic …
    clause = models.TextField()
    reason = models.TextField()
    triggers = ArrayField(models.TextField(), default=list)  # the proofs it rests on
    decided_by = models.TextField()
    decided_at = models.DateTimeField()
    confirmed_by = models.TextField(null=True)  # the second person
    confirmed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    state = models.TextField(default="decided")  # decided, ordered, in_force, lifting, lifted, refused, failed
    emergency = models.BooleanField(default=False)
    interruption = models.BooleanField(default=True)  # the customer's service does not work meanwhile
    automatic = models.BooleanField(default=False)  # executed without a person, as the edition lists
    ordered_at = models.DateTimeField(null=True)
    in_force_at = models.DateTimeField(null=True)
    lift_asked_at = models.DateTimeField(null=True)
    lift_by = models.TextField(default="")
    lift_reason = models.TextField(default="")
    lifted_at = models.DateTimeField(null=True)
    overturned_at = models.DateTimeField(null=True)  # we were wrong: the minutes are the customer's again
    problem = models.TextField(default="")  # why it was refused or failed

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("decided_by")), name="measure_two_people"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="measure_to_order", condition=Q(state="decided")),
            models.Index(fields=["id"], name="measure_to_lift", condition=Q(state="lifting")),
            models.Index(fields=["expires_at"], name="measure_expiry", condition=Q(state__in=["ordered", "in_force"])),
        ]


class Strike(models.Model):
    """A breach that counts against a customer, weighed by fault; none before a decision (G7)."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="strikes")
    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="strikes")
    weight = models.IntegerField()  # percent
    at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    removed_reason = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case"], condition=Q(removed_at__isnull=True), name="strike_one_a_case"),
        ]


class Retest(models.Model):
    """What we found when we looked whether a fix holds. Wanted first, run by a worker, kept as evidence."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="retests")
    kind = models.TextField()  # open_service, open_relay, url_status, feed_quiet, flow_quiet, reporter_recheck
    target = models.TextField()
    wanted_at = models.DateTimeField()
    by = models.TextField()
    at = models.DateTimeField(null=True)  # when it was run
    outcome = models.TextField(default="")  # ok, still, cannot tell
    text = models.TextField(default="")
    detail = models.JSONField(default=dict)
    evidence = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["wanted_at"], name="retest_wanted", condition=Q(at__isnull=True))]


class Refusal(models.Model):
    """Whom the provider does not serve again (A14): digests of identities, never the identities themselves."""

    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="+")
    case = models.ForeignKey("cases.Case", null=True, on_delete=models.PROTECT, related_name="+")
    reason_code = models.TextField()
    note = models.TextField(default="")  # why, where a person entered it
    identities = ArrayField(models.TextField())  # keyed digests of mail addresses, names, external ids
    reviewer = models.TextField()
    at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    appeal_note = models.TextField(default="")


class RefusalMatch(models.Model):
    """A customer with a service who looks like somebody on the list: caught when it was ordered or imported; a person decides."""

    refusal = models.ForeignKey(Refusal, on_delete=models.PROTECT, related_name="matches")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    by_what = ArrayField(models.TextField())  # name, number, mail: what is the same
    identities = ArrayField(models.TextField(), default=list)  # the digests that were the same; empty: caught before they were kept
    at = models.DateTimeField()
    decision = models.TextField(default="")  # refused, another, served; empty: nobody has looked
    reason = models.TextField(default="")
    decided_by = models.TextField(default="")
    decided_at = models.DateTimeField(null=True)
    services = models.JSONField(default=dict)  # number → when it began, of what the customer had when decided about

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["refusal", "customer"], condition=Q(decision=""), name="refusal_match_waits_once"),
        ]
        indexes = [models.Index(fields=["at"], name="refusal_match_open", condition=Q(decision=""))]
