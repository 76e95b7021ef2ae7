"""Orders and what they did: what stands at which router, gateway or server, why, until when, and how it goes away."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from tipstaff.accounts.models import Customer, Service
from tipstaff.cases.models import Case
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import transitions
from tipstaff.kernel.fields import CidrField

_UNBEGUN = Q(state__in=[transitions.PROPOSED, transitions.FAILED])
_BY_PERSON = ~Q(requested_by__startswith="system:") & ~Q(requested_by="")


class Endpoint(models.Model):
    """One configured connector: which, with what settings, and whether it may act (rail 14: not before somebody says so)."""

    name = models.TextField(unique=True)
    connector = models.TextField()  # a name of registry.CONNECTORS
    settings = models.JSONField(default=dict)  # text by the form's names; secrets are names of environment variables
    live = models.BooleanField(default=False)
    rank = models.IntegerField(default=100)  # of two that can do the same, the lower one is chosen
    added_by = models.TextField()
    added_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)
    away_since = models.DateTimeField(null=True)  # the peer does not answer
    try_again_at = models.DateTimeField(null=True)
    problem = models.TextField(default="")
    reconciled_at = models.DateTimeField(null=True)
    halted = models.TextField(default="")  # why the reconciler stands still until a person looks (rail 6)
    halted_at = models.DateTimeField(null=True)
    mass_allowed = models.IntegerField(default=0)  # changes a person let through once
    figures = models.JSONField(default=dict)  # of the last comparison: desired, actual, repaired, removed


class Order(models.Model):
    """One thing to be done for one measure, from proposal to its end. ``state`` is written by ``moves`` alone."""

    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="orders")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="orders")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    service = models.ForeignKey(Service, null=True, on_delete=models.PROTECT, related_name="+")
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.PROTECT, related_name="orders")
    state = models.TextField(default=transitions.PROPOSED)
    kind = models.TextField()
    scope = models.TextField()
    target = models.TextField()  # canonical, see targets.py
    direction = models.TextField(default="both")
    clause = models.TextField()
    reason = models.TextField()
    choice = models.TextField()  # why this scope and this connector
    emergency = models.BooleanField(default=False)
    requested_by = models.TextField()
    approved_by = models.TextField(default="")
    approved_at = models.DateTimeField(null=True)
    second_by = models.TextField(default="")
    second_at = models.DateTimeField(null=True)
    needs_two = models.TextField(default="")  # why, empty where one person is enough
    overrides = ArrayField(models.TextField(), default=list)  # rails that two people may lift, and must here
    expires_at = models.DateTimeField()
    tag = models.TextField(default="")  # what the thing at the peer carries
    rides_on = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="riders")
    plan = ArrayField(models.TextField(), default=list)  # the commands, as they would be and as they were given
    undo_plan = ArrayField(models.TextField(), default=list)
    undo = models.JSONField(default=dict)  # what stood there before (rail 9)
    handle = models.JSONField(default=dict)
    output = models.TextField(default="")
    held = models.TextField(default="")  # why an approved order waits: dry run, switch, peer away
    problem = models.TextField(default="")
    failing = models.BooleanField(default=False)  # what is being taken away never came to stand as it should
    refresh = models.BooleanField(default=False)  # its end was moved: tell the peer
    attempts = models.IntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True)
    snapshot_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    revert_asked_at = models.DateTimeField(null=True)
    revert_by = models.TextField(default="")
    revert_reason = models.TextField(default="")
    lifted_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=transitions.STATES), name="order_state"),
            models.CheckConstraint(
                condition=Q(approved_by="") | ~Q(approved_by=F("requested_by")), name="order_requester_is_not_approver"
            ),
            models.CheckConstraint(
                condition=Q(second_by="") | (~Q(second_by=F("requested_by")) & ~Q(second_by=F("approved_by"))),
                name="order_second_is_another",
            ),
            models.CheckConstraint(condition=_UNBEGUN | ~Q(approved_by=""), name="order_acts_only_approved"),
            models.CheckConstraint(
                condition=_UNBEGUN
                | Q(needs_two="")
                | (~Q(approved_by__startswith="system:") & (_BY_PERSON | (~Q(second_by="") & ~Q(second_by__startswith="system:")))),
                name="order_two_people_where_needed",
            ),
            models.UniqueConstraint(
                fields=["measure"], condition=~Q(state__in=sorted(transitions.FINAL)), name="order_one_of_a_measure"
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], name="order_work", condition=Q(next_try_at__isnull=False)),
            models.Index(fields=["expires_at"], name="order_expiry", condition=Q(state__in=sorted(transitions.AT_WORK))),
            models.Index(fields=["endpoint", "target"], name="order_place", condition=Q(state__in=sorted(transitions.TOUCHED))),
            models.Index(fields=["state", "created_at"], name="order_screen"),
            models.Index(fields=["customer", "created_at"], name="order_customer"),
            models.Index(fields=["case"], name="order_case"),
        ]


class Probe(models.Model):
    """An emergency block that hides the attack it stops: when it is taken away for a look, and what the looks showed.

    ``phase``: holding (the block stands), withdrawing (asked back), open (no block; our flows are watched), blocking (the attack
    was back, a new order is on its way), over.
    """

    measure = models.OneToOneField(Measure, on_delete=models.PROTECT, related_name="probe")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="+")  # the one that stands, or stood last
    phase = models.TextField(default="holding")
    looks = models.IntegerField(default=0)  # looks that found the attack again; each doubles the hold
    since_at = models.DateTimeField()  # when the phase began
    outcome = models.TextField(default="")

    class Meta:
        indexes = [models.Index(fields=["id"], name="probe_running", condition=~Q(phase="over"))]


class OrderEntry(models.Model):
    """What happened to an order, in order. Append-only."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="entries")
    at = models.DateTimeField()
    actor = models.TextField()
    kind = models.TextField()  # proposed, approved, applying … , refused, retry, drift, repaired, moved_end
    text = models.TextField()
    detail = models.JSONField(default=dict)


