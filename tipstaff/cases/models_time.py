"""The clocks of a case, their pauses and their changes: rows are the truth, the sweeper fires what is due."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

#: A clock that runs: neither fired nor cancelled nor paused.
RUNNING = Q(fired_at__isnull=True, cancelled_at__isnull=True, pause__isnull=True)


class Pause(models.Model):
    """Some clocks of a case stand still, for a reason. ``until_at``: when it ends by itself; null: when somebody ends it."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="pauses")
    clocks = ArrayField(models.TextField())  # kinds
    reason = models.TextField()
    from_at = models.DateTimeField()
    until_at = models.DateTimeField(null=True)
    by = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="")

    class Meta:
        indexes = [models.Index(fields=["case"], name="pause_open", condition=Q(ended_at__isnull=True))]


class Clock(models.Model):
    """One running time of a case; kinds are listed in ``lifecycle.CLOCKS``. At most one of a kind runs at a time."""

    # No constraint in the database: clocks open with cases by the ten thousand, and nothing ever deletes a case.
    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="clocks", db_constraint=False)
    kind = models.TextField()
    started_at = models.DateTimeField()
    due_at = models.DateTimeField()
    fired_at = models.DateTimeField(null=True)  # when the sweeper fired it; the true due time stays in due_at
    cancelled_at = models.DateTimeField(null=True)
    pause = models.ForeignKey(Pause, null=True, on_delete=models.PROTECT, related_name="held")
    note = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind"],
                condition=Q(fired_at__isnull=True, cancelled_at__isnull=True),
                name="clock_one_of_a_kind",
            ),
        ]
        indexes = [models.Index(fields=["due_at", "id"], name="clock_running", condition=RUNNING)]


class ClockChange(models.Model):
    """A time that somebody shortened, lengthened or extended, and why."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="clock_changes")
    clock = models.TextField()
    change = models.TextField()  # shorten, lengthen, extension
    reason = models.TextField()
    role = models.TextField()
    by = models.TextField()
    at = models.DateTimeField()
    old_due_at = models.DateTimeField(null=True)
    new_due_at = models.DateTimeField()