class Switches(models.Model):
    """One row: the two switches (rail 12), dry run (14), the caps (5, 6, 7) and the name by which our tags are known."""

    id = models.IntegerField(primary_key=True, default=1)
    instance = models.TextField()
    live = models.BooleanField(default=False)
    stopped = models.TextField(default="")  # why no new action is begun; empty: they are
    changed_by = models.TextField(default="")
    changed_at = models.DateTimeField(null=True)
    lift_all_at = models.DateTimeField(null=True)
    cap_total = models.IntegerField(default=10_000)
    cap_customer = models.IntegerField(default=50)
    cap_hour = models.IntegerField(default=500)
    longest_days = models.IntegerField(default=366)
    ceiling4 = models.IntegerField(default=24)
    ceiling6 = models.IntegerField(default=48)
    mass_changes = models.IntegerField(default=100)
    mass_percent = models.IntegerField(default=30)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="switches_one_row")]


class Protected(models.Model):
    """The never-touch list: routers, resolvers, name servers, this desk, peers, next hops, the provider's own zones."""

    prefix = CidrField(null=True)
    name = models.TextField(default="")
    why = models.TextField()
    by = models.TextField()
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    removed_by = models.TextField(default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(prefix__isnull=True) ^ Q(name=""), name="protected_prefix_or_name"),
        ]


class WorkOrder(models.Model):
    """What a person is to do by hand, and that it was done; the peer of the connector ``person``."""

    tag = models.TextField(unique=True)
    target = models.TextField()
    instructions = models.TextField()
    undo_instructions = models.TextField()
    state = models.TextField(default="asked")  # asked, done, refused, undo_asked, undone, cancelled
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    done_by = models.TextField(default="")
    undo_asked_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.TextField(default="")
    note = models.TextField(default="")


class Interruption(models.Model):
    """When a service did not work because of a measure (J4): from the peer's confirmation to the peer's confirmation."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="interruption")
    measure = models.ForeignKey(Measure, on_delete=models.PROTECT, related_name="+")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="interruptions")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="interruptions")
    service = models.ForeignKey(Service, null=True, on_delete=models.PROTECT, related_name="interruptions")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    given_back_at = models.DateTimeField(null=True)  # the decision did not stand: the minutes are creditable
    given_back_reason = models.TextField(default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")), name="interruption_forwards"
            ),
        ]
        indexes = [models.Index(fields=["service", "started_at"], name="interruption_service")]


class Credit(models.Model):
    """Minutes given back to a customer, written once for an interruption whose decision did not stand. Append-only."""

    interruption = models.OneToOneField(Interruption, on_delete=models.PROTECT, related_name="credit")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="credits")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    seconds = models.BigIntegerField()
    reason = models.TextField()
    at = models.DateTimeField()
    by = models.TextField()
